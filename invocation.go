package pinfold

import (
	"context"
	"time"
)

// Limits on payloads, in bytes. Source: AWS Lambda quotas; the exact numbers
// are the ones in Lambda's own error messages.
const (
	MaxPayload      = 6291556 // synchronous request and response
	MaxAsyncPayload = 1048576 // asynchronous request
)

// Trigger says what made an invocation happen.
type Trigger struct {
	Kind   string // "api", "http", "url", later "queue", "timer", ...
	Source string // ARN of what triggered it, where it has one
}

// Invocation is one request to run a function once.
type Invocation struct {
	ID            string // request id, a UUID; the invoker sets it if empty
	Principal     Principal
	Function      FunctionRef
	Trigger       Trigger
	Payload       []byte // JSON; passed on as bytes, never decoded
	ClientContext string // JSON, decoded from base64
	TraceID       string // X-Amzn-Trace-Id header; the invoker sets it if empty
	Deadline      time.Time
	WantLogTail   bool // ask for Result.LogTail
}

// Result is what came of an invocation that reached its function. An
// invocation that did not has an error instead.
type Result struct {
	// Payload is the function's answer or, where FunctionError is set, the
	// error envelope {"errorMessage","errorType","stackTrace"|"trace"}.
	Payload         []byte
	FunctionError   string // "" or "Unhandled"
	ExecutedVersion string
	LogTail         []byte // the last 4 KB of this invocation's log
	Phases          Phases
}

// Phases is where an invocation's time went. Those before Handler are zero in
// a warm instance, but for Queue.
type Phases struct {
	Cold    bool
	Queue   time.Duration // waiting for an instance to be free or allowed
	Fetch   time.Duration // making code and layers ready on disk
	Sandbox time.Duration // building the walls
	Boot    time.Duration // starting the language runtime in them
	Init    time.Duration // loading the handler
	Handler time.Duration // running it
}

// Invoker runs functions. Everything that wants a function run goes through
// one: the wire, the gateway, sources. What must happen to every invocation
// (tracing, metering) wraps it.
type Invoker interface {
	// Invoke runs inv and waits for the result. A function that fails gives a
	// Result with FunctionError, not an error.
	Invoke(ctx context.Context, inv *Invocation) (*Result, error)
}

// LogLine is one line that a function, or the platform on its behalf, wrote.
type LogLine struct {
	Time      time.Time   `json:"time"`
	Function  FunctionRef `json:"-"` // Qualifier is the version that ran
	Name      string      `json:"function"`
	Version   string      `json:"version"`
	Instance  string      `json:"instance"`
	RequestID string      `json:"requestId,omitempty"`
	System    bool        `json:"system,omitempty"` // START, END, REPORT and their like
	Text      string      `json:"text"`
}

// LogSink takes log lines. Write must not block on a disk.
type LogSink interface {
	Write(LogLine)
}
