package egress

import (
	"errors"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
)

// sandbox is a network namespace with a link, and the thread that is in it.
type sandbox struct {
	*Link
	do chan func()
}

// threadInNamespace returns a way to run functions on a thread that is alone in
// a new network namespace.
func threadInNamespace(t testing.TB) chan func() {
	t.Helper()
	do, ready, gone := make(chan func()), make(chan error), make(chan struct{})
	go func() {
		defer close(gone)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		ready <- err
		if err != nil {
			return
		}
		for f := range do {
			f()
		}
	}()
	if err := <-ready; err != nil {
		t.Skipf("making a network namespace needs root: %v", err)
	}
	t.Cleanup(func() { close(do); <-gone })
	return do
}

// configured returns a sandbox whose device nobody serves yet.
func configured(t testing.TB) (*sandbox, *os.File) {
	t.Helper()
	s := &sandbox{do: threadInNamespace(t)}
	var tap *os.File
	var err error
	s.in(func() { tap, err = Configure("eth0") })
	if errors.Is(err, ErrNoDevice) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, tap
}

func (s *sandbox) attach(t testing.TB, tap *os.File, o Options) {
	s.Link = Attach(tap, o)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func newSandbox(t testing.TB, o Options) *sandbox {
	t.Helper()
	s, tap := configured(t)
	s.attach(t, tap, o)
	return s
}

func (s *sandbox) in(f func()) {
	done := make(chan struct{})
	s.do <- func() { defer close(done); f() }
	<-done
}

// dialIn dials from inside. The socket is made by the thread in the namespace.
func (s *sandbox) dialIn(network, address string) (c net.Conn, err error) {
	s.in(func() { c, err = (&net.Dialer{Timeout: 20 * time.Second}).Dial(network, address) })
	return c, err
}

func (s *sandbox) mustDial(t testing.TB, network, address string) net.Conn {
	t.Helper()
	c, err := s.dialIn(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Addresses that stand for the world: toLoopback leads them to servers of the test.
const world4, world6 = "203.0.113.7", "2001:db8::7"

func open(t testing.TB, s *sandbox) *sandbox {
	t.Helper()
	if err := s.SetNetwork(pinfold.Network{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// listen serves TCP connections on the loopback until the test ends, and returns
// the port.
func listen(t testing.TB, serve func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
