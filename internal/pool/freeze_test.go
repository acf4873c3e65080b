package pool

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestIdleIsFrozenAndThawed(t *testing.T) {
	f := &fleet{boot: time.Second, run: time.Second, freeze: time.Millisecond}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		calls(t, p, v, 1, "")
		time.Sleep(99 * time.Millisecond)
		if s := p.Stats()[0]; s.Ready != 1 || s.Frozen != 0 {
			t.Errorf("after 99 ms: %+v", s)
		}
		time.Sleep(3 * time.Millisecond)
		if s := p.Stats()[0]; s.Frozen != 1 || !f.workers[0].frozen.Load() {
			t.Errorf("after 102 ms: %+v", s)
		}
		began := time.Now()
		if id, err := call(p, v, ""); id != "w1" || err != nil {
			t.Errorf("%s, %v", id, err)
		}
		if took := time.Since(began); took != 1001*time.Millisecond {
			t.Errorf("thawing and running took %v", took)
		}
		time.Sleep(time.Second)
		if n := f.workers[0].freezes.Load(); n != 2 {
			t.Errorf("frozen %d times", n)
		}
	})
}

// An invocation that comes while its instance is being frozen waits for that.
func TestInvocationWhileFreezing(t *testing.T) {
	f := &fleet{boot: time.Second, run: time.Millisecond, freeze: 40 * time.Millisecond}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		calls(t, p, v, 1, "")
		time.Sleep(110 * time.Millisecond)
		began := time.Now()
		if id, err := call(p, v, ""); id != "w1" || err != nil {
			t.Errorf("%s, %v", id, err)
		}
		if took := time.Since(began); took != 71*time.Millisecond {
			t.Errorf("30 ms more of freezing, thawing and running took %v", took)
		}
	})
}

// Who comes while an instance is thawed that has a place for him waits for that,
// however long it takes, and is not worth another instance.
func TestPlacesOfOneThatIsThawed(t *testing.T) {
	f := &fleet{boot: 10 * time.Millisecond, run: time.Millisecond, freeze: 400 * time.Millisecond, places: 10}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		v.Config.MaxConcurrency = 10
		calls(t, p, v, 1, "")
		time.Sleep(time.Second)
		calls(t, p, v, 5, "")
		if n := len(f.workers); n != 1 || f.workers[0].freezes.Load() != 1 {
			t.Errorf("%d instances were launched for five that find places in one", n)
		}
	})
}

// A process that does not stop holds up neither its callers nor the janitor.
func TestFreezingTakesTooLong(t *testing.T) {
	f := &fleet{boot: time.Second, run: time.Millisecond, freeze: time.Millisecond, stuck: true}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		calls(t, p, v, 1, "")
		time.Sleep(110 * time.Millisecond)
		began := time.Now()
		if id, err := call(p, v, ""); id != "w1" || err != nil || time.Since(began) > time.Second {
			t.Errorf("%s, %v after %v", id, err, time.Since(began))
		}
		time.Sleep(2 * time.Second)
		if len(p.Stats()) != 0 {
			t.Errorf("what cannot be frozen is kept: %+v", p.Stats())
		}
	})
}

func TestFreezingIsTurnedOffWhereItCannotBe(t *testing.T) {
	tries := 0
	f := &fleet{boot: time.Second, run: time.Millisecond, freeze: time.Millisecond, failStill: func(*fakeWorker) error {
		tries++
		return errors.ErrUnsupported
	}}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		for range 5 {
			if id, err := call(p, version("a", "1"), ""); id != "w1" || err != nil {
				t.Errorf("%s, %v", id, err)
			}
			time.Sleep(time.Second)
		}
		if tries != 1 || p.Stats()[0].Ready != 1 {
			t.Errorf("tried %d times: %+v", tries, p.Stats())
		}
	})
	f = &fleet{run: time.Millisecond, freeze: time.Millisecond}
	inTime(t, f, Config{FreezeAfter: -1}, func(t *testing.T, p *Pool) {
		calls(t, p, version("a", "1"), 1, "")
		time.Sleep(time.Minute)
		if n := f.workers[0].freezes.Load(); n != 0 {
			t.Errorf("frozen %d times, though that is turned off", n)
		}
	})
}

// Nobody knows what an instance does whose freezing or thawing failed: it goes,
// and the invocation gets another.
func TestFreezeAndThawFail(t *testing.T) {
	boom := errors.New("boom")
	f := &fleet{boot: time.Second, run: time.Millisecond, freeze: time.Millisecond, failStill: func(*fakeWorker) error { return boom }}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		calls(t, p, version("a", "1"), 1, "")
		time.Sleep(time.Second)
		if n := p.Totals().Instances; n != 0 {
			t.Errorf("%d instances after a freeze that failed", n)
		}
	})
	f = &fleet{boot: time.Second, run: time.Millisecond, freeze: time.Millisecond, failThaw: func(*fakeWorker) error { return boom }}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		calls(t, p, version("a", "1"), 2, "")
		time.Sleep(time.Second)
		if id, err := call(p, version("a", "1"), ""); id != "w3" || err != nil {
			t.Errorf("%s, %v", id, err)
		}
	})
}

// A busy function is never frozen, and its spare instances are.
func TestOnlyTheIdleAreFrozen(t *testing.T) {
	f := &fleet{boot: 10 * time.Millisecond, run: 10 * time.Millisecond, freeze: time.Millisecond}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		calls(t, p, v, 3, "")
		crowd(p, v, 1, 5*time.Second, "")
		frozen, freezes := p.Stats()[0].Frozen, int32(0)
		for _, w := range f.workers {
			freezes += w.freezes.Load()
		}
		if frozen != 2 || freezes != 2 {
			t.Errorf("%d are frozen, after %d freezes", frozen, freezes)
		}
	})
}

// Whatever happens to an instance while it is being frozen or thawed, it is
// closed after that.
func TestEndWhileFreezing(t *testing.T) {
	for at := time.Duration(0); at <= 60*time.Millisecond; at += 10 * time.Millisecond {
		for name, end := range map[string]func(f *fleet, p *Pool){
			"drain": func(_ *fleet, p *Pool) { p.Drain(anything) },
			"crash": func(f *fleet, _ *Pool) { f.workers[0].crash() },
			"none":  func(*fleet, *Pool) {},
		} {
			f := &fleet{boot: time.Second, run: time.Second, freeze: 30 * time.Millisecond}
			inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
				v := version("a", "1")
				calls(t, p, v, 1, "")
				var wg sync.WaitGroup
				time.Sleep(120 * time.Millisecond) // it is being frozen for 20 ms
				if at%20 == 0 {
					wg.Go(func() {
						if _, err := call(p, v, ""); err != nil {
							t.Errorf("%s after %v: %v", name, at, err)
						}
					})
				}
				time.Sleep(at)
				end(f, p)
				wg.Wait()
				synctest.Wait()
			})
		}
	}
}
