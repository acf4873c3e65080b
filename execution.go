package pinfold

import "time"

// ColdReason says why an invocation had to wait for an instance to be launched.
type ColdReason string

// The reasons of cold starts. Warm is the reason of none.
const (
	Warm         ColdReason = ""
	ColdFirst    ColdReason = "first"     // the platform has had no instance of the version since it started
	ColdScaleOut ColdReason = "scale-out" // those that there were had no place
	ColdDeploy   ColdReason = "deploy"    // those that there were ran older code, or with another configuration
	ColdEvicted  ColdReason = "evicted"   // the last one was not used for long, or gave its memory to others
	ColdFailed   ColdReason = "failed"    // the last one crashed, or was killed
)

// Execution is how a function ran once, as the instance knows it that ran it. The
// REPORT line, the record, metrics and metering are all made of this one value,
// so their sums agree.
type Execution struct {
	Version  *Version // that ran
	Instance string   // its id
	Began    time.Time
	// Phases has how long the instance was waited for, and, for the first
	// invocation in it, the launch.
	Phases Phases
	// Billed is what is paid for: handler and init, in whole milliseconds.
	Billed time.Duration
	PeakMB int // the most that the instance has held so far
	// CPU is the processor time of all processes of the instance. It is measured
	// every now and then and shared out between the invocations since: exact in
	// the sum.
	CPU      time.Duration
	Cold     ColdReason
	Status   string // as in REPORT: "", "timeout", "error"
	Failure  string // the type of a function's error: "TypeError", "Runtime.ExitError"; "" if it succeeded
	Envelope []byte // the error as the caller gets it
	BytesOut int64  // of the answer
}

// Observer is told how invocations go.
type Observer interface {
	// Executed is called once for an invocation that an instance has begun with,
	// when it is known how that ended: before Invoke returns or, if the caller has
	// left, after it. It is nil if the caller has left and nothing came of it, so
	// that there is nothing to be counted. It may be called from any goroutine, and
	// must not block.
	Executed(e *Execution)
}
