package meter

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

func BenchmarkExecuted(b *testing.B) {
	m := quiet(b, Config{Dir: b.TempDir()})
	e := execution(function("hello", "$LATEST", 128), noon, 2)
	b.ReportAllocs()
	for b.Loop() {
		m.Executed(e)
	}
}

// BenchmarkExecutedParallel has all processors count for one function.
func BenchmarkExecutedParallel(b *testing.B) {
	m := quiet(b, Config{Dir: b.TempDir()})
	e := execution(function("hello", "$LATEST", 128), noon, 2)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Executed(e)
		}
	})
}

// BenchmarkUsage reads a month of 1,000 functions.
func BenchmarkUsage(b *testing.B) {
	m := quiet(b, Config{Dir: b.TempDir()})
	r := rand.New(rand.NewPCG(1, 2))
	for day := range 30 {
		for f := range 1000 {
			for range 3 {
				e := random(r)
				e.Version, e.Began = function(fmt.Sprint("f", f), "1", 128), time.Date(2026, 11, 1+day, 1, 0, 0, 0, time.UTC)
				m.Executed(e)
			}
		}
		if err := m.fold(lastDay); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if n := len(rows(b, m, ever)); n != 30_000 {
			b.Fatal(n)
		}
	}
	if info, err := os.Stat(m.ledger.name("2026-11")); err == nil {
		b.ReportMetric(float64(info.Size())/30_000, "bytes/row")
	}
}
