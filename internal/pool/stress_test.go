package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// TestStress runs everything against everything in real time, under -race: many
// callers, little memory, cells, freezing, several places or sending ahead,
// crashes, impatient callers, deployments, changes of settings.
func TestStress(t *testing.T) {
	for _, f := range []*fleet{
		{}, {freeze: 20 * time.Microsecond}, {ahead: true}, {places: 3, freeze: 20 * time.Microsecond},
		{kind: ofNode, freeze: 20 * time.Microsecond, ahead: true},
	} {
		f.boot, f.assign, f.run = 200*time.Microsecond, 50*time.Microsecond, 50*time.Microsecond
		stress(t, f)
	}
}

func stress(t *testing.T, f *fleet) {
	p := New(f, Config{MaxLaunches: 3, MemoryMB: 6 * 64, IdleTimeout: 5 * time.Millisecond, FreezeAfter: time.Millisecond})
	p.Want("node")
	var revision atomic.Int64
	names := []string{"a", "b", "c", "d"}
	revisions := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
	var served, left, lost atomic.Int64
	payloads := []string{"", "", "", "", "", "crash", "timeout", "linger 100us"}

	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 80 {
				v := version(names[rnd.IntN(len(names))], revisions[revision.Load()])
				payload := payloads[rnd.IntN(len(payloads))]
				ctx, cancel := context.Background(), context.CancelFunc(func() {})
				if rnd.IntN(4) == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(rnd.IntN(300))*time.Microsecond)
				}
				res, err := p.Invoke(ctx, v, &pinfold.Invocation{Payload: []byte(payload), Deadline: time.Now().Add(30 * time.Second)})
				cancel()
				switch {
				case err == nil && res.FunctionError != "": // killed by another in its instance
				case err == nil && res.ExecutedVersion != v.RevisionID:
					t.Errorf("content %s ran for %s", res.ExecutedVersion, v.RevisionID)
				case err == nil:
					served.Add(1)
				case pinfold.CodeOf(err) == pinfold.Timeout:
					left.Add(1)
				case pinfold.ReasonOf(err) == InstanceGone: // three that were spoiled by others just before
					lost.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	stop := make(chan struct{})
	var deployer sync.WaitGroup
	deployer.Go(func() {
		for n := 0; !isClosed(stop); n++ {
			old := revisions[revision.Load()]
			revision.Store((revision.Load() + 1) % int64(len(revisions)))
			p.Drain(func(v *pinfold.Version) bool { return v.RevisionID == old })
			limit, count := 3+n%5, n%3
			v := version("c", revisions[revision.Load()])
			p.Configure(version("a", "").Ref, Settings{Reserved: &limit, Queue: &pinfold.Queue{Max: 100, Wait: 30}})
			p.Configure(v.Ref, Settings{Provisioned: []Provision{{"live", v, count}}})
			p.Provisioned(v.Ref, "live")
			p.Stats()
			p.Totals()
			runtime.Gosched()
		}
	})
	wg.Wait()
	close(stop)
	deployer.Wait()
	p.Configure(version("a", "").Ref, Settings{})
	p.Configure(version("c", "").Ref, Settings{})
	if err := p.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if served.Load() == 0 || lost.Load() > 0 && f.places <= 1 {
		t.Errorf("served %d, left %d, lost %d", served.Load(), left.Load(), lost.Load())
	}
	if f.mostAt > 3 {
		t.Errorf("%d launches at a time; the limit is 3", f.mostAt)
	}
	if len(p.functions) != 0 {
		t.Errorf("%d functions are still known", len(p.functions))
	}
	checkClosed(t, f, p)
}

// Deployments under load fail no request.
func TestDrainUnderLoad(t *testing.T) {
	f := &fleet{boot: 100 * time.Microsecond, assign: 50 * time.Microsecond, run: 20 * time.Microsecond, kind: ofNode, freeze: 10 * time.Microsecond, ahead: true}
	p := New(f, Config{MemoryMB: 8 * 64, FreezeAfter: time.Millisecond})
	p.Want("node")
	revisions := []*pinfold.Version{version("a", "0"), version("a", "1"), version("a", "2")}
	var revision, served atomic.Int64
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() {
			for range 500 {
				v := revisions[revision.Load()%3]
				res, err := p.Invoke(context.Background(), v, &pinfold.Invocation{Deadline: time.Now().Add(30 * time.Second)})
				if err != nil || res.ExecutedVersion != v.RevisionID {
					t.Errorf("%+v, %v", res, err)
				}
				served.Add(1)
			}
		})
	}
	for served.Load() < 8*500 {
		revision.Add(1)
		p.Drain(func(v *pinfold.Version) bool { return v != revisions[revision.Load()%3] })
		runtime.Gosched()
	}
	load.Wait()
	if err := p.Close(context.Background()); err != nil {
		t.Error(err)
	}
	checkClosed(t, f, p)
}

// A freezer may fail in any way in the middle of everything.
func TestStressOfFreezing(t *testing.T) {
	var n atomic.Int64
	every := func(k int64) func(*fakeWorker) error {
		return func(*fakeWorker) error {
			if n.Add(1)%k == 0 {
				return errors.New("boom")
			}
			return nil
		}
	}
	f := &fleet{boot: 100 * time.Microsecond, run: 20 * time.Microsecond, freeze: 10 * time.Microsecond, failStill: every(5), failThaw: every(7)}
	p := New(f, Config{FreezeAfter: time.Nanosecond, MemoryMB: 1 << 20})
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for range 300 {
				if _, err := call(p, version("a", "1"), ""); err != nil {
					t.Error(err)
				}
				runtime.Gosched()
			}
		})
	}
	load.Wait()
	if err := p.Close(context.Background()); err != nil {
		t.Error(err)
	}
	checkClosed(t, f, p)
}
