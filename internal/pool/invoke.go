package pool

import (
	"context"
	"errors"
	"time"

	"pinfold.dev/pinfold"
)

// initTime is how long a function may take to come up without it costing any of
// its timeout. Source: "Understanding the Lambda execution environment
// lifecycle", Lambda developer guide.
const initTime = 10 * time.Second

// maxAttempts is how many instances an invocation tries that turn out to be gone.
const maxAttempts = 3

// Invoke lends an instance of v to inv and returns what came of it.
//
// Where the function or the account is at its limit it is refused with code
// Throttled, at once or when it has waited as its function's [pinfold.Queue]
// says. It waits for an instance until inv.Deadline, or, if that is zero, for as
// long as the function has for coming up and running once, and then gives up with
// code Throttled. If ctx ends first, Invoke returns with
// code Timeout or Unavailable; a function that runs by then runs on to its end,
// as on AWS, so the payload must not be reused.
func (p *Pool) Invoke(ctx context.Context, v *pinfold.Version, inv *pinfold.Invocation) (*pinfold.Result, error) {
	p.callers.Add(1)
	res, err := p.invoke(ctx, v, inv)
	if p.callers.Add(-1) == 0 && p.drains.Load() {
		p.mu.Lock()
		p.check()
		p.mu.Unlock()
	}
	return res, err
}

// invoke tries as many instances as it takes to find one that is not gone.
func (p *Pool) invoke(ctx context.Context, v *pinfold.Version, inv *pinfold.Invocation) (*pinfold.Result, error) {
	var queued time.Duration
	for attempt := 1; ; attempt++ {
		l, wait, err := p.acquire(ctx, v, inv.Deadline, attempt == 1)
		queued += wait
		if err != nil {
			inv.Placed.Queue = queued
			return nil, err
		}
		turn := l.turns.Load()
		inv.Placed = l.placed
		inv.Placed.Queue = queued
		res, err := l.in.worker.Invoke(ctx, inv, l.over)
		if l.turns.Load() == turn && ctx.Err() == nil {
			p.answered(l, turn)
		}
		if err != nil && attempt < maxAttempts && pinfold.ReasonOf(err) == InstanceGone {
			continue
		}
		if res != nil {
			res.Phases.Queue += queued
		}
		return res, err
	}
}

// acquire lends an instance, at once or after a wait. queued is the time spent
// waiting, without that of a launch which began for this wait. An invocation
// that is not the first attempt has been let in already, and gets an instance
// that it need not share with one that could end it, if there is one at a time.
func (p *Pool) acquire(ctx context.Context, v *pinfold.Version, deadline time.Time, first bool) (l *lease, queued time.Duration, err error) {
	p.mu.Lock()
	if p.closed || p.closing && first {
		p.mu.Unlock()
		return nil, 0, shuttingDown()
	}
	s := p.setOf(v)
	if !first || p.limit(s.function) == "" {
		p.enter(s.function)
	} else {
		w, err := p.waitToEnter(s.function)
		p.forget(s)
		p.mu.Unlock()
		if err != nil {
			return nil, 0, err
		}
		if _, queued, err = p.await(ctx, w, deadline); err != nil {
			return nil, queued, err
		}
		p.mu.Lock()
		s = p.setOf(v)
		if p.closed { // between the wait and here
			p.exit(s.function)
			p.forget(s)
			p.mu.Unlock()
			return nil, 0, shuttingDown()
		}
	}
	if l = p.lend(s, first); l == nil {
		w := p.waitForInstance(s, !first)
		if w == nil {
			p.exit(s.function)
			p.forget(s)
			p.mu.Unlock()
			return nil, 0, throttled(accountLimit)
		}
		p.mu.Unlock()
		if deadline.IsZero() {
			deadline = time.Now().Add(initTime + v.Config.Timeout.Duration())
		}
		var wait time.Duration
		l, wait, err = p.await(ctx, w, deadline)
		return l, queued + wait, err
	}
	l.in.alone = !first
	p.mu.Unlock()
	if l.asleep && !p.thaw(l) {
		l, wait, err := p.acquire(ctx, v, deadline, false)
		return l, queued + wait, err
	}
	return l, queued, nil
}

// waiter is an invocation that waits: for an instance of a set, or, while set is
// nil, to be let in. It is used for many, one after the other.
type waiter struct {
	place    node[*waiter]
	function *function
	set      *set
	since    time.Duration
	again    bool          // it has been lost once
	patience time.Duration // how long it waits at a limit; 0: as long as it likes
	timer    *time.Timer
	granted  chan struct{} // gets a value when what follows is set
	lease    *lease
	queued   time.Duration
	err      error
}

func newWaiter() *waiter {
	w := &waiter{granted: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	w.timer.Stop()
	w.place.value = w
	return w
}

// spare keeps a waiter that nobody refers to any more for the next.
func (p *Pool) spare(w *waiter) {
	w.timer.Stop()
	w.function, w.set, w.lease, w.err = nil, nil, nil, nil
	p.idleWaiters.Put(w)
}

// line has an invocation of f wait in l, if there is room for it. It returns
// nil if there is none.
func (p *Pool) line(f *function, s *set, l *list[*waiter]) *waiter {
	if !p.roomToWait(f) {
		return nil
	}
	w := p.idleWaiters.Get().(*waiter)
	w.function, w.set, w.since, w.patience, w.again = f, s, p.now(), 0, false
	l.push(&w.place)
	p.waiting++
	f.waiting++
	p.queues[f] = struct{}{}
	return w
}

// unline takes a waiter out of its line. It reports false if it was not in one.
func (p *Pool) unline(w *waiter) bool {
	if w.place.in == nil {
		return false
	}
	w.place.leave()
	p.waiting--
	if w.set == nil {
		p.queued--
	}
	f := w.function
	if f.waiting--; f.waiting == 0 {
		delete(p.queues, f)
	}
	p.check()
	return true
}

// grant ends a wait.
func (p *Pool) grant(w *waiter, l *lease, err error) {
	p.unline(w)
	w.lease, w.err = l, err
	w.queued = p.now() - w.since
	if l != nil && l.in.uses == 1 && l.in.why != pinfold.Warm { // the launch has phases of its own
		came := max(w.since, l.in.began)
		w.queued = came - w.since
		l.placed = pinfold.Placement{Cold: l.in.why, Boot: max(0, l.in.made-came), Late: max(0, came-l.in.made)}
	}
	w.granted <- struct{}{}
}

// await waits for the grant, the deadline, the waiter's patience or the context.
// It is the end of w.
func (p *Pool) await(ctx context.Context, w *waiter, deadline time.Time) (*lease, time.Duration, error) {
	var expired <-chan time.Time
	if !deadline.IsZero() || w.patience > 0 {
		left := w.patience
		if !deadline.IsZero() && (left == 0 || time.Until(deadline) < left) {
			left = time.Until(deadline)
		}
		w.timer.Reset(left)
		expired = w.timer.C
	}
	// A context that ends no earlier than the wait need not be watched, which
	// would cost another timer.
	var done <-chan struct{}
	if by, ok := ctx.Deadline(); !ok || deadline.IsZero() || by.Before(deadline) {
		done = ctx.Done()
	}
	since := w.since
	select {
	case <-w.granted:
		l, queued, err := w.lease, w.queued, w.err
		p.spare(w)
		return l, queued, err
	case <-expired:
		return nil, p.now() - since, p.giveUp(w, nil)
	case <-done:
		return nil, p.now() - since, p.giveUp(w, gaveUp(ctx))
	}
}

// giveUp ends a wait without success: with err or, if that is nil, because its
// time is over. What was granted at the last moment goes back.
func (p *Pool) giveUp(w *waiter, err error) error {
	p.mu.Lock()
	f, s := w.function, w.set
	if err == nil {
		err = throttled(accountLimit)
		if limit := p.limit(f); s == nil && limit != "" {
			err = throttled(limit)
		}
	}
	waited := p.unline(w)
	if waited && s != nil {
		p.exit(f)
		p.forget(s)
	}
	if !waited {
		<-w.granted
		if s == nil && w.err == nil { // was let in
			p.exit(f)
		}
	}
	p.forgetFunction(f)
	l := w.lease
	p.mu.Unlock()
	p.spare(w)
	if l != nil {
		p.release(l, false)
	}
	return err
}

func shuttingDown() error {
	return pinfold.Errorf(pinfold.Unavailable, "the platform is shutting down: try again once it is up")
}

func gaveUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return pinfold.Errorf(pinfold.Timeout, "the caller's time was over before the function's answer came: %w", ctx.Err())
	}
	return pinfold.Errorf(pinfold.Unavailable, "the caller went away before the function's answer came: %w", ctx.Err())
}
