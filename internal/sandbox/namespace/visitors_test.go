//go:build linux

package namespace

import (
	"errors"
	"net"
	"testing"
	"time"

	"pinfold.dev/pinfold/internal/sandbox/namespace/egress"
)

func TestVisitors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := newVisitors(l, egress.NewBudget(maxVisitors+1))
	defer v.Close()
	accepted := make(chan net.Conn)
	failed := make(chan error, 1)
	go func() {
		for {
			c, err := v.Accept()
			if err != nil {
				failed <- err
				return
			}
			accepted <- c
		}
	}()
	dial := func() {
		t.Helper()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	var last net.Conn
	for range maxVisitors {
		dial()
		last = <-accepted
		t.Cleanup(func() { last.Close() })
	}
	dial()
	select {
	case <-accepted:
		t.Fatalf("%d connections are there at a time", maxVisitors+1)
	case <-time.After(50 * time.Millisecond): // only how long a failure has to show
	}
	for range 2 { // closing twice makes room once
		_ = last.Close()
	}
	last = <-accepted
	dial()
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
}
