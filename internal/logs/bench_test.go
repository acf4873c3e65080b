//go:build unix

package logs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// invocation is what a warm invocation leaves in the log, as the runtimes write
// it.
func invocation(fn, instance string) []pinfold.LogLine {
	const id = "6bc9e3a1-7c53-4b0e-9f0a-2b8f3c1d5e77"
	lines := make([]pinfold.LogLine, 3)
	for i, text := range []string{
		"START RequestId: " + id + " Version: $LATEST",
		"END RequestId: " + id,
		"REPORT RequestId: " + id + "\tDuration: 1.42 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 47 MB\t",
	} {
		lines[i] = pinfold.LogLine{
			Function: function(fn).With("$LATEST"), Name: fn, Version: "$LATEST", Instance: instance,
			RequestID: id, System: true, Text: text,
		}
	}
	return lines
}

// cpu returns the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// sinks are the ways to write an instance's lines, and one that tells what the
// benchmark itself costs.
func sinks(s *Store) map[string]func(common *pinfold.LogLine) func(*pinfold.LogLine) {
	return map[string]func(common *pinfold.LogLine) func(*pinfold.LogLine){
		"nothing": func(*pinfold.LogLine) func(*pinfold.LogLine) { return func(*pinfold.LogLine) {} },
		"write":   func(*pinfold.LogLine) func(*pinfold.LogLine) { return func(l *pinfold.LogLine) { s.Write(*l) } },
		"source": func(common *pinfold.LogLine) func(*pinfold.LogLine) {
			source := s.Source(*common)
			var text []byte
			return func(l *pinfold.LogLine) {
				text = append(text[:0], l.Text...)
				source.Write(l.Time, l.RequestID, l.System, text)
			}
		},
	}
}

// BenchmarkLine measures what a line costs its producer while the writer is busy
// with the disk.
func BenchmarkLine(b *testing.B) {
	s := open(b, Config{Dir: b.TempDir(), KeepBytes: 16 << 20})
	lines := invocation("hello", "i-0123456789abcdef")
	for name, sink := range sinks(s) {
		b.Run(name, func(b *testing.B) {
			write := sink(&lines[0])
			n := 0
			b.ReportAllocs()
			s.files.Lock()
			for b.Loop() {
				l := &lines[n%3]
				l.Time = time.Now()
				write(l)
				if n++; n%750 == 0 { // as many as come while the writer rests
					b.StopTimer()
					s.files.Unlock()
					s.flush(b.Context())
					s.files.Lock()
					b.StartTimer()
				}
			}
			s.files.Unlock()
			whole(b, s)
		})
	}
}

// BenchmarkFlood measures the processor time of this process per line while
// eight producers write as fast as they can.
func BenchmarkFlood(b *testing.B) {
	const producers, piece = 8, 900
	s := open(b, Config{Dir: b.TempDir(), KeepBytes: 16 << 20})
	for name, sink := range sinks(s) {
		b.Run(name, func(b *testing.B) {
			before := cpu(b)
			var wg sync.WaitGroup
			for p := range producers {
				wg.Go(func() {
					lines := invocation("hello", fmt.Sprint("i-", p))
					write := sink(&lines[0])
					for i := range b.N / producers {
						l := &lines[i%3]
						l.Time = time.Now()
						write(l)
						if i%piece == piece-1 {
							s.flush(b.Context())
						}
					}
				})
			}
			wg.Wait()
			s.flush(b.Context())
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/line")
			whole(b, s)
		})
	}
}

// BenchmarkLoad measures the processor time of this process per line at 75,000
// lines/s, which is what 25,000 invocations/s write. What it costs to keep that
// pace is the row "nothing".
func BenchmarkLoad(b *testing.B) {
	const producers, rate = 8, 75_000
	for _, functions := range []int{1, 1000} {
		s := open(b, Config{Dir: b.TempDir(), KeepBytes: 16 << 20})
		for f := range functions { // folders are made once
			s.Write(line(fmt.Sprint("hello", f), 0, "before"))
		}
		s.flush(b.Context())
		for name, sink := range sinks(s) {
			b.Run(fmt.Sprintf("functions=%d/%s", functions, name), func(b *testing.B) {
				before := cpu(b)
				begun := time.Now()
				var wg sync.WaitGroup
				for p := range producers {
					wg.Go(func() {
						var all [][]pinfold.LogLine
						var write []func(*pinfold.LogLine)
						for f := range functions {
							lines := invocation(fmt.Sprint("hello", f), fmt.Sprint("i-", p))
							all = append(all, lines)
							write = append(write, sink(&lines[0]))
						}
						for i := range b.N / producers {
							if i%3 == 0 {
								if ahead := time.Duration(i)*producers*time.Second/rate - time.Since(begun); ahead > 0 {
									time.Sleep(ahead)
								}
							}
							l := &all[i/3%functions][i%3]
							l.Time = time.Now()
							write[i/3%functions](l)
						}
					})
				}
				wg.Wait()
				s.flush(b.Context())
				b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/line")
				whole(b, s)
			})
		}
	}
}

// whole fails a benchmark that was cheap because lines were dropped.
func whole(b *testing.B, s *Store) {
	s.flush(b.Context())
	segments, _ := filepath.Glob(filepath.Join(s.config.Dir, "*", "*.jsonl"))
	for _, name := range segments {
		if data, err := os.ReadFile(name); err != nil || bytes.Contains(data, []byte("log lines are missing")) {
			b.Fatalf("%s is not whole: %v", name, err)
		}
	}
}
