package runtimes

import (
	"context"
	"errors"
	"sync"
	"time"

	"pinfold.dev/pinfold/internal/sandbox"
)

// body is a sandbox, the process in it, and how that is talked to.
type body struct {
	in      *Instance // whose it is from the beginning; nil for a cell's
	box     sandbox.Sandbox
	worker  worker
	out     *output
	version string // of the language runtime, if it is known

	kill   func()
	killed chan struct{} // closed by kill
	lives  bool          // watch has been called
	over   chan struct{} // closed when watch has returned
}

func newBody() *body {
	b := &body{killed: make(chan struct{}), over: make(chan struct{})}
	b.kill = sync.OnceFunc(func() { close(b.killed) })
	return b
}

// idleLimit is how long a process may take to end once it has said that it is
// about to, and how long a runtime may take to ask for the next invocation where
// the function's own time is over.
const idleLimit = time.Second

// watch waits until the process ends, or is to be ended, sees to it that it has,
// and tells the instance.
func (b *body) watch(in *Instance) {
	defer close(b.over)
	select {
	case <-b.box.Done():
	case <-b.killed:
	case <-b.worker.lost(): // it is about to end, or has only closed its link
		_ = b.throttle(context.Background(), false) // if that fails it ends more slowly
		select {
		case <-b.box.Done():
		case <-b.killed:
		case <-time.After(idleLimit):
		}
	}
	in.look(b)
	_ = b.box.Close() // close reports what it cannot remove
	b.out.stop()      // what is left is little, and is taken in at once
	b.worker.finish()
	in.ended(b)
}

// close ends the process and everything that serves it.
func (b *body) close() error {
	b.kill()
	var problems []error
	if b.box != nil {
		if b.lives {
			<-b.over
		}
		problems = append(problems, b.box.Close())
	}
	if b.out != nil {
		b.out.stop()
	}
	if b.worker != nil {
		problems = append(problems, b.worker.close())
	}
	if b.out != nil {
		problems = append(problems, b.out.close())
	}
	return errors.Join(problems...)
}

// throttle holds the process to its share of the processor, or lets it off.
func (b *body) throttle(ctx context.Context, on bool) error {
	if box, ok := b.box.(sandbox.Throttler); ok {
		return box.Throttle(ctx, on)
	}
	return nil
}
