package pool

import (
	"time"
)

// Keep-alive is a cache of instances under one budget of memory: GreedyDual
// (Cao, Irani: "Cost-Aware WWW Proxy Caching Algorithms", 1997; for functions:
// Fuerst, Sharma: "FaasCache", ASPLOS 2021). An idle instance is worth what its
// launch has cost, times how often it is used, for each megabyte that it holds.
// The one that is worth least goes first, and what it was worth is added to all
// that are used from then on: so who is not used any more gets poorer than the
// others, however well he began.

// memory is the budget and who holds it.
type memory struct {
	usedMB     int     // by all that are not Gone, cells too
	drainingMB int     // of that, by those that are on their way out
	clock      float64 // what the last victim was worth
	evicted    uint64  // victims, ever
	// awake and asleep are the idle ones, longest idle first: those to be frozen,
	// and those that are frozen or never will be.
	awake, asleep list[*instance]
	due           time.Duration // when the janitor comes next
}

// value is what keeping an instance is worth.
type value struct {
	cost  time.Duration // of its launch
	heat  float64       // how often it is used; it cools down
	clock float64       // the pool's, when it was used last
}

func (v *value) use(p *Pool) {
	v.heat++
	v.clock = p.clock
}

func (in *instance) worth() float64 {
	return in.value.clock + in.value.cost.Seconds()*in.value.heat/float64(max(1, in.sizeMB))
}

// estimate is what an instance of s will hold.
func (p *Pool) estimate(s *set) int {
	if s.known.sizeMB > 0 {
		return int(s.known.sizeMB)
	}
	return p.config.InstanceMB
}

// charge sets what an instance takes of the budget.
func (p *Pool) charge(in *instance, mb int) {
	p.usedMB += mb - in.sizeMB
	in.set.function.heldMB += mb - in.sizeMB
	in.sizeMB = mb
}

// fits reports whether there is memory for mb more. If nothing is there at all
// it must fit.
func (p *Pool) fits(mb int) bool { return p.usedMB+mb <= p.config.MemoryMB || p.usedMB == 0 }

// willFit reports whether there will be when those are gone that are on their way.
func (p *Pool) willFit(mb int) bool {
	return p.usedMB-p.drainingMB+mb <= p.config.MemoryMB || p.usedMB == p.drainingMB
}

// room reports whether there is memory for an instance of s. If there is none
// it makes some, and the launch has to wait until that is there.
func (p *Pool) room(s *set) bool {
	need := p.estimate(s) - p.cellMB(s)
	if p.fits(need) {
		return true
	}
	p.makeRoom(need, 0)
	for !p.willFit(need) && p.evictCell(s.kind) {
	}
	return false
}

// settledIdle is how long an instance must have been idle to be a victim where
// nobody waits for its memory.
const settledIdle = time.Second

// makeRoom retires instances that have been idle for a while, the one worth least
// first, until there will be memory for mb more.
func (p *Pool) makeRoom(mb int, idle time.Duration) {
	for !p.willFit(mb) {
		victim := p.victim(p.now() - idle)
		if victim == nil {
			return
		}
		p.clock = max(p.clock, victim.worth())
		p.evicted++
		p.retire(victim)
	}
}

// victim is, of those that have been idle since then, the one worth least.
func (p *Pool) victim(since time.Duration) (least *instance) {
	worth := 0.0
	for _, l := range []*list[*instance]{&p.awake, &p.asleep} {
		for in := range l.all() {
			if in.kept || in.idleSince > since {
				continue
			}
			if w := in.worth(); least == nil || w < worth {
				least, worth = in, w
			}
		}
	}
	return least
}

// headroom is memory that is kept free where there is plenty, so that a launch
// need not wait until its victims are gone.
func (p *Pool) headroom() int {
	if p.config.MemoryMB < 16*p.config.InstanceMB {
		return 0
	}
	return 2 * p.config.InstanceMB
}

// rank puts an instance where idle ones are found, or takes it from there.
func (p *Pool) rank(in *instance) {
	in.idle.leave()
	switch {
	case in.state == Ready && in.freezer != nil:
		p.awake.push(&in.idle)
	case in.state == Ready || in.state == Frozen:
		p.asleep.push(&in.idle)
	}
}
