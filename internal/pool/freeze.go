package pool

import (
	"context"
	"errors"
	"time"
)

// sampleEvery is how often the memory of instances is looked at.
const sampleEvery = 10 * time.Second

// freezeLimit is how long it may take to stop an instance: others wait for the
// janitor, and who calls the function waits for this.
const freezeLimit = time.Second

// cooling is what is left of an instance's heat after each sample: half of it
// after ten minutes.
const cooling = 0.9885

// tidy is the janitor's goroutine: it freezes who has been idle for a while,
// retires who has been for long, and measures what all of them hold.
func (p *Pool) tidy() {
	timer := time.NewTimer(sampleEvery)
	defer timer.Stop()
	wait, sampled := time.Duration(0), p.now()
	for p.rest(p.janitor, timer, wait) {
		p.freezeIdle()
		if p.now()-sampled >= sampleEvery {
			p.sample()
			sampled = p.now()
		}
		wait = p.expireIdle(sampled + sampleEvery)
	}
}

// expectIdle sees to it that the janitor comes in time for an instance that
// has become idle.
func (p *Pool) expectIdle(in *instance) {
	due := in.idleSince + sampleEvery
	if in.freezer != nil {
		due = in.idleSince + p.config.FreezeAfter
	}
	if p.memory.due == 0 || due < p.memory.due {
		p.memory.due = due
		p.janitor.ring()
	}
}

// expireIdle retires who has been idle for too long, and returns how long the
// janitor may rest; 0 if there is nothing to do until somebody becomes idle.
func (p *Pool) expireIdle(sample time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, limit := p.now(), p.config.IdleTimeout
	p.memory.due = 0
	if len(p.instances) == 0 {
		return 0
	}
	due := max(sample, now+time.Millisecond)
	for _, l := range []*list[*instance]{&p.awake, &p.asleep} {
		for in := range l.all() {
			if limit < 0 || now-in.idleSince < limit {
				break
			}
			if !in.kept {
				p.retire(in)
			}
		}
		if n := l.first; n != nil && limit >= 0 && !n.value.kept {
			due = min(due, n.value.idleSince+limit)
		}
	}
	if n := p.awake.first; n != nil {
		due = min(due, n.value.idleSince+p.config.FreezeAfter)
	}
	p.memory.due = max(due, now+time.Millisecond)
	return p.memory.due - now
}

// freezeIdle freezes those whose time it is, one after the other.
func (p *Pool) freezeIdle() {
	for {
		p.mu.Lock()
		n := p.awake.first
		if n == nil || p.now()-n.value.idleSince < p.config.FreezeAfter {
			p.mu.Unlock()
			return
		}
		in := n.value
		in.stopped = make(chan struct{})
		p.move(in, chilled)
		p.mu.Unlock()
		p.freeze(in)
	}
}

// freeze stops an instance that is Freezing. It is measured before: it will not
// change any more.
func (p *Pool) freeze(in *instance) {
	mb := in.worker.MemoryMB()
	ctx, cancel := context.WithTimeout(p.life, freezeLimit)
	defer cancel()
	err := in.freezer.Freeze(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	defer close(in.stopped)
	p.measured(in, mb)
	switch {
	case err == nil:
		in.frozen = true
		p.move(in, froze)
	case errors.Is(err, errors.ErrUnsupported):
		in.freezer = nil
		p.move(in, unfrozen)
	default: // nobody knows what state it is in
		if p.life.Err() == nil {
			p.log().Warn("freezing an instance", "function", in.set.version.Ref.ARN(), "instance", in.worker.ID(), "error", err)
		}
		in.frozen = true
		p.move(in, unfrozen)
		if in.state == Ready {
			p.retire(in)
		}
	}
}

// sample measures the instances that may have changed, and lets their heat cool
// down.
func (p *Pool) sample() {
	p.mu.Lock()
	var up []*instance
	for in := range p.instances {
		in.value.heat *= cooling
		switch in.state {
		case Ready, Busy:
			up = append(up, in)
		}
	}
	p.mu.Unlock()
	for _, in := range up {
		mb := in.worker.MemoryMB()
		p.mu.Lock()
		p.measured(in, mb)
		p.mu.Unlock()
	}
	p.mu.Lock()
	p.makeRoom(0, 0) // they may hold more than was thought
	p.mu.Unlock()
}

// measured takes in what an instance holds. On its way out it is what it was.
func (p *Pool) measured(in *instance, mb int) {
	if mb <= 0 || in.state == Draining || in.state == Gone {
		return
	}
	p.charge(in, mb)
	in.set.known.sizeMB = int32(mb)
}
