package httpapi_test

import (
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/httpapi"
)

func rest(routes ...pinfold.Route) pinfold.API {
	a := api("abcdefghij", routes...)
	a.Kind, a.Stage = pinfold.RESTAPI, "dev"
	return a
}

func change(a pinfold.API, fn func(*pinfold.API)) pinfold.API {
	fn(&a)
	return a
}

func TestValidate(t *testing.T) {
	get := func(path string) pinfold.Route { return route("GET", path, "f") }
	tests := []struct {
		name string
		api  pinfold.API
		want []string // parts of the message; none: valid
	}{
		{"empty API", api("abc"), nil},
		{"every sort of path", api("abc", get("/"), get("/a"), get("/a/{id}"), get("/a/{id}/b/{proxy+}"), get("/{proxy+}"), get("/a.b-c_d~1"), route("", "$default", "f")), nil},
		{"one path, several methods", api("abc", get("/a"), route("POST", "/a", "g"), route("ANY", "/a", "h")), nil},
		{"REST", rest(get("/"), route("ANY", "/{proxy+}", "f")), nil},

		{"the same twice", api("abc", get("/a"), route("GET", "/a", "g")), []string{"GET /a leads to function f", "GET /a to function g"}},
		{"ANY twice", api("abc", route("ANY", "/a", "f"), route("ANY", "/a", "g")), []string{"ANY /a leads to function f"}},
		{"differ in a variable's name", rest(get("/users/{id}"), route("GET", "/users/{name}", "g")), []string{"GET /users/{id} leads to function f", "GET /users/{name} to function g"}},
		{"differ in a greedy variable's name", api("abc", get("/{a+}"), route("GET", "/{b+}", "g")), []string{"GET /{a+}", "GET /{b+}"}},
		{"greedy and plain differ", api("abc", get("/{a+}"), route("GET", "/{a}", "g")), nil},
		{"two $default", api("abc", route("", "$default", "f"), route("ANY", "$default", "g")), []string{"$default leads to function f"}},

		{"no method", api("abc", route("", "/a", "f")), []string{`"" is not a method`}},
		{"lower-case method", api("abc", route("get", "/a", "f")), []string{`"get" is not a method`}},
		{"no slash", api("abc", get("a")), []string{`path "a" must start with /`}},
		{"last slash", api("abc", get("/a/")), []string{"leave the last slash out"}},
		{"double slash", api("abc", get("/a//b")), []string{"two slashes"}},
		{"query", api("abc", get("/a?b")), []string{`"a?b" has a character`}},
		{"space", api("abc", get("/a b")), []string{`"a b" has a character`}},
		{"encoded", api("abc", get("/a%20b")), []string{`"a%20b" has a character`}},
		{"mixed segment", api("abc", get("/{id}.json")), []string{"a variable takes a whole segment"}},
		{"unclosed", api("abc", get("/{id")), []string{"a variable takes a whole segment"}},
		{"empty variable", api("abc", get("/{}")), []string{`"{}" is not a variable`}},
		{"empty greedy variable", api("abc", get("/{+}")), []string{`"{+}" is not a variable`}},
		{"greedy in the middle", api("abc", get("/{proxy+}/b")), []string{"nothing can follow it"}},
		{"variable twice", api("abc", get("/{id}/{id}")), []string{`two variables named "id"`}},
		{"$default in REST", rest(route("ANY", "$default", "f")), []string{"only an HTTP API"}},
		{"GET $default", api("abc", route("GET", "$default", "f")), []string{"takes every method"}},
		{"no function", api("abc", route("GET", "/a", "")), []string{"leads to no function"}},

		{"kind", change(api("abc"), func(a *pinfold.API) { a.Kind = "soap" }), []string{`kind "soap"`}},
		{"id", api("ABC"), []string{"part of a host name"}},
		{"account", change(api("abc"), func(a *pinfold.API) { a.Account = "" }), []string{"an account and a region"}},
		{"REST without stage", change(rest(), func(a *pinfold.API) { a.Stage = "" }), []string{`stage ""`}},
		{"REST with $default stage", change(rest(), func(a *pinfold.API) { a.Stage = "$default" }), []string{`stage "$default"`}},
		{"stage with slash", change(rest(), func(a *pinfold.API) { a.Stage = "a/b" }), []string{`stage "a/b"`}},
		{"payload 2.0 in REST", rest(pinfold.Route{Method: "GET", Path: "/", Payload: "2.0", Target: get("/").Target}), []string{"payload 1.0"}},
		{"payload 3.0", api("abc", pinfold.Route{Method: "GET", Path: "/", Payload: "3.0", Target: get("/").Target}), []string{`payload "3.0"`}},
		{"timeout HTTP", api("abc", pinfold.Route{Method: "GET", Path: "/", TimeoutMS: 30001, Target: get("/").Target}), []string{"50 to 30000"}},
		{"timeout REST", rest(pinfold.Route{Method: "GET", Path: "/", TimeoutMS: 29001, Target: get("/").Target}), []string{"50 to 29000"}},
		{"key in HTTP", api("abc", pinfold.Route{Method: "GET", Path: "/", APIKeyRequired: true, Target: get("/").Target}), []string{"ask for an API key"}},
		{"keys in HTTP", change(api("abc"), func(a *pinfold.API) { a.APIKeys = []pinfold.APIKey{{Name: "k", Value: "v"}} }), []string{"can have API keys"}},
		{"empty key", change(rest(), func(a *pinfold.API) { a.APIKeys = []pinfold.APIKey{{Name: "k"}} }), []string{`"k" has no value`}},
		{"key twice", change(rest(), func(a *pinfold.API) { a.APIKeys = []pinfold.APIKey{{Name: "k", Value: "1"}, {Name: "k", Value: "2"}} }), []string{`two API keys named "k"`}},
		{"media type", change(rest(), func(a *pinfold.API) { a.BinaryMediaTypes = []string{"image"} }), []string{`"image" must look like`}},
		// Source: aws/aws-cdk issue 9076, which quotes CreateApi's answer.
		{"credentials for all", change(api("abc"), func(a *pinfold.API) {
			a.CORS = &pinfold.CORS{AllowOrigins: []string{"*"}, AllowCredentials: true}
		}), []string{"allow-credentials is not supported if 'allow-origin' is *"}},
		{"CORS method", change(api("abc"), func(a *pinfold.API) { a.CORS = &pinfold.CORS{AllowMethods: []string{"FETCH"}} }), []string{`"FETCH" is not a method`}},
		{"CORS age", change(api("abc"), func(a *pinfold.API) { a.CORS = &pinfold.CORS{MaxAge: 86401} }), []string{"maximum age"}},
		{"route CORS in HTTP", api("abc", pinfold.Route{Method: "GET", Path: "/", CORS: &pinfold.CORS{}, Target: get("/").Target}), []string{"one CORS policy"}},
		{"all at once", api("abc", get("a"), get("/b/"), route("FETCH", "/c", "f")), []string{`path "a"`, `path "/b/"`, `"FETCH"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := httpapi.Validate(test.api)
			if len(test.want) == 0 {
				if err != nil {
					t.Fatalf("Validate = %v, want nil", err)
				}
				return
			}
			if pinfold.CodeOf(err) != pinfold.Invalid {
				t.Fatalf("Validate = %v, want an error with code Invalid", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Validate = %q, which does not say %q", err, want)
				}
			}
		})
	}
}

// FuzzPath looks for paths that pass and must not, or that cannot be checked.
func FuzzPath(f *testing.F) {
	for _, path := range []string{"/", "/a/{id}/{proxy+}", "/{}", "/{+}", "/{a+}/b", "/a//b", "a", "/a/", "/{a}{b}", "/{a", "/%2f", "$default"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if httpapi.Validate(api("abc", route("GET", path, "f"))) != nil || path == "/" {
			return
		}
		seen := map[string]bool{}
		for i, segment := range strings.Split(path, "/") {
			name, greedy, variable := httpapi.Variable(segment)
			switch {
			case i == 0 && segment != "", i > 0 && segment == "":
				t.Errorf("%q has an odd slash", path)
			case variable && (name == "" || seen[name]):
				t.Errorf("%q has variable %q without a name, or twice", path, name)
			case !variable && strings.ContainsAny(segment, "{}%?# \t\n"):
				t.Errorf("%q has literal %q", path, segment)
			case greedy && !strings.HasSuffix(path, segment):
				t.Errorf("%q goes on after %s", path, segment)
			}
			seen[name] = variable
		}
	})
}
