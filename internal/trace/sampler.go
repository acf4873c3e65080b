package trace

import (
	"cmp"
	"encoding/binary"
	"sync"
	"time"

	"pinfold.dev/pinfold"
)

// SamplerConfig says which traces are kept.
type SamplerConfig struct {
	// Share of the traces that have nothing special, 0 to 1. Whether a trace is
	// among them depends on its id alone, so that several platforms agree.
	Share float64
	// Slowest is the share of each function's invocations that are slow enough for
	// their trace to be kept. Default 0.01; negative: none.
	Slowest float64
	// Window is for how long after the first record of a trace others are waited
	// for, before it is decided. Default 10 s.
	Window time.Duration
	// MaxRecords are kept while they wait; if there are more the oldest trace is
	// decided early. Default 10,000, which is about 6 MB.
	MaxRecords int
}

// Sampler is a [Sink] that keeps traces with an error, a cold start or a slow
// invocation, and a share of the rest. It decides when a trace has had time to be
// complete; what comes later goes the same way, unless it is itself a reason to be
// kept. A caller's own decision to sample is not asked: it was made too early. Put takes a lock that all share: it belongs behind what decouples records
// from invocations.
type Sampler struct {
	config SamplerConfig
	keep   func([]pinfold.Record)

	mu       sync.Mutex
	waiting  map[pinfold.TraceID]*undecided
	order    []*undecided // by age
	spare    []*undecided // to be used again
	held     int          // records in waiting
	decided  map[pinfold.TraceID]bool
	recent   []pinfold.TraceID // the keys of decided, a ring
	next     int               // in recent
	slowness map[string]*quantile
	stats    SamplerStats

	stop chan struct{}
	done chan struct{}
}

// SamplerStats count records.
type SamplerStats struct {
	Kept, Left int64 // decided upon
	Early      int64 // decided before their time, because there were too many
	Waiting    int
}

// undecided is a trace that others may still come to.
type undecided struct {
	id      pinfold.TraceID
	since   time.Time
	keep    bool
	records []pinfold.Record
}

const (
	maxDecided   = 1 << 14 // decisions that are remembered
	maxFunctions = 10_000  // whose slowness is known
	maxSpare     = 1 << 10 // traces whose room is kept for others: nearly all are left out
)

// NewSampler returns a sampler that gives the records of the traces it keeps to
// keep, which must not block.
func NewSampler(config SamplerConfig, keep func([]pinfold.Record)) *Sampler {
	config.Slowest = cmp.Or(config.Slowest, 0.01)
	config.Window = cmp.Or(config.Window, 10*time.Second)
	config.MaxRecords = cmp.Or(config.MaxRecords, 10_000)
	s := &Sampler{
		config: config, keep: keep, waiting: make(map[pinfold.TraceID]*undecided),
		decided: make(map[pinfold.TraceID]bool), recent: make([]pinfold.TraceID, maxDecided),
		slowness: make(map[string]*quantile), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go s.run()
	return s
}

// Put takes a record in. It does not keep r.
func (s *Sampler) Put(r *pinfold.Record) {
	now := time.Now()
	s.mu.Lock()
	reason := s.reason(r)
	var out []pinfold.Record
	if kept, late := s.decided[r.Trace]; late {
		if kept || reason {
			out = []pinfold.Record{*r}
		}
		s.count(kept || reason, 1)
	} else {
		t := s.waiting[r.Trace]
		if t == nil {
			t = s.blank()
			t.id, t.since, t.keep = r.Trace, now, s.inShare(r.Trace)
			s.waiting[r.Trace] = t
			s.order = append(s.order, t)
		}
		t.keep = t.keep || reason
		t.records = append(t.records, *r)
		s.held++
		for s.held > s.config.MaxRecords {
			s.stats.Early += int64(len(s.order[0].records))
			out = append(out, s.decide()...)
		}
	}
	s.mu.Unlock()
	if len(out) > 0 {
		s.keep(out)
	}
}

// Stats returns what the sampler has done so far.
func (s *Sampler) Stats() SamplerStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Waiting = s.held
	return stats
}

// Close decides what waits. Nothing may be put afterwards.
func (s *Sampler) Close() error {
	close(s.stop)
	<-s.done
	s.decideUntil(time.Time{})
	return nil
}

func (s *Sampler) run() {
	defer close(s.done)
	tick := time.NewTicker(s.config.Window / 4)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.decideUntil(now.Add(-s.config.Window))
		case <-s.stop:
			return
		}
	}
}

// decideUntil decides traces that began no later than at a time, or, if that is
// zero, all.
func (s *Sampler) decideUntil(at time.Time) {
	var out []pinfold.Record
	s.mu.Lock()
	for len(s.order) > 0 && (at.IsZero() || !s.order[0].since.After(at)) {
		out = append(out, s.decide()...)
	}
	s.mu.Unlock()
	if len(out) > 0 {
		s.keep(out)
	}
}

// decide decides the oldest trace and returns what is kept of it. The caller
// holds the lock.
func (s *Sampler) decide() []pinfold.Record {
	t := s.order[0]
	s.order[0] = nil
	s.order = s.order[1:]
	delete(s.waiting, t.id)
	s.held -= len(t.records)
	delete(s.decided, s.recent[s.next])
	s.recent[s.next] = t.id
	s.next = (s.next + 1) % len(s.recent)
	s.decided[t.id] = t.keep
	s.count(t.keep, len(t.records))
	if !t.keep {
		if len(s.spare) < maxSpare && cap(t.records) <= 4 {
			clear(t.records)
			t.records = t.records[:0]
			s.spare = append(s.spare, t)
		}
		return nil
	}
	return t.records
}

// blank returns a trace of which nothing has come. The caller holds the lock.
func (s *Sampler) blank() *undecided {
	n := len(s.spare)
	if n == 0 {
		return new(undecided)
	}
	t := s.spare[n-1]
	s.spare = s.spare[:n-1]
	return t
}

func (s *Sampler) count(kept bool, n int) {
	if kept {
		s.stats.Kept += int64(n)
	} else {
		s.stats.Left += int64(n)
	}
}

// reason reports whether a record is one to keep its trace. The caller holds the
// lock.
func (s *Sampler) reason(r *pinfold.Record) bool {
	if r.Status != "ok" || r.Cold != pinfold.Warm {
		return true
	}
	return r.Service == "" && s.config.Slowest > 0 && s.isSlow(r)
}

func (s *Sampler) isSlow(r *pinfold.Record) bool {
	q := s.slowness[r.Function]
	if q == nil {
		if len(s.slowness) == maxFunctions { // any: it learns again
			for name := range s.slowness {
				delete(s.slowness, name)
				break
			}
		}
		q = new(quantile)
		s.slowness[r.Function] = q
	}
	return q.exceeds(float64(r.Queue+r.Place+r.Handler+r.Response), s.config.Slowest)
}

// inShare reports whether a trace is among those that are kept anyway. It looks
// at the last 56 bits, which are random in ids of every kind. Source:
// "TraceState: Probability Sampling", OpenTelemetry specification.
func (s *Sampler) inShare(id pinfold.TraceID) bool {
	const bits = 1 << 56
	return float64(binary.BigEndian.Uint64(id[8:])%bits) < s.config.Share*bits
}

// quantile follows the value that a share of what it sees exceeds. After each
// value it moves by a step, up by more than down, in the proportion of the shares
// (stochastic approximation: Robbins, Monro, 1951). A step is a part of the value,
// and never becomes zero: so it follows a function whose speed changes.
type quantile struct {
	value float64
	n     float64
}

// exceeds reports whether x is over the quantile, and takes x in.
func (q *quantile) exceeds(x, share float64) bool {
	q.n++
	if q.n == 1 {
		q.value = x
		return false
	}
	step := 0.1 + 2/q.n
	if x > q.value {
		q.value *= 1 + step*(1-share)
		return true
	}
	q.value *= 1 - min(step, 0.9)*share
	return false
}
