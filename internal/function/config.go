package function

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
)

// Limits of a configuration. Source: "Lambda quotas" and CreateFunction.
const (
	minMemoryMB, maxMemoryMB       = 128, 10240
	minTimeout, maxTimeout         = 1, 900
	minEphemeralMB, maxEphemeralMB = 512, 10240
	maxEnvironment                 = 4096 // bytes, as JSON
	maxDescription                 = 256
	maxHandler                     = 128
	maxConcurrency                 = 1600 // of one instance; 0 stands for 1
)

// Defaults returns a configuration with AWS's defaults in place of what it
// leaves open, for the function of that name. An open network becomes the zero
// one, so that there is one way to have it.
func Defaults(name string, c pinfold.Config) pinfold.Config {
	fill(&c.MemoryMB, 128)
	fill(&c.Timeout, 3)
	fill(&c.EphemeralMB, 512)
	fill(&c.Architecture, "x86_64")
	fill(&c.TracingMode, "PassThrough")
	fill(&c.LogFormat, "Text")
	fill(&c.LogGroup, "/aws/lambda/"+name)
	if c.LogFormat == "JSON" {
		fill(&c.ApplicationLevel, "INFO")
		fill(&c.SystemLevel, "INFO")
	}
	if c.Network.Policy == pinfold.NetworkOpen {
		c.Network.Policy = ""
	}
	return c
}

// ConfigPatch is a change of a configuration: nil leaves a field as it is.
type ConfigPatch struct {
	Runtime, Handler, Role, Description *string
	MemoryMB, EphemeralMB               *int
	Timeout                             *pinfold.Seconds
	Environment                         *map[string]string // all of them
	Layers                              *[]string          // ARNs of layer versions, all of them
	TracingMode                         *string
	// LogFormat: changing to JSON sets the levels to INFO, changing to Text
	// takes them away.
	LogFormat, ApplicationLevel, SystemLevel, LogGroup *string
	Network                                            *pinfold.Network
	MaxConcurrency                                     *int
	CapacityProvider                                   *string
	DeadLetter                                         *string // ARN; "": none
}

// Replace returns the patch that makes a configuration the given one, but for
// its architecture, which belongs to the code.
func Replace(c pinfold.Config) ConfigPatch {
	layers := make([]string, len(c.Layers))
	for i, l := range c.Layers {
		layers[i] = l.ARN
	}
	return ConfigPatch{
		Runtime: &c.Runtime, Handler: &c.Handler, Role: &c.Role, Description: &c.Description,
		MemoryMB: &c.MemoryMB, EphemeralMB: &c.EphemeralMB, Timeout: &c.Timeout,
		Environment: &c.Environment, Layers: &layers, TracingMode: &c.TracingMode,
		LogFormat: &c.LogFormat, ApplicationLevel: &c.ApplicationLevel, SystemLevel: &c.SystemLevel, LogGroup: &c.LogGroup,
		Network: &c.Network, MaxConcurrency: &c.MaxConcurrency, CapacityProvider: &c.CapacityProvider, DeadLetter: &c.DeadLetter,
	}
}

// apply returns c with the patch's changes. Layers are resolved already.
func (p ConfigPatch) apply(c pinfold.Config, layers []pinfold.LayerRef) pinfold.Config {
	set(&c.Runtime, p.Runtime)
	set(&c.Handler, p.Handler)
	set(&c.Role, p.Role)
	set(&c.Description, p.Description)
	set(&c.MemoryMB, p.MemoryMB)
	set(&c.EphemeralMB, p.EphemeralMB)
	set(&c.Timeout, p.Timeout)
	set(&c.TracingMode, p.TracingMode)
	if p.Environment != nil {
		c.Environment = maps.Clone(*p.Environment)
	}
	if p.Layers != nil {
		c.Layers = layers
	}
	if p.LogFormat != nil && *p.LogFormat == "Text" {
		c.ApplicationLevel, c.SystemLevel = "", ""
	}
	set(&c.LogFormat, p.LogFormat)
	set(&c.ApplicationLevel, p.ApplicationLevel)
	set(&c.SystemLevel, p.SystemLevel)
	set(&c.LogGroup, p.LogGroup)
	set(&c.Network, p.Network)
	set(&c.MaxConcurrency, p.MaxConcurrency)
	set(&c.CapacityProvider, p.CapacityProvider)
	set(&c.DeadLetter, p.DeadLetter)
	return c
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// check holds a complete configuration against AWS's rules.
func (r *Registry) check(c pinfold.Config) error {
	if c.Runtime == "" || c.Handler == "" && !strings.HasPrefix(c.Runtime, "provided") {
		return invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	if r.o.SupportedRuntime != nil {
		if err := r.o.SupportedRuntime(c.Runtime); err != nil {
			return pinfold.Errorf(pinfold.Invalid, "%w", err).WithReason(cmp.Or(pinfold.ReasonOf(err), invalidParameter))
		}
	}
	return cmp.Or(
		checkRange(c.MemoryMB, "memorySize", minMemoryMB, maxMemoryMB),
		checkRange(int(c.Timeout), "timeout", minTimeout, maxTimeout),
		checkRange(c.EphemeralMB, "ephemeralStorage.size", minEphemeralMB, maxEphemeralMB),
		checkRange(c.MaxConcurrency, "capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig.perExecutionEnvironmentMaxConcurrency", 0, maxConcurrency),
		checkLength(c.Description, "description", maxDescription),
		checkLength(c.Handler, "handler", maxHandler),
		checkPattern(c.Handler, "handler", handlerPattern),
		checkPattern(c.Role, "role", rolePattern),
		checkPattern(c.LogGroup, "loggingConfig.logGroup", logGroupPattern),
		checkEnum(c.Architecture, "architectures", "x86_64", "arm64"),
		checkEnum(c.TracingMode, "tracingConfig.mode", "Active", "PassThrough"),
		checkLogging(c),
		checkEnvironment(c.Environment),
		checkNetwork(c.Network),
		r.checkDeadLetter(c.DeadLetter),
	)
}

var (
	rolePattern     = regexp.MustCompile(`^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$`)
	handlerPattern  = regexp.MustCompile(`^[^\s]+$`)
	logGroupPattern = regexp.MustCompile(`^[\.\-_/#A-Za-z0-9]+$`)
	variablePattern = regexp.MustCompile(`^[a-zA-Z]([a-zA-Z0-9_])+$`)
)

func checkRange(value int, member string, low, high int) error {
	switch {
	case value < low:
		return constraint(value, member, "Member must have value greater than or equal to %d", low)
	case value > high:
		return constraint(value, member, "Member must have value less than or equal to %d", high)
	}
	return nil
}

func checkLength(value, member string, high int) error {
	if len(value) > high {
		return constraint(value, member, "Member must have length less than or equal to %d", high)
	}
	return nil
}

func checkPattern(value, member string, pattern *regexp.Regexp) error {
	if value != "" && !pattern.MatchString(value) {
		return constraint(value, member, "Member must satisfy regular expression pattern: %s", strings.Trim(pattern.String(), "^$"))
	}
	return nil
}

func checkEnum(value, member string, allowed ...string) error {
	if value != "" && !slices.Contains(allowed, value) {
		return constraint(value, member, "Member must satisfy enum value set: [%s]", strings.Join(allowed, ", "))
	}
	return nil
}

func checkLogging(c pinfold.Config) error {
	if c.LogFormat != "JSON" && (c.ApplicationLevel != "" || c.SystemLevel != "") {
		return invalid("To configure log levels, set the LogFormat to JSON: log levels apply to structured logs only.")
	}
	return cmp.Or(
		checkEnum(c.LogFormat, "loggingConfig.logFormat", "JSON", "Text"),
		checkEnum(c.ApplicationLevel, "loggingConfig.applicationLogLevel", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"),
		checkEnum(c.SystemLevel, "loggingConfig.systemLogLevel", "DEBUG", "INFO", "WARN"),
	)
}

func checkNetwork(n pinfold.Network) error {
	if err := n.Check(); err != nil {
		return invalid("%w", err)
	}
	return nil
}

// reservedVariables are the ones that the platform sets. TZ is in AWS's list
// too, but AWS lets functions set it, and many do. Source: "Defined runtime
// environment variables" in the Lambda guide.
var reservedVariables = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}

func checkEnvironment(variables map[string]string) error {
	var reserved []string
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		switch {
		case slices.Contains(reservedVariables, name):
			reserved = append(reserved, name)
		case !variablePattern.MatchString(name):
			return constraint("{"+name+"=...}", "environment.variables", "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]")
		case strings.ContainsRune(variables[name], 0):
			return invalid("The value of the environment variable %s has a zero byte, which no process can be given.", name)
		}
	}
	if len(reserved) > 0 {
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(reserved, ", "))
	}
	if measured := compact(variables); len(measured) > maxEnvironment { // AWS counts them as compact JSON
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: %s", measured)
	}
	return nil
}
