package meter

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"pinfold.dev/pinfold"
)

// fullCPU is the memory in MB with which a function has one processor. Source:
// "Configure Lambda function memory", Lambda developer guide.
const fullCPU = 1769

const (
	minMemory  = 128
	memoryStep = 64
)

// Advisor says what advice must keep to. A zero field takes its default.
type Advisor struct {
	Headroom int    // room above the highest peak, in percent of it. Default 25
	Slower   int    // by how much a function may become slower, in percent. Default 10
	Requests uint64 // how many there must be to say anything. Default 100
	Worth    int    // a saving that is worth a change, in percent. Default 5
}

// Advice says how much memory would do for a version of a function.
type Advice struct {
	Function pinfold.FunctionRef // Qualifier is the version
	MemoryMB int                 // that it has
	AdviseMB int                 // that would do; MemoryMB: leave it
	PeakMB   int                 // the most that an instance held
	Requests uint64
	// Busy is the share of its time, in percent, in which it had all of the
	// processor that its memory gives it; -1 if it was not measured.
	Busy int
	// Duration is the mean billed time, Expected what it is taken to be with
	// AdviseMB.
	Duration, Expected time.Duration
	// Cost is what the compute of the invocations cost, Then what it would have
	// cost: at the first tier's price, and without what is free.
	Cost, Then Money
	Reason     string // why, and what is assumed, for people
}

// Saving returns what would be saved; negative where more memory is advised.
func (a *Advice) Saving() Money { return a.Cost - a.Then }

// Advise returns advice for every version in rows, the highest saving first. It
// goes by those with the memory size that the version last had.
//
// Memory is never below the highest peak that was seen, and headroom. How long a
// function takes with less follows from its processor time: what it computes
// takes longer in proportion, because memory gives processor in proportion up to
// 1,769 MB for one; what it waits for takes as long as before. Where processor time
// was not measured all of it is taken to be computing. Whether it caches less with
// less memory nobody knows.
func (o Advisor) Advise(rows []Usage, p Prices) []Advice {
	o.Headroom = cmp.Or(o.Headroom, 25)
	o.Slower = cmp.Or(o.Slower, 10)
	o.Requests = cmp.Or(o.Requests, 100)
	o.Worth = cmp.Or(o.Worth, 5)
	last := map[pinfold.FunctionRef]Usage{}
	for _, u := range Sum(rows, By{Day: true, Version: true, Memory: true, Architecture: true}) {
		last[u.Function] = u // days are in order
	}
	var all []Advice
	for _, u := range Sum(rows, By{Version: true, Memory: true, Architecture: true}) {
		if l := last[u.Function]; u.MemoryMB == l.MemoryMB && u.Architecture == l.Architecture && u.Requests > 0 {
			all = append(all, o.advise(&u, p))
		}
	}
	slices.SortStableFunc(all, func(a, b Advice) int { return cmp.Compare(b.Saving(), a.Saving()) })
	return all
}

func (o Advisor) advise(u *Usage, p Prices) Advice {
	mean := time.Duration(u.BilledMS) * time.Millisecond / time.Duration(u.Requests)
	a := Advice{
		Function: u.Function, MemoryMB: u.MemoryMB, AdviseMB: u.MemoryMB, PeakMB: u.PeakMB, Requests: u.Requests,
		Busy: -1, Duration: mean, Expected: mean,
	}
	var rate []Tier
	if tiers := p.GBSecond[u.Architecture]; len(tiers) > 0 {
		rate = []Tier{{Price: tiers[0].Price}}
	}
	at := func(memory int) Money {
		scaled := float64(u.compute(p.Block)) * slowdown(u, memory) * float64(memory) / float64(u.MemoryMB)
		return charge(rate, perGBSecond, 0, uint64(math.Round(scaled)))
	}
	a.Cost = charge(rate, perGBSecond, 0, u.compute(p.Block))
	a.Then = a.Cost
	if u.CPU > 0 {
		a.Busy = int(math.Round(100 * busy(u)))
	}
	needed := max(minMemory, roundUp(u.PeakMB*(100+o.Headroom)/100, memoryStep))
	switch {
	case u.Requests < o.Requests:
		a.Reason = fmt.Sprintf("only %d invocations: too few to say anything, %d are needed", u.Requests, o.Requests)
		return a
	case u.PeakMB >= u.MemoryMB*9/10:
		a.AdviseMB = max(needed, u.MemoryMB)
		a.Reason = fmt.Sprintf("it held up to %d of %d MB: give it room before it is killed for the lack of it", u.PeakMB, u.MemoryMB)
	default:
		for m := u.MemoryMB - 1; m >= needed; m-- {
			if m%memoryStep == 0 && slowdown(u, m) <= 1+float64(o.Slower)/100 && at(m) < at(a.AdviseMB) {
				a.AdviseMB = m
			}
		}
		if (a.Cost-at(a.AdviseMB))*100 < a.Cost*Money(o.Worth) {
			a.AdviseMB = u.MemoryMB
		}
		a.Reason = o.reason(u, &a, needed)
	}
	if a.AdviseMB != u.MemoryMB {
		a.Then = at(a.AdviseMB)
		a.Expected = time.Duration(float64(mean) * slowdown(u, a.AdviseMB)).Round(time.Millisecond)
	}
	return a
}

func (o Advisor) reason(u *Usage, a *Advice, needed int) string {
	computes := fmt.Sprintf("it computes for %d%% of its time", a.Busy)
	if a.Busy < 0 {
		computes = "its processor time was not measured, so it is taken to compute all the time"
	}
	switch {
	case a.AdviseMB < u.MemoryMB:
		return fmt.Sprintf("it held up to %d MB (half of its invocations less than %d MB), and %s, so less processor makes it %d%% slower at most",
			u.PeakMB, u.Memory(50), computes, int(math.Ceil(100*(slowdown(u, a.AdviseMB)-1)-1e-9)))
	case needed >= u.MemoryMB:
		return fmt.Sprintf("it held up to %d MB and needs the room", u.PeakMB)
	default:
		return fmt.Sprintf("it held up to %d MB, but %s: less processor would make it slower and save next to nothing", u.PeakMB, computes)
	}
}

// busy returns the share of billed time in which a function had all of the
// processor that it may have, 0 to 1; 1 if that was not measured.
func busy(u *Usage) float64 {
	billed := float64(u.BilledMS) * float64(time.Millisecond)
	if u.CPU == 0 || billed == 0 {
		return 1
	}
	return min(1, float64(u.CPU)*fullCPU/float64(min(u.MemoryMB, full(u)))/billed)
}

// full returns the memory from which on more makes a function no faster: that of
// one processor, unless it is seen to use several.
func full(u *Usage) int {
	if u.CPU > time.Duration(u.BilledMS)*time.Millisecond {
		return max(fullCPU, u.MemoryMB)
	}
	return fullCPU
}

// slowdown returns how many times as long a function takes with another memory
// size.
func slowdown(u *Usage, memory int) float64 {
	b := busy(u)
	return 1 - b + b*float64(min(u.MemoryMB, full(u)))/float64(min(memory, full(u)))
}

func roundUp(n, step int) int { return (n + step - 1) / step * step }
