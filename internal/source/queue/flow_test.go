package queue_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/source/queue"
)

// TestThrottled: a function that may not run is left alone, its messages lose no
// receive, and it is probed with one batch after 1, 2, 4 … 60 seconds.
func TestThrottled(t *testing.T) {
	in(t, func(b *bench) {
		b.function = func(_ context.Context, c call) (*pinfold.Result, error) {
			if c.at < 10*time.Minute {
				return nil, throttled()
			}
			return &pinfold.Result{}, nil
		}
	}, func(b *bench) {
		b.line.send("", numbers(0, 100)...)
		time.Sleep(9 * time.Minute)
		calls := b.came()
		at := calls[0].at
		firsts := 0
		for firsts < len(calls) && calls[firsts].at == 0 {
			firsts++
		}
		if firsts > 5 {
			t.Errorf("%d batches were tried at once", firsts)
		}
		pause := time.Second
		for _, c := range calls[firsts:] {
			if waited := c.at - at; waited > pause || waited < pause*4/5 {
				t.Errorf("probed after %v, want about %v", waited, pause)
			}
			at, pause = c.at, min(2*pause, time.Minute)
		}
		if pause != time.Minute {
			t.Errorf("probed %d times", len(calls)-firsts)
		}
		for body, receives := range b.line.left() {
			if receives != 0 {
				t.Errorf("message %s counts as received %d times", body, receives)
			}
		}
		st := b.status()
		if st.State != queue.Paused || st.Since != b.began || st.Why != "PROBLEM: Function throttled" || st.Probe.Before(time.Now()) || st.InFlight != 0 || st.Returned == 0 || st.Failures != 0 {
			t.Errorf("%+v", st)
		}
		time.Sleep(2*time.Minute + time.Second)
		if left := b.line.left(); len(left) > 0 || b.status().State != queue.Polling {
			t.Errorf("left %d, %+v", len(left), b.status())
		}
		if want := []string{"PROBLEM: Function throttled", "OK"}; !slices.Equal(b.registry.told().results, want) {
			t.Errorf("the registry was told %q", b.registry.told().results)
		}
	})
}

// TestSlowProbe: a function that could not run and does now need not have ended for
// others to be tried.
func TestSlowProbe(t *testing.T) {
	in(t, func(b *bench) {
		b.function = func(_ context.Context, c call) (*pinfold.Result, error) {
			if c.at < time.Minute {
				return nil, throttled()
			}
			time.Sleep(14 * time.Minute)
			return &pinfold.Result{}, nil
		}
	}, func(b *bench) {
		b.line.send("", numbers(0, 50)...)
		time.Sleep(time.Minute)
		b.came()
		time.Sleep(65 * time.Second)
		if st := b.status(); st.State != queue.Polling || st.InFlight != 5 {
			t.Errorf("%+v", st)
		}
	})
}

// TestChangedFunctionIsTriedAtOnce, without waiting for the next probe.
func TestChangedFunctionIsTriedAtOnce(t *testing.T) {
	broken := true
	in(t, func(b *bench) {
		b.function = func(context.Context, call) (*pinfold.Result, error) {
			if broken {
				return nil, pinfold.Errorf(pinfold.NotFound, "Function not found")
			}
			return &pinfold.Result{}, nil
		}
	}, func(b *bench) {
		b.line.send("", "a")
		time.Sleep(5 * time.Minute)
		if st := b.status(); st.State != queue.Paused || st.Result != "PROBLEM: Function not found" {
			t.Errorf("%+v", st)
		}
		broken = false
		b.FunctionChanged(pinfold.FunctionRef{Name: "another"})
		if len(b.line.left()) != 1 || b.status().State != queue.Paused {
			t.Errorf("another function's change: %+v", b.status())
		}
		b.FunctionChanged(work)
		if st := b.status(); st.State != queue.Polling || len(b.line.left()) > 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestFailing: five batches of new messages that fail one after the other say that
// the function is broken: it is left alone until a probe succeeds, and only probes
// cost messages a receive.
func TestFailing(t *testing.T) {
	in(t, func(b *bench) {
		b.mapping.BatchSize = 1
		b.function = func(ctx context.Context, c call) (*pinfold.Result, error) {
			if c.at < time.Hour {
				return fails(ctx, c)
			}
			return &pinfold.Result{}, nil
		}
	}, func(b *bench) {
		b.line.send("", numbers(0, 1000)...)
		if n := len(b.came()); n < 5 || n > 10 {
			t.Errorf("%d batches failed before the first pause", n)
		}
		time.Sleep(59 * time.Minute)
		if n := len(b.came()); n < 60 || n > 90 {
			t.Errorf("%d batches failed in an hour", n)
		}
		received := 0
		for _, n := range b.line.left() {
			received += n
		}
		if st := b.status(); st.State != queue.Paused || received != len(b.came()) || st.Why != "PROBLEM: Function call failed" {
			t.Errorf("%d receives for %d invocations; %+v", received, len(b.came()), st)
		}
		time.Sleep(3 * time.Minute)
		if left := b.line.left(); len(left) > 0 || b.status().State != queue.Polling {
			t.Errorf("left %d, %+v", len(left), b.status())
		}
	})
}

// TestNoQueue: a queue that is not there is looked for now and then.
func TestNoQueue(t *testing.T) {
	in(t, func(b *bench) { b.line.missing = true }, func(b *bench) {
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if st := b.status(); st.State != queue.Paused || st.Result != "PROBLEM: Queue not found" {
			t.Errorf("%+v", st)
		}
		if n := len(b.line.wanted()); n > 20 {
			t.Errorf("asked %d times in ten minutes", n)
		}
		b.line.change(func() { b.line.missing = false })
		b.line.send("", "a")
		time.Sleep(time.Minute)
		if st := b.status(); st.State != queue.Polling || len(b.line.left()) > 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestMorePlacesWhereTheyHelp: a function that waits for something gets more batches
// at a time as long as there is more to do, one that is held up by the machine none.
func TestMorePlacesWhereTheyHelp(t *testing.T) {
	waits := func(_ context.Context, _ call) (*pinfold.Result, error) {
		time.Sleep(200 * time.Millisecond)
		return &pinfold.Result{}, nil
	}
	in(t, func(b *bench) { b.function = waits }, func(b *bench) {
		b.line.send("", numbers(0, 6000)...)
		time.Sleep(time.Minute)
		if b.came(); b.peak < 40 || len(b.line.left()) > 0 {
			t.Errorf("%d at a time, %d left", b.peak, len(b.line.left()))
		}
		if st := b.status(); st.Places != 5 || st.InFlight != 0 {
			t.Errorf("at idle: %+v", st)
		}
		before := len(b.line.wanted())
		time.Sleep(time.Hour)
		if n := len(b.line.wanted()) - before; n > 181 {
			t.Errorf("asked %d times in an hour at idle", n)
		}
	})
	in(t, func(b *bench) {
		machine := make(chan struct{}, 2) // two at a time
		b.function = func(_ context.Context, _ call) (*pinfold.Result, error) {
			machine <- struct{}{}
			defer func() { <-machine }()
			time.Sleep(20 * time.Millisecond)
			return &pinfold.Result{}, nil
		}
	}, func(b *bench) {
		b.line.send("", numbers(0, 6000)...)
		time.Sleep(5 * time.Second)
		if st := b.status(); b.peak > 10 || st.Places != 5 {
			t.Errorf("%d at a time, %+v", b.peak, st)
		}
	})
}

// TestNeverMoreThanMayRun: neither more than the mapping says nor than the function
// may.
func TestNeverMoreThanMayRun(t *testing.T) {
	waits := func(_ context.Context, _ call) (*pinfold.Result, error) {
		time.Sleep(200 * time.Millisecond)
		return &pinfold.Result{}, nil
	}
	for name, setup := range map[string]func(b *bench){
		"MaximumConcurrency": func(b *bench) { b.mapping.MaximumConcurrency = 2 },
		"function's limit":   func(b *bench) { b.options.Limit = func(pinfold.FunctionRef) int { return 2 } },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(b *bench) { setup(b); b.function = waits }, func(b *bench) {
				b.line.send("", numbers(0, 500)...)
				time.Sleep(10 * time.Second)
				if b.came(); b.peak != 2 || len(b.line.left()) > 0 {
					t.Errorf("%d at a time, %d left", b.peak, len(b.line.left()))
				}
			})
		})
	}
	t.Run("a limit that nobody knows", func(t *testing.T) {
		in(t, func(b *bench) { b.throttleAt, b.function = 3, waits }, func(b *bench) {
			b.line.send("", numbers(0, 500)...)
			time.Sleep(10 * time.Second)
			if calls := b.came(); len(b.line.left()) > 0 || len(calls) > 50+30 {
				t.Errorf("%d invocations for 50 batches, %d left", len(calls), len(b.line.left()))
			}
			if st := b.status(); st.State != queue.Polling || st.Failures != 0 || slices.Contains(b.registry.told().results, "PROBLEM: Function throttled") {
				t.Errorf("%+v, told %q", st, b.registry.told().results)
			}
		})
	})
}
