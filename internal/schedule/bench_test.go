package schedule_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/schedule"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/store/sql"
)

// BenchmarkIdle tells what ten thousand schedules take that are not due: memory, and
// processor time in the course of some seconds.
func BenchmarkIdle(b *testing.B) {
	db, err := sql.Open(b.Context(), filepath.Join(b.TempDir(), "control.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	p := &post{}
	started := make(chan struct{}, 1)
	p.answer = func(context.Context, string, pinfold.EventMessage) error {
		started <- struct{}{}
		return nil
	}
	s := schedule.New(schedule.Options{Store: db, Sender: p, Scope: scope})
	zones := []string{"", "Europe/Berlin", "America/New_York", "Asia/Tokyo"}
	err = db.Update(b.Context(), func(tx store.Tx) error {
		s := s.Within(tx)
		for i := range 10_000 {
			expression := fmt.Sprintf("cron(%d %d 1 1 ? *)", i%60, i%24)
			if i%2 == 0 {
				expression = "at(2090-01-01T00:00:00)"
			}
			if i == 0 {
				expression = "rate(100 days)" // which is due at once
			}
			if _, err := s.CreateSchedule(b.Context(), pinfold.Schedule{
				Name: fmt.Sprint("n", i), Expression: expression, Zone: zones[i%4], Target: pinfold.ScheduleTarget{ARN: fn, Input: `{"n":1}`},
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	before := heapBytes()
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error)
	go func() { over <- s.Run(ctx) }()
	<-started
	for b.Loop() {
		was := processorTime()
		time.Sleep(15 * time.Second)
		b.ReportMetric(float64((processorTime()-was).Microseconds())/15, "µs-CPU/s")
	}
	b.ReportMetric(float64(heapBytes()-before)/1e6, "MB")
	cancel()
	if err := <-over; err != nil {
		b.Error(err)
	}
}

func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStart tells how long it takes to find what was due while nobody was there,
// for ten thousand schedules and a year.
func BenchmarkStart(b *testing.B) {
	db, err := sql.Open(b.Context(), filepath.Join(b.TempDir(), "control.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	const n = 10_000
	ahead := new(clock)
	all := make(chan struct{}, n)
	p := &post{answer: func(context.Context, string, pinfold.EventMessage) error {
		all <- struct{}{}
		return nil
	}}
	s := schedule.New(schedule.Options{Store: db, Sender: p, Scope: scope, Now: ahead.Now})
	err = db.Update(b.Context(), func(tx store.Tx) error {
		s := s.Within(tx)
		for i := range n {
			if _, err := s.CreateSchedule(b.Context(), pinfold.Schedule{Name: fmt.Sprint("n", i), Expression: fmt.Sprintf("cron(%d * * * ? *)", i%60), Zone: "Europe/Berlin", Target: pinfold.ScheduleTarget{ARN: fn}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		ahead.ahead.Add(int64(366 * 24 * time.Hour))
		ctx, cancel := context.WithCancel(context.Background())
		over := make(chan error)
		go func() { over <- s.Run(ctx) }()
		for range n {
			<-all
		}
		cancel()
		if err := <-over; err != nil {
			b.Error(err)
		}
	}
}
