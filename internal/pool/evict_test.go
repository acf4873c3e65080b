package pool

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

// left names the functions that have idle instances.
func left(p *Pool) string {
	var names []string
	for _, s := range p.Stats() {
		if s.Ready+s.Frozen > 0 {
			names = append(names, s.Function.Name)
		}
	}
	return strings.Join(names, " ")
}

func TestGreedyDual(t *testing.T) {
	for _, tc := range []struct {
		name   string
		budget int
		sizes  map[string]int    // MB, default 64
		calls  []string          // functions in order, one second apart
		boots  map[string]string // how long their launches take, default 10 ms
		want   string            // what is left
	}{
		{"all fit", 300, nil, []string{"a", "b", "c", "a"}, nil, "a b c"},
		{"the rarely used goes", 128, nil, []string{"a", "b", "a", "c"}, nil, "a c"},
		{"the cheap goes", 128, nil, []string{"dear", "cheap", "c"}, map[string]string{"dear": "2s"}, "c dear"},
		{"the large goes", 500, map[string]int{"large": 300, "small": 100, "c": 200}, []string{"large", "small", "c"}, nil, "c small"},
		{"who was popular once does not stay for ever", 128, nil,
			append(strings.Fields("a a a a"), strings.Fields(strings.Repeat("b c ", 10))...), nil, "b c"},
		{"a new one is not its own victim", 128, nil, []string{"a", "a", "b", "b", "new"}, nil, "b new"},
		{"alone it is let in though it is too large, but not kept", 50, nil, []string{"a"}, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fleet{run: time.Millisecond, close: 20 * time.Millisecond, sizeMB: func(name string) int {
				if mb := tc.sizes[name]; mb > 0 {
					return mb
				}
				return 64
			}}
			f.launches = func(v *pinfold.Version) {
				boot := 10 * time.Millisecond
				if d, err := time.ParseDuration(tc.boots[v.Ref.Name]); err == nil {
					boot = d
				}
				time.Sleep(boot)
			}
			inTime(t, f, Config{MemoryMB: tc.budget}, func(t *testing.T, p *Pool) {
				for _, name := range tc.calls {
					if _, err := call(p, version(name, "1"), ""); err != nil {
						t.Fatal(err)
					}
					p.sample()
					time.Sleep(time.Second)
				}
				if got := left(p); got != tc.want {
					t.Errorf("left are %q, want %q", got, tc.want)
				}
			})
		})
	}
}

// A launch begins only when the memory of its victims is really free.
func TestMemoryIsFreeWhenCloseHasReturned(t *testing.T) {
	f := &fleet{boot: 10 * time.Millisecond, run: time.Millisecond, close: 50 * time.Millisecond}
	inTime(t, f, Config{MemoryMB: 2 * 64}, func(t *testing.T, p *Pool) {
		for i := range 10 {
			calls(t, p, version(fmt.Sprint("f", i), "1"), 1, "")
		}
		if f.mostUp > 2 {
			t.Errorf("%d instances at a time in memory for two", f.mostUp)
		}
	})
}

// Where there is plenty of memory in all some is kept free, so that a launch need
// not wait for the end of what it evicts.
func TestHeadroom(t *testing.T) {
	f := &fleet{boot: 10 * time.Millisecond, run: time.Millisecond, close: time.Second}
	inTime(t, f, Config{MemoryMB: 64 * 20}, func(t *testing.T, p *Pool) {
		for i := range 40 {
			began := time.Now()
			calls(t, p, version(fmt.Sprint("f", i), "1"), 1, "")
			if took := time.Since(began); took != 11*time.Millisecond {
				t.Errorf("call %d took %v", i, took)
			}
			time.Sleep(2 * time.Second)
		}
		if m := p.Totals(); m.MemoryMB > 64*20 || m.MemoryMB < 64*17 {
			t.Errorf("%d MB of %d are used", m.MemoryMB, m.BudgetMB)
		}
	})
}

// Instances that grow beyond what was thought are held to the budget too.
func TestGrownInstancesAreEvicted(t *testing.T) {
	var size atomic.Int64
	size.Store(64)
	f := &fleet{boot: 10 * time.Millisecond, run: time.Millisecond, sizeMB: func(string) int { return int(size.Load()) }}
	inTime(t, f, Config{MemoryMB: 256}, func(t *testing.T, p *Pool) {
		for _, name := range []string{"a", "b", "c", "d"} {
			calls(t, p, version(name, "1"), 1, "")
		}
		size.Store(120)
		time.Sleep(3 * sampleEvery)
		if m := p.Totals(); m.Instances != 2 || m.MemoryMB != 240 {
			t.Errorf("%+v", m)
		}
	})
}

// What is known about functions whose instances are gone is little, and bounded.
func TestManyFunctionsOnce(t *testing.T) {
	f := &fleet{boot: time.Millisecond, run: time.Millisecond}
	inTime(t, f, Config{MemoryMB: 640}, func(t *testing.T, p *Pool) {
		for i := range 300 {
			calls(t, p, version(fmt.Sprint("f", i), "1"), 1, "")
		}
		synctest.Wait()
		if len(p.sets) > 10 || len(p.functions) > 10 || len(p.instances) > 10 || len(p.figures) < 290 {
			t.Errorf("%d sets, %d functions, %d instances, figures of %d", len(p.sets), len(p.functions), len(p.instances), len(p.figures))
		}
		p.mu.Lock()
		for i := range maxFigures + 10 {
			p.remember(&set{key: key{revision: fmt.Sprint(i)}, known: figures{service: 1}})
		}
		if len(p.figures) > maxFigures {
			t.Errorf("figures of %d", len(p.figures))
		}
		p.mu.Unlock()
	})
}

func TestIdleTimeout(t *testing.T) {
	for _, tc := range []struct {
		timeout, after time.Duration
		left           int
	}{
		{0, 59 * time.Minute, 1}, {0, 61 * time.Minute, 0}, {-1, 100 * time.Hour, 1}, {time.Minute, 2 * time.Minute, 0},
	} {
		f := &fleet{boot: time.Second, run: time.Second, freeze: time.Millisecond}
		inTime(t, f, Config{IdleTimeout: tc.timeout}, func(t *testing.T, p *Pool) {
			calls(t, p, version("a", "1"), 1, "")
			time.Sleep(tc.after)
			if n := p.Totals().Instances; n != tc.left {
				t.Errorf("with a timeout of %v: %d left after %v", tc.timeout, n, tc.after)
			}
		})
	}
}

// A flood of one function delays another's launch by no more than its turn.
func TestFloodDelaysALaunchByItsTurn(t *testing.T) {
	f := &fleet{boot: time.Second, run: 30 * time.Second}
	inTime(t, f, Config{MaxLaunches: 1, Concurrency: 20_000}, func(t *testing.T, p *Pool) {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range 5000 {
			wg.Go(func() { p.Invoke(ctx, version("flood", "1"), &pinfold.Invocation{}) })
		}
		synctest.Wait()
		for range 3 {
			began := time.Now()
			calls(t, p, version("rare", "1"), 1, "1ms")
			if took := time.Since(began); took > 2100*time.Millisecond {
				t.Errorf("a launch beside a flood took %v, one after the other take a second each", took)
			}
			p.Drain(func(v *pinfold.Version) bool { return v.Ref.Name == "rare" })
			time.Sleep(100 * time.Millisecond)
		}
		cancel()
		wg.Wait()
	})
}

// Functions that ask for launches at the same time get as many of them each.
func TestLaunchesAreSharedEqually(t *testing.T) {
	f := &fleet{boot: time.Second, run: time.Hour}
	count := map[string]int{}
	var mu sync.Mutex
	f.launches = func(v *pinfold.Version) {
		mu.Lock()
		defer mu.Unlock()
		count[v.Ref.Name]++
	}
	inTime(t, f, Config{MaxLaunches: 2}, func(t *testing.T, p *Pool) {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for name, n := range map[string]int{"a": 100, "b": 50, "c": 30} {
			for range n {
				wg.Go(func() { p.Invoke(ctx, version(name, "1"), &pinfold.Invocation{}) })
			}
		}
		time.Sleep(14500 * time.Millisecond) // the 30th launch is under way
		mu.Lock()
		for name, n := range count {
			if n < 9 || n > 12 { // who came first got some before there were others
				t.Errorf("%s got %d of 30 launches: %v", name, n, count)
			}
		}
		mu.Unlock()
		cancel()
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		wg.Wait()
		p.Close(ctx)
	})
}

// Where a flood holds all the memory another function gets some of it.
func TestFloodGivesUpMemory(t *testing.T) {
	for _, places := range []int{1, 4} {
		f := &fleet{boot: 100 * time.Millisecond, run: 50 * time.Millisecond, places: places}
		inTime(t, f, Config{MemoryMB: 4 * 64}, func(t *testing.T, p *Pool) {
			var wg sync.WaitGroup
			wg.Go(func() { crowd(p, version("flood", "1"), 100, 10*time.Second, "") })
			time.Sleep(3 * time.Second)
			if s := p.Stats(); s[0].Busy != 4 {
				t.Fatalf("the flood has %+v", s)
			}
			began := time.Now()
			calls(t, p, version("rare", "1"), 1, "")
			if took := time.Since(began); took > 400*time.Millisecond {
				t.Errorf("with %d places: a call beside a flood that held all memory took %v", places, took)
			}
			wg.Wait()
		})
	}
}

// Functions that are more than there is memory for take turns, long enough that
// changing hands does not eat them up.
func TestMoreFunctionsThanMemory(t *testing.T) {
	f := &fleet{boot: 100 * time.Millisecond, run: 10 * time.Millisecond}
	inTime(t, f, Config{MemoryMB: 2 * 64}, func(t *testing.T, p *Pool) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		served := map[string]int64{}
		const lasts = 60 * time.Second
		for i := range 5 {
			wg.Go(func() {
				name := fmt.Sprint("f", i)
				n := crowd(p, version(name, "1"), 20, lasts, "")
				mu.Lock()
				defer mu.Unlock()
				served[name] = n
			})
		}
		wg.Wait()
		var all int64
		for name, n := range served {
			all += n
			if n < 1000 { // of 12,000 that two instances can do in a minute
				t.Errorf("%s was served %d times: %v", name, n, served)
			}
		}
		if all < 9000 {
			t.Errorf("%d in all, %d launches: %v", all, f.size(), served)
		}
		t.Logf("%d in all, %d launches: %v", all, f.size(), served)
	})
}
