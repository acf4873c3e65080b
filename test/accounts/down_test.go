package accounts

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// TestACollectorThatFails: whatever a collector does, invocations go on, leave
// their records, and the platform stops when it is told to.
func TestACollectorThatFails(t *testing.T) {
	t.Parallel()
	answers := func(status int, headers ...string) func(t *testing.T, came chan<- struct{}) string {
		return func(t *testing.T, came chan<- struct{}) string {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				for i := 0; i < len(headers); i += 2 {
					w.Header().Set(headers[i], headers[i+1])
				}
				w.WriteHeader(status)
				tell(came)
			}))
			t.Cleanup(s.Close)
			return s.URL
		}
	}
	// accepts has somebody answer each connection.
	accepts := func(scheme string, answer func(net.Conn)) func(t *testing.T, came chan<- struct{}) string {
		return func(t *testing.T, came chan<- struct{}) string {
			l := listen(t)
			done := make(chan struct{})
			t.Cleanup(func() { l.Close(); <-done })
			go func() {
				defer close(done)
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					defer c.Close() // at the end of the test
					answer(c)
					tell(came)
				}
			}()
			return scheme + "://" + l.Addr().String()
		}
	}
	for name, collector := range map[string]func(t *testing.T, came chan<- struct{}) string{
		"nobody is there": func(t *testing.T, came chan<- struct{}) string {
			l := listen(t)
			defer l.Close()
			tell(came) // there is nothing to be waited for
			return "http://" + l.Addr().String()
		},
		"never answers":         accepts("http", func(net.Conn) {}),
		"never answers by gRPC": accepts("grpc", func(net.Conn) {}),
		"hangs up":              accepts("grpc", func(c net.Conn) { c.Close() }),
		"says nonsense":         accepts("http", func(c net.Conn) { fmt.Fprint(c, "\x00\xff\r\n\r\n") }),
		"400":                   answers(http.StatusBadRequest),
		"429":                   answers(http.StatusTooManyRequests, "Retry-After", "3600"),
		"503":                   answers(http.StatusServiceUnavailable, "Retry-After", "1"),
		"is no collector":       answers(http.StatusOK, "Content-Type", "text/html"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			came := make(chan struct{}, 1)
			t.Cleanup(func() { // it was, when the platform stopped
				select {
				case <-came:
				default:
					t.Error("the collector was asked for nothing")
				}
			})
			endpoint := collector(t, came)
			p := platformtest.Start(t, func(c *platform.Config) { c.OTLPEndpoint, c.TraceShare = endpoint, 1 })
			p.Deploy(t, platformtest.Files(t, map[string]string{
				"serverless.yml": "service: on\nprovider: {name: aws, runtime: nodejs22.x}\nfunctions:\n  f: {handler: index.handler}\n",
				"index.js":       `exports.handler = async (e) => { if (e % 2) throw new TypeError("odd"); return e; }`,
			}))
			n := 0
			work := func() {
				n++
				res, err := p.Client.Invoke(t.Context(), "on-dev-f", fmt.Append(nil, n), false)
				if err != nil || (res.FunctionError != "") != (n%2 == 1) {
					t.Errorf("number %d ends with %+v, %v", n, res, err)
				}
			}
			for n < 20 {
				work()
			}
			if name == "never answers" { // while there are more
				await(t, came)
				for n < 40 {
					work()
				}
			}
			records(t, p, pinfold.RecordQuery{}, n)
		})
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func await(t *testing.T, came chan struct{}) {
	t.Helper()
	select {
	case <-came:
		tell(came)
	case <-time.After(time.Minute):
		t.Error("the collector was asked for nothing in a minute")
	}
}

func tell(came chan<- struct{}) {
	select {
	case came <- struct{}{}:
	default:
	}
}
