package meter

import (
	"math"
	"math/big"
	"math/bits"
)

// Money is an amount in 10^-9 of a currency, up to some nine billions of it.
type Money int64

// String returns the amount as an exact decimal number with at least two digits
// after the point: "18.74", "0.0000002".
func (m Money) String() string { return decimal(int64(m), 9, 2) }

// What there is of the smallest thing that is counted in what is priced.
const (
	perMillion  = 1_000_000
	perGBSecond = 1024 * 1000 // MB and milliseconds
	perGB       = 1 << 30
)

// Cost sets what each row costs, and returns the sum of that.
//
// Tiers and what is free hold for a calendar month and for all functions
// together. So a month's bill is made of all of its rows and shared out in
// proportion to what they used; one that is made of a part of a month, or of some
// functions, is as if nothing else had run. It is rounded once, to 10^-9, for each
// thing that is priced; shares add up to it. Rows that [Sum] made without days
// have lost their month: sum up what has a cost already.
func Cost(rows []Usage, p Prices) Money {
	months := map[string][]*Usage{}
	for i := range rows {
		rows[i].Cost = 0
		months[rows[i].Day.Month()] = append(months[rows[i].Day.Month()], &rows[i])
	}
	var total Money
	for _, month := range months {
		total += share(month, p.MillionRequests, perMillion, 0, func(u *Usage) uint64 { return u.Requests })
		total += share(month, p.GBOut, perGB, 0, func(u *Usage) uint64 { return u.BytesOut })
		free := times(p.FreeGBSeconds, perGBSecond)
		for _, arch := range []string{X86, ARM} {
			var used uint64
			compute := func(u *Usage) uint64 {
				if u.Architecture != arch {
					return 0
				}
				return u.compute(p.Block)
			}
			for _, u := range month {
				used += compute(u)
			}
			total += share(month, p.GBSecond[arch], perGBSecond, min(free, used), compute)
			free -= min(free, used)
		}
	}
	return total
}

// compute returns the MB-milliseconds that are paid for.
func (c *Counts) compute(block string) uint64 {
	if block == "100ms" {
		return c.MBMillis100
	}
	return c.MBMillis
}

// share adds to the costs of rows what one thing costs that they used, and
// returns it.
func share(rows []*Usage, tiers []Tier, scale, free uint64, used func(*Usage) uint64) Money {
	var all uint64
	for _, u := range rows {
		all += used(u)
	}
	total := charge(tiers, scale, free, all)
	var sofar uint64
	var given Money
	for _, u := range rows {
		if used(u) == 0 {
			continue
		}
		sofar += used(u)
		hi, lo := bits.Mul64(uint64(total), sofar)
		until, _ := bits.Div64(hi, lo, all) // sofar is not more than all, so it fits
		u.Cost += Money(until) - given
		given = Money(until)
	}
	return total
}

// charge returns what an amount costs in a month, without its first part, which
// is free. scale is how many there are in a unit that has a price.
func charge(tiers []Tier, scale, free, amount uint64) Money {
	sum, part := new(big.Int), new(big.Int)
	from := free
	for _, t := range tiers {
		to := amount
		if t.UpTo > 0 {
			to = min(to, times(t.UpTo, scale))
		}
		if to > from {
			part.SetUint64(to - from)
			sum.Add(sum, part.Mul(part, big.NewInt(int64(t.Price))))
			from = to
		}
	}
	// From 10^-12 of a unit of so many to 10^-9 of one, rounded half up.
	divisor := new(big.Int).Mul(new(big.Int).SetUint64(scale), big.NewInt(unitsPerOne/1_000_000_000))
	sum.Add(sum, new(big.Int).Rsh(divisor, 1))
	sum.Quo(sum, divisor)
	if !sum.IsInt64() {
		return math.MaxInt64
	}
	return Money(sum.Int64())
}

// times returns a*b, or the highest number if that is too high.
func times(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi > 0 {
		return math.MaxUint64
	}
	return lo
}
