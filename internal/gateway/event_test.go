package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pinfold.dev/pinfold"
)

var update = flag.Bool("update", false, "write the golden files")

// made is an exchange that stands before its function: everything but the ids
// and the time is as a server makes it.
func made(t testing.TB, api *pinfold.API, u *pinfold.URL, r *http.Request, body string) *exchange {
	t.Helper()
	var apis []pinfold.API
	var urls []pinfold.URL
	if api != nil {
		apis = append(apis, *api)
	}
	if u != nil {
		urls = append(urls, *u)
	}
	x := &exchange{g: New(Options{}), w: httptest.NewRecorder(), r: r, start: time.Date(2026, 11, 21, 10, 0, 0, 123e6, time.FixedZone("", 3600))}
	x.identify()
	to, wrong := compile(apis, urls, pinfold.Endpoints{}).find(r)
	if to.door == nil || wrong != nil {
		t.Fatalf("no door for %s %s: %v", r.Host, r.URL, wrong)
	}
	e := &x.event
	x.door, e.door, e.path, e.domain, e.prefix = to.door, to.door, to.path, to.domain, to.prefix
	if e.route, e.values = to.door.routes.match(r.Method, to.path, nil); e.route == nil {
		t.Fatalf("no route for %s %s", r.Method, to.path)
	}
	if !x.checkKey() {
		t.Fatal("no key")
	}
	e.body = []byte(body)
	e.base64 = x.isBinary(e.body)
	e.request, e.extended, x.trace = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef", "JJbxmplHYosFVYQ=", "Root=1-67891233-abcdef012345678912345678"
	return x
}

// ask builds a request as a server would get it.
func request(t testing.TB, text string) *http.Request {
	t.Helper()
	first, rest, _ := strings.Cut(text, "\n")
	method, target, _ := strings.Cut(first, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	r.RemoteAddr = "192.0.2.7:51234"
	for _, line := range strings.Split(rest, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			r.Header.Add(name, value)
			if strings.EqualFold(name, "host") {
				r.Host = value
				r.Header.Del("Host")
			}
		}
	}
	return r
}

const browser = `
Host: %s.example:8080
User-Agent: agent/1.0
Accept: text/html
Accept: application/json
Cookie: session=abc123; theme=dark
Cookie: third=3
Content-Type: application/json; charset=utf-8
X-Custom-Header: välue "1"
Connection: keep-alive
X-Forwarded-For: 203.0.113.9`

// TestGolden holds one event of each format as a whole. Update with -update and
// look at the difference.
func TestGolden(t *testing.T) {
	web, webV1, named, rest := httpAPI("webapi", "POST /users/{id}/orders"), httpAPI("webapi", "POST /users/{id}/orders"), httpAPI("webapi", "ANY /{proxy+}"), restAPI("restapi", "POST /users/{id}/orders")
	webV1.Routes[0].Payload = "1.0"
	named.Stage, named.Routes[0].Payload = "v1", "1.0"
	rest.Routes[0].APIKeyRequired = true
	rest.APIKeys = []pinfold.APIKey{{Name: "partner", Value: "secret"}}
	restPlain, webPlain, url := restAPI("restapi", "ANY /{proxy+}"), httpAPI("webapi", "$default"), urlOf("fnurl", "NONE")
	signed := urlOf("fnurl", "AWS_IAM")
	const path = "/users/J%C3%B6rg%20D/orders?status=pending&tag=important&tag=C%23+1&empty="
	host := func(name string) string { return fmt.Sprintf(browser, name) }
	for name, x := range map[string]*exchange{
		"http_v2":       made(t, &web, nil, request(t, "POST "+path+host("webapi.execute-api")), `{"a":"ü\n"}`),
		"http_v2_empty": made(t, &webPlain, nil, request(t, "GET /\nHost: webapi.execute-api.localhost"), ""),
		"http_v1":       made(t, &webV1, nil, request(t, "POST "+path+host("webapi.execute-api")), `{"a":"ü\n"}`),
		"http_v1_stage": made(t, &named, nil, request(t, "GET /v1/a/b\nHost: webapi.execute-api.localhost"), ""),
		"rest":          made(t, &rest, nil, request(t, "POST /dev"+path+host("restapi.execute-api")+"\nX-Api-Key: secret"), `{"a":"ü\n"}`),
		"rest_empty":    made(t, &restPlain, nil, request(t, "GET /dev/a/b/\nHost: restapi.execute-api.localhost"), ""),
		"url":           made(t, nil, &url, request(t, "POST "+path+host("fnurl.lambda-url")), `{"a":"ü\n"}`),
		"url_binary":    made(t, nil, &url, request(t, "POST /\nHost: fnurl.lambda-url.localhost\nContent-Type: image/png"), "\x00\xff\x10"),
		"url_iam": func() *exchange {
			x := made(t, nil, &signed, request(t, "GET /\nHost: fnurl.lambda-url.localhost"), "")
			x.event.caller = &pinfold.Principal{Kind: pinfold.Root, Account: testAccount, ARN: "arn:aws:iam::123456789012:root", UserID: testAccount, AccessKeyID: "AKIAEXAMPLE"}
			return x
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			got := x.event.append(nil, x.r, x.trace)
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, got, "", "  "); err != nil {
				t.Fatalf("not JSON: %v\n%s", err, got)
			}
			pretty.WriteByte('\n')
			file := filepath.Join("testdata", "events", name+".json")
			if *update {
				if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
				t.Errorf("the event differs from %s (-want +got):\n%s", file, diff)
			}
			if estimate := x.event.size(x.r); len(got) > estimate {
				t.Errorf("the event has %d bytes, more than the %d that were set aside", len(got), estimate)
			}
		})
	}
}

// reference is the same event made with encoding/json, from the documentation
// and not from the encoder.
func reference(x *exchange, api pinfold.API) map[string]any {
	e, r := &x.event, x.r
	rest, v1 := api.Kind == pinfold.RESTAPI, api.Routes[0].Payload == "1.0"
	query, _ := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
	headers := http.Header{}
	for name, values := range r.Header {
		if name != "Cookie" || v1 {
			headers[name] = values
		}
	}
	if !rest {
		headers.Set("Content-Length", fmt.Sprint(len(e.body)))
	}
	headers.Set("Host", r.Host)
	headers.Set("X-Amzn-Trace-Id", x.trace)
	headers.Set("X-Forwarded-For", "192.0.2.7")
	headers.Set("X-Forwarded-Port", "80")
	headers.Set("X-Forwarded-Proto", "http")
	m := map[string]any{"isBase64Encoded": e.base64}
	if len(e.body) > 0 {
		m["body"] = string(e.body)
		if e.base64 {
			m["body"] = base64.StdEncoding.EncodeToString(e.body)
		}
	} else if v1 {
		m["body"] = nil
	}
	one, all := map[string]string{}, map[string][]string{}
	if v1 {
		for name, values := range headers {
			one[name], all[name] = values[len(values)-1], values
		}
		m["headers"], m["multiValueHeaders"] = one, all
		m["queryStringParameters"], m["multiValueQueryStringParameters"] = any(nil), any(nil)
		if len(query) > 0 {
			last := map[string]string{}
			for name, values := range query {
				last[name] = values[len(values)-1]
			}
			m["queryStringParameters"], m["multiValueQueryStringParameters"] = last, query
		}
		return m
	}
	for name, values := range headers {
		one[strings.ToLower(name)] = strings.Join(values, ",")
	}
	m["headers"] = one
	m["rawQueryString"] = r.URL.RawQuery
	if len(query) > 0 {
		joined := map[string]string{}
		for name, values := range query {
			joined[name] = strings.Join(values, ",")
		}
		m["queryStringParameters"] = joined
	}
	return m
}

// FuzzEvent compares events with what encoding/json makes of the same request.
func FuzzEvent(f *testing.F) {
	f.Add("/a/b", "x=1&x=2&y=%20+", "X-Test", "one", "two", "text/plain", []byte("hello"), uint8(0))
	f.Add("/%F0%9F%98%8A", "%zz=%e4&=&&a", "Accept", "\"\\\x7f\xff", "", "image/png", []byte{0, 255}, uint8(1))
	f.Add("/a%2Fb/", "a;b=c", "Cookie", "a=1; b=2", ";;", "application/json", []byte("{\"a\":\"\u2028\xc3\"}"), uint8(2))
	f.Add("/", "", "X-A", "", "\t", "", []byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, path, query, name, value, value2, contentType string, body []byte, kind uint8) {
		if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || !validQuery(query) || !validToken(name) {
			return
		}
		u, err := url.Parse("http://h" + path)
		if err != nil || u.RawQuery != "" || u.Fragment != "" {
			return
		}
		api := httpAPI("abc", "ANY /{proxy+}", "ANY /")
		switch kind % 3 {
		case 1:
			api.Routes[0].Payload, api.Routes[1].Payload = "1.0", "1.0"
		case 2:
			api = restAPI("abc", "ANY /{proxy+}", "ANY /")
			api.BinaryMediaTypes = []string{"image/*"}
			u.Path, u.RawPath = "/dev"+u.Path, ""
		}
		u.RawQuery = query
		r := &http.Request{Method: "POST", URL: u, Host: "abc.execute-api.localhost", Proto: "HTTP/1.1", RemoteAddr: "192.0.2.7:1", Header: http.Header{}}
		name = http.CanonicalHeaderKey(name)
		if dropped(name, restDoor) || name == "Cookie" {
			return
		}
		r.Header[name] = []string{value, value2}
		r.Header["Content-Type"] = []string{contentType}
		r.Header["Cookie"] = []string{"a=1; b=2"}
		x := made(t, &api, nil, r, string(body))
		got := x.event.append(nil, r, x.trace)
		var have, want map[string]any
		if err := json.Unmarshal(got, &have); err != nil {
			t.Fatalf("not JSON: %v\n%s", err, got)
		}
		text, _ := json.Marshal(reference(x, api))
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		for key, w := range want {
			if h, ok := have[key]; !ok || !reflect.DeepEqual(h, w) {
				t.Errorf("%s is %#v, want %#v\n%s", key, h, w, got)
			}
		}
		if api.Routes[0].Payload == "2.0" && !reflect.DeepEqual(have["cookies"], []any{"a=1", "b=2"}) {
			t.Errorf("cookies are %v", have["cookies"])
		}
	})
}

func validQuery(q string) bool {
	for i := range len(q) {
		if q[i] <= ' ' || q[i] >= 0x7f || q[i] == '#' {
			return false
		}
		// url.ParseQuery drops parameters with broken escapes; we keep them.
		if q[i] == '%' && (i+2 >= len(q) || hexValue(q[i+1]) < 0 || hexValue(q[i+2]) < 0) {
			return false
		}
	}
	return true
}

func validToken(s string) bool {
	for i := range len(s) {
		if b := s[i]; !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '-') {
			return false
		}
	}
	return s != ""
}

// FuzzString compares JSON strings with encoding/json's.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "ü€😊\u2028", "\xff\xc3(\xe2\x82", "<>&"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, got := range [][]byte{appendString(nil, s), appendString(nil, []byte(s))} {
			var have string
			if err := json.Unmarshal(got, &have); err != nil {
				t.Fatalf("%q: %v", got, err)
			}
			if want := strings.ToValidUTF8(s, "\ufffd"); have != want && !sameButRuns(have, s) {
				t.Errorf("%q became %q, want %q", s, have, want)
			}
		}
		var lower string
		if err := json.Unmarshal(appendLower(nil, s), &lower); err != nil {
			t.Errorf("%q in lower case is not JSON: %v", s, err)
		}
	})
}

// sameButRuns allows one U+FFFD for each invalid byte, as encoding/json has it.
func sameButRuns(have, s string) bool { return have == string([]rune(s)) }

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{"a": "a", "%20": " ", "a+b": "a b", "%": "%", "%2": "%2", "%zz": "%zz", "%C3%BC": "ü", "%2B": "+", "": ""} {
		if got := unescape(in, true); got != want {
			t.Errorf("unescape(%q) = %q, want %q", in, got, want)
		}
	}
	if got := unescape("a+b%20", false); got != "a+b " {
		t.Errorf("a plus in a path became %q", got)
	}
}

func BenchmarkEvent(b *testing.B) {
	web, rest := httpAPI("webapi", "POST /users/{id}/orders"), restAPI("restapi", "POST /users/{id}/orders")
	body := strings.Repeat(`{"name":"value","list":[1,2,3]},`, 32)
	for name, x := range map[string]*exchange{
		"v2":   made(b, &web, nil, request(b, "POST /users/1/orders?a=1&b=2"+fmt.Sprintf(browser, "webapi.execute-api")), body),
		"rest": made(b, &rest, nil, request(b, "POST /dev/users/1/orders?a=1&b=2"+fmt.Sprintf(browser, "restapi.execute-api")), body),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			e := &x.event
			for b.Loop() {
				e.headers, e.query, e.cookies = e.headers[:0], e.query[:0], e.cookies[:0]
				payload := e.append(make([]byte, 0, e.size(x.r)), x.r, x.trace)
				b.SetBytes(int64(len(payload)))
			}
		})
	}
}

// Payload 1.0 has header names as the client wrote them, payload 2.0 in lower
// case. Sources: aws/aws-lambda-go issue 117 and google/go-github pull request
// 2508 ("GitHub sends them with a capitalized H").
func TestHeaderNames(t *testing.T) {
	r := request(t, "GET /hello\nHost: x\nX-Github-Event: push\nAccept: */*")
	written := func(name string) string { return strings.ReplaceAll(name, "Github", "GitHub") }
	for door, want := range map[*door]string{
		{kind: restDoor}: `"Accept":"*/*","Host":"x","X-Amzn-Trace-Id":"T",`,
		{kind: httpDoor}: `"accept":"*/*","content-length":"0","host":"x","x-amzn-trace-id":"T",`,
	} {
		e := event{door: door, route: &route{}, proto: "http", forwarded: "192.0.2.7", names: written}
		got := string(e.append(nil, r, "T"))
		name := "x-github-event"
		if door.kind == restDoor {
			name = "X-GitHub-Event"
		}
		if !strings.Contains(got, want) || !strings.Contains(got, `"`+name+`":"push"`) {
			t.Errorf("%v: %s", door.kind, got)
		}
	}
}
