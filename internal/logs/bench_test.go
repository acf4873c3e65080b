//go:build unix

package logs

import (
	"fmt"
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
	for l, err := range s.Query(b.Context(), Query{Text: "log lines are missing"}) {
		b.Fatalf("the log is not whole: %q, %v", l.Text, err)
	}
}

// sample is a line as programs write it.
func sample(i int) string {
	level := "INFO"
	if i%1000 == 7 {
		level = "ERROR"
	}
	return fmt.Sprintf(`{"time":"2026-11-21T12:00:%02d.%03dZ","level":"%s","msg":"handled request","path":"/orders/%d","status":%d,"ms":%d}`,
		i/1000%60, i%1000, level, i*7919%100_000, 200+i%7*50, i*31%400)
}

// BenchmarkIngest writes lines as fast as the store takes them without loss, by
// sources that wait, down to the disk. MB are of text.
func BenchmarkIngest(b *testing.B) {
	for _, sources := range []int{1, 8} {
		b.Run(fmt.Sprint("sources=", sources), func(b *testing.B) {
			s := open(b, Config{Dir: b.TempDir(), FunctionRate: 1 << 40})
			texts := make([][]byte, 10_000)
			size := 0
			for i := range texts {
				texts[i] = []byte(sample(i))
				size += len(texts[i])
			}
			b.SetBytes(int64(size * sources))
			before := cpu(b)
			for b.Loop() {
				var wg sync.WaitGroup
				for n := range sources {
					wg.Go(func() {
						source := s.Source(line(fmt.Sprint("hello", n), 0, "")).(*Source)
						for i, text := range texts {
							if i%500 == 0 { // about as much as a pipe holds
								_ = source.Wait(b.Context())
							}
							source.Write(time.Now(), "6bc9e3a1-7c53-4b0e-9f0a-2b8f3c1d5e77", false, text)
						}
					})
				}
				wg.Wait()
			}
			s.flush(b.Context())
			b.ReportMetric(float64(b.N*size*sources)/1e6/(cpu(b)-before).Seconds(), "MB/cpu-s")
			whole(b, s)
		})
	}
}

// BenchmarkSearch searches lines, of which one in a thousand is wanted. MB are of
// text. It tells what a million lines take on disk.
func BenchmarkSearch(b *testing.B) {
	lines := 9_000_000 // about a gigabyte
	if testing.Short() {
		lines = 700_000
	}
	s := open(b, Config{Dir: b.TempDir(), KeepBytes: 1 << 40, SegmentBytes: 64 << 20, FunctionRate: 1 << 40})
	source := s.Source(line("hello", 0, "")).(*Source)
	size := 0
	for i := range lines {
		if i%500 == 0 {
			_ = source.Wait(b.Context())
		}
		text := sample(i)
		size += len(text)
		source.Write(begin.Add(time.Duration(i)*time.Millisecond), fmt.Sprintf("6bc9e3a1-7c53-4b0e-9f0a-%012x", i/3*7919%1_000_000_007), false, []byte(text))
	}
	s.flush(b.Context())
	whole(b, s)
	group, err := s.Group(groupName("hello"))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		query Query
	}{
		{"text", Query{Text: `"ERROR"`}},
		{"term", Query{Pattern: `ERROR`}},
		{"json", Query{Pattern: `{ $.level = "ERROR" }`}},
		{"level", Query{Level: Error}},
		{"json-number", Query{Pattern: `{ $.ms > 398 && $.status = 500 }`}},
		{"fields", Query{Pattern: `[first, last=*399}]`}},
		{"nothing", Query{Pattern: `"not there at all"`}},
		{"regex", Query{Pattern: `%ER+OR%`}},
		{"request", Query{Requests: []string{fmt.Sprintf("6bc9e3a1-7c53-4b0e-9f0a-%012x", 12345*7919)}}},
		{"minute", Query{Since: begin.Add(2 * time.Minute), Until: begin.Add(3 * time.Minute)}},
		{"last", Query{Limit: 100, Tail: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(size))
			before := cpu(b)
			n := 0
			for b.Loop() {
				n = 0
				for _, err := range s.Query(b.Context(), c.query) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			b.ReportMetric(float64(b.N*size)/1e6/(cpu(b)-before).Seconds(), "MB/cpu-s")
			b.ReportMetric(float64(n), "lines")
			b.ReportMetric(float64(group.StoredBytes)/1e6/(float64(lines)/1e6), "disk-MB/Mlines")
		})
	}
}
