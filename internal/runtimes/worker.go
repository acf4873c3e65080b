package runtimes

import (
	"encoding/json"
	"strings"
	"unicode"

	"pinfold.dev/pinfold"
)

// worker is a language runtime, whichever way it is talked to. What it says of
// its invocations it tells the [Instance].
type worker interface {
	// inited yields one value when the runtime has loaded its function or says
	// that it cannot.
	inited() <-chan initResult
	// enqueue puts an invocation behind those that were enqueued before. The
	// process gets them in this order.
	enqueue(c *call)
	// deliver sends what has been enqueued.
	deliver(c *call) error
	// credit says that n bytes of a stream have been passed on.
	credit(c *call, n int) error
	// settles reports whether an answer is the last thing of an invocation. If
	// not, the worker says with [Instance.asked] when it has done with it.
	settles() bool
	// unread reports whether the process has not taken in what was delivered last.
	unread(c *call) bool
	// lost is closed when the conversation is over. It may be nil: then only the
	// end of the process ends it.
	lost() <-chan struct{}
	// finish waits until everything that an ended process has sent is taken in.
	finish()
	// close ends the conversation and waits for what the worker keeps running.
	close() error
}

func appendJSON(b []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic("runtimes: a string cannot fail to be JSON: " + err.Error())
	}
	return append(b, quoted...)
}

// answer is what a runtime says to an invocation.
type answer struct {
	payload []byte
	size    int64 // of the payload as it was sent, also where it was not kept
	failed  bool  // the payload is an error envelope
	fatal   bool  // the process is about to end
	reason  string
	// streamed: it has gone out in chunks; if it failed, the payload says why.
	streamed bool
}

// tooLarge reports whether the answer is over the limit of a synchronous invocation.
func (a *answer) tooLarge() bool { return a.size > pinfold.MaxPayload }

// initResult says how loading the function went.
type initResult struct {
	version string // of the language runtime, if it is known
	failure *failure
}

// failure is why a function did not get to answer. It becomes an error envelope.
type failure struct {
	kind    string // "Runtime.ExitError"
	message string // without the request id
	// envelope is the runtime's own, if it sent one.
	envelope []byte
	timeout  bool // it took too long
}

// Error makes a failure what a boot can end with.
func (f *failure) Error() string { return f.kind + ": " + f.message }

// text is the message of a failure, whoever noticed it.
func (f *failure) text() string {
	var e struct {
		ErrorMessage string `json:"errorMessage"`
	}
	if f.envelope == nil || json.Unmarshal(f.envelope, &e) != nil {
		return f.message
	}
	return oneWord(e.ErrorMessage)
}

// initStatus and initError are how INIT_REPORT has it.
func (f *failure) initStatus() string {
	if f.timeout {
		return "timeout"
	}
	return "error"
}

func (f *failure) initError() string {
	if f.timeout {
		return ""
	}
	return f.kind
}

// payload returns the error envelope as the caller gets it. Failures that the
// platform noticed carry the id of the request that they ended.
func (f *failure) payload(requestID string) []byte {
	if f.envelope != nil {
		return f.envelope
	}
	b := appendJSON([]byte(`{"errorType":`), f.kind)
	b = appendJSON(append(b, `,"errorMessage":`...), "RequestId: "+requestID+" Error: "+f.message)
	return append(b, '}')
}

// fromEnvelope makes a failure of what a runtime sent, which ought to be an
// error envelope but comes from a process that runs foreign code.
func fromEnvelope(envelope []byte, fallbackKind string) *failure {
	var e struct {
		ErrorType string `json:"errorType"`
	}
	if json.Unmarshal(envelope, &e) != nil {
		return &failure{kind: fallbackKind, message: "the runtime sent a malformed error"}
	}
	if e.ErrorType == "" {
		e.ErrorType = fallbackKind
	}
	return &failure{kind: oneWord(e.ErrorType), envelope: envelope}
}

// maxWord bounds what foreign code says in a line of ours, in bytes.
const maxWord = 256

// oneWord makes what foreign code says fit for the platform's own log lines,
// which nobody must be able to forge: without line ends, and short.
func oneWord(s string) string {
	s = s[:min(len(s), maxWord)]
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
