package cron_test

import (
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/cron"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestLastAndNext(t *testing.T) {
	for name, c := range map[string]struct{ expression, zone, now, last, next string }{
		"every minute":          {"* * * * *", "", "2026-03-04T05:06:07Z", "2026-03-04T05:06:00Z", "2026-03-04T05:07:00Z"},
		"due this second":       {"6 5 * * *", "", "2026-03-04T05:06:00Z", "2026-03-04T05:06:00Z", "2026-03-05T05:06:00Z"},
		"due a second ago":      {"6 5 * * *", "", "2026-03-04T05:06:01Z", "2026-03-04T05:06:00Z", "2026-03-05T05:06:00Z"},
		"due in a second":       {"6 5 * * *", "", "2026-03-04T05:05:59.5Z", "2026-03-03T05:06:00Z", "2026-03-04T05:06:00Z"},
		"weekdays, on a Sunday": {"0 8 * * 1-5", "", "2026-03-08T12:00:00Z", "2026-03-06T08:00:00Z", "2026-03-09T08:00:00Z"},
		"names":                 {"0 8 * jan MON", "", "2026-03-08T12:00:00Z", "2026-01-26T08:00:00Z", "2027-01-04T08:00:00Z"},
		"steps and lists":       {"*/20 1,3 * * *", "", "2026-03-08T02:00:00Z", "2026-03-08T01:40:00Z", "2026-03-08T03:00:00Z"},
		"Sunday is 7 too":       {"0 0 * * 7", "", "2026-03-04T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-08T00:00:00Z"},
		"either day":            {"0 0 13 * 5", "", "2026-03-08T00:00:00Z", "2026-03-06T00:00:00Z", "2026-03-13T00:00:00Z"},
		"a leap day":            {"0 0 29 2 *", "", "2027-03-01T00:00:00Z", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"},
		"no leap day in 2100":   {"0 0 29 2 *", "", "2101-01-01T00:00:00Z", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"},
		"the 31st":              {"0 0 31 * *", "", "2026-06-30T00:00:00Z", "2026-05-31T00:00:00Z", "2026-07-31T00:00:00Z"},
		"a zone in winter":      {"0 8 * * *", "Europe/Berlin", "2026-01-10T12:00:00Z", "2026-01-10T07:00:00Z", "2026-01-11T07:00:00Z"},
		"a zone in summer":      {"0 8 * * *", "Europe/Berlin", "2026-07-10T12:00:00Z", "2026-07-10T06:00:00Z", "2026-07-11T06:00:00Z"},
		"the day is the zone's": {"0 8 * * 1", "Pacific/Auckland", "2026-07-05T21:00:00Z", "2026-07-05T20:00:00Z", "2026-07-12T20:00:00Z"},
		// Clocks went from 02:00 to 03:00 on 29 March 2026, and go back from 03:00 to 02:00 on 25 October.
		"an hour that is missing":  {"30 2 * * *", "Europe/Berlin", "2026-03-29T01:10:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		"before it":                {"30 2 * * *", "Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z"},
		"an hour that comes twice": {"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		"a day that is missing":    {"0 12 * * *", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := cron.Parse(c.expression, c.zone)
			if err != nil {
				t.Fatal(err)
			}
			now := at(t, c.now)
			if last := s.Last(now); !last.Equal(at(t, c.last)) {
				t.Errorf("last due %s, want %s", last.UTC().Format(time.RFC3339), c.last)
			}
			if next := s.Next(now); !next.Equal(at(t, c.next)) {
				t.Errorf("next due %s, want %s", next.UTC().Format(time.RFC3339), c.next)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ expression, zone, says string }{
		"nothing":            {"", "", "five fields"},
		"four fields":        {"0 8 * *", "", "five fields"},
		"seconds":            {"0 0 8 * * *", "", "five fields"},
		"a word of its own":  {"@daily", "", "five fields"},
		"a zone in it":       {"TZ=UTC 0 8 * *", "", "five fields"},
		"minute 60":          {"60 8 * * *", "", "no cron expression"},
		"hour 24":            {"0 24 * * *", "", "no cron expression"},
		"day 0":              {"0 8 0 * *", "", "no cron expression"},
		"a weekday's number": {"0 8 * * 8", "", "no cron expression"},
		"no number":          {"0 8 * * x", "", "no cron expression"},
		"a step of 0":        {"*/0 8 * * *", "", "no cron expression"},
		"never":              {"0 8 30 2 *", "", "never due"},
		"a zone of nobody":   {"0 8 * * *", "Europe/Nowhere", `"Europe/Nowhere" is no time zone`},
		"a path for a zone":  {"0 8 * * *", "../../etc/passwd", "is no time zone"},
		"whatever is here":   {"0 8 * * *", "Local", "is no time zone"},
	} {
		if _, err := cron.Parse(c.expression, c.zone); pinfold.CodeOf(err) != pinfold.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want Invalid with %q", name, err, c.says)
		}
	}
}

// The last due time is due, is not after now, and nothing is due between it and now.
func FuzzSchedule(f *testing.F) {
	f.Add("59 2 3 3 0", "Europe/Berlin", int64(1774746060)) // just after the clocks
	for _, s := range []string{"* * * * *", "0 8 * * 1-5", "*/7 3 29 2 *", "59 23 31 12 *", "0 0 30 2 *", "1-5/2,8 22-2 13 * fri", "H H * * *", "L W * * 5#2", "? ? ? ? ?"} {
		f.Add(s, "Europe/Berlin", int64(1774746000))
		f.Add(s, "", int64(4133980800))
	}
	f.Fuzz(func(t *testing.T, expression, zone string, seconds int64) {
		s, err := cron.Parse(expression, zone)
		if err != nil {
			return
		}
		now := time.Unix(seconds%(1<<34), 0) // up to the year 2514
		last, next := s.Last(now), s.Next(now)
		if last.IsZero() || last.After(now) || !next.After(now) {
			t.Fatalf("%q in %q: at %s last due %s, next %s", expression, zone, now, last, next)
		}
		if between := s.Next(last); !between.Equal(next) {
			t.Fatalf("%q in %q: after %s due at %s, not first at %s", expression, zone, last, between, next)
		}
	})
}
