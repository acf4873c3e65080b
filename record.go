package pinfold

import (
	"context"
	"iter"
	"time"
)

// Record is what is kept of one invocation, or of one call that a function made
// to a service of the platform.
type Record struct {
	Time      time.Time // when it came to the platform
	RequestID string
	Trace     TraceID
	Span      SpanID // of this record
	Parent    SpanID // of what caused it; zero: nothing that is known
	// TraceState is the tracestate header that it came with. It is sent on with the
	// trace, and not kept.
	TraceState string

	// Service and Operation are set for a call: "sqs", "SendMessage". Function
	// and Version are of the one that called; most of what follows is empty then.
	Service, Operation string

	Function string // its name
	Version  string // that ran
	Alias    string // by which it was called; "" for none
	Trigger  string // Trigger.Kind
	Source   string // Trigger.Source
	Caller   string // the principal's ARN

	// Status is "ok", "error" (the function failed), "timeout", or, where the
	// function did not run, the code of the error in lower case: "throttled",
	// "denied", "invalid", "unavailable", ...
	Status      string
	ErrorType   string // "TypeError", "Runtime.ExitError", "TooManyRequestsException"
	Fingerprint string // the same for failures of the same kind in the same place

	// Where the time went. In a warm instance all but Queue, Place, Handler and
	// Response are zero.
	Queue    time.Duration // waiting for an instance to be free or allowed
	Place    time.Duration // what the platform had to do besides
	Fetch    time.Duration // making code and layers ready on disk
	Sandbox  time.Duration // building the walls
	Boot     time.Duration // starting the language runtime in them
	Init     time.Duration // loading the handler
	Handler  time.Duration // running it; of a call: all of it
	Response time.Duration // from its answer until the caller had it

	Billed   time.Duration // in whole milliseconds
	MemoryMB int           // configured
	PeakMB   int           // used
	CPU      time.Duration
	BytesIn  int64
	BytesOut int64
	CodeSize int64 // bytes of the package
	Cold     ColdReason
	Instance string
}

// Whole is how long it took, all in all.
func (r *Record) Whole() time.Duration {
	return r.Queue + r.Place + r.Fetch + r.Sandbox + r.Boot + r.Init + r.Handler + r.Response
}

// TraceID names a trace: what one request from outside has caused, all in all.
type TraceID [16]byte

// SpanID names a part of a trace.
type SpanID [8]byte

// RecordQuery says which records are wanted. A zero field asks for all.
type RecordQuery struct {
	Function  string
	RequestID string
	Trace     TraceID
	Since     time.Time // Record.Time is not before it
	Until     time.Time // and before this
	Cold      bool      // only cold ones
	Errors    bool      // only those whose Status is not "ok"
	Calls     bool      // calls, too
	Limit     int       // at most so many; 0: all
	Slowest   bool      // the slowest first; else the newest first
}

// RecordStore keeps records and finds them.
type RecordStore interface {
	// Append stores records. When it returns they survive the end of the process.
	Append(ctx context.Context, records []Record) error
	// Query finds records. It ends with an error if one of what is stored cannot
	// be read; what can be read comes all the same, before it.
	Query(ctx context.Context, q RecordQuery) iter.Seq2[Record, error]
	// Trim deletes what is older than a time, and then the oldest until no more
	// than so many bytes are kept. It gives disk back.
	Trim(ctx context.Context, before time.Time, bytes int64) error
	Close() error
}
