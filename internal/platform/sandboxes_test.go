package platform

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
)

// Instances that are kept ready have sandboxes before the doors are open. What
// comes to the doors from inside waits until they are.
func TestInsideBeforeTheDoorsAreOpen(t *testing.T) {
	listen := func() net.Listener {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	p := &Platform{opened: make(chan struct{}), stopping: context.Background(), listeners: []served{{Listener: listen()}, {Listener: listen()}}}
	inner, ended := listen(), make(chan error, 1)
	service := p.inside()[0]
	go func() { ended <- service.Serve(inner) }()
	c, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	p.departure = newDeparture()
	defer p.departure.close()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "open") })}
	p.listeners[0].server = server
	close(p.opened)
	answer, err := io.ReadAll(c)
	if err != nil || len(answer) < 4 || string(answer[len(answer)-4:]) != "open" {
		t.Errorf("%q, %v", answer, err)
	}
	server.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
