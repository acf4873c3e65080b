package runtimes

import (
	"context"
	"time"

	"pinfold.dev/pinfold"
)

// defaultTimeout is that of a function whose configuration names none.
const defaultTimeout = 3 * time.Second

// idleLimit is how long a runtime may take to ask for the next invocation after
// it has answered one, where the function's own time is over.
const idleLimit = time.Second

// run is one invocation under way.
type run struct {
	inv   *pinfold.Invocation
	began time.Time
	limit time.Duration
	cold  bool
}

// outcome is how a run ended.
type outcome struct {
	payload  []byte
	failure  *failure      // the function or its process failed
	status   string        // as REPORT has it: "", "timeout", "error"
	fatal    bool          // the instance must not be used again
	duration time.Duration // of the handler
	closed   bool          // the platform ended the instance
}

// Invoke runs the function once and returns what came of it: an answer, or a
// function error. It does not return before the function is done, has timed out
// or the instance is closed, whatever happens to ctx: a caller that goes away
// does not stop a function on AWS either. ctx only ends the wait for an
// invocation before this one.
//
// An error with the reason "InstanceGone" means that the function has not run,
// so another instance may run it.
func (in *Instance) Invoke(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
	if err := in.enter(ctx); err != nil {
		return nil, err
	}
	if !in.Reusable() {
		<-in.slot
		return nil, gone(nil)
	}
	r := in.begin(inv)
	o := in.await(r)
	if o.fatal {
		in.broken.Store(true)
	}
	if o.closed {
		in.settle(r, o)
		return nil, pinfold.Errorf(pinfold.Unavailable, "the platform ended the instance while the function ran")
	}
	result := in.result(r, o)
	switch {
	case inv.WantLogTail:
		result.LogTail = in.settle(r, o)
	case o.failure != nil: // the process may be about to end: find out before Reusable is asked
		in.settle(r, o)
	default:
		go in.settle(r, o) // owned by slot, which Close waits for
	}
	return result, nil
}

// enter waits until no invocation is under way. Where the one before has been
// answered, but its runtime works on, another instance is the better choice.
func (in *Instance) enter(ctx context.Context) error {
	select { // the usual case needs no timer
	case in.slot <- struct{}{}:
		return nil
	default:
	}
	patience := time.NewTicker(usualSettling)
	defer patience.Stop()
	for {
		select {
		case in.slot <- struct{}{}:
			return nil
		case <-in.closing:
			return gone(nil)
		case <-ctx.Done():
			return gone(ctx.Err())
		case <-patience.C:
			if in.Lingers() {
				return gone(nil)
			}
		}
	}
}

// begin opens the invocation's part of the log.
func (in *Instance) begin(inv *pinfold.Invocation) *run {
	r := &run{inv: inv, limit: in.version.Config.Timeout.Duration(), cold: !in.used}
	if r.limit <= 0 {
		r.limit = defaultTimeout
	}
	in.used = true
	in.out.begin(inv.ID, inv.WantLogTail)
	r.began = time.Now()
	in.log.start(r.began, inv.ID, in.functionARN(inv))
	return r
}

// functionARN is the ARN by which the function was called.
func (in *Instance) functionARN(inv *pinfold.Invocation) string {
	if inv.Function.Name == "" {
		return in.version.Ref.With("").ARN()
	}
	return inv.Function.ARN()
}

// await delivers the invocation and waits for its end.
func (in *Instance) await(r *run) outcome {
	timer := time.NewTimer(r.limit)
	defer timer.Stop()
	if in.loading {
		if o, over := in.awaitLoading(r, timer.C); over {
			return o
		}
	}
	if f := in.failed.Load(); f != nil {
		return outcome{failure: f, status: "error", fatal: true, duration: time.Since(r.began)}
	}
	answers, err := in.worker.deliver(&delivery{
		requestID: r.inv.ID, deadline: r.began.Add(r.limit), functionARN: in.functionARN(r.inv),
		traceID: r.inv.TraceID, clientContext: r.inv.ClientContext, payload: r.inv.Payload,
	})
	if err != nil {
		return in.exited(r, timer.C, nil)
	}
	select {
	case a := <-answers:
		return answered(r, a)
	case <-timer.C:
		return timedOut(r)
	case <-in.box.Done():
	case <-in.worker.lost():
	}
	return in.exited(r, timer.C, answers)
}

// awaitLoading waits for a function that was still loading when its first
// invocation came.
func (in *Instance) awaitLoading(r *run, timeout <-chan time.Time) (outcome, bool) {
	select {
	case result := <-in.worker.ready():
		in.inited(result)
		return outcome{}, false
	case <-in.box.Done():
		in.exitedInInit()
		return outcome{}, false
	case <-timeout:
		return timedOut(r), true
	}
}

func answered(r *run, a answer) outcome {
	o := outcome{payload: a.payload, fatal: a.fatal, duration: time.Since(r.began)}
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

func timedOut(r *run) outcome {
	return outcome{
		failure: &failure{kind: "Sandbox.Timedout", message: timeoutMessage(r.limit)},
		status:  "timeout", fatal: true, duration: r.limit,
	}
}

// exited makes out how an instance ended that will not answer any more, or whose
// answer has just come.
func (in *Instance) exited(r *run, timeout <-chan time.Time, answers <-chan answer) outcome {
	duration := time.Since(r.began)
	_ = in.throttle(context.Background(), false) // if that fails it ends more slowly
	select {
	case <-in.box.Done():
	case <-time.After(idleLimit): // it has only closed its link
	case <-timeout:
		return timedOut(r)
	}
	in.worker.finish()
	select {
	case a := <-answers:
		o := answered(r, a)
		o.fatal = true
		return o
	default:
	}
	select {
	case <-in.closing:
		return outcome{closed: true, fatal: true, duration: duration}
	default:
	}
	return outcome{failure: exitFailure(in.box.Exit()), status: "error", fatal: true, duration: duration}
}

// result is what the caller gets.
func (in *Instance) result(r *run, o outcome) *pinfold.Result {
	result := &pinfold.Result{Payload: o.payload, ExecutedVersion: in.version.Ref.Qualifier}
	if o.failure != nil {
		result.FunctionError = "Unhandled"
		result.Payload = o.failure.payload(r.inv.ID)
	}
	if r.cold {
		result.Phases = in.phases
		result.Phases.Cold = true
	}
	result.Phases.Handler = o.duration
	return result
}

// settle does what the caller need not wait for: it sees to it that the
// invocation is really over, completes its log, and frees the instance for the
// next one. It returns the tail of the log.
func (in *Instance) settle(r *run, o outcome) []byte {
	defer func() {
		in.since.Store(0)
		<-in.slot
	}()
	peak := in.box.Usage().PeakMemoryMB // while the process lives, if it does
	switch {
	case o.status == "timeout":
		_ = in.box.Close() // Close reports what it cannot remove
	case in.failed.Load() != nil:
		_ = in.box.Close()
	case o.fatal:
		in.awaitEnd()
	default:
		in.awaitIdle(r)
	}
	in.out.drain()
	if peak == 0 {
		peak = in.box.Usage().PeakMemoryMB
	}
	rep := report{requestID: r.inv.ID, duration: o.duration, peakMB: peak, status: o.status}
	if r.cold {
		rep.init = in.initTook
	}
	f := o.failure
	if f != nil && f.envelope != nil && o.fatal && in.failed.Load() == nil {
		f = exitFailure(in.box.Exit()) // the caller is told why, the log also how it ended
	}
	if f != nil && o.status == "error" {
		rep.errorType = f.kind
	}
	rep.message = in.failureMessage(r, o.status, f)
	in.log.end(time.Now(), rep)
	tail := in.out.end()
	if in.failed.Load() != nil {
		in.endDone()
	}
	return tail
}

// awaitIdle waits until the runtime has done all it wanted to do for the
// invocation. A process that ends instead is not used again.
func (in *Instance) awaitIdle(r *run) {
	limit := max(time.Until(r.began.Add(r.limit)), idleLimit)
	select { // the usual case needs no timer
	case <-in.worker.idle():
		return
	default:
	}
	in.since.Store(time.Now().UnixNano())
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-in.worker.idle():
		return
	case <-in.box.Done():
	case <-timer.C:
	}
	in.broken.Store(true)
	_ = in.box.Close()
}

// awaitEnd waits for a process that is about to end, and ends it if it does not.
func (in *Instance) awaitEnd() {
	select {
	case <-in.box.Done():
	case <-time.After(idleLimit):
	}
	_ = in.box.Close()
}

// failureMessage is what the log says about a failure that the platform noticed.
// What a runtime noticed it has logged itself.
func (in *Instance) failureMessage(r *run, status string, f *failure) string {
	switch {
	case f == nil || in.log.json:
		return ""
	case status == "timeout":
		return stamp(time.Now()) + " " + r.inv.ID + " " + f.message + "\n"
	case f.message == "":
		return ""
	case f.envelope != nil:
		return f.message
	}
	return "RequestId: " + r.inv.ID + " Error: " + f.message + "\n" + f.kind
}
