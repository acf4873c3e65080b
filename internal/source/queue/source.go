package queue

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
)

// Source polls queues for all mappings that there are.
type Source struct {
	o    Options
	wake chan struct{}   // has a value when a mapping has changed
	work context.Context // of what is done with batches; set by Run
	held atomic.Int64    // bytes of events that are gathered or out

	mu      sync.Mutex
	groups  map[string]*group   // by UUID
	changed map[string]struct{} // UUIDs of mappings that have changed
}

const defaultMemory = 256 << 20

// New returns a source. It polls once Run is called.
func New(o Options) *Source {
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	s := &Source{o: o, wake: make(chan struct{}, 1), groups: map[string]*group{}, changed: map[string]struct{}{}}
	o.Mappings.OnChange(func(uuid string) {
		s.mu.Lock()
		s.changed[uuid] = struct{}{}
		s.mu.Unlock()
		s.look()
	})
	return s
}

// crowded reports whether there are as many bytes of events as may be.
func (s *Source) crowded() bool { return s.held.Load() >= s.o.Memory }

// hold counts the bytes of a batch that is being gathered. It reports false if no
// more should be added.
func (s *Source) hold(b *batch) bool {
	s.held.Add(int64(len(b.event)) - b.held)
	b.held = int64(len(b.event))
	return !s.crowded()
}

// release counts a batch no more, and has those go on who waited for that.
func (s *Source) release(b *batch) {
	before := s.held.Add(-b.held) + b.held
	b.held = 0
	if before >= s.o.Memory && !s.crowded() {
		for _, g := range s.all() {
			g.poke()
		}
	}
}

// look has Run look at the mappings again.
func (s *Source) look() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run polls until ctx ends. Then nothing more is received, batches that are out are
// waited for, up to Options.Drain, and what could not be run has gone back.
func (s *Source) Run(ctx context.Context) {
	work, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	s.work = work
	var groups sync.WaitGroup
	for ctx.Err() == nil {
		var again <-chan time.Time
		if err := s.reconcile(ctx, &groups); err != nil && ctx.Err() == nil {
			s.o.Log.Error("event source mappings cannot be read: those of before are followed", "error", err)
			again = time.After(time.Second)
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-again:
		}
	}
	timer := time.AfterFunc(s.o.Drain, giveUp)
	defer timer.Stop()
	groups.Wait()
}

// reconcile has every mapping polled as it says.
func (s *Source) reconcile(ctx context.Context, groups *sync.WaitGroup) error {
	s.mu.Lock()
	changed := s.changed
	s.changed = map[string]struct{}{}
	s.mu.Unlock()
	all, err := s.o.Mappings.All(ctx)
	if err != nil {
		s.mu.Lock()
		maps.Copy(s.changed, changed)
		s.mu.Unlock()
		return err
	}
	s.mu.Lock()
	gone := maps.Clone(s.groups)
	s.mu.Unlock()
	for _, m := range all {
		delete(changed, m.UUID)
		g := gone[m.UUID]
		delete(gone, m.UUID)
		switch {
		case g != nil && g.stopped: // deleted and made again: when the last batch of before is over
		case g != nil && g.follows(m):
		case g != nil:
			g.set(s.plan(m))
		case m.Enabled:
			s.start(ctx, s.plan(m), groups)
		default:
			s.o.Mappings.Settled(m)
		}
	}
	for uuid, g := range gone {
		delete(changed, uuid)
		g.stopped = true
		g.stop()
	}
	for uuid := range changed { // deleted, and nothing of it is out
		s.o.Mappings.Gone(uuid)
	}
	return nil
}

// plan returns how a mapping is to be polled.
func (s *Source) plan(m pinfold.EventSourceMapping) *plan {
	p, err := newPlan(m)
	if err != nil { // they were read when the mapping was made
		s.o.Log.Error("an event source mapping is not polled: its filters cannot be read", "mapping", m.UUID, "error", err)
		m.Enabled = false
		p = &plan{EventSourceMapping: m}
	}
	return p
}

// follows reports whether a group goes by a mapping as it is.
func (g *group) follows(m pinfold.EventSourceMapping) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.plan.EventSourceMapping
	now.Tags = m.Tags
	return reflect.DeepEqual(now, m)
}

// start begins to poll.
func (s *Source) start(ctx context.Context, p *plan, groups *sync.WaitGroup) {
	polling, stop := context.WithCancel(ctx)
	g := &group{s: s, stop: stop, plan: p, wake: make(chan struct{}, 1), interrupt: func() {}, scale: newScale()}
	s.mu.Lock()
	s.groups[p.UUID] = g
	s.mu.Unlock()
	groups.Go(func() {
		defer stop()
		g.run(polling)
		s.mu.Lock()
		delete(s.groups, p.UUID)
		s.changed[p.UUID] = struct{}{}
		s.mu.Unlock()
		s.look()
	})
}

// FunctionChanged is to be told of every change of a function: what its source is
// paused for may be over.
func (s *Source) FunctionChanged(ref pinfold.FunctionRef) {
	for _, g := range s.all() {
		g.mu.Lock()
		its := g.plan.Function.With("") == ref.With("")
		g.mu.Unlock()
		if its {
			g.hurry()
		}
	}
}

func (s *Source) all() []*group {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.groups))
}

// State is what a mapping's pollers are doing.
type State string

// The states.
const (
	Polling  State = "polling"
	Paused   State = "paused"  // until Status.Probe
	Probing  State = "probing" // one batch is out, or awaited, that decides
	Disabled State = "disabled"
)

// Status is how things are with a mapping.
type Status struct {
	UUID     string
	Source   string // ARN
	Function pinfold.FunctionRef
	State    State
	Since    time.Time // Paused, Probing: since when
	Why      string    // Paused, Probing: what it is for
	Probe    time.Time // Paused: when it is tried again
	Places   int       // how many batches may be out at a time
	InFlight int       // how many are
	Result   string    // of the last batch, as LastProcessingResult has it
	Last     time.Time // when that was over
	// Counts since the platform was started.
	Batches  uint64 // that were over
	Messages uint64 // that functions have handled
	Failures uint64 // that came back by themselves
	Filtered uint64 // that were deleted since no filter lets them pass
	Returned uint64 // that were given back as if not received
}

// Statuses returns that of every mapping that has been enabled since the platform
// was started, in order of UUIDs.
func (s *Source) Statuses() []Status {
	var all []Status
	for _, g := range s.all() {
		all = append(all, g.status())
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.UUID, b.UUID) })
	return all
}

func (g *group) status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	st := Status{
		UUID: g.plan.UUID, Source: g.plan.Source, Function: g.plan.Function, State: Polling,
		Places: min(g.scale.places, g.most(time.Now())), InFlight: g.inFlight, Result: g.result, Last: g.last,
		Batches: g.batches.Load(), Messages: g.messages.Load(), Failures: g.failures.Load(), Filtered: g.filtered.Load(), Returned: g.returned.Load(),
	}
	switch {
	case !g.plan.Enabled:
		st.State = Disabled
	case g.breaker.state == paused:
		st.State, st.Since, st.Why, st.Probe = Paused, g.breaker.since, g.breaker.why, g.breaker.probeAt
	case g.breaker.state == probing:
		st.State, st.Since, st.Why = Probing, g.breaker.since, g.breaker.why
	}
	return st
}
