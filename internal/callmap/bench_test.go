package callmap_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/callmap"
	"pinfold.dev/pinfold/internal/record"
)

// BenchmarkMap makes a map of a million records in a store, or as many as
// PINFOLD_RECORDS says. PINFOLD_RECORDS_DIR is a folder to keep them in. A third
// of them are requests over HTTP, a third calls that these make of another
// function, and a third what those cause.
func BenchmarkMap(b *testing.B) {
	many, dir := 1_000_000, os.Getenv("PINFOLD_RECORDS_DIR")
	if n, err := strconv.Atoi(os.Getenv("PINFOLD_RECORDS")); err == nil {
		many = n
	}
	if dir == "" {
		dir = b.TempDir()
	}
	s, err := record.Open(record.Config{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	fill(b, s, many)
	runtime.GC()
	b.ResetTimer()
	var most, allocated runtime.MemStats
	for b.Loop() {
		calls, n := uint64(0), 0
		edges, err := callmap.Of(func(yield func(pinfold.Record, error) bool) {
			for r, err := range s.Query(b.Context(), pinfold.RecordQuery{Calls: true}) {
				if n++; n%100_000 == 0 {
					runtime.ReadMemStats(&allocated)
					most.HeapAlloc = max(most.HeapAlloc, allocated.HeapAlloc)
				}
				if !yield(r, err) {
					return
				}
			}
		}, time.Now())
		for _, e := range edges {
			calls += e.Calls
		}
		if want := uint64(n - n/3); err != nil || n < many || calls != want {
			b.Fatalf("%d edges with %d of %d calls, %d records, %v", len(edges), calls, want, n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(many), "µs/record")
	b.ReportMetric(float64(most.HeapAlloc>>20), "MB-heap")
}

func fill(b *testing.B, s *record.Store, many int) {
	for range s.Query(b.Context(), pinfold.RecordQuery{Limit: 1}) {
		return // it has been filled
	}
	chance := rand.New(rand.NewPCG(1, 2))
	at := time.Now().Add(-24 * time.Hour)
	step := 24 * time.Hour / time.Duration(many)
	var batch []pinfold.Record
	for n := 0; n < many; n += 3 {
		from, to := fmt.Sprint("orders-", chance.IntN(30)), fmt.Sprint("prices-", chance.IntN(30))
		front := pinfold.Record{
			Time: at, RequestID: fmt.Sprint("request-", n), Function: from, Trigger: "http", Status: "ok", Handler: time.Duration(chance.ExpFloat64() * float64(time.Millisecond)),
			Source: "arn:aws:execute-api:us-east-1:000000000000:a1b2c3d4e5/$default/GET/" + from, Caller: "apigateway.amazonaws.com",
		}
		binary.LittleEndian.PutUint64(front.Trace[:], chance.Uint64())
		binary.LittleEndian.PutUint64(front.Span[:], chance.Uint64())
		call, back := front, front
		binary.LittleEndian.PutUint64(call.Span[:], chance.Uint64())
		binary.LittleEndian.PutUint64(back.Span[:], chance.Uint64())
		call.Time, call.Parent, call.Service, call.Operation, call.Trigger, call.Source = at.Add(step), front.Span, "lambda", "Invoke", "", ""
		back.Time, back.Parent, back.Function, back.Trigger, back.Source = at.Add(2*step), call.Span, to, "api", ""
		if batch = append(batch, front, call, back); len(batch) > 10_000 || n+3 >= many {
			if err := s.Append(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
		at = at.Add(3 * step)
	}
}
