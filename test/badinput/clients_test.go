package badinput

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Clients that are slow cost a connection each, for a while: others do not
// notice them, and none of them stays for ever. This takes as long as a client
// may take for a body, half a minute.
func TestSlowClients(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	h := start(t)
	const post = "POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
	invoke := strings.Replace(post, "/hello", invokePath, 1)
	type slow struct {
		*line
		what string
		body bool // it is the body that is late
	}
	var all []slow
	for range 50 {
		for _, s := range []struct {
			what, endpoint, text string
			body                 bool
		}{
			{"nothing at the door", h.Endpoints.HTTP, "", false},
			{"nothing at the API", h.Endpoints.API, "", false},
			{"headers at the door", h.Endpoints.HTTP, post, false},
			{"headers at the API", h.Endpoints.API, invoke, false},
			{"a body at the door", h.Endpoints.HTTP, post + "\r\n", true},
			{"a body at the API", h.Endpoints.API, invoke + "\r\n", true},
		} {
			l := connect(t, s.endpoint)
			l.write(s.text)
			all = append(all, slow{l, s.what, s.body})
		}
	}
	h.unharmed(t)

	// They go on a byte at a time, until the test ends: that they say something
	// now and then does not help them.
	stop, stopped := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-stopped }()
	go func() {
		defer close(stopped)
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			for _, s := range all {
				s.write("x")
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	for _, s := range all {
		if !s.body {
			continue
		}
		if status, body := s.answer(http.MethodPost); status != http.StatusRequestTimeout {
			t.Errorf("%s: %d %s", s.what, status, body)
		}
	}
	for _, s := range all {
		s.closed(s.what)
	}
	h.unharmed(t)
}
