package control

import (
	"context"
	"fmt"
	"iter"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// names knows one function.
func names(_ context.Context, name string) (string, error) {
	if name != "hello" && name != "arn:hello" {
		return "", pinfold.Errorf(pinfold.NotFound, "there is no function %s", name)
	}
	return "hello", nil
}

// ofTraces has a trace 2 with more invocations than anybody wants, and others with
// two each.
type ofTraces struct{}

func (ofTraces) Query(_ context.Context, q pinfold.RecordQuery) iter.Seq2[pinfold.Record, error] {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	return func(yield func(pinfold.Record, error) bool) {
		n := 2
		switch q.Trace[15] {
		case 1:
			return
		case 2:
			n = q.Limit
		}
		for i := range n {
			if !yield(pinfold.Record{Time: at.Add(-time.Duration(i) * time.Minute), RequestID: fmt.Sprint("r-", i), Function: "hello"}, nil) {
				return
			}
		}
	}
}

func TestLogQuery(t *testing.T) {
	h := &handler{Options{FunctionName: names, Records: ofTraces{}}}
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for raw, want := range map[string]LogQuery{
		"": {},
		"function=hello&function=arn:hello&filter=x&level=warn&pattern=%7B%24.a%3D1%7D&tail=7&follow=true": {
			Functions: []string{"hello", "hello"}, Filter: "x", Level: "warn", Pattern: "{$.a=1}", Tail: 7, Follow: true,
		},
		"request=r&until=2026-11-21T09:00:00Z":                              {Requests: []string{"r"}, Until: at},
		"trace=" + strings.Repeat("0", 31) + "3":                            {Functions: []string{"hello"}, Requests: []string{"r-0", "r-1"}, Since: at.Add(-61 * time.Second)},
		"since=2026-11-21T09:00:00Z&trace=" + strings.Repeat("0", 31) + "3": {Functions: []string{"hello"}, Requests: []string{"r-0", "r-1"}, Since: at},
	} {
		if got, err := h.logQuery(httptest.NewRequest("GET", "/?"+raw, nil)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %+v, %v", raw, got, err)
		}
	}
}

// line plays internal/async.
type line struct{ asked string }

func (l *line) Status(name string) pinfold.AsyncStatus {
	return pinfold.AsyncStatus{Function: name, Failed: 1}
}

func (l *line) Events(_ context.Context, name string, most int) ([]pinfold.AsyncEvent, error) {
	l.asked = fmt.Sprint("events ", name, " ", most)
	return []pinfold.AsyncEvent{{ID: "a", State: pinfold.AsyncFailed}}, nil
}

func (l *line) Retry(_ context.Context, name string, ids ...string) (int, error) {
	l.asked = fmt.Sprint("retry ", name, " ", ids)
	return 2, nil
}

func (l *line) Drop(_ context.Context, name string, ids ...string) (int, error) {
	l.asked = fmt.Sprint("drop ", name, " ", ids)
	return 3, nil
}

// Who asks for nothing does not get everything.
func TestEvents(t *testing.T) {
	events := &line{}
	server := New(Options{
		FunctionName: names, Events: events, Authorizer: anybody{}, ARN: func(s string) string { return s },
		Principal: func(context.Context) pinfold.Principal { return pinfold.Principal{} },
	})
	for _, c := range []struct {
		request, body string
		status        int
		asked, answer string
	}{
		{"GET hello/events", "", 200, "events hello 100", `"failed":1,"ended":{"succeeded":0,"givenUp":0,"undelivered":0},"events":[{"id":"a","state":"failed"`},
		{"GET arn:hello/events?limit=5", "", 200, "events hello 5", `"id":"a"`},
		{"GET hello/events?limit=0", "", 400, "", "is not a number of events"},
		{"GET nobody/events", "", 404, "", "there is no function nobody"},
		{"POST hello/events/retry", `{"all":true}`, 200, "retry hello []", `{"events":2}`},
		{"POST hello/events/drop", `{"ids":["a","b"]}`, 200, "drop hello [a b]", `{"events":3}`},
		{"POST hello/events/drop", `{}`, 400, "", "neither ids nor all"},
		{"POST hello/events/drop", `{"ids":["a"],"all":true}`, 400, "", "neither ids nor all, or both"},
		{"POST hello/events/retry", ``, 400, "", "the selection is not in the form"},
	} {
		events.asked = ""
		method, path, _ := strings.Cut(c.request, " ")
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(method, "/_pinfold/v1/functions/"+path, strings.NewReader(c.body)))
		if w.Code != c.status || events.asked != c.asked || !strings.Contains(w.Body.String(), c.answer) {
			t.Errorf("%s %s: %d %s, asked for %q", c.request, c.body, w.Code, w.Body, events.asked)
		}
	}
	if _, err := (&handler{}).eventsOf(httptest.NewRequest("GET", "/", nil)); pinfold.CodeOf(err) != pinfold.Unserved {
		t.Errorf("without a log: %v", err)
	}
}

type anybody struct{}

func (anybody) Authorize(context.Context, pinfold.Principal, pinfold.Action) error { return nil }

// A map around a function that is not there is of the calls that it got, and an
// error if there were none.
func TestMapOfNobody(t *testing.T) {
	h := &handler{Options{FunctionName: names}}
	q, err := h.mapQuery(httptest.NewRequest("GET", "/?function=nobody&depth=3", nil))
	if err != nil || q.function != "nobody" || q.depth != 3 || pinfold.CodeOf(q.unknown) != pinfold.NotFound {
		t.Errorf("%+v, %v", q, err)
	}
	if q, err := h.mapQuery(httptest.NewRequest("GET", "/?function=arn:hello&until=2999-01-01T00:00:00Z", nil)); err != nil || q.function != "hello" || q.depth != 1 || q.unknown != nil || q.until.Year() == 2999 {
		t.Errorf("%+v, %v", q, err)
	}
}

func TestRecordQuery(t *testing.T) {
	h := &handler{Options{FunctionName: names}}
	at := time.Date(2026, 11, 21, 9, 0, 0, 500, time.UTC)
	trace := pinfold.TraceID{0x4b, 0xf9, 15: 0x36}
	for raw, want := range map[string]pinfold.RecordQuery{
		"":                   {},
		"function=arn:hello": {Function: "hello"},
		"request=r-1":        {RequestID: "r-1"},
		"trace=" + trace.String() + "&calls=true":                                      {Trace: trace, Calls: true},
		"since=2026-11-21T09:00:00.0000005Z&until=2026-11-21T10:00:00.0000005%2B01:00": {Since: at, Until: at},
		"cold=true&errors=true&slowest=true&limit=20":                                  {Cold: true, Errors: true, Slowest: true, Limit: 20},
		"cold=yes&errors=&calls=false&limit=0":                                         {},
	} {
		got, err := h.recordQuery(httptest.NewRequest("GET", "/?"+raw, nil))
		if !got.Since.Equal(want.Since) || !got.Until.Equal(want.Until) {
			t.Errorf("%q is from %v to %v", raw, got.Since, got.Until)
		}
		got.Since, got.Until, want.Since, want.Until = time.Time{}, time.Time{}, time.Time{}, time.Time{}
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v", raw, got, err)
		}
	}
}

// What cannot be read is an error that says so, of records and of logs.
func TestBadQueries(t *testing.T) {
	h := &handler{Options{FunctionName: names, Records: ofTraces{}}}
	calls := func(raw string) error {
		_, err := h.mapQuery(httptest.NewRequest("GET", "/?"+raw, nil))
		return err
	}
	records := func(raw string) error {
		_, err := h.recordQuery(httptest.NewRequest("GET", "/?"+raw, nil))
		return err
	}
	logs := func(raw string) error {
		_, err := h.logQuery(httptest.NewRequest("GET", "/?"+raw, nil))
		return err
	}
	for _, tc := range []struct {
		read func(string) error
		raw  string
		code pinfold.Code
		says string
	}{
		{records, "since=yesterday", pinfold.Invalid, `since="yesterday" is not an RFC 3339 time`},
		{records, "until=2026-11-21", pinfold.Invalid, `until="2026-11-21" is not an RFC 3339 time`},
		{records, "trace=4bf9", pinfold.Invalid, "32 hexadecimal digits"},
		{records, "trace=" + strings.Repeat("x", 32), pinfold.Invalid, "not the id of a trace"},
		{records, "trace=" + strings.Repeat("0", 32), pinfold.Invalid, "all zeros"},
		{logs, "trace=" + strings.Repeat("0", 32), pinfold.Invalid, "all zeros"},
		{records, "limit=-1", pinfold.Invalid, `limit="-1"`},
		{records, "limit=many", pinfold.Invalid, `limit="many"`},
		{records, "limit=99999999999999999999", pinfold.Invalid, "limit="},
		{records, "function=nobody", pinfold.NotFound, "no function nobody"},
		{logs, "since=yesterday", pinfold.Invalid, `since="yesterday" is not an RFC 3339 time`},
		{logs, "tail=-1", pinfold.Invalid, `tail="-1"`},
		{logs, "tail=x", pinfold.Invalid, `tail="x"`},
		{logs, "function=nobody", pinfold.NotFound, "no function nobody"},
		{logs, "function=hello&function=nobody", pinfold.NotFound, "no function nobody"},
		{logs, "until=soon", pinfold.Invalid, `until="soon"`},
		{logs, "trace=4bf9", pinfold.Invalid, "32 hexadecimal digits"},
		{logs, "trace=" + strings.Repeat("0", 31) + "1", pinfold.NotFound, "no record of an invocation in the trace"},
		{logs, "trace=" + strings.Repeat("0", 31) + "2", pinfold.TooLarge, "more than 10000 invocations"},
		{logs, "trace=" + strings.Repeat("0", 31) + "1&follow=true", pinfold.Invalid, "cannot be followed"},
		{logs, "trace=" + strings.Repeat("0", 31) + "1&request=r", pinfold.Invalid, "together with a request"},
		{calls, "since=yesterday", pinfold.Invalid, `since="yesterday" is not an RFC 3339 time`},
		{calls, "until=2026-11-21", pinfold.Invalid, `until="2026-11-21" is not an RFC 3339 time`},
		{calls, "depth=0", pinfold.Invalid, `depth="0"`},
		{calls, "depth=far", pinfold.Invalid, `depth="far"`},
	} {
		if err := tc.read(tc.raw); pinfold.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%q: %v, want %s: %s", tc.raw, err, tc.code, tc.says)
		}
	}
}
