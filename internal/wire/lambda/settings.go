package lambda

import (
	"reflect"
	"strings"
)

// Setting is a part of a request that Pinfold does not do what AWS does with.
type Setting struct {
	Name string // path of the member in the request: "VpcConfig", "Code.S3Bucket"
	Note string // what to do instead, or what becomes of it
	// harmless is the one value that asks for nothing special.
	harmless string
}

// Refused lists the settings that Pinfold cannot honour yet: a request that
// uses one is answered with an error that names it. An empty value is no use.
var Refused = []Setting{
	{Name: "CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.ExecutionEnvironmentMemoryGiBPerVCpu", Note: "leave it out; an instance's share of the processor follows its memory."},
	{Name: "Code.ImageUri", Note: "give the code as a zip file in ZipFile."},
	{Name: "Code.S3Bucket", Note: "there is no bucket service; give the code as a zip file in ZipFile."},
	{Name: "Code.S3Key", Note: "there is no bucket service; give the code as a zip file in ZipFile."},
	{Name: "Code.SourceKMSKeyArn", Note: "leave it out; code packages are not encrypted with keys of your own."},
	{Name: "CodeSigningConfigArn", Note: "leave it out; signatures of code are not checked."},
	{Name: "Content.S3Bucket", Note: "there is no bucket service; give the layer as a zip file in ZipFile."},
	{Name: "Content.S3Key", Note: "there is no bucket service; give the layer as a zip file in ZipFile."},
	{Name: "DurableConfig", Note: "leave it out; functions run once and to their end."},
	{Name: "FileSystemConfigs", Note: "leave it out; instances have /tmp and the function's code."},
	{Name: "ImageConfig", Note: "leave it out; functions are zip files."},
	{Name: "ImageUri", Note: "give the code as a zip file in ZipFile."},
	{Name: "KMSKeyArn", Note: "leave it out; environment variables are not encrypted with keys of your own."},
	{Name: "PackageType", Note: "use Zip.", harmless: "Zip"},
	{Name: "PublishTo", Note: "use Publish, which makes a numbered version."},
	{Name: "S3Bucket", Note: "there is no bucket service; give the code as a zip file in ZipFile."},
	{Name: "S3Key", Note: "there is no bucket service; give the code as a zip file in ZipFile."},
	{Name: "SnapStart", Note: "use None; instances are not restored from snapshots.", harmless: "None"},
	{Name: "SourceKMSKeyArn", Note: "leave it out; code packages are not encrypted with keys of your own."},
	{Name: "TenancyConfig", Note: "leave it out; instances are not kept apart by tenant."},
	{Name: "TenantId", Note: "leave it out; instances are not kept apart by tenant."},
	{Name: "DurableExecutionName", Note: "leave it out; functions run once and to their end."},
	{Name: "VpcConfig", Note: "leave it out; `pinfold network` says what a function may reach."},
}

// Kept lists the settings that are checked, kept and shown, and have no effect yet.
var Kept = []Setting{
	{Name: "Role", Note: "A role's policies are not looked at: a function may invoke functions of its account and write logs, and no more."},
	{Name: "CapacityProviderConfig", Note: "`PerExecutionEnvironmentMaxConcurrency` is followed, without it an instance serves one invocation at a time; instances run on this machine whatever `CapacityProviderArn` says."},
	{Name: "TracingConfig", Note: "Trace headers are handed on, and traces are recorded and sent on as the server is configured, whatever the mode."},
	{Name: "ProvisionedPollerConfig", Note: "There are as many pollers as help, and one at idle."},
	{Name: "MetricsConfig", Note: "Event source mappings have their metrics in any case."},
	{Name: "AddPermission, AddLayerVersionPermission", Note: "Policies are kept and shown; they grant nothing yet."},
}

// refuse returns an error if a request uses one of the refused settings.
func refuse(in any) error {
	v := reflect.ValueOf(in).Elem()
	for _, setting := range Refused {
		if f := member(v, setting.Name); f.IsValid() && used(f, setting.harmless) {
			return unserved(setting.Name, setting.Note)
		}
	}
	return nil
}

// member finds a member by its path, or returns the zero Value.
func member(v reflect.Value, path string) reflect.Value {
	for name := range strings.SplitSeq(path, ".") {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return reflect.Value{}
			}
			v = v.Elem()
		}
		if v = v.FieldByName(name); !v.IsValid() {
			return v
		}
	}
	return v
}

// used reports whether a value asks for something.
func used(v reflect.Value, harmless string) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return !v.IsNil() && used(v.Elem(), harmless)
	case reflect.Struct:
		for i := range v.NumField() {
			if used(v.Field(i), harmless) {
				return true
			}
		}
		return false
	case reflect.Slice, reflect.Map:
		return v.Len() > 0
	case reflect.String:
		return v.String() != "" && v.String() != harmless
	}
	return !v.IsZero()
}
