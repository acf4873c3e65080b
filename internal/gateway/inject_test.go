package gateway

import (
	"io"
	"net"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

// Whatever a function writes into names and values of headers, into cookies and
// as its status, nothing of it becomes a header or a response of its own.
func TestFunctionsCannotInjectHeaders(t *testing.T) {
	const evil = `x\r\nInjected: yes\r\n\r\nHTTP/1.1 200 OK\r\nInjected: again\r\n\r\n`
	for _, answer := range []string{
		`{"statusCode":200,"headers":{"X-A":"` + evil + `"},"body":"body"}`,
		`{"statusCode":200,"headers":{"` + evil + `":"1"},"body":"body"}`,
		`{"statusCode":200,"headers":{"X-A: 1\r\nInjected":"yes"},"body":"body"}`,
		`{"statusCode":200,"headers":{"":"yes","Injected ":"yes","\nInjected":"yes","Trailer:Injected":"yes"},"body":"body"}`,
		`{"statusCode":200,"headers":{"Content-Type":"text/html` + evil + `"},"body":"body"}`,
		`{"statusCode":200,"headers":{"Content-Length":"1","Transfer-Encoding":"chunked","Connection":"close"},"body":"body"}`,
		`{"statusCode":200,"multiValueHeaders":{"X-A":["a","` + evil + `"]},"body":"body"}`,
		`{"statusCode":200,"cookies":["a=b` + evil + `"],"body":"body"}`,
		`{"statusCode":"200\r\nInjected: yes","body":"body"}`,
		`{"statusCode":101,"headers":{"Upgrade":"x"},"body":"body"}`,
		`{"statusCode":-200,"body":"body"}`,
		`{"statusCode":99999999999999999999,"body":"body"}`,
	} {
		for _, api := range []pinfold.API{httpAPI("abc"), restAPI("abc")} {
			h := open(t, Options{})
			path := "/x"
			if api.Kind == pinfold.RESTAPI {
				path = "/" + api.Stage + path
			}
			api.Routes = []pinfold.Route{{Method: "GET", Path: "/x", Target: ref("f")}}
			h.g.Update([]pinfold.API{api}, nil)
			h.says(answer)
			c, err := net.Dial("tcp", h.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: abc.execute-api.localhost\r\nConnection: close\r\n\r\n")
			all, err := io.ReadAll(c)
			c.Close()
			head, _, _ := strings.Cut(string(all), "\r\n\r\n")
			if err != nil || h.invoked() != 1 || strings.Count(string(all), "\r\n\r\n") != 1 || strings.Contains(head, "\nInjected") || strings.Contains(head, "\nTransfer-Encoding") {
				t.Errorf("%s API: %s is answered %q, %v", api.Kind, answer, all, err)
			}
		}
	}
}
