package async

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

func TestSuccess(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		id := w.enqueue("hello:live", `{"a": 1}`)
		synctest.Wait()
		w.wantTimes(id, 0)
		w.wantNothing()
		got := w.all()[0].Invocation
		if got.Function != refOf("hello:live") || string(got.Payload) != `{"a": 1}` || got.Principal.Kind != pinfold.Root || got.Trigger.Kind != "async" ||
			!strings.HasPrefix(got.TraceID, "Root=1-") {
			t.Errorf("invoked as %+v", got)
		}
		if w.enqueue("hello", ""); string(w.settled().Payload) != "{}" {
			t.Errorf("without a payload it is %q", w.all()[1].Payload)
		}
		time.Sleep(3 * idle)
		synctest.Wait()
		if len(w.pumps) > 0 {
			t.Errorf("%d pumps run with nothing to do", len(w.pumps))
		}
		w.enqueue("hello", "{}")
		synctest.Wait()
		if len(w.all()) != 3 {
			t.Error("nothing takes an event that comes after a pump has ended")
		}
	})
}

// settled waits for the last attempt and returns it.
func (w *world) settled() attempt {
	synctest.Wait()
	return w.all()[len(w.all())-1]
}

// TestFunctionErrors is the calendar: two more attempts, after one minute and two,
// all of the same request in the same trace.
func TestFunctionErrors(t *testing.T) {
	for retries, want := range [][]time.Duration{{0}, {0, time.Minute}, {0, time.Minute, 3 * time.Minute}} {
		t.Run(fmt.Sprint(retries), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				if retries < 2 {
					w.configure("hello", pinfold.EventInvokeConfig{MaximumRetryAttempts: &retries})
				}
				w.does = func(context.Context, *pinfold.Invocation, int) (*pinfold.Result, error) { return fails(), nil }
				id := w.enqueue("hello", "{}")
				w.wantOnce(retries)
				time.Sleep(time.Hour)
				w.wantTimes(id, want...)
				w.wantList("hello", fmt.Sprintf("failed %d RetriesExhausted no", retries+1))
				for _, a := range w.all() {
					if a.TraceID[:35] != w.all()[0].TraceID[:35] {
						t.Errorf("attempts in the traces %s and %s", a.TraceID, w.all()[0].TraceID)
					}
				}
			})
		})
	}
}

// wantOnce checks that an event that failed once shows as what it is.
func (w *world) wantOnce(retries int) {
	w.t.Helper()
	want := "delayed 1  no"
	if retries == 0 {
		want = "failed 1 RetriesExhausted no"
	}
	w.wantList("hello", want)
}

func TestSecondAttemptSucceeds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.configure("hello", pinfold.EventInvokeConfig{OnSuccess: queueARN + "good", OnFailure: queueARN + "bad"})
		w.does = func(_ context.Context, _ *pinfold.Invocation, nth int) (*pinfold.Result, error) {
			if nth == 1 {
				return fails(), nil
			}
			return ok(), nil
		}
		id := w.enqueue("hello", "{}")
		time.Sleep(time.Hour)
		w.wantTimes(id, 0, time.Minute)
		if n := len(w.received(queueARN + "good")); n != 1 || len(w.messages()) != 1 {
			t.Errorf("%d records of success, %d in all", n, len(w.messages()))
		}
		w.wantNothing()
	})
}

// TestAgeBehindOthers has events end in time behind many that may grow older, while
// none can be run.
func TestAgeBehindOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.does = always(nil, limited())
		age := pinfold.Seconds(60)
		w.configure("hello:live", pinfold.EventInvokeConfig{MaximumEventAge: &age})
		for range 200 {
			w.enqueue("hello", "{}")
		}
		for range 50 {
			w.enqueue("hello:live", "{}")
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if st := w.Status("hello"); st.Waiting != 200 || st.Failed != 50 || st.Ended != (pinfold.AsyncEnded{GivenUp: 50}) {
			t.Errorf("%+v", st)
		}
		time.Sleep(defaultAge)
		synctest.Wait()
		if st := w.Status("hello"); st.Waiting != 0 || st.Failed != keptFailures || st.Ended != (pinfold.AsyncEnded{GivenUp: 250}) {
			t.Errorf("%+v", st)
		}
	})
}

// TestAge has an event end as soon as the next attempt would be too late, as AWS
// was recorded to (test_maxeventage of localstack).
func TestAge(t *testing.T) {
	for _, c := range []struct {
		age  pinfold.Seconds
		want []time.Duration
	}{{60, []time.Duration{0}}, {90, []time.Duration{0, time.Minute}}, {180, []time.Duration{0, time.Minute}}, {181, []time.Duration{0, time.Minute, 3 * time.Minute}}} {
		t.Run(fmt.Sprint(c.age), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.configure("hello", pinfold.EventInvokeConfig{MaximumEventAge: &c.age, OnFailure: queueARN + "bad"})
				w.does = func(context.Context, *pinfold.Invocation, int) (*pinfold.Result, error) { return fails(), nil }
				id := w.enqueue("hello", "{}")
				time.Sleep(time.Hour)
				w.wantTimes(id, c.want...)
				w.wantNothing()
				condition := ageExceeded
				if len(c.want) == 3 {
					condition = retriesExhausted
				}
				got := w.received(queueARN + "bad")
				if len(got) != 1 || got[0].at != c.want[len(c.want)-1] {
					t.Fatalf("records: %+v", got)
				}
				asked := compact(t, got[0].Body)["requestContext"].(map[string]any)
				if asked["condition"] != condition || asked["approximateInvokeCount"] != float64(len(c.want)) {
					t.Errorf("the record says %v", asked)
				}
			})
		})
	}
}

// TestThrottled has one event tried after each wait, not each event, and none of
// that counted as an attempt.
func TestThrottled(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.does = always(nil, limited())
		for range 100 {
			w.enqueue("hello", "{}")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		// 8 at once; then after 1, 2, 4, ... 256, 300, 300, ... seconds
		if n := len(w.all()); n < 8+9+8 || n > 8+9+12 {
			t.Errorf("%d attempts in an hour", n)
		}
		st := w.Status("hello")
		if st.Paused == nil || st.Paused.Error != "Rate Exceeded." || st.Waiting != 100 || time.Until(st.Paused.Next) > maxWait {
			t.Errorf("status is %+v, %+v", st, st.Paused)
		}
		before := len(w.all())
		w.mu.Lock()
		w.does = nil
		w.mu.Unlock()
		w.Changed(refOf("hello")) // its reservation was raised
		synctest.Wait()
		if n := len(w.all()) - before; n != 100 {
			t.Errorf("%d of 100 events when the limit is gone", n)
		}
		w.wantNothing()
		if w.Status("hello").Paused != nil || strings.Count(w.lines.String(), "asynchronous invocations pause") != 1 || strings.Count(w.lines.String(), "go on") != 1 {
			t.Errorf("the log says\n%s", w.lines)
		}
	})
}

// TestPausedFunctionKeepsEvents stops a function for as long as events may wait.
func TestPausedFunctionKeepsEvents(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		age := pinfold.Seconds(600)
		w.configure("hello", pinfold.EventInvokeConfig{MaximumEventAge: &age, OnFailure: queueARN + "bad"})
		w.does = always(nil, limited())
		for range 3 {
			w.enqueue("hello", "{}")
		}
		time.Sleep(9 * time.Minute)
		w.enqueue("hello", "{}")
		synctest.Wait()
		if st := w.Status("hello"); st.Waiting != 4 || len(w.messages()) > 0 {
			t.Errorf("status %+v with %d records", st, len(w.messages()))
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		got := w.received(queueARN + "bad")
		if len(got) != 3 {
			t.Fatalf("%d of 3 are too old", len(got))
		}
		for _, m := range got {
			if m.at < 10*time.Minute || m.at > 10*time.Minute+time.Second {
				t.Errorf("ended after %v", m.at)
			}
			rec := compact(t, m.Body)
			if asked := rec["requestContext"].(map[string]any); asked["condition"] != ageExceeded || asked["approximateInvokeCount"] != 0.0 {
				t.Errorf("the record says %v", asked)
			}
			if rec["responsePayload"] != nil {
				t.Errorf("nothing ran, and the record has %v", rec["responsePayload"])
			}
		}
		w.mu.Lock()
		w.does = nil
		w.mu.Unlock()
		time.Sleep(maxWait)
		w.wantNothing()
	})
}

// TestPlatformErrors has an event that the platform fails at wait by itself, and
// never counts that.
func TestPlatformErrors(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.does = func(_ context.Context, _ *pinfold.Invocation, nth int) (*pinfold.Result, error) {
			if nth <= 4 {
				return nil, errors.New("the disk is broken")
			}
			return fails(), nil
		}
		id := w.enqueue("hello", "{}")
		w.wantList("hello", "delayed 0  the disk is broken")
		time.Sleep(time.Hour)
		const s = time.Second
		w.wantTimes(id, 0, 1*s, 3*s, 7*s, 15*s, 75*s, 195*s)
		w.wantList("hello", "failed 3 RetriesExhausted no")
	})
}

func TestFinalErrors(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.does = func(_ context.Context, inv *pinfold.Invocation, _ int) (*pinfold.Result, error) {
			if string(inv.Payload) == `"loop"` {
				return nil, pinfold.Errorf(pinfold.Invalid, "a loop").WithReason("RecursiveInvocationException")
			}
			return nil, pinfold.Errorf(pinfold.NotFound, "Function not found: live")
		}
		w.enqueue("hello", `"loop"`)
		synctest.Wait()
		w.enqueue("hello:live", "1")
		time.Sleep(time.Hour)
		w.wantList("hello", "failed 1 RecursiveInvocation a loop", "failed 1 RetriesExhausted Function not found: live")
		if len(w.all()) != 2 {
			t.Errorf("%d attempts at what cannot succeed", len(w.all()))
		}
	})
}

func TestDeletedFunction(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.does = always(nil, limited())
		for range 20 {
			w.enqueue("hello", "{}")
		}
		time.Sleep(time.Minute)
		w.mu.Lock()
		delete(w.versions, "hello")
		w.mu.Unlock()
		w.Changed(refOf("hello"))
		synctest.Wait()
		w.wantNothing()
		if n := strings.Count(w.lines.String(), "events of a function that was deleted are dropped"); n != 1 {
			t.Errorf("the log says so %d times:\n%s", n, w.lines)
		}
		err := w.Enqueue(t.Context(), &pinfold.Invocation{Function: refOf("hello")})
		if pinfold.CodeOf(err) != pinfold.NotFound {
			t.Errorf("an event for it: %v", err)
		}
	})
}

// TestDeletedWhilePaused has nobody told that a function is gone, and its events old.
func TestDeletedWhilePaused(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.does = always(nil, limited())
		for range 20 {
			w.enqueue("hello", "{}")
		}
		time.Sleep(defaultAge - time.Minute)
		w.mu.Lock()
		delete(w.versions, "hello")
		w.mu.Unlock()
		time.Sleep(time.Hour)
		w.wantNothing()
	})
}

// TestRestart stops the service in the middle of everything.
func TestRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.does = func(ctx context.Context, inv *pinfold.Invocation, nth int) (*pinfold.Result, error) {
			switch string(inv.Payload) {
			case `"slow"`:
				select {
				case <-ctx.Done():
					return nil, pinfold.Errorf(pinfold.Unavailable, "the caller went away: %w", ctx.Err())
				case <-time.After(time.Minute):
				}
			case `"bad"`:
				return fails(), nil
			}
			return ok(), nil
		}
		bad := w.enqueue("hello", `"bad"`)
		time.Sleep(59 * time.Second)
		slow := w.enqueue("hello", `"slow"`)
		synctest.Wait()
		w.restart() // 1 s before the second attempt
		w.wantTimes(slow, 59*time.Second)
		time.Sleep(30 * time.Second)
		w.restart() // while it runs again
		time.Sleep(time.Hour)
		w.wantTimes(bad, 0, time.Minute, 3*time.Minute)
		w.wantTimes(slow, 59*time.Second, 59*time.Second, 89*time.Second)
		w.wantList("hello", "failed 3 RetriesExhausted no")

		patient, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		slow = w.enqueue("hello", `"slow"`)
		synctest.Wait()
		began := time.Now()
		w.shut(patient)
		if took := time.Since(began); took != time.Minute {
			t.Errorf("closed after %v while one runs that takes a minute", took)
		}
		err := w.Enqueue(t.Context(), &pinfold.Invocation{Function: refOf("hello")})
		if pinfold.CodeOf(err) != pinfold.Unavailable {
			t.Errorf("an event for a service that is closed: %v", err)
		}
		w.open()
		time.Sleep(time.Minute)
		if n := len(w.times(slow)); n != 1 {
			t.Errorf("what has ended runs %d times", n)
		}
	})
}
