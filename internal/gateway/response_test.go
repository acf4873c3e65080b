package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

// shown prints a response's status, the headers that a function can set, and body.
func shown(r *http.Response, body string) string {
	var lines []string
	for name, values := range r.Header {
		switch name {
		case "Date", "Content-Length", "Connection", "Apigw-Requestid", "X-Amzn-Requestid", "X-Amz-Apigw-Id", "X-Amzn-Trace-Id":
			continue
		}
		for _, v := range values {
			lines = append(lines, name+": "+v)
		}
	}
	slices.Sort(lines)
	return fmt.Sprint(r.StatusCode, " ", lines, " ", body)
}

// everyDoor serves one function behind a door of each kind.
func everyDoor(t *testing.T) *house {
	h := open(t, Options{})
	webV1 := httpAPI("webone", "ANY /{proxy+}")
	webV1.Routes[0].Payload = "1.0"
	rest := restAPI("rest", "ANY /{proxy+}")
	rest.BinaryMediaTypes = []string{"image/*"}
	stream := urlOf("stream", "NONE")
	stream.InvokeMode = "RESPONSE_STREAM"
	h.g.Update([]pinfold.API{httpAPI("web", "$default"), webV1, rest}, []pinfold.URL{urlOf("fnurl", "NONE"), stream})
	return h
}

// hosts of everyDoor, by the words of the tables below.
var hosts = map[string]string{
	"http":   "web.execute-api.localhost /x",
	"httpV1": "webone.execute-api.localhost /x",
	"rest":   "rest.execute-api.localhost /dev/x",
	"url":    "fnurl.lambda-url.localhost /x",
	"stream": "stream.lambda-url.localhost /x",
}

func TestResponses(t *testing.T) {
	const text, js = "Content-Type: text/plain; charset=utf-8", "Content-Type: application/json"
	tests := []struct {
		name, source string
		answer       string
		ask          ask
		want         map[string]string
	}{
		{"status, header, body", "Lambda function response format", `{"statusCode":201,"headers":{"X-A":"1","Content-Type":"text/html"},"body":"<b>"}`, ask{},
			map[string]string{"http": "201 [Content-Type: text/html X-A: 1] <b>", "httpV1": "201 [Content-Type: text/html X-A: 1] <b>", "rest": "201 [Content-Type: text/html X-A: 1] <b>", "url": "201 [Content-Type: text/html X-A: 1] <b>"}},
		{"default content type", "LambdaTestTool-v2 V1_DefaultsToCorrectContentType", `{"statusCode":200,"body":"Hello"}`, ask{},
			map[string]string{"http": "200 [" + text + "] Hello", "httpV1": "200 [" + text + "] Hello", "rest": "200 [" + js + "] Hello", "url": "200 [" + js + "] Hello"}},
		{"no statusCode", "payload 2.0: API Gateway can infer the response format; REST: LocalStack test_lambda_aws_proxy_response_format", `{"body":"Hello"}`, ask{},
			map[string]string{"http": "200 [" + js + `] {"body":"Hello"}`, "rest": "200 [" + js + "] Hello", "url": "200 [" + js + `] {"body":"Hello"}`}},
		{"no statusCode, but headers", "LambdaTestTool-v2 V2_SetsContentTypeApplicationJsonWhenNoStatusProvidedAndDoesntUseOtherType", `{"key" : "value", "headers" : {"content-type": "application/xml"}}`, ask{},
			map[string]string{"http": "200 [" + js + `] {"key" : "value", "headers" : {"content-type": "application/xml"}}`}},
		{"empty object", "LocalStack test_lambda_aws_proxy_response_format", `{}`, ask{},
			map[string]string{"http": "200 [" + js + "] {}", "rest": "200 [" + js + "] "}},
		{"string", "LambdaTestTool-v2 VariousPayloads_ReturnsAsRawBody; Invoking Lambda function URLs", `"Special \"quoted\" ü text"`, ask{},
			map[string]string{"http": "200 [" + js + `] Special "quoted" ü text`, "url": "200 [" + js + `] "Special \"quoted\" ü text"`}},
		{"number, array", "LambdaTestTool-v2 VariousPayloads_ReturnsAsRawBody", `[1, 2]`, ask{},
			map[string]string{"http": "200 [" + js + "] [1, 2]", "url": "200 [" + js + "] [1, 2]"}},
		{"broken JSON", "LambdaTestTool-v2 VariousPayloads_ReturnsAsRawBody", `{"name": "John Doe", "age":`, ask{},
			map[string]string{"http": "200 [" + js + `] {"name": "John Doe", "age":`}},
		{"statusCode as a string", "", `{"statusCode":"404","body":"x"}`, ask{},
			map[string]string{"http": "404 [" + text + "] x", "rest": "404 [" + js + "] x"}},
		{"numbers and booleans as headers", "LocalStack serialize_header", `{"statusCode":200,"headers":{"A":1,"B":true,"C":null},"body":null}`, ask{},
			map[string]string{"http": "200 [A: 1 B: true " + text + "] ", "rest": "200 [A: 1 B: true " + js + "] "}},
		{"cookies", "payload 2.0: each cookie becomes a set-cookie header", `{"statusCode":200,"cookies":["a=1; Path=/","b=2"],"body":""}`, ask{},
			map[string]string{"http": "200 [" + text + " Set-Cookie: a=1; Path=/ Set-Cookie: b=2] ", "url": "200 [" + js + " Set-Cookie: a=1; Path=/ Set-Cookie: b=2] ", "httpV1": "200 [" + text + "] "}},
		{"multiValueHeaders", "Output format of a Lambda function for proxy integration", `{"statusCode":200,"headers":{"X":"c","Y":"1"},"multiValueHeaders":{"X":["a","b"],"Y":["1"]},"body":""}`, ask{},
			map[string]string{"rest": "200 [" + js + " X: a X: b X: c Y: 1] ", "httpV1": "200 [" + text + " X: a X: b X: c Y: 1] ", "http": "200 [" + text + " X: c Y: 1] "}},
		{"headers of the connection", "LocalStack execute_api/header_utils.py", `{"statusCode":200,"headers":{"Connection":"close","Transfer-Encoding":"chunked","Date":"never","Server":"s","WWW-Authenticate":"Basic","Keep-Alive":"1"},"body":""}`, ask{},
			map[string]string{
				"rest": "200 [" + js + " X-Amzn-Remapped-Connection: close X-Amzn-Remapped-Date: never X-Amzn-Remapped-Server: s X-Amzn-Remapped-Www-Authenticate: Basic] ",
				"http": "200 [" + text + " Server: s Www-Authenticate: Basic] "}},
		{"a wrong length", "the gateway knows the length", `{"statusCode":200,"headers":{"content-length":"999"},"body":"four"}`, ask{},
			map[string]string{"http": "200 [" + text + "] four", "rest": "200 [" + js + " X-Amzn-Remapped-Content-Length: 999] four", "url": "200 [" + js + "] four"}},
		{"base64", "HTTP APIs honour isBase64Encoded always, REST APIs by Accept: ministackorg/ministack pull requests 766 and 767", `{"statusCode":200,"headers":{"Content-Type":"image/png"},"body":"aMO8","isBase64Encoded":true}`, ask{headers: []string{"Accept: text/html, image/png"}},
			map[string]string{"http": "200 [Content-Type: image/png] hü", "url": "200 [Content-Type: image/png] hü", "rest": "200 [Content-Type: image/png] aMO8"}},
		{"base64, accepted", "as above", `{"statusCode":200,"headers":{"Content-Type":"image/png"},"body":"aMO8","isBase64Encoded":true}`, ask{headers: []string{"Accept: image/webp;q=1"}},
			map[string]string{"rest": "200 [Content-Type: image/png] hü"}},
		{"no content", "RFC 9110", `{"statusCode":204,"headers":{"X-A":"1"},"body":"ignored"}`, ask{},
			map[string]string{"http": "204 [X-A: 1] ", "rest": "204 [X-A: 1] ", "url": "204 [X-A: 1] "}},
		{"not modified", "RFC 9110", `{"statusCode":304,"headers":{"ETag":"x"}}`, ask{},
			map[string]string{"http": "304 [Etag: x] ", "rest": "304 [Etag: x] "}},
		{"redirect", "", `{"statusCode":302,"headers":{"Location":"https://example.com/"}}`, ask{},
			map[string]string{"http": "302 [" + text + " Location: https://example.com/] ", "rest": "302 [" + js + " Location: https://example.com/] "}},
		{"escapes in the body", "", `{"statusCode":200,"body":"a\"\\\/\b\f\n\r\t\u00fc\ud83d\ude0a\ud83dz"}`, ask{},
			map[string]string{"http": "200 [" + text + "] a\"\\/\b\f\n\r\tü😊\ufffdz"}},
		{"no stream at a URL that streams", "recorded on AWS: radkawar/stackd testdata/aws/lambda/urls_http.json", `{"statusCode":201,"headers":{"X-A":"1"},"cookies":["a=1"],"body":"eA==","isBase64Encoded":true}`, ask{},
			map[string]string{"stream": "201 [" + js + ` Set-Cookie: a=1 X-A: 1] {"statusCode":201,"headers":{"X-A":"1"},"cookies":["a=1"],"body":"eA==","isBase64Encoded":true}`}},
		{"nothing of HTTP at a URL that streams", "as above", `{"a":1}`, ask{},
			map[string]string{"stream": "200 [" + js + `] {"a":1}`}},
		{"no JSON at a URL that streams", "as above", "text", ask{},
			map[string]string{"stream": "200 [" + js + "] text"}},
	}
	for _, test := range tests {
		for kind, want := range test.want {
			t.Run(test.name+" "+kind, func(t *testing.T) {
				h := everyDoor(t)
				h.says(test.answer)
				a := test.ask
				a.host, a.path, _ = strings.Cut(hosts[kind], " ")
				if got := shown(h.do(a)); got != want {
					t.Errorf("answer\n %s\nwant\n %s (%s)", got, want, test.source)
				}
			})
		}
	}
}

// TestRequestIDs looks for the headers by which support staff find a request.
func TestRequestIDs(t *testing.T) {
	for kind, want := range map[string][]string{
		"http": {"Apigw-Requestid"}, "rest": {"X-Amzn-Requestid", "X-Amz-Apigw-Id", "X-Amzn-Trace-Id"}, "url": {"X-Amzn-Requestid", "X-Amzn-Trace-Id"},
	} {
		h := everyDoor(t)
		h.says(`{"statusCode":200,"headers":{"X-Amzn-RequestId":"mine","Apigw-Requestid":"mine"}}`)
		host, path, _ := strings.Cut(hosts[kind], " ")
		response, _ := h.do(ask{host: host, path: path})
		for _, name := range want {
			if v := response.Header.Values(name); len(v) != 1 || v[0] == "mine" || v[0] == "" {
				t.Errorf("%s: %s is %q", kind, name, v)
			}
		}
		id := h.invocation().ID
		if kind != "http" && response.Header.Get("X-Amzn-Requestid") != id {
			t.Errorf("%s: the request's ID is not the invocation's", kind)
		}
		if a := h.access(); a.RequestID != id {
			t.Errorf("%s: the access log has request %s, the function %s", kind, a.RequestID, id)
		}
	}
}

func TestHEAD(t *testing.T) {
	for _, test := range []struct{ kind, answer, length string }{
		{"http", `{"statusCode":200,"body":"hello"}`, "5"},
		{"rest", `{"statusCode":200,"body":"hello"}`, "5"},
		{"http", `{"statusCode":200,"headers":{"Content-Length":"1234"},"body":""}`, "1234"},
		{"http", `{"statusCode":200,"headers":{"Content-Length":"x"},"body":""}`, "0"},
		{"url", `"hi"`, "4"},
	} {
		h := everyDoor(t)
		h.says(test.answer)
		host, path, _ := strings.Cut(hosts[test.kind], " ")
		response, body := h.do(ask{host: host, path: path, method: "HEAD"})
		if got := response.Header.Get("Content-Length"); got != test.length || body != "" || response.StatusCode != 200 {
			t.Errorf("%s %s: %d, length %s, body %q; want length %s", test.kind, test.answer, response.StatusCode, got, body, test.length)
		}
		if a := h.access(); a.Bytes != 0 {
			t.Errorf("%s: %d bytes in the access log", test.kind, a.Bytes)
		}
	}
}

// FuzzReply compares the scanner with encoding/json.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		`{"statusCode":200,"headers":{"a":"b","c":1,"d":true,"e":null},"body":"x\u00fc\ud83d\ude0a","isBase64Encoded":false}`,
		`{"statusCode":"201","multiValueHeaders":{"a":["b","c"]},"cookies":["x"]}`, `{"statusCode":2e2}`, `{}`, `null`, `"a"`, `[1,{"a":[]}]`,
		`{"a":{"b":[1,-0.5e+3,"\\"]},"statusCode":404,"statusCode":405}`, `{"body":"\ud800\u0041"}`, `{"body":"` + "\xff" + `"}`, ` { "body" : null } `, `{"a":01}`, `{"a":1}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var r reply
		object := r.read(payload, dialect{cookies: true})
		var want map[string]json.RawMessage
		err := json.Unmarshal(payload, &want)
		if bytes.Count(payload, []byte("{"))+bytes.Count(payload, []byte("[")) > maxDepth {
			return
		}
		if wantObject := err == nil && want != nil; object != wantObject {
			t.Fatalf("read(%q) = %v, encoding/json says %v", payload, object, err)
		}
		if !object {
			return
		}
		if _, has := want["statusCode"]; has != r.hasStatus {
			t.Errorf("%q: statusCode seen: %v", payload, r.hasStatus)
		}
		var typed struct {
			StatusCode      *int              `json:"statusCode"`
			Headers         map[string]string `json:"headers"`
			Body            *string           `json:"body"`
			IsBase64Encoded bool              `json:"isBase64Encoded"`
		}
		if hasTwice(payload) || json.Unmarshal(payload, &typed) != nil || r.wrong != "" {
			return // what we accept and encoding/json does not is in the tables above
		}
		if typed.StatusCode != nil && *typed.StatusCode != r.status {
			t.Errorf("%q: status %d", payload, r.status)
		}
		if typed.Body != nil && *typed.Body != string([]rune(string(r.body))) {
			t.Errorf("%q: body %q, want %q", payload, r.body, *typed.Body)
		}
		if typed.IsBase64Encoded != r.base64 {
			t.Errorf("%q: base64 %v", payload, r.base64)
		}
	})
}

// hasTwice reports whether a key of the object may occur twice, or in other
// capitals, where encoding/json has rules of its own.
func hasTwice(payload []byte) bool {
	lower := bytes.ToLower(payload)
	if bytes.ContainsRune(payload, '\\') && bytes.Contains(lower, []byte(`\u`)) && bytes.Contains(lower, []byte(`":`)) {
		return true
	}
	for _, key := range []string{"statuscode", "headers", "body", "isbase64encoded"} {
		if bytes.Count(lower, []byte(`"`+key)) > 1 {
			return true
		}
	}
	for _, key := range []string{"statusCode", "headers", "body", "isBase64Encoded"} {
		if bytes.Count(lower, []byte(strings.ToLower(key))) != bytes.Count(payload, []byte(key)) {
			return true
		}
	}
	return false
}

func BenchmarkReply(b *testing.B) {
	small := []byte(`{"statusCode":200,"headers":{"Content-Type":"application/json"},"body":"{\"message\":\"hello\"}"}`)
	large := []byte(`{"statusCode":200,"body":"` + strings.Repeat("a", 1<<20) + `"}`)
	for name, payload := range map[string][]byte{"small": small, "1MB": large} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				var r reply
				if !r.read(payload, dialect{cookies: true}) {
					b.Fatal("not read")
				}
			}
		})
	}
}
