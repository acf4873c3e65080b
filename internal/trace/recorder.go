package trace

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
)

// Sink takes records: a store, behind what decouples it.
type Sink interface {
	// Put takes a record in. It must not block, and must not keep r, which is used
	// again. It is called by many goroutines.
	Put(r *pinfold.Record)
}

// Recorder is a [pinfold.Invoker] that leaves one record of every invocation.
//
// A record has two ends: what the caller knows, when Invoke returns, and what the
// instance knows, when it has done with the invocation. Either may be the first.
type Recorder struct {
	next      pinfold.Invoker
	to        Sink
	observers []pinfold.Observer
	joins     sync.Pool

	mu   sync.Mutex
	left map[*join]struct{} // whose callers have left, so one end is still to come
}

// New returns a recorder of what next does. Observers are told of every
// execution, all with the same value, and before its record is made.
func New(next pinfold.Invoker, to Sink, observers ...pinfold.Observer) *Recorder {
	r := &Recorder{next: next, to: to, observers: observers, left: make(map[*join]struct{})}
	r.joins.New = func() any { return &join{of: r} }
	return r
}

// Invoke has next run inv, in the trace that inv.TraceID names or else in a new
// one, with a span of its own. It sets TraceID and Observer; an observer that
// was there is told too. An Invocation can be invoked once only.
func (r *Recorder) Invoke(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
	j := r.joins.Get().(*join)
	rec := &j.record
	rec.Time = time.Now()
	c := Parse(inv.TraceID)
	rec.Trace, rec.Parent, rec.Span, rec.TraceState = c.Trace, c.Parent, newSpan(), inv.TraceState
	if c.Trace == (pinfold.TraceID{}) {
		rec.Trace = newTrace(rec.Time)
	}
	c.Trace, c.Parent = rec.Trace, rec.Span
	inv.TraceID = c.Amzn()
	j.outer, inv.Observer = inv.Observer, j
	res, err := r.next.Invoke(ctx, inv)
	j.returned(ctx, inv, err)
	return res, err
}

// Close makes records of those invocations whose callers have left and whose
// instances will not say any more how they went. It is to be called when no
// instance is left.
func (r *Recorder) Close() error {
	var open []*join
	r.mu.Lock()
	for j := range r.left { // who is in it is not used again yet
		if j.state.Or(claimed)&claimed == 0 {
			open = append(open, j)
		}
	}
	r.mu.Unlock()
	for _, j := range open {
		j.finish(false)
	}
	return nil
}

// The states of a join, as bits.
const (
	returned uint32 = 1 << iota // Invoke has returned, and written its end
	claimed                     // somebody writes the instance's end, or nobody ever will
	executed                    // the instance's end is written
)

// join brings the two ends of a record together. Each writes fields of its own;
// the one that comes second finishes. Then nobody knows it any more, and it is
// used again, unless its instance's end did not come.
type join struct {
	of     *Recorder
	outer  pinfold.Observer
	record pinfold.Record
	state  atomic.Uint32

	began   time.Duration // from the arrival to the execution
	took    time.Duration // and until Invoke returned
	queue   time.Duration // what the caller's end knows of it, if no instance does
	version string        // that was to run
	left    bool          // Invoke returned without waiting for the function
	lost    bool          // and it did not run to its end
	err     error         // of Invoke, but that the caller has left
}

// Executed writes the instance's end.
func (j *join) Executed(e *pinfold.Execution) {
	if e != nil {
		for _, o := range j.of.observers {
			o.Executed(e)
		}
	}
	if j.outer != nil {
		j.outer.Executed(e)
	}
	if j.state.Or(claimed)&claimed != 0 {
		return
	}
	if j.lost = e == nil; !j.lost {
		j.executed(e)
	}
	if j.state.Or(executed)&returned != 0 {
		j.finish(!j.lost)
	}
}

func (j *join) executed(e *pinfold.Execution) {
	rec := &j.record
	j.began = e.Began.Sub(rec.Time)
	rec.Version, rec.Instance = e.Version.Ref.Qualifier, e.Instance
	p := &e.Phases
	rec.Queue, rec.Handler = p.Queue, p.Handler
	if e.Cold != pinfold.Warm { // or else nobody waited for the launch
		rec.Fetch, rec.Sandbox, rec.Boot, rec.Init = p.Fetch, p.Sandbox, p.Boot, p.Init
	}
	rec.Billed, rec.MemoryMB, rec.PeakMB, rec.CPU = e.Billed, e.Version.Config.MemoryMB, e.PeakMB, e.CPU
	rec.BytesOut, rec.CodeSize, rec.Cold = e.BytesOut, e.Version.Code.Size, e.Cold
	rec.Status = "ok"
	if e.Failure != "" || e.Status != "" {
		rec.Status, rec.ErrorType = cmp.Or(e.Status, "error"), e.Failure
		rec.Fingerprint = Fingerprint(e.Failure, e.Envelope)
	}
}

// returned writes the caller's end.
func (j *join) returned(ctx context.Context, inv *pinfold.Invocation, err error) {
	rec := &j.record
	j.took = time.Since(rec.Time)
	rec.RequestID, rec.Function, rec.Alias = inv.ID, inv.Function.Name, aliasOf(inv.Function.Qualifier)
	rec.Trigger, rec.Source, rec.Caller = inv.Trigger.Kind, inv.Trigger.Source, inv.Principal.ARN
	j.queue, rec.BytesIn = inv.Placed.Queue, int64(len(inv.Payload))
	j.left = err != nil && inv.Left
	if !j.left || ctx.Err() == nil {
		j.err = err
	}
	j.version = inv.Version
	if j.left { // before anybody can finish it
		j.of.mu.Lock()
		j.of.left[j] = struct{}{}
		j.of.mu.Unlock()
	}
	// One step: after it, whoever finishes may have the join used again.
	mine, never := returned, err != nil && !j.left
	if never {
		mine |= claimed
	}
	switch was := j.state.Or(mine); {
	case was&executed != 0:
		j.finish(!j.lost)
	case never && was&claimed == 0:
		j.finish(false)
	}
}

// finish completes the record and gives it away.
func (j *join) finish(ran bool) {
	if j.left {
		j.of.mu.Lock()
		delete(j.of.left, j)
		j.of.mu.Unlock()
	}
	rec := &j.record
	until := j.took
	if ran {
		until = j.began
		if !j.left {
			rec.Response = max(0, j.took-j.began-rec.Handler)
		}
	} else {
		rec.Version, rec.Queue = j.version, j.queue
	}
	rec.Place = max(0, until-rec.Queue-rec.Fetch-rec.Sandbox-rec.Boot-rec.Init)
	err := j.err
	if err == nil && !ran {
		err = pinfold.Errorf(pinfold.Unavailable, "the caller left, and the function did not run to its end")
	}
	if err != nil && (!ran || rec.Status == "ok") { // it did not run, or the platform ended it
		rec.Status, rec.ErrorType = failed(err)
		rec.Fingerprint = fingerprint(rec.ErrorType, err.Error(), nil)
	}
	j.of.to.Put(rec)
	if ran {
		r := j.of
		*j = join{of: r}
		r.joins.Put(j)
	}
}

// failed is how a record has an error of the platform.
func failed(err error) (status, kind string) {
	code := string(pinfold.CodeOf(err))
	return strings.ToLower(code), cmp.Or(pinfold.ReasonOf(err), code)
}

// aliasOf returns a qualifier if it is an alias.
func aliasOf(qualifier string) string {
	for i := range len(qualifier) {
		if !isDigit(qualifier[i]) && qualifier != pinfold.LatestVersion {
			return qualifier
		}
	}
	return ""
}

// Call is a call that a function makes to a service of the platform.
type Call struct {
	Record pinfold.Record // RequestID, Function, Version and bytes are the caller's to set
	Header string         // X-Amzn-Trace-Id for what the call causes
}

// Begin notes a call that came with an X-Amzn-Trace-Id header. It is a part of
// the invocation that the header has as its parent.
func Begin(header, service, operation string) *Call {
	now, c := time.Now(), Parse(header)
	if c.Trace == (pinfold.TraceID{}) {
		c.Trace = newTrace(now)
	}
	call := &Call{Record: pinfold.Record{
		Time: now, Trace: c.Trace, Span: newSpan(), Parent: c.Parent, Service: service, Operation: operation,
	}}
	c.Parent = call.Record.Span
	call.Header = c.Amzn()
	return call
}

// End gives the record away. err is what the caller of the service got.
func (c *Call) End(to Sink, err error) {
	c.Record.Handler = time.Since(c.Record.Time)
	c.Record.Status = "ok"
	if err != nil {
		c.Record.Status, c.Record.ErrorType = failed(err)
	}
	to.Put(&c.Record)
}
