package queue

import (
	"context"
	"time"

	"pinfold.dev/pinfold"
)

// What becomes of batches, as LastProcessingResult says it. "OK" and that a function
// call failed are AWS's words (Lambda developer guide, "Processing records from a
// Kinesis data stream"); the others follow them.
const (
	problem          = "PROBLEM: "
	resultOK         = "OK"
	resultFailed     = problem + "Function call failed"
	resultNoFunction = problem + "Function not found"
	resultThrottled  = problem + "Function throttled"
	resultNoQueue    = problem + "Queue not found"
)

// service is who invokes functions with messages.
const service = "sqs.amazonaws.com"

// patience is how long the queue may take to be told what became of a batch.
const patience = 30 * time.Second

// verdict is what came of a batch.
type verdict struct {
	done   []string // handles of messages to delete
	back   []string // handles of messages to give back as if never received
	kind   outcome
	result string
	failed int // messages that come back by themselves
}

type outcome uint8

const (
	good    outcome = iota // the function did its work, at least in part
	bad                    // it failed
	refused                // it did not run
	crowded                // it did not run since as many ran as may
)

// judge says what came of an invocation with a batch.
func judge(b *batch, inv *pinfold.Invocation, res *pinfold.Result, err error) verdict {
	failed := verdict{kind: bad, result: resultFailed, failed: len(b.handles)}
	if err != nil {
		if inv.Left { // it runs on, and nobody will know how it went
			return failed
		}
		v := verdict{kind: refused, back: b.handles}
		switch pinfold.CodeOf(err) {
		case pinfold.Throttled:
			v.kind, v.result = crowded, resultThrottled
		case pinfold.NotFound:
			v.result = resultNoFunction
		case pinfold.Denied, pinfold.Unavailable, pinfold.Timeout:
			v.result = problem + err.Error()
		default: // about this event, or so it seems: it must not come back for ever
			return failed
		}
		return v
	}
	if res.FunctionError != "" {
		return failed
	}
	if !b.plan.ReportItemFailures {
		return verdict{done: b.handles, result: resultOK}
	}
	items, ok := reported(res.Payload, b.has)
	switch {
	case !ok:
		return failed
	case len(items) == 0:
		return verdict{done: b.handles, result: resultOK}
	}
	v := verdict{result: resultOK, done: make([]string, 0, len(b.handles))}
	for i, id := range b.ids {
		if !items[id] {
			v.done = append(v.done, b.handles[i])
		}
	}
	if v.failed = len(b.handles) - len(v.done); len(v.done) == 0 {
		v.kind = bad
	}
	return v
}

// deliver has the function handle a batch, and the queue told what came of it.
func (g *group) deliver(b *batch) {
	p := b.plan
	inv := &pinfold.Invocation{
		Principal: pinfold.Principal{Kind: pinfold.Service, Account: g.s.o.Account, ARN: service},
		Function:  p.Function, Trigger: pinfold.Trigger{Kind: "queue", Source: p.Source},
		Payload: append(b.event, eventTail...), TraceID: b.trace,
	}
	if b.probe.turn > 0 {
		timer := time.AfterFunc(trial, func() { g.lasts(b.probe) })
		defer timer.Stop()
	}
	res, err := g.s.o.Invoker.Invoke(g.s.work, inv)
	v := judge(b, inv, res, err)
	if err := g.delete(p, v.done); err != nil {
		// The same messages would come again and again.
		g.s.o.Log.Warn("messages that a function has handled could not be deleted: they come back", "queue", p.Source, "function", p.Function.Name, "mapping", p.UUID, "error", err)
		v.kind, v.result = refused, problem+err.Error()
	}
	g.giveBack(p, v.back)
	g.over(b, v)
	g.s.release(b)
}

// delete removes messages for good.
func (g *group) delete(p *plan, handles []string) error {
	if len(handles) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return g.s.o.Queues.Delete(ctx, p.Source, handles)
}

// giveBack has messages be as if they had not been received.
func (g *group) giveBack(p *plan, handles []string) {
	if len(handles) == 0 {
		return
	}
	g.returned.Add(uint64(len(handles)))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := g.s.o.Queues.Return(ctx, p.Source, handles); err != nil {
		g.s.o.Log.Warn("messages could not be given back: they come back when their visibility timeout is over", "queue", p.Source, "mapping", p.UUID, "error", err)
	}
}
