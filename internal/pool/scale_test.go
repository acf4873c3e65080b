package pool

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

// crowd has n callers invoke v one after the other for a while.
func crowd(p *Pool, v *pinfold.Version, n int, lasts time.Duration, payload string) (served int64) {
	var wg sync.WaitGroup
	var count atomic.Int64
	end := time.Now().Add(lasts)
	for range n {
		wg.Go(func() {
			for time.Now().Before(end) {
				if _, err := p.Invoke(context.Background(), v, &pinfold.Invocation{Payload: []byte(payload)}); err == nil {
					count.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return count.Load()
}

// How many launches a crowd is worth.
func TestScaleOut(t *testing.T) {
	never, always := func() bool { return false }, func() bool { return true }
	for _, tc := range []struct {
		name      string
		boot      time.Duration
		cells     bool
		run       string
		callers   int
		lasts     time.Duration
		spare     func() bool
		cold      bool // nothing is known about the function
		ahead     bool
		min, most int
	}{
		{name: "a second each: an instance each, at once", boot: 100 * time.Millisecond, run: "1s", callers: 32, lasts: time.Second, spare: never, min: 32, most: 32},
		{name: "0.3 ms on a busy machine: one is enough", boot: 100 * time.Millisecond, run: "300us", callers: 32, lasts: 2 * time.Second, spare: never, min: 1, most: 1},
		{name: "0.3 ms with cells: no herd either", boot: 100 * time.Millisecond, cells: true, run: "300us", callers: 32, lasts: 2 * time.Second, spare: never, min: 1, most: 1},
		{name: "0.3 ms, ahead", boot: 100 * time.Millisecond, run: "300us", callers: 32, lasts: time.Second, spare: never, ahead: true, min: 1, most: 1},
		{name: "0.3 ms where there is processor to spare: one by one", boot: 100 * time.Millisecond, run: "300us", callers: 32, lasts: 2 * time.Second, spare: always, min: 3, most: 9},
		{name: "0.3 ms, a thousand callers", boot: 100 * time.Millisecond, cells: true, run: "300us", callers: 1000, lasts: time.Second, spare: never, min: 1, most: 1},
		{name: "20 ms: as many as it takes to be as quick as a launch", boot: 100 * time.Millisecond, run: "20ms", callers: 32, lasts: 2 * time.Second, spare: never, min: 5, most: 28},
		{name: "unknown, a second each", boot: 100 * time.Millisecond, run: "1s", callers: 32, lasts: time.Second, spare: never, cold: true, min: 32, most: 32},
		{name: "unknown, 0.3 ms: no more than may be launched at a time", boot: 100 * time.Millisecond, run: "300us", callers: 200, lasts: time.Second, spare: never, cold: true, min: 1, most: 8},
		{name: "one caller", boot: 100 * time.Millisecond, run: "300us", callers: 1, lasts: time.Second, spare: always, min: 1, most: 1},
		{name: "two callers of a second", boot: 100 * time.Millisecond, run: "1s", callers: 2, lasts: 5 * time.Second, spare: never, min: 2, most: 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fleet{boot: tc.boot, ahead: tc.ahead, assign: 5 * time.Millisecond}
			if tc.cells {
				f.kind = func(string) string { return "node" }
			}
			inTime(t, f, Config{Spare: tc.spare, MaxLaunches: 8}, func(t *testing.T, p *Pool) {
				p.Want("node")
				time.Sleep(time.Second)
				v := version("a", "1")
				if !tc.cold {
					for range 3 {
						calls(t, p, v, 1, tc.run)
					}
				}
				crowd(p, v, tc.callers, tc.lasts, tc.run)
				if n := f.size(); n < tc.min || n > tc.most {
					t.Errorf("%d callers of %s made %d instances, want %d to %d", tc.callers, tc.run, n, tc.min, tc.most)
				}
				t.Logf("%d instances", f.size())
			})
		})
	}
}

// A burst before anything is known makes more instances than short invocations
// have use for: they go again.
func TestTooManyAreShed(t *testing.T) {
	for _, tc := range []struct {
		name  string
		run   string
		spare bool
		shed  bool
	}{
		{"short, on a busy machine", "1ms", false, true},
		{"short, with processor to spare", "1ms", true, false},
		{"long", "20ms", false, false},
	} {
		f, procs := &fleet{boot: 100 * time.Millisecond}, runtime.GOMAXPROCS(0)
		inTime(t, f, Config{Spare: func() bool { return tc.spare }, MaxLaunches: 4 * procs}, func(t *testing.T, p *Pool) {
			crowd(p, version("a", "1"), 6*procs, time.Duration(procs+1)*time.Second, tc.run)
			n := p.Totals().Instances
			if (n <= procs) != tc.shed {
				t.Errorf("%s: %d instances are left of %d, on %d processors", tc.name, n, f.size(), procs)
			}
			if tc.shed && f.size() > 4*procs {
				t.Errorf("%s: %d launches", tc.name, f.size())
			}
		})
	}
}

func TestLaunchesAreBounded(t *testing.T) {
	f := &fleet{boot: time.Second, run: 20 * time.Second}
	inTime(t, f, Config{MaxLaunches: 3}, func(t *testing.T, p *Pool) {
		calls(t, p, version("a", "1"), 12, "")
		if f.mostAt != 3 {
			t.Errorf("%d launches at a time", f.mostAt)
		}
		if f.size() != 12 {
			t.Errorf("%d launches in all", f.size())
		}
	})
}

func TestBurstThatIsServedMeanwhileLaunchesLittle(t *testing.T) {
	f := &fleet{boot: 100 * time.Millisecond, run: time.Millisecond}
	inTime(t, f, Config{MaxLaunches: 4}, func(t *testing.T, p *Pool) {
		calls(t, p, version("a", "1"), 100, "")
		if f.size() > 4 {
			t.Errorf("%d launches for 100 ms of work", f.size())
		}
	})
}

// A usually quick function that hangs lets nobody wait for long.
func TestHangIsNoticed(t *testing.T) {
	for _, ahead := range []bool{false, true} {
		f := &fleet{boot: 100 * time.Millisecond, run: time.Millisecond, ahead: ahead}
		inTime(t, f, Config{Spare: func() bool { return false }}, func(t *testing.T, p *Pool) {
			v := version("a", "1")
			for range 10 {
				calls(t, p, v, 1, "")
			}
			var wg sync.WaitGroup
			wg.Go(func() { call(p, v, "5s") })
			synctest.Wait()
			time.Sleep(10 * time.Millisecond) // it is known to be slow by now
			for range 3 {
				began := time.Now()
				if _, err := call(p, v, ""); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > 350*time.Millisecond {
					t.Errorf("behind an invocation that hangs: %v", took)
				}
			}
			if f.size() != 2 {
				t.Errorf("%d launches", f.size())
			}
			wg.Wait()
		})
	}
}

// The pool's own goroutines rest when nothing happens.
func TestNothingTicksWhenNobodyWaits(t *testing.T) {
	f := &fleet{boot: 50 * time.Millisecond, run: time.Second}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		calls(t, p, version("a", "1"), 3, "")
		time.Sleep(time.Second)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.watching {
			t.Error("queues are looked at though nobody waits")
		}
	})
}
