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

// fleet launches fake workers and remembers them.
type fleet struct {
	boot  time.Duration // how long a launch takes
	run   time.Duration // how long an invocation takes
	fail  func(n int) error
	gone  func(id string) bool // workers that are gone when they are called
	close time.Duration        // how long Close takes

	mu       sync.Mutex
	workers  []*fakeWorker
	starting int
	mostUp   int // most workers alive at a time
	mostAt   int // most launches at a time
}

type fakeWorker struct {
	fleet   *fleet
	id      string
	version *pinfold.Version
	done    chan struct{}
	once    sync.Once
	busy    atomic.Int32
	served  atomic.Int32
	spoiled atomic.Bool // not reusable
	lingers atomic.Bool
	closed  atomic.Bool
}

func (f *fleet) launch(ctx context.Context, v *pinfold.Version) (Worker, error) {
	f.mu.Lock()
	n := len(f.workers) + 1
	f.starting++
	f.mostAt = max(f.mostAt, f.starting)
	w := &fakeWorker{fleet: f, id: fmt.Sprint("w", n), version: v, done: make(chan struct{})}
	f.workers = append(f.workers, w)
	up := 0
	for _, w := range f.workers {
		if !w.closed.Load() {
			up++
		}
	}
	f.mostUp = max(f.mostUp, up)
	f.mu.Unlock()

	var err error
	select {
	case <-time.After(f.boot):
	case <-ctx.Done():
		err = ctx.Err()
	}
	f.mu.Lock()
	f.starting--
	f.mu.Unlock()
	if f.fail != nil && err == nil {
		err = f.fail(n)
	}
	if err != nil {
		w.closed.Store(true)
		return nil, err
	}
	return w, nil
}

func (f *fleet) size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.workers)
}

func (w *fakeWorker) ID() string            { return w.id }
func (w *fakeWorker) Done() <-chan struct{} { return w.done }
func (w *fakeWorker) Reusable() bool        { return !w.spoiled.Load() }
func (w *fakeWorker) Lingers() bool         { return w.lingers.Load() }
func (w *fakeWorker) crash()                { w.once.Do(func() { close(w.done) }) }
func (w *fakeWorker) Close() error {
	time.Sleep(w.fleet.close)
	w.crash()
	w.closed.Store(true)
	return nil
}

func (w *fakeWorker) Invoke(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
	if w.busy.Add(1) != 1 {
		return nil, errors.New("two invocations at a time in " + w.id)
	}
	defer w.busy.Add(-1)
	w.served.Add(1)
	if w.fleet.gone != nil && w.fleet.gone(w.id) {
		w.spoiled.Store(true)
		return nil, pinfold.Errorf(pinfold.Unavailable, "gone").WithReason(InstanceGone)
	}
	run := w.fleet.run
	if d, err := time.ParseDuration(string(inv.Payload)); err == nil {
		run = d
	}
	select {
	case <-time.After(run):
		if string(inv.Payload) == "crash" {
			w.crash()
		}
		if string(inv.Payload) == "timeout" {
			w.spoiled.Store(true)
		}
		return &pinfold.Result{Payload: []byte(w.id), ExecutedVersion: w.version.RevisionID}, nil
	case <-w.done:
		return &pinfold.Result{FunctionError: "Unhandled", Payload: []byte("killed")}, nil
	}
}

func version(name, revision string) *pinfold.Version {
	return &pinfold.Version{
		Ref:        pinfold.FunctionRef{Account: "000000000000", Region: "us-east-1", Name: name, Qualifier: "$LATEST"},
		RevisionID: revision,
		Config:     pinfold.Config{Timeout: 3},
	}
}

// inTime runs a test on synctest's clock with a pool that is closed at its end.
func inTime(t *testing.T, f *fleet, c Config, test func(t *testing.T, p *Pool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c.MemoryMB = 1 << 20 // the machine plays no part
		p := New(f.launch, c)
		test(t, p)
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
		for _, w := range f.workers {
			if !w.closed.Load() {
				t.Errorf("%s is left behind", w.id)
			}
		}
		if len(p.sets) != 0 || len(p.instances) != 0 || p.busy != 0 || p.waiting != 0 || p.draining != 0 || p.launching != 0 {
			t.Errorf("the closed pool still counts: %+v, %d instances, %d busy, %d waiting, %d draining, %d launching",
				p.Stats(), len(p.instances), p.busy, p.waiting, p.draining, p.launching)
		}
	})
}

// call invokes v and returns the worker's ID.
func call(p *Pool, v *pinfold.Version, payload string) (string, error) {
	res, err := p.Invoke(context.Background(), v, &pinfold.Invocation{Payload: []byte(payload), Deadline: time.Now().Add(13 * time.Second)})
	if err != nil {
		return "", err
	}
	return string(res.Payload), nil
}

// calls invokes v n times at once.
func calls(t *testing.T, p *Pool, v *pinfold.Version, n int, payload string) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := call(p, v, payload); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

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
		if s := p.Stats(); len(s) != 1 || s[0].Ready != 3 || s[0].Function.Name != "a" {
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
		if f.size() > 8 {
			t.Errorf("%d launches for 100 ms of work", f.size())
		}
	})
}

func TestFullHouseWaitsThenThrottles(t *testing.T) {
	f := &fleet{boot: time.Millisecond, run: 20 * time.Second}
	inTime(t, f, Config{Concurrency: 2}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { call(p, v, "") })
		}
		synctest.Wait()
		time.Sleep(time.Second)
		began := time.Now()
		_, err := call(p, v, "")
		if pinfold.CodeOf(err) != pinfold.Throttled || pinfold.ReasonOf(err) != "ConcurrentInvocationLimitExceeded" || err.Error() != "Rate Exceeded." {
			t.Errorf("%v (%s)", err, pinfold.ReasonOf(err))
		}
		if waited := time.Since(began); waited != 13*time.Second {
			t.Errorf("waited %v, the deadline was in 13 s", waited)
		}
		if id, err := call(p, v, "1ms"); err != nil { // 14 s are over, both are free in 6
			t.Errorf("waiting for a free instance: %q, %v", id, err)
		}
		wg.Wait()
		if f.mostUp > 2 {
			t.Errorf("%d instances at a time", f.mostUp)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	f := &fleet{boot: time.Second, run: time.Second}
	inTime(t, f, Config{Concurrency: 1, MaxWaiting: 2}, func(t *testing.T, p *Pool) {
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
		if _, err := call(p, version("b", "1"), ""); pinfold.CodeOf(err) != pinfold.Throttled {
			t.Errorf("a third in a queue of two: %v", err)
		}
		wg.Wait()
	})
}

func TestFullHouseEvictsTheLongestIdle(t *testing.T) {
	f := &fleet{boot: 10 * time.Millisecond, run: 10 * time.Millisecond, close: 50 * time.Millisecond}
	inTime(t, f, Config{Concurrency: 2}, func(t *testing.T, p *Pool) {
		a, b, c := version("a", "1"), version("b", "1"), version("c", "1")
		for _, v := range []*pinfold.Version{a, b, a} {
			calls(t, p, v, 1, "")
			time.Sleep(time.Second)
		}
		if _, err := call(p, c, ""); err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, s := range p.Stats() {
			left = append(left, s.Function.Name)
		}
		if fmt.Sprint(left) != "[a c]" {
			t.Errorf("left are %v: b had idled longest", left)
		}
		if f.mostUp > 2 {
			t.Errorf("%d instances at a time: a place is free only when Close has returned", f.mostUp)
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
		f.workers[2].crash() // while it idles
		if id, err := call(p, v, ""); id != "w4" || err != nil {
			t.Errorf("after a crash while idle: %s, %v", id, err)
		}
		f.workers[3].crash()
		synctest.Wait()
		if s := p.Stats(); len(s) != 0 {
			t.Errorf("a crashed instance is still counted: %+v", s)
		}
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
// done, unless there is no room beside it.
func TestInstanceThatLingersIsLeftAlone(t *testing.T) {
	f := &fleet{}
	inTime(t, f, Config{Concurrency: 2}, func(t *testing.T, p *Pool) {
		v := version("f", "1")
		want := func(worker string) {
			t.Helper()
			if got, err := call(p, v, ""); got != worker || err != nil {
				t.Errorf("served by %s, %v; want %s", got, err, worker)
			}
		}
		want("w1")
		f.workers[0].lingers.Store(true)
		want("w2")
		f.workers[0].lingers.Store(false)
		f.workers[1].lingers.Store(true)
		want("w1")
		f.workers[0].lingers.Store(true)
		want("w3") // one of the others has made room
		synctest.Wait()
		if up := len(p.instances); up != 2 {
			t.Errorf("%d instances, want 2", up)
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

func TestQueueTimeAndDeadline(t *testing.T) {
	f := &fleet{boot: 5 * time.Second, run: time.Second}
	inTime(t, f, Config{Concurrency: 1}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		var wg sync.WaitGroup
		queued := make([]time.Duration, 2)
		for i := range queued {
			wg.Go(func() {
				inv := &pinfold.Invocation{Deadline: time.Now().Add(13 * time.Second)}
				res, err := p.Invoke(context.Background(), v, inv)
				if err != nil {
					t.Error(err)
					return
				}
				queued[i] = res.Phases.Queue
				if left := time.Until(inv.Deadline); left != 2*time.Second { // of 3, after 1 of running
					t.Errorf("the function had %v less than its timeout", 2*time.Second-left)
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
		p := New(f.launch, Config{MemoryMB: 1 << 20, Concurrency: 1})
		v := version("a", "1")
		var wg sync.WaitGroup
		results := make([]string, 3)
		for i, payload := range []string{"", "1h", ""} {
			wg.Go(func() {
				res, err := p.Invoke(context.Background(), v, &pinfold.Invocation{Payload: []byte(payload)})
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
		if !f.workers[0].closed.Load() {
			t.Error("the worker is left behind")
		}
	})
}

func TestCloseDuringLaunch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{boot: time.Hour}
		p := New(f.launch, Config{MemoryMB: 1 << 20})
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
	})
}

func TestMemoryBoundsConcurrency(t *testing.T) {
	for _, tc := range []struct{ concurrency, memoryMB, want int }{
		{0, 1 << 20, 1000}, {0, 6400, 100}, {10, 6400, 10}, {5000, 64 * 5000, 5000}, {0, 10, 1},
	} {
		if got := (Config{Concurrency: tc.concurrency, MemoryMB: tc.memoryMB}).withDefaults().Concurrency; got != tc.want {
			t.Errorf("concurrency %d with %d MB: %d, want %d", tc.concurrency, tc.memoryMB, got, tc.want)
		}
	}
}
