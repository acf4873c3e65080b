package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"pinfold.dev/pinfold"
)

// TestEventsFitTheLibrary decodes events into the types of AWS's own Go
// library, which must know every field of them but those that it leaves out:
// deploymentId and principalOrgId, recorded by LocalStack, and what function URLs do not use.
func TestEventsFitTheLibrary(t *testing.T) {
	web, rest, url := httpAPI("webapi", "POST /users/{id}"), restAPI("restapi", "POST /users/{id}"), urlOf("fnurl", "NONE")
	strict := func(x *exchange, into any, leftOut ...string) {
		t.Helper()
		var all map[string]any
		if err := json.Unmarshal(x.event.append(nil, x.r, x.trace), &all); err != nil {
			t.Fatal(err)
		}
		for _, key := range leftOut {
			delete(all, key)
			context := all["requestContext"].(map[string]any)
			delete(context, key)
			if identity, ok := context["identity"].(map[string]any); ok {
				delete(identity, key)
			}
		}
		rest, _ := json.Marshal(all)
		d := json.NewDecoder(bytes.NewReader(rest))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			t.Errorf("%T: %v", into, err)
		}
	}
	const path = "/users/J%C3%B6rg?a=1&a=2"
	var v2 events.APIGatewayV2HTTPRequest
	strict(made(t, &web, nil, request(t, "POST "+path+fmt.Sprintf(browser, "webapi.execute-api")), "{}"), &v2)
	if v2.PathParameters["id"] != "Jörg" || v2.QueryStringParameters["a"] != "1,2" || v2.RequestContext.HTTP.SourceIP != "192.0.2.7" || v2.Body != "{}" || len(v2.Cookies) != 3 {
		t.Errorf("payload 2.0: %+v", v2)
	}
	var v1 events.APIGatewayProxyRequest
	strict(made(t, &rest, nil, request(t, "POST /dev"+path+fmt.Sprintf(browser, "restapi.execute-api")), "{}"), &v1, "deploymentId", "principalOrgId")
	if v1.PathParameters["id"] != "J%C3%B6rg" || v1.MultiValueQueryStringParameters["a"][1] != "2" || v1.RequestContext.Identity.UserAgent != "agent/1.0" || v1.RequestContext.Stage != "dev" {
		t.Errorf("payload 1.0: %+v", v1)
	}
	var fn events.LambdaFunctionURLRequest
	strict(made(t, nil, &url, request(t, "POST "+path+fmt.Sprintf(browser, "fnurl.lambda-url")), "{}"), &fn, "routeKey", "stage")
	if fn.RequestContext.APIID != "fnurl" || fn.RequestContext.AccountID != "anonymous" || fn.Headers["cookie"] == "" {
		t.Errorf("function URL: %+v", fn)
	}
}

func TestSlogAccess(t *testing.T) {
	var out bytes.Buffer
	write := SlogAccess(slog.New(slog.NewJSONHandler(&out, nil)))
	write(Access{Remote: "::1", Method: "GET", URI: "/a", Status: 200, Bytes: 3, Function: "f", Cold: 5e6, RequestID: "id"})
	write(Access{Remote: "::1", Method: "GET", URI: "/a", Status: 502, Error: "the function failed"})
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{
		`"level":"INFO","msg":"request","remote":"::1","method":"GET","uri":"/a","status":200,"bytes":3,"duration":0,"requestId":"id","function":"f","cold":5000000}`,
		`"level":"WARN","msg":"request","remote":"::1","method":"GET","uri":"/a","status":502,"bytes":0,"duration":0,"requestId":"","error":"the function failed"}`,
	} {
		if !strings.HasSuffix(lines[i], want) {
			t.Errorf("line %s\nwant ...%s", lines[i], want)
		}
	}
}

// TestDenied tells a signer that he may not, and hides from others why an API
// cannot call its function.
func TestDenied(t *testing.T) {
	h := everyDoor(t)
	h.fails(pinfold.Errorf(pinfold.Denied, "no"))
	for kind, want := range map[string]int{"http": 500, "rest": 500, "url": 500} {
		host, path, _ := strings.Cut(hosts[kind], " ")
		if response, _ := h.do(ask{host: host, path: path}); response.StatusCode != want {
			t.Errorf("%s: %d, want %d", kind, response.StatusCode, want)
		}
	}
}
