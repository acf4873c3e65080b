package pool

import (
	"cmp"
	"slices"

	"pinfold.dev/pinfold"
)

// Stats counts the instances of one version, and the invocations that wait for
// one.
type Stats struct {
	Function    pinfold.FunctionRef `json:"function"` // Qualifier is the version
	Starting    int                 `json:"starting"`
	Ready       int                 `json:"ready"`
	Busy        int                 `json:"busy"`
	Frozen      int                 `json:"frozen"` // or about to be
	Draining    int                 `json:"draining"`
	Waiting     int                 `json:"waiting"`
	Provisioned int                 `json:"provisioned"` // of the instances above
	MemoryMB    int                 `json:"memoryMB"`    // held by them
}

// Stats returns the counts of every version that has any, sorted by ARN.
func (p *Pool) Stats() []Stats {
	p.mu.Lock()
	byRef := map[pinfold.FunctionRef]Stats{}
	for k, s := range p.sets {
		n := byRef[k.ref] // there may be old content beside new
		n.Function = k.ref
		n.Starting += s.count[Starting]
		n.Ready += s.count[Ready]
		n.Busy += s.count[Busy] + s.count[Thawing]
		n.Frozen += s.count[Frozen] + s.count[Freezing]
		n.Draining += s.count[Draining]
		n.Waiting += s.waiters.len
		n.Provisioned += s.kept
		byRef[k.ref] = n
	}
	for in := range p.instances {
		n := byRef[in.set.key.ref]
		n.MemoryMB += in.sizeMB
		byRef[in.set.key.ref] = n
	}
	p.mu.Unlock()
	all := make([]Stats, 0, len(byRef))
	for _, n := range byRef {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b Stats) int { return cmp.Compare(a.Function.ARN(), b.Function.ARN()) })
	return all
}

// Load is the invocations of a function, of all its versions.
type Load struct {
	Function         pinfold.FunctionRef // unqualified
	Running, Waiting int                 // for an instance, for their turn in one, or at a limit
}

// Load returns how many invocations there are now, of every function that has
// instances or any that wait, in no order.
func (p *Pool) Load() []Load {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]Load, 0, len(p.functions))
	for ref, f := range p.functions {
		if len(f.sets) == 0 && f.waiting == 0 && f.inFlight == 0 {
			continue // there are settings
		}
		all = append(all, f.load(ref))
	}
	return all
}

// Waiting returns how many invocations of a function wait now, as Load has it.
func (p *Pool) Waiting(ref pinfold.FunctionRef) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.functions[ref.With("")]; f != nil {
		return f.load(ref).Waiting
	}
	return 0
}

// load is Load of one function. mu is held.
func (f *function) load(ref pinfold.FunctionRef) Load {
	l := Load{Function: ref, Running: f.inFlight, Waiting: f.waiting}
	for _, s := range f.sets {
		l.Running -= s.waiters.len
		for _, in := range s.active {
			ahead := max(0, in.running-in.places)
			l.Running -= ahead
			l.Waiting += ahead
		}
	}
	return l
}

// Totals is the pool as a whole.
type Totals struct {
	Instances int            `json:"instances"`
	Cells     map[string]int `json:"cells"`    // that wait for a function, by kind
	InFlight  int            `json:"inFlight"` // invocations that run, or wait for an instance
	Waiting   int            `json:"waiting"`  // invocations that wait for an instance, or at a limit
	Limit     int            `json:"limit"`    // of InFlight
	MemoryMB  int            `json:"memoryMB"` // held by instances and cells
	BudgetMB  int            `json:"budgetMB"`
	Evicted   uint64         `json:"evicted"` // instances that made room for others, ever
}

// Totals returns the counts of the pool as a whole.
func (p *Pool) Totals() Totals {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := Totals{
		Instances: len(p.instances), Cells: map[string]int{}, Waiting: p.waiting,
		Limit: p.account, MemoryMB: p.usedMB, BudgetMB: p.config.MemoryMB, Evicted: p.evicted,
	}
	for name, k := range p.kinds {
		t.Cells[name] = len(k.waiting)
	}
	for _, f := range p.functions {
		t.InFlight += f.inFlight
	}
	return t
}
