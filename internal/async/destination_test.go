package async

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pinfold.dev/pinfold"
)

// TestRecords compares with what localstack/localstack recorded from AWS:
// tests/aws/services/lambda_/test_lambda_destinations.snapshot.json.
func TestRecords(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		function := refOf("after").ARN()
		none := 0
		w.configure("hello:live", pinfold.EventInvokeConfig{MaximumRetryAttempts: &none, OnSuccess: function, OnFailure: queueARN + "bad"})
		w.versions["hello"].Config.DeadLetter = queueARN + "dead"
		good := w.enqueue("hello:live", `{"a":1}`)
		synctest.Wait()
		const arn = "arn:aws:lambda:us-east-1:123456789012:function:hello"
		want := `{"version":"1.0","timestamp":"2000-01-01T00:00:00.000Z","requestContext":{"requestId":"` + good + `","functionArn":"` + arn + `:live",` +
			`"condition":"Success","approximateInvokeCount":1},"requestPayload":{"a":1},"responseContext":{"statusCode":200,"executedVersion":"$LATEST"},"responsePayload":{"answer":42}}`
		got := w.received(function)
		if len(got) != 1 {
			t.Fatalf("%d records", len(got))
		}
		if diff := cmp.Diff(want, string(got[0].Body)); diff != "" {
			t.Errorf("record (-want +got):\n%s", diff)
		}
		if m := got[0]; m.Trigger != (pinfold.Trigger{Kind: "async", Source: arn}) || !strings.HasPrefix(m.TraceID, "Root=") || m.ID == "" {
			t.Errorf("sent %+v", m.EventMessage)
		}

		w.mu.Lock()
		w.does = always(fails(), nil)
		w.mu.Unlock()
		bad := w.enqueue("hello:live", `{"a":2}`)
		time.Sleep(time.Second)
		w.wantNothing()
		want = `{"version":"1.0","timestamp":"2000-01-01T00:00:00.001Z","requestContext":{"requestId":"` + bad + `","functionArn":"` + arn + `:live",` +
			`"condition":"RetriesExhausted","approximateInvokeCount":1},"requestPayload":{"a":2},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},` +
			`"responsePayload":{"errorMessage":"no","errorType":"Error"}}`
		if got = w.received(queueARN + "bad"); len(got) != 1 || cmp.Diff(want, string(got[0].Body)) != "" {
			t.Errorf("record (-want +got):\n%s", cmp.Diff(want, string(got[0].Body)))
		}
		got = w.received(queueARN + "dead")
		if len(got) != 1 || string(got[0].Body) != `{"a":2}` || !maps.Equal(got[0].Attributes, map[string]string{"RequestID": bad, "ErrorMessage": "no"}) ||
			!maps.Equal(got[0].Numbers, map[string]string{"ErrorCode": "200"}) {
			t.Errorf("dead letters: %+v", got)
		}

		// Of an unqualified function, and one that never ran.
		age := pinfold.Seconds(60)
		w.configure("hello", pinfold.EventInvokeConfig{MaximumEventAge: &age, OnFailure: queueARN + "old"})
		w.mu.Lock()
		w.does = always(nil, limited())
		w.mu.Unlock()
		old := w.enqueue("hello", "1")
		time.Sleep(time.Hour)
		w.wantNothing()
		want = `"requestContext":{"requestId":"` + old + `","functionArn":"` + arn + `:$LATEST","condition":"EventAgeExceeded","approximateInvokeCount":0},` +
			`"requestPayload":1,"responseContext":{"statusCode":429}}`
		if got = w.received(queueARN + "old"); len(got) != 1 || !strings.HasSuffix(string(got[0].Body), want) {
			t.Errorf("record %s\nwant at its end %s", got[0].Body, want)
		}
		if got = w.received(queueARN + "dead"); len(got) != 2 || got[1].Numbers["ErrorCode"] != "429" || got[1].Attributes["ErrorMessage"] != "Rate Exceeded." {
			t.Errorf("dead letters: %+v", got)
		}
	})
}

// TestLargeRecords leaves out what no destination takes.
func TestLargeRecords(t *testing.T) {
	it := &item{ID: "x", payload: []byte(`"` + strings.Repeat("a", 600<<10) + `"`)}
	for _, c := range []struct {
		request, response int
		want              string
	}{{100, 100, "both"}, {600 << 10, 600 << 10, "request"}, {pinfold.MaxAsyncPayload, 5, "neither"}} {
		it.payload = []byte(`"` + strings.Repeat("a", c.request-2) + `"`)
		body := recordOf(refOf("hello"), it, success, 1, response{status: 200, payload: []byte(`"` + strings.Repeat("b", c.response-2) + `"`)})
		rec := compact(t, body)
		has := map[[2]bool]string{{true, true}: "both", {true, false}: "request", {false, false}: "neither"}[[2]bool{rec["requestPayload"] != nil, rec["responsePayload"] != nil}]
		if has != c.want || len(body) > pinfold.MaxAsyncPayload {
			t.Errorf("%d and %d bytes make a record of %d with %q, want %q", c.request, c.response, len(body), has, c.want)
		}
	}
	it.payload = []byte("no JSON")
	if rec := compact(t, recordOf(refOf("hello"), it, success, 1, response{status: 200, payload: []byte("\xff")})); rec["requestPayload"] != "no JSON" || rec["responsePayload"] != nil {
		t.Errorf("what is no JSON is %v", rec)
	}
}

func TestLongErrorMessage(t *testing.T) {
	long := strings.Repeat("a", maxErrorMessage-1) + "ü"
	texts, _ := letterAttributes("x", response{status: 500, err: pinfold.Errorf(pinfold.Internal, "%s", long)})
	if texts["ErrorMessage"] != long[:maxErrorMessage-1] {
		t.Errorf("the error has %d bytes", len(texts["ErrorMessage"]))
	}
	texts, _ = letterAttributes("x", response{functionError: "Unhandled", payload: []byte(`{"errorMessage":"a\u001b[31m\u0000\n\uffff"}`)})
	if texts["ErrorMessage"] != "a\ufffd[31m\ufffd\n\ufffd" {
		t.Errorf("odd characters become %q", texts["ErrorMessage"])
	}
}

// TestDestinationFails keeps what is not taken, through restarts, without running
// the function again, and without keeping other events.
func TestDestinationFails(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.configure("hello", pinfold.EventInvokeConfig{OnSuccess: queueARN + "good"})
		w.takes = func(string) error { return pinfold.Errorf(pinfold.NotFound, "there is no such queue") }
		for range 100 {
			w.enqueue("hello", "{}")
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if st := w.Status("hello"); len(w.all()) != 100 || st.Sending != 100 || st.Waiting+st.Running+st.Delayed+st.Failed > 0 {
			t.Fatalf("%d attempts, %+v", len(w.all()), st)
		}
		found, err := w.Events(t.Context(), "hello", 1)
		if err != nil || len(found) != 1 || found[0].State != pinfold.AsyncSending || found[0].Target != queueARN+"good" ||
			found[0].Error != "there is no such queue" || found[0].Attempts == 0 || !found[0].Sent.Equal(w.began) {
			t.Errorf("the first one is %+v, %v", found, err)
		}
		w.restart()
		w.mu.Lock()
		w.takes = nil
		w.mu.Unlock()
		time.Sleep(maxWait + time.Minute)
		w.wantNothing()
		if got := w.received(queueARN + "good"); len(got) != 100 || len(w.all()) != 100 {
			t.Errorf("%d records of %d attempts", len(got), len(w.all()))
		}
	})
}

// TestDestinationNeverTakes ends with what can be looked at, and sent once more.
func TestDestinationNeverTakes(t *testing.T) {
	for _, c := range []struct {
		code pinfold.Code
		at   time.Duration
	}{{pinfold.Unavailable, deliveryAge}, {pinfold.TooLarge, 0}} {
		t.Run(string(c.code), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.configure("hello", pinfold.EventInvokeConfig{OnSuccess: queueARN + "good"})
				w.takes = func(string) error { return pinfold.Errorf(c.code, "no") }
				w.enqueue("hello", "1")
				if c.at > 0 {
					time.Sleep(c.at - time.Second)
					if st := w.Status("hello"); st.Sending != 1 {
						t.Errorf("before: %+v", st)
					}
					time.Sleep(maxWait)
				}
				synctest.Wait()
				if st := w.Status("hello"); st.Failed != 1 || st.Sending > 0 {
					t.Errorf("after: %+v", st)
				}
				w.mu.Lock()
				w.takes = nil
				w.mu.Unlock()
				if n, err := w.Retry(t.Context(), "hello"); n != 1 || err != nil {
					t.Errorf("sent once more: %d, %v", n, err)
				}
				w.wantNothing()
				if len(w.received(queueARN+"good")) != 1 || len(w.all()) != 1 {
					t.Errorf("%d records of %d attempts", len(w.messages()), len(w.all()))
				}
			})
		})
	}
}

func TestRetryAndDrop(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.does = always(fails(), nil)
		one, two, three := w.enqueue("hello", "1"), w.enqueue("hello", "2"), w.enqueue("hello", "3")
		time.Sleep(time.Second)
		w.wantList("hello", "delayed 1  no", "delayed 1  no", "delayed 1  no")
		count := func(n int, err error) int {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
			return n
		}
		if n := count(w.Retry(ctx, "hello", one, "nobody")); n != 1 {
			t.Errorf("%d are tried now", n)
		}
		if n := count(w.Drop(ctx, "hello", three)); n != 1 {
			t.Errorf("%d are dropped", n)
		}
		time.Sleep(time.Second)
		w.wantTimes(one, 0, time.Second)
		time.Sleep(time.Hour)
		w.wantTimes(one, 0, time.Second, 2*time.Minute+time.Second+time.Millisecond)
		w.wantTimes(three, 0)
		w.wantList("hello", "failed 3 RetriesExhausted no", "failed 3 RetriesExhausted no")

		w.mu.Lock()
		w.does = nil
		w.mu.Unlock()
		w.restart() // failures are in the log
		if n := count(w.Retry(ctx, "hello", two)); n != 1 {
			t.Errorf("%d are tried once more", n)
		}
		w.wantList("hello", "failed 3 RetriesExhausted no")
		if n := len(w.times(two)); n != 4 {
			t.Errorf("%d attempts", n)
		}
		w.enqueue("hello", "4")
		if n := count(w.Drop(ctx, "hello")); n < 1 || n > 2 {
			t.Errorf("%d are dropped", n)
		}
		w.wantNothing()
		if n := count(w.Drop(ctx, "nobody")); n != 0 {
			t.Errorf("%d events of nobody", n)
		}
	})
}

// TestFailuresAreBounded keeps the last ones, for two weeks.
func TestFailuresAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		none := 0
		w.configure("hello", pinfold.EventInvokeConfig{MaximumRetryAttempts: &none})
		w.does = always(fails(), nil)
		for i := range 2 * keptFailures {
			w.enqueue("hello", fmt.Sprint(i))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		found, err := w.Events(t.Context(), "hello", maxLook)
		if err != nil || len(found) != keptFailures {
			t.Errorf("%d failures are kept, %v", len(found), err)
		}
		time.Sleep(keptFor)
		w.restart()
		w.wantNothing()
	})
}

func TestDropWhatRuns(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.does = func(context.Context, *pinfold.Invocation, int) (*pinfold.Result, error) {
			time.Sleep(time.Minute)
			return fails(), nil
		}
		id := w.enqueue("hello", "1")
		w.wantList("hello", "running 1")
		if n, err := w.Retry(t.Context(), "hello", id); n != 0 || err != nil {
			t.Errorf("what runs is tried now: %d, %v", n, err)
		}
		if n, err := w.Drop(t.Context(), "hello", id); n != 1 || err != nil {
			t.Errorf("dropped %d, %v", n, err)
		}
		time.Sleep(time.Hour)
		w.wantTimes(id, 0)
		w.wantNothing()
		if strings.Contains(w.lines.String(), "ERROR") {
			t.Errorf("the log says\n%s", w.lines)
		}
	})
}
