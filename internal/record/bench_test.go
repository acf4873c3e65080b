//go:build unix

package record

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// traffic makes records as a platform with a few dozen functions does: mostly
// warm, some called by others, few that fail, ids of chance.
type traffic struct {
	*rand.Rand
	at time.Time
	n  int
}

const functions = 30

func newTraffic() *traffic { return &traffic{rand.New(rand.NewPCG(1, 2)), noon, 0} }

func (t *traffic) uuid() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], t.Uint64())
	binary.LittleEndian.PutUint64(b[8:], t.Uint64())
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func (t *traffic) next(r *pinfold.Record) {
	f := int(functions * t.Float64() * t.Float64()) // some more often than others
	took := func(mean time.Duration) time.Duration { return time.Duration(float64(mean) * (0.5 + t.ExpFloat64()/2)) }
	t.at = t.at.Add(took(100 * time.Microsecond))
	t.n++
	*r = pinfold.Record{
		Time: t.at, RequestID: t.uuid(), Function: fmt.Sprint("orders-", f), Version: strconv.Itoa(1 + f%7), Alias: "live", Trigger: "api",
		Source: "arn:aws:execute-api:eu-central-1:000000000000:a1b2c3d4e5/prod/GET/orders",
		Caller: "arn:aws:iam::000000000000:user/" + strconv.Itoa(f%3),
		Status: "ok", Queue: took(3 * time.Microsecond), Place: took(20 * time.Microsecond),
		Handler: took(time.Duration(1+f) * time.Millisecond), Response: took(30 * time.Microsecond),
		MemoryMB: 128 << (f % 4), PeakMB: 40 + f + t.IntN(4), BytesIn: int64(200 + t.IntN(400)), BytesOut: int64(500 + t.IntN(2000)),
		CodeSize: int64(1000000 + f*12345), Instance: fmt.Sprintf("%016x%016x", f*977, t.IntN(4)),
	}
	binary.LittleEndian.PutUint64(r.Trace[:], t.Uint64())
	binary.LittleEndian.PutUint64(r.Trace[8:], t.Uint64())
	binary.LittleEndian.PutUint64(r.Span[:], t.Uint64())
	if t.IntN(4) == 0 {
		binary.LittleEndian.PutUint64(r.Parent[:], t.Uint64())
	}
	r.CPU = r.Handler / 3
	r.Billed = r.Handler.Truncate(time.Millisecond) + time.Millisecond
	switch k := t.IntN(1000); {
	case k < 5:
		r.Cold, r.Fetch, r.Sandbox, r.Boot, r.Init = pinfold.ColdScaleOut, took(time.Millisecond), took(2*time.Millisecond), took(30*time.Millisecond), took(80*time.Millisecond)
	case k < 15:
		r.Status, r.ErrorType, r.Fingerprint = "error", "TypeError", fmt.Sprintf("%016x", f)
	}
}

func (t *traffic) batch(n int) []pinfold.Record {
	all := make([]pinfold.Record, n)
	for i := range all {
		t.next(&all[i])
	}
	return all
}

// cpu returns the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkPut measures what a record costs who has it, on one processor and on
// all of them at once. 256 at a time are taken away, which is included.
func BenchmarkPut(b *testing.B) {
	record := new(pinfold.Record)
	for _, procs := range []string{"one", "all"} {
		b.Run(procs, func(b *testing.B) {
			w := NewWriter(nowhere{}, 0, quiet())
			w.Put(record) // keeps the writer itself away
			var taking sync.Mutex
			var batch []pinfold.Record
			put := func(more func() bool) {
				for i := 1; more(); i++ {
					if w.Put(record); i%256 == 0 {
						taking.Lock()
						batch = w.take(batch[:0])
						taking.Unlock()
					}
				}
			}
			b.ReportAllocs()
			before := cpu(b)
			b.ResetTimer()
			if procs == "one" {
				n := 0
				put(func() bool { n++; return n <= b.N })
			} else {
				b.RunParallel(func(pb *testing.PB) { put(pb.Next) })
			}
			b.StopTimer()
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
			if w.Dropped() > 0 {
				b.Errorf("%d were dropped, which is cheap", w.Dropped())
			}
			w.giveUp()
			w.Close(context.Background())
		})
	}
}

// nowhere is a store that is busy.
type nowhere struct{}

func (nowhere) Append(ctx context.Context, _ []pinfold.Record) error {
	<-ctx.Done()
	return ctx.Err()
}

// BenchmarkWrite measures the processor time of a record in all: batches of 100,
// as come at 10,000 a second, to the journal and on to segments.
func BenchmarkWrite(b *testing.B) {
	const each = 100
	dir := b.TempDir()
	s := open(b, dir, 0)
	source := newTraffic()
	made := source.batch(64 << 10)
	before := cpu(b)
	b.ResetTimer()
	n := 0
	for i := 0; i < b.N; i += each {
		at := i % (len(made) - each)
		appendTo(b, s, made[at:at+each]...)
		n += each
	}
	b.StopTimer()
	b.ReportMetric(float64(cpu(b)-before)/float64(n), "cpu-ns/record")
	b.ReportMetric(float64(diskUse(b, dir))/float64(n), "bytes/record")
}

// BenchmarkPaced measures the share of one processor that 10,000 records a second
// take, ring and all. What the benchmark itself costs is the row "nothing".
func BenchmarkPaced(b *testing.B) {
	const rate = 10_000
	for _, name := range []string{"nothing", "store"} {
		b.Run(name, func(b *testing.B) {
			var to Appender = new(sink)
			if name == "store" {
				to = open(b, b.TempDir(), 0)
			}
			w := NewWriter(to, 0, quiet())
			made := newTraffic().batch(64 << 10)
			before, began := cpu(b), time.Now()
			for i := range b.N {
				if i%100 == 0 {
					time.Sleep(time.Duration(i)*time.Second/rate - time.Since(began))
				}
				w.Put(&made[i%len(made)])
			}
			w.Close(context.Background())
			b.ReportMetric(100*float64(cpu(b)-before)/float64(time.Since(began)), "%cpu")
			b.ReportMetric(float64(w.Dropped()), "dropped")
		})
	}
}

// sink is a store that keeps nothing.
type sink struct{}

func (sink) Append(context.Context, []pinfold.Record) error { return nil }

// BenchmarkSearch measures queries over 10 million records, or as many as
// PINFOLD_RECORDS says. PINFOLD_RECORDS_DIR is a folder to keep them in.
func BenchmarkSearch(b *testing.B) {
	many := 10_000_000
	if n, err := strconv.Atoi(os.Getenv("PINFOLD_RECORDS")); err == nil {
		many = n
	}
	dir := os.Getenv("PINFOLD_RECORDS_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	s, source := open(b, dir, 0), newTraffic()
	first, last := source.fill(b, s, many)
	span := last.Time.Sub(first.Time)
	middle := pinfold.Record{}
	for r := range s.Query(b.Context(), pinfold.RecordQuery{Until: first.Time.Add(span / 2), Limit: 1}) {
		middle = r
	}
	hour := func(from, to float64) pinfold.RecordQuery {
		return pinfold.RecordQuery{Since: first.Time.Add(time.Duration(from * float64(span))), Until: first.Time.Add(time.Duration(to * float64(span)))}
	}
	with := func(q pinfold.RecordQuery, change func(*pinfold.RecordQuery)) pinfold.RecordQuery {
		change(&q)
		return q
	}
	for _, test := range []struct {
		name string
		q    pinfold.RecordQuery
	}{
		{"newest 20", pinfold.RecordQuery{Limit: 20}},
		{"function, newest 100", pinfold.RecordQuery{Function: "orders-3", Limit: 100}},
		{"function, a tenth of the time, newest 1000", with(hour(0.3, 0.4), func(q *pinfold.RecordQuery) { q.Function, q.Limit = "orders-3", 1000 })},
		{"function, a tenth of the time, all", with(hour(0.3, 0.4), func(q *pinfold.RecordQuery) { q.Function = "orders-3" })},
		{"function, all of the time, all", pinfold.RecordQuery{Function: "orders-25"}},
		{"function, errors, all of the time, all", pinfold.RecordQuery{Function: "orders-3", Errors: true}},
		{"function that is not there", pinfold.RecordQuery{Function: "nothing"}},
		{"function, all of the time, slowest 20", pinfold.RecordQuery{Function: "orders-3", Slowest: true, Limit: 20}},
		{"all of the time, slowest 20", pinfold.RecordQuery{Slowest: true, Limit: 20}},
		{"all of the time, cold, newest 100", pinfold.RecordQuery{Cold: true, Limit: 100}},
		{"request", pinfold.RecordQuery{RequestID: middle.RequestID}},
		{"request that is not there", pinfold.RecordQuery{RequestID: "6bc9e3a1-7c53-4b0e-9f0a-2b8f3c1d5e77"}},
		{"trace", pinfold.RecordQuery{Trace: middle.Trace, Calls: true}},
	} {
		b.Run(test.name, func(b *testing.B) {
			n, rounds, before := 0, 0, cpu(b)
			for b.Loop() {
				rounds++
				n = 0
				for _, err := range s.Query(b.Context(), test.q) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			b.ReportMetric(float64(n), "found")
			b.ReportMetric(float64(cpu(b)-before)/float64(rounds)/1e6, "cpu-ms/op")
		})
	}
}

// fill appends so many records, unless they are there, and returns the first and
// the last.
func (t *traffic) fill(b *testing.B, s *Store, many int) (first, last pinfold.Record) {
	for r := range s.Query(b.Context(), pinfold.RecordQuery{Limit: 1}) {
		last = r
	}
	var batch []pinfold.Record
	if last.RequestID == "" {
		for n := 0; n < many; n += len(batch) {
			batch = t.batch(min(10_000, many-n))
			appendTo(b, s, batch...)
			if n == 0 {
				first = batch[0]
			}
		}
		return first, batch[len(batch)-1]
	}
	t.next(&first)
	return first, last
}
