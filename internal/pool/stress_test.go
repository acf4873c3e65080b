package pool

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// TestStress runs everything against everything in real time, under -race: many
// callers, few places, crashes, impatient callers, deployments.
func TestStress(t *testing.T) {
	f := &fleet{boot: 200 * time.Microsecond, run: 50 * time.Microsecond}
	p := New(f.launch, Config{Concurrency: 6, MaxLaunches: 3, MemoryMB: 1 << 20, IdleTimeout: 5 * time.Millisecond})
	var revision atomic.Int64
	names := []string{"a", "b", "c", "d"}
	revisions := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
	var served, throttled, left atomic.Int64

	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 150 {
				v := version(names[rnd.IntN(len(names))], revisions[revision.Load()])
				payload := []string{"", "", "", "", "", "crash", "timeout"}[rnd.IntN(7)]
				ctx, cancel := context.Background(), context.CancelFunc(func() {})
				if rnd.IntN(4) == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(rnd.IntN(300))*time.Microsecond)
				}
				res, err := p.Invoke(ctx, v, &pinfold.Invocation{Payload: []byte(payload), Deadline: time.Now().Add(10 * time.Second)})
				cancel()
				switch {
				case err == nil && res.ExecutedVersion != v.RevisionID:
					t.Errorf("content %s ran for %s", res.ExecutedVersion, v.RevisionID)
				case err == nil:
					served.Add(1)
				case pinfold.CodeOf(err) == pinfold.Throttled:
					throttled.Add(1)
				case pinfold.CodeOf(err) == pinfold.Timeout:
					left.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	stop := make(chan struct{})
	var deployer sync.WaitGroup
	deployer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				old := revisions[revision.Load()]
				revision.Store((revision.Load() + 1) % int64(len(revisions)))
				p.Drain(func(v *pinfold.Version) bool { return v.RevisionID == old })
				p.Stats()
				runtime.Gosched()
			}
		}
	})
	wg.Wait()
	close(stop)
	deployer.Wait()
	if err := p.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if f.mostUp > 6 || f.mostAt > 3 {
		t.Errorf("%d instances and %d launches at a time; the limits are 6 and 3", f.mostUp, f.mostAt)
	}
	if served.Load() == 0 || throttled.Load() > 0 {
		t.Errorf("served %d, throttled %d, left %d", served.Load(), throttled.Load(), left.Load())
	}
	for _, w := range f.workers {
		if !w.closed.Load() {
			t.Errorf("%s is left behind", w.id)
		}
	}
	if len(p.instances) != 0 || p.busy != 0 || p.waiting != 0 || p.draining != 0 || p.launching != 0 || len(p.sets) != 0 {
		t.Errorf("the closed pool still counts: %d sets, %d instances, %d busy, %d waiting, %d draining, %d launching",
			len(p.sets), len(p.instances), p.busy, p.waiting, p.draining, p.launching)
	}
}

func BenchmarkAcquireIdle(b *testing.B) {
	f := &fleet{}
	p := New(f.launch, Config{})
	defer p.Close(context.Background())
	v := version("a", "1")
	in, _, err := p.acquire(context.Background(), v, time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	p.release(in)
	b.ReportAllocs()
	for b.Loop() {
		in, _, err := p.acquire(context.Background(), v, time.Time{})
		if err != nil {
			b.Fatal(err)
		}
		p.release(in)
	}
}
