package jetstream

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"pinfold.dev/pinfold/internal/store/log"
)

// These are run by hand; the figures are in docs/durability.md and docs/adr/0027.
// PINFOLD_BENCH_SYNC=always has each entry synced, PINFOLD_BENCH_EXTERNAL=1 measures
// over TCP.

func openBench(b *testing.B, dir string) (*Log, log.Stream) {
	b.Helper()
	o := Options{Dir: dir, SyncAlways: os.Getenv("PINFOLD_BENCH_SYNC") == "always", Logger: slog.New(slog.DiscardHandler)}
	if os.Getenv("PINFOLD_BENCH_EXTERNAL") != "" {
		s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true, SyncInterval: time.Second})
		if err != nil {
			b.Fatal(err)
		}
		s.Start()
		b.Cleanup(s.Shutdown)
		if !s.ReadyForConnections(startWait) {
			b.Fatal("the server did not start")
		}
		o.Dir, o.URL = "", s.ClientURL()
	}
	l, err := Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	s, err := l.Stream(b.Context(), "bench", log.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	return l, s
}

// entries returns some of 256 bytes on 1,000 subjects.
func entries(n, from int) []log.Entry {
	all := make([]log.Entry, n)
	data := make([]byte, 256)
	for i := range all {
		all[i] = log.Entry{Subject: fmt.Sprint("s.", (from+i)%1000), Meta: "meta", Data: data}
	}
	return all
}

func appendAll(b *testing.B, s log.Stream, all []log.Entry) (positions []uint64) {
	for _, stored := range s.Append(b.Context(), all...) {
		if stored.Err != nil {
			b.Fatal(stored.Err)
		}
		positions = append(positions, stored.Position)
	}
	return positions
}

// backlog fills a stream and returns the positions.
func backlog(b *testing.B, s log.Stream, n int) (positions []uint64) {
	for len(positions) < n {
		positions = append(positions, appendAll(b, s, entries(min(1000, n-len(positions)), len(positions)))...)
	}
	return positions
}

// cpu reports processor time per operation.
func cpu(b *testing.B, ops int, run func()) {
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	b.ResetTimer()
	run()
	b.StopTimer()
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	used := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	b.ReportMetric(float64(used.Microseconds())/float64(ops), "cpu-us/entry")
	b.ReportMetric(float64(ops)/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			_, s := openBench(b, b.TempDir())
			all := entries(n, 0)
			cpu(b, b.N*n, func() {
				for range b.N {
					appendAll(b, s, all)
				}
			})
		})
		b.Run(fmt.Sprint(n, "/by16"), func(b *testing.B) {
			_, s := openBench(b, b.TempDir())
			all := entries(n, 0)
			b.SetParallelism(16 / runtime.GOMAXPROCS(0))
			cpu(b, b.N*n, func() {
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						appendAll(b, s, all)
					}
				})
			})
		})
	}
}

func BenchmarkGet(b *testing.B) {
	_, s := openBench(b, b.TempDir())
	at := backlog(b, s, 10000)
	cpu(b, b.N, func() {
		for i := range b.N {
			if _, err := s.Get(b.Context(), at[i*7919%len(at)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Removing from the front, and from the middle of a million.
func BenchmarkRemove(b *testing.B) {
	for _, test := range []struct {
		name           string
		before, behind int
		batch          int
	}{{"front/1", 0, 0, 1}, {"front/10", 0, 0, 10}, {"middle/10", 500000, 500000, 10}} {
		b.Run(test.name, func(b *testing.B) {
			_, s := openBench(b, b.TempDir())
			backlog(b, s, test.before)
			at := backlog(b, s, b.N*test.batch)
			backlog(b, s, test.behind)
			cpu(b, len(at), func() {
				for batch := range slices.Chunk(at, test.batch) {
					if err := s.Remove(b.Context(), batch...); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
	b.Run("front/10/by16", func(b *testing.B) {
		_, s := openBench(b, b.TempDir())
		at := backlog(b, s, b.N*10)
		var next atomic.Int64
		b.SetParallelism(16 / runtime.GOMAXPROCS(0))
		cpu(b, len(at), func() {
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					i := int(next.Add(10))
					if err := s.Remove(b.Context(), at[i-10:i]...); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	})
}

func BenchmarkRead(b *testing.B) {
	_, s := openBench(b, b.TempDir())
	backlog(b, s, b.N)
	cpu(b, b.N, func() {
		r, err := s.Read(b.Context(), log.From{})
		if err != nil {
			b.Fatal(err)
		}
		for n := 0; n < b.N; {
			some, err := r.Next(b.Context(), 1000)
			if err != nil {
				b.Fatal(n, err)
			}
			n += len(some)
		}
	})
}

// How long from appending one to reading it by one that follows.
func BenchmarkFollow(b *testing.B) {
	_, s := openBench(b, b.TempDir())
	r, err := s.Read(b.Context(), log.From{Follow: true})
	if err != nil {
		b.Fatal(err)
	}
	cpu(b, b.N, func() {
		for range b.N {
			appendAll(b, s, entries(1, 0))
			if _, err := r.Next(b.Context(), 1); err != nil {
				b.Fatal(err)
			}
		}
	})
	r.Close()
}

// Opening what a million entries on 1,000 subjects left behind, closed in peace and
// not.
func BenchmarkOpenMillion(b *testing.B) {
	dir := b.TempDir()
	l, s := openBench(b, dir)
	backlog(b, s, 1000000)
	l.Close()
	copied := filepath.Join(b.TempDir(), "killed") // what a crash leaves has no index
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		b.Fatal(err)
	}
	if err := filepath.WalkDir(copied, func(path string, d fs.DirEntry, err error) error {
		if d.Name() == "index.db" {
			return os.Remove(path)
		}
		return err
	}); err != nil {
		b.Fatal(err)
	}
	for _, test := range []struct{ name, dir string }{{"closed", dir}, {"killed", copied}} {
		b.Run(test.name, func(b *testing.B) {
			for range b.N {
				runtime.GC()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				start := time.Now()
				l, _ := openBench(b, test.dir)
				b.ReportMetric(float64(time.Since(start).Milliseconds()), "open-ms")
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
				l.Close()
			}
		})
	}
}

// Opening an empty log.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for range b.N {
		l, _ := openBench(b, dir)
		l.Close()
	}
}

// Purging one subject of a tenth of a million: how long it takes, and how long the
// slowest append beside it.
func BenchmarkPurge(b *testing.B) {
	for range b.N {
		b.StopTimer()
		l, s := openBench(b, b.TempDir())
		for range 1000 {
			all := entries(1000, 0)
			for j := range 100 {
				all[j*10].Subject = "purged"
			}
			appendAll(b, s, all)
		}
		stop := make(chan struct{})
		slowest := make(chan time.Duration)
		go func() {
			var worst time.Duration
			for {
				select {
				case <-stop:
					slowest <- worst
					return
				default:
				}
				start := time.Now()
				appendAll(b, s, entries(1, 0))
				worst = max(worst, time.Since(start))
			}
		}()
		time.Sleep(100 * time.Millisecond)
		b.StartTimer()
		start := time.Now()
		if err := s.Purge(b.Context(), "purged", 0); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "purge-ms")
		b.StopTimer()
		close(stop)
		b.ReportMetric(float64((<-slowest).Milliseconds()), "slowest-append-ms")
		l.Close()
	}
}

// What the disk holds when of 100,000 entries of 1 KB nine in ten are removed, and
// then the rest.
func BenchmarkGivenBack(b *testing.B) {
	for range b.N {
		dir := b.TempDir()
		l, s := openBench(b, dir)
		size := func() float64 {
			total := int64(0)
			filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
				if info, ierr := d.Info(); err == nil && ierr == nil && !d.IsDir() {
					total += info.Size()
				}
				return nil
			})
			return float64(total) / 1e6
		}
		var at []uint64
		for range 100 {
			all := entries(1000, 0)
			for i := range all {
				all[i].Data = make([]byte, 1000)
			}
			at = append(at, appendAll(b, s, all)...)
		}
		b.ReportMetric(size(), "full-MB")
		var some, rest []uint64
		for i, position := range at {
			if i%10 > 0 {
				some = append(some, position)
			} else {
				rest = append(rest, position)
			}
		}
		if err := s.Remove(b.Context(), some...); err != nil {
			b.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		b.ReportMetric(size(), "tenth-MB")
		if err := s.Remove(b.Context(), rest...); err != nil {
			b.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		b.ReportMetric(size(), "empty-MB")
		l.Close()
	}
}

// What a log costs that nothing happens in: processor time in ten seconds.
func BenchmarkIdle(b *testing.B) {
	l, s := openBench(b, b.TempDir())
	r, err := s.Read(b.Context(), log.From{Follow: true})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	backlog(b, s, 10000)
	var before, after syscall.Rusage
	for range b.N {
		syscall.Getrusage(syscall.RUSAGE_SELF, &before)
		time.Sleep(10 * time.Second)
		syscall.Getrusage(syscall.RUSAGE_SELF, &after)
		used := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
		b.ReportMetric(float64(used.Microseconds())/1e3, "cpu-ms/10s")
	}
	if l.server != nil {
		start := time.Now()
		for range 100 {
			if why := l.server.ill(); why != "" {
				b.Error(why)
			}
		}
		b.ReportMetric(float64(time.Since(start).Microseconds())/100, "check-us")
	}
}
