package trace

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

// traces are a sampler's output: how many records there are of each.
type traces struct {
	mu   sync.Mutex
	kept map[pinfold.TraceID]int
}

func (k *traces) keep(records []pinfold.Record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil {
		k.kept = make(map[pinfold.TraceID]int)
	}
	for _, r := range records {
		k.kept[r.Trace]++
	}
}

func (k *traces) of(id pinfold.TraceID) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept[id]
}

// traceID is one whose random part is a share of all.
func traceID(n byte, share float64) (id pinfold.TraceID) {
	id[0] = n
	binary.BigEndian.PutUint64(id[8:], uint64(share*(1<<56)))
	return id
}

func TestWhatIsKept(t *testing.T) {
	ok := pinfold.Record{Function: "f", Status: "ok", Handler: time.Millisecond}
	with := func(change func(*pinfold.Record)) pinfold.Record {
		r := ok
		change(&r)
		return r
	}
	call := with(func(r *pinfold.Record) { r.Service, r.Handler = "sqs", time.Hour })
	for name, tc := range map[string]struct {
		records []pinfold.Record
		want    bool
	}{
		"nothing special":       {[]pinfold.Record{ok, ok, call}, false},
		"an error":              {[]pinfold.Record{ok, with(func(r *pinfold.Record) { r.Status = "error" }), ok}, true},
		"throttled":             {[]pinfold.Record{with(func(r *pinfold.Record) { r.Status = "throttled" })}, true},
		"a call that failed":    {[]pinfold.Record{ok, with(func(r *pinfold.Record) { r.Service, r.Status = "sqs", "invalid" })}, true},
		"a cold start":          {[]pinfold.Record{with(func(r *pinfold.Record) { r.Cold = pinfold.ColdScaleOut }), ok}, true},
		"slow":                  {[]pinfold.Record{ok, with(func(r *pinfold.Record) { r.Handler *= 10 })}, true},
		"slow to come":          {[]pinfold.Record{ok, with(func(r *pinfold.Record) { r.Queue = time.Second })}, true},
		"fast, the first there": {[]pinfold.Record{with(func(r *pinfold.Record) { r.Function = "g" })}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out traces
				s := NewSampler(SamplerConfig{}, out.keep)
				for range 200 {
					s.isSlow(&ok) // so fast is the function
				}
				id := traceID(1, 0.5)
				for _, r := range tc.records {
					r.Trace = id
					s.Put(&r)
				}
				time.Sleep(9 * time.Second)
				synctest.Wait()
				if out.of(id) > 0 {
					t.Error("it was not waited for the rest")
				}
				time.Sleep(4 * time.Second)
				synctest.Wait()
				if got := out.of(id); (got == len(tc.records)) != tc.want || (got == 0) == tc.want {
					t.Errorf("%d of %d records are kept", got, len(tc.records))
				}
				late, sad := ok, ok
				late.Trace, sad.Trace, sad.Status = id, id, "error"
				before := out.of(id)
				s.Put(&late)
				if got := out.of(id) > before; got != tc.want {
					t.Errorf("of what comes late, kept: %v", got)
				}
				before = out.of(id)
				s.Put(&sad)
				if out.of(id) == before {
					t.Error("a late error is lost")
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestTheShare: it depends on nothing but the id, so it is the same everywhere.
func TestTheShare(t *testing.T) {
	s := &Sampler{config: SamplerConfig{Share: 0.25}}
	n := 0
	for range 10_000 {
		if s.inShare(newTrace(time.Now())) {
			n++
		}
	}
	if n < 2200 || n > 2800 { // 7 standard deviations
		t.Errorf("%d of 10000 are a quarter", n)
	}
	for share, want := range map[float64]bool{0: true, 0.249: true, 0.251: false, 0.999: false} {
		if got := s.inShare(traceID(1, share)); got != want {
			t.Errorf("at %v: %v", share, got)
		}
	}
	all, none := &Sampler{config: SamplerConfig{Share: 1}}, &Sampler{}
	if last := traceID(255, math.Nextafter(1, 0)); !all.inShare(last) || none.inShare(pinfold.TraceID{}) {
		t.Error("all and none")
	}
}

// TestSamplerIsBounded: too many traces, and one trace that is too long.
func TestSamplerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out traces
		s := NewSampler(SamplerConfig{Share: 1, MaxRecords: 100}, out.keep)
		r := pinfold.Record{Function: "f", Status: "ok"}
		for i := range 6 * generation {
			r.Trace = newTrace(time.Now())
			if i%2 == 0 {
				r.Trace = pinfold.TraceID{1}
			}
			s.Put(&r)
			waiting, known := s.next-s.waiting, s.next-s.oldest
			if s.held > 100 || len(s.slots) > 101 || waiting > 100 || known > 2*generation || uint64(len(s.numbers)+len(s.earlier)) != known || s.waiting < s.oldest {
				t.Fatalf("holds %d records in %d slots, %d traces that wait of %d, %d numbers", s.held, len(s.slots), waiting, known, len(s.numbers)+len(s.earlier))
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		sum := 0
		for _, n := range out.kept {
			sum += n
		}
		if got := s.Stats(); sum != 6*generation || got.Kept != int64(sum) || got.Waiting != 0 || got.Early == 0 {
			t.Errorf("%d records are kept, %+v", sum, got)
		}
		for i := range 2 * maxFunctions {
			r.Function = string(binary.BigEndian.AppendUint32(nil, uint32(i)))
			s.isSlow(&r)
		}
		if len(s.slowness) != maxFunctions {
			t.Errorf("knows %d functions", len(s.slowness))
		}
	})
}

// TestQuantile looks whether the share of those that exceed it is right, also
// after the function has become ten times as slow.
func TestQuantile(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var q quantile
	for _, scale := range []float64{1, 10, 0.1} {
		over := 0
		for i := range 20_000 {
			x := scale * math.Exp(random.NormFloat64()) // as durations are
			if q.exceeds(x, 0.01) && i >= 10_000 {
				over++
			}
		}
		if over < 50 || over > 200 {
			t.Errorf("at %v, %d of 10000 are the slowest 1%%", scale, over)
		}
	}
}

func BenchmarkSampler(b *testing.B) {
	s := NewSampler(SamplerConfig{Share: 0.01}, func([]pinfold.Record) {})
	defer s.Close()
	r := pinfold.Record{Function: "f", Status: "ok", Handler: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		r.Trace = newTrace(time.Time{})
		s.Put(&r)
	}
}
