package runtimes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// Instance is one running copy of a function. It serves as many invocations at a
// time as the function's configuration says, which is usually one.
type Instance struct {
	id       string
	version  *pinfold.Version
	runtime  identifier
	launcher *Launcher
	limit    time.Duration // of the function
	room     int           // invocations at a time
	log      *journal
	name     atomic.Pointer[callName]

	*body // what runs it; a second one if the first could not load the function

	how       How
	phases    pinfold.Phases // of the launch
	initBegan time.Time
	initTook  time.Duration // 0 until the function is loaded, or has failed to be

	entering sync.Mutex // held while a call enters: the process gets them in that order

	mu      sync.Mutex
	next    uint32
	running map[uint32]*call // whose handler runs, or that are not over yet for another reason
	ahead   []*call          // each begins when the one before is over, or the function is loaded
	settle  *call            // answered; its runtime works on
	logging bool             // the log of a call is being completed
	heir    *call            // has begun meanwhile; its log is opened after that
	used    bool
	again   bool      // the function could not be loaded: to be tried once more
	broken  bool      // no further invocation may go here
	closing bool      // by the platform
	tick    time.Time // when timer goes off; zero: it does not
	timer   *time.Timer
	usage   usage

	life      context.Context // of a second attempt to load the function
	end       context.CancelFunc
	reviving  sync.WaitGroup
	reviver   *call // for which it is made
	done      chan struct{}
	endDone   func()
	closeOnce sync.Once
	closeErr  error
}

// callName is the ARN of a reference, which is usually that of the last one.
type callName struct {
	ref pinfold.FunctionRef
	arn string
}

// maxAhead is how many invocations may be sent ahead. Their process works them off
// without waiting for us in between, which is what short ones spend most of their
// time on.
const maxAhead = 7

// defaultTimeout is that of a function whose configuration names none.
const defaultTimeout = 3 * time.Second

func (l *Launcher) newInstance(id string, v *pinfold.Version, runtime identifier, how How) *Instance {
	in := &Instance{
		id: id, version: v, runtime: runtime, launcher: l, limit: v.Config.Timeout.Duration(), room: max(1, v.Config.MaxConcurrency),
		running: map[uint32]*call{}, done: make(chan struct{}), how: how, body: newBody(),
	}
	if in.limit <= 0 {
		in.limit = defaultTimeout
	}
	in.life, in.end = context.WithCancel(context.Background())
	in.endDone = sync.OnceFunc(func() { close(in.done) })
	return in
}

// ID returns the instance's id: 32 hexadecimal digits.
func (in *Instance) ID() string { return in.id }

// Phases returns where the time of the launch went.
func (in *Instance) Phases() pinfold.Phases { return in.phases }

// Done is closed when the instance's process has ended. An instance that could
// not load its function lives until it has tried once more.
func (in *Instance) Done() <-chan struct{} { return in.done }

// Concurrency returns how many invocations the instance takes at a time.
func (in *Instance) Concurrency() int { return in.room }

// Ahead returns how many invocations the instance takes beyond those that it runs,
// to begin with each as soon as it has answered the one before. Its process must
// tell whose output is whose.
func (in *Instance) Ahead() int {
	if in.room > 1 || in.runtime.family == Custom {
		return 0
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.out.raw.Load() || !in.used || in.again || in.broken {
		return 0
	}
	return maxAhead
}

// Reusable reports whether the instance can take another invocation. One that
// timed out, crashed or broke the protocol cannot.
func (in *Instance) Reusable() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return !in.broken
}

// MemoryMB returns how much memory the instance holds now, in megabytes.
func (in *Instance) MemoryMB() int {
	in.mu.Lock()
	b := in.body
	in.mu.Unlock()
	return b.box.Usage().MemoryMB
}

// Freeze stops the instance's processes until Thaw. It fails with
// [errors.ErrUnsupported] where the walls cannot.
func (in *Instance) Freeze(ctx context.Context) error {
	box, ok := in.freezer()
	if !ok {
		return errors.ErrUnsupported
	}
	return box.Freeze(ctx)
}

// Thaw lets a frozen instance go on.
func (in *Instance) Thaw(ctx context.Context) error {
	box, ok := in.freezer()
	if !ok {
		return errors.ErrUnsupported
	}
	return box.Thaw(ctx)
}

func (in *Instance) freezer() (sandbox.Freezer, bool) {
	in.mu.Lock()
	b := in.body
	in.mu.Unlock()
	box, ok := b.box.(sandbox.Freezer)
	return box, ok && in.launcher.options.Driver.Capabilities().Freeze
}

// functionARN is the ARN by which the function was called.
func (in *Instance) functionARN(inv *pinfold.Invocation) string {
	ref := inv.Function
	if ref.Name == "" {
		ref = in.version.Ref.With("")
	}
	if known := in.name.Load(); known != nil && known.ref == ref {
		return known.arn
	}
	name := &callName{ref, ref.ARN()}
	in.name.Store(name)
	return name.arn
}

// find returns the call that the process means, or nil if it is over, or none.
func (in *Instance) find(id uint32) *call {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.running[id]
}

// Close kills the instance's processes, waits until they and what was under way
// are over, and leaves nothing behind.
func (in *Instance) Close() error {
	in.closeOnce.Do(func() {
		in.mu.Lock()
		in.broken, in.closing = true, true
		if in.timer != nil {
			in.timer.Stop()
		}
		in.kill()
		in.mu.Unlock()
		in.end()
		in.reviving.Wait()
		err := in.body.close()
		in.endDone()
		if err != nil {
			in.closeErr = pinfold.Errorf(pinfold.Internal, "closing instance %s: %w", in.id, err)
		}
	})
	return in.closeErr
}

// exitFailure says that the process has ended, and how.
func exitFailure(e sandbox.Exit) *failure {
	f := &failure{kind: "Runtime.ExitError", message: exitMessage(e)}
	if e.OutOfMemory {
		f.kind = "Runtime.OutOfMemory"
	}
	return f
}

func timeoutMessage(limit time.Duration) string {
	return fmt.Sprintf("Task timed out after %.2f seconds", limit.Seconds())
}
