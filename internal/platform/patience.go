package platform

import (
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// A client may be slow, but neither for ever: not in taking an answer, and not
// in sending a body that no handler reads (net/http reads it before it
// answers). Handlers that do read it bound that by themselves.
const (
	patience = 30 * time.Second
	minRate  = 64 << 10 // bytes a second, on top of it
)

// patient is a listener whose connections bound how long the other side may
// take for what is written to it, unless a handler says otherwise, and notice late that it has left. A server's own
// WriteTimeout would count the time in which a function runs.
type patient struct {
	net.Listener
	departure *departure
}

func (p patient) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &patientConn{Conn: p.departure.watch(c)}, nil
}

type patientConn struct {
	net.Conn
	until time.Time   // the deadline that is set
	freed atomic.Bool // what is written now may take any time
}

// SetWriteDeadline is what a handler says of its answer: zero lets it take any time.
// net/http says that, too, after every answer: so it takes effect with the next write.
func (c *patientConn) SetWriteDeadline(t time.Time) error {
	c.freed.Store(t.IsZero())
	if t.IsZero() || t.Equal(begins) {
		return nil
	}
	return c.bound(t)
}

// begins is no deadline: it says that a request begins, whose answer is not freed
// though net/http said so after the one before. Read does not see one that came
// together with that.
var begins = time.Unix(1, 0)

func (c *patientConn) bound(until time.Time) error {
	if until.Equal(c.until) {
		return nil
	}
	c.until = until
	return c.Conn.SetWriteDeadline(until)
}

// Read reads the next request, whose answer is not freed yet.
func (c *patientConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.freed.Load() {
		c.freed.Store(false)
	}
	return n, err
}

// renewal is how much of its patience a write may lack: a deadline that was set
// for an earlier one is as good, and to set another costs a timer.
const renewal = 5 * time.Second

func (c *patientConn) Write(b []byte) (int, error) {
	var until time.Time
	if !c.freed.Load() {
		until = time.Now().Add(patience + time.Duration(len(b)/minRate)*time.Second)
		if lacks := until.Sub(c.until); 0 <= lacks && lacks <= renewal {
			until = c.until
		}
	}
	if err := c.bound(until); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// CloseWrite is how net/http lets an answer arrive before it closes.
func (c *patientConn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// boundBody bounds how long a client may take to send a body, and to take the answer,
// until a handler says otherwise.
func boundBody(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.SetWriteDeadline(begins)
		if r.ContentLength != 0 {
			_ = c.SetReadDeadline(time.Now().Add(patience))
		}
		h.ServeHTTP(w, r)
	})
}
