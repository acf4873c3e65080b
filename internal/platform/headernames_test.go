package platform

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// Names are those of the request at hand, whatever was in the one before, in
// its body, or came in how many pieces.
func TestHeaderNames(t *testing.T) {
	listener := &pipes{make(chan net.Conn, 1), make(chan struct{})}
	c, theirs := net.Pipe()
	listener.conns <- theirs
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := headerNames(r)
		if !strings.HasPrefix(r.URL.Path, "/unread") {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		fmt.Fprint(w, name("X-Github-Event"), " ", name("Content-Type"), " ", name("X-None"))
	})}
	keepNames(server)
	served := make(chan error, 1)
	d := newDeparture()
	go func() { served <- server.Serve(naming{patient{listener, d}}) }()
	t.Cleanup(func() {
		c.Close()
		server.Close()
		<-served
		d.close()
	})
	answers := bufio.NewReader(c)
	ask := func(want string, pieces ...string) {
		t.Helper()
		go func() {
			for _, piece := range pieces {
				_, _ = io.WriteString(c, piece)
			}
		}()
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != want || err != nil {
			t.Errorf("%q gives %q, %v; want %q", pieces, body, err, want)
		}
	}
	ask("X-GitHub-Event content-type X-None", "POST / HTTP/1.1\r\nHost: x\r\nX-GitHub-Event: push\r\ncontent-type: a/b\r\nContent-Length: 20\r\n\r\nX-NONE: 1\r\n\r\nX-NONE:")
	ask("x-github-event Content-Type X-None", "GET / HTTP/1.1\r\nhost: x\r\nx-github-event: push\r\n\r\n")
	ask("X-GITHUB-EVENT Content-Type X-None", "POST / HTTP/1.1\r\nHost: x\r\nX-GITHUB-EVENT:", "push\r\nContent-Length: 3\r", "\n\r", "\nabc")
	ask("X-GitHub-Event Content-Type X-None", "POST /unread HTTP/1.1\r\nHost: x\r\nX-GitHub-Event: x-github-event: no\r\nContent-Length: 30\r\n\r\n", "x-none: 1\r\n\r\nx-github-event: 2")
	ask("X-Github-Event Content-Type X-None", "GET / HTTP/1.1\r\nHost: x\r\nX-Other: x-github-event:\r\n\r\n")
	ask("X-GITHUB-event Content-Type X-None", "GET / HTTP/1.1\r\nHost: x\r\nX-GITHUB-event: 1\r\nx-github-EVENT: 2\r\nX-Long: "+strings.Repeat("x", 40_000)+"\r\n\r\n")
}
