package queue_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
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
// the function is broken: it is left alone until a probe succeeds. A pause costs a
// message one receive, beside single batches of those that were tried before.
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
		b.line.send("", numbers(0, 300)...)
		if n := len(b.came()); n < 5 || n > 10 {
			t.Errorf("%d batches failed before the first pause", n)
		}
		time.Sleep(59 * time.Minute)
		if n := len(b.came()); n < 300+50 || n > 300+90 {
			t.Errorf("%d batches failed in an hour", n)
		}
		received := 0
		for body, n := range b.line.left() {
			if received += n; n > 2 {
				t.Errorf("message %s was received %d times", body, n)
			}
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

// picky fails with messages of more than three letters.
func picky(ctx context.Context, c call) (*pinfold.Result, error) {
	time.Sleep(10 * time.Millisecond)
	if len(c.bodies[0]) > 3 {
		return fails(ctx, c)
	}
	return &pinfold.Result{}, nil
}

// TestManyPoisonMessagesInFront: good messages behind hundreds of batches of bad ones
// are handled within a minute, and those that are sent later, when all have been
// tried, by the next probe.
func TestManyPoisonMessagesInFront(t *testing.T) {
	for name, setup := range map[string]func(b *bench){
		"without dead letters": func(b *bench) {},
		"with dead letters":    func(b *bench) { b.line.maxReceive = 3 },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(b *bench) { b.mapping.BatchSize, b.function = 1, picky; setup(b) }, func(b *bench) {
				b.line.send("", numbers(1000, 400)...)
				b.line.send("", numbers(0, 100)...)
				time.Sleep(time.Minute + 10*time.Second)
				if left := b.line.left(); len(left) > 400 {
					t.Errorf("after a minute %d good messages wait: %+v", len(left)-400, b.status())
				}
			})
			in(t, func(b *bench) { b.mapping.BatchSize, b.function = 1, picky; setup(b) }, func(b *bench) {
				b.line.send("", numbers(1000, 400)...)
				for at := range 2 {
					time.Sleep(3 * time.Minute)
					b.line.send("", numbers(10*at, 3)...)
					time.Sleep(time.Minute + time.Second)
					for body := range b.line.left() {
						if len(body) < 4 {
							t.Errorf("good message %s waits for a minute: %+v", body, b.status())
						}
					}
					b.line.send("", numbers(2000+100*at, 100)...)
				}
			})
		})
	}
}

// TestManyPoisonGroupsInFront: in a FIFO queue, too, and of each group messages come
// in order.
func TestManyPoisonGroupsInFront(t *testing.T) {
	in(t, func(b *bench) { b.mapping.BatchSize, b.function = 3, picky }, func(b *bench) {
		for i := range 100 {
			b.line.send("bad"+strconv.Itoa(i), numbers(1000+2*i, 2)...)
		}
		b.line.send("good", numbers(0, 100)...)
		time.Sleep(time.Minute + 10*time.Second)
		if left := b.line.left(); len(left) > 200 {
			t.Errorf("after a minute %d good messages wait: %+v", len(left)-200, b.status())
		}
		time.Sleep(10 * time.Minute)
		b.line.send("good", numbers(100, 100)...)
		time.Sleep(time.Minute + time.Second)
		if left := b.line.left(); len(left) > 200 {
			t.Errorf("%d good messages wait for a minute: %+v", len(left)-200, b.status())
		}
		next := 0
		for _, c := range b.came() {
			for _, body := range c.bodies {
				if n, _ := strconv.Atoi(body); len(body) < 4 && n != next {
					t.Fatalf("%s came, want %d", body, next)
				} else if len(body) < 4 {
					next++
				}
			}
		}
	})
}

// TestMemory: there is only so much of events at a time, of all mappings together.
// What is beyond that waits in the queue, and comes when there is room.
func TestMemory(t *testing.T) {
	most, now := 0, 0
	in(t, func(b *bench) {
		b.options.Memory, b.mapping.BatchSize, b.mapping.Window, b.line.atMost = 512<<10, 1000, 1, 10
		b.function = func(_ context.Context, c call) (*pinfold.Result, error) {
			n := len(c.inv.Payload)
			b.mu.Lock()
			now += n
			most = max(most, now)
			b.mu.Unlock()
			time.Sleep(time.Second)
			b.mu.Lock()
			now -= n
			b.mu.Unlock()
			return &pinfold.Result{}, nil
		}
	}, func(b *bench) {
		other := b.mapping
		other.UUID = "other"
		b.registry.set("other", &other)
		for i := range 200 {
			b.line.send("", strconv.Itoa(i)+strings.Repeat("x", 10<<10))
		}
		time.Sleep(time.Minute)
		if left := b.line.left(); len(left) > 0 || most > 800<<10 || most < 400<<10 {
			t.Errorf("%d bytes at a time, %d messages left", most, len(left))
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
