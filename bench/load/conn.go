//go:build linux

package load

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// loop waits for all connections of a load at once.
type loop struct {
	epoll  int
	conns  []*conn
	events []unix.EpollEvent
	ready  []*conn
	wanted
}

type conn struct {
	fd   int
	sent time.Time
	buf  []byte
	have int // bytes of the answer so far
}

func (l *loop) dial(addr string, n int) error {
	tcp, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Port: tcp.Port}
	copy(to.Addr[:], tcp.IP.To4())
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	l.events = make([]unix.EpollEvent, n)
	for i := range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		l.conns = append(l.conns, &conn{fd: fd, buf: make([]byte, 8<<10)})
		if err := unix.Connect(fd, to); err != nil {
			return fmt.Errorf("connect to %s: %w", addr, err)
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return err
		}
		if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); err != nil {
			return err
		}
	}
	return nil
}

// wait returns the connections that have something to read, or after a while none.
func (l *loop) wait() ([]*conn, error) {
	n, err := unix.EpollWait(l.epoll, l.events, 100)
	if err != nil && err != unix.EINTR {
		return nil, err
	}
	l.ready = l.ready[:0]
	for _, e := range l.events[:max(n, 0)] {
		l.ready = append(l.ready, l.conns[e.Fd])
	}
	return l.ready, nil
}

func (l *loop) close() {
	for _, c := range l.conns {
		_ = unix.Close(c.fd)
	}
	if l.epoll > 0 {
		_ = unix.Close(l.epoll)
	}
}

// send sends a request. A socket's buffer takes one as a whole.
func (c *conn) send(req []byte) error {
	c.have, c.sent = 0, time.Now()
	n, err := unix.Write(c.fd, req)
	if err == nil && n < len(req) {
		err = fmt.Errorf("%d of a request's %d bytes were taken", n, len(req))
	}
	return err
}

// receive reads on and reports whether the answer is whole.
func (c *conn) receive(w wanted) (done bool, err error) {
	if c.have == len(c.buf) {
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	n, err := unix.Read(c.fd, c.buf[c.have:])
	switch {
	case err == unix.EINTR:
		return false, nil
	case err != nil:
		return false, err
	case n == 0:
		return false, fmt.Errorf("the connection was closed with a request under way, after %q", c.buf[:c.have])
	}
	c.have += n
	return w.whole(c.buf[:c.have])
}
