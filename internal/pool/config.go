package pool

import (
	"cmp"
	"log/slog"
	"runtime"
	"time"
)

// Config bounds a pool. A zero field takes its default; where a default is not
// wanted at all, a negative value says so.
type Config struct {
	// Concurrency is the account's limit: how many invocations run, or wait for an
	// instance, at a time. Default 1,000, as a new AWS account has.
	Concurrency int
	// MemoryMB is the budget for all instances and cells, in megabytes. Default is
	// three quarters of the machine's memory or of the control group's limit,
	// whichever is less; 4,096 where neither can be told.
	MemoryMB int
	// InstanceMB is what an instance or a cell is taken to need before one like it
	// has been measured. Default 64: about the resident memory of a Node.js or
	// Python that does little.
	InstanceMB int
	// MaxLaunches is how many instances may be starting at a time. Default is
	// four for each processor.
	MaxLaunches int
	// MaxWaiting is how many invocations may wait, for an instance or at a limit.
	// Default 10,000.
	MaxWaiting int
	// IdleTimeout is how long an instance is kept without work. What keeps and
	// evicts instances is the budget; this gives the memory of a quiet platform
	// back to the machine. Default one hour; negative: never.
	IdleTimeout time.Duration
	// FreezeAfter is how long an instance idles before it is frozen. Default 100
	// milliseconds; negative: never.
	FreezeAfter time.Duration
	// MinCells is how many cells of a kind are kept at least, once the kind is
	// known to be wanted. Default 1; negative: none.
	MinCells int
	// MaxCells is how many cells of a kind are kept at most. All together take no
	// more than a quarter of the budget. Default 16; negative: there are no cells.
	MaxCells int
	// Spare reports whether the machine has processor time to spare, so that more
	// instances of a busy function could do more. It must be quick. Default is
	// what /proc/stat says of the last quarter of a second, and yes where there is none.
	Spare func() bool
	// Log is where the pool tells what no invocation hears of. Default: nowhere.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Concurrency = cmp.Or(c.Concurrency, 1000)
	c.MemoryMB = cmp.Or(c.MemoryMB, machineMB()*3/4, 4096)
	c.InstanceMB = cmp.Or(c.InstanceMB, 64)
	c.MaxLaunches = cmp.Or(c.MaxLaunches, 4*runtime.GOMAXPROCS(0))
	c.MaxWaiting = cmp.Or(c.MaxWaiting, 10_000)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, time.Hour)
	c.FreezeAfter = cmp.Or(c.FreezeAfter, 100*time.Millisecond)
	c.MaxCells = max(0, cmp.Or(c.MaxCells, 16))
	c.MinCells = min(max(0, cmp.Or(c.MinCells, 1)), c.MaxCells)
	if c.Spare == nil {
		c.Spare = newLoad().spare
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
