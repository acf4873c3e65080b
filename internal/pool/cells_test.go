package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

// ofNode makes every function one whose instances can be made of cells.
func ofNode(string) string { return "node" }

// cells is how many cells wait.
func cells(p *Pool) int { return p.Totals().Cells["node"] }

func TestColdStartTakesACell(t *testing.T) {
	f := &fleet{boot: 100 * time.Millisecond, assign: 3 * time.Millisecond, run: time.Millisecond, kind: ofNode}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		p.Want("node")
		time.Sleep(time.Second)
		if n := cells(p); n != 1 {
			t.Fatalf("%d cells of a kind that is wanted", n)
		}
		if !f.cells[0].low {
			t.Error("a cell was booted with the priority of a launch that somebody waits for")
		}
		for i := range 3 {
			began := time.Now()
			calls(t, p, version(fmt.Sprint("f", i), "1"), 1, "")
			if took := time.Since(began); took != 4*time.Millisecond {
				t.Errorf("cold start %d took %v", i, took)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestKindsThatAreNotWantedHaveNoCells(t *testing.T) {
	f := &fleet{boot: 100 * time.Millisecond, run: time.Millisecond, kind: func(name string) string {
		if name == "custom" {
			return ""
		}
		return "node"
	}}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		calls(t, p, version("custom", "1"), 1, "")
		time.Sleep(time.Minute)
		if f.booted() != 0 {
			t.Errorf("%d cells were booted", f.booted())
		}
		p.Want("node", "python")
		time.Sleep(time.Second)
		p.Want("python")
		time.Sleep(time.Second)
		if got := fmt.Sprint(p.Totals().Cells); got != "map[python:1]" {
			t.Errorf("left are %s", got)
		}
	})
	f = &fleet{boot: 100 * time.Millisecond, run: time.Millisecond, kind: ofNode}
	inTime(t, f, Config{MaxCells: -1}, func(t *testing.T, p *Pool) {
		p.Want("node")
		calls(t, p, version("a", "1"), 1, "")
		time.Sleep(time.Minute)
		if f.booted() != 0 {
			t.Errorf("%d cells were booted, though there are to be none", f.booted())
		}
	})
}

// The stock follows demand: it is as large as the busiest ten seconds of the last
// ten minutes took.
func TestStockFollowsDemand(t *testing.T) {
	f := &fleet{boot: 100 * time.Millisecond, assign: 3 * time.Millisecond, run: time.Millisecond, kind: ofNode}
	inTime(t, f, Config{MaxCells: 8}, func(t *testing.T, p *Pool) {
		p.Want("node")
		time.Sleep(time.Second)
		burst := func(from, n int) {
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() { calls(t, p, version(fmt.Sprint("f", from+i), "1"), 1, "") })
			}
			wg.Wait()
			time.Sleep(9 * time.Second)
		}
		for i, step := range []struct{ burst, want int }{{5, 5}, {1, 5}, {100, 8}, {3, 8}} {
			burst(1000*i, step.burst)
			if n := cells(p); n != step.want {
				t.Errorf("after %d cold starts at once there are %d cells, want %d", step.burst, n, step.want)
			}
		}
		began := time.Now()
		burst(9000, 8)
		if took := time.Since(began) - 9*time.Second; took != 4*time.Millisecond {
			t.Errorf("as many cold starts as there are cells took %v", took)
		}
		time.Sleep(11 * time.Minute)
		if n := cells(p); n != 1 {
			t.Errorf("eleven minutes later there are %d cells", n)
		}
		if f.mostBoot > runtime.GOMAXPROCS(0) {
			t.Errorf("%d boots at a time", f.mostBoot)
		}
	})
}

// An instance for which there is no cell takes one that still boots, rather than
// to begin from nothing.
func TestCellThatBootsIsClaimed(t *testing.T) {
	f := &fleet{boot: 100 * time.Millisecond, assign: 3 * time.Millisecond, run: time.Millisecond, kind: ofNode}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		p.Want("node")
		time.Sleep(60 * time.Millisecond)
		began := time.Now()
		calls(t, p, version("a", "1"), 1, "")
		if took := time.Since(began); took != 44*time.Millisecond {
			t.Errorf("took %v: the cell was up in 40 ms", took)
		}
	})
}

// While somebody waits for a launch no cells are booted, but one that the next
// could have.
func TestCellsWaitForLaunches(t *testing.T) {
	f := &fleet{boot: time.Second, assign: 3 * time.Millisecond, run: time.Millisecond, kind: func(name string) string {
		if name == "custom" {
			return ""
		}
		return "node"
	}}
	inTime(t, f, Config{MinCells: 3}, func(t *testing.T, p *Pool) {
		go calls(t, p, version("custom", "1"), 1, "")
		synctest.Wait()
		p.Want("node")
		synctest.Wait()
		if n := f.booted(); n != 1 {
			t.Errorf("%d cells boot beside a launch that somebody waits for", n)
		}
		time.Sleep(5 * time.Second)
		if n := cells(p); n != 3 {
			t.Errorf("%d cells", n)
		}
	})
}

func TestCellsThatDieOrDoNotBoot(t *testing.T) {
	boom := errors.New("boom")
	t.Run("do not boot", func(t *testing.T) {
		f := &fleet{boot: time.Millisecond, run: time.Millisecond, kind: ofNode, failBoot: func(int) error { return boom }}
		inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
			p.Want("node")
			time.Sleep(time.Hour)
			if n := f.booted(); n < 12 || n > 25 {
				t.Errorf("a kind that does not boot was tried %d times in an hour", n)
			}
			calls(t, p, version("a", "1"), 1, "") // from nothing
		})
	})
	t.Run("die", func(t *testing.T) {
		f := &fleet{boot: time.Millisecond, run: time.Millisecond, kind: ofNode}
		inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
			p.Want("node")
			for i := range 4 {
				time.Sleep(time.Minute)
				if n := cells(p); n != 1 {
					t.Errorf("%d cells", n)
				}
				f.cells[i].crash()
				synctest.Wait()
			}
			time.Sleep(time.Minute)
			if n := f.booted(); n != 5 {
				t.Errorf("%d boots", n)
			}
		})
	})
	t.Run("turn out to be dead", func(t *testing.T) {
		f := &fleet{boot: 100 * time.Millisecond, assign: 3 * time.Millisecond, run: time.Millisecond, kind: ofNode}
		dead := 0
		f.failIn = func(c *fakeCell) error {
			if dead++; dead <= 2 {
				c.crash()
				return pinfold.Errorf(pinfold.Unavailable, "it is dead").WithReason(InstanceGone)
			}
			return nil
		}
		inTime(t, f, Config{MinCells: 3}, func(t *testing.T, p *Pool) {
			p.Want("node")
			time.Sleep(time.Second)
			began := time.Now()
			calls(t, p, version("a", "1"), 1, "")
			if took := time.Since(began); took != 4*time.Millisecond {
				t.Errorf("with two dead cells before a living one it took %v", took)
			}
		})
	})
	t.Run("are not to blame", func(t *testing.T) {
		f := &fleet{boot: 100 * time.Millisecond, run: time.Millisecond, kind: ofNode, failIn: func(c *fakeCell) error {
			c.crash() // it ends with what was tried
			return boom
		}}
		inTime(t, f, Config{MinCells: 3}, func(t *testing.T, p *Pool) {
			p.Want("node")
			time.Sleep(time.Second)
			began := time.Now()
			calls(t, p, version("a", "1"), 1, "")
			if took := time.Since(began); took != 101*time.Millisecond {
				t.Errorf("a launch from nothing after an assignment that failed took %v", took)
			}
			time.Sleep(time.Second)
			if n := f.booted(); n != 4 {
				t.Errorf("%d cells were used up", n-3)
			}
		})
	})
	t.Run("claimed, and do not boot", func(t *testing.T) {
		f := &fleet{boot: 100 * time.Millisecond, run: time.Millisecond, kind: ofNode, failBoot: func(int) error { return boom }}
		inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
			p.Want("node")
			synctest.Wait()
			calls(t, p, version("a", "1"), 1, "")
		})
	})
}

// Cells stay within their share of the memory, evict idle instances as launches
// do, and make room themselves where nothing else can.
func TestCellsAndMemory(t *testing.T) {
	f := &fleet{boot: 100 * time.Millisecond, assign: 3 * time.Millisecond, run: time.Millisecond, kind: ofNode, close: 5 * time.Millisecond}
	inTime(t, f, Config{MemoryMB: 8 * 64}, func(t *testing.T, p *Pool) {
		p.Want("node")
		time.Sleep(time.Second)
		for i := range 50 { // the memory is full of idle instances soon
			began := time.Now()
			calls(t, p, version(fmt.Sprint("f", i), "1"), 1, "")
			if took := time.Since(began); took != 4*time.Millisecond {
				t.Errorf("cold start %d took %v", i, took)
			}
			time.Sleep(4 * time.Second)
		}
		if m := p.Totals(); m.Cells["node"] != 2 || m.MemoryMB > m.BudgetMB {
			t.Errorf("%+v: two cells are a quarter of the budget", m)
		}
		var wg sync.WaitGroup
		for range 8 { // as many as there is memory for, so that no cell can stay
			wg.Go(func() { calls(t, p, version("big", "1"), 1, "5s") })
		}
		time.Sleep(2 * time.Second)
		if m := p.Totals(); m.Instances != 8 || m.Cells["node"] != 0 {
			t.Errorf("%+v", m)
		}
		wg.Wait()
	})
}

func TestProvisioned(t *testing.T) {
	f := &fleet{boot: time.Second, assign: 3 * time.Millisecond, run: time.Millisecond, freeze: time.Millisecond, kind: ofNode}
	told := 0
	var mu sync.Mutex
	f.provision = func(*pinfold.Version) {
		mu.Lock()
		defer mu.Unlock()
		told++
	}
	inTime(t, f, Config{IdleTimeout: time.Minute, MemoryMB: 64 * 5, MaxLaunches: 4}, func(t *testing.T, p *Pool) {
		one, two := version("a", "1"), version("a", "2")
		one.Ref.Qualifier, two.Ref.Qualifier = "1", "2"
		set := func(provisions ...Provision) { p.Configure(one.Ref, Settings{Provisioned: provisions}) }
		check := func(target string, want Status) {
			t.Helper()
			if got := p.Provisioned(one.Ref, target); got != want {
				t.Errorf("%s: %+v, want %+v", target, got, want)
			}
		}
		set(Provision{"live", one, 2}, Provision{"1", one, 1})
		check("live", Status{Requested: 2, State: ProvisionInProgress})
		time.Sleep(3 * time.Second)
		check("live", Status{2, 2, 2, ProvisionReady, ""})
		check("1", Status{1, 1, 1, ProvisionReady, ""})
		if told != 3 || f.size() != 3 {
			t.Errorf("%d of %d instances were told that they are provisioned", told, f.size())
		}

		// They stay, whatever happens, and are frozen like others.
		time.Sleep(time.Hour)
		for i := range 10 {
			calls(t, p, version(fmt.Sprint("f", i), "1"), 1, "")
		}
		if s := p.Stats()[0]; s.Provisioned != 3 || s.Frozen != 3 {
			t.Errorf("%+v", s)
		}
		if id, err := call(p, one, ""); err != nil || id > "w3" {
			t.Errorf("served by %s, %v", id, err)
		}

		// One that dies is replaced.
		time.Sleep(time.Second)
		f.workers[0].crash()
		synctest.Wait()
		check("live", Status{2, 2, 2, ProvisionReady, ""}) // two are left for it
		time.Sleep(2 * time.Second)
		if s := p.Stats()[0]; s.Provisioned != 3 {
			t.Errorf("after a death: %+v", s)
		}

		// A canary: the alias has two versions.
		set(Provision{"live", one, 1}, Provision{"live", two, 1})
		if s := p.Stats()[0]; s.Provisioned != 1 {
			t.Errorf("after lowering: %+v", s)
		}
		time.Sleep(2 * time.Second)
		check("live", Status{2, 2, 2, ProvisionReady, ""})
		check("1", Status{State: ProvisionInProgress})

		set()
		time.Sleep(2 * time.Minute)
		if n := p.Totals().Instances; n != 0 {
			t.Errorf("%d are left though nothing is provisioned", n)
		}
	})
}

func TestProvisionedThatFails(t *testing.T) {
	boom := errors.New("no such code")
	fails := 4
	f := &fleet{boot: time.Millisecond, run: time.Millisecond, fail: func(int) error {
		if fails--; fails >= 0 {
			return boom
		}
		return nil
	}}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		p.Configure(v.Ref, Settings{Provisioned: []Provision{{"1", v, 1}}})
		time.Sleep(100 * time.Millisecond)
		if got := p.Provisioned(v.Ref, "1"); got != (Status{1, 0, 0, ProvisionFailed, "no such code"}) {
			t.Errorf("%+v", got)
		}
		time.Sleep(20 * time.Second) // after 1, 2, 4 and 8 seconds
		if got := p.Provisioned(v.Ref, "1"); got.State != ProvisionReady || f.size() != 5 {
			t.Errorf("%+v after %d launches", got, f.size())
		}
		// One that always ends at once is not launched in a loop.
		for range 100 {
			f.mu.Lock()
			f.workers[len(f.workers)-1].crash()
			f.mu.Unlock()
			time.Sleep(time.Second)
		}
		if n := f.size(); n > 14 {
			t.Errorf("%d launches", n)
		}
	})
}

// Provisioned instances are launched after those that somebody waits for.
func TestProvisionedGiveWay(t *testing.T) {
	f := &fleet{boot: time.Second, run: time.Millisecond}
	inTime(t, f, Config{MaxLaunches: 4}, func(t *testing.T, p *Pool) {
		a := version("a", "1")
		p.Configure(a.Ref, Settings{Provisioned: []Provision{{"1", a, 10}}})
		synctest.Wait()
		began := time.Now()
		calls(t, p, version("b", "1"), 2, "10s")
		if took := time.Since(began); took != 11*time.Second {
			t.Errorf("two launches beside ten that are provisioned took %v", took)
		}
		if s := p.Stats()[0]; s.Provisioned != 10 {
			t.Errorf("%+v", s)
		}
	})
}

// What is provisioned of a version that is drained goes with it, and comes back
// when it is configured again.
func TestDrainOfProvisioned(t *testing.T) {
	f := &fleet{boot: time.Second, run: time.Millisecond}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		settings := Settings{Provisioned: []Provision{{"1", v, 2}}}
		p.Configure(v.Ref, settings)
		time.Sleep(10 * time.Second)
		p.Drain(anything)
		time.Sleep(10 * time.Minute)
		if n := p.Totals().Instances; n != 0 || f.size() != 2 {
			t.Errorf("%d instances after %d launches", n, f.size())
		}
		p.Configure(v.Ref, settings)
		time.Sleep(10 * time.Second)
		if n := p.Totals().Instances; n != 2 {
			t.Errorf("%d instances", n)
		}
	})
}

func TestPurposes(t *testing.T) {
	ctx := context.Background()
	for purposeOf, want := range map[string][2]bool{"": {false, false}, forStock: {false, true}, forProvision: {true, true}} {
		ctx := ctx
		if purposeOf != "" {
			ctx = context.WithValue(ctx, purpose{}, purposeOf)
		}
		if got := [2]bool{Provisioned(ctx), Background(ctx)}; got != want {
			t.Errorf("%q: provisioned and background are %v", purposeOf, got)
		}
	}
}

// A launch that the end of the pool cuts off is nothing to tell of.
func TestCloseWhileProvisionedInstancesStart(t *testing.T) {
	var told strings.Builder
	f := &fleet{boot: time.Hour}
	inTime(t, f, Config{Log: slog.New(slog.NewTextHandler(&told, nil))}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		p.Configure(v.Ref, Settings{Provisioned: []Provision{{"1", v, 1}}})
		synctest.Wait()
	})
	if told.Len() > 0 {
		t.Error(told.String())
	}
}
