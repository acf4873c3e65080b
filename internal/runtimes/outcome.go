package runtimes

import (
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// report completes the log of a call.
func (in *Instance) report(c *call) {
	if in.room == 1 {
		in.out.drain()
	}
	o := c.final
	r := report{requestID: c.inv.ID, duration: o.duration, peakMB: in.peakMB(o.duration), status: o.status}
	if c.cold {
		r.init = in.initTook
	}
	f := o.failure
	if f != nil && f.envelope != nil && o.fatal && !o.unloaded {
		f = exitFailure(in.box.Exit()) // the caller is told why, the log also how it ended
	}
	if f != nil && o.status == "error" {
		r.errorType = f.kind
	}
	r.message = in.failureMessage(c, o.status, f)
	// By now the next one may have begun, and logs are read in the order of time. But
	// what comes through the pipe has the time of its coming.
	ended := c.began.Add(o.duration)
	if in.out.raw.Load() {
		ended = time.Now()
	}
	in.log.end(c, ended, r)
}

// result is what the caller gets.
func (in *Instance) result(c *call, o *outcome) (*pinfold.Result, error) {
	if o.err != nil {
		return nil, o.err
	}
	result := &pinfold.Result{Payload: o.payload, ExecutedVersion: in.version.Ref.Qualifier, LogTail: o.tail, Streamed: c.begun}
	if o.failure != nil {
		result.FunctionError = "Unhandled"
		result.Payload = o.failure.payload(c.inv.ID)
	}
	if c.cold {
		result.Phases = in.phases
		result.Phases.Cold = true
	}
	result.Phases.Handler = o.duration
	return result, nil
}

// outcome makes of an answer what comes of the call.
func (c *call) outcome(a answer) *outcome {
	o := &outcome{payload: a.payload, fatal: a.fatal, duration: time.Since(c.began)}
	switch {
	case a.tooLarge():
		o.failure = &failure{kind: "Function.ResponseSizeTooLarge", message: tooLargeMessage, envelope: responseTooLarge}
		o.status = "error"
	case a.failed:
		o.failure = &failure{kind: a.reason, envelope: a.payload}
	}
	if a.fatal {
		o.status = "error"
	}
	return o
}

// responseTooLarge is what the caller of a function gets whose answer is over
// [pinfold.MaxPayload].
var responseTooLarge = []byte(`{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"` + tooLargeMessage + `"}`)

const tooLargeMessage = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."

func timedOut(c *call) *outcome {
	return &outcome{
		failure: &failure{kind: "Sandbox.Timedout", message: timeoutMessage(c.limit)},
		status:  "timeout", fatal: true, duration: c.limit,
	}
}

// failureMessage is what the log says about a failure that the platform noticed.
// What a runtime noticed it has logged itself.
func (in *Instance) failureMessage(c *call, status string, f *failure) string {
	switch {
	case f == nil || in.log.json:
		return ""
	case status == "timeout":
		return stamp(time.Now()) + " " + c.inv.ID + " " + f.message + "\n"
	case f.message == "":
		return ""
	case f.envelope != nil:
		return f.message
	}
	return "RequestId: " + c.inv.ID + " Error: " + f.message + "\n" + f.kind
}

// memoryIsStale is how old a look at the instance's memory may be, for an
// invocation that took no longer: to look costs as much as a short one.
const memoryIsStale = 50 * time.Millisecond

// peakMB returns the most memory that the instance has held, in megabytes.
func (in *Instance) peakMB(took time.Duration) int {
	in.mu.Lock()
	known, old := in.peak, time.Since(in.looked)
	in.mu.Unlock()
	if known > 0 && old < memoryIsStale && took < memoryIsStale {
		return known
	}
	return in.lookAtMemory(in.body)
}

func (in *Instance) lookAtMemory(b *body) int {
	peak := 0
	if p, ok := b.box.(sandbox.Peaker); ok {
		peak = p.PeakMemoryMB()
	} else {
		peak = b.box.Usage().PeakMemoryMB
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.peak, in.looked = max(in.peak, peak), time.Now()
	return in.peak
}
