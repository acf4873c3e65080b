package runtimes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// Instance is one running copy of a function. It serves one invocation at a time.
type Instance struct {
	id      string
	version *pinfold.Version
	runtime identifier
	box     sandbox.Sandbox
	worker  worker
	out     *output
	log     *journal

	phases    pinfold.Phases // of the launch
	initTook  time.Duration  // 0 until the function is loaded, or has failed to be
	initBegan time.Time
	failed    atomic.Pointer[failure] // why the function could not be loaded

	slot    chan struct{} // holds one value while an invocation is under way
	used    bool          // guarded by slot
	loading bool          // init is over its limit and goes on; guarded by slot
	broken  atomic.Bool   // no further invocation may go here
	since   atomic.Int64  // from when on the runtime works on after its answer, in Unix nanoseconds; or 0

	done      chan struct{}
	endDone   func()
	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
}

func newInstance(id string, v *pinfold.Version, runtime identifier) *Instance {
	in := &Instance{
		id: id, version: v, runtime: runtime,
		slot: make(chan struct{}, 1), done: make(chan struct{}), closing: make(chan struct{}),
		initBegan: time.Now(),
	}
	in.endDone = sync.OnceFunc(func() { close(in.done) })
	return in
}

// openOutput opens the instance's log and returns the end to write to.
func (in *Instance) openOutput(sink pinfold.LogSink) (*os.File, error) {
	out, theirs, err := newOutput(sink, pinfold.LogLine{
		Function: in.version.Ref, Name: in.version.Ref.Name, Version: in.version.Ref.Qualifier, Instance: in.id,
	})
	if err != nil {
		return nil, err
	}
	in.out, in.log = out, newJournal(out, in.version)
	in.initBegan = time.Now()
	return theirs, nil
}

// ID returns the instance's id: 32 hexadecimal digits.
func (in *Instance) ID() string { return in.id }

// Phases returns where the time of the launch went.
func (in *Instance) Phases() pinfold.Phases { return in.phases }

// Done is closed when the instance's process has ended. An instance that could
// not load its function lives until it has told one caller why.
func (in *Instance) Done() <-chan struct{} { return in.done }

// Reusable reports whether the instance can take another invocation. One that
// timed out, crashed or broke the protocol cannot.
func (in *Instance) Reusable() bool {
	select {
	case <-in.box.Done():
		return in.failed.Load() != nil && !in.broken.Load()
	default:
		return !in.broken.Load()
	}
}

// usualSettling is how long a runtime has to ask for the next invocation before
// it counts as one that works on.
const usualSettling = 50 * time.Millisecond

// Lingers reports whether the instance has answered, but its runtime works on
// for the invocation that it answered. Only those of custom runtimes can.
func (in *Instance) Lingers() bool {
	since := in.since.Load()
	return since != 0 && time.Now().UnixNano()-since > int64(usualSettling)
}

// watch notices the end of the process. It ends with the sandbox.
func (in *Instance) watch() {
	<-in.box.Done()
	if in.failed.Load() == nil {
		in.endDone()
	}
}

// awaitInit waits until the function is loaded, has failed to be, or has taken
// longer than it may.
func (in *Instance) awaitInit(ctx context.Context, within time.Duration) error {
	began := time.Now()
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case result := <-in.worker.ready():
		in.phases.Init = time.Since(began)
		in.inited(result)
	case <-in.box.Done():
		in.exitedInInit()
	case <-limit.C:
		// AWS starts it anew inside the first invocation, under the function's
		// timeout. Here it goes on, under the same timeout.
		in.phases.Init = time.Since(began)
		in.loading = true
		in.log.initFailed(time.Now(), time.Since(in.initBegan), "timeout", "")
	case <-ctx.Done():
		return gone(ctx.Err())
	}
	return nil
}

func (in *Instance) inited(result initResult) {
	in.loading = false
	if result.failure != nil {
		in.failInit(result.failure)
		return
	}
	in.initTook = time.Since(in.initBegan)
}

// exitedInInit tells a process that said why it ended from one that did not.
func (in *Instance) exitedInInit() {
	in.worker.finish()
	select {
	case result := <-in.worker.ready():
		if result.failure != nil {
			in.inited(result)
			return
		}
	default:
	}
	in.failInit(exitFailure(in.box.Exit()))
}

func (in *Instance) failInit(f *failure) {
	in.failed.Store(f)
	in.initTook = time.Since(in.initBegan)
	in.out.drain()
	in.log.initFailed(time.Now(), in.initTook, "error", f.kind)
}

// throttle holds the instance to its share of the processor, or lets it off.
func (in *Instance) throttle(ctx context.Context, on bool) error {
	if box, ok := in.box.(sandbox.Throttler); ok {
		return box.Throttle(ctx, on)
	}
	return nil
}

// exitFailure says that the process has ended, and how.
func exitFailure(e sandbox.Exit) *failure {
	f := &failure{kind: "Runtime.ExitError", message: exitMessage(e)}
	if e.OutOfMemory {
		f.kind = "Runtime.OutOfMemory"
	}
	return f
}

// Close kills the instance's processes, waits until they and an invocation under
// way are over, and leaves nothing behind.
func (in *Instance) Close() error {
	in.closeOnce.Do(func() {
		in.broken.Store(true)
		close(in.closing)
		var problems []error
		if in.box != nil {
			problems = append(problems, in.box.Close())
		}
		in.slot <- struct{}{} // kept: nothing comes after
		if in.worker != nil {
			problems = append(problems, in.worker.close())
		}
		if in.out != nil {
			problems = append(problems, in.out.close())
		}
		in.endDone()
		if err := errors.Join(problems...); err != nil {
			in.closeErr = pinfold.Errorf(pinfold.Internal, "closing instance %s: %w", in.id, err)
		}
	})
	return in.closeErr
}

func timeoutMessage(limit time.Duration) string {
	return fmt.Sprintf("Task timed out after %.2f seconds", limit.Seconds())
}
