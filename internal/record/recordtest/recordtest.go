// Package recordtest is the conformance suite of the pinfold.RecordStore
// contract: every engine passes it. It knows no engine.
package recordtest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// Run tests an engine. open opens the store in a folder, which is empty at
// first; the test closes it.
func Run(t *testing.T, open func(t *testing.T, dir string) pinfold.RecordStore) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *bench)
	}{
		{"what is stored comes back", comesBack},
		{"records come newest first", newestFirst},
		{"or the slowest first", slowestFirst},
		{"queries", queries},
		{"bounds that make no sense", nonsense},
		{"a query may be left early, and run again", leaves},
		{"a query that is cancelled ends with an error", cancels},
		{"what is old is trimmed", trimsAge},
		{"what is too much is trimmed, the oldest first", trimsSize},
		{"times beyond what can be kept", extremes},
		{"texts of any bytes", texts},
		{"a closed store says so", closed},
		{"everything at the same time", concurrent},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			b := &bench{t: t, open: func() pinfold.RecordStore { return open(t, dir) }}
			b.RecordStore = b.open()
			t.Cleanup(func() { b.Close() })
			test.run(t, b)
		})
	}
}

// bench is a store under test.
type bench struct {
	pinfold.RecordStore
	t    *testing.T
	open func() pinfold.RecordStore
}

func (b *bench) reopen() {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.RecordStore = b.open()
}

func (b *bench) append(records ...pinfold.Record) {
	b.t.Helper()
	if err := b.Append(b.t.Context(), records); err != nil {
		b.t.Fatal(err)
	}
}

// ids returns the request ids that a query finds, in order.
func (b *bench) ids(q pinfold.RecordQuery) (all []string) {
	b.t.Helper()
	for r, err := range b.Query(b.t.Context(), q) {
		if err != nil {
			b.t.Fatalf("%+v: %v", q, err)
		}
		all = append(all, r.RequestID)
	}
	return all
}

func (b *bench) want(q pinfold.RecordQuery, want ...string) {
	b.t.Helper()
	if got := b.ids(q); !slices.Equal(got, want) {
		b.t.Errorf("%+v:\n got %q\nwant %q", q, got, want)
	}
}

var noon = time.Date(2024, 5, 6, 12, 0, 0, 123456789, time.UTC)

// record returns a record of an invocation so many seconds after noon.
func record(id string, seconds int, function string) pinfold.Record {
	return pinfold.Record{RequestID: id, Time: noon.Add(time.Duration(seconds) * time.Second), Function: function, Status: "ok"}
}

// full returns a record without an empty field.
func full(n int) pinfold.Record {
	var r pinfold.Record
	for i, v := 0, reflect.ValueOf(&r).Elem(); i < v.NumField(); i++ {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(fmt.Sprint("text ", n, " ", i))
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(i+1) << (n * 7 % 50))
		case reflect.Array:
			for j := range f.Len() {
				f.Index(j).SetUint(uint64(n + i + j + 1))
			}
		}
	}
	r.Time, r.TraceState = noon.Add(time.Duration(n)), "" // which is not kept
	return r
}

func comesBack(t *testing.T, b *bench) {
	want := []pinfold.Record{full(3), full(2), full(1), {Time: noon}}
	for _, r := range slices.Backward(want) {
		b.append(r)
	}
	for range 2 {
		var got []pinfold.Record
		for r, err := range b.Query(t.Context(), pinfold.RecordQuery{Calls: true}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r)
		}
		if len(got) != len(want) {
			t.Fatalf("%d records came back of %d", len(got), len(want))
		}
		for i := range want {
			if !got[i].Time.Equal(want[i].Time) {
				t.Errorf("time %v; want %v", got[i].Time, want[i].Time)
			}
			if got[i].Time = want[i].Time; got[i] != want[i] {
				t.Errorf("came back as\n     %+v\nwant %+v", got[i], want[i])
			}
		}
		b.reopen()
	}
}

func newestFirst(t *testing.T, b *bench) {
	// The clock jumps back by a minute, and ahead by a year.
	b.append(record("a", 0, "f"), record("b", 1, "g"), record("c", -60, "f"))
	b.append(record("d", -59, "g"), record("e", 365*86400, "f"), record("f", 2, "h"))
	for range 2 {
		b.want(pinfold.RecordQuery{}, "e", "f", "b", "a", "d", "c")
		b.want(pinfold.RecordQuery{Limit: 3}, "e", "f", "b")
		b.want(pinfold.RecordQuery{Function: "f"}, "e", "a", "c")
		b.want(pinfold.RecordQuery{Function: "g", Limit: 1}, "b")
		b.reopen()
	}
	var want []string
	for i := range 300 {
		id := fmt.Sprintf("%03d", i)
		want = append(want, id)
		b.append(record(id, -1000-i, fmt.Sprint("f", i%7)))
	}
	b.want(pinfold.RecordQuery{Until: noon.Add(-time.Minute)}, want...)
	b.want(pinfold.RecordQuery{Until: noon.Add(-time.Minute), Limit: 100}, want[:100]...)
}

func slowestFirst(t *testing.T, b *bench) {
	phases := []func(*pinfold.Record, time.Duration){
		func(r *pinfold.Record, d time.Duration) { r.Queue = d },
		func(r *pinfold.Record, d time.Duration) { r.Place = d },
		func(r *pinfold.Record, d time.Duration) { r.Fetch = d },
		func(r *pinfold.Record, d time.Duration) { r.Sandbox = d },
		func(r *pinfold.Record, d time.Duration) { r.Boot = d },
		func(r *pinfold.Record, d time.Duration) { r.Init = d },
		func(r *pinfold.Record, d time.Duration) { r.Handler = d },
		func(r *pinfold.Record, d time.Duration) { r.Response = d },
	}
	want := make([]string, 200)
	for i := range want {
		place := i * 73 % len(want) // some order that is not that of time
		want[place] = fmt.Sprint(place)
		r := record(fmt.Sprint(place), i, "f")
		phases[i%len(phases)](&r, time.Duration(len(want)-place)*time.Millisecond)
		r.Billed, r.CPU = time.Hour, time.Hour // no part of it
		b.append(r)
	}
	for range 2 {
		b.want(pinfold.RecordQuery{Slowest: true}, want...)
		b.want(pinfold.RecordQuery{Slowest: true, Limit: 5, Function: "f"}, want[:5]...)
		b.reopen()
	}
}

func queries(t *testing.T, b *bench) {
	set := func(r pinfold.Record, change func(*pinfold.Record)) pinfold.Record { change(&r); return r }
	one, two := pinfold.TraceID{1}, pinfold.TraceID{15: 2}
	b.append(
		record("warm", 0, "f"),
		set(record("cold", 1, "f"), func(r *pinfold.Record) { r.Cold, r.Trace = pinfold.ColdFirst, one }),
		set(record("bad", 2, "g"), func(r *pinfold.Record) { r.Status, r.Trace = "error", one }),
		set(record("both", 3, "g"), func(r *pinfold.Record) { r.Status, r.Cold = "timeout", pinfold.ColdEvicted }),
		set(record("call", 4, "g"), func(r *pinfold.Record) { r.Service, r.Trace, r.Status = "sqs", one, "error" }),
		set(record("other", 5, "F"), func(r *pinfold.Record) { r.Trace = two }),
	)
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	for range 2 {
		for _, test := range []struct {
			q    pinfold.RecordQuery
			want string
		}{
			{pinfold.RecordQuery{}, "other both bad cold warm"},
			{pinfold.RecordQuery{Calls: true}, "other call both bad cold warm"},
			{pinfold.RecordQuery{Function: "f"}, "cold warm"},
			{pinfold.RecordQuery{Function: "none"}, ""},
			{pinfold.RecordQuery{RequestID: "bad"}, "bad"},
			{pinfold.RecordQuery{RequestID: "bad", Function: "f"}, ""},
			{pinfold.RecordQuery{RequestID: "ba"}, ""},
			{pinfold.RecordQuery{Trace: one}, "bad cold"},
			{pinfold.RecordQuery{Trace: one, Calls: true}, "call bad cold"},
			{pinfold.RecordQuery{Trace: two, Slowest: true}, "other"},
			{pinfold.RecordQuery{Trace: pinfold.TraceID{3}}, ""},
			{pinfold.RecordQuery{Cold: true}, "both cold"},
			{pinfold.RecordQuery{Errors: true}, "both bad"},
			{pinfold.RecordQuery{Errors: true, Calls: true, Function: "g"}, "call both bad"},
			{pinfold.RecordQuery{Errors: true, Cold: true}, "both"},
			{pinfold.RecordQuery{Since: at(2)}, "other both bad"},
			{pinfold.RecordQuery{Until: at(2)}, "cold warm"},
			{pinfold.RecordQuery{Since: at(1), Until: at(3)}, "bad cold"},
			{pinfold.RecordQuery{Since: at(1), Until: at(3), Function: "g"}, "bad"},
			{pinfold.RecordQuery{Since: at(2).Add(1)}, "other both"},
			{pinfold.RecordQuery{Since: at(2).Add(-1), Limit: 2}, "other both"},
		} {
			b.want(test.q, strings.Fields(test.want)...)
		}
		b.reopen()
	}
}

func nonsense(t *testing.T, b *bench) {
	b.append(record("a", 0, "f"))
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	b.want(pinfold.RecordQuery{Since: year(-5000), Until: year(50000)}, "a")
	b.want(pinfold.RecordQuery{Since: year(50000), Until: year(-5000)})
	b.want(pinfold.RecordQuery{Since: noon.Add(time.Hour), Until: noon.Add(-time.Hour)})
	b.want(pinfold.RecordQuery{Since: noon, Until: noon})
	b.want(pinfold.RecordQuery{Limit: -1}, "a")
	b.want(pinfold.RecordQuery{Limit: 1 << 62}, "a")
	b.want(pinfold.RecordQuery{Function: strings.Repeat("f", 1<<20)})
}

func leaves(t *testing.T, b *bench) {
	b.append(record("a", 0, "f"), record("b", 1, "f"))
	query := b.Query(t.Context(), pinfold.RecordQuery{})
	for range 3 {
		for r, err := range query {
			if err != nil || r.RequestID != "b" {
				t.Errorf("the first is %q, %v", r.RequestID, err)
			}
			break
		}
	}
	for range query { // a store may be used while it is asked
		b.append(record("c", 2, "f"))
	}
	b.want(pinfold.RecordQuery{}, "c", "c", "b", "a")
}

func cancels(t *testing.T, b *bench) {
	b.append(record("a", 0, "f"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for r, err := range b.Query(ctx, pinfold.RecordQuery{}) {
		if n++; pinfold.CodeOf(err) != pinfold.Timeout {
			t.Errorf("got %v, %v; want an error with code Timeout", r, err)
		}
	}
	if n != 1 {
		t.Errorf("%d errors", n)
	}
	if err := b.Append(ctx, []pinfold.Record{record("b", 0, "f")}); pinfold.CodeOf(err) != pinfold.Timeout {
		t.Errorf("Append: %v; want an error with code Timeout", err)
	}
	b.want(pinfold.RecordQuery{}, "a")
}

func (b *bench) trim(before time.Time, bytes int64) {
	b.t.Helper()
	if err := b.Trim(b.t.Context(), before, bytes); err != nil {
		b.t.Fatal(err)
	}
}

func trimsAge(t *testing.T, b *bench) {
	b.append(record("a", 0, "f"), record("c", 2, "f"), record("b", 1, "f"))
	b.trim(time.Time{}, 0) // nothing is older, and no bound
	b.want(pinfold.RecordQuery{}, "c", "b", "a")
	b.trim(noon.Add(time.Second), 0)
	b.want(pinfold.RecordQuery{}, "c", "b")
	b.want(pinfold.RecordQuery{Since: noon.Add(-time.Hour)}, "c", "b")
	b.append(record("d", 3, "f"))
	b.want(pinfold.RecordQuery{}, "d", "c", "b")
	b.trim(noon.Add(time.Hour), 0)
	b.want(pinfold.RecordQuery{})
	// The clock was ahead, which is nothing to what comes now.
	b.trim(noon, 0)
	b.append(record("f", 4, "f"))
	b.want(pinfold.RecordQuery{}, "f")
	b.trim(noon.Add(time.Hour), 0)
	b.reopen()
	b.want(pinfold.RecordQuery{})
	b.append(record("e", 7200, "f"))
	b.want(pinfold.RecordQuery{}, "e")
}

func trimsSize(t *testing.T, b *bench) {
	const rounds, each = 10, 20
	for round := range rounds {
		var records []pinfold.Record
		for i := range each {
			records = append(records, record(fmt.Sprint(round, "-", i), round*each+i, fmt.Sprint("f", i%3)))
		}
		b.append(records...)
	}
	b.trim(time.Time{}, 1<<40)
	if n := len(b.ids(pinfold.RecordQuery{})); n != rounds*each {
		t.Fatalf("%d records are left", n)
	}
	b.trim(time.Time{}, 1)
	if n := len(b.ids(pinfold.RecordQuery{})); n != 0 {
		t.Errorf("%d records are left in one byte", n)
	}
	b.append(record("a", 0, "f"))
	b.want(pinfold.RecordQuery{}, "a")
}

func extremes(t *testing.T, b *bench) {
	last := record("last", 0, "f")
	last.Time = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)
	b.append(record("a", 0, "f"), last, pinfold.Record{RequestID: "first", Status: "ok"})
	for range 2 {
		b.want(pinfold.RecordQuery{}, "last", "a", "first")
		b.want(pinfold.RecordQuery{Slowest: true, Function: "f", Since: noon.Add(1)}, "last")
		b.reopen()
	}
}

func texts(t *testing.T, b *bench) {
	long := strings.Repeat("x", 1<<20)
	for i, text := range []string{"", "\x00", "é\U0001F98A\" \\ \n\t'; DROP TABLE records; --", "\xff\xfe", long} {
		r := record(fmt.Sprint(i), i, "f")
		r.ErrorType, r.Caller = text, text
		b.append(r)
	}
	for range 2 {
		for r, err := range b.Query(t.Context(), pinfold.RecordQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			if r.RequestID == "4" && (len(r.Caller) < 1024 || len(r.Caller) > 4096 || !strings.HasPrefix(long, r.Caller)) {
				t.Errorf("of a long text %d bytes are left", len(r.Caller))
			}
			if r.RequestID == "3" && r.Caller != "\xff\xfe" || r.RequestID == "1" && r.ErrorType != "\x00" {
				t.Errorf("came back as %q, %q", r.Caller, r.ErrorType)
			}
		}
		b.reopen()
	}
}

func closed(t *testing.T, b *bench) {
	b.append(record("a", 0, "f"))
	for range 2 {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := b.Append(t.Context(), []pinfold.Record{record("b", 0, "f")}); pinfold.CodeOf(err) != pinfold.Unavailable {
		t.Errorf("Append: %v; want an error with code Unavailable", err)
	}
	if err := b.Trim(t.Context(), noon, 0); pinfold.CodeOf(err) != pinfold.Unavailable {
		t.Errorf("Trim: %v; want an error with code Unavailable", err)
	}
	for _, err := range b.Query(t.Context(), pinfold.RecordQuery{}) {
		if pinfold.CodeOf(err) != pinfold.Unavailable {
			t.Errorf("Query: %v; want an error with code Unavailable", err)
		}
	}
	b.RecordStore = b.open()
	b.want(pinfold.RecordQuery{}, "a")
}

func concurrent(t *testing.T, b *bench) {
	const writers, rounds = 3, 30
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range rounds {
				if err := b.Append(t.Context(), []pinfold.Record{
					record(fmt.Sprint(w, "-", i), i, fmt.Sprint("f", w)), record(fmt.Sprint(w, "+", i), -i-1, fmt.Sprint("f", w)),
				}); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for i := range rounds {
				last := noon.AddDate(1, 0, 0)
				for r, err := range b.Query(t.Context(), pinfold.RecordQuery{Limit: i}) {
					if err != nil {
						t.Error(err)
					} else if r.Time.After(last) {
						t.Errorf("%v comes after %v", r.Time, last)
					}
					last = r.Time
				}
			}
		})
	}
	all.Go(func() {
		for range rounds {
			if err := b.Trim(t.Context(), noon, 0); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	b.trim(noon, 0)
	if n := len(b.ids(pinfold.RecordQuery{})); n != writers*rounds {
		t.Errorf("%d records are left; want %d", n, writers*rounds)
	}
}
