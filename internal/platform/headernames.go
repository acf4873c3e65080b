package platform

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
)

// HTTP does not care how header names are written, and net/http makes them all
// canonical. REST APIs however hand them over as they came, and functions look
// for X-GitHub-Event. So connections of the public door keep the head of the
// request that is being served, as it was read.

// naming is a listener of such connections.
type naming struct{ net.Listener }

func (l naming) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &namingConn{Conn: c}, nil
}

// namingConn is used by one goroutine at a time, as net/http's server does: it
// reads, then the handler asks for names, then the connection is idle.
type namingConn struct {
	net.Conn
	head []byte // what was read of the request, to the end of its headers
	full bool   // the headers have ended
}

// maxHead is what net/http reads of a head: MaxHeaderBytes, and 4,096 more.
const maxHead = maxHeaderBytes + 4096

func (c *namingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.full {
		return n, err
	}
	from := max(0, len(c.head)-3) // the end may lie across two reads
	c.head = append(c.head, b[:n]...)
	if end := bytes.Index(c.head[from:], []byte("\r\n\r\n")); end >= 0 {
		c.head, c.full = c.head[:from+end], true
	} else if len(c.head) > maxHead {
		c.head, c.full = c.head[:0], true // it will be refused
	}
	return n, err
}

// next forgets the request that was served.
func (c *namingConn) next() { c.head, c.full = c.head[:0], false }

// name returns a header's name as the client wrote it first.
func (c *namingConn) name(canonical string) string {
	if !c.full {
		return canonical
	}
	_, rest, _ := bytes.Cut(c.head, []byte("\r\n")) // the request line
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if n := len(canonical); len(line) > n && line[n] == ':' && strings.EqualFold(string(line[:n]), canonical) {
			return string(line[:n])
		}
	}
	return canonical
}

// CloseWrite is how net/http lets an answer arrive before it closes.
func (c *namingConn) CloseWrite() error { return closeWrite(c.Conn) }

type namingKey struct{}

// keepNames lets headerNames know the names of a server's requests. The server
// must serve a naming listener.
func keepNames(server *http.Server) {
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, namingKey{}, c)
	}
	server.ConnState = func(c net.Conn, state http.ConnState) {
		if n, ok := c.(*namingConn); ok && state == http.StateIdle {
			n.next()
		}
	}
}

// headerNames is the gateway's HeaderNames.
func headerNames(r *http.Request) func(canonical string) string {
	if c, ok := r.Context().Value(namingKey{}).(*namingConn); ok {
		return c.name
	}
	return nil
}
