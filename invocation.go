package pinfold

import (
	"context"
	"io"
	"time"
)

// Limits on payloads, in bytes. Source: AWS Lambda quotas; the exact numbers
// are the ones in Lambda's own error messages.
const (
	MaxPayload      = 6291556   // synchronous request and response
	MaxAsyncPayload = 1048576   // asynchronous request
	MaxStream       = 200 << 20 // streamed response
)

// Trigger says what made an invocation happen.
type Trigger struct {
	Kind   string // "api" (the Lambda API), "async" (the same, asynchronously), "http", "rest", "url", "queue", "timer", ...
	Source string // ARN of what triggered it, where it has one
}

// Invocation is one request to run a function once.
type Invocation struct {
	ID            string // request id, a UUID; the invoker sets it if empty
	Principal     Principal
	Function      FunctionRef
	Trigger       Trigger
	Payload       []byte    // JSON; passed on as bytes, never decoded
	ClientContext string    // JSON, decoded from base64
	TraceID       string    // X-Amzn-Trace-Id header; the invoker sets it if empty
	TraceState    string    // tracestate header, where it is one
	Deadline      time.Time // until when the caller waits for an instance; zero: as long as is usual
	Version       string    // that runs: "7" or "$LATEST"; the invoker sets it
	WantLogTail   bool      // ask for Result.LogTail
	Observer      Observer  // is told how it went; may be nil
	Placed        Placement // how it came to its instance; the pool sets it
	// Left is true if the function runs on though Invoke has returned an error,
	// because the caller would not wait: Observer is still told how it went. It is
	// set before Invoke returns.
	Left bool
	// Stream takes the answer of a function that streams it. If it is nil such an
	// answer is collected, up to MaxPayload.
	Stream Stream
}

// Placement is how an invocation came to its instance.
type Placement struct {
	Queue time.Duration // waiting for an instance to be free or allowed
	// What follows is of the first invocation of an instance that waited for its
	// launch.
	Cold ColdReason    // why it was launched
	Boot time.Duration // waiting for the runtime to be up that it is made of
	Late time.Duration // for how long it had been made already when the wait began
}

// Stream takes an answer while the function writes it. Its methods are called by
// the goroutine that called Invoke, and only before that returns.
type Stream interface {
	// Begin says that the function streams, before anything is written. The
	// content type is the one that the function's runtime gives, which is
	// HTTPIntegration where the stream begins with metadata for an HTTP door; or
	// "".
	Begin(contentType string)
	// Write passes a part on. The function waits while it blocks. After an error
	// nobody is there to read any more: the function runs on, and the rest of
	// what it writes is dropped.
	io.Writer
}

// HTTPIntegration is the content type of a stream that begins with metadata for
// an HTTP door: JSON with statusCode, headers and cookies, eight NULs, the body.
// Source: "Writing response streaming-enabled Lambda functions", Lambda developer
// guide.
const HTTPIntegration = "application/vnd.awslambda.http-integration-response"

// Result is what came of an invocation that reached its function. An
// invocation that did not has an error instead.
type Result struct {
	// Payload is the function's answer or, where FunctionError is set, the
	// error envelope {"errorMessage","errorType","stackTrace"|"trace"}.
	Payload []byte
	// Streamed reports whether the answer went to Invocation.Stream, at least in
	// part. Payload is empty then, or says why the stream broke off.
	Streamed        bool
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
	Group     string      `json:"-"` // log group that it is kept in; "" is /aws/lambda/ and the function's name
	RequestID string      `json:"requestId,omitempty"`
	System    bool        `json:"system,omitempty"` // START, END, REPORT and their like
	Text      string      `json:"text"`
}

// LogSink takes what instances write, each by a source of its own.
type LogSink interface {
	// Source returns a source of lines that have Function, Name, Version,
	// Instance and Group of common.
	Source(common LogLine) LogSource
}

// LogSource takes the lines of one instance. Write does not keep text, and must
// not block on a disk.
type LogSource interface {
	Write(at time.Time, requestID string, system bool, text []byte)
}
