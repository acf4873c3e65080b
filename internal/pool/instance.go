package pool

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
)

// instance is a worker and where it is in its life. Its fields are guarded by
// Pool.mu, but those that are set before it is Ready and never changed.
type instance struct {
	set         *set
	worker      Worker
	freezer     Freezer // nil: it is never frozen
	places      int     // invocations that it takes at a time
	state       State
	why         pinfold.ColdReason // it was launched; Warm: not for an invocation
	broke       bool               // it ended by itself, or an invocation was the end of it
	provisioned bool               // it was launched to be kept; never changed
	kept        bool               // it is to be kept: counted in set.kept, never evicted
	cell        *cell              // what it is made of, while it is Starting

	running   int           // invocations that it has, one ahead included
	spare     []*lease      // for the next invocations
	alone     bool          // what it has was lost once: nothing is sent after it
	uses      int           // invocations that it ever had
	began     time.Duration // when its launch did
	made      time.Duration // when the making of it began: its cell was up
	since     time.Duration // while it is Busy: when it last began with one, or was done with one
	idleSince time.Duration
	idle      node[*instance] // in Pool.awake or Pool.asleep
	value     value           // of keeping it
	sizeMB    int             // of the budget that it takes

	quit    chan struct{} // closed when it is retired
	empty   chan struct{} // closed when it is retired and has no invocation
	stopped chan struct{} // closed when the freezing that was begun last is over
	frozen  bool          // what came of it
}

// lease is one of the invocations that an instance can have at a time. It is
// used for many, one after the other.
type lease struct {
	in    *instance
	over  func()        // takes the instance back
	began time.Duration // when it was given
	turns atomic.Uint64 // how often it was taken back
	// placed is how who waited for the instance to be launched came to it.
	placed pinfold.Placement
	// asleep: the instance must be thawed first. Only for who has the lease.
	asleep bool
	// answered: the caller has the answer, but the worker has not done yet.
	answered bool
}

// ended reports whether the worker's process is no more.
func (in *instance) ended() bool { return isClosed(in.worker.Done()) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// shelf is where a set keeps its instances that are in a state.
func (s *set) shelf(of State) *[]*instance {
	switch of {
	case Ready:
		return &s.ready
	case Freezing, Frozen:
		return &s.cold
	case Busy, Thawing:
		return &s.active
	}
	return nil
}

// move leads an instance into the state after e, and keeps the counts and the
// lists in which states are found.
func (p *Pool) move(in *instance, e event) {
	from := in.state
	to := from.next(e)
	if from == to {
		return
	}
	s := in.set
	in.state = to
	s.count[from]--
	s.count[to]++
	if old, new := s.shelf(from), s.shelf(to); old != new {
		if old != nil {
			takeFrom(old, in)
		}
		switch {
		case new == nil:
		case in.uses == 0: // it came too late for who waited: those that work go on first
			*new = slices.Insert(*new, 0, in)
		default:
			*new = append(*new, in)
		}
	}
	p.rank(in)
	if from == Starting {
		p.launching--
		p.keeper.ring()
	}
	switch to {
	case Draining:
		p.drainingMB += in.sizeMB
		s.known.lastEnd = pinfold.ColdEvicted
		if in.broke {
			s.known.lastEnd = pinfold.ColdFailed
		}
		p.unkeep(in, from)
	case Gone:
		p.bury(in, from)
	}
}

// bury forgets an instance that is Gone.
func (p *Pool) bury(in *instance, from State) {
	s := in.set
	if from == Draining {
		p.drainingMB -= in.sizeMB
	}
	p.unkeep(in, from)
	p.charge(in, 0)
	delete(p.instances, in)
	s.count[Gone]--
	s.live--
	p.forget(s)
	p.keeper.ring() // there is memory for a cell
}

// takeFrom removes an instance from a list. The one that is looked for is near
// the end as a rule.
func takeFrom(l *[]*instance, in *instance) {
	for i := len(*l) - 1; i >= 0; i-- {
		if (*l)[i] == in {
			*l = slices.Delete(*l, i, i+1)
			return
		}
	}
}

// start launches an instance of s. One goroutine leads it from here until it is
// Gone.
func (p *Pool) start(s *set, provisioned bool) {
	in := &instance{
		set: s, state: Starting, provisioned: provisioned, kept: provisioned, began: p.now(),
		why: p.coldReason(s, provisioned), quit: make(chan struct{}), empty: make(chan struct{}), stopped: make(chan struct{}),
	}
	in.idle.value, in.made = in, in.began
	close(in.stopped)
	s.count[Starting]++
	s.live++
	if provisioned {
		s.kept++
	}
	p.instances[in] = struct{}{}
	p.launching++
	in.cell = p.takeCell(in)
	p.charge(in, p.estimate(s))
	p.wg.Go(func() { p.lead(in) })
	p.makeRoom(p.headroom(), settledIdle)
}

// lead leads an instance through its life.
func (p *Pool) lead(in *instance) {
	worker, from, err := p.launch(in)
	if !p.launched(in, worker, from, err) {
		return
	}
	select {
	case <-worker.Done():
		p.died(in)
	case <-in.quit:
	}
	select {
	case <-in.empty:
	case <-p.life.Done(): // the pool waits no longer
	}
	<-in.stopped
	if err := worker.Close(); err != nil {
		p.log().Warn("closing an instance", "function", in.set.version.Ref.ARN(), "instance", worker.ID(), "error", err)
	}
	<-in.empty
	p.mu.Lock()
	defer p.mu.Unlock()
	p.move(in, closed)
	p.schedule()
}

// launch makes a worker, of a cell if there is one.
func (p *Pool) launch(in *instance) (Worker, origin, error) {
	ctx := p.life
	if in.provisioned {
		ctx = context.WithValue(ctx, purpose{}, forProvision)
	}
	for c, attempt := in.cell, 1; c != nil; attempt++ {
		<-c.up
		in.made = p.now()
		worker, dead := p.assign(ctx, c, in.set.version)
		if worker != nil {
			return worker, fromCell, nil
		}
		if !dead || attempt == maxAttempts {
			break // the launch will tell what is wrong
		}
		c = p.nextCell(in)
	}
	worker, err := p.launcher.Launch(ctx, in.set.version)
	return worker, fromNothing, err
}

// launched takes in what a launch gave. It reports whether there is a worker.
func (p *Pool) launched(in *instance, worker Worker, from origin, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.schedule()
	in.cell = nil
	s := in.set
	if err != nil {
		p.move(in, failed)
		p.launchFailed(in, err)
		return false
	}
	in.worker, in.places = worker, max(1, worker.Concurrency())
	if p.config.FreezeAfter >= 0 {
		in.freezer, _ = worker.(Freezer)
	}
	in.value.cost = p.now() - in.began
	p.noteLaunch(s, from, in.value.cost)
	p.provided(in, nil)
	in.idleSince = p.now()
	p.move(in, launched)
	if in.state == Ready {
		p.offer(in)
	} else { // it was retired meanwhile
		p.vacate(in)
	}
	return true
}

// launchFailed tells who waited longest. What is provisioned is tried again
// without troubling anybody.
func (p *Pool) launchFailed(in *instance, err error) {
	s := in.set
	switch {
	case in.provisioned:
		p.provided(in, err)
		p.want(s)
	case s.waiters.len > 0:
		p.serve(s.waiters.first.value, nil, err)
		p.want(s)
		p.forget(s)
		return
	}
	if !p.closing { // which ends launches
		p.log().Warn("launching an instance", "function", s.version.Ref.ARN(), "error", err)
	}
}

// died retires an instance whose process has ended.
func (p *Pool) died(in *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bereave(in)
	p.schedule()
}

func (p *Pool) bereave(in *instance) {
	if in.state != Draining && in.running == 0 {
		p.log().Info("an idle instance ended by itself", "function", in.set.version.Ref.ARN(), "instance", in.worker.ID())
	}
	in.broke = true
	p.retire(in)
}

// coldReason is why an instance is launched.
func (p *Pool) coldReason(s *set, provisioned bool) pinfold.ColdReason {
	switch {
	case provisioned:
		return pinfold.Warm
	case s.live > s.count[Draining]:
		return pinfold.ColdScaleOut
	case s.known.lastEnd != pinfold.Warm:
		return s.known.lastEnd
	case len(s.function.sets) > 1 || p.ran[s.key.ref.With("")]:
		return pinfold.ColdDeploy
	}
	return pinfold.ColdFirst
}

// retire takes an instance out of use; its goroutine does the rest, when the
// invocations that it has are over.
func (p *Pool) retire(in *instance) {
	if in.state == Draining {
		return
	}
	p.move(in, retired)
	close(in.quit)
	p.vacate(in)
	p.want(in.set)
}

// vacate lets an instance that is Draining go when it has nothing left to do.
func (p *Pool) vacate(in *instance) {
	if in.state == Draining && in.running == 0 && in.worker != nil && !isClosed(in.empty) {
		close(in.empty)
	}
}
