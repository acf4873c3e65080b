package meter

import (
	"cmp"
	"context"
	"encoding/hex"
	"iter"
	"maps"
	"slices"
	"time"

	"pinfold.dev/pinfold"
)

// Architectures, as [pinfold.Config] has them.
const (
	X86 = "x86_64"
	ARM = "arm64"
)

// Counts is what was used.
type Counts struct {
	Requests uint64
	Errors   uint64 // of them, those that failed or took too long
	Cold     uint64 // of them, those that waited for an instance to be launched
	// BilledMS is the time that is paid for, in whole milliseconds for each
	// invocation; Billed100MS is in whole tenths of a second for each.
	BilledMS, Billed100MS uint64
	// MBMillis and MBMillis100 are these times the memory in MB. A GB-second is
	// 1,024,000 of them.
	MBMillis, MBMillis100 uint64
	BytesOut              uint64
	Init                  time.Duration // loading handlers, as far as callers waited for it
	CPU                   time.Duration // processor time
	PeakMB                int           // the most memory that an instance held
	// Durations counts requests by billed time: bucket i is up to 2^i ms. Peaks
	// counts them by how much memory the instance had held until then.
	Durations [durationBuckets]uint64
	Peaks     [peakBuckets]uint64
}

// derive sets what follows from what was counted with so much memory.
func (c *Counts) derive(memoryMB int) {
	for _, n := range c.Durations {
		c.Requests += n
	}
	c.MBMillis = c.BilledMS * amount(memoryMB)
	c.MBMillis100 = c.Billed100MS * amount(memoryMB)
}

// add adds o to c.
func (c *Counts) add(o *Counts) {
	c.Requests += o.Requests
	c.Errors += o.Errors
	c.Cold += o.Cold
	c.BilledMS += o.BilledMS
	c.Billed100MS += o.Billed100MS
	c.MBMillis += o.MBMillis
	c.MBMillis100 += o.MBMillis100
	c.BytesOut += o.BytesOut
	c.Init += o.Init
	c.CPU += o.CPU
	c.PeakMB = max(c.PeakMB, o.PeakMB)
	for i, n := range o.Durations {
		c.Durations[i] += n
	}
	for i, n := range o.Peaks {
		c.Peaks[i] += n
	}
}

// Duration returns the billed time that a share of the requests, in percent, did
// not exceed, rounded up to the bucket's bound.
func (c *Counts) Duration(percent int) time.Duration {
	return time.Millisecond << quantile(c.Durations[:], percent)
}

// Memory returns the MB that the instances of a share of the requests, in
// percent, had not held, rounded up to the bucket's bound.
func (c *Counts) Memory(percent int) int {
	return min(peakBound(quantile(c.Peaks[:], percent)), c.PeakMB)
}

func quantile(buckets []uint64, percent int) int {
	var all, below uint64
	for _, n := range buckets {
		all += n
	}
	for i, n := range buckets {
		if below += n; below > 0 && below*100 >= all*uint64(percent) {
			return i
		}
	}
	return 0
}

// Usage is what was used in a day, or over several that were summed up.
type Usage struct {
	Function     pinfold.FunctionRef // Qualifier is the version that ran
	Day          Day
	MemoryMB     int
	Architecture string
	App          string            // that the function belongs to now; "" for none
	Tags         map[string]string // that it has now; not to be changed
	Counts
	Cost Money // once [Cost] has set it
}

// Query says which usage is wanted.
type Query struct {
	From, To Day    // both are included
	Function string // name; "" is all of them
}

// Usage returns what was used: a row for every function, version, day, memory
// size and architecture, and sometimes several; see [Sum]. Invocations that end
// at this moment may be in it in part. It ends with an error if something cannot
// be read; what can be read comes all the same, before it.
func (m *Meter) Usage(ctx context.Context, q Query) iter.Seq2[Usage, error] {
	return func(yield func(Usage, error) bool) {
		owned := m.owned()
		wanted := func(k *key) bool {
			return k.Day >= q.From && k.Day <= q.To && (q.Function == "" || q.Function == k.Name)
		}
		// Those that live first: one that is folded meanwhile is in the ledger,
		// too, and known by its id.
		live, unread := m.snapshot()
		months, unlisted := m.ledger.months()
		problems := []error{unread, unlisted}
		for _, l := range live {
			if wanted(&l.key) && !yield(owned(&l.key, l.Counts), nil) {
				return
			}
		}
		for _, month := range months {
			if month < q.From.Month() || month > q.To.Month() {
				continue
			}
			for e, err := range m.ledger.entries(month) {
				if ctx.Err() != nil {
					yield(Usage{}, ctx.Err())
					return
				}
				if err != nil {
					problems = append(problems, err)
					break
				}
				if _, again := live[e.ID]; !again && wanted(&e.key) && !yield(owned(&e.key, e.counts()), nil) {
					return
				}
			}
		}
		for _, err := range problems {
			if err != nil && !yield(Usage{}, err) {
				return
			}
		}
	}
}

// counted is what a slot has.
type counted struct {
	key
	Counts
}

// snapshot returns what slots have, by their ids.
func (m *Meter) snapshot() (map[string]counted, error) {
	m.folding.Lock()
	defer m.folding.Unlock()
	m.mu.Lock()
	counters := slices.Collect(maps.Keys(m.live))
	m.mu.Unlock()
	live := make(map[string]counted, len(counters))
	var failed error
	for _, c := range counters {
		err := guard(func() error {
			live[hex.EncodeToString(c.id[:])] = counted{c.key, c.slot.counts.read(c.key.MemoryMB)}
			return nil
		})
		failed = cmp.Or(failed, err)
	}
	return live, failed
}

// owned returns what makes usage of counts, and asks for the owner of each
// function once.
func (m *Meter) owned() func(*key, Counts) Usage {
	type owner struct {
		app  string
		tags map[string]string
	}
	asked := map[pinfold.FunctionRef]owner{}
	return func(k *key, c Counts) Usage {
		ref := pinfold.FunctionRef{Account: k.Account, Region: k.Region, Name: k.Name}
		o, ok := asked[ref]
		if !ok && m.config.Owner != nil {
			o.app, o.tags = m.config.Owner(ref)
			asked[ref] = o
		}
		return Usage{
			Function: ref.With(k.Version), Day: k.Day, MemoryMB: k.MemoryMB, Architecture: k.Architecture,
			App: o.app, Tags: o.tags, Counts: c,
		}
	}
}

// By says what rows of [Sum] are apart by.
type By struct {
	Function, Version, App, Day, Memory, Architecture bool
	Tag                                               string // a tag's key; "" for none
}

// group is what the rows have in common that become one.
type group struct {
	day          Day
	app, tag     string
	function     pinfold.FunctionRef
	memory       int
	architecture string
}

func (by By) group(u *Usage) (g group) {
	switch {
	case by.Version:
		g.function = u.Function
	case by.Function:
		g.function = u.Function.With("")
	}
	if by.Day {
		g.day = u.Day
	}
	if by.App {
		g.app = u.App
	}
	if by.Tag != "" {
		g.tag = u.Tags[by.Tag]
	}
	if by.Memory {
		g.memory = u.MemoryMB
	}
	if by.Architecture {
		g.architecture = u.Architecture
	}
	return g
}

func (g group) compare(o group) int {
	return cmp.Or(
		cmp.Compare(g.day, o.day), cmp.Compare(g.app, o.app), cmp.Compare(g.tag, o.tag),
		cmp.Compare(g.function.ARN(), o.function.ARN()),
		cmp.Compare(g.memory, o.memory), cmp.Compare(g.architecture, o.architecture),
	)
}

// Sum adds usage up, and its costs. Of what is not counted, rows have what they
// are apart by, and are in this order: day, application, tag, function, memory,
// architecture. By a tag, Tags has it alone.
func Sum(rows []Usage, by By) []Usage {
	sums := map[group]*Usage{}
	for i := range rows {
		g := by.group(&rows[i])
		sum := sums[g]
		if sum == nil {
			sum = &Usage{Function: g.function, Day: g.day, MemoryMB: g.memory, Architecture: g.architecture, App: g.app}
			if g.tag != "" {
				sum.Tags = map[string]string{by.Tag: g.tag}
			}
			sums[g] = sum
		}
		sum.Counts.add(&rows[i].Counts)
		sum.Cost += rows[i].Cost
	}
	out := make([]Usage, 0, len(sums))
	for _, g := range slices.SortedFunc(maps.Keys(sums), group.compare) {
		out = append(out, *sums[g])
	}
	return out
}
