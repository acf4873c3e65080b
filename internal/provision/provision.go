// Package provision follows the clock for provisioned instances: how many a
// schedule asks for now, and when that changes.
//
// It is a service without a store: the registry keeps schedules, the pool keeps
// instances, and the composition root asks [Count] whenever it tells the pool
// what holds. A [Timetable] calls it again when a schedule is next due.
package provision

import (
	"context"
	"sync"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/cron"
)

// Count returns how many instances p asks for at a time: what its schedule's
// entry that was last due says, the later one of two that were due together, or
// p.Count if there is no schedule. next is when the schedule is due again; the
// zero time is never. An entry that cannot be read counts for nothing: the
// registry lets none in.
func Count(p pinfold.Provisioned, now time.Time) (count int, next time.Time) {
	count = p.Count
	var last time.Time
	for _, entry := range p.Schedule {
		schedule, err := cron.Parse(entry.Cron, entry.Timezone)
		if err != nil {
			continue
		}
		if due := schedule.Last(now); !due.IsZero() && !due.Before(last) {
			count, last = entry.Count, due
		}
		next = Earlier(next, schedule.Next(now))
	}
	return count, next
}

// Earlier returns the earlier of two times, where the zero time is never.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Timetable calls for a function when the time has come that was noted for it.
// It may be used concurrently.
type Timetable struct {
	call  func(context.Context, pinfold.FunctionRef)
	mu    sync.Mutex
	times map[pinfold.FunctionRef]time.Time
	wake  chan struct{} // holds one word: that times has changed
}

// NewTimetable returns a timetable with nothing in it. call is called by
// [Timetable.Run], for one function at a time.
func NewTimetable(call func(context.Context, pinfold.FunctionRef)) *Timetable {
	return &Timetable{call: call, times: map[pinfold.FunctionRef]time.Time{}, wake: make(chan struct{}, 1)}
}

// Set notes when to call for a function, once, in place of what was noted for
// it; the zero time is never.
func (t *Timetable) Set(ref pinfold.FunctionRef, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.times[ref].Equal(at) {
		return
	}
	if at.IsZero() {
		delete(t.times, ref)
	} else {
		t.times[ref] = at
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// glance is how often the clock is looked at while something is noted: a clock
// that is put right, or a machine that slept, is noticed so much later at most.
const glance = time.Minute

// Run calls when it is time, until ctx ends.
func (t *Timetable) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		due, next := t.take(time.Now())
		for _, ref := range due {
			t.call(ctx, ref)
		}
		var ring <-chan time.Time
		if !next.IsZero() {
			timer.Reset(min(time.Until(next), glance))
			ring = timer.C
		}
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		case <-ring:
		}
	}
}

// take removes the functions whose time has come, and returns when the first of
// the others is due.
func (t *Timetable) take(now time.Time) (due []pinfold.FunctionRef, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for ref, at := range t.times {
		if at.After(now) {
			next = Earlier(next, at)
			continue
		}
		due = append(due, ref)
		delete(t.times, ref)
	}
	return due, next
}
