package pool

import (
	"container/heap"
	"time"
)

// Fairness between functions.
//
// Turns: launches, and places at the account's limit, are given by start-time
// fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queueing", SIGCOMM 1996)
// over functions, all of weight 1. Each launch or place costs a turn; a function
// that comes anew begins at the present one, so it neither waits for what others
// have asked for before it nor has saved up any.
//
// Memory: where there is none, and nothing idle to evict, a busy instance is not
// given to the next of its own queue but retired, for a function that waits for
// memory and would hold no more than this one keeps (which ends when both hold
// about the same), or that holds nothing at all while this instance has had its
// slice: ten launches long, so that changing hands costs a tenth at most.
//
// Room to wait: who comes when it is full takes the place of the last of the
// longest queue.

// turns is whose turn it is.
type turns struct {
	heir    *function              // a busy instance was retired so that this one can have its memory
	virtual float64                // where turns are
	wanting wanting                // functions that want launches
	short   bool                   // the launch whose turn it is waits for memory
	queues  map[*function]struct{} // functions with invocations that wait
}

// turn is a function's part in it.
type turn struct {
	at      float64 // its next turn
	index   int     // in turns.wanting, from 1; 0 if it is not there
	waiting int     // invocations that wait, for whatever
	heldMB  int     // by its instances
}

const minSlice = time.Second

// wanting is a heap of functions by their turns.
type wanting []*function

func (w wanting) Len() int           { return len(w) }
func (w wanting) Less(i, j int) bool { return w[i].turn.at < w[j].turn.at }
func (w wanting) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].index, w[j].index = i+1, j+1
}
func (w *wanting) Push(x any) {
	f := x.(*function)
	*w = append(*w, f)
	f.index = len(*w)
}
func (w *wanting) Pop() any {
	last := len(*w) - 1
	f := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	f.index = 0
	return f
}

// queueUp has a function want launches.
func (p *Pool) queueUp(f *function) {
	if f.index == 0 {
		p.catchUp(f)
		heap.Push(&p.wanting, f)
	}
}

// catchUp begins a function's turns at the present one.
func (p *Pool) catchUp(f *function) { p.setTurn(f, max(f.turn.at, p.virtual)) }

func (p *Pool) takeTurn(f *function) {
	p.virtual = max(p.virtual, f.turn.at)
	p.setTurn(f, f.turn.at+1)
}

func (p *Pool) setTurn(f *function, at float64) {
	f.turn.at = at
	if f.index > 0 {
		heap.Fix(&p.wanting, f.index-1)
	}
}

// next returns the set whose launch is next, or nil.
func (p *Pool) next() *set {
	if p.heir != nil {
		if s := p.neediest(p.heir); s != nil {
			return s
		}
		p.heir = nil
	}
	for len(p.wanting) > 0 {
		if s := p.neediest(p.wanting[0]); s != nil {
			return s
		}
		heap.Pop(&p.wanting)
	}
	return nil
}

// neediest returns, of the sets of f that lack an instance, the one that has let
// somebody wait longest.
func (p *Pool) neediest(f *function) (neediest *set) {
	for _, s := range f.sets {
		if s.waiters.len > 0 && p.lack(s) > 0 && (neediest == nil || s.waitedSince() < neediest.waitedSince()) {
			neediest = s
		}
	}
	return neediest
}

func (s *set) waitedSince() time.Duration { return s.waiters.first.value.since }

// schedule starts the launches that are asked for, as far as limits and memory
// allow; after those that somebody waits for, the others.
func (p *Pool) schedule() {
	p.short = false
	for p.launching < p.config.MaxLaunches {
		s := p.next()
		if s == nil {
			p.launchDuties()
			return
		}
		if !p.room(s) {
			p.short = true
			return
		}
		p.heir = nil
		p.takeTurn(s.function)
		s.queue.push, s.queue.grown = false, p.now()
		p.start(s, false)
	}
}

// mustYield reports whether an instance is to make room for one of another
// function, which inherits its memory.
func (p *Pool) mustYield(in *instance) bool {
	if !p.short || in.kept || p.heir != nil {
		return false
	}
	poor, rich := p.poorest(), in.set.function
	if poor == nil || poor == rich {
		return false
	}
	s := p.neediest(poor)
	if s == nil || p.willFit(p.estimate(s)) {
		return false
	}
	equal := poor.heldMB+p.estimate(s) <= rich.heldMB-in.sizeMB
	slice := max(minSlice, 10*in.value.cost)
	if equal || poor.heldMB == 0 && p.now()-in.began >= slice {
		p.heir = poor
	}
	return p.heir != nil
}

// poorest returns, of the functions that want launches, the one that holds least;
// of several the one whose turn it is.
func (p *Pool) poorest() (poorest *function) {
	for _, f := range p.wanting {
		if poorest == nil || f.heldMB < poorest.heldMB || f.heldMB == poorest.heldMB && f.turn.at < poorest.turn.at {
			poorest = f
		}
	}
	return poorest
}

// roomToWait reports whether one more invocation of f may wait. Where there is
// no room it makes some, at the cost of a longer queue than f's.
func (p *Pool) roomToWait(f *function) bool {
	if p.waiting < p.config.MaxWaiting {
		return true
	}
	longest := f
	for other := range p.queues {
		if other.waiting > longest.waiting {
			longest = other
		}
	}
	if longest.waiting <= f.waiting+1 {
		return false
	}
	p.turnAway(longest.newest(), throttled(accountLimit))
	return true
}

// newest returns the waiter of f that came last.
func (f *function) newest() (newest *waiter) {
	if n := f.limited.last; n != nil {
		newest = n.value
	}
	for _, s := range f.sets {
		if n := s.waiters.last; n != nil && (newest == nil || n.value.since > newest.since) {
			newest = n.value
		}
	}
	return newest
}

// turnAway ends a wait with an error.
func (p *Pool) turnAway(w *waiter, err error) {
	if w.set != nil {
		p.serve(w, nil, err)
	} else {
		p.grant(w, nil, err)
	}
}
