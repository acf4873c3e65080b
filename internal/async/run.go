package async

import (
	"context"
	"net/http"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
)

// How events are handled where a configuration does not say otherwise. Source:
// "How Lambda handles errors and retries with asynchronous invocation", Lambda
// developer guide.
const (
	defaultRetries = 2
	defaultAge     = 6 * time.Hour
)

// Why events end, in the words of AWS's records. RecursiveInvocation is not
// documented; it is what AWS was seen to say (internal/services/lambda/async.go in
// radkawar/stackd).
const (
	success          = "Success"
	retriesExhausted = "RetriesExhausted"
	ageExceeded      = "EventAgeExceeded"
	recursive        = "RecursiveInvocation"
)

// A wait for a place of as long as the function takes, at least contended and at
// most maxContended, says that it has more than it can take; of a quarter of that,
// that it has enough.
const (
	contended    = 2 * time.Millisecond
	maxContended = 50 * time.Millisecond
)

// placed tells the pace of a function how it ran.
func placed(res *pinfold.Result, waited time.Duration) ending {
	much := min(maxContended, max(contended, res.Phases.Handler))
	switch {
	case res.Phases.Cold || waited <= much/4: // who waits for a launch has the next ones not wait
		return ran
	case waited <= much:
		return filled
	}
	return crowded
}

// rules are how the events of a function, version or alias are handled.
type rules struct {
	retries   int
	age       time.Duration
	onSuccess string
	onFailure string
}

func (s *Service) rules(ctx context.Context, ref pinfold.FunctionRef) (rules, error) {
	c, err := s.o.Functions.EventInvoke(ctx, ref)
	r := rules{defaultRetries, defaultAge, c.OnSuccess, c.OnFailure}
	if c.MaximumRetryAttempts != nil {
		r.retries = *c.MaximumRetryAttempts
	}
	if c.MaximumEventAge != nil {
		r.age = c.MaximumEventAge.Duration()
	}
	return r, err
}

// invoke is one attempt at an event.
func (s *Service) invoke(ctx context.Context, p *pump, t *task) verdict {
	ref := p.ref.With(t.Qualifier)
	rules, err := s.rules(ctx, ref)
	switch {
	case pinfold.CodeOf(err) == pinfold.NotFound:
		s.orphaned(p, t)
		return verdict{}
	case err != nil:
		return s.refused(t, rules, err)
	case time.Since(t.Sent) >= rules.age:
		return s.giveUp(ctx, p, t, rules, ageExceeded, t.Receive-1, t.last.response)
	}
	inv := t.invocation(ref)
	res, err := s.o.Invoker.Invoke(ctx, inv)
	t.TraceID = inv.TraceID // what comes of it is below this attempt
	if err != nil {
		if ctx.Err() != nil {
			return verdict{then: giveBack}
		}
		return s.notRun(ctx, p, t, rules, err)
	}
	r := response{status: http.StatusOK, version: res.ExecutedVersion, functionError: res.FunctionError, payload: res.Payload}
	wait := time.Duration(t.Receive) * time.Minute
	var v verdict
	switch {
	case r.functionError == "":
		v = s.succeed(ctx, p, t, rules, r)
	case t.Receive > rules.retries:
		v = s.giveUp(ctx, p, t, rules, retriesExhausted, t.Receive, r)
	case time.Since(t.Sent)+wait >= rules.age: // AWS does not wait for it: TestLambdaDestinationSqs.test_maxeventage in localstack/localstack, recorded from it
		v = s.giveUp(ctx, p, t, rules, ageExceeded, t.Receive, r)
	default:
		v = verdict{then: again, after: wait, note: note{response: r.small()}}
	}
	v.ending = placed(res, inv.Placed.Queue)
	return v
}

// notRun says what becomes of an event whose function did not run.
func (s *Service) notRun(ctx context.Context, p *pump, t *task, rules rules, err error) verdict {
	status, final := statuses[pinfold.CodeOf(err)]
	if !final {
		return s.refused(t, rules, err)
	}
	condition := retriesExhausted
	if pinfold.ReasonOf(err) == "RecursiveInvocationException" {
		condition = recursive
	}
	return s.giveUp(ctx, p, t, rules, condition, t.Receive, response{status: status, err: err})
}

// statuses are those of errors that the next attempt would have, too.
var statuses = map[pinfold.Code]int{
	pinfold.NotFound: http.StatusNotFound, pinfold.Invalid: http.StatusBadRequest, pinfold.Denied: http.StatusForbidden,
	pinfold.TooLarge: http.StatusRequestEntityTooLarge, pinfold.Unserved: http.StatusNotImplemented, pinfold.Conflict: http.StatusConflict,
}

// refused gives an event back that could not be run now. Where a limit is the
// reason it may be tried as soon as anything may; what the platform failed at may be
// its own fault, and it waits by itself while others are tried.
func (s *Service) refused(t *task, rules rules, err error) verdict {
	n := note{failed: t.last.failed + 1, response: response{status: http.StatusInternalServerError, err: err}}
	if pinfold.CodeOf(err) == pinfold.Throttled {
		n.response.status = http.StatusTooManyRequests
		return verdict{then: giveBack, ending: throttled, note: n}
	}
	left := max(0, rules.age-time.Since(t.Sent))
	return verdict{then: giveBack, after: min(waitAfter(n.failed), left), ending: broken, note: n}
}

// orphaned drops an event of a function that was deleted.
func (s *Service) orphaned(p *pump, t *task) {
	p.mu.Lock()
	first := !p.orphans
	p.orphans = true
	p.mu.Unlock()
	if first {
		s.o.Log.Warn("events of a function that was deleted are dropped", "function", p.ref.Name, "first", t.ID)
	}
}

// sweep gives up events that have become too old while none can be run. It returns
// when it is to be done again, which is not after until, and not in the same second
// for the sake of an event: it reads many.
func (p *pump) sweep(ctx context.Context, until time.Time) time.Time {
	soonest := time.Now().Add(time.Second)
	for more := p.kind == events; more; {
		more = false
		err := p.line().Look(ctx, maxLook, func(m backlog.Message) error {
			if m.State != backlog.Visible {
				return nil
			}
			deadline, over := p.expire(ctx, m)
			more = more || over
			if over || !time.Now().Before(deadline) {
				return nil
			}
			if deadline.Before(soonest) {
				deadline = soonest
			}
			if deadline.Before(until) {
				until = deadline
			}
			return nil
		})
		if err != nil {
			return until // what comes of it comes with the next probe
		}
	}
	return until
}

// expire gives an event up if it is too old; else it returns when it will be.
func (p *pump) expire(ctx context.Context, m backlog.Message) (deadline time.Time, over bool) {
	t := &task{Message: m}
	var err error
	if t.item, err = decode(m.Data); err != nil {
		return m.Sent.Add(defaultAge), false
	}
	rules, err := p.s.rules(ctx, p.ref.With(t.Qualifier))
	deadline = m.Sent.Add(rules.age)
	if err != nil || time.Now().Before(deadline) {
		return deadline, false
	}
	p.mu.Lock()
	t.last = p.notes[m.Position]
	delete(p.notes, m.Position)
	p.mu.Unlock()
	v := p.s.giveUp(p.s.running, p, t, rules, ageExceeded, m.Receive, t.last.response)
	if v.then != remove {
		return deadline, false // the service closes
	}
	p.settle(m.Receipt, v)
	return deadline, true
}
