package callmap

import (
	"math"
	"math/bits"
	"time"
)

// Durations are counted in buckets of whole microseconds: 16 for each power of
// two, so that a bucket is a sixteenth as wide as what it begins with, and its
// middle is 3% away from what is in it at most. Below 16 µs each has its own.
const (
	stepBits = 4
	steps    = 1 << stepBits
	maxBits  = 34 // 2^34 µs are 4.8 hours; what takes longer counts as that
	buckets  = (maxBits - stepBits + 1) * steps
)

// histogram counts durations in a fixed place.
type histogram struct {
	counts [buckets]uint32
	total  uint64
}

func (h *histogram) add(d time.Duration) {
	us := min(uint64(max(d.Microseconds(), 0)), 1<<maxBits-1)
	h.counts[bucket(us)]++
	h.total++
}

func bucket(us uint64) int {
	if us < steps {
		return int(us)
	}
	shift := bits.Len64(us) - stepBits - 1
	return (shift+1)*steps + int(us>>shift) - steps
}

// quantile returns about how long so many of the calls took at most.
func (h *histogram) quantile(q float64) time.Duration {
	rank := max(1, uint64(math.Ceil(q*float64(h.total))))
	var seen uint64
	for i, n := range h.counts {
		if seen += uint64(n); seen >= rank {
			return middle(i)
		}
	}
	return 0
}

// middle returns what stands for all that is in a bucket.
func middle(i int) time.Duration {
	if i < steps {
		return time.Duration(i) * time.Microsecond
	}
	shift := i/steps - 1
	first := uint64(i%steps+steps) << shift
	return time.Duration(first)*time.Microsecond + time.Duration(uint64(1)<<shift)*time.Microsecond/2
}
