package gateway

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/httpapi"
)

// plant builds a tree of "METHOD PATH" routes.
func plant(rest bool, keys ...string) *tree {
	t := &tree{rest: rest}
	for _, key := range keys {
		method, path, ok := strings.Cut(key, " ")
		if !ok {
			method, path = "ANY", key
		}
		t.add(method, path, &route{key: key, resource: path})
	}
	return t
}

// found shows a match as "KEY name=value ...".
func found(t *tree, request string) string {
	method, path, _ := strings.Cut(request, " ")
	r, values := t.match(method, path, nil)
	if r == nil {
		return ""
	}
	s := r.key
	for i, v := range values {
		s += " " + r.names[i] + "=" + v
	}
	return s
}

func TestMatch(t *testing.T) {
	type cases map[string]string
	tests := []struct {
		name   string
		source string
		rest   bool
		routes []string
		want   cases
	}{{
		name:   "the documented example",
		source: "Create routes for HTTP APIs, Routing API requests",
		routes: []string{"GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"},
		want: cases{
			"GET /pets/dog/1": "GET /pets/dog/1",
			"GET /pets/dog/2": "GET /pets/dog/{id} id=2",
			"GET /pets/cat/1": "GET /pets/{proxy+} proxy=cat/1",
			"POST /test/5":    "ANY /{proxy+} proxy=test/5",
		},
	}, {
		name:   "$default takes the rest",
		source: "Create routes for HTTP APIs, Working with the $default route",
		routes: []string{"GET /pets", "$default"},
		want:   cases{"GET /pets": "GET /pets", "POST /pets": "$default", "GET /": "$default", "GET /a/b": "$default"},
	}, {
		name:   "nothing matches",
		source: "Create routes for HTTP APIs",
		routes: []string{"GET /pets"},
		want:   cases{"POST /pets": "", "GET /pet": "", "GET /pets/1": "", "GET /": ""},
	}, {
		name:   "the path goes before the method, the method before ANY",
		source: "Create routes for HTTP APIs: ANY matches all methods that you haven't defined for a resource",
		routes: []string{"ANY /pets", "GET /pets", "GET /{x}", "POST /{x}"},
		want:   cases{"GET /pets": "GET /pets", "POST /pets": "ANY /pets", "PURGE /pets": "ANY /pets", "GET /cats": "GET /{x} x=cats", "PUT /cats": ""},
	}, {
		name:   "whole paths go before greedy ones",
		source: "Create routes for HTTP APIs: 1. full match, 2. greedy path variable",
		routes: []string{"GET /a/{proxy+}", "GET /{x}/b"},
		want:   cases{"GET /a/b": "GET /{x}/b x=a", "GET /a/c": "GET /a/{proxy+} proxy=c"},
	}, {
		name:   "the more specific greedy path",
		source: "aws/aws-lambda-dotnet LambdaTestTool-v2, ApiGatewayRouteConfigService, example 4",
		routes: []string{"ANY /api/{proxy+}", "ANY /api/v1/{proxy+}"},
		want: cases{
			"GET /api/":     "ANY /api/{proxy+} proxy=",
			"GET /api/v1/":  "ANY /api/v1/{proxy+} proxy=",
			"GET /api/v2/":  "ANY /api/{proxy+} proxy=v2/",
			"GET /api/v1":   "ANY /api/{proxy+} proxy=v1",
			"GET /api":      "",
			"GET /api/v1/x": "ANY /api/v1/{proxy+} proxy=x",
		},
	}, {
		name:   "slashes at the end count in an HTTP API",
		source: "aws/aws-lambda-dotnet LambdaTestTool-v2, ApiGatewayRouteConfigService, examples 1, 2, 3 and 5",
		routes: []string{"GET /pets/dog", "GET /pets/{type}/{id}", "GET /resource/{proxy+}"},
		want: cases{
			"GET /pets/dog":     "GET /pets/dog",
			"GET /pets/dog/":    "",
			"GET /pets/dogs":    "",
			"GET /pets/dog/1":   "GET /pets/{type}/{id} type=dog id=1",
			"GET /resource":     "",
			"GET /resource/":    "GET /resource/{proxy+} proxy=",
			"GET /resource/a":   "GET /resource/{proxy+} proxy=a",
			"GET /resource/a/b": "GET /resource/{proxy+} proxy=a/b",
			"GET /resource//a":  "GET /resource/{proxy+} proxy=/a",
			"GET //pets/dog":    "",
			"GET /pets//1":      "",
		},
	}, {
		name:   "the root and a greedy path in an HTTP API",
		source: "aws/aws-lambda-dotnet LambdaTestTool-v2, ApiGatewayRouteConfigService, example 5",
		routes: []string{"ANY /{proxy+}"},
		want:   cases{"GET /": "ANY /{proxy+} proxy=", "GET /a": "ANY /{proxy+} proxy=a"},
	}, {
		name:   "the root goes before a greedy path",
		routes: []string{"GET /", "ANY /{proxy+}"},
		want:   cases{"GET /": "GET /", "POST /": "ANY /{proxy+} proxy="},
	}, {
		name:   "case and escapes",
		source: "Create routes for HTTP APIs: parameters are decoded (by the event, see there); an escaped slash is no separator",
		routes: []string{"GET /users/{id}", "GET /a b"},
		want:   cases{"GET /Users/1": "", "GET /users/a%2Fb": "GET /users/{id} id=a%2Fb", "GET /%75sers/1": "GET /users/{id} id=1", "GET /a%20b": "GET /a b", "GET /users/%": "GET /users/{id} id=%"},
	}, {
		name:   "HEAD is not GET",
		source: "API Gateway has no implicit HEAD",
		routes: []string{"GET /a"},
		want:   cases{"HEAD /a": ""},
	}, {
		name:   "REST: a path that lacks the method hides nothing",
		source: "ministackorg/ministack pull request 1423, measured on API Gateway",
		rest:   true,
		routes: []string{"ANY /{proxy+}", "GET /jobs/{operation_type}", "OPTIONS /cors_only"},
		want: cases{
			"GET /jobs/reboot":   "GET /jobs/{operation_type} operation_type=reboot",
			"GET /jobs":          "ANY /{proxy+} proxy=jobs",
			"POST /jobs":         "ANY /{proxy+} proxy=jobs",
			"POST /jobs/reboot":  "ANY /{proxy+} proxy=jobs/reboot",
			"GET /cors_only":     "ANY /{proxy+} proxy=cors_only",
			"OPTIONS /cors_only": "OPTIONS /cors_only",
		},
	}, {
		name:   "REST: siblings",
		source: "floci-io/floci pull request 3399, measured on API Gateway",
		rest:   true,
		routes: []string{"GET /users/{userId}", "PATCH /users/me", "POST /roles/provision", "GET /roles/{roleId}", "GET /things/real", "POST /things/{proxy+}"},
		want: cases{
			"GET /users/me":         "GET /users/{userId} userId=me",
			"PATCH /users/me":       "PATCH /users/me",
			"GET /users/abc123":     "GET /users/{userId} userId=abc123",
			"POST /users/me":        "",
			"POST /roles/provision": "POST /roles/provision",
			"GET /roles/provision":  "GET /roles/{roleId} roleId=provision",
			"GET /things/real":      "GET /things/real",
			"POST /things/real":     "POST /things/{proxy+} proxy=real",
		},
	}, {
		name:   "REST: a slash at the end is ignored, {proxy+} needs a segment",
		source: "LocalStack test_apigateway_lambda.snapshot.json, with-trailing-slash; logandk/serverless-wsgi issue 20",
		rest:   true,
		routes: []string{"ANY /{proxy+}", "GET /hello", "GET /users/{id}"},
		want: cases{
			"GET /test-path/": "ANY /{proxy+} proxy=test-path",
			"GET /hello/":     "GET /hello",
			"GET /users/1/":   "GET /users/{id} id=1",
			"GET /":           "",
		},
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tree := plant(test.rest, test.routes...)
			for request, want := range test.want {
				if got := found(tree, request); got != want {
					t.Errorf("%s leads to %q, want %q (%s)", request, got, want, test.source)
				}
			}
		})
	}
}

func TestMatchAppendsToValues(t *testing.T) {
	tree := plant(false, "GET /{a}/{b}", "GET /x/{p+}")
	for request, want := range map[string]string{"/1/2": "[kept 1 2]", "/x/2/3": "[kept 2/3]", "/nothing": "[kept]"} {
		if _, values := tree.match("GET", request, []string{"kept"}); fmt.Sprint(values) != want {
			t.Errorf("values of %s = %v, want %s", request, values, want)
		}
	}
}

// naive finds a route by looking at all of them, in the documented order.
func naive(keys []string, rest bool, method, path string) string {
	if rest {
		path = strings.TrimRight(path, "/")
	}
	var segments []string
	if path != "/" && path != "" {
		segments = strings.Split(path[1:], "/")
	}
	greedySegments := segments
	if path == "/" {
		greedySegments = []string{""}
	}
	type candidate struct {
		key   string
		shape string // sorts literal before variable
		rank  [4]int // greater is better
	}
	var best *candidate
	for _, key := range keys {
		m, p, ok := strings.Cut(key, " ")
		if !ok {
			continue
		}
		if m != method && m != "ANY" {
			continue
		}
		c := &candidate{key: key}
		var parts []string
		if p != "/" {
			parts = strings.Split(p[1:], "/")
		}
		_, greedy, _ := httpapi.Variable(last(parts))
		have := segments
		if greedy {
			have = greedySegments
			parts = parts[:len(parts)-1]
			if len(have) <= len(parts) {
				continue
			}
			have = have[:len(parts)]
		}
		if len(have) != len(parts) {
			continue
		}
		matches, literals := true, 0
		for i, part := range parts {
			_, _, variable := httpapi.Variable(part)
			switch {
			case have[i] == "":
				matches = false
			case variable:
				c.shape += "1"
			case unescape(have[i], false) == part:
				c.shape += "0"
				literals++
			default:
				matches = false
			}
		}
		if !matches {
			continue
		}
		if greedy {
			c.rank = [4]int{0, literals, len(parts)}
		} else {
			c.rank = [4]int{1}
		}
		if m == method {
			c.rank[3] = 1
		}
		better := func() bool {
			if n := slices.Compare(c.rank[:3], best.rank[:3]); n != 0 {
				return n > 0
			}
			if c.shape != best.shape {
				return c.shape < best.shape
			}
			return c.rank[3] > best.rank[3]
		}
		if best == nil || better() {
			best = c
		}
	}
	if best != nil {
		return best.key
	}
	if slices.Contains(keys, "$default") {
		return "$default"
	}
	return ""
}

func last(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[len(s)-1]
}

// FuzzMatch compares the tree with looking at every route.
func FuzzMatch(f *testing.F) {
	f.Add("GET /pets/dog/1\nGET /pets/dog/{id}\nGET /pets/{proxy+}\nANY /{proxy+}\n$default", "GET", "/pets/dog/1", false)
	f.Add("GET /{a}/b\nGET /a/{p+}\nANY /a/b", "POST", "/a/b", false)
	f.Add("ANY /{p+}\nGET /a/{x}", "POST", "/a/b/", true)
	f.Add("GET /\nANY /{p+}", "GET", "//", true)
	f.Add("GET /a/{b}/{c+}\nGET /{a}/b/{c+}", "GET", "/a/b/c%2Fd", false)
	f.Add("GET /a/{b}/{c+}\nGET /{a}/b/{c+}", "GET", "/a/", false)
	f.Fuzz(func(t *testing.T, routes, method, path string, rest bool) {
		if !strings.HasPrefix(path, "/") || len(path) > 200 {
			return
		}
		var keys []string
		shapes := map[string]bool{}
		for _, key := range strings.Split(routes, "\n") {
			m, p, ok := strings.Cut(key, " ")
			if !ok && (rest || key != "$default") {
				continue
			}
			if ok && httpapi.Validate(described(m, p)) != nil || len(keys) > 20 {
				continue
			}
			shape := m + " " + shapeOf(p)
			if shapes[shape] {
				continue
			}
			shapes[shape] = true
			keys = append(keys, key)
		}
		tree := plant(rest, keys...)
		r, values := tree.match(method, path, nil)
		got := ""
		if r != nil {
			got = r.key
			if len(values) != len(r.names) {
				t.Errorf("%s: %d values for %v", got, len(values), r.names)
			}
		}
		if want := naive(keys, rest, method, path); got != want {
			t.Errorf("%s %s in %q (REST %v) leads to %q, want %q", method, path, keys, rest, got, want)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	var keys []string
	for i := range 50 {
		keys = append(keys, fmt.Sprintf("GET /v1/thing%d", i), fmt.Sprintf("POST /v1/thing%d", i),
			fmt.Sprintf("GET /v1/thing%d/{id}", i), fmt.Sprintf("GET /v1/thing%d/{id}/parts/{part}", i))
	}
	tree := plant(false, append(keys, "ANY /{proxy+}", "$default")...)
	for name, path := range map[string]string{"literal": "/v1/thing20", "params": "/v1/thing49/abc/parts/7", "greedy": "/static/css/site.css"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			values := make([]string, 0, 8)
			for b.Loop() {
				if r, _ := tree.match("GET", path, values); r == nil {
					b.Fatal("no route")
				}
			}
		})
	}
}
