package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"

	"pinfold.dev/pinfold"
)

// fake is a collector in the process. An answer is taken from answers, in turn;
// after the last one all is well.
type fake struct {
	mu      sync.Mutex
	answers []error
	slow    time.Duration
	posts   int
	spans   int
	gone    bool
}

func (f *fake) post(ctx context.Context, r *collectorpb.ExportTraceServiceRequest) (int64, error) {
	select {
	case <-time.After(f.slow):
	case <-ctx.Done():
		return 0, &retry{err: ctx.Err()}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.posts++
	if len(f.answers) > 0 {
		err := f.answers[0]
		f.answers = f.answers[1:]
		if err != nil {
			return 0, err
		}
	}
	for _, r := range r.ResourceSpans {
		f.spans += len(r.ScopeSpans[0].Spans)
	}
	return 0, nil
}

func (f *fake) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
}

// took is how many posts there were, and spans.
func (f *fake) took() (posts, spans int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.posts, f.spans
}

// calls are so many records, of one span each.
func calls(n int) []pinfold.Record {
	all := make([]pinfold.Record, n)
	for i := range all {
		all[i] = pinfold.Record{Service: "sqs", Operation: "SendMessage", Status: "ok"}
	}
	return all
}

func TestExporterBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		e := newExporter(ExporterConfig{Batch: 10}, f)
		e.Send(calls(3))
		synctest.Wait()
		if posts, _ := f.took(); posts != 0 {
			t.Error("did not wait for more")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if posts, spans := f.took(); posts != 1 || spans != 3 {
			t.Errorf("after its interval: %d posts of %d spans", posts, spans)
		}
		e.Send(calls(25))
		synctest.Wait()
		if posts, spans := f.took(); posts != 3 || spans != 23 {
			t.Errorf("full batches at once: %d posts of %d spans", posts, spans)
		}
		if err := e.Close(t.Context()); err != nil || f.spans != 28 || !f.gone {
			t.Errorf("Close: %v, %d spans", err, f.spans)
		}
		if got := e.Stats(); got != (ExporterStats{Sent: 28}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestACollectorThatIsDown(t *testing.T) {
	down := &retry{err: errors.New("connection refused")}
	for _, tc := range []struct {
		name        string
		answers     []error
		after       time.Duration // by then it is done with
		posts       int
		sent        int64
		saysFailing int
	}{
		{"for a moment", []error{down, down}, 10 * time.Second, 3, 5, 1},
		{"says when", []error{&retry{down.err, 20 * time.Second}}, 21500 * time.Millisecond, 2, 5, 1},
		{"says too late", []error{&retry{down.err, time.Hour}}, 2 * time.Second, 1, 0, 1},
		{"refuses", []error{errors.New("401 Unauthorized")}, 2 * time.Second, 1, 0, 1},
		{"for long", []error{down, down, down, down, down, down, down, down, down, down, down, down, down}, 62 * time.Second, -1, 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{answers: tc.answers}
				var log strings.Builder
				e := newExporter(ExporterConfig{Log: slog.New(slog.NewTextHandler(&log, nil))}, f)
				e.Send(calls(5))
				time.Sleep(tc.after)
				synctest.Wait()
				got := e.Stats()
				posts, _ := f.took()
				if tc.posts >= 0 && posts != tc.posts || posts > 12 || got.Sent != tc.sent || got.Dropped != 5-tc.sent || got.Waiting != 0 || (got.Failing == "") != (tc.sent > 0) {
					t.Errorf("%d posts, %+v", posts, got)
				}
				f.mu.Lock()
				f.answers = nil
				f.mu.Unlock()
				e.Send(calls(1))
				if err := e.Close(t.Context()); err != nil {
					t.Error(err)
				}
				if n := strings.Count(log.String(), "cannot be sent"); n != tc.saysFailing || strings.Count(log.String(), "sent again") != n {
					t.Errorf("log: %s", log.String())
				}
			})
		})
	}
}

// TestSendNeverWaits has a collector that answers never.
func TestSendNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{slow: 1000 * time.Hour}
		e := newExporter(ExporterConfig{MaxQueue: 100}, f)
		begun := time.Now()
		for range 50 {
			e.Send(calls(10))
			synctest.Wait()
		}
		if time.Since(begun) != 0 {
			t.Error("time has passed")
		}
		if got := e.Stats(); got.Waiting != 100 || got.Dropped != 400 {
			t.Errorf("%+v", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err := e.Close(ctx)
		if took := time.Since(begun); took != 3*time.Second || pinfold.CodeOf(err) != pinfold.Timeout || !strings.Contains(err.Error(), "100 records") {
			t.Errorf("closed after %v: %v", took, err)
		}
	})
}

// TestComplaintsAreFew has a collector that fails every other time, and one that
// is too slow, for an hour. It is said, and not for each batch.
func TestComplaintsAreFew(t *testing.T) {
	for name, tc := range map[string]struct {
		slow    time.Duration
		fails   bool
		records int // a second
		says    string
	}{
		"refuses every other": {fails: true, records: 10, says: "cannot be sent"},
		"too slow":            {slow: 3 * time.Second, records: 20, says: "come faster"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{slow: tc.slow}
				for range 3600 {
					if tc.fails {
						f.answers = append(f.answers, errors.New("400 Bad Request"), nil)
					}
				}
				var log strings.Builder
				e := newExporter(ExporterConfig{MaxQueue: 100, Batch: 10, Log: slog.New(slog.NewTextHandler(&log, nil))}, f)
				for range 3600 {
					e.Send(calls(tc.records))
					time.Sleep(time.Second)
				}
				got := e.Stats()
				if err := e.Close(t.Context()); err != nil {
					t.Error(err)
				}
				if sum := got.Sent + got.Dropped + int64(got.Waiting); got.Dropped < 1000 || got.Sent < 1000 || sum != int64(3600*tc.records) || got.Waiting > 100 {
					t.Errorf("%+v", got)
				}
				if n := strings.Count(log.String(), tc.says); n == 0 || n > 60 || strings.Count(log.String(), "\n") > 2*n {
					t.Errorf("said %d times: %.1000s", n, log.String())
				}
			})
		})
	}
}

// TestACollectorIsLeftAlone: it is not asked again before the time that it has
// named, or in five minutes.
func TestACollectorIsLeftAlone(t *testing.T) {
	for asked, posts := range map[time.Duration]int{2 * time.Minute: 30, 24 * time.Hour: 12} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{}
			for range 100 {
				f.answers = append(f.answers, &retry{errors.New("503 Service Unavailable"), asked})
			}
			e := newExporter(ExporterConfig{MaxQueue: 100}, f)
			for range 3600 {
				e.Send(calls(1))
				time.Sleep(time.Second)
			}
			if n, _ := f.took(); n < posts-1 || n > posts {
				t.Errorf("%d posts in an hour, want %d: %v was asked for", n, posts, asked)
			}
			if got := e.Stats(); got.Waiting > 100 || got.Sent != 0 {
				t.Errorf("%+v", got)
			}
			_ = e.Close(t.Context())
		})
	}
}

// TestClosingWaitsForNobody who has failed: one attempt more, and that is all.
func TestClosingWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		for range 100 {
			f.answers = append(f.answers, &retry{errors.New("connection refused"), 0})
		}
		e := newExporter(ExporterConfig{Batch: 10}, f)
		e.Send(calls(50))
		time.Sleep(20 * time.Second)
		before, _ := f.took()
		began := time.Now()
		err := e.Close(t.Context())
		posts, _ := f.took()
		if pinfold.CodeOf(err) != pinfold.Timeout || !strings.Contains(err.Error(), "50 records") || time.Since(began) != 0 || posts != before+1 || !f.gone {
			t.Errorf("closed after %v and %d posts more: %v", time.Since(began), posts-before, err)
		}
	})
}

// The address may have a password in it, which is nobody's who reads the log.
func TestNoPasswordIsLogged(t *testing.T) {
	var log bytes.Buffer
	e, err := NewExporter(ExporterConfig{Collector: Collector{Endpoint: "http://me:secret@127.0.0.1:1"}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	e.Send(make([]pinfold.Record, 1))
	err = e.Close(t.Context())
	if said := log.String() + fmt.Sprint(err); strings.Contains(said, "secret") || !strings.Contains(said, "127.0.0.1:1") {
		t.Errorf("it says %s", said)
	}
}
