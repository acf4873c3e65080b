package callmap

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// story tells what happened in the order of time.
type story []pinfold.Record

// ran is an invocation that ended well.
func ran(span, parent byte, function string, change ...func(*pinfold.Record)) pinfold.Record {
	r := pinfold.Record{
		Trace: pinfold.TraceID{1}, Span: pinfold.SpanID{span}, Parent: pinfold.SpanID{parent}, Function: function, Status: "ok",
		Trigger: "api", Caller: "arn:aws:iam::000000000000:root", Handler: time.Millisecond,
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

// called is a call of a service by a function.
func called(span, parent byte, function, operation string, change ...func(*pinfold.Record)) pinfold.Record {
	return ran(span, parent, function, append(change, func(r *pinfold.Record) {
		r.Service, r.Operation, _ = strings.Cut(operation, ".")
		r.Trigger = ""
	})...)
}

func status(s string) func(*pinfold.Record) { return func(r *pinfold.Record) { r.Status = s } }

func by(trigger, source, caller string) func(*pinfold.Record) {
	return func(r *pinfold.Record) { r.Trigger, r.Source, r.Caller = trigger, source, caller }
}

// newestFirst yields a story as a store of records does.
func (s story) newestFirst() iter.Seq2[pinfold.Record, error] {
	return func(yield func(pinfold.Record, error) bool) {
		for i, r := range slices.Backward(s) {
			r.Time = noon.Add(time.Duration(i-len(s)) * time.Second)
			if !yield(r, nil) {
				return
			}
		}
	}
}

// lines writes edges in short: only what is not zero.
func lines(edges []pinfold.CallEdge) (all []string) {
	for _, e := range edges {
		s := fmt.Sprintf("%s %s -> %s %s", e.From.Kind, e.From.Name, e.To.Kind, e.To.Name)
		if e.Via != "" {
			s += " by " + e.Via
		}
		for _, n := range []struct {
			n    uint64
			what string
		}{{e.Calls, "calls"}, {e.Errors, "errors"}, {e.Throttles, "throttles"}, {e.Cold, "cold"}} {
			if n.n > 0 {
				s += fmt.Sprintf(", %d %s", n.n, n.what)
			}
		}
		all = append(all, s)
	}
	return all
}

func TestEdges(t *testing.T) {
	const session = "arn:aws:sts::000000000000:assumed-role/pinfold-function/order"
	for name, test := range map[string]struct {
		story story
		want  []string
	}{
		"nothing": {nil, nil},
		"a call and what it causes are one edge": {
			story{ran(1, 0, "order"), called(2, 1, "order", "lambda.Invoke"), ran(3, 2, "price"), called(4, 1, "order", "lambda.Invoke"), ran(5, 4, "price", status("error"))},
			[]string{"client root -> function order, 1 calls", "function order -> function price by lambda.Invoke, 2 calls, 1 errors"},
		},
		"a call of a service": {
			story{ran(1, 0, "order"), called(2, 1, "order", "sts.GetCallerIdentity")},
			[]string{"client root -> function order, 1 calls", "function order -> service sts.GetCallerIdentity, 1 calls"},
		},
		"a call that the platform did not pass on": {
			story{ran(1, 0, "order"), called(2, 1, "order", "lambda.Invoke", status("denied"))},
			[]string{"client root -> function order, 1 calls", "function order -> service lambda.Invoke, 1 calls, 1 errors"},
		},
		"denied, throttled, or not there": {
			story{called(2, 1, "order", "lambda.Invoke", status("denied")), ran(3, 2, "price", status("denied")),
				called(4, 1, "order", "lambda.Invoke", status("throttled")), ran(5, 4, "price", status("throttled")),
				called(6, 1, "order", "lambda.Invoke", status("notfound")), ran(7, 6, "deleted", status("notfound"))},
			[]string{"function order -> function price by lambda.Invoke, 2 calls, 2 errors, 1 throttles", "function order -> function deleted by lambda.Invoke, 1 calls, 1 errors"},
		},
		"recursion": {
			story{ran(1, 0, "loop"), called(2, 1, "loop", "lambda.Invoke"), ran(3, 2, "loop"), called(4, 3, "loop", "lambda.Invoke"), ran(5, 4, "loop")},
			[]string{"client root -> function loop, 1 calls", "function loop -> function loop by lambda.Invoke, 2 calls"},
		},
		"over HTTP, with the trace": {
			story{ran(1, 0, "order"), ran(2, 1, "price", by("http", "arn:aws:execute-api:r:0:a1b2c3d4e5/$default/GET/price/{id}", "apigateway.amazonaws.com")),
				ran(3, 1, "price", by("http", "arn:aws:execute-api:r:0:a1b2c3d4e5/$default/GET/price/{id}", "apigateway.amazonaws.com"))},
			[]string{"client root -> function order, 1 calls", "function order -> function price by http, 2 calls"},
		},
		"a parent outside, or not kept": {
			story{ran(3, 200, "order"), ran(4, 201, "order", by("http", "arn:aws:execute-api:r:0:a1b2c3d4e5/$default/POST/orders", ""))},
			[]string{"client root -> function order, 1 calls", "http a1b2c3d4e5 POST /orders -> function order, 1 calls"},
		},
		"a parent of this id in another trace": {
			story{called(2, 1, "order", "lambda.Invoke", func(r *pinfold.Record) { r.Trace = pinfold.TraceID{2} }), ran(3, 2, "price")},
			[]string{"client root -> function price, 1 calls", "function order -> service lambda.Invoke, 1 calls"},
		},
		"its own parent": {
			story{ran(1, 1, "odd")},
			[]string{"client root -> function odd, 1 calls"},
		},
		"a function without a trace": {
			story{ran(3, 0, "price", by("api", "", session))},
			[]string{"function order -> function price by lambda.Invoke, 1 calls"},
		},
		"asynchronous": {
			story{ran(1, 0, "order", by("async", "", "arn:aws:iam::0:root")), ran(2, 0, "price", by("async", "", session)),
				ran(3, 0, "after", by("async", "arn:aws:lambda:r:0:function:order", "lambda.amazonaws.com"))},
			[]string{"client root -> function order, 1 calls", "function order -> function after by async, 1 calls", "function order -> function price by lambda.Invoke, 1 calls"},
		},
		"triggers": {
			story{
				ran(1, 0, "f", by("http", "arn:aws:execute-api:r:0:a1b2c3d4e5/$default/ANY$default", "")),
				ran(1, 0, "f", by("rest", "arn:aws:execute-api:r:0:z1b2c3d4e5/prod/GET/a/b", "")),
				ran(1, 0, "f", by("url", "arn:aws:lambda:r:0:function:f", "")),
				ran(1, 0, "f", by("api", "", "arn:aws:iam::0:user/me")),
				ran(1, 0, "f", by("api", "", "")),
				ran(1, 0, "f", by("queue", "arn:aws:sqs:r:0:jobs", "")),
				ran(1, 0, "f", by("", "", "")),
			},
			[]string{
				"client anonymous -> function f, 1 calls", "client user/me -> function f, 1 calls", "http a1b2c3d4e5 $default -> function f, 1 calls",
				"queue jobs -> function f, 1 calls", "rest z1b2c3d4e5 GET /a/b -> function f, 1 calls", "url f -> function f, 1 calls", "other  -> function f, 1 calls",
			},
		},
		"names that would be something else elsewhere": {
			story{ran(1, 0, `a"<b>&`), called(2, 1, `a"<b>&`, "sts.\x1b[2J")},
			[]string{`client root -> function a"<b>&, 1 calls`, "function a\"<b>& -> service sts.\x1b[2J, 1 calls"},
		},
		"cold": {
			story{ran(1, 0, "f", func(r *pinfold.Record) { r.Cold = pinfold.ColdFirst })},
			[]string{"client root -> function f, 1 calls, 1 cold"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			edges, err := Of(test.story.newestFirst(), noon)
			if got := lines(edges); err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%v\n got %s\nwant %s", err, strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
			}
		})
	}
}

func TestRates(t *testing.T) {
	var s story // of ten minutes, a record a second
	for i := range 600 {
		s = append(s, ran(1, 0, []string{"often", "seldom"}[i/540]))
	}
	edges, err := Of(s.newestFirst(), noon)
	if err != nil || len(edges) != 2 || edges[0].PerMinute != 54 || edges[1].PerMinute != 6 {
		t.Errorf("%+v, %v", edges, err)
	}
}

// What could be read before an error is there, and so is the error.
func TestErrorOfRecords(t *testing.T) {
	broken := errors.New("broken")
	edges, err := Of(func(yield func(pinfold.Record, error) bool) {
		if yield(ran(1, 0, "f"), nil) {
			yield(pinfold.Record{}, broken)
		}
	}, noon)
	if !errors.Is(err, broken) || len(edges) != 1 {
		t.Errorf("%+v, %v", edges, err)
	}
}

// TestBounds has more edges, and more that waits, than there is room for: every
// call is counted all the same.
func TestBounds(t *testing.T) {
	const many = 5 * maxWaiting
	edges, err := Of(func(yield func(pinfold.Record, error) bool) {
		for i := range many {
			r := ran(1, 0, fmt.Sprint("f", i%(2*maxEdges)))
			r.Parent = pinfold.SpanID{1, byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)}
			if !yield(r, nil) {
				return
			}
		}
	}, noon)
	if err != nil || len(edges) != maxEdges+1 || edges[maxEdges].From.Kind != pinfold.CallOther {
		t.Fatalf("%d edges, %v", len(edges), err)
	}
	sum := uint64(0)
	for _, e := range edges {
		sum += e.Calls
	}
	if sum != many {
		t.Errorf("%d calls of %d", sum, many)
	}
}

func TestQuantiles(t *testing.T) {
	for name, draw := range map[string]func() time.Duration{
		"even":        func() time.Duration { return rand.N(time.Second) },
		"exponential": func() time.Duration { return time.Duration(rand.ExpFloat64() * float64(20*time.Millisecond)) },
		"short":       func() time.Duration { return rand.N(14 * time.Microsecond) },
		"one value":   func() time.Duration { return 77 * time.Millisecond },
	} {
		h, all := new(histogram), make([]time.Duration, 10_001)
		for i := range all {
			all[i] = draw()
			h.add(all[i])
		}
		slices.Sort(all)
		for _, q := range []float64{0.5, 0.99} {
			want, got := all[int(q*10_000)], h.quantile(q)
			if diff := (got - want).Abs(); diff > want*33/1000+2*time.Microsecond {
				t.Errorf("%s: %v of all took %v, not %v", name, q, want, got)
			}
		}
	}
	for _, extreme := range []time.Duration{-1, 0, 1<<63 - 1} {
		h := new(histogram)
		h.add(extreme)
		if got := h.quantile(0.99); got < 0 || got > 5*time.Hour {
			t.Errorf("%v counts as %v", extreme, got)
		}
	}
}

func TestAround(t *testing.T) {
	edge := func(from, to string) pinfold.CallEdge {
		return pinfold.CallEdge{From: function(from), To: function(to)}
	}
	edges := []pinfold.CallEdge{edge("a", "b"), edge("b", "c"), edge("c", "d"), edge("c", "c"), edge("d", "b"), edge("a", "x"), edge("x", "y")}
	for _, test := range []struct {
		name  string
		depth int
		want  string
	}{
		{"c", 1, "bc cd cc"},
		{"c", 2, "ab bc cd cc db"},
		{"c", 100, "ab bc cd cc db"},
		{"a", 1, "ab ax"},
		{"y", 2, "ax xy"},
		{"nobody", 3, ""},
	} {
		var got []string
		for _, e := range Around(edges, test.name, test.depth) {
			got = append(got, e.From.Name+e.To.Name)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("around %s within %d: %q, want %q", test.name, test.depth, got, test.want)
		}
	}
}
