package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

// policy shows the CORS headers of a response: "204 Origin=* Methods=GET".
func policy(r *http.Response) string {
	s := fmt.Sprint(r.StatusCode)
	for _, name := range []string{"Allow-Origin", "Allow-Methods", "Allow-Headers", "Max-Age", "Allow-Credentials", "Expose-Headers"} {
		for _, v := range r.Header.Values("Access-Control-" + name) {
			s += " " + strings.TrimPrefix(name, "Allow-") + "=" + v
		}
	}
	return s
}

var preflight = []string{"Origin: https://a.example", "Access-Control-Request-Method: POST"}

func TestCORSOfHTTPAPI(t *testing.T) {
	all := &pinfold.CORS{AllowOrigins: []string{"*"}, AllowMethods: []string{"GET", "POST"}, AllowHeaders: []string{"authorization", "content-type"}, ExposeHeaders: []string{"x-a"}, MaxAge: 300}
	some := &pinfold.CORS{AllowOrigins: []string{"https://a.example", "https://b.example"}, AllowMethods: []string{"*"}, AllowCredentials: true}
	scheme := &pinfold.CORS{AllowOrigins: []string{"https://*"}}
	const own = `{"statusCode":200,"headers":{"Access-Control-Allow-Origin":"https://mine.example","Access-Control-Allow-Methods":"PUT"},"body":""}`
	tests := []struct {
		name string
		cors *pinfold.CORS
		ask  ask
		want string
		runs bool // the function is invoked
	}{
		{"preflight", all, ask{method: "OPTIONS", path: "/a", headers: preflight}, "204 Origin=* Methods=GET,POST Headers=authorization,content-type Max-Age=300", false},
		{"preflight of a path without a route", all, ask{method: "OPTIONS", path: "/nowhere", headers: preflight}, "204 Origin=* Methods=GET,POST Headers=authorization,content-type Max-Age=300", false},
		{"preflight, one of several", some, ask{method: "OPTIONS", path: "/a", headers: preflight}, "204 Origin=https://a.example Methods=* Credentials=true", false},
		{"preflight, stranger", some, ask{method: "OPTIONS", path: "/a", headers: []string{"Origin: https://evil.example", "Access-Control-Request-Method: GET"}}, "204", false},
		{"preflight, scheme", scheme, ask{method: "OPTIONS", path: "/a", headers: preflight}, "204 Origin=https://a.example", false},
		{"preflight, other scheme", scheme, ask{method: "OPTIONS", path: "/a", headers: []string{"Origin: http://a.example", "Access-Control-Request-Method: GET"}}, "204", false},
		{"OPTIONS that is no preflight", all, ask{method: "OPTIONS", path: "/a", headers: []string{"Origin: https://a.example"}}, "404 Origin=* Expose-Headers=x-a", false},
		{"request: the function's headers are replaced", all, ask{path: "/a", headers: preflight[:1]}, "200 Origin=* Expose-Headers=x-a", true},
		{"request without origin", all, ask{path: "/a"}, "200", true},
		{"request, one of several", some, ask{path: "/a", headers: preflight[:1]}, "200 Origin=https://a.example Credentials=true", true},
		{"request, stranger", some, ask{path: "/a", headers: []string{"Origin: https://evil.example"}}, "200", true},
		{"errors have them too", all, ask{path: "/nowhere", headers: preflight[:1]}, "404 Origin=* Expose-Headers=x-a", false},
		{"no policy: the function's own", nil, ask{path: "/a", headers: preflight[:1]}, "200 Origin=https://mine.example Methods=PUT", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := open(t, Options{})
			h.says(own)
			api := httpAPI("web", "GET /a")
			api.CORS = test.cors
			h.g.Update([]pinfold.API{api}, nil)
			response, body := h.do(test.ask)
			if got := policy(response); got != test.want {
				t.Errorf("answer %q, want %q (Configure CORS for HTTP APIs)", got, test.want)
			}
			if ran := h.invoked() > 0; ran != test.runs {
				t.Errorf("the function was invoked: %v", ran)
			}
			if response.StatusCode == 204 && body != "" {
				t.Errorf("body %q", body)
			}
		})
	}
}

func TestCORSOfRESTAPI(t *testing.T) {
	h := open(t, Options{})
	api := restAPI("rest", "GET /a", "POST /a", "ANY /b", "GET /own", "OPTIONS /own", "GET /none", "ANY /{proxy+}")
	star := &pinfold.CORS{AllowOrigins: []string{"*"}}
	api.Routes[0].CORS = star
	api.Routes[1].CORS = &pinfold.CORS{AllowOrigins: []string{"https://b.example"}, AllowHeaders: []string{"X-B"}, MaxAge: 60, AllowCredentials: true}
	api.Routes[2].CORS = &pinfold.CORS{AllowOrigins: []string{"https://x.example", "https://a.example"}, AllowMethods: []string{"GET", "OPTIONS"}, AllowHeaders: []string{"X-A", "X-B"}}
	api.Routes[3].CORS = star
	h.g.Update([]pinfold.API{api}, nil)
	h.says(`{"statusCode":202,"headers":{"Access-Control-Allow-Origin":"https://mine.example"},"body":""}`)
	for _, test := range []struct {
		name string
		ask  ask
		want string
		runs bool
	}{
		{"policies of a path are one", ask{method: "OPTIONS", path: "/dev/a", headers: preflight}, "200 Origin=* Methods=GET,OPTIONS,POST Headers=X-B Max-Age=60 Credentials=true", false},
		{"without any headers", ask{method: "OPTIONS", path: "/dev/a"}, "200 Origin=* Methods=GET,OPTIONS,POST Headers=X-B Max-Age=60 Credentials=true", false},
		{"ANY, known origin", ask{method: "OPTIONS", path: "/dev/b", headers: preflight}, "200 Origin=https://a.example Methods=GET,OPTIONS Headers=X-A,X-B", false},
		{"ANY, stranger", ask{method: "OPTIONS", path: "/dev/b", headers: []string{"Origin: https://evil.example"}}, "200 Origin=https://x.example Methods=GET,OPTIONS Headers=X-A,X-B", false},
		{"an OPTIONS route of the application's", ask{method: "OPTIONS", path: "/dev/own", headers: preflight}, "202 Origin=https://mine.example", true},
		{"no policy", ask{method: "OPTIONS", path: "/dev/none", headers: preflight}, "202 Origin=https://mine.example", true},
		{"requests are the function's", ask{path: "/dev/a", headers: preflight[:1]}, "202 Origin=https://mine.example", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := h.invoked()
			response, _ := h.do(test.ask)
			if got := policy(response); got != test.want {
				t.Errorf("answer %q, want %q (serverless, compile/events/apiGateway/lib/cors.js)", got, test.want)
			}
			if ran := h.invoked() > before; ran != test.runs {
				t.Errorf("the function was invoked: %v", ran)
			}
		})
	}
}

func TestCORSOfRESTAPIAsAWhole(t *testing.T) {
	h := open(t, Options{})
	api := restAPI("rest", "GET /a", "ANY /b")
	api.CORS = &pinfold.CORS{AllowOrigins: []string{"*"}}
	h.g.Update([]pinfold.API{api}, nil)
	for path, want := range map[string]string{
		"/dev/a": "200 Origin=* Methods=GET,OPTIONS Headers=" + defaultCORSHeaders,
		"/dev/b": "200 Origin=* Methods=" + everyMethod + " Headers=" + defaultCORSHeaders,
	} {
		response, _ := h.do(ask{method: "OPTIONS", path: path, headers: preflight})
		if got := policy(response); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// Sources: Creating and managing Lambda function URLs, CORS;
// aws-powertools/powertools-lambda-python issue 4163 for the doubled header.
func TestCORSOfFunctionURL(t *testing.T) {
	h := open(t, Options{})
	u := urlOf("fnurl", "NONE")
	u.CORS = &pinfold.CORS{AllowOrigins: []string{"*"}, AllowMethods: []string{"GET"}, AllowHeaders: []string{"x-a"}, ExposeHeaders: []string{"date"}, AllowCredentials: true, MaxAge: 5}
	h.g.Update(nil, []pinfold.URL{u})
	h.says(`{"statusCode":200,"headers":{"Access-Control-Allow-Origin":"https://a.example"},"body":""}`)
	for _, test := range []struct {
		ask  ask
		want string
		runs int
	}{
		{ask{method: "OPTIONS", headers: preflight}, "200 Origin=https://a.example Methods=GET Headers=x-a Max-Age=5 Credentials=true", 0},
		{ask{headers: preflight[:1]}, "200 Origin=https://a.example Origin=https://a.example Credentials=true Expose-Headers=date", 1},
		{ask{}, "200 Origin=https://a.example", 2},
	} {
		test.ask.host = "fnurl.lambda-url.localhost"
		response, _ := h.do(test.ask)
		if got := policy(response); got != test.want || h.invoked() != test.runs {
			t.Errorf("%s %v: %q, %d invocations; want %q, %d", test.ask.method, test.ask.headers, got, h.invoked(), test.want, test.runs)
		}
	}
}
