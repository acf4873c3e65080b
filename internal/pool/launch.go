package pool

import (
	"sync"
	"time"
)

// instance is a worker and where it is in its life. Its fields are guarded by
// Pool.mu, but worker, which is set once, before the instance is Ready.
type instance struct {
	set       *set
	worker    Worker
	state     State
	uses      int
	began     time.Time      // when its launch began
	idleSince time.Time      // while it is in set.idle
	quit      chan struct{}  // closed when it is retired
	lease     sync.WaitGroup // held by the invocation that it serves
}

// ended reports whether the worker's process is no more.
func (in *instance) ended() bool {
	select {
	case <-in.worker.Done():
		return true
	default:
		return false
	}
}

func (in *instance) firstUse() bool { return in.uses == 1 }

// move leads an instance into the state after e and keeps the counts.
func (p *Pool) move(in *instance, e event) {
	from := in.state
	to := from.next(e)
	if from == to {
		return
	}
	in.state = to
	in.set.count[from]--
	in.set.count[to]++
	switch {
	case to == Busy:
		p.busy++
		in.uses++
		in.lease.Add(1)
	case from == Busy:
		p.busy--
	}
	switch {
	case to == Draining:
		p.draining++
	case from == Draining:
		p.draining--
	}
	if to == Gone {
		delete(p.instances, in)
		delete(in.set.count, Gone)
		p.forget(in.set)
	}
}

// start launches an instance of s. One goroutine leads it from here until it is
// Gone.
func (p *Pool) start(s *set) {
	in := &instance{set: s, state: Starting, began: time.Now(), quit: make(chan struct{})}
	s.count[Starting]++
	p.instances[in] = struct{}{}
	p.launching++
	p.wg.Go(func() {
		worker, err := p.launch(p.life, s.version)
		if !p.launched(in, worker, err) {
			return
		}
		select {
		case <-worker.Done():
			p.died(in)
			<-in.quit // at once, or when its invocation is over
		case <-in.quit:
		}
		if err := worker.Close(); err != nil {
			p.log().Warn("closing an instance", "function", s.version.Ref.ARN(), "instance", worker.ID(), "error", err)
		}
		in.lease.Wait() // if it was killed under an invocation
		p.mu.Lock()
		defer p.mu.Unlock()
		p.move(in, closed)
		p.schedule()
	})
}

// launched takes in what a launch gave. It reports whether there is a worker.
func (p *Pool) launched(in *instance, worker Worker, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.launching--
	if err != nil {
		p.move(in, failed)
		switch {
		case len(in.set.waiters) > 0:
			p.serve(in.set, grant{err: err})
			p.forget(in.set)
		case !p.closing:
			p.log().Warn("launching an instance", "function", in.set.version.Ref.ARN(), "error", err)
		}
	} else {
		in.worker = worker
		p.move(in, launched)
		if in.state == Ready {
			p.offer(in)
		}
	}
	p.schedule()
	if p.closing {
		p.settled.Broadcast()
	}
	return err == nil
}

// died retires an instance whose process ended while nobody used it. If
// somebody does, it is for release to retire it.
func (p *Pool) died(in *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if in.state == Ready {
		p.log().Info("an idle instance ended by itself", "function", in.set.version.Ref.ARN(), "instance", in.worker.ID())
		p.retire(in)
	}
}

// retire takes an instance out of use; its goroutine does the rest.
func (p *Pool) retire(in *instance) {
	if in.state == Ready {
		for i, other := range in.set.idle {
			if other == in {
				in.set.idle = append(in.set.idle[:i], in.set.idle[i+1:]...)
				break
			}
		}
	}
	if in.state != Draining {
		close(in.quit)
	}
	p.move(in, retired)
}

// forget drops a set that holds nothing and that nobody waits for.
func (p *Pool) forget(s *set) {
	if len(s.waiters) > 0 || s.wanted > 0 {
		return
	}
	for _, n := range s.count {
		if n > 0 {
			return
		}
	}
	if k := keyOf(s.version); p.sets[k] == s {
		delete(p.sets, k)
	}
}
