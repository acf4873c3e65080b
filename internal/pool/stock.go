package pool

import (
	"runtime"
	"time"
)

// How many cells are kept: for each kind as many as were taken, or would have
// been, in the busiest ten seconds of the last ten minutes, between
// Config.MinCells and Config.MaxCells, in a quarter of the budget. They may cost
// idle instances their place as launches do: where the budget is used up, cells
// are what keeps cold starts short.
const (
	demandWindow  = 10 * time.Second
	demandWindows = 60
	cellShare     = 4 // one part in so many of the budget is for cells
)

// A kind that does not boot is tried again after a second, then after twice as
// long each time, up to five minutes.
const (
	firstBackoff = time.Second
	maxBackoff   = 5 * time.Minute
)

func backoff(failures int) time.Duration {
	return min(maxBackoff, firstBackoff<<min(max(0, failures-1), 20))
}

// stock is the cells that there are.
type stock struct {
	kinds   map[string]*kind
	booting int
	cellsMB int // of the budget
}

// kind is the cells of one kind, and how many of them were wanted when.
type kind struct {
	name     string
	wanted   bool    // some function is of this kind
	waiting  []*cell // oldest first
	booting  []*cell // likewise; not those that are claimed
	sizeMB   int     // what one holds; 0 before one was measured
	failures int     // since one came up
	retryAt  time.Duration
	demand   [demandWindows]struct {
		window int64
		taken  int
	}
}

// kindOf returns the stock of a kind; nil where there is none to be.
func (p *Pool) kindOf(name string) *kind {
	if name == "" || p.config.MaxCells == 0 || p.closing {
		return nil
	}
	k := p.kinds[name]
	if k == nil {
		k = &kind{name: name}
		p.kinds[name] = k
	}
	return k
}

// note counts a cell that was taken or would have been.
func (k *kind) note(now time.Duration) {
	window := int64(now/demandWindow) + 1
	d := &k.demand[window%demandWindows]
	if d.window != window {
		d.window, d.taken = window, 0
	}
	d.taken++
}

// target is how many cells of k there should be.
func (p *Pool) target(k *kind) int {
	oldest := int64(p.now()/demandWindow) + 1 - demandWindows
	most := 0
	for _, d := range k.demand {
		if d.window > oldest {
			most = max(most, d.taken)
		}
	}
	if most == 0 && !k.wanted {
		return 0
	}
	return min(max(most, p.config.MinCells), p.config.MaxCells)
}

func (k *kind) setBack(now time.Duration) {
	k.failures++
	k.retryAt = now + backoff(k.failures)
}

// Want says which kinds of cells the functions that there are need, so that there
// is one before the first of them is called. Kinds that are not named are kept
// only as long as they are in demand.
func (p *Pool) Want(kinds ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.kinds {
		k.wanted = false
	}
	for _, name := range kinds {
		if k := p.kindOf(name); k != nil {
			k.wanted = true
		}
	}
	p.keeper.ring()
}

func (p *Pool) sizeOf(k *kind) int {
	if k.sizeMB > 0 {
		return k.sizeMB
	}
	return p.config.InstanceMB
}

// hasCell reports whether an instance of s would be made of a cell.
func (p *Pool) hasCell(s *set) bool {
	k := p.kinds[s.kind]
	return k != nil && len(k.waiting) > 0
}

// cellMB is what the cell that an instance of s would be made of holds already.
func (p *Pool) cellMB(s *set) int {
	if k := p.kinds[s.kind]; k != nil {
		if c := p.cellFor(k); c != nil {
			return c.sizeMB
		}
	}
	return 0
}

// evictCell retires a cell to make room for an instance, but not the one that it
// would be made of. It reports false if there is none.
func (p *Pool) evictCell(kind string) bool {
	for _, k := range p.kinds {
		if n := len(k.waiting); n > 1 || n == 1 && k.name != kind {
			p.retireCell(k.waiting[0])
			return true
		}
	}
	return false
}

// replenish is the keeper's goroutine: it boots cells and has provisioned
// instances launched, when there are fewer than there should be.
func (p *Pool) replenish() {
	timer := time.NewTimer(demandWindow)
	defer timer.Stop()
	wait := time.Duration(0)
	for p.rest(p.keeper, timer, wait) {
		p.mu.Lock()
		p.schedule() // which launches what is provisioned
		wait = p.restock()
		p.mu.Unlock()
	}
}

// restock boots and retires cells, and returns how long it may be until there is
// more to do; 0 if nothing is to be expected.
func (p *Pool) restock() time.Duration {
	now := p.now()
	next := time.Duration(0)
	in := func(d time.Duration) {
		if d > 0 && (next == 0 || d < next) {
			next = d
		}
	}
	for _, d := range p.duties.all {
		in(d.retryAt - now)
	}
	for name, k := range p.kinds {
		target := p.target(k)
		if target == 0 && len(k.waiting)+len(k.booting) == 0 {
			delete(p.kinds, name)
			continue
		}
		for len(k.waiting) > max(0, target-len(k.booting)) {
			p.retireCell(k.waiting[0])
		}
		for p.mayBoot(k, target) {
			p.bootCell(k)
		}
		in(k.retryAt - now)
		in(demandWindow)
	}
	return next
}

// mayBoot reports whether a cell of k is to be booted now. While somebody waits
// for launches the processor is theirs; only if there is no cell at all one may
// boot, which the next of them can have.
func (p *Pool) mayBoot(k *kind, target int) bool {
	have := len(k.waiting) + len(k.booting)
	switch {
	case have >= target || p.now() < k.retryAt || p.closing:
		return false
	case p.launching > 0 && (have > 0 || p.booting > 0):
		return false
	case p.booting >= runtime.GOMAXPROCS(0):
		return false
	}
	size := p.sizeOf(k)
	if (p.cellsMB+size)*cellShare > p.config.MemoryMB {
		return false
	}
	if p.fits(size) {
		return true
	}
	if !p.short { // who waits for memory comes first
		p.makeRoom(size, settledIdle)
	}
	return false
}

// closeStock lets all cells go.
func (p *Pool) closeStock() {
	for _, k := range p.kinds {
		for len(k.waiting) > 0 {
			p.retireCell(k.waiting[0])
		}
		for len(k.booting) > 0 {
			p.retireCell(k.booting[0])
		}
	}
}
