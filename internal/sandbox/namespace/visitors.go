//go:build linux

package namespace

import (
	"net"
	"sync"

	"pinfold.dev/pinfold/internal/sandbox/namespace/egress"
)

// maxVisitors bounds the connections to one service of one sandbox. Each costs a
// descriptor of the platform, and a thousand processes with a thousand sockets
// each would take them all. More wait in the kernel's queue, which is the
// sandbox's own.
const maxVisitors = 256

// visitors is a listener on a sandbox's loopback. Whoever comes through it is no
// one on the machine itself, so it does not look as if: its address is the
// sandbox's on the network.
type visitors struct {
	net.Listener
	budget *egress.Budget
	room   chan struct{} // holds a value for each connection
	closed chan struct{}
	close  func() error
}

func newVisitors(l net.Listener, budget *egress.Budget) *visitors {
	v := &visitors{Listener: l, budget: budget, room: make(chan struct{}, maxVisitors), closed: make(chan struct{})}
	v.close = sync.OnceValue(func() error {
		close(v.closed)
		return l.Close()
	})
	return v
}

func (v *visitors) Accept() (net.Conn, error) {
	select {
	case v.room <- struct{}{}:
	case <-v.closed:
		return nil, net.ErrClosed
	}
	for {
		conn, err := v.Listener.Accept()
		if err != nil {
			<-v.room
			return nil, err
		}
		if v.budget.Take() {
			return visitor{conn, sync.OnceFunc(func() { v.budget.Give(); <-v.room })}, nil
		}
		_ = conn.Close()
	}
}

// Close ends Accept, also one that waits for room.
func (v *visitors) Close() error { return v.close() }

type visitor struct {
	net.Conn
	leave func()
}

func (v visitor) Close() error {
	defer v.leave()
	return v.Conn.Close()
}

// CloseWrite is how net/http lets an answer arrive before it closes.
func (v visitor) CloseWrite() error {
	if half, ok := v.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (v visitor) RemoteAddr() net.Addr {
	port := 0
	if tcp, ok := v.Conn.RemoteAddr().(*net.TCPAddr); ok {
		port = tcp.Port
	}
	return &net.TCPAddr{IP: egress.Inside().AsSlice(), Port: port}
}
