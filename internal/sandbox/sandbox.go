// Package sandbox is the contract between the platform and the walls around an
// instance of a function. Drivers are folders below this one; sandboxtest is
// the conformance suite that each of them passes.
//
// A sandbox can be started before it is known whose code will run in it:
// Create, Start, and only then Assign. That order makes prewarmed cells; the
// other one (Create, Assign, Start) serves runtimes that must see their code
// to start.
package sandbox

import (
	"context"
	"net"
	"os"
	"time"

	"pinfold.dev/pinfold"
)

// Driver makes sandboxes of one kind.
type Driver interface {
	Name() string
	Capabilities() Capabilities
	// Create makes an empty sandbox: walls, but no process and no code.
	Create(ctx context.Context, spec Spec) (Sandbox, error)
	// Sweep removes everything that sandboxes of an earlier process of the
	// platform left behind. It is called once, before the first Create.
	Sweep(ctx context.Context) error
	// Close ends what the driver itself runs. Its sandboxes are closed by then.
	Close() error
}

// Stocker is implemented by drivers that can make sandboxes ahead of demand.
type Stocker interface {
	// Stock has sandboxes ready, from soon on until Close, that Create gives out
	// when it is asked for one of such a spec. The spec's ID and Background do not
	// count. It does not wait for them.
	Stock(spec Spec)
}

// Capabilities says which promises a driver keeps. Tests of a promise run
// against the drivers that make it; doctor shows the ones that are missing.
type Capabilities struct {
	Filesystem bool // sees only its own files and a read-only system
	Processes  bool // sees only its own processes, and they all die with it
	Network    bool // has a network of its own
	Memory     bool // is held to its memory size
	CPU        bool // is held to its share of the processor
	Freeze     bool // implements Freezer

	// Weak says for people what is weaker on this machine than the driver can
	// have it, each with what to do about it.
	Weak []string
}

// Spec is what must be known to create a sandbox.
type Spec struct {
	ID string // unique among all sandboxes of all time: names its folder, cgroup, ...
	// ReadOnly lists host folders that the process inside must be able to
	// read at the same path, such as the one with its interpreter. What is below
	// /tmp cannot be among them: inside, that is Paths.Tmp.
	ReadOnly []string
	// Runtime is a host folder with what of a runtime the platform brings, or
	// "". With Capabilities.Filesystem it appears at RuntimeDir, else it is read
	// where it is.
	Runtime string
	// Background says that nobody waits: until Assign the sandbox gets what
	// others leave of the processor, where the driver has Capabilities.CPU.
	Background bool
}

// RuntimeDir is where Spec.Runtime appears, as on Lambda.
const RuntimeDir = "/var/runtime"

// CacheDir is where Assignment.Cache appears.
const CacheDir = "/var/cache/pinfold"

// Assignment makes a sandbox a function's.
type Assignment struct {
	Code   string // host folder with the unpacked code package; read-only
	Layers string // host folder with the merged layers, or "" for none; read-only
	Cache  string // host folder with compiled code of earlier instances, or "" for none; read-only
	Limits Limits
	// Network is what may be reached outside. Before Assign nothing is.
	Network pinfold.Network
}

// Paths is where a driver with Capabilities.Filesystem shows what it is assigned.
func (a Assignment) Paths() Paths {
	p := Paths{Task: "/var/task", Tmp: "/tmp"}
	if a.Layers != "" {
		p.Opt = "/opt"
	}
	if a.Cache != "" {
		p.Cache = CacheDir
	}
	return p
}

// Limits bounds what a sandbox may use. Zero means no bound; less is an error.
type Limits struct {
	// MemoryMB bounds the memory, and the processor in proportion: 1,769 MB are
	// one CPU. Source: "Configure Lambda function memory", Lambda developer guide.
	MemoryMB    int
	EphemeralMB int // size of Paths.Tmp
}

// Paths is where things are for the process inside.
type Paths struct {
	Task string // the code: /var/task where the driver has a file system of its own
	Opt  string // the layers: /opt likewise; "" if there are none
	// Cache is the compiled code: CacheDir likewise; "" if there is none.
	Cache string
	Tmp   string // private, writable, gone with the sandbox
}

// Command is the process to run inside.
type Command struct {
	Path string   // executable, as seen inside
	Args []string // without argv[0]
	Env  []string // KEY=VALUE, complete: nothing is inherited
	Dir  string   // working directory, as seen inside; "" means Paths.Tmp
	// Output is the write end for standard output and error.
	Output *os.File
	// Files are the process's descriptors from 3 on.
	Files []*os.File
}

// Sandbox is one set of walls around at most one process tree.
type Sandbox interface {
	ID() string
	// Assign makes code and layers appear and limits hold, before or after
	// Start, once.
	Assign(ctx context.Context, a Assignment) (Paths, error)
	// Start runs the command, once. It returns when the process runs, not
	// when it ends. The caller closes its own ends of the command's files.
	Start(ctx context.Context, cmd Command) error
	// Listen opens a TCP listener that the process inside can dial at the
	// listener's Addr, and with Capabilities.Network no one else can.
	Listen(ctx context.Context) (net.Listener, error)
	// Done is closed when the process has ended; Exit then says how.
	Done() <-chan struct{}
	Exit() Exit
	// Usage reports what the sandbox uses, and has used so far.
	Usage() Usage
	// Close kills every process inside, waits until they are gone, and
	// removes every trace. It may be called more than once.
	Close() error
}

// Freezer is implemented by sandboxes whose driver has Capabilities.Freeze. Its
// methods wait for each other. With a sandbox that has ended, or is already as
// it should be, they do nothing. Close needs no Thaw before.
type Freezer interface {
	// Freeze stops every process inside, so that they use no processor. It returns
	// when they have stopped, or with an error, and then they run.
	Freeze(ctx context.Context) error
	// Thaw lets them go on.
	Thaw(ctx context.Context) error
}

// Throttler is implemented by sandboxes that can be held to their share of the
// processor, and let off it again. They begin without.
//
// Loading a function is not work for a caller, and on Lambda, too, it has the
// processor to itself (the init phase is not throttled: an observation, not a
// promise of AWS's documents). And one that ends should not have to wait for its
// turn to do so: to free much memory may cost a small function many seconds.
type Throttler interface {
	Throttle(ctx context.Context, on bool) error
}

// Exit is how a process ended.
type Exit struct {
	Code        int    // exit status, or -1 if a signal ended it
	Signal      string // "killed", "segmentation fault", ... or ""
	OutOfMemory bool   // ended by its memory limit
}

// Usage is what a sandbox uses and has used. Memory is rounded up, and without
// cached files that the system takes back when it needs room.
type Usage struct {
	PeakMemoryMB int
	MemoryMB     int // now: 0 once it has ended
	CPU          time.Duration
}
