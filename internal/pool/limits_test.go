package pool

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

func refused(t *testing.T, err error, reason string) {
	t.Helper()
	if pinfold.CodeOf(err) != pinfold.Throttled || pinfold.ReasonOf(err) != reason || err.Error() != "Rate Exceeded." {
		t.Errorf("%v (%s), want to be throttled for %s", err, pinfold.ReasonOf(err), reason)
	}
}

// running has n invocations of v run until the returned function is called.
func running(t *testing.T, p *Pool, v *pinfold.Version, n int) (end func()) {
	t.Helper()
	var wg sync.WaitGroup
	ctx := context.Background()
	for range n {
		wg.Go(func() {
			if _, err := p.Invoke(ctx, v, &pinfold.Invocation{Payload: []byte("20s")}); err != nil {
				t.Error(err)
			}
		})
	}
	synctest.Wait()
	time.Sleep(time.Second)
	return wg.Wait
}

func TestLimits(t *testing.T) {
	zero, two := 0, 2
	provisioned := func(n int) []Provision { return []Provision{{"live", version("a", "1"), n}} }
	for _, tc := range []struct {
		name             string
		settings         Settings // of a
		runningA, others int
		want             string // reason why another of a is refused
		wantB            string // and of b
	}{
		{"room", Settings{}, 2, 2, "", ""},
		{"account", Settings{}, 3, 2, accountLimit, accountLimit},
		{"account used up by others", Settings{}, 0, 5, accountLimit, accountLimit},
		{"reserved", Settings{Reserved: &two}, 2, 0, reservedLimit, ""},
		{"what is reserved is a guarantee", Settings{Reserved: &two}, 0, 3, "", accountLimit},
		{"stopped", Settings{Reserved: &zero}, 0, 0, reservedLimit, ""},
		{"what is provisioned is a guarantee", Settings{Provisioned: provisioned(2)}, 1, 3, "", accountLimit},
		{"and no cap", Settings{Provisioned: provisioned(2)}, 2, 2, "", ""},
		{"beyond it is shared", Settings{Provisioned: provisioned(2)}, 3, 2, accountLimit, accountLimit},
		{"it is within what is reserved", Settings{Reserved: &two, Provisioned: provisioned(1)}, 2, 0, reservedLimit, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fleet{boot: time.Millisecond, run: time.Millisecond}
			inTime(t, f, Config{Concurrency: 5}, func(t *testing.T, p *Pool) {
				a, b := version("a", "1"), version("b", "1")
				p.Configure(a.Ref, tc.settings)
				endA, endB := running(t, p, a, tc.runningA), running(t, p, b, tc.others)
				for v, want := range map[*pinfold.Version]string{a: tc.want, b: tc.wantB} {
					if _, err := call(p, v, ""); want == "" && err != nil {
						t.Errorf("%s: %v", v.Ref.Name, err)
					} else if want != "" {
						refused(t, err, want)
					}
				}
				endA()
				endB()
			})
		})
	}
}

func TestSettingsTakeEffectAtOnce(t *testing.T) {
	f := &fleet{boot: time.Millisecond, run: time.Millisecond}
	inTime(t, f, Config{Concurrency: 10}, func(t *testing.T, p *Pool) {
		a, b := version("a", "1"), version("b", "1")
		end := running(t, p, a, 3)
		n := 2
		for range 2 { // again and again is the same
			p.Configure(a.Ref, Settings{Reserved: &n})
		}
		_, err := call(p, a, "")
		refused(t, err, reservedLimit)
		endB := running(t, p, b, 8)
		_, err = call(p, b, "")
		refused(t, err, accountLimit)
		n2 := 4
		p.Configure(a.Ref, Settings{Reserved: &n2})
		if _, err := call(p, a, ""); err != nil {
			t.Errorf("after the limit was raised: %v", err)
		}
		p.Configure(a.Ref, Settings{})
		_, err = call(p, a, "")
		refused(t, err, accountLimit) // eleven run
		end()
		endB()
	})
}

func TestQueueAtTheLimit(t *testing.T) {
	f := &fleet{boot: time.Millisecond, run: time.Second}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		one := 1
		p.Configure(v.Ref, Settings{Reserved: &one, Queue: &pinfold.Queue{Max: 3, Wait: 2}})
		type end struct {
			err   error
			after time.Duration
		}
		var mu sync.Mutex
		var ends []end
		var wg sync.WaitGroup
		began := time.Now()
		for i := range 6 {
			wg.Go(func() {
				_, err := p.Invoke(context.Background(), v, &pinfold.Invocation{Payload: fmt.Appendf(nil, "%dms", 1000+i)})
				mu.Lock()
				defer mu.Unlock()
				ends = append(ends, end{err, time.Since(began).Round(10 * time.Millisecond)})
			})
			synctest.Wait()
		}
		wg.Wait()
		// One runs, three wait, two are too many. The second comes in after a
		// second, the third has waited for two just when the second is over.
		served := 0
		for _, e := range ends[:2] {
			refused(t, e.err, reservedLimit)
			if e.after != 0 {
				t.Errorf("who does not fit into the queue was refused after %v", e.after)
			}
		}
		for _, e := range ends[2:] {
			if e.err == nil {
				served++
				continue
			}
			refused(t, e.err, reservedLimit)
			if e.after != 2*time.Second {
				t.Errorf("refused after %v", e.after)
			}
		}
		if served != 2 || f.size() != 1 {
			t.Errorf("served %d in %d instances: %v", served, f.size(), ends)
		}
	})
}

func TestQueueEndsWithTheCallersPatience(t *testing.T) {
	f := &fleet{boot: time.Millisecond, run: time.Second}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		one, zero := 1, 0
		p.Configure(v.Ref, Settings{Reserved: &one, Queue: &pinfold.Queue{Max: 10, Wait: 60}})
		end := running(t, p, v, 1)
		began := time.Now()
		_, err := p.Invoke(context.Background(), v, &pinfold.Invocation{Deadline: began.Add(3 * time.Second)})
		refused(t, err, reservedLimit)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, err = p.Invoke(ctx, v, &pinfold.Invocation{})
		if pinfold.CodeOf(err) != pinfold.Timeout {
			t.Error(err)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
		end()
		p.Configure(v.Ref, Settings{Reserved: &zero, Queue: &pinfold.Queue{Max: 10, Wait: 60}})
		began = time.Now()
		_, err = call(p, v, "")
		refused(t, err, reservedLimit)
		if took := time.Since(began); took != 0 {
			t.Errorf("a function that is stopped let its caller wait %v", took)
		}
	})
}

// How long a function may take has nothing to do with how long its callers wait.
func TestQueueOutlastsTheFunctionsTime(t *testing.T) {
	f := &fleet{boot: time.Millisecond, run: time.Second}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		one := 1
		p.Configure(v.Ref, Settings{Reserved: &one, Queue: &pinfold.Queue{Max: 10, Wait: 60}})
		end := running(t, p, v, 1)
		began := time.Now()
		_, err := p.Invoke(context.Background(), v, &pinfold.Invocation{})
		if took := time.Since(began); err != nil || took <= initTime+v.Config.Timeout.Duration() {
			t.Errorf("after %v: %v", took, err)
		}
		end()
	})
}

// Who waits at a limit that the account's functions share comes in by turns.
func TestQueueAtTheAccountsLimitIsFair(t *testing.T) {
	f := &fleet{boot: time.Millisecond, run: time.Second}
	inTime(t, f, Config{Concurrency: 1}, func(t *testing.T, p *Pool) {
		flood, rare := version("flood", "1"), version("rare", "1")
		q := &pinfold.Queue{Max: 100, Wait: 100}
		p.Configure(flood.Ref, Settings{Queue: q})
		p.Configure(rare.Ref, Settings{Queue: q})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { p.Invoke(context.Background(), flood, &pinfold.Invocation{}) })
		}
		synctest.Wait()
		began := time.Now()
		if _, err := call(p, rare, ""); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("one call beside 50 of another function, a second each: %v", took)
		}
		wg.Wait()
	})
}

// Who calls one after the other is not over a limit of one, though the instance
// works on for a while after each answer.
func TestOneAfterTheOtherIsWithinALimitOfOne(t *testing.T) {
	for _, limit := range []string{"reserved", "account"} {
		f := &fleet{boot: time.Millisecond}
		concurrency := map[string]int{"reserved": 1000, "account": 1}[limit]
		inTime(t, f, Config{Concurrency: concurrency}, func(t *testing.T, p *Pool) {
			v := version("a", "1")
			if one := 1; limit == "reserved" {
				p.Configure(v.Ref, Settings{Reserved: &one})
			}
			for range 5 {
				if id, err := call(p, v, "linger 300ms"); id != "w1" || err != nil {
					t.Errorf("%s: %s, %v", limit, id, err)
				}
			}
			synctest.Wait()
			go call(p, v, "")
			synctest.Wait()
			_, err := call(p, v, "") // one waits for the end of the one that was answered
			if err == nil {
				t.Errorf("%s: two wait for one place", limit)
			}
		})
	}
}

func TestMemoryFullWaitsThenThrottles(t *testing.T) {
	f := &fleet{boot: time.Millisecond, run: 20 * time.Second}
	inTime(t, f, Config{MemoryMB: 2 * 64}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		end := running(t, p, v, 2)
		began := time.Now()
		_, err := call(p, v, "")
		refused(t, err, accountLimit)
		if waited := time.Since(began); waited != 13*time.Second {
			t.Errorf("waited %v, the deadline was in 13 s", waited)
		}
		if id, err := call(p, v, "1ms"); err != nil { // 14 s are over, both are free in 6
			t.Errorf("waiting for a free instance: %q, %v", id, err)
		}
		end()
		if f.mostUp > 2 {
			t.Errorf("%d instances at a time", f.mostUp)
		}
	})
}

func TestRoomToWaitIsBounded(t *testing.T) {
	f := &fleet{boot: time.Second, run: time.Second}
	inTime(t, f, Config{MemoryMB: 64, MaxWaiting: 2}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if _, err := call(p, v, ""); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		_, err := call(p, v, "")
		refused(t, err, accountLimit)
		wg.Wait()
	})
}

// Where the room to wait is full, the last of the longest queue goes, not who
// comes to a short one.
func TestRoomToWaitIsShared(t *testing.T) {
	f := &fleet{boot: time.Second, run: time.Second}
	inTime(t, f, Config{MemoryMB: 64, MaxWaiting: 6}, func(t *testing.T, p *Pool) {
		var wg sync.WaitGroup
		failed := map[string]int{}
		var mu sync.Mutex
		invoke := func(name string) {
			wg.Go(func() {
				_, err := p.Invoke(context.Background(), version(name, "1"), &pinfold.Invocation{})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed[name]++
				}
			})
			synctest.Wait()
		}
		for range 6 {
			invoke("flood")
		}
		for range 5 {
			invoke("other")
		}
		wg.Wait()
		if failed["flood"] != 3 || failed["other"] != 2 {
			t.Errorf("of 6 and 5 in a room for 6 failed %v", failed)
		}
	})
}
