package metrics

import (
	"math"
	"slices"
	"sort"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A histogram of a function is native, as Prometheus calls it: its buckets are a
// tenth apart, and only those that something is in exist. That of the client library
// takes 1.4 KB for its first value, for it takes no lock. A function has six.
const (
	finest        = 3    // schema: each bucket ends at 2^(1/8) of where it begins
	maxBuckets    = 100  // with more, two become one each
	zeroThreshold = 1e-6 // seconds; what is not longer is as good as nothing
)

// bounds are where buckets between 0.5 and 1 begin, in the schema finest.
var bounds = []float64{0.5, 0.5452538663326288, 0.5946035575013605, 0.6484197773255048, 0.7071067811865475, 0.7711054127039704, 0.8408964152537144, 0.9170040432046711}

// histogram is one of times in seconds. It is not safe for concurrent use.
type histogram struct {
	sum     float64
	zero    uint64
	halved  uint8    // how often two buckets became one
	buckets []bucket // by key
}

type bucket struct {
	key int32
	n   uint64
}

func (h *histogram) observe(d time.Duration) {
	v := max(d.Seconds(), 0)
	h.sum += v
	if v <= zeroThreshold {
		h.zero++
		return
	}
	key := coarser(keyOf(v), h.halved)
	i, found := slices.BinarySearchFunc(h.buckets, key, func(b bucket, key int32) int { return int(b.key - key) })
	if found {
		h.buckets[i].n++
		return
	}
	h.buckets = slices.Insert(h.buckets, i, bucket{key, 1})
	if len(h.buckets) > maxBuckets {
		h.halve()
	}
}

// keyOf returns the bucket of a value in the schema finest. Bucket i is of what is
// more than 2^((i-1)/8), and at most 2^(i/8).
func keyOf(v float64) int32 {
	fraction, exponent := math.Frexp(v)
	return int32(sort.SearchFloat64s(bounds, fraction) + (exponent-1)*len(bounds))
}

// coarser returns where a bucket is when two became one so often.
func coarser(key int32, halved uint8) int32 {
	return (key + 1<<halved - 1) >> halved
}

func (h *histogram) halve() {
	h.halved++
	merged := h.buckets[:0]
	for _, b := range h.buckets {
		b.key = coarser(b.key, 1)
		if last := len(merged) - 1; last >= 0 && merged[last].key == b.key {
			merged[last].n += b.n
		} else {
			merged = append(merged, b)
		}
	}
	h.buckets = merged
}

// metric returns what Prometheus reads.
func (h *histogram) metric(d *prometheus.Desc, since time.Time, labels ...string) prometheus.Metric {
	count, buckets := h.zero, make(map[int]int64, len(h.buckets))
	for _, b := range h.buckets {
		count += b.n
		buckets[int(b.key)] = int64(b.n)
	}
	return prometheus.MustNewConstNativeHistogram(d, count, h.sum, buckets, nil, h.zero, finest-int32(h.halved), zeroThreshold, since, labels...)
}
