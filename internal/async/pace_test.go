package async

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

// TestPoison has thousands of events go through while one of them fails, one hangs
// and one breaks the platform.
func TestPoison(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.does = func(_ context.Context, inv *pinfold.Invocation, _ int) (*pinfold.Result, error) {
			switch string(inv.Payload) {
			case `"fails"`:
				return fails(), nil
			case `"hangs"`:
				time.Sleep(15 * time.Minute)
				return fails(), nil
			case `"breaks"`:
				return nil, errors.New("oh no")
			}
			time.Sleep(100 * time.Millisecond)
			return ok(), nil
		}
		const n = 1500
		for i := range n {
			if i%500 == 250 {
				w.enqueue("hello", []string{`"fails"`, `"hangs"`, `"breaks"`}[i/500])
			}
			w.enqueue("hello", "{}")
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		good := 0
		for _, a := range w.all() {
			if string(a.Payload) == "{}" {
				good++
			}
		}
		if st := w.Status("hello"); good != n || st.Waiting > 0 {
			t.Errorf("%d of %d events after half a minute; %+v", good, n, st)
		}
		if most, _ := w.counts(); most < 64 {
			t.Errorf("%d at a time where there is no limit", most)
		}
	})
}

// limitedTo is a function that may run so many times at a time.
func (w *world) limitedTo(limit int, takes time.Duration) func(context.Context, *pinfold.Invocation, int) (*pinfold.Result, error) {
	return func(context.Context, *pinfold.Invocation, int) (*pinfold.Result, error) {
		w.mu.Lock()
		over := w.running > limit
		w.mu.Unlock()
		if over {
			w.mu.Lock()
			w.refusals++
			w.mu.Unlock()
			return nil, limited()
		}
		time.Sleep(takes)
		return ok(), nil
	}
}

// TestConcurrency keeps a function at its limit, and asks for more only seldom.
func TestConcurrency(t *testing.T) {
	for _, limit := range []int{1, 5, 50} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.does = w.limitedTo(limit, time.Second)
				n := 100 * limit
				for range n {
					w.enqueue("hello", "{}")
				}
				time.Sleep(120 * time.Second) // 20% more than it must take
				synctest.Wait()
				_, refusals := w.counts()
				if done := len(w.all()) - refusals; done != n || refusals > 40+limit {
					t.Errorf("%d of %d events, %d times refused", done, n, refusals)
				}
			})
		})
	}
}

// TestPlaces has a function that runs in so many places, where others wait: they are
// all in use, and hardly anything waits for them.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		places int
		takes  time.Duration
	}{{2, time.Millisecond}, {8, 20 * time.Millisecond}, {100, 200 * time.Millisecond}, {5, slow - time.Millisecond}} {
		t.Run(fmt.Sprintf("%d places, %v", c.places, c.takes), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				places := make(chan bool, c.places)
				var waited atomic.Int64
				w.does = func(_ context.Context, inv *pinfold.Invocation, _ int) (*pinfold.Result, error) {
					began := time.Now()
					w.waiting.Add(1)
					places <- true
					w.waiting.Add(-1)
					inv.Placed.Queue = time.Since(began)
					if began.After(w.began.Add(10 * time.Second)) {
						waited.Add(int64(inv.Placed.Queue))
					}
					time.Sleep(c.takes)
					<-places
					return &pinfold.Result{Payload: []byte("{}"), Phases: pinfold.Phases{Handler: c.takes}}, nil
				}
				n := int(20*time.Second/c.takes) * c.places
				for range n {
					w.enqueue("hello", "{}")
				}
				time.Sleep(26 * time.Second) // 30% more than it must take
				synctest.Wait()
				average := time.Duration(waited.Load()) / time.Duration(n/2)
				if done := len(w.all()); done != n || average > max(contended, c.takes) {
					t.Errorf("%d of %d events, which waited for %v", done, n, average)
				}
			})
		})
	}
}

// TestMemory lets no more run while there is much in memory, and at once when there
// is not any more.
func TestMemory(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.held.Add(maxHeld)
		w.does = func(context.Context, *pinfold.Invocation, int) (*pinfold.Result, error) {
			time.Sleep(10 * time.Second)
			return ok(), nil
		}
		for range 200 {
			w.enqueue("hello", "{}")
		}
		time.Sleep(time.Minute)
		synctest.Wait() // others take the places of those that end now
		if n := w.Status("hello").Running; n != firstLimit {
			t.Errorf("%d run where there is no memory for more", n)
		}
		w.held.Add(-maxHeld)
		time.Sleep(time.Minute)
		w.wantNothing()
		if n := w.held.Load(); n != 0 {
			t.Errorf("%d bytes are held in the end", n)
		}
	})
}

// TestStretchLooksAgain: where one has ended since there was no room, and its place is
// about to be taken, it is looked again; or else many that take long would wait for
// one of those before them to end.
func TestStretchLooksAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p := newPump(w.Service, events, refOf("hello"), new(ended))
		for range p.pace.limit {
			p.pace.begin(time.Now())
		}
		if until := p.stretch(); !until.Equal(time.Now().Add(slow)) {
			t.Errorf("it is looked again at %v", until)
		}
		p.pace.end(time.Now(), false, filled, nil)
		if until := p.stretch(); !until.Equal(time.Now()) {
			t.Errorf("one has ended, and it is looked again at %v", until)
		}
	})
}

// TestLimitIsRaised follows a limit that grows.
func TestLimitIsRaised(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.does = w.limitedTo(2, time.Second)
		for range 2000 {
			w.enqueue("hello", "{}")
		}
		time.Sleep(time.Minute)
		w.mu.Lock()
		w.does, w.most = w.limitedTo(100, time.Second), 0
		w.mu.Unlock()
		w.Changed(refOf("hello"))
		time.Sleep(5 * time.Minute)
		w.wantNothing()
	})
}

// TestFairness has one function's events go through whatever another one does.
func TestFairness(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.function("broken")
		w.function("slow")
		w.does = func(_ context.Context, inv *pinfold.Invocation, _ int) (*pinfold.Result, error) {
			switch inv.Function.Name {
			case "broken":
				return nil, errors.New("its code is not there")
			case "slow":
				time.Sleep(15 * time.Minute)
			}
			return ok(), nil
		}
		for range 500 {
			w.enqueue("broken", "{}")
			w.enqueue("slow", "{}")
		}
		began := time.Since(w.began)
		id := w.enqueue("hello", "{}")
		synctest.Wait()
		w.wantTimes(id, began)
		time.Sleep(10 * time.Minute)
		all := w.Statuses()
		if len(all) != 3 || all[0].Function != "broken" || all[0].Paused == nil || all[1].Ended.Succeeded != 1 || all[2].Paused != nil || all[2].Running == 0 {
			t.Errorf("statuses are %+v", all)
		}
		time.Sleep(50 * time.Minute)
		synctest.Wait()
		probes := 0
		for _, a := range w.all() {
			if a.Function.Name == "broken" {
				probes++
			}
		}
		if probes > 40 {
			t.Errorf("what is broken was tried %d times in an hour", probes)
		}
	})
}

// TestPace tries random endings: there is never more room than there may be, and
// always room again in the end.
func TestPace(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		p := pace{most: 20, limit: firstLimit}
		now := time.Unix(0, 0)
		var tasks []bool // that they are probes
		for range 2000 {
			n, until := p.room(now)
			switch {
			case n < 0 || p.running+n > p.most || p.open && n > 1:
				t.Fatalf("room for %d with %+v", n, p)
			case n > 0 && r.IntN(3) > 0:
				tasks = append(tasks, p.begin(now))
			case n == 0 && len(tasks) == 0:
				if until.IsZero() {
					t.Fatalf("nothing runs, and there is never room again: %+v", p)
				}
				now = until
			case n == 0 && r.IntN(3) == 0:
				p.stretch(now)
			case len(tasks) > 0:
				i := r.IntN(len(tasks))
				p.end(now, tasks[i], ending(r.IntN(int(broken)+1)), errors.New("x"))
				tasks = append(tasks[:i], tasks[i+1:]...)
			}
			now = now.Add(time.Duration(r.IntN(500)) * time.Millisecond)
		}
	}
}

// TestCrowdedOnce has the limit shrink once for all that waited in the same queue.
func TestCrowdedOnce(t *testing.T) {
	p, now := pace{most: 20, limit: firstLimit}, time.Unix(0, 0)
	for round := range 3 {
		n := p.limit
		for range n {
			p.begin(now)
		}
		for range n {
			p.end(now, false, crowded, nil)
		}
		if want := firstLimit - 1 - round; p.limit != want {
			t.Errorf("%d may run after %d that waited, want %d", p.limit, n, want)
		}
	}
}

func TestWaitAfter(t *testing.T) {
	var all []string
	for n := range 12 {
		all = append(all, waitAfter(n).String())
	}
	if got := strings.Join(all, " "); got != "1s 1s 2s 4s 8s 16s 32s 1m4s 2m8s 4m16s 5m0s 5m0s" || waitAfter(1e9) != maxWait {
		t.Errorf("waits are %s", got)
	}
}

// TestSlowFunction has many events run at a time though each takes long, and after
// the function was throttled.
func TestSlowFunction(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.does = always(nil, limited())
		for range 500 {
			w.enqueue("hello", "{}")
		}
		time.Sleep(time.Minute)
		w.mu.Lock()
		w.does = func(context.Context, *pinfold.Invocation, int) (*pinfold.Result, error) {
			time.Sleep(10 * time.Minute)
			return ok(), nil
		}
		w.mu.Unlock()
		w.Changed(refOf("hello"))
		time.Sleep(time.Minute)
		if n := w.Status("hello").Running; n != firstLimit {
			t.Errorf("%d run where probes do not end", n)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := w.Status("hello").Running; n < 400 {
			t.Errorf("%d run a minute after the first one has ended", n)
		}
		time.Sleep(time.Hour)
		w.wantNothing()
	})
}
