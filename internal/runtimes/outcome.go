package runtimes

import (
	"time"

	"pinfold.dev/pinfold"
)

// count finds how a call went, and tells who observes it.
func (in *Instance) count(c *call) {
	o := c.final
	r := &c.report
	*r = report{requestID: c.inv.ID, duration: o.duration, status: o.status}
	if c.cold {
		r.init = in.initTook
	}
	var cpu time.Duration
	r.peakMB, cpu = in.spent(o.duration)
	in.observe(c, r, cpu)
}

// report completes the log of a call.
func (in *Instance) report(c *call) {
	if in.room == 1 {
		in.out.drain()
	}
	o, r := c.final, c.report
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

// observe tells who observes the call how it went.
func (in *Instance) observe(c *call, r *report, cpu time.Duration) {
	if c.inv.Observer == nil {
		return
	}
	o := c.final
	e := pinfold.Execution{
		Version: in.version, Instance: in.id, Began: c.began, Phases: in.phasesOf(c, o), Billed: r.billed(),
		PeakMB: r.peakMB, CPU: cpu, Cold: c.inv.Placed.Cold, Status: r.status, BytesOut: int64(len(o.payload)),
	}
	e.Phases.Queue += c.inv.Placed.Queue
	if f := o.failure; f != nil {
		e.Envelope = f.payload(c.inv.ID)
		e.Failure, e.BytesOut = f.kind, int64(len(e.Envelope))
	}
	if f := in.flowOf(c); f != nil {
		e.BytesOut = f.size()
	}
	c.inv.Observer.Executed(&e)
}

// phasesOf is where the time of a call went since the instance has it, and that of
// the launch, as far as its caller waited for it.
func (in *Instance) phasesOf(c *call, o *outcome) pinfold.Phases {
	var p pinfold.Phases
	if placed := &c.inv.Placed; c.cold || placed.Cold != pinfold.Warm {
		p = without(in.phases, placed.Late)
		p.Boot += placed.Boot
		p.Cold = true
	}
	if !c.came.IsZero() {
		p.Queue = c.began.Sub(c.came)
	}
	p.Handler = o.duration
	return p
}

// without is a launch without the first part of it.
func without(p pinfold.Phases, first time.Duration) pinfold.Phases {
	for _, phase := range []*time.Duration{&p.Fetch, &p.Sandbox, &p.Boot, &p.Init} {
		past := min(first, *phase)
		*phase -= past
		first -= past
	}
	return p
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
	result.Phases = in.phasesOf(c, o)
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
