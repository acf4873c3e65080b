package backlog_test

import (
	"fmt"
	"log/slog"
	"runtime"
	"syscall"
	"testing"
	"time"

	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/store/log/jetstream"
)

// These are run by hand; the figures are in docs/adr/0027. What is removed in the
// background counts: the hub is closed before the clock stops.

func benchHub(b *testing.B) *backlog.Hub {
	b.Helper()
	l, err := jetstream.Open(b.Context(), jetstream.Options{Dir: b.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	h, err := backlog.Open(b.Context(), backlog.Options{Log: l, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	return h
}

// cpu reports processor time per message.
func cpu(b *testing.B, messages int, h *backlog.Hub, run func()) {
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	b.ResetTimer()
	run()
	if err := h.Close(); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	used := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	b.ReportMetric(float64(used.Nanoseconds())/1e3/float64(messages), "cpu-us/message")
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "messages/s")
}

func items(n int) []backlog.Item {
	all := make([]backlog.Item, n)
	data := make([]byte, 256)
	for i := range all {
		all[i].Data = data
	}
	return all
}

func sendAll(b *testing.B, line *backlog.Backlog, n int) {
	for _, s := range line.Send(b.Context(), items(n)...) {
		if s.Err != nil {
			b.Fatal(s.Err)
		}
	}
}

func receiveAll(b *testing.B, line *backlog.Backlog, n int) (all []backlog.Receipt) {
	for len(all) < n {
		ms, err := line.Receive(b.Context(), min(10, n-len(all)), time.Hour, time.Second)
		if err != nil {
			b.Fatal(err)
		}
		for _, m := range ms {
			all = append(all, m.Receipt)
		}
	}
	return all
}

func removeAll(b *testing.B, line *backlog.Backlog, all ...backlog.Receipt) {
	for _, err := range line.Remove(b.Context(), all...) {
		if err != nil {
			b.Fatal(err)
		}
	}
}

// Removing what was received: by the batch, and one after the other.
func BenchmarkRemove(b *testing.B) {
	for _, n := range []int{1, 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := benchHub(b)
			line := h.Backlog("q", backlog.Config{})
			for range b.N * n / 10 {
				sendAll(b, line, 10)
			}
			sendAll(b, line, b.N*n%10)
			all := receiveAll(b, line, b.N*n)
			cpu(b, len(all), h, func() {
				for i := 0; i < len(all); i += n {
					removeAll(b, line, all[i:i+n]...)
				}
			})
		})
	}
}

// Many that each send a batch, receive one and remove it, again and again, in some
// backlogs.
func BenchmarkLoop(b *testing.B) {
	for _, n := range []int{1, 10} {
		for _, lines := range []int{1, 16, 1000} {
			b.Run(fmt.Sprintf("batch=%d/backlogs=%d", n, lines), func(b *testing.B) {
				h := benchHub(b)
				next := make(chan *backlog.Backlog, lines)
				for i := range lines {
					next <- h.Backlog(fmt.Sprint("q.", i), backlog.Config{})
				}
				b.SetParallelism(16 / runtime.GOMAXPROCS(0))
				cpu(b, b.N*n, h, func() {
					b.RunParallel(func(p *testing.PB) {
						for p.Next() {
							line := <-next
							next <- line
							sendAll(b, line, n)
							removeAll(b, line, receiveAll(b, line, n)...)
						}
					})
				})
			})
		}
	}
}
