package queue

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
)

// group polls for one mapping, for as long as there is the mapping.
type group struct {
	s       *Source
	stop    context.CancelFunc
	stopped bool          // belongs to Run
	wake    chan struct{} // has a value when the receiver should look again

	batches, messages, failures, filtered, returned atomic.Uint64 // for [Status]

	mu        sync.Mutex
	plan      *plan
	settled   *plan              // that the registry was told of
	interrupt context.CancelFunc // of the receive under way
	breaker   breaker
	scale     scale
	inFlight  int
	more      bool // the last batch was full: there is more where it came from
	limit     int  // how many may run, as of limitAt
	limitAt   time.Time
	result    string
	last      time.Time // when a batch was over
}

// set has a mapping be polled as p says from now on. What is being gathered goes
// back; batches that are out end as they began.
func (g *group) set(p *plan) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.plan.Function != p.Function {
		g.breaker.good()
	}
	g.breaker.hurry(time.Now())
	g.plan, g.limitAt = p, time.Time{}
	g.interrupt()
	g.poke()
}

// poke has the receiver look again. The caller may hold the lock.
func (g *group) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// run receives until ctx ends, and returns when the last batch is over.
func (g *group) run(ctx context.Context) {
	var batches sync.WaitGroup
	defer batches.Wait()
	for {
		receiving, p, what := g.admit(ctx)
		if p == nil {
			return
		}
		gather := g.gather
		if what.picky {
			gather = g.pick
		}
		b, err := gather(receiving, p, what)
		g.took(b, what, err)
		if b != nil {
			batches.Go(func() { g.deliver(b) })
		}
	}
}

// admit waits until another batch may be out. It returns how it is to be gathered,
// or no plan when ctx has ended.
func (g *group) admit(ctx context.Context) (receiving context.Context, p *plan, what probe) {
	for ctx.Err() == nil {
		g.tell()
		g.mu.Lock()
		wait := g.wait(time.Now())
		if wait == 0 {
			receiving, g.interrupt = context.WithCancel(ctx)
			p, what = g.plan, g.breaker.take()
			g.mu.Unlock()
			return receiving, p, what
		}
		g.mu.Unlock()
		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
		}
		select {
		case <-g.wake:
		case <-due:
		case <-ctx.Done():
		}
	}
	return nil, nil, probe{}
}

// tell has the registry know what has taken effect.
func (g *group) tell() {
	g.mu.Lock()
	p := g.plan
	due := g.settled != p && (p.Enabled || g.inFlight == 0)
	if due {
		g.settled = p
	}
	g.mu.Unlock()
	if due {
		g.s.o.Mappings.Settled(p.EventSourceMapping)
	}
}

// wait returns how long no batch may be taken; less than 0 is until something
// changes. The caller holds the lock.
func (g *group) wait(now time.Time) time.Duration {
	if !g.plan.Enabled {
		return -1
	}
	most := g.most(now)
	if wait := g.breaker.wait(now, min(firstPlaces, most)); wait != 0 || g.breaker.state != closed {
		return wait
	}
	if g.more && g.inFlight >= min(g.scale.places, most) {
		g.scale.full(now, most)
	}
	if g.inFlight >= min(g.scale.places, most) || g.inFlight > 0 && g.s.crowded() {
		return -1
	}
	return 0
}

// most is how many batches may be out, whatever would help. The caller holds the
// lock.
func (g *group) most(now time.Time) int {
	if now.Sub(g.limitAt) >= round || g.limitAt.IsZero() {
		g.limit, g.limitAt = mostPlaces, now
		if g.s.o.Limit != nil {
			g.limit = max(1, g.s.o.Limit(g.plan.Function)) // a function that may not run at all is probed
		}
	}
	if n := g.plan.MaximumConcurrency; n > 0 {
		return min(g.limit, n)
	}
	return g.limit
}

// took notes what came of gathering: a batch that is about to be delivered, nothing,
// or an error.
func (g *group) took(b *batch, what probe, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.interrupt()
	if b != nil {
		g.inFlight++
		if g.more = b.full; !g.more {
			g.scale.calm()
		}
		return
	}
	g.more = false
	if err == nil {
		g.breaker.untake(time.Now(), what)
		if g.inFlight == 0 {
			g.scale.idle()
		}
		return
	}
	result := problem + err.Error()
	if pinfold.CodeOf(err) == pinfold.NotFound {
		result = resultNoQueue
	}
	g.judged(func(now time.Time) { g.breaker.refuse(now, what, err.Error()) })
	g.note(result)
}

// over notes what came of a batch.
func (g *group) over(b *batch, v verdict) {
	g.batches.Add(1)
	g.messages.Add(uint64(len(v.done)))
	g.failures.Add(uint64(v.failed))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inFlight--
	g.last = time.Now()
	g.scale.over()
	g.poke()
	if v.kind == crowded && g.inFlight > 0 && !g.breaker.awaits(b.probe) {
		g.scale.throttled(g.last, g.inFlight)
		return
	}
	g.judged(func(now time.Time) {
		switch v.kind {
		case good:
			g.breaker.good()
		case bad:
			g.breaker.bad(now, b.probe, b.fresh, v.result)
		default:
			g.breaker.refuse(now, b.probe, v.result)
		}
	})
	g.note(v.result)
}

// lasts notes that a probe has been running for a while.
func (g *group) lasts(p probe) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.judged(func(time.Time) { g.breaker.lasts(p) })
	g.poke()
}

// judged has the breaker take note of something, and people of what it makes of it.
// The caller holds the lock.
func (g *group) judged(by func(now time.Time)) {
	before := g.breaker.state
	by(time.Now())
	attrs := []any{"queue", g.plan.Source, "function", g.plan.Function.Name, "mapping", g.plan.UUID}
	switch {
	case before == closed && g.breaker.state != closed:
		g.s.o.Log.Warn("a queue is left alone for a while, its messages wait", append(attrs, "why", g.breaker.why)...)
	case before != closed && g.breaker.state == closed:
		g.scale = newScale()
		g.s.o.Log.Info("a queue is polled again", attrs...)
	}
}

// note has the registry know what came of a batch. The caller holds the lock.
func (g *group) note(result string) {
	if result != g.result {
		g.result = result
		g.s.o.Mappings.Processed(g.plan.UUID, result)
	}
}

// hurry has a pause end: what it was for may be over.
func (g *group) hurry() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limitAt = time.Time{}
	g.breaker.hurry(time.Now())
	g.poke()
}
