package lambda

import (
	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
)

// modifiedLayout is how Lambda writes times of functions and layers.
const modifiedLayout = "2006-01-02T15:04:05.000-0700"

// newConfig reads the settings of a function to create; what it leaves out
// stays zero.
func newConfig(in *CreateFunctionRequest) pinfold.Config {
	c := pinfold.Config{
		Runtime: value(in.Runtime), Handler: value(in.Handler), Role: value(in.Role), Description: value(in.Description),
		MemoryMB: int(value(in.MemorySize)), Timeout: pinfold.Seconds(value(in.Timeout)),
	}
	if len(in.Architectures) > 0 {
		c.Architecture = in.Architectures[0]
	}
	if in.EphemeralStorage != nil {
		c.EphemeralMB = int(*in.EphemeralStorage.Size)
	}
	if in.Environment != nil {
		c.Environment = in.Environment.Variables
	}
	if in.DeadLetterConfig != nil {
		c.DeadLetter = value(in.DeadLetterConfig.TargetArn)
	}
	if in.TracingConfig != nil {
		c.TracingMode = value(in.TracingConfig.Mode)
	}
	if l := in.LoggingConfig; l != nil {
		c.LogFormat, c.LogGroup = value(l.LogFormat), value(l.LogGroup)
		c.ApplicationLevel, c.SystemLevel = value(l.ApplicationLogLevel), value(l.SystemLogLevel)
	}
	if p := managed(in.CapacityProviderConfig); p != nil {
		c.CapacityProvider, c.MaxConcurrency = value(p.CapacityProviderArn), int(value(p.PerExecutionEnvironmentMaxConcurrency))
	}
	for _, arn := range in.Layers {
		c.Layers = append(c.Layers, pinfold.LayerRef{ARN: arn})
	}
	return c
}

// configPatch reads what a request changes.
func configPatch(in *UpdateFunctionConfigurationRequest) function.ConfigPatch {
	p := function.ConfigPatch{Runtime: in.Runtime, Handler: in.Handler, Role: in.Role, Description: in.Description}
	if in.MemorySize != nil {
		p.MemoryMB = new(int(*in.MemorySize))
	}
	if in.Timeout != nil {
		p.Timeout = new(pinfold.Seconds(*in.Timeout))
	}
	if in.EphemeralStorage != nil {
		p.EphemeralMB = new(int(*in.EphemeralStorage.Size))
	}
	if in.Environment != nil {
		p.Environment = &in.Environment.Variables
	}
	if in.DeadLetterConfig != nil {
		p.DeadLetter = new(value(in.DeadLetterConfig.TargetArn))
	}
	if in.Layers != nil {
		p.Layers = &in.Layers
	}
	if in.TracingConfig != nil {
		p.TracingMode = in.TracingConfig.Mode
	}
	if l := in.LoggingConfig; l != nil {
		p.LogFormat, p.LogGroup, p.ApplicationLevel, p.SystemLevel = l.LogFormat, l.LogGroup, l.ApplicationLogLevel, l.SystemLogLevel
	}
	if m := managed(in.CapacityProviderConfig); m != nil {
		p.CapacityProvider, p.MaxConcurrency = m.CapacityProviderArn, new(int(value(m.PerExecutionEnvironmentMaxConcurrency)))
	}
	return p
}

// managed returns the only kind of capacity provider that there is, or nil.
func managed(c *CapacityProviderConfig) *LambdaManagedInstancesCapacityProviderConfig {
	if c == nil {
		return nil
	}
	return c.LambdaManagedInstancesCapacityProviderConfig
}

// configuration writes a version under the name by which it was asked for. A
// function is ready when its creation or change has been answered, so waiters
// find what they wait for at once.
func configuration(v *pinfold.Version, ref pinfold.FunctionRef) *FunctionConfiguration {
	c := listed(v, ref)
	c.State, c.LastUpdateStatus = new("Active"), new("Successful")
	return &c
}

// listed writes a version as lists have it. Source: ListFunctions, "returns a
// subset of the FunctionConfiguration fields": no State, no LastUpdateStatus.
func listed(v *pinfold.Version, ref pinfold.FunctionRef) FunctionConfiguration {
	c := &v.Config
	out := FunctionConfiguration{
		FunctionName: &ref.Name, FunctionArn: new(ref.ARN()), Version: &v.Ref.Qualifier,
		Runtime: present(c.Runtime), Handler: present(c.Handler), Role: &c.Role, Description: &c.Description,
		MemorySize: new(int64(c.MemoryMB)), Timeout: new(int64(c.Timeout)), EphemeralStorage: &EphemeralStorage{Size: new(int64(c.EphemeralMB))},
		Architectures: []string{c.Architecture}, PackageType: new("Zip"),
		CodeSha256: new(base64Hash(v.Code.SHA256)), CodeSize: &v.Code.Size,
		LastModified: new(v.LastModified.UTC().Format(modifiedLayout)), RevisionId: &v.RevisionID,
		TracingConfig: &TracingConfigResponse{Mode: &c.TracingMode},
		SnapStart:     &SnapStartResponse{ApplyOn: new("None"), OptimizationStatus: new("Off")},
		LoggingConfig: &LoggingConfig{
			LogFormat: &c.LogFormat, LogGroup: &c.LogGroup,
			ApplicationLogLevel: present(c.ApplicationLevel), SystemLogLevel: present(c.SystemLevel),
		},
	}
	if c.DeadLetter != "" {
		out.DeadLetterConfig = &DeadLetterConfig{&c.DeadLetter}
	}
	if len(c.Environment) > 0 {
		out.Environment = &EnvironmentResponse{Variables: c.Environment}
	}
	if c.MaxConcurrency > 0 || c.CapacityProvider != "" {
		m := &LambdaManagedInstancesCapacityProviderConfig{CapacityProviderArn: present(c.CapacityProvider)}
		if c.MaxConcurrency > 0 {
			m.PerExecutionEnvironmentMaxConcurrency = new(int64(c.MaxConcurrency))
		}
		out.CapacityProviderConfig = &CapacityProviderConfig{m}
	}
	for _, l := range c.Layers {
		out.Layers = append(out.Layers, Layer{Arn: &l.ARN, CodeSize: &l.Code.Size})
	}
	return out
}
