package platform

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A handler whose client leaves learns of it soon, whenever that is.
func TestDepartureIsNoticed(t *testing.T) {
	for _, after := range []time.Duration{time.Millisecond, time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			noticed := make(chan time.Time, 1)
			c := connect(t, func(_ http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				noticed <- time.Now()
			})
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(after)
			c.Close()
			left := time.Now()
			if took := (<-noticed).Sub(left); took > 2*lookOut {
				t.Errorf("it took %v to notice who left after %v", took, after)
			}
		})
	}
}

// What a client sends while its request is served waits for its turn, before and
// after the platform looks whether the client is there.
func TestPipelinedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, func(w http.ResponseWriter, r *http.Request) {
			d, _ := time.ParseDuration(r.URL.Query().Get("for"))
			time.Sleep(d)
			_, _ = io.WriteString(w, r.URL.Path)
		})
		paths := []string{"/a?for=1s", "/b?for=0s", "/c?for=0s", "/d?for=1h", "/e?for=1ms"}
		go func() {
			for _, path := range paths {
				_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
			}
		}()
		in := bufio.NewReader(c)
		for _, path := range paths {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(resp.Body); string(body) != path[:2] || err != nil {
				t.Errorf("%s: %q, %v", path, body, err)
			}
		}
	})
}

// Where nobody wants to know whether the client has left nothing is read ahead, and
// requests come in whole, those too of which a buffer has room for one more byte.
func TestNobodyAsksWhoHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connectBy(t, nil, func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
				t.Error("the request ended while its handler ran")
			case <-time.After(time.Hour):
			}
			_, _ = io.WriteString(w, r.URL.Path+r.Header.Get("End"))
		})
		in := bufio.NewReader(c)
		for _, path := range []string{"/a", "/b"} {
			request := "GET " + path + " HTTP/1.1\r\nHost: x\r\nLong: " + strings.Repeat("x", 5000) + "\r\nEnd: !\r\n\r\n"
			cut := strings.Index(request, "Long:") + 4095 // net/http's buffer has 4,096 bytes
			for _, part := range []string{request[:cut], request[cut:]} {
				if _, err := io.WriteString(c, part); err != nil {
					t.Fatal(err)
				}
			}
			go func() { _, _ = io.WriteString(c, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n") }()
			for _, want := range []string{path + "!", "/next"} {
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				if body, err := io.ReadAll(resp.Body); string(body) != want || err != nil {
					t.Errorf("%q, %v, not %q", body, err, want)
				}
			}
		}
	})
}

// Who says nothing is let go: at first, in the middle of a head, and between
// requests, each after its own time.
func TestSilentClients(t *testing.T) {
	for sent, want := range map[string]time.Duration{
		"":                                  10 * time.Second,
		"GET / HTTP/1.1\r\nHo":              10 * time.Second,
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n": 2 * time.Minute,
		"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT": 10 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			c := connect(t, func(http.ResponseWriter, *http.Request) {})
			go func() { _, _ = io.WriteString(c, sent) }()
			start := time.Now()
			_, err := io.Copy(io.Discard, c)
			if took := time.Since(start); took != want || err != nil {
				t.Errorf("%q: let go after %v, %v", sent, took, err)
			}
		})
	}
}

// counted is a connection that counts how often it is read.
type counted struct {
	net.Conn
	reads atomic.Int32
}

func (c *counted) Read(b []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(b)
}

// A request that is served at once costs one read, not two.
func TestShortRequestsAreNotReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		under := &counted{Conn: theirs}
		d := newDeparture()
		c := d.watch(under)
		for range 3 {
			ahead := make(chan error, 1)
			go func() {
				_, err := c.Read(make([]byte, 1))
				ahead <- err
			}()
			synctest.Wait()
			_ = c.SetReadDeadline(time.Unix(1, 0)) // as net/http ends it
			if err := <-ahead; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			_ = c.SetReadDeadline(time.Time{})
		}
		if n := under.reads.Load(); n != 0 {
			t.Errorf("%d reads of a connection that has nothing to say", n)
		}
		go func() { _, _ = io.WriteString(ours, "hello") }()
		if b := make([]byte, 10); true {
			if n, err := c.Read(b); string(b[:n]) != "hello" || err != nil {
				t.Errorf("%q, %v", b[:n], err)
			}
		}
		waits := make(chan error, 1)
		go func() {
			_, err := c.Read(make([]byte, 1))
			waits <- err
		}()
		synctest.Wait()
		d.close() // nobody would wake it
		synctest.Wait()
		if n := under.reads.Load(); n != 2 {
			t.Errorf("%d reads", n)
		}
		c.Close()
		if err := <-waits; err == nil {
			t.Error("a closed connection was read")
		}
	})
}
