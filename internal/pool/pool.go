package pool

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"pinfold.dev/pinfold"
)

// Worker is one instance of a function: a running process that takes one
// invocation at a time.
type Worker interface {
	ID() string
	// Invoke runs one invocation. It ends by itself: at the latest soon after
	// the invocation's deadline, or when the worker is closed. An error with
	// the reason InstanceGone means that the function has not run, so that
	// another worker may run it.
	Invoke(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Result, error)
	// Done is closed when the process has ended, whatever the reason.
	Done() <-chan struct{}
	// Reusable reports, after an invocation, whether the worker can take
	// another: one that timed out or crashed cannot.
	Reusable() bool
	// Lingers reports whether the worker has answered, but works on for the
	// invocation that it answered, and has for longer than is usual. Another
	// invocation had better go elsewhere.
	Lingers() bool
	// Close ends the process, waits for that, and leaves nothing behind.
	Close() error
}

// Launch starts an instance of a version and returns it ready for its first
// invocation. Its error goes to the invocation that waited longest. The context
// ends when the pool closes, not when that invocation does.
type Launch func(ctx context.Context, v *pinfold.Version) (Worker, error)

// InstanceGone is the reason of a [Worker]'s error when its process turned out to
// be gone before it got the invocation.
const InstanceGone = "InstanceGone"

// maxAttempts is how many instances an invocation tries that turn out to be gone.
const maxAttempts = 3

// key tells instances of different content apart. It is equal where
// [pinfold.Version.Key] is, and costs no allocation.
type key struct {
	ref      pinfold.FunctionRef
	revision string
}

func keyOf(v *pinfold.Version) key { return key{v.Ref, v.RevisionID} }

// Pool lends instances to invocations.
type Pool struct {
	launch Launch
	config Config

	life context.Context // of launches and the janitor
	end  context.CancelFunc
	wg   sync.WaitGroup // every goroutine of the pool

	mu        sync.Mutex
	settled   *sync.Cond // signalled, once closing, when an invocation or a wait is over
	closing   bool
	sets      map[key]*set
	instances map[*instance]struct{} // all that are not Gone
	wanted    []*set                 // launches that are asked for, in order of asking
	launching int
	draining  int
	busy      int
	waiting   int
}

// set is all the instances of one key, and who waits for one.
type set struct {
	version *pinfold.Version
	count   map[State]int
	idle    []*instance // Ready, least recently used first
	waiters []*waiter   // longest waiting first
	wanted  int         // its entries in Pool.wanted
	// outdated sets serve who waits, but keep nothing.
	outdated bool
}

type waiter struct {
	since time.Time
	grant chan grant // has room for the one value it ever gets
}

// grant ends a wait: an instance that is Busy for the waiter, or an error.
type grant struct {
	in     *instance
	queued time.Duration
	err    error
}

// New returns a pool whose instances come from launch. Close it.
func New(launch Launch, config Config) *Pool {
	p := &Pool{
		launch:    launch,
		config:    config.withDefaults(),
		sets:      map[key]*set{},
		instances: map[*instance]struct{}{},
	}
	p.settled = sync.NewCond(&p.mu)
	p.life, p.end = context.WithCancel(context.Background())
	p.wg.Go(p.expireIdle)
	return p
}

// Invoke lends an instance of v to inv and returns what came of it.
//
// It waits for an instance until inv.Deadline (for ever, if that is zero) and
// then gives up with code Throttled. Waiting and launching do not cost the
// function its time: once an instance is there, inv.Deadline is set anew to the
// version's timeout from now. If ctx ends first, Invoke returns with code
// Timeout or Unavailable; a function that runs by then runs on to its end, as
// on AWS, so the payload must not be reused.
func (p *Pool) Invoke(ctx context.Context, v *pinfold.Version, inv *pinfold.Invocation) (*pinfold.Result, error) {
	deadline := inv.Deadline
	var queued time.Duration
	for attempt := 1; ; attempt++ {
		in, wait, err := p.acquire(ctx, v, deadline)
		if err != nil {
			return nil, err
		}
		queued += wait
		if timeout := v.Config.Timeout.Duration(); timeout > 0 {
			inv.Deadline = time.Now().Add(timeout)
		}
		res, err := p.deliver(ctx, in, inv, queued)
		if attempt == maxAttempts || pinfold.ReasonOf(err) != InstanceGone {
			return res, err
		}
	}
}

// deliver has in run the invocation, and leaves it running if ctx ends.
func (p *Pool) deliver(ctx context.Context, in *instance, inv *pinfold.Invocation, queued time.Duration) (*pinfold.Result, error) {
	if ctx.Done() == nil {
		return p.run(ctx, in, inv, queued)
	}
	type outcome struct {
		res *pinfold.Result
		err error
	}
	over := make(chan outcome, 1)
	p.wg.Go(func() { // the pool is not yet closed: in is busy
		res, err := p.run(context.WithoutCancel(ctx), in, inv, queued)
		over <- outcome{res, err}
	})
	select {
	case o := <-over:
		return o.res, o.err
	case <-ctx.Done():
		return nil, gaveUp(ctx)
	}
}

func (p *Pool) run(ctx context.Context, in *instance, inv *pinfold.Invocation, queued time.Duration) (*pinfold.Result, error) {
	defer p.release(in)
	res, err := in.worker.Invoke(ctx, inv)
	if res != nil {
		res.Phases.Queue += queued
	}
	return res, err
}

// acquire lends an instance: the one that was used last, so that the others can
// go, or else the first that becomes free or comes up. queued is the time
// spent waiting, without that of a launch which began for this wait.
func (p *Pool) acquire(ctx context.Context, v *pinfold.Version, deadline time.Time) (in *instance, queued time.Duration, err error) {
	k := keyOf(v)
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		return nil, 0, shuttingDown()
	}
	s := p.sets[k]
	if s == nil {
		s = &set{version: v, count: map[State]int{}}
		p.sets[k] = s
	}
	if in := p.popIdle(s); in != nil {
		p.move(in, acquired)
		p.mu.Unlock()
		return in, 0, nil
	}
	if p.waiting >= p.config.MaxWaiting {
		p.forget(s)
		p.mu.Unlock()
		return nil, 0, throttled()
	}
	w := &waiter{since: time.Now(), grant: make(chan grant, 1)}
	s.waiters = append(s.waiters, w)
	p.waiting++
	p.want(s)
	p.schedule()
	p.mu.Unlock()
	return p.await(ctx, s, w, deadline)
}

// await waits for the grant, the deadline or the context.
func (p *Pool) await(ctx context.Context, s *set, w *waiter, deadline time.Time) (*instance, time.Duration, error) {
	var expired <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		expired = timer.C
	}
	var err error
	select {
	case g := <-w.grant:
		return g.in, g.queued, g.err
	case <-expired:
		err = throttled()
	case <-ctx.Done():
		err = gaveUp(ctx)
	}
	p.mu.Lock()
	left := p.leave(s, w)
	p.mu.Unlock()
	if !left { // served at the last moment: hand it back
		if g := <-w.grant; g.in != nil {
			p.release(g.in)
		}
	}
	return nil, 0, err
}

// release takes an instance back.
func (p *Pool) release(in *instance) {
	usable := in.worker.Reusable() && !in.ended()
	p.mu.Lock()
	defer p.mu.Unlock()
	in.lease.Done()
	switch {
	case in.state == Draining: // killed while it ran
		p.move(in, released)
	case usable:
		p.move(in, released)
		p.offer(in)
	default:
		p.retire(in)
	}
	p.schedule()
	if p.closing {
		p.settled.Broadcast()
	}
}

// offer gives a Ready instance to who has waited longest, or keeps it.
func (p *Pool) offer(in *instance) {
	s := in.set
	if len(s.waiters) > 0 && !in.worker.Lingers() { // who waits has a launch on its way
		p.move(in, acquired)
		p.serve(s, grant{in: in})
		return
	}
	if s.outdated || p.closing {
		p.retire(in)
		return
	}
	in.idleSince = time.Now()
	s.idle = append(s.idle, in)
}

// serve ends the longest wait in s.
func (p *Pool) serve(s *set, g grant) {
	w := s.waiters[0]
	s.waiters[0] = nil
	s.waiters = s.waiters[1:]
	p.waiting--
	g.queued = time.Since(w.since)
	if g.in != nil && g.in.firstUse() { // the launch has phases of its own
		g.queued = max(0, g.in.began.Sub(w.since))
	}
	w.grant <- g
}

// leave removes a waiter, and reports false if it has been served already.
func (p *Pool) leave(s *set, w *waiter) bool {
	for i := range s.waiters {
		if s.waiters[i] == w {
			s.waiters = append(s.waiters[:i:i], s.waiters[i+1:]...)
			p.waiting--
			p.forget(s)
			if p.closing {
				p.settled.Broadcast()
			}
			return true
		}
	}
	return false
}

// popIdle takes the most recently used idle instance that is alive and has
// nothing left to do.
func (p *Pool) popIdle(s *set) *instance {
	for i := len(s.idle) - 1; i >= 0; i-- {
		in := s.idle[i]
		switch {
		case in.ended():
			p.retire(in) // which takes it out of s.idle
		case !in.worker.Lingers():
			s.idle = slices.Delete(s.idle, i, i+1)
			return in
		}
	}
	return nil
}

// Drain makes the instances of every version that match reports true for go,
// each as soon as it is idle. Invocations of such a version that run or wait are
// served first, and later ones too. match must not call the pool.
func (p *Pool) Drain(match func(*pinfold.Version) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sets {
		if match(s.version) {
			s.outdated = true
			p.retireIdle(s)
		}
	}
}

func (p *Pool) retireIdle(s *set) {
	for len(s.idle) > 0 {
		p.retire(s.idle[len(s.idle)-1])
	}
}

// Close stops taking invocations, waits until those under way are over or ctx
// ends, kills what is left, and waits until every instance is gone. Its error
// says how many invocations were cut off.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closing = true
	for _, s := range p.sets {
		p.retireIdle(s)
	}
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.settled.Broadcast()
	})
	for p.busy+p.waiting > 0 && ctx.Err() == nil {
		p.settled.Wait()
	}
	stop()
	cut := p.busy + p.waiting
	for _, s := range p.sets {
		for len(s.waiters) > 0 {
			p.serve(s, grant{err: shuttingDown()})
		}
	}
	for in := range p.instances {
		p.retire(in)
	}
	p.mu.Unlock()
	p.end()
	p.wg.Wait()
	if cut > 0 {
		return pinfold.Errorf(pinfold.Timeout, "%d invocations were cut off: they were not over in the time to drain", cut)
	}
	return nil
}

// throttled is Lambda's answer at the account's limit. Source: the Lambda API
// reference, TooManyRequestsException; the text as recorded in
// github.com/HumanCellAtlas/data-store/issues/1118.
func throttled() error {
	return pinfold.Errorf(pinfold.Throttled, "Rate Exceeded.").WithReason("ConcurrentInvocationLimitExceeded")
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

// log is where the pool reports what no invocation hears of.
func (p *Pool) log() *slog.Logger { return p.config.Log }
