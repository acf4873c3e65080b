package pool

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"pinfold.dev/pinfold"
)

// ready is a worker that answers at once, from memory.
type ready struct {
	res    *pinfold.Result
	yields bool
}

func (r ready) ID() string            { return "ready" }
func (r ready) Concurrency() int      { return 1 }
func (r ready) Ahead() int            { return 0 }
func (r ready) Done() <-chan struct{} { return nil }
func (r ready) Reusable() bool        { return true }
func (r ready) MemoryMB() int         { return 64 }
func (r ready) Close() error          { return nil }
func (r ready) Invoke(_ context.Context, _ *pinfold.Invocation, over func()) (*pinfold.Result, error) {
	if r.yields {
		runtime.Gosched()
	}
	over()
	return r.res, nil
}

type atOnce struct{ yields bool }

func (atOnce) Kind(*pinfold.Version) string { return "" }
func (atOnce) Boot(context.Context, string) (Cell, error) {
	return nil, errors.New("there are no cells")
}
func (a atOnce) Launch(context.Context, *pinfold.Version) (Worker, error) {
	return &endless{ready: ready{&pinfold.Result{}, a.yields}, done: make(chan struct{})}, nil
}

// endless is ready and can be closed.
type endless struct {
	ready
	done chan struct{}
}

func (e *endless) Done() <-chan struct{} { return e.done }

// BenchmarkWarm is what the pool costs an invocation that finds an idle instance:
// the worker itself costs nothing here.
func BenchmarkWarm(b *testing.B) {
	v := version("a", "1")
	invoke := func(b *testing.B, p *Pool) {
		if _, err := p.Invoke(context.Background(), v, &inv0); err != nil {
			b.Error(err)
		}
	}
	b.Run("alone", func(b *testing.B) {
		p := New(atOnce{}, Config{})
		defer p.Close(context.Background())
		invoke(b, p)
		b.ReportAllocs()
		for b.Loop() {
			invoke(b, p)
		}
	})
	b.Run("waiting", func(b *testing.B) { // most of the callers wait for the one instance
		p := New(atOnce{yields: true}, Config{MemoryMB: 64})
		defer p.Close(context.Background())
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				invoke(b, p)
			}
		})
	})
	b.Run("parallel", func(b *testing.B) {
		p := New(atOnce{}, Config{})
		defer p.Close(context.Background())
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				invoke(b, p)
			}
		})
	})
}

var inv0 pinfold.Invocation

// TestWarmPathAllocatesNothing holds the promise of the hot path.
func TestWarmPathAllocatesNothing(t *testing.T) {
	p := New(atOnce{}, Config{FreezeAfter: -1})
	defer p.Close(context.Background())
	v := version("a", "1")
	inv := &pinfold.Invocation{}
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := p.Invoke(context.Background(), v, inv); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for each invocation", n)
	}
}
