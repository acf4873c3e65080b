package gateway

import (
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/httpapi"
)

const (
	testAccount = "123456789012"
	testRegion  = "eu-west-1"
)

func ref(name string) pinfold.FunctionRef {
	return pinfold.FunctionRef{Account: testAccount, Region: testRegion, Name: name}
}

// httpAPI returns an HTTP API with a route to function "f" for each key.
func httpAPI(id string, keys ...string) pinfold.API {
	api := pinfold.API{Account: testAccount, Region: testRegion, ID: id, Name: id, Kind: pinfold.HTTPAPI, Stage: "$default", App: id + "/dev"}
	for _, key := range keys {
		method, path, ok := strings.Cut(key, " ")
		if !ok {
			method, path = "ANY", key
		}
		api.Routes = append(api.Routes, pinfold.Route{Method: method, Path: path, Target: ref("f"), Payload: "2.0"})
	}
	return api
}

// restAPI is the same as a REST API with stage "dev".
func restAPI(id string, keys ...string) pinfold.API {
	api := httpAPI(id, keys...)
	api.Kind, api.Stage = pinfold.RESTAPI, "dev"
	for i := range api.Routes {
		api.Routes[i].Payload = "1.0"
	}
	return api
}

// described returns an API with one route, to be validated.
func described(method, path string) pinfold.API {
	api := httpAPI("abc")
	api.Routes = []pinfold.Route{{Method: method, Path: path, Target: ref("f")}}
	return api
}

func shapeOf(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if _, greedy, ok := httpapi.Variable(p); ok {
			parts[i] = "{}"
			if greedy {
				parts[i] = "{+}"
			}
		}
	}
	return strings.Join(parts, "/")
}
