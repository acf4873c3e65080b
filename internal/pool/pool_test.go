package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

func TestWarmInstanceIsReused(t *testing.T) {
	f := &fleet{boot: 100 * time.Millisecond, run: time.Millisecond}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		for range 5 {
			if id, err := call(p, v, ""); id != "w1" || err != nil {
				t.Fatalf("%q, %v", id, err)
			}
		}
		if id, _ := call(p, version("a", "2"), ""); id != "w2" {
			t.Errorf("other content ran in %s", id)
		}
		if id, _ := call(p, version("a", "1"), ""); id != "w1" {
			t.Errorf("an equal version from elsewhere ran in %s", id)
		}
	})
}

func TestGrowsOnDemandAndPrefersTheMostRecentlyUsed(t *testing.T) {
	f := &fleet{boot: 100 * time.Millisecond, run: time.Second}
	inTime(t, f, Config{IdleTimeout: time.Minute}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		calls(t, p, v, 3, "")
		synctest.Wait()
		if s := p.Stats(); len(s) != 1 || s[0].Ready != 3 || s[0].Function.Name != "a" || s[0].MemoryMB != 3*64 {
			t.Fatalf("after three at once: %+v", s)
		}
		last, _ := call(p, v, "")
		for range 120 { // keep one warm: the others go
			if id, _ := call(p, v, ""); id != last {
				t.Fatalf("ran in %s, though %s was used last", id, last)
			}
		}
		if s := p.Stats(); s[0].Ready != 1 {
			t.Errorf("after two minutes with one at a time: %+v", s)
		}
		time.Sleep(2 * time.Minute)
		if s := p.Stats(); len(s) != 0 {
			t.Errorf("after two idle minutes: %+v", s)
		}
	})
}

func TestWaiterTakesWhatComesFirst(t *testing.T) {
	f := &fleet{boot: time.Second, run: 100 * time.Millisecond}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		calls(t, p, v, 1, "")
		// Ten at once: one instance is warm, and is done with all of them just
		// when the first launch would be.
		began := time.Now()
		calls(t, p, v, 10, "")
		if took := time.Since(began); took != time.Second {
			t.Errorf("ten times 100 ms in one warm instance took %v", took)
		}
		synctest.Wait()
		if n := p.Stats()[0]; n.Waiting != 0 || n.Busy != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestLaunchNobodyWaitsForBecomesIdle(t *testing.T) {
	f := &fleet{boot: time.Second, run: time.Millisecond}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_, err := p.Invoke(ctx, version("a", "1"), &pinfold.Invocation{})
		if pinfold.CodeOf(err) != pinfold.Timeout || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller's time was over: %v", err)
		}
		time.Sleep(2 * time.Second)
		if s := p.Stats(); len(s) != 1 || s[0].Ready != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestLaunchFails(t *testing.T) {
	boom := errors.New("no such runtime")
	f := &fleet{boot: time.Second, run: time.Second, fail: func(n int) error {
		if n == 1 {
			return boom
		}
		return nil
	}}
	inTime(t, f, Config{MaxLaunches: 1}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		var failed atomic.Int32
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := call(p, v, ""); errors.Is(err, boom) {
					failed.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if failed.Load() != 1 {
			t.Errorf("%d of three failed with the one launch that failed", failed.Load())
		}
	})
}

func TestCrashedAndSpoiledAreNeverUsedAgain(t *testing.T) {
	f := &fleet{boot: time.Millisecond, run: time.Millisecond}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		for i, payload := range []string{"crash", "timeout", ""} {
			id, err := call(p, v, payload)
			if want := fmt.Sprint("w", i+1); id != want || err != nil {
				t.Fatalf("%q ran in %s, not %s (%v)", payload, id, want, err)
			}
		}
		synctest.Wait()
		f.workers[2].crash() // while it idles
		if id, err := call(p, v, ""); id != "w4" || err != nil {
			t.Errorf("after a crash while idle: %s, %v", id, err)
		}
		synctest.Wait()
		f.workers[3].crash()
		synctest.Wait()
		if s := p.Stats(); len(s) != 0 {
			t.Errorf("a crashed instance is still counted: %+v", s)
		}
	})
}

// Who waits for an instance that crashes gets another.
func TestCrashLeavesNobodyWaiting(t *testing.T) {
	f := &fleet{boot: time.Second, run: 400 * time.Millisecond}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		calls(t, p, v, 1, "")
		var wg sync.WaitGroup
		wg.Go(func() { call(p, v, "crash") })
		synctest.Wait()
		began := time.Now()
		if id, err := call(p, v, ""); id != "w2" || err != nil { // w1 was to be free before a launch is done
			t.Errorf("%s, %v", id, err)
		}
		if took := time.Since(began); took != 1800*time.Millisecond {
			t.Errorf("took %v: a launch at the crash, and running", took)
		}
		wg.Wait()
	})
}

func TestInstanceThatIsGoneFailsNoRequest(t *testing.T) {
	f := &fleet{boot: time.Millisecond, run: time.Millisecond, gone: func(id string) bool { return id == "w2" }}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		for i, want := range []string{"w1", "w3"} {
			if id, err := call(p, v, "crash"); id != want || err != nil {
				t.Errorf("invocation %d ran in %q, %v", i, id, err)
			}
		}
		f.gone = func(string) bool { return true }
		if _, err := call(p, v, ""); pinfold.ReasonOf(err) != InstanceGone || f.size() != 3+maxAttempts {
			t.Errorf("after %d launches: %v", f.size()-3, err)
		}
	})
}

// An instance that works on after its answer gets no invocation until it has
// done.
func TestInstanceThatLingersIsLeftAlone(t *testing.T) {
	f := &fleet{}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("f", "1")
		for _, want := range []string{"w1", "w2"} {
			if got, err := call(p, v, "linger 1s"); got != want || err != nil {
				t.Errorf("served by %s, %v; want %s", got, err, want)
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		if got, err := call(p, v, ""); got != "w2" || err != nil {
			t.Errorf("served by %s, %v", got, err)
		}
	})
}

func TestDrainFailsNoRequest(t *testing.T) {
	f := &fleet{boot: 500 * time.Millisecond, run: time.Second}
	inTime(t, f, Config{MaxLaunches: 2}, func(t *testing.T, p *Pool) {
		old := version("a", "1")
		calls(t, p, old, 2, "")
		calls(t, p, version("b", "1"), 1, "")
		var wg sync.WaitGroup
		for range 4 { // two run, two wait
			wg.Go(func() {
				if _, err := call(p, old, ""); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		p.Drain(func(v *pinfold.Version) bool { return v.Ref.Name == "a" && v.RevisionID == "1" })
		wg.Go(func() { // resolved before the change, here after it
			if _, err := call(p, old, ""); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := call(p, version("a", "2"), ""); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		synctest.Wait()
		time.Sleep(time.Second)
		s := p.Stats()
		if len(s) != 2 || s[0].Ready != 1 || s[1].Ready != 1 {
			t.Errorf("left are %+v, want one of the new a and one of b", s)
		}
		for _, w := range f.workers {
			if w.version == old && !w.closed.Load() {
				t.Errorf("%s of the old version is still there", w.id)
			}
		}
	})
}

func TestCallerLeavesFunctionRunsOn(t *testing.T) {
	f := &fleet{boot: time.Millisecond, run: 10 * time.Second}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		ctx, cancel := context.WithCancel(context.Background())
		go func() { time.Sleep(time.Second); cancel() }()
		_, err := p.Invoke(ctx, version("a", "1"), &pinfold.Invocation{})
		if pinfold.CodeOf(err) != pinfold.Unavailable {
			t.Errorf("%v", err)
		}
		if s := p.Stats()[0]; s.Busy != 1 {
			t.Errorf("the function stopped with its caller: %+v", s)
		}
		time.Sleep(10 * time.Second)
		if s := p.Stats()[0]; s.Ready != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestQueueTime(t *testing.T) {
	f := &fleet{boot: 5 * time.Second, run: time.Second}
	inTime(t, f, Config{MemoryMB: 64}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		var wg sync.WaitGroup
		queued := make([]time.Duration, 2)
		for i := range queued {
			wg.Go(func() {
				inv := &pinfold.Invocation{Deadline: time.Now().Add(13 * time.Second)}
				deadline := inv.Deadline
				res, err := p.Invoke(context.Background(), v, inv)
				if err != nil {
					t.Error(err)
					return
				}
				queued[i] = res.Phases.Queue
				if inv.Deadline != deadline {
					t.Error("the pool has changed the invocation")
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if queued[0] != 0 || queued[1] != 6*time.Second {
			t.Errorf("queued %v: a launch is not queueing, waiting for another invocation is", queued)
		}
	})
}

func TestCloseDrainsThenKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{boot: time.Second, run: time.Second}
		p := New(f, Config{MemoryMB: 64})
		v := version("a", "1")
		var wg sync.WaitGroup
		results := make([]string, 3)
		for i, payload := range []string{"", "1h", ""} {
			wg.Go(func() {
				res, err := p.Invoke(context.Background(), v, &pinfold.Invocation{Payload: []byte(payload), Deadline: time.Now().Add(2 * time.Hour)})
				if err != nil {
					results[i] = string(pinfold.CodeOf(err))
				} else {
					results[i] = string(res.Payload)
				}
			})
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := p.Close(ctx); pinfold.CodeOf(err) != pinfold.Timeout {
			t.Errorf("two were cut off: %v", err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("draining took %v", took)
		}
		wg.Wait()
		if fmt.Sprint(results) != "[w1 killed Unavailable]" {
			t.Errorf("results: %v", results)
		}
		if _, err := call(p, v, ""); pinfold.CodeOf(err) != pinfold.Unavailable {
			t.Errorf("a closed pool took an invocation: %v", err)
		}
		checkClosed(t, f, p)
	})
}

// An invocation that has to go elsewhere still can while the pool drains.
func TestCloseWhileAnInstanceIsLost(t *testing.T) {
	f := &fleet{boot: time.Second, run: time.Second, gone: func(id string) bool {
		time.Sleep(time.Second)
		return id == "w1"
	}}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		go func() {
			if id, err := call(p, version("a", "1"), ""); id != "w2" || err != nil {
				t.Errorf("%s, %v", id, err)
			}
		}()
		time.Sleep(1500 * time.Millisecond)
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseDuringLaunch(t *testing.T) {
	for _, kind := range []string{"", "node"} {
		synctest.Test(t, func(t *testing.T) {
			f := &fleet{boot: time.Hour, kind: func(string) string { return kind }}
			p := New(f, Config{MemoryMB: 1 << 20})
			p.Want("node", "python")
			p.Configure(version("b", "1").Ref, Settings{Provisioned: []Provision{{"1", version("b", "1"), 1}}})
			synctest.Wait()
			got := make(chan error, 1)
			go func() {
				_, err := p.Invoke(context.Background(), version("a", "1"), &pinfold.Invocation{})
				got <- err
			}()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			p.Close(ctx)
			if err := <-got; pinfold.CodeOf(err) != pinfold.Unavailable {
				t.Errorf("%v", err)
			}
			checkClosed(t, f, p)
		})
	}
}

// An instance of several places serves several at a time, before there is
// another.
func TestSeveralInvocationsInOneInstance(t *testing.T) {
	f := &fleet{boot: time.Second, run: 100 * time.Millisecond, places: 10}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		calls(t, p, v, 1, "")
		began := time.Now()
		calls(t, p, v, 10, "")
		if took := time.Since(began); took != 100*time.Millisecond || f.size() != 1 {
			t.Errorf("ten at once took %v in %d instances", took, f.size())
		}
		calls(t, p, v, 20, "")
		if f.size() != 1 {
			t.Errorf("twenty times 100 ms, ten at a time, made %d instances, whose launch takes 1 s", f.size())
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { call(p, v, "5s") })
		}
		synctest.Wait()
		if id, err := call(p, v, ""); id == "" || err != nil {
			t.Error(err)
		}
		wg.Go(func() { call(p, v, "timeout") }) // no other is begun in an instance that is to be closed
		synctest.Wait()
		wg.Wait()
	})
}

// Short invocations go together into one of several instances while the machine
// has nothing to spare, and each into one of its own while it has.
func TestShortInvocationsArePacked(t *testing.T) {
	for spare, want := range map[bool]int{true: 3, false: 1} {
		f := &fleet{boot: time.Second, places: 4}
		inTime(t, f, Config{Spare: func() bool { return spare }}, func(t *testing.T, p *Pool) {
			v := version("a", "1")
			calls(t, p, v, 8, "40ms")
			for range 30 { // until they are known to be short
				calls(t, p, v, 1, "1ms")
			}
			var ids sync.Map
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					id, _ := call(p, v, "1ms")
					ids.Store(id, true)
				})
			}
			wg.Wait()
			used := 0
			ids.Range(func(any, any) bool { used++; return true })
			if used != want {
				t.Errorf("spare %v: three short invocations went to %d instances of %d", spare, used, f.size())
			}
		})
	}
}

// A crash takes all with it that run in the instance, and nobody else.
func TestCrashOfOneOfSeveral(t *testing.T) {
	f := &fleet{boot: time.Second, run: time.Second, places: 3}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		calls(t, p, v, 1, "")
		var wg sync.WaitGroup
		for payload, want := range map[string]string{"3s": "killed", "timeout": "w1", "500ms": "w1"} {
			wg.Go(func() {
				if got, err := call(p, v, payload); got != want && payload != "3s" || err != nil {
					t.Errorf("%s: %s, %v", payload, got, err)
				}
			})
		}
		time.Sleep(1100 * time.Millisecond) // one runs on in an instance that is spoiled
		if id, err := call(p, v, ""); id != "w2" || err != nil {
			t.Errorf("after one of its invocations had timed out: %s, %v", id, err)
		}
		wg.Wait()
	})
}

// Short invocations are sent ahead to a busy instance: it begins with the next
// at once.
func TestAheadOfShortInvocationsOnly(t *testing.T) {
	f := &fleet{boot: time.Second, run: time.Millisecond, ahead: true}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		quick, slow := version("quick", "1"), version("slow", "1")
		calls(t, p, quick, 1, "")
		calls(t, p, slow, 1, "100ms")
		for _, v := range []*pinfold.Version{quick, slow} {
			var wg sync.WaitGroup
			payload := map[string]string{"quick": "1ms", "slow": "100ms"}[v.Ref.Name]
			for range 3 {
				wg.Go(func() { call(p, v, payload) })
			}
			synctest.Wait()
			var waiting int
			for _, s := range p.Stats() {
				waiting += s.Waiting
			}
			if want := map[string]int{"quick": 1, "slow": 2}[v.Ref.Name]; waiting != want {
				t.Errorf("%s: of three at once %d wait in the pool, want %d", v.Ref.Name, waiting, want)
			}
			wg.Wait()
		}
		if f.size() != 2 {
			t.Errorf("%d launches", f.size())
		}
		calls(t, p, quick, 1, "200ms") // once it was slow it may be again
		if s := p.sets[keyOf(quick)]; s.known.quick() {
			t.Error("a function that was slow just now is taken to be quick")
		}
	})
}

// What was sent ahead to an instance that ends before it goes elsewhere.
func TestAheadOfACrash(t *testing.T) {
	f := &fleet{boot: 10 * time.Millisecond, run: time.Millisecond, ahead: true}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		calls(t, p, v, 1, "")
		for range 5 {
			var wg sync.WaitGroup
			wg.Go(func() { call(p, v, "crash") })
			synctest.Wait()
			wg.Go(func() {
				if id, err := call(p, v, ""); id == "" || id == "killed" || err != nil {
					t.Errorf("%q, %v", id, err)
				}
			})
			wg.Wait()
		}
	})
}
