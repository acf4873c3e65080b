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
	began  time.Time

	mu       sync.Mutex
	numbers  map[pinfold.TraceID]uint64 // of the latest traces that are known
	earlier  map[pinfold.TraceID]uint64 // and of the others, to be forgotten together
	ring     []known                    // by number, modulo its length, which is a power of two
	oldest   uint64                     // number of the first trace that is known
	waiting  uint64                     // and of the first that is not decided
	next     uint64                     // and of the one to come
	slots    []slot                     // records that wait, and room for others
	free     int32                      // the first slot that is free
	held     int                        // records in slots
	room     []pinfold.Record           // for what PutAll hands on
	slowness map[string]*quantile
	last     string    // the function whose slowness was asked for last
	lastSlow *quantile // and it
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

// known is a trace that others may still come to, or that has been decided. It
// has no pointers, as there are many.
type known struct {
	since       time.Duration // when its first record came, after the sampler began
	records     int32         // that wait
	first, last int32         // their slots
	keep        bool
}

// slot is room for a record. Those of a trace, and the free ones, are lists.
type slot struct {
	record pinfold.Record
	next   int32 // another slot, or none
}

const none = -1

const (
	generation   = 1 << 14 // traces; those of the last two are known
	maxFunctions = 10_000  // whose slowness is known
	maxRoom      = 64      // records' room that is kept between two PutAlls
)

// NewSampler returns a sampler that gives the records of the traces it keeps to
// keep, which must not block, nor hold on to the slice.
func NewSampler(config SamplerConfig, keep func([]pinfold.Record)) *Sampler {
	config.Slowest = cmp.Or(config.Slowest, 0.01)
	config.Window = cmp.Or(config.Window, 10*time.Second)
	config.MaxRecords = cmp.Or(config.MaxRecords, 10_000)
	s := &Sampler{
		config: config, keep: keep, began: time.Now(), ring: make([]known, 64), free: none,
		numbers: make(map[pinfold.TraceID]uint64), earlier: make(map[pinfold.TraceID]uint64),
		slowness: make(map[string]*quantile), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go s.run()
	return s
}

// Put takes a record in. It does not keep r.
func (s *Sampler) Put(r *pinfold.Record) {
	s.mu.Lock()
	out := s.put(nil, r, time.Since(s.began))
	s.mu.Unlock()
	if len(out) > 0 {
		s.keep(out)
	}
}

// PutAll takes records in that have come together. It does not keep them.
func (s *Sampler) PutAll(records []pinfold.Record) {
	now := time.Since(s.began)
	s.mu.Lock()
	out := s.room
	s.room = nil
	for i := range records {
		out = s.put(out, &records[i], now)
	}
	if len(out) > 0 {
		s.mu.Unlock()
		s.keep(out)
		clear(out)
		s.mu.Lock()
	}
	if cap(out) <= maxRoom {
		s.room = out[:0]
	}
	s.mu.Unlock()
}

// put takes a record in, and appends to out what is to be kept now. The caller
// holds the lock.
func (s *Sampler) put(out []pinfold.Record, r *pinfold.Record, now time.Duration) []pinfold.Record {
	reason := s.reason(r)
	n, found := s.numbers[r.Trace]
	if !found {
		n, found = s.earlier[r.Trace]
	}
	if !found {
		n = s.begin(r.Trace, now)
	}
	t := s.trace(n)
	if n < s.waiting { // it is late
		s.count(t.keep || reason, 1)
		if t.keep || reason {
			out = append(out, *r)
		}
		return out
	}
	t.keep = t.keep || reason
	s.hold(t, r)
	for s.held > s.config.MaxRecords {
		s.stats.Early += int64(s.trace(s.waiting).records)
		out = s.decide(out)
	}
	return out
}

func (s *Sampler) trace(n uint64) *known { return &s.ring[n&uint64(len(s.ring)-1)] }

// begin returns the number of a new trace. The caller holds the lock.
func (s *Sampler) begin(id pinfold.TraceID, now time.Duration) uint64 {
	if len(s.numbers) >= generation && len(s.numbers) > s.config.MaxRecords { // so none of earlier waits
		s.oldest = s.next - uint64(len(s.numbers))
		s.numbers, s.earlier = s.earlier, s.numbers
		clear(s.numbers)
	}
	if s.next-s.oldest == uint64(len(s.ring)) {
		small := s.ring
		s.ring = make([]known, 2*len(small))
		for n := s.oldest; n < s.next; n++ {
			*s.trace(n) = small[n&uint64(len(small)-1)]
		}
	}
	n := s.next
	s.next++
	*s.trace(n) = known{since: now, first: none, last: none, keep: s.inShare(id)}
	s.numbers[id] = n
	return n
}

// hold keeps a copy of a record until its trace is decided. The caller holds the
// lock.
func (s *Sampler) hold(t *known, r *pinfold.Record) {
	at := s.free
	if at == none {
		at = int32(len(s.slots))
		s.slots = append(s.slots, slot{})
	} else {
		s.free = s.slots[at].next
	}
	s.slots[at].record, s.slots[at].next = *r, none
	if t.last == none {
		t.first = at
	} else {
		s.slots[t.last].next = at
	}
	t.last = at
	t.records++
	s.held++
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
	for s.waiting < s.next && (at.IsZero() || s.trace(s.waiting).since <= at.Sub(s.began)) {
		out = s.decide(out)
	}
	if s.held == 0 { // memory is for functions
		s.slots, s.free = nil, none
	}
	s.mu.Unlock()
	if len(out) > 0 {
		s.keep(out)
	}
}

// decide decides the oldest trace that waits and appends to out what is kept of
// it. The caller holds the lock.
func (s *Sampler) decide(out []pinfold.Record) []pinfold.Record {
	t := s.trace(s.waiting)
	s.waiting++
	s.count(t.keep, int(t.records))
	s.held -= int(t.records)
	for at := t.first; at != none && t.keep; at = s.slots[at].next {
		out = append(out, s.slots[at].record)
	}
	s.slots[t.last].next, s.free = s.free, t.first
	return out
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
	q := s.lastSlow
	if q == nil || s.last != r.Function {
		q = s.slownessOf(r.Function)
		s.last, s.lastSlow = r.Function, q
	}
	return q.exceeds(float64(r.Queue+r.Place+r.Handler+r.Response), s.config.Slowest)
}

func (s *Sampler) slownessOf(function string) *quantile {
	q := s.slowness[function]
	if q == nil {
		if len(s.slowness) == maxFunctions { // any: it learns again
			for name := range s.slowness {
				delete(s.slowness, name)
				break
			}
		}
		q = new(quantile)
		s.slowness[function] = q
	}
	return q
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
