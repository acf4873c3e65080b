package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

func urlOf(id, auth string) pinfold.URL {
	return pinfold.URL{Ref: ref("f"), ID: id, AuthType: auth, InvokeMode: "BUFFERED"}
}

// TestDoors finds APIs and function URLs by every kind of address.
func TestDoors(t *testing.T) {
	one := []pinfold.API{httpAPI("webapi", "GET /hello", "$default")}
	oneREST := []pinfold.API{restAPI("restapi", "GET /hello", "GET /")}
	both := []pinfold.API{httpAPI("webapi", "GET /hello", "GET /dev/x"), restAPI("restapi", "GET /hello", "GET /")}
	both[1].App = both[0].App
	two := []pinfold.API{httpAPI("webapi", "GET /hello"), httpAPI("other", "GET /hello")}
	sameApp := []pinfold.API{httpAPI("webapi", "GET /hello"), httpAPI("other", "GET /hello")}
	sameApp[1].App = sameApp[0].App
	named := []pinfold.API{httpAPI("webapi", "GET /hello")}
	named[0].Stage = "v1"
	urls := []pinfold.URL{urlOf("fnurl", "NONE")}

	tests := []struct {
		name string
		apis []pinfold.API
		urls []pinfold.URL
		host string
		path string
		want string // door, path in the event; or status and start of the body
	}{
		{"host", two, nil, "webapi.execute-api.localhost:8080", "/hello", "webapi /hello"},
		{"host in capitals", two, nil, "WebAPI.Execute-API.localhost", "/hello", "webapi /hello"},
		{"host of AWS", two, nil, "other.execute-api.eu-west-1.amazonaws.com", "/hello", "other /hello"},
		{"unknown host", two, nil, "nobody.execute-api.localhost", "/hello", "404 No API"},
		{"path", two, nil, "", "/_aws/execute-api/other/$default/hello", "other /hello"},
		{"path, escaped stage", two, nil, "", "/_aws/execute-api/other/%24default/hello", "other /hello"},
		{"path without the stage", two, nil, "", "/_aws/execute-api/other/hello", "other /hello"},
		{"path of nobody", two, nil, "", "/_aws/execute-api/nobody/dev/hello", "404 No API"},
		{"path, REST", oneREST, nil, "", "/_aws/execute-api/restapi/dev/hello", "restapi /hello"},
		{"path, REST root", oneREST, nil, "", "/_aws/execute-api/restapi/dev", "restapi /"},
		{"path, REST, other stage", oneREST, nil, "", "/_aws/execute-api/restapi/prod/hello", `403 {"message":"Forbidden"}`},
		{"host, REST", oneREST, nil, "restapi.execute-api.localhost", "/dev/hello", "restapi /hello"},
		{"host, REST, no stage", oneREST, nil, "restapi.execute-api.localhost", "/hello", `403 {"message":"Forbidden"}`},
		{"named stage of an HTTP API", named, nil, "webapi.execute-api.localhost", "/v1/hello", "webapi /v1/hello"},
		{"other stage of an HTTP API", named, nil, "webapi.execute-api.localhost", "/hello", `404 {"message":"Not Found"}`},

		{"only application", one, nil, "127.0.0.1:8080", "/hello", "webapi /hello"},
		{"only application, root", one, nil, "", "", "webapi /"},
		{"only application, any host", one, urls, "api.example.com", "/hello", "webapi /hello"},
		{"only application, REST", oneREST, nil, "", "/dev/hello", "restapi /hello"},
		{"only application, REST, no stage", oneREST, nil, "", "/hello", `403 {"message":"Forbidden"}`},
		{"both kinds: HTTP", both, nil, "", "/hello", "webapi /hello"},
		{"both kinds: REST", both, nil, "", "/dev/hello", "restapi /hello"},
		{"both kinds: the stage goes before a route", both, nil, "", "/dev/x", `403 {"message":"Missing Authentication Token"}`},
		{"two applications", two, nil, "", "/hello", "404 No API"},
		{"two APIs of a kind", sameApp, nil, "", "/hello", "404 No API"},
		{"nothing", nil, nil, "", "/hello", "404 Nothing is deployed"},

		{"function URL, host", two, urls, "fnurl.lambda-url.localhost:8080", "/x", "fnurl /x"},
		{"function URL, host of AWS", two, urls, "fnurl.lambda-url.eu-west-1.on.aws", "/", "fnurl /"},
		{"function URL, path", two, urls, "", "/_aws/lambda-url/fnurl/x/y", "fnurl /x/y"},
		{"function URL, path, root", two, urls, "", "/_aws/lambda-url/fnurl", "fnurl /"},
		{"unknown function URL", two, urls, "nobody.lambda-url.localhost", "/", "404 No API"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := open(t, Options{})
			h.g.Update(test.apis, test.urls)
			response, body := h.do(ask{host: test.host, path: test.path})
			if h.invoked() == 0 {
				if got := fmt.Sprint(response.StatusCode, " ", body); !strings.HasPrefix(got, test.want) {
					t.Errorf("answer %q, want %q", got, test.want)
				}
				return
			}
			e := h.event()
			path, _ := e["rawPath"].(string)
			if path == "" {
				path, _ = e["path"].(string)
			}
			if got := fmt.Sprint(dig(e, "requestContext", "apiId"), " ", path); got != test.want {
				t.Errorf("reached %q, want %q", got, test.want)
			}
		})
	}
}

// TestDomain is what functions are told about the host they were called by.
func TestDomain(t *testing.T) {
	for host, want := range map[string]string{
		"127.0.0.1:8080": "web.execute-api.localhost web", "[::1]:8080": "web.execute-api.localhost web", "localhost": "web.execute-api.localhost web",
		"api.example.com": "api.example.com api", "web.execute-api.localhost:8080": "web.execute-api.localhost web", "WEB.execute-api.localhost.": "web.execute-api.localhost web",
	} {
		h := open(t, Options{})
		h.g.Update([]pinfold.API{httpAPI("web", "$default")}, nil)
		h.do(ask{host: host})
		context := dig(h.event(), "requestContext")
		if got := fmt.Sprint(dig(context, "domainName"), " ", dig(context, "domainPrefix")); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
	h := open(t, Options{})
	h.g.Update([]pinfold.API{httpAPI("web", "$default")}, nil)
	if response, _ := h.raw("GET / HTTP/1.0\r\n\r\n"); response.StatusCode != 200 || dig(h.event(), "requestContext", "domainPrefix") != "web" {
		t.Errorf("without a host: %d, %v", response.StatusCode, h.event())
	}
}

func TestListingTellsHowToReachWhatIsThere(t *testing.T) {
	h := open(t, Options{})
	h.g.Update([]pinfold.API{httpAPI("webapi"), restAPI("restapi")}, []pinfold.URL{urlOf("fnurl", "NONE")})
	response, body := h.do(ask{path: "/hello"})
	if ct := response.Header.Get("Content-Type"); response.StatusCode != 404 || !strings.HasPrefix(ct, "text/plain") {
		t.Errorf("status %d, content type %q", response.StatusCode, ct)
	}
	for _, want := range []string{
		"http://webapi.execute-api.localhost:8080\n", "http://127.0.0.1:8080/_aws/execute-api/webapi/$default\n",
		"http://restapi.execute-api.localhost:8080/dev\n", "http://127.0.0.1:8080/_aws/execute-api/restapi/dev\n",
		"http://fnurl.lambda-url.localhost:8080/\n", "http://127.0.0.1:8080/_aws/lambda-url/fnurl/\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the listing lacks %q:\n%s", want, body)
		}
	}
}

// What there is is told on the machine itself, not to the world: not either where
// a proxy on the machine stands between, whose headers are not trusted.
func TestListingIsForThisMachine(t *testing.T) {
	for _, trust := range []bool{true, false} {
		for _, header := range []string{"X-Forwarded-For: 203.0.113.5", "Forwarded: for=203.0.113.5", "X-Real-IP: 203.0.113.5", "Via: 1.1 proxy"} {
			h := open(t, Options{TrustForwarded: trust})
			h.g.Update([]pinfold.API{httpAPI("webapi"), restAPI("restapi")}, nil)
			response, body := h.do(ask{path: "/hello", headers: []string{header}})
			if response.StatusCode != 404 || strings.Contains(body, "webapi") {
				t.Errorf("%s, trusted %v: status %d, and somebody elsewhere is told:\n%s", header, trust, response.StatusCode, body)
			}
		}
	}
}

func TestUpdateReplacesEverything(t *testing.T) {
	h := open(t, Options{})
	h.g.Update([]pinfold.API{httpAPI("webapi", "GET /old")}, nil)
	if response, _ := h.do(ask{path: "/old"}); response.StatusCode != 200 {
		t.Fatalf("before: %d", response.StatusCode)
	}
	h.g.Update([]pinfold.API{httpAPI("webapi", "GET /new")}, nil)
	for path, want := range map[string]int{"/old": 404, "/new": 200} {
		if response, _ := h.do(ask{path: path}); response.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, response.StatusCode, want)
		}
	}
}

// TestFailures holds the exact answers of each kind of door to everything that
// goes wrong. Sources: see failure.go.
func TestFailures(t *testing.T) {
	timeout := func(ctx context.Context, _ *pinfold.Invocation) (*pinfold.Result, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	answers := func(payload string) func(*house) { return func(h *house) { h.says(payload) } }
	fails := func(err error) func(*house) { return func(h *house) { h.fails(err) } }
	functionError := func(h *house) {
		h.answer = func(context.Context, *pinfold.Invocation) (*pinfold.Result, error) {
			return &pinfold.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"boom","errorType":"Error"}`)}, nil
		}
	}
	const (
		rest502 = `502 {"message": "Internal server error"} InternalServerErrorException`
		rest500 = `500 {"message": "Internal server error"} InternalServerErrorException`
		http500 = `500 {"message":"Internal Server Error"} `
		http503 = `503 {"message":"Service Unavailable"} `
		url502  = `502 Internal Server Error `
	)
	tests := []struct {
		name            string
		set             func(*house)
		ask             ask
		rest, http, url string
	}{
		{"function error", functionError, ask{}, rest502, http500, url502},
		{"not JSON", answers(`<html>`), ask{}, rest502, `200 <html> `, `200 <html> `},
		{"null", answers(`null`), ask{}, rest502, `200 null `, `200 null `},
		{"fraction as status", answers(`{"statusCode":200.5,"body":"x"}`), ask{}, rest502, http500, url502},
		{"status 0", answers(`{"statusCode":0,"body":"x"}`), ask{}, rest502, http500, url502},
		{"status 1000", answers(`{"statusCode":1000}`), ask{}, rest502, http500, url502},
		{"status 100", answers(`{"statusCode":100}`), ask{}, rest502, http500, url502},
		{"headers of the wrong type", answers(`{"headers":[1],"statusCode":200}`), ask{}, rest502, http500, url502},
		{"header that is an object", answers(`{"headers":{"a":{}},"statusCode":200}`), ask{}, rest502, http500, url502},
		{"body that is an object", answers(`{"statusCode":200,"body":{"a":1}}`), ask{}, rest502, http500, `200 {"a":1} `},
		{"broken base64", answers(`{"statusCode":200,"body":"***","isBase64Encoded":true}`), ask{headers: []string{"Accept: image/png"}}, rest502, http500, url502},
		{"unknown member", answers(`{"statusCode":200,"wrongValue":"value"}`), ask{}, rest502, `200  `, `200  `},
		{"function is gone", fails(pinfold.Errorf(pinfold.NotFound, "gone")), ask{}, rest500, http500, `404 {"Message":null} ResourceNotFoundException`},
		{"throttled", fails(pinfold.Errorf(pinfold.Throttled, "Rate Exceeded.")), ask{}, rest500, http503, `429 {"Message":"Rate Exceeded."} TooManyRequestsException`},
		{"stopping", fails(pinfold.Errorf(pinfold.Unavailable, "stopping")), ask{}, `503 {"message": "Service Unavailable"} ServiceUnavailableException`, http503, `503 Service Unavailable ServiceException`},
		{"our fault", fails(errors.New("bug")), ask{}, rest500, http500, `500 Internal Server Error `},
		{"refused as too late", fails(pinfold.Errorf(pinfold.Timeout, "late")), ask{}, `504 {"message": "Endpoint request timed out"} InternalServerErrorException`, http503, url502},
		{"integration timeout", func(h *house) { h.answer = timeout }, ask{}, `504 {"message": "Endpoint request timed out"} InternalServerErrorException`, http503, ""},
		{"10 MB and a byte", answers(`{}`), ask{method: "POST", body: strings.Repeat("a", 10<<20+1)},
			`413 {"message":"Request Too Long"} RequestTooLongException`, `413 {"message":"Request Entity Too Large"} `,
			`413 {"Message":"Request must be smaller than 6291556 bytes for the InvokeFunction operation"} RequestEntityTooLargeException`},
		{"7 MB", answers(`{}`), ask{method: "POST", body: strings.Repeat("a", 7<<20)},
			`413 {"message":"Request Too Long"} RequestTooLongException`, `413 {"message":"Request Entity Too Large"} `,
			`413 {"Message":"Request must be smaller than 6291556 bytes for the InvokeFunction operation"} RequestEntityTooLargeException`},
		{"long headers", answers(`{"statusCode":200}`), ask{headers: []string{"X-Long: " + strings.Repeat("a", 10240)}},
			`431 {"message":"Request Header Fields Too Large"} BadRequestException`, `431 {"message":"Request Header Fields Too Large"} `, `200  `},
		{"no route", nil, ask{path: "/nowhere"}, `403 {"message":"Missing Authentication Token"} MissingAuthenticationTokenException`, `404 {"message":"Not Found"} `, ""},
	}
	for _, test := range tests {
		for kind, want := range map[string]string{"rest": test.rest, "http": test.http, "url": test.url} {
			if want == "" {
				continue
			}
			t.Run(test.name+" "+kind, func(t *testing.T) {
				h := open(t, Options{})
				if test.set != nil {
					test.set(h)
				}
				web, rest := httpAPI("web", "ANY /"), restAPI("rest", "ANY /")
				web.Routes[0].TimeoutMS, rest.Routes[0].TimeoutMS = 50, 50
				rest.BinaryMediaTypes = []string{"image/*"}
				h.g.Update([]pinfold.API{web, rest}, []pinfold.URL{urlOf("fnurl", "NONE")})
				a := test.ask
				switch kind {
				case "rest":
					a.host, a.path = "rest.execute-api.localhost", "/dev"+a.path
				case "http":
					a.host = "web.execute-api.localhost"
				case "url":
					a.host = "fnurl.lambda-url.localhost"
				}
				response, body := h.do(a)
				if got := fmt.Sprint(response.StatusCode, " ", body, " ", response.Header.Get("X-Amzn-Errortype")); got != want {
					t.Errorf("answer\n %s\nwant\n %s", got, want)
				}
				if response.StatusCode >= 400 && response.Header.Get("Content-Type") != "application/json" {
					t.Errorf("content type %q", response.Header.Get("Content-Type"))
				}
				if a := h.access(); a.Status != response.StatusCode || (a.Error == "") != (response.StatusCode < 400) {
					t.Errorf("access record %+v", a)
				}
			})
		}
	}
}

func TestPayload1OfHTTPAPINeedsStatus(t *testing.T) {
	// Source: aws/aws-sam-cli pull request 2941; aws/aws-lambda-dotnet
	// LambdaTestTool-v2, V1_HandlesZeroStatusCode.
	h := open(t, Options{})
	api := httpAPI("web", "GET /")
	api.Routes[0].Payload = "1.0"
	h.g.Update([]pinfold.API{api}, nil)
	h.says(`{"body":"x"}`)
	if response, body := h.do(ask{}); response.StatusCode != 500 || body != `{"message":"Internal Server Error"}` {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

func TestTimeLimits(t *testing.T) {
	h := open(t, Options{})
	web, rest := httpAPI("web", "GET /", "GET /short"), restAPI("rest", "GET /", "GET /short")
	web.Routes[1].TimeoutMS, rest.Routes[1].TimeoutMS = 2000, 2000
	h.g.Update([]pinfold.API{web, rest}, []pinfold.URL{urlOf("fnurl", "NONE")})
	for address, want := range map[string]time.Duration{
		"web.execute-api.localhost /":           30 * time.Second,
		"web.execute-api.localhost /short":      2 * time.Second,
		"rest.execute-api.localhost /dev/":      29 * time.Second,
		"rest.execute-api.localhost /dev/short": 2 * time.Second,
		"fnurl.lambda-url.localhost /":          0, // the function's own
	} {
		host, path, _ := strings.Cut(address, " ")
		before := time.Now()
		h.do(ask{host: host, path: path})
		got := h.invocation().Deadline
		if want == 0 && got.IsZero() {
			continue
		}
		if got.Before(before.Add(want)) || got.After(time.Now().Add(want)) {
			t.Errorf("%s: the function has %s, want %s", address, got.Sub(before), want)
		}
	}
}

func TestInvocation(t *testing.T) {
	h := open(t, Options{})
	h.g.Update([]pinfold.API{httpAPI("web", "GET /a/{id}"), restAPI("rest", "GET /a/{id}")}, []pinfold.URL{urlOf("fnurl", "NONE")})
	for address, want := range map[string]string{
		"web.execute-api.localhost /a/1":      "http arn:aws:execute-api:eu-west-1:123456789012:web/$default/GET/a/{id} service apigateway.amazonaws.com",
		"rest.execute-api.localhost /dev/a/1": "rest arn:aws:execute-api:eu-west-1:123456789012:rest/dev/GET/a/{id} service apigateway.amazonaws.com",
		"fnurl.lambda-url.localhost /a/1":     "url arn:aws:lambda:eu-west-1:123456789012:function:f service lambda.amazonaws.com",
	} {
		host, path, _ := strings.Cut(address, " ")
		h.do(ask{host: host, path: path, headers: []string{"X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678;Sampled=1"}})
		inv := h.invocation()
		if got := fmt.Sprint(inv.Trigger.Kind, " ", inv.Trigger.Source, " ", inv.Principal.Kind, " ", inv.Principal.ARN); got != want {
			t.Errorf("%s: %s\nwant %s", address, got, want)
		}
		if inv.Function != ref("f") || len(inv.ID) != 36 || inv.Principal.Account != testAccount {
			t.Errorf("%s: invocation %+v", address, inv)
		}
		if inv.TraceID != "Root=1-67891233-abcdef012345678912345678;Sampled=1" {
			t.Errorf("%s: trace %q", address, inv.TraceID)
		}
	}
}

func TestAPIKeys(t *testing.T) {
	h := open(t, Options{})
	api := restAPI("rest", "GET /open", "GET /private")
	api.Routes[1].APIKeyRequired = true
	api.APIKeys = []pinfold.APIKey{{Name: "first", Value: "secret-1"}, {Name: "second", Value: "secret-2"}, {Name: "empty"}}
	h.g.Update([]pinfold.API{api}, nil)
	for _, test := range []struct {
		path, key string
		want      int
	}{
		{"/dev/open", "", 200}, {"/dev/private", "", 403}, {"/dev/private", "secret", 403}, {"/dev/private", "secret-3", 403},
		{"/dev/private", "secret-1", 200}, {"/dev/private", "secret-2", 200},
	} {
		var headers []string
		if test.key != "" {
			headers = []string{"x-api-key: " + test.key}
		}
		response, body := h.do(ask{path: test.path, headers: headers})
		if response.StatusCode != test.want || (test.want == 403 && body != `{"message":"Forbidden"}`) {
			t.Errorf("%s with key %q: %d %s, want %d", test.path, test.key, response.StatusCode, body, test.want)
		}
	}
	if e := h.event(); dig(e, "requestContext", "identity", "apiKey") != "secret-2" || dig(e, "requestContext", "identity", "apiKeyId") != "second" {
		t.Errorf("identity %v", dig(e, "requestContext", "identity"))
	}
}

func TestSignedFunctionURL(t *testing.T) {
	h := open(t, Options{Authenticate: func(r *http.Request, body []byte) (pinfold.Principal, error) {
		if r.Header.Get("Authorization") != "signed "+string(body) {
			return pinfold.Principal{}, errors.New("wrong")
		}
		return pinfold.Principal{Kind: pinfold.Root, Account: "999999999999", ARN: "arn:aws:iam::999999999999:root", UserID: "999999999999", AccessKeyID: "AKIA"}, nil
	}})
	h.g.Update(nil, []pinfold.URL{urlOf("fnurl", "AWS_IAM")})
	a := ask{host: "fnurl.lambda-url.localhost", method: "POST", body: "hello"}
	response, body := h.do(a)
	if response.StatusCode != 403 || body != `{"Message":"Forbidden"}` || response.Header.Get("X-Amzn-Errortype") != "AccessDeniedException" || h.invoked() != 0 {
		t.Errorf("unsigned: %d %s, %d invocations", response.StatusCode, body, h.invoked())
	}
	a.headers = []string{"Authorization: signed hello"}
	if response, body := h.do(a); response.StatusCode != 200 {
		t.Fatalf("signed: %d %s", response.StatusCode, body)
	}
	if h.invocation().Principal.AccessKeyID != "AKIA" {
		t.Errorf("principal %+v", h.invocation().Principal)
	}
	if got := dig(h.event(), "requestContext", "authorizer", "iam", "userArn"); got != "arn:aws:iam::999999999999:root" {
		t.Errorf("userArn %v", got)
	}
}

func TestSignedFunctionURLWithoutAuthenticator(t *testing.T) {
	h := open(t, Options{})
	h.g.Update(nil, []pinfold.URL{urlOf("fnurl", "AWS_IAM")})
	if response, _ := h.do(ask{host: "fnurl.lambda-url.localhost"}); response.StatusCode != 403 || h.invoked() != 0 {
		t.Errorf("%d, %d invocations", response.StatusCode, h.invoked())
	}
}

// discard is a ResponseWriter that keeps nothing.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

type answering struct{ result *pinfold.Result }

func (a answering) Invoke(context.Context, *pinfold.Invocation) (*pinfold.Result, error) {
	return a.result, nil
}

// BenchmarkServe is everything that the gateway does for a request, without
// the server in front and the function behind.
func BenchmarkServe(b *testing.B) {
	g := New(Options{Invoker: answering{&pinfold.Result{Payload: []byte(`{"statusCode":200,"headers":{"Content-Type":"application/json"},"body":"{\"message\":\"hello\"}"}`)}}})
	g.Update([]pinfold.API{httpAPI("web", "GET /hello", "GET /users/{id}", "ANY /{proxy+}"), restAPI("rest", "GET /hello", "GET /users/{id}")}, nil)
	for name, r := range map[string]*http.Request{
		"http": request(b, "GET /users/1?a=1&b=2"+fmt.Sprintf(browser, "web.execute-api")),
		"rest": request(b, "GET /dev/users/1?a=1&b=2"+fmt.Sprintf(browser, "rest.execute-api")),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			w := discard{http.Header{}}
			for b.Loop() {
				g.ServeHTTP(w, r)
			}
		})
	}
}
