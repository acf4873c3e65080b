package control

import (
	"context"
	"net/http/httptest"
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
	h := &handler{Options{FunctionName: names}}
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
		{records, "limit=-1", pinfold.Invalid, `limit="-1"`},
		{records, "limit=many", pinfold.Invalid, `limit="many"`},
		{records, "limit=99999999999999999999", pinfold.Invalid, "limit="},
		{records, "function=nobody", pinfold.NotFound, "no function nobody"},
		{logs, "since=yesterday", pinfold.Invalid, `since="yesterday" is not an RFC 3339 time`},
		{logs, "tail=-1", pinfold.Invalid, `tail="-1"`},
		{logs, "tail=x", pinfold.Invalid, `tail="x"`},
		{logs, "function=nobody", pinfold.NotFound, "no function nobody"},
	} {
		if err := tc.read(tc.raw); pinfold.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%q: %v, want %s: %s", tc.raw, err, tc.code, tc.says)
		}
	}
}
