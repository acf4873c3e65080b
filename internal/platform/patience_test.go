package platform

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener of connections in memory, inside a synctest bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// connect serves a handler as a platform does, and returns a connection to it.
func connect(t *testing.T, h http.HandlerFunc) net.Conn {
	d := newDeparture()
	t.Cleanup(d.close)
	return connectBy(t, d, h)
}

// connectBy has d, which may be nil, look whether the client has left.
func connectBy(t *testing.T, d *departure, h http.HandlerFunc) net.Conn {
	ours, theirs := net.Pipe()
	listener := &pipes{make(chan net.Conn, 1), make(chan struct{})}
	listener.conns <- theirs
	server := &http.Server{Handler: boundBody(h), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(patient{listener, d}) }()
	t.Cleanup(func() {
		ours.Close()
		server.Close()
		<-served
	})
	return ours
}

// A client that asks and does not take the answer loses its connection.
func TestClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 10 * minRate
		ended := make(chan error)
		c := connect(t, func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Hour) // a function takes its time, which is nobody's fault
			_, err := w.Write(make([]byte, size))
			ended <- err
		})
		start := time.Now()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err == nil {
			t.Error("all was written to nobody")
		}
		if waited := time.Since(start) - time.Hour; waited < patience || waited > patience+11*time.Second {
			t.Errorf("it took %v", waited)
		}
	})
}

// A handler may ask for more patience: who reads a log in a pager stops at times. It
// has it for that answer only.
func TestClientThatReadsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		c := connect(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/log" {
				_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
			}
			_, err := w.Write(make([]byte, 10*minRate))
			ended <- err
		})
		ask := func(path string) {
			if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
		}
		answers := bufio.NewReader(c)
		for _, pause := range []time.Duration{0, time.Hour} {
			ask("/log")
			time.Sleep(pause)
			answer, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatalf("after %v: %v", pause, err)
			}
			if n, err := io.Copy(io.Discard, answer.Body); err != nil || <-ended != nil || n != 10*minRate {
				t.Errorf("after %v: %d bytes, %v", pause, n, err)
			}
		}
		ask("/")
		if err := <-ended; err == nil {
			t.Error("all was written to nobody")
		}
	})
}

// Nor does one have more patience that sends two requests at once and takes the first
// answer.
func TestClientThatReadsOneOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		c := connectBy(t, nil, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/large" {
				_, err := w.Write(make([]byte, 10*minRate))
				ended <- err
			}
		})
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /large HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if err == nil {
				t.Error("all was written to nobody")
			}
		case <-time.After(time.Hour):
			t.Error("the answer still waits for the client to take it")
		}
	})
}

// A client that never sends the body it has announced gets the answer of a
// handler that does not want it, and loses its connection.
func TestBodyThatNobodyWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, http.NotFound)
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		in := bufio.NewReader(c)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusNotFound || !resp.Close || time.Since(start) != patience {
			t.Errorf("%s after %v, closed: %t", resp.Status, time.Since(start), resp.Close)
		}
		if _, err := io.Copy(io.Discard, in); err != nil {
			t.Error(err)
		}
	})
}

// The bound is for the body: not for the time a handler takes, nor for the
// next request on the connection.
func TestPatienceEndsWithTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // as handlers that read bodies do
			select {
			case <-r.Context().Done():
				t.Error("the request ended while its handler ran")
			case <-time.After(time.Hour):
			}
			_, _ = io.WriteString(w, "ok")
		})
		in := bufio.NewReader(c)
		for range 2 {
			if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(resp.Body); string(body) != "ok" || err != nil {
				t.Errorf("%q, %v", body, err)
			}
		}
	})
}
