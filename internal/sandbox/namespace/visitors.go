//go:build linux

package namespace

import (
	"net"

	"pinfold.dev/pinfold/internal/sandbox/namespace/egress"
)

// visitors is a listener on a sandbox's loopback. Whoever comes through it is no
// one on the machine itself, so it does not look as if: its address is the
// sandbox's on the network.
type visitors struct{ net.Listener }

func (l visitors) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return visitor{conn}, nil
}

type visitor struct{ net.Conn }

func (v visitor) RemoteAddr() net.Addr {
	port := 0
	if tcp, ok := v.Conn.RemoteAddr().(*net.TCPAddr); ok {
		port = tcp.Port
	}
	return &net.TCPAddr{IP: egress.Inside().AsSlice(), Port: port}
}
