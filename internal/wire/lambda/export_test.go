package lambda

import "reflect"

// HasMember reports whether any request has a member of that path.
func HasMember(path string) bool {
	for _, in := range []any{
		CreateFunctionRequest{Code: &FunctionCode{}, CapacityProviderConfig: &CapacityProviderConfig{&LambdaManagedInstancesCapacityProviderConfig{}}}, UpdateFunctionCodeRequest{}, UpdateFunctionConfigurationRequest{},
		PublishVersionRequest{}, PublishLayerVersionRequest{Content: &LayerVersionContentInput{}}, InvocationRequest{},
	} {
		if member(reflect.ValueOf(in), path).IsValid() {
			return true
		}
	}
	return false
}
