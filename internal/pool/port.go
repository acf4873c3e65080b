package pool

import (
	"context"

	"pinfold.dev/pinfold"
)

// Launcher makes instances. Its contexts end when the pool closes, not when the
// invocation does that an instance was made for; [Provisioned] and [Background]
// tell what they are for.
type Launcher interface {
	// Launch makes an instance of a version from nothing, ready for its first
	// invocation. Its error goes to the invocation that waited longest. A
	// function that cannot be loaded is an instance too, whose first invocation
	// says why; but where the instance is [Provisioned] that is an error, which
	// [Pool.Provisioned] passes on.
	Launch(ctx context.Context, v *pinfold.Version) (Worker, error)
	// Kind names the cells that instances of a version can be made of; "" if they
	// must be launched from nothing. It is called with the pool's lock held: it
	// must be quick and must not call the pool.
	Kind(v *pinfold.Version) string
	// Boot makes a cell: a runtime that is up and has no function yet.
	Boot(ctx context.Context, kind string) (Cell, error)
}

// Cell is a runtime that is up and has no function yet.
type Cell interface {
	// Assign makes an instance of the cell, which is the instance's from then on.
	// After an error the cell is of no more use: the pool closes it, and launches
	// from nothing or, if the cell was dead, which the reason [InstanceGone]
	// says, tries another.
	Assign(ctx context.Context, v *pinfold.Version) (Worker, error)
	// Done is closed when the process has ended, whatever the reason.
	Done() <-chan struct{}
	// MemoryMB is what the cell holds now, in megabytes.
	MemoryMB() int
	// Close ends the process, waits for that, and leaves nothing behind.
	Close() error
}

// Worker is one instance of a function. What a worker can do beyond this, it
// tells by implementing [Freezer]. Concurrency and Ahead are called with the
// pool's lock held: they must be quick, must not call the pool, and take no lock
// that is held while over is called.
type Worker interface {
	ID() string
	// Invoke runs one invocation; as many are called at a time as Concurrency and
	// Ahead say. It ends by itself, at the latest soon after the function's time
	// is over or the worker is closed. If ctx ends first it returns early with
	// code Timeout or Unavailable, and the function runs on.
	//
	// The worker calls over exactly once, from any goroutine, when it has done
	// with the invocation and could take another: before Invoke returns, within
	// it, or after. An error with the reason [InstanceGone] means that the
	// function has not run, so that another worker may run it.
	Invoke(ctx context.Context, inv *pinfold.Invocation, over func()) (*pinfold.Result, error)
	// Concurrency is how many invocations the worker takes at a time, 1 or more.
	// It does not change.
	Concurrency() int
	// Ahead is how many invocations the worker would take beyond Concurrency, to
	// begin with each when the one before is over. It is asked of workers that
	// take one at a time, while they are busy.
	Ahead() int
	// Done is closed when the process has ended, whatever the reason.
	Done() <-chan struct{}
	// Reusable reports, when an invocation is over, whether the worker can take
	// another: one that timed out or crashed cannot.
	Reusable() bool
	// MemoryMB is what the worker holds now, in megabytes. It may cost some
	// microseconds, and is not asked on the way of an invocation.
	MemoryMB() int
	// Close ends the process, frozen or not, waits for that, and leaves nothing
	// behind. Invocations under way end by it. It is called under them, or under
	// a Thaw, only when the pool waits no longer.
	Close() error
}

// Freezer is implemented by workers that can be stopped while nobody needs them.
type Freezer interface {
	// Freeze stops the worker's processes where they are. An error that is
	// [errors.ErrUnsupported] means that this worker never can.
	Freeze(ctx context.Context) error
	// Thaw lets them run on. It is called after a Freeze that failed, too.
	Thaw(ctx context.Context) error
}

// InstanceGone is the reason of a [Worker]'s error when its process turned out to
// be gone before it began with the invocation.
const InstanceGone = "InstanceGone"

type purpose struct{}

const (
	forProvision = "provisioned"
	forStock     = "background"
)

// Provisioned reports whether an instance is launched to be kept ready rather
// than for an invocation that waits; AWS_LAMBDA_INITIALIZATION_TYPE tells the
// function.
func Provisioned(ctx context.Context) bool { return ctx.Value(purpose{}) == forProvision }

// Background reports whether nobody waits for what is being made, so that it
// should leave the processor to others.
func Background(ctx context.Context) bool { return ctx.Value(purpose{}) != nil }
