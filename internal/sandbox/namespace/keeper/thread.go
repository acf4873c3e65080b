//go:build linux

package keeper

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// thread is one operating system thread whose namespaces differ from those of
// the others. It runs functions, one at a time.
type thread struct{ jobs chan job }

type job struct {
	run  func() error
	done chan error
}

// newThread starts a thread and prepares it. If that fails the thread ends.
func newThread(prepare func() error) (*thread, error) {
	t := &thread{jobs: make(chan job)}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine, and nobody else gets to run on it
		err := prepare()
		ready <- err
		if err != nil {
			return
		}
		for j := range t.jobs {
			j.done <- j.run()
		}
	}()
	return t, <-ready
}

func (t *thread) run(fn func() error) error {
	j := job{fn, make(chan error)}
	t.jobs <- j
	return <-j.done
}

// end lets the thread go. No run may follow.
func (t *thread) end() { close(t.jobs) }

// traveller is a thread that visits namespaces of one kind.
type traveller struct {
	*thread
	name       string // in /proc/PID/ns
	kind, home int
}

// newTraveller starts a traveller whose home, of a kind that has this name, is
// what is left after unsharing.
func newTraveller(name string, kind, unshare int) (_ *traveller, err error) {
	t := &traveller{name: name, kind: kind}
	t.thread, err = newThread(func() (err error) {
		if err = unix.Unshare(unshare); err == nil {
			t.home, err = unix.Open("/proc/thread-self/ns/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		return err
	})
	return t, err
}

// visit runs fn in a namespace. It comes home afterwards: a namespace that it
// stayed in would outlive its sandbox, with all that is mounted there.
func (t *traveller) visit(ns int, fn func() error) error {
	return t.run(func() error {
		if err := unix.Setns(ns, t.kind); err != nil {
			return fmt.Errorf("entering the sandbox's %s namespace: %w", t.name, err)
		}
		defer func() { _ = unix.Setns(t.home, t.kind) }() // if that fails, the next visit ends this one
		return fn()
	})
}
