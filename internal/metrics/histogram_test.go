package metrics

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

func written(t *testing.T, m prometheus.Metric) *dto.Histogram {
	t.Helper()
	var all dto.Metric
	if err := m.Write(&all); err != nil {
		t.Fatal(err)
	}
	all.Histogram.CreatedTimestamp = nil
	return all.Histogram
}

// TestHistogram compares histograms with those of the client library.
func TestHistogram(t *testing.T) {
	t.Parallel()
	d := prometheus.NewDesc("test", "", nil, nil)
	r := rand.New(rand.NewPCG(1, 2))
	for name, next := range map[string]func() time.Duration{
		"nothing":         func() time.Duration { return 0 },
		"little":          func() time.Duration { return time.Duration(r.IntN(3000)) },
		"powers of two":   func() time.Duration { return time.Second << r.IntN(9) >> 4 },
		"like each other": func() time.Duration { return time.Millisecond + time.Duration(r.IntN(1e6)) },
		"of all sorts":    func() time.Duration { return time.Microsecond << r.IntN(10) * time.Duration(1+r.IntN(3)) },
	} {
		t.Run(name, func(t *testing.T) {
			theirs := prometheus.NewHistogram(native("test", ""))
			var ours histogram
			for range 500 {
				took := next()
				ours.observe(took)
				theirs.Observe(took.Seconds())
			}
			want, got := written(t, theirs), written(t, ours.metric(d, time.Now()))
			if !proto.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

// TestCoarser has more different values come than there may be buckets.
func TestCoarser(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	all := []time.Duration{-time.Second} // counts as none
	for range 10_000 {
		all = append(all, time.Duration(r.ExpFloat64()*float64(time.Microsecond<<r.IntN(25))))
	}
	var fine histogram
	for _, took := range all {
		fine.observe(took)
	}
	if fine.halved == 0 || len(fine.buckets) > maxBuckets {
		t.Errorf("halved %d times: %d buckets", fine.halved, len(fine.buckets))
	}
	coarse := histogram{halved: fine.halved} // from the beginning
	for _, took := range all {
		coarse.observe(took)
	}
	d := prometheus.NewDesc("test", "", nil, nil)
	want, got := written(t, coarse.metric(d, time.Now())), written(t, fine.metric(d, time.Now()))
	if got.GetSampleCount() != uint64(len(all)) || !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
