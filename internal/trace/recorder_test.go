package trace

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pinfold.dev/pinfold"
)

type invokerFunc func(context.Context, *pinfold.Invocation) (*pinfold.Result, error)

func (f invokerFunc) Invoke(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
	return f(ctx, inv)
}

// list is a sink that keeps everything.
type list struct {
	mu      sync.Mutex
	records []pinfold.Record
}

func (l *list) Put(r *pinfold.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, *r)
}

// seen is an observer that keeps everything.
type seen struct {
	mu   sync.Mutex
	told []*pinfold.Execution
}

func (s *seen) Executed(e *pinfold.Execution) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, e)
}

var shop = &pinfold.Version{
	Ref:    pinfold.FunctionRef{Account: "000000000000", Region: "us-east-1", Name: "shop", Qualifier: "7"},
	Config: pinfold.Config{MemoryMB: 128}, Code: pinfold.Package{Size: 4096},
}

func invocation() *pinfold.Invocation {
	return &pinfold.Invocation{
		ID: "id", Function: shop.Ref.With("live"), Version: "7", Payload: []byte("{}"), TraceID: "Root=" + root + ";Parent=" + span1,
		Trigger: pinfold.Trigger{Kind: "http", Source: "arn:aws:execute-api"}, Principal: pinfold.Principal{ARN: "arn:aws:iam::000000000000:root"},
	}
}

func ran(status, failure string) *pinfold.Execution {
	return &pinfold.Execution{
		Version: shop, Instance: "i1", Began: time.Now().Add(-20 * time.Millisecond), Phases: pinfold.Phases{Handler: 15 * time.Millisecond},
		Billed: 15 * time.Millisecond, PeakMB: 47, CPU: time.Millisecond, Status: status, Failure: failure, BytesOut: 9,
	}
}

// TestOneRecord has the two ends come in every order there is.
func TestOneRecord(t *testing.T) {
	ms := time.Millisecond
	throttled := pinfold.Errorf(pinfold.Throttled, "Rate Exceeded.").WithReason("TooManyRequestsException")
	gone := pinfold.Errorf(pinfold.Unavailable, "the caller went away")
	type ends struct {
		before *pinfold.Execution // is told before Invoke returns
		after  *pinfold.Execution // or after
		err    error
		left   bool // by the caller
		lost   bool // is told that nothing came of it
		early  bool // and before Invoke returns
		ended  bool // Close is called, rather than anything told
	}
	for _, tc := range []struct {
		name string
		ends func() ends
		want pinfold.Record
	}{
		{"executed, returned", func() ends { return ends{before: ran("", "")} }, pinfold.Record{Status: "ok", Handler: 15 * ms, Response: 5 * ms, Place: 7 * ms}},
		{"returned, executed", func() ends { return ends{after: ran("", "")} }, pinfold.Record{Status: "ok", Handler: 15 * ms, Response: 5 * ms, Place: 7 * ms}},
		{"the function fails", func() ends { return ends{after: ran("", "TypeError")} }, pinfold.Record{Status: "error", ErrorType: "TypeError", Handler: 15 * ms, Response: 5 * ms, Place: 7 * ms}},
		{"crashes", func() ends { return ends{before: ran("error", "Runtime.ExitError")} }, pinfold.Record{Status: "error", ErrorType: "Runtime.ExitError", Handler: 15 * ms, Response: 5 * ms, Place: 7 * ms}},
		{"is too slow", func() ends { return ends{before: ran("timeout", "Sandbox.Timedout")} }, pinfold.Record{Status: "timeout", ErrorType: "Sandbox.Timedout", Handler: 15 * ms, Response: 5 * ms, Place: 7 * ms}},
		{"nothing ran", func() ends { return ends{err: throttled} }, pinfold.Record{Status: "throttled", ErrorType: "TooManyRequestsException", Place: 27 * ms}},
		{"the caller left", func() ends { return ends{after: ran("", ""), err: gone, left: true} }, pinfold.Record{Status: "ok", Handler: 15 * ms, Place: 7 * ms}},
		{"left, executed, returned", func() ends { return ends{before: ran("", ""), err: gone, left: true} }, pinfold.Record{Status: "ok", Handler: 15 * ms, Place: 7 * ms}},
		{"left, and nobody tells", func() ends { return ends{err: gone, left: true, ended: true} }, pinfold.Record{Status: "unavailable", ErrorType: "Unavailable", Place: 27 * ms}},
		{"left, returned, and nothing came of it", func() ends { return ends{lost: true, err: gone, left: true} }, pinfold.Record{Status: "unavailable", ErrorType: "Unavailable", Place: 27 * ms}},
		{"left, nothing came of it, returned", func() ends { return ends{lost: true, early: true, err: gone, left: true} }, pinfold.Record{Status: "unavailable", ErrorType: "Unavailable", Place: 27 * ms}},
		{"the platform ended it", func() ends { return ends{before: ran("", ""), err: gone} }, pinfold.Record{Status: "unavailable", ErrorType: "Unavailable", Handler: 15 * ms, Response: 5 * ms, Place: 7 * ms}},
		{"told though nothing ran", func() ends { return ends{after: ran("", ""), err: throttled} }, pinfold.Record{Status: "throttled", ErrorType: "TooManyRequestsException", Place: 27 * ms}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				arrival, to, meter, outer := time.Now(), &list{}, &seen{}, &seen{}
				ctx, cancel := context.WithCancel(t.Context())
				var e ends
				var header string
				inv := invocation()
				inv.Observer = outer
				r := New(invokerFunc(func(_ context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
					time.Sleep(30 * ms) // began 10 ms after its arrival
					e, header = tc.ends(), inv.TraceID
					inv.Placed.Queue = 3 * ms
					for _, e := range []*pinfold.Execution{e.before, e.after} {
						if e != nil {
							e.Phases.Queue = 3 * ms
						}
					}
					if e.before != nil {
						inv.Observer.Executed(e.before)
					}
					if e.early {
						inv.Observer.Executed(nil)
					}
					if inv.Left = e.left; e.left {
						cancel()
					}
					return &pinfold.Result{}, e.err
				}), to, meter)
				_, err := r.Invoke(ctx, inv)
				cancel()
				if err != e.err {
					t.Errorf("changed the error into %v", err)
				}
				if e.after != nil {
					done := make(chan struct{})
					go func() { inv.Observer.Executed(e.after); close(done) }()
					<-done
				}
				if e.lost && !e.early {
					inv.Observer.Executed(nil)
				}
				if e.lost && len(to.records) != 1 {
					t.Error("no record before the end")
				}
				if e.ended {
					if len(to.records) != 0 {
						t.Error("a record before the end")
					}
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
				if len(to.records) != 1 {
					t.Fatalf("%d records", len(to.records))
				}
				got := to.records[0]
				if want := "Root=" + root + ";Parent=" + got.Span.String(); header != want || got.Span == (pinfold.SpanID{}) {
					t.Errorf("the function got %q, not %q", header, want)
				}
				if (got.Fingerprint != "") != (got.Status != "ok") {
					t.Errorf("%s: fingerprint %q", got.Status, got.Fingerprint)
				}
				want := tc.want
				want.Time, want.RequestID, want.Trace, want.Parent = arrival, "id", Parse(header).Trace, pinfold.SpanID{0x46, 0x3a, 0xc3, 0x5c, 0x9f, 0x64, 0x13, 0xad}
				want.Function, want.Version, want.Alias, want.Trigger, want.Source = "shop", "7", "live", "http", "arn:aws:execute-api"
				want.Caller, want.Queue, want.BytesIn = "arn:aws:iam::000000000000:root", 3*ms, 2
				if want.Handler > 0 {
					want.Billed, want.MemoryMB, want.PeakMB, want.CPU, want.BytesOut, want.CodeSize, want.Instance = 15*ms, 128, 47, ms, 9, 4096, "i1"
				}
				if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(got, "Span", "Fingerprint")); diff != "" {
					t.Error(diff)
				}
				if told := e.before != nil || e.after != nil; told && (len(meter.told) != 1 || len(outer.told) != 1 || meter.told[0] != outer.told[0]) {
					t.Errorf("observers were told %v and %v", meter.told, outer.told)
				}
			})
		})
	}
}

// TestErrorInTheMiddle has Invoke return an error while the instance is about to
// write its end: that one finishes.
func TestErrorInTheMiddle(t *testing.T) {
	to := &list{}
	j := New(nil, to).joins.Get().(*join)
	j.state.Store(claimed)
	j.returned(t.Context(), invocation(), pinfold.Errorf(pinfold.Unavailable, "ended"))
	if len(to.records) != 0 || j.state.Or(executed)&returned == 0 {
		t.Errorf("%d records before the instance's end is written, state %b", len(to.records), j.state.Load())
	}
	j.finish(true)
	if len(to.records) != 1 {
		t.Errorf("%d records", len(to.records))
	}
}

func TestPhasesOfAColdStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &list{}
		ms := time.Millisecond
		r := New(invokerFunc(func(_ context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
			inv.Placed = pinfold.Placement{Queue: 2 * ms, Cold: pinfold.ColdFirst}
			time.Sleep(100 * ms)
			e := ran("", "")
			e.Began, e.Cold = time.Now(), pinfold.ColdFirst
			e.Phases = pinfold.Phases{Queue: 2 * ms, Fetch: 10 * ms, Sandbox: 20 * ms, Boot: 30 * ms, Init: 35 * ms, Handler: 7 * ms}
			time.Sleep(8 * ms)
			inv.Observer.Executed(e)
			return &pinfold.Result{}, nil
		}), to)
		if _, err := r.Invoke(t.Context(), invocation()); err != nil {
			t.Fatal(err)
		}
		got := to.records[0]
		if got.Place != 3*ms || got.Response != ms || got.Cold != pinfold.ColdFirst {
			t.Errorf("%+v", got)
		}
		if got.Whole() != 108*ms {
			t.Errorf("108 ms have become %v", got.Whole())
		}
	})
}

func TestTheTraceOfAnInvocation(t *testing.T) {
	for header, keeps := range map[string]bool{
		"Root=" + root: true, "": false, "Root=nonsense;Parent=" + span1: false, strings.Repeat("Root=", 2<<10): false,
	} {
		to := &list{}
		inv := invocation()
		inv.TraceID = header
		r := New(invokerFunc(func(context.Context, *pinfold.Invocation) (*pinfold.Result, error) {
			return nil, pinfold.Errorf(pinfold.Denied, "no")
		}), to)
		_, _ = r.Invoke(t.Context(), inv)
		got := to.records[0]
		if got.Trace == (pinfold.TraceID{}) || got.Parent != (pinfold.SpanID{}) || (got.Trace == Parse("Root="+root).Trace) != keeps {
			t.Errorf("%.40q: %s, parent %s", header, got.Trace, got.Parent)
		}
		if Parse(inv.TraceID).Trace != got.Trace {
			t.Errorf("%.40q: the function is in %q", header, inv.TraceID)
		}
	}
}

func TestAlias(t *testing.T) {
	for qualifier, want := range map[string]string{"": "", "$LATEST": "", "12": "", "live": "live", "v12": "v12"} {
		if got := aliasOf(qualifier); got != want {
			t.Errorf("%q: %q", qualifier, got)
		}
	}
}

// TestRecorderUnderStress has both ends of thousands race, and looks whether each
// leaves one record, and only what is its own.
func TestRecorderUnderStress(t *testing.T) {
	const workers, each = 8, 2400
	to, meter := &list{}, &seen{}
	var late sync.WaitGroup
	r := New(invokerFunc(func(_ context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
		n := len(inv.Payload)
		e := ran("", "")
		e.PeakMB, e.Instance = n, inv.ID
		if n%7 == 0 {
			e.Failure, e.Envelope = "Error", []byte(`{"errorMessage":"boom"}`)
		}
		switch o := inv.Observer; n % 6 {
		case 0:
			o.Executed(e)
		case 1:
			late.Go(func() { o.Executed(e) })
		case 2:
			late.Go(func() { o.Executed(e) })
			inv.Left = true
			return nil, pinfold.Errorf(pinfold.Timeout, "the caller's time was over")
		case 3:
			return nil, pinfold.Errorf(pinfold.Throttled, "Rate Exceeded.")
		case 4: // and nobody ever tells
			inv.Left = true
			return nil, pinfold.Errorf(pinfold.Timeout, "the caller's time was over")
		case 5: // it was ended while it ran
			late.Go(func() { o.Executed(e) })
			return nil, pinfold.Errorf(pinfold.Unavailable, "the platform ended the instance")
		}
		return &pinfold.Result{}, nil
	}), to, meter)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			for i := range each {
				inv := invocation()
				inv.ID, inv.Payload = fmt.Sprint(w, "-", i), make([]byte, i%120)
				_, _ = r.Invoke(ctx, inv)
			}
		})
	}
	all.Wait()
	late.Wait()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool)
	for _, got := range to.records {
		n := got.BytesIn
		knows := got.Instance == got.RequestID && int64(got.PeakMB) == n
		if ids[got.RequestID] || !knows && (n%6 < 3 || got.Instance != "") || knows && (n%6 == 3 || n%6 == 4) {
			t.Fatalf("%+v", got)
		}
		want := [...]string{"ok", "ok", "ok", "throttled", "unavailable", "unavailable"}[n%6]
		if knows && n%7 == 0 {
			want = "error"
		}
		if got.Status != want {
			t.Fatalf("status %q, not %q: %+v", got.Status, want, got)
		}
		ids[got.RequestID] = true
	}
	if len(ids) != workers*each || len(meter.told) != workers*each*4/6 || len(r.left) != 0 {
		t.Errorf("%d records, %d executions, %d are still open", len(ids), len(meter.told), len(r.left))
	}
}

func TestCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &list{}
		c := Begin("Root="+root+";Parent="+span1+";Lineage=1:00000001:0", "lambda", "Invoke")
		c.Record.Function = "shop"
		time.Sleep(time.Second)
		c.End(to, pinfold.Errorf(pinfold.Throttled, "no").WithReason("TooManyRequestsException"))
		got := to.records[0]
		if got.Handler != time.Second || got.Status != "throttled" || got.ErrorType != "TooManyRequestsException" || got.Parent.String() != span1 || got.Function != "shop" {
			t.Errorf("%+v", got)
		}
		if want := "Root=" + root + ";Parent=" + got.Span.String() + ";Lineage=1:00000001:0"; c.Header != want {
			t.Errorf("%q, not %q", c.Header, want)
		}
		if c := Begin("nonsense", "sqs", "SendMessage"); c.Record.Trace == (pinfold.TraceID{}) || c.Header == "" {
			t.Errorf("%+v", c)
		}
	})
}

type nowhere struct{}

func (nowhere) Put(*pinfold.Record) {}

// BenchmarkRecorder is what a record costs a warm invocation: the difference
// between the two.
func BenchmarkRecorder(b *testing.B) {
	e, res := ran("", ""), &pinfold.Result{}
	next := invokerFunc(func(_ context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
		if inv.Observer != nil {
			inv.Observer.Executed(e)
		}
		return res, nil
	})
	blank := *invocation()
	blank.TraceID = "Root=" + root + ";Parent=" + span1 + ";Sampled=0;Lineage=1:fc3b4ff1:0"
	for name, by := range map[string]pinfold.Invoker{"without": next, "with": New(next, nowhere{})} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				inv := new(pinfold.Invocation)
				for pb.Next() {
					*inv = blank
					if _, err := by.Invoke(context.Background(), inv); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
