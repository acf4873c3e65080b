package pool

import (
	"time"

	"pinfold.dev/pinfold"
)

// lend gives out an instance of s, if one can be had without waiting: the Ready
// one that was used last, so that the others can go; one with a place; a Frozen
// one; or a busy one that is about to be done. Nobody overtakes who waits.
func (p *Pool) lend(s *set, ahead bool) *lease {
	if s.waiters.len > 0 {
		return nil
	}
	if p.packs(s) {
		if in := p.withPlace(s, true); in != nil {
			return p.give(in)
		}
	}
	if in := p.newest(&s.ready); in != nil {
		return p.give(in)
	}
	if in := p.withPlace(s, false); in != nil {
		return p.give(in)
	}
	if in := p.newest(&s.cold); in != nil {
		return p.give(in)
	}
	if ahead && s.known.quick() {
		var best *instance
		for _, in := range s.active {
			if (best == nil || in.running < best.running) && p.takesAhead(in) {
				best = in
			}
		}
		if best != nil {
			return p.give(best)
		}
	}
	return nil
}

// newest takes the last living instance of a list.
func (p *Pool) newest(l *[]*instance) *instance {
	for len(*l) > 0 {
		in := (*l)[len(*l)-1]
		if !in.ended() {
			return in
		}
		p.bereave(in)
	}
	return nil
}

// packs reports whether invocations go together into as few instances as can be:
// on a machine that has nothing to spare one process that is woken for many short
// ones costs less than many that are woken for one each.
func (p *Pool) packs(s *set) bool {
	return len(s.active) > 0 && s.active[0].places > 1 && s.known.quick() && !p.config.Spare()
}

// withPlace finds an instance that runs something and has places left: the one
// with the fewest, or with the most.
func (p *Pool) withPlace(s *set, fewest bool) (best *instance) {
	for _, in := range s.active {
		if in.places == 1 {
			return nil // none of them has
		}
		if in.state == Busy && in.running < in.places && !in.ended() &&
			(best == nil || fewest && in.running > best.running || !fewest && in.running < best.running) {
			best = in
		}
	}
	return best
}

// takesAhead reports whether an instance can be given one invocation more than
// it has. What is sent ahead cannot be called back: it is not worth its risk where
// a function may be slow, where the one that runs already is, or where it would be
// long until its turn.
func (p *Pool) takesAhead(in *instance) bool {
	if in.state != Busy || in.places != 1 || in.alone || !in.set.known.quick() || p.now()-in.since >= shortService {
		return false
	}
	wait := time.Duration(in.running) * time.Duration(in.set.known.service)
	return wait < quickService && in.running < 1+in.worker.Ahead()
}

// give lends a place of an instance.
func (p *Pool) give(in *instance) *lease {
	var l *lease
	if n := len(in.spare); n > 0 {
		l = in.spare[n-1]
		in.spare = in.spare[:n-1]
	} else {
		l = &lease{in: in}
		l.over = func() { p.release(l, true) }
	}
	p.move(in, acquired)
	l.began = p.now()
	l.asleep = in.state == Thawing
	if in.running == 0 {
		in.since = l.began
	}
	in.running++
	in.uses++
	l.placed = pinfold.Placement{}
	in.value.use(p)
	return l
}

// release takes a place back. ran says whether the function has run in it.
func (p *Pool) release(l *lease, ran bool) {
	in := l.in
	usable := in.worker.Reusable() && !in.ended()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if ran {
		began := l.began
		if in.places == 1 {
			began = in.since // if it was sent ahead, it began when the one before was over
		}
		in.set.known.served(now-began, usable)
	}
	in.since = now
	l.turns.Add(1)
	in.spare = append(in.spare, l)
	in.running--
	in.alone = false
	in.broke = in.broke || !usable
	if usable {
		p.feed(in)
	}
	if in.running > 0 {
		p.move(in, released)
	} else {
		in.idleSince = now
		p.move(in, idled)
	}
	switch {
	case in.state == Draining:
		p.vacate(in)
	case !usable:
		p.retire(in)
	case in.state == Ready:
		p.keep(in)
	}
	p.leave(l)
	if !usable || p.short {
		p.schedule()
	}
}

// leave ends the function's claim to a place among those that run.
func (p *Pool) leave(l *lease) {
	f := l.in.set.function
	if l.answered {
		l.answered = false
		f.answered--
		p.admission.answered--
	}
	p.exit(f)
}

// answered notes that the caller of l has its answer, though the worker has not
// done with the invocation.
func (p *Pool) answered(l *lease, turn uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.turns.Load() == turn {
		l.answered = true
		l.in.set.function.answered++
		p.admission.answered++
	}
}

// offer gives a Ready instance to who waits, or keeps it.
func (p *Pool) offer(in *instance) {
	p.feed(in)
	if in.state == Ready {
		p.keep(in)
	}
}

// feed gives the places of an instance to who has waited longest.
func (p *Pool) feed(in *instance) {
	s := in.set
	for s.waiters.len > 0 && in.state != Draining {
		w := s.waiters.first.value
		if in.running >= in.places && (w.again || !p.takesAhead(in)) {
			return
		}
		if p.mustYield(in) || p.sheds(in) {
			p.retire(in)
			return
		}
		l := p.give(in)
		in.alone = w.again
		p.serve(w, l, nil)
	}
}

// serve ends a wait for an instance. Without a lease the invocation has failed.
func (p *Pool) serve(w *waiter, l *lease, err error) {
	s := w.set
	s.queue.progress = p.now()
	p.grant(w, l, err)
	if l == nil {
		p.exit(s.function)
	}
}

// keep has an instance idle, unless nobody is to have it any more.
func (p *Pool) keep(in *instance) {
	s := in.set
	if s.outdated || p.closing {
		p.retire(in)
		return
	}
	p.expectIdle(in)
}

// waitForInstance has an invocation that was let in wait for an instance of s,
// and asks for a launch if the queue is worth one. It returns nil if there is no
// room to wait. One that waits again is not sent ahead to a busy instance.
func (p *Pool) waitForInstance(s *set, again bool) *waiter {
	w := p.line(s.function, s, &s.waiters)
	if w == nil {
		return nil
	}
	w.again = again
	if s.waiters.len == 1 {
		s.queue.begin(w.since)
	}
	p.want(s)
	p.schedule()
	p.watchQueues()
	return w
}

// thaw wakes the instance of a lease for its holder. It reports false if that
// cannot be done; the lease is void then.
func (p *Pool) thaw(l *lease) bool {
	in := l.in
	<-in.stopped // it may have been acquired while it was being frozen
	var err error
	if in.frozen {
		err = in.freezer.Thaw(p.life)
	}
	p.mu.Lock()
	in.frozen = false
	p.move(in, thawed)
	if err != nil {
		p.log().Warn("thawing an instance", "function", in.set.version.Ref.ARN(), "instance", in.worker.ID(), "error", err)
		p.retire(in)
	} else {
		l.began = p.now()
		in.since = l.began
		p.feed(in)
	}
	p.mu.Unlock()
	if err != nil {
		p.release(l, false)
	}
	return err == nil
}
