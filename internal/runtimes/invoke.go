package runtimes

import (
	"context"
	"errors"
	"slices"
	"time"

	"pinfold.dev/pinfold"
)

// An invocation goes through an instance by these events, whoever brings them:
//
//	Invoke    enters it: it runs at once, or is sent ahead of its turn, or has the
//	          function loaded first
//	answered  it has an answer; the first that was sent ahead begins
//	asked     the runtime has done with it, where an answer is not enough
//	tickOff   its time is over
//	ended     the process has ended under it

// Invoke runs the function once and returns what came of it: an answer, or a
// function error. It returns early if ctx ends; the function runs on then, as on
// AWS. over is called once, from any goroutine, when the instance has done with
// the invocation.
//
// An error with the reason "InstanceGone" means that the function has not run,
// so another instance may run it.
func (in *Instance) Invoke(ctx context.Context, inv *pinfold.Invocation, over func()) (*pinfold.Result, error) {
	c := newCall(inv, over)
	c.arn, c.limit = in.functionARN(inv), in.limit
	switch in.enter(c) {
	case refused:
		over()
		return nil, gone(nil)
	case revives:
		go in.revive(c) // Close waits for it
	case runs, inherits, follows:
		in.deliver(c)
	}
	return in.wait(ctx, c)
}

// deliver sends a call that has been enqueued.
func (in *Instance) deliver(c *call) {
	if err := in.worker.deliver(c); err != nil {
		in.kill() // it does not listen any more
	}
}

// entry is how a call begins in an instance.
type entry int

const (
	refused  entry = iota
	runs           // at once
	inherits       // likewise, but the log of the one before is not complete
	follows        // those that were sent before it
	revives        // the function must be loaded for it
	waits          // for that, too
)

// enter gives a call its place, if there is one. The process can have no call
// before its part of the log is open.
func (in *Instance) enter(c *call) entry {
	in.entering.Lock()
	defer in.entering.Unlock()
	how := in.admit(c)
	switch how {
	case runs:
		in.begin(c)
		in.worker.enqueue(c)
	case inherits, follows: // what the process says of it is read after its log is open
		in.worker.enqueue(c)
	}
	return how
}

func (in *Instance) admit(c *call) (how entry) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.broken:
		return refused
	case in.again && len(in.running) == 0:
		how = revives
		in.reviving.Add(1)
	case in.again && len(in.running)+len(in.ahead) < in.room:
		how = waits
	case in.again:
		return refused
	case in.logging && len(in.running) == 0:
		how, in.heir = inherits, c
	case in.settle == nil && len(in.running) < in.room:
		how = runs
	case in.room == 1 && in.worker.settles() && len(in.ahead) < maxAhead:
		how = follows
	default:
		return refused
	}
	in.next++
	c.id = in.next
	if how == runs || how == inherits || how == revives {
		in.start(c)
	} else {
		c.came = time.Now()
		in.ahead = append(in.ahead, c)
	}
	return how
}

// start has the time of a call begin. The caller holds in.mu.
func (in *Instance) start(c *call) {
	c.began, c.cold = time.Now(), !in.used
	c.by = c.began.Add(c.limit)
	in.used = true
	in.running[c.id] = c
	in.wakeAt(c.by)
}

// wakeAt has the timer go off at a time, or before. It is usually set already,
// for an invocation that ended long ago: the limit is the same for all.
func (in *Instance) wakeAt(at time.Time) {
	if !in.tick.IsZero() && !at.Before(in.tick) {
		return
	}
	in.tick = at
	if in.timer == nil {
		in.timer = time.AfterFunc(time.Until(at), in.tickOff)
	} else {
		in.timer.Reset(time.Until(at))
	}
}

// begin opens a call's part of the log.
func (in *Instance) begin(c *call) {
	if in.room == 1 {
		in.out.drain() // what came before is not this call's
	}
	in.out.begin(c, in.room == 1)
	in.log.start(c)
}

// wait waits for the end of a call, and gives the caller what comes before that.
func (in *Instance) wait(ctx context.Context, c *call) (*pinfold.Result, error) {
	// A context that ends after the function must have need not be watched, which
	// would cost a timer.
	var done <-chan struct{}
	if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) < 2*in.limit {
		done = ctx.Done()
	}
	for {
		select {
		case o := <-c.result:
			if c.wake != nil {
				in.hand(c)
			}
			return in.result(c, &o)
		case <-c.wake:
			in.hand(c)
		case <-done:
			if !c.told.CompareAndSwap(false, true) { // the result is there
				done = nil
				continue
			}
			in.leave(c)
			c.inv.Left = true
			return nil, gaveUp(ctx)
		}
	}
}

func gaveUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return pinfold.Errorf(pinfold.Timeout, "the caller's time was over before the function's answer came: %w", ctx.Err())
	}
	return pinfold.Errorf(pinfold.Unavailable, "the caller went away before the function's answer came: %w", ctx.Err())
}

// answered takes in the answer of a call. It is called by who reads what the
// process says, so that what comes after it belongs to the next call.
func (in *Instance) answered(c *call, a answer) {
	if a.streamed && c.wake == nil { // it may be much, and others wait for the lock
		a.payload, a.size = in.flowOf(c).collected()
	}
	in.mu.Lock()
	if in.running[c.id] != c || c.final != nil { // over already
		if in.running[c.id] == c {
			in.heir = in.follow() // the process may get as far as that before it is killed
		}
		in.mu.Unlock()
		in.inherit()
		return
	}
	o := c.outcome(a)
	if a.fatal { // the rest when the process has ended
		in.broken = true
		c.end(o, time.Now().Add(idleLimit))
		in.wakeAt(c.by)
		in.mu.Unlock()
		in.tell(c)
		return
	}
	if !in.worker.settles() && in.room == 1 {
		c.end(o, later(c.by, time.Now().Add(idleLimit)))
		in.settle = c
		in.wakeAt(c.by)
		in.mu.Unlock()
		in.tell(c)
		return
	}
	c.final = o
	delete(in.running, c.id)
	in.heir, in.logging = in.follow(), in.room == 1
	in.mu.Unlock()
	in.complete(c)
	if in.room == 1 {
		in.inherit()
	}
	c.over()
}

// inherit opens the log of the call that has begun while that of the one before
// was completed, if there is one.
func (in *Instance) inherit() {
	in.mu.Lock()
	next := in.heir
	in.heir, in.logging = nil, false
	in.mu.Unlock()
	if next != nil {
		in.out.begin(next, true)
		in.log.start(next)
	}
}

// follow has the first call begin that was sent ahead, if there is one. The caller
// holds in.mu.
func (in *Instance) follow() *call {
	if len(in.ahead) == 0 {
		return nil
	}
	next := in.ahead[0]
	in.ahead = slices.Delete(in.ahead, 0, 1)
	in.start(next)
	return next
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// asked says that the runtime has nothing left to do for the call that it
// answered last.
func (in *Instance) asked() {
	in.mu.Lock()
	c := in.settle
	in.settle = nil
	if c != nil {
		delete(in.running, c.id)
	}
	in.mu.Unlock()
	if c != nil {
		in.conclude(c)
	}
}

// tickOff looks whose time is over. It is the timer's.
func (in *Instance) tickOff() {
	in.mu.Lock()
	in.tick = time.Time{}
	if in.closing {
		in.mu.Unlock()
		return
	}
	now := time.Now()
	var late []*call
	for _, c := range in.running {
		if c.by.After(now) {
			in.wakeAt(c.by)
			continue
		}
		if c.final == nil {
			c.final = timedOut(c)
			if !in.again { // revive tells
				late = append(late, c)
			}
		}
		in.broken = true
		in.kill()
	}
	in.mu.Unlock()
	for _, c := range late {
		in.tell(c)
	}
}

// ended ends what was under way in a process that has.
func (in *Instance) ended(b *body) {
	in.mu.Lock()
	in.broken = true
	cut := make([]*call, 0, len(in.running))
	for id, c := range in.running {
		if c.final == nil {
			c.final = in.cutOff(b, c)
		}
		delete(in.running, id)
		cut = append(cut, c)
	}
	ahead := in.ahead
	in.ahead, in.settle = nil, nil
	in.mu.Unlock()
	for _, c := range cut {
		in.conclude(c)
	}
	turnAway(ahead)
	in.endDone()
}

// turnAway ends calls that have not begun.
func turnAway(calls []*call) {
	for _, c := range calls {
		c.final = &outcome{err: gone(nil)}
		c.refuse()
		c.over()
	}
}

// cutOff is what comes of a call whose process has ended without an answer.
func (in *Instance) cutOff(b *body, c *call) *outcome {
	switch {
	case b.worker.unread(c):
		return &outcome{err: gone(nil)}
	case in.closing:
		return &outcome{err: pinfold.Errorf(pinfold.Unavailable, "the platform ended the instance while the function ran")}
	}
	return &outcome{failure: exitFailure(b.box.Exit()), status: "error", fatal: true, duration: time.Since(c.began)}
}

// tell gives the caller what came of a call, unless he wants to see its log first.
// Whoever observes it is told before: what was answered is metered, even if the
// platform is killed in the next moment.
func (in *Instance) tell(c *call) {
	c.counted.Do(func() { in.count(c) })
	if !c.inv.WantLogTail {
		c.tell()
	}
}

// conclude does what is to be done for a call that is over: its log is completed,
// the caller is told if he has not been, and the place is free.
func (in *Instance) conclude(c *call) {
	in.complete(c)
	c.over()
}

func (in *Instance) complete(c *call) {
	if c.final.err != nil {
		in.out.end(c)
		c.refuse()
		return
	}
	in.tell(c)
	in.report(c)
	if tail := in.out.end(c); c.inv.WantLogTail {
		c.final.tail = tail
		c.tell()
	}
}
