package async

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/store/log"
)

func TestTooLarge(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		err := w.Enqueue(t.Context(), &pinfold.Invocation{Function: refOf("hello"), Payload: make([]byte, pinfold.MaxAsyncPayload+1)})
		if pinfold.ReasonOf(err) != "RequestEntityTooLargeException" || err.Error() != "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)" {
			t.Errorf("error is %v", err)
		}
		w.enqueue("hello", `"`+strings.Repeat("x", pinfold.MaxAsyncPayload-2)+`"`)
		w.wantNothing()
	})
}

// TestEndedOfFunctionMadeAgain counts on where a function is deleted and made again
// while its events are looked after.
func TestEndedOfFunctionMadeAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for n := range uint64(3) {
			w.enqueue("hello", "{}")
			synctest.Wait()
			if got := w.Status("hello").Ended; got != (pinfold.AsyncEnded{Succeeded: n + 1}) {
				t.Errorf("%+v after %d", got, n+1)
			}
			w.mu.Lock()
			delete(w.versions, "hello")
			w.mu.Unlock()
			if all := w.Statuses(); len(all) != 0 {
				t.Errorf("%+v without functions", all)
			}
			w.function("hello")
		}
		w.mu.Lock()
		delete(w.versions, "hello")
		w.mu.Unlock()
		time.Sleep(3 * idle)
		w.Statuses()
		if n := len(w.ended); n != 0 {
			t.Errorf("%d functions are remembered that are gone", n)
		}
	})
}

// TestSendEvent has the same event of a schedule taken once.
func TestSendEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.does = always(nil, limited())
		by := pinfold.Principal{Kind: pinfold.Service, ARN: "scheduler.amazonaws.com"}
		trigger := pinfold.Trigger{Kind: "timer", Source: "arn:aws:scheduler:us-east-1:123456789012:schedule/default/tick"}
		m := pinfold.EventMessage{Body: []byte(`{"tick":1}`), ID: "tick-1", Trigger: trigger}
		send := func(to string) error { return w.Service.SendEvent(t.Context(), by, to, m) }
		for range 2 {
			if err := send(refOf("hello:live").ARN()); err != nil {
				t.Fatal(err)
			}
		}
		m.ID = "tick-2"
		if err := send(refOf("hello").ARN()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second / 2)
		if st := w.Status("hello"); st.Waiting != 2 {
			t.Errorf("%+v", st)
		}
		got := w.all()[0].Invocation
		if got.Principal != by || got.Trigger != trigger || got.ID == "" || string(got.Payload) != `{"tick":1}` {
			t.Errorf("invoked as %+v", got)
		}
		if err := send(refOf("nobody").ARN()); pinfold.CodeOf(err) != pinfold.NotFound {
			t.Errorf("to nobody: %v", err)
		}
		if err := send("arn:aws:sqs:us-east-1:1:q"); pinfold.CodeOf(err) != pinfold.Invalid {
			t.Errorf("to a queue: %v", err)
		}
	})
}

// full is a log that takes nothing while there is no room.
type full struct {
	log.Log
	is atomic.Bool
}

type fullStream struct {
	log.Stream
	of *full
}

func (f *full) Stream(ctx context.Context, name string, l log.Limits) (log.Stream, error) {
	s, err := f.Log.Stream(ctx, name, l)
	return &fullStream{s, f}, err
}

var errFull = pinfold.Errorf(pinfold.Unavailable, "no space left on device")

func (s *fullStream) Append(ctx context.Context, entries ...log.Entry) []log.Stored {
	if s.of.is.Load() {
		all := make([]log.Stored, len(entries))
		for i := range all {
			all[i].Err = errFull
		}
		return all
	}
	return s.Stream.Append(ctx, entries...)
}

func (s *fullStream) Remove(ctx context.Context, positions ...uint64) error {
	if s.of.is.Load() {
		return errFull
	}
	return s.Stream.Remove(ctx, positions...)
}

// TestFullDisk accepts nothing, runs nothing twice, and goes on when there is room.
func TestFullDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.shut(t.Context())
		disk := &full{Log: w.log}
		var err error
		if w.hub, err = backlog.Open(t.Context(), backlog.Options{Log: disk, Logger: w.o.Log}); err != nil {
			t.Fatal(err)
		}
		o := w.o
		o.Hub = w.hub
		w.Service = Open(o)
		none := 0
		w.configure("hello", pinfold.EventInvokeConfig{MaximumRetryAttempts: &none})
		w.does = func(_ context.Context, inv *pinfold.Invocation, _ int) (*pinfold.Result, error) {
			time.Sleep(time.Minute)
			if string(inv.Payload) == "1" {
				return fails(), nil
			}
			return ok(), nil
		}
		w.enqueue("hello", "1")
		w.enqueue("hello", "2")
		synctest.Wait()
		disk.is.Store(true)
		err = w.Enqueue(t.Context(), &pinfold.Invocation{Function: refOf("hello")})
		if pinfold.CodeOf(err) != pinfold.Unavailable || !strings.Contains(err.Error(), "no space left on device") {
			t.Errorf("error is %v", err)
		}
		time.Sleep(time.Hour)
		w.wantList("hello", "running 1", "running 1")
		disk.is.Store(false)
		time.Sleep(time.Minute)
		w.wantList("hello", "failed 1 RetriesExhausted no")
		if len(w.all()) != 2 {
			t.Errorf("%d attempts", len(w.all()))
		}
	})
}

// FuzzDecode reads what may be in a log that another version has written.
func FuzzDecode(f *testing.F) {
	f.Add(item{ID: "a", Qualifier: "live", payload: []byte("{}\n")}.encode())
	f.Add(item{Delivery: &delivery{To: "arn", Numbers: map[string]string{"ErrorCode": "200"}}, Accepted: time.Unix(1, 0), Failure: &failure{Condition: "x"}}.encode())
	f.Add([]byte("{}"))
	f.Add([]byte("\n\n"))
	f.Add([]byte(`{"ID":"a","Principal":{"Kind":"root"},"Trigger":{"Kind":"async"}}` + "\n{}"))
	f.Add([]byte("\x01\x01a\x02b"))
	f.Add([]byte("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		it, err := decode(data)
		if err != nil {
			return
		}
		back, err := decode(it.encode())
		if err != nil || !cmp.Equal(back, it, cmp.AllowUnexported(item{}), cmpopts.EquateEmpty()) {
			t.Errorf("%+v is %+v after all, %v", it, back, err)
		}
	})
}

func TestLines(t *testing.T) {
	for _, name := range []string{"hello", "a_b-C9"} {
		kind, ref, ok := parseLine(lineID(events, refOf(name+":live")))
		if kind != events || ref != refOf(name) || !ok {
			t.Errorf("%s is %s, %+v", name, kind, ref)
		}
	}
	if _, _, ok := parseLine("async.what"); ok {
		t.Error("any id is a line's")
	}
}
