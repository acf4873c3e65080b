//go:build linux

package keeper

import "runtime"

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
