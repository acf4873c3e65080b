package runtimes

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode"

	"pinfold.dev/pinfold"
)

// worker is a language runtime, whichever way it is talked to. Several
// invocations may be delivered at a time.
type worker interface {
	// ready yields one value when the runtime has loaded its function or says
	// that it cannot.
	ready() <-chan initResult
	// deliver hands over an invocation. Its answer comes on the channel, unless
	// the worker is lost.
	deliver(d *delivery) (<-chan answer, error)
	// idle yields a value, or is closed, when the worker has nothing left to do
	// for the invocation that it answered last.
	idle() <-chan struct{}
	// lost is closed when the conversation is over. It may be nil: then only the
	// end of the process ends it.
	lost() <-chan struct{}
	// finish waits until everything that an ended process has sent is taken in.
	finish()
	// close ends the conversation and waits for what the worker keeps running.
	close() error
}

// delivery is an invocation on its way to a worker.
type delivery struct {
	requestID     string
	deadline      time.Time
	functionARN   string
	traceID       string
	clientContext string // JSON or ""
	payload       []byte
}

// head is what a bootstrap needs to know beside the event.
func (d *delivery) head() []byte {
	b := append(make([]byte, 0, 512), `{"requestId":`...)
	b = appendJSON(b, d.requestID)
	b = append(b, `,"deadline":`...)
	b = strconv.AppendInt(b, d.deadline.UnixMilli(), 10)
	b = append(b, `,"arn":`...)
	b = appendJSON(b, d.functionARN)
	b = append(b, `,"trace":`...)
	b = appendJSON(b, d.traceID)
	if d.clientContext != "" {
		b = append(b, `,"clientContext":`...)
		b = appendJSON(b, d.clientContext)
	}
	return append(b, '}')
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
