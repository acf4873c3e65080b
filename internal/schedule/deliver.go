package schedule

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/google/uuid"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

const (
	sendTimeout = 30 * time.Second
	// What targets are tried for by default, and how far apart. Sources: RetryPolicy of
	// both API references; "exponential backoff", "Event retry policy", EventBridge user
	// guide, which does not say how far. It is as far as Lambda's for throttled events.
	defaultRetries   = 185
	defaultAge       = 24 * time.Hour
	minPause         = time.Second
	maxPause         = 5 * time.Minute
	attemptsExceeded = "MaximumRetryAttempts"
	ageExceeded      = "MaximumEventAgeInSeconds"
)

// letter is why a message could not be sent, which its dead-letter queue is told.
type letter struct {
	err       error
	condition string // which bound of its retry policy was reached; "": it could not be retried
	retries   int
}

// attempt is what is to be sent, and what has been tried.
type attempt struct {
	job      *job // only to be returned
	ref      ref
	target   string // ID
	due      time.Time
	attempts int
	first    time.Time
	letter   *letter
}

// outcome is how an attempt went.
type outcome struct {
	job    *job
	kind   outcomeKind
	err    error         // why it was not sent
	pause  time.Duration // until it is tried again
	letter *letter
}

type outcomeKind int

const (
	sent        outcomeKind = iota
	again                   // it is to be tried again
	buried                  // it went to its dead-letter queue
	lost                    // it has none, or that does not take it
	unwanted                // schedule, rule or target are not there any more, or disabled
	interrupted             // by the end of Run
)

// dispatch sends what has its turn.
func (k *keeper) dispatch() {
	for j := k.queues.take(); j != nil; j = k.queues.take() {
		a := attempt{job: j, ref: j.series.ref, target: j.id, due: j.due, attempts: j.attempts, first: j.first, letter: j.letter}
		go func() { k.over <- k.deliver(k.ctx, a) }()
	}
}

// finish does what follows from how an attempt went.
func (k *keeper) finish(o outcome, now time.Time) {
	j := o.job
	k.queues.done(j)
	x := j.series
	if x == nil {
		return
	}
	k.touch(x)
	switch o.kind {
	case interrupted:
		return
	case again:
		j.attempts, j.letter = j.attempts+1, o.letter
		k.setJob(j, now.Add(o.pause))
	default:
		k.drop(x, func(other *job) bool { return other == j })
		k.ended(x)
	}
	k.shared.ended[o.kind].Add(1)
	result := pinfold.ScheduleResult{At: now, Due: j.due}
	if o.err != nil {
		result.Error = o.err.Error()
	}
	if o.kind != unwanted {
		k.shared.result(x.ref, result)
	}
	switch o.kind {
	case buried:
		k.o.Log.Warn("an event of a schedule could not be sent; its dead-letter queue has it", "schedule", x.key, "target", j.arn, "due", j.due, "error", o.err)
	case lost:
		k.o.Log.Error("an event of a schedule could not be sent and is lost", "schedule", x.key, "target", j.arn, "due", j.due, "error", o.err)
	}
}

// deliver tries once to send a message, and where that was the last time, its dead
// letter.
func (s *Service) deliver(ctx context.Context, a attempt) outcome {
	var r row
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		r, err = s.row(tx, a.ref)
		return err
	})
	o := outcome{job: a.job, letter: a.letter, pause: pause(a.attempts + 1)}
	t, ok := pinfold.ScheduleTarget{}, false
	if err == nil {
		t, ok = r.target(a.target)
	}
	switch {
	case ctx.Err() != nil:
		o.kind = interrupted
		return o
	case pinfold.CodeOf(err) == pinfold.NotFound, err == nil && (!ok || r.disabled()):
		o.kind = unwanted
		return o
	case err != nil: // the store will have it again
		o.kind, o.err = again, err
		return o
	}
	if o.letter == nil {
		body := s.body(r, t, a.due, a.attempts+1)
		if o.err = s.send(ctx, r, t.ARN, a, pinfold.EventMessage{Body: body, Group: t.MessageGroup}); o.err == nil {
			return o
		}
		if o.letter = s.exhausted(t, a, o.err, o.pause); o.letter == nil {
			o.kind = again
		}
	} else {
		o.err = o.letter.err
	}
	if o.letter != nil {
		o = s.bury(ctx, r, t, a, o)
	}
	if ctx.Err() != nil {
		o.kind = interrupted
	}
	return o
}

// exhausted returns nil if a message may be tried again after a pause.
func (s *Service) exhausted(t pinfold.ScheduleTarget, a attempt, err error, pause time.Duration) *letter {
	l := &letter{err: err, retries: a.attempts}
	switch pinfold.CodeOf(err) {
	case pinfold.NotFound, pinfold.Unserved, pinfold.Denied, pinfold.Invalid, pinfold.TooLarge:
		return l // it would be no better
	}
	retries, age := defaultRetries, defaultAge
	if t.MaximumRetries != nil {
		retries = *t.MaximumRetries
	}
	if t.MaximumEventAge != nil {
		age = t.MaximumEventAge.Duration()
	}
	switch {
	case a.attempts >= retries:
		l.condition = attemptsExceeded
	case s.o.Now().Add(pause).Sub(a.first) > age:
		l.condition = ageExceeded
	default:
		return nil
	}
	return l
}

// bury sends a dead letter. One that its queue does not take for now is sent again.
func (s *Service) bury(ctx context.Context, r row, t pinfold.ScheduleTarget, a attempt, o outcome) outcome {
	if t.DeadLetter == "" {
		o.kind = lost
		return o
	}
	err := s.send(ctx, r, t.DeadLetter, a, s.deadLetter(r, t, a.due, o.letter))
	if err == nil {
		o.kind = buried
		return o
	}
	o.kind, o.err = again, errors.Join(o.letter.err, err)
	switch pinfold.CodeOf(err) {
	case pinfold.NotFound, pinfold.Unserved, pinfold.Denied, pinfold.Invalid, pinfold.TooLarge:
		o.kind = lost
	}
	if s.o.Now().Sub(a.first) > 2*defaultAge {
		o.kind = lost
	}
	return o
}

// pause returns how long to wait after so many attempts, with a tenth that chance adds
// so that not all come back at once.
func pause(attempts int) time.Duration {
	d := min(minPause<<min(attempts-1, 20), maxPause)
	return d + rand.N(d/10)
}

func (s *Service) send(ctx context.Context, r row, to string, a attempt, m pinfold.EventMessage) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	by := pinfold.Principal{Kind: pinfold.Service, Account: s.o.Scope.Account, ARN: "scheduler.amazonaws.com"}
	id := idOf(r.arn(), a.due)
	if r.rule != nil {
		by.ARN = "events.amazonaws.com"
		id = uuid.NewSHA1(id, []byte(a.target))
	}
	if m.Attributes != nil {
		id = uuid.NewSHA1(id, []byte("dead letter"))
	}
	m.ID = id.String()
	m.Trigger = pinfold.Trigger{Kind: "schedule", Source: r.arn()}
	return s.o.Sender.SendEvent(ctx, by, to, m)
}

// body returns what is sent to a target.
func (s *Service) body(r row, t pinfold.ScheduleTarget, due time.Time, attempt int) []byte {
	if r.rule != nil {
		return ruleBody(*r.rule, t, s.event(r, due), due)
	}
	return scheduleBody(*r.schedule, due, attempt)
}

// event returns a rule's event.
func (s *Service) event(r row, due time.Time) []byte {
	return scheduledEvent("aws.events", r.arn(), s.o.Scope, due, struct{}{})
}

// deadLetter returns what a dead-letter queue gets: a rule's event, or what the
// schedule would have sent, and why that could not be. Sources: "Using dead-letter
// queues to process undelivered events", EventBridge user guide; "Configuring a
// dead-letter queue", EventBridge Scheduler user guide.
func (s *Service) deadLetter(r row, t pinfold.ScheduleTarget, due time.Time, l *letter) pinfold.EventMessage {
	attributes := map[string]string{
		"TARGET_ARN": t.ARN, "ERROR_MESSAGE": cmp.Or(l.err.Error(), "unknown"), "RETRY_ATTEMPTS": strconv.Itoa(l.retries),
	}
	if l.condition != "" {
		attributes["EXHAUSTED_RETRY_CONDITION"] = l.condition
	}
	if r.rule != nil {
		maps.Copy(attributes, map[string]string{"RULE_ARN": r.arn(), "ERROR_CODE": cmp.Or(ruleErrors[pinfold.CodeOf(l.err)], "ERROR_FROM_TARGET")})
		return pinfold.EventMessage{Body: s.event(r, due), Attributes: attributes}
	}
	maps.Copy(attributes, map[string]string{
		"SCHEDULE_ARN": r.arn(), "SCHEDULED_TIME": stamp(due), "EXECUTION_ID": executionID(r.arn(), due), "IS_PAYLOAD_TRUNCATED": "false",
		"ERROR_CODE": scheduleError(l.err),
	})
	return pinfold.EventMessage{Body: scheduleBody(*r.schedule, due, l.retries+1), Attributes: attributes}
}

// scheduleError is AWS's name for why a schedule's target could not be reached: that
// of the target's own error, for queues as they had them before they spoke JSON.
func scheduleError(err error) string {
	reason := pinfold.ReasonOf(err)
	if reason == "QueueDoesNotExist" {
		return "AWS.SimpleQueueService.NonExistentQueue"
	}
	return cmp.Or(reason, string(pinfold.CodeOf(err)))
}

// ruleErrors are AWS's names for why a rule's target could not be reached.
var ruleErrors = map[pinfold.Code]string{
	pinfold.NotFound:  "NO_RESOURCE",
	pinfold.Denied:    "NO_PERMISSIONS",
	pinfold.Invalid:   "INVALID_PARAMETER",
	pinfold.TooLarge:  "INVALID_PARAMETER",
	pinfold.Unserved:  "INVALID_PARAMETER",
	pinfold.Throttled: "THROTTLING",
	pinfold.Timeout:   "TIMEOUT",
	pinfold.Internal:  "INTERNAL_ERROR",
}
