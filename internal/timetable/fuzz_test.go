package timetable_test

import (
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/timetable"
)

// Whatever is read is due in a strict order, with nothing in between, and what
// is refused tells why.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"rate(1 minute)", "rate(5 minutes)", "rate(36500 days)", "rate(1 days)", "rate()", "rate( 1 day)", "rate(99999999999999999999 days)",
		"at(2026-03-29T02:30:00)", "at(2026-10-25T02:30:00)", "at(2199-12-31T23:59:59)", "at(1970-01-01T00:00:00)", "at()",
		"cron(* * * * ? *)", "cron(0 12 ? * MON-FRI *)", "cron(0/5 8-17 ? * 2-6 2026/3)", "cron(0 0 L-3,LW,15W,1W * ? *)", "cron(* * ? * 3#5 *)",
		"cron(59 23 31 DEC ? 2199)", "cron(30 2 ? 3 1L *)", "cron(0 0 ? 2 6#5 *)", "cron(0 0 30 2 ? *)", "cron(* 2 ? 3 1L *)",
		"cron(0 0 30W,31W,31,30 FEB ? *)", "cron(0/5, 9-18 ? * MON-FRI *)", "cron(0 0 ?,? * ? *)", "cron(#L W / - , *)", "cron(0 12 * * ?)", "cron(",
	} {
		f.Add(s, "Europe/Berlin", int64(1774746000))
		f.Add(s, "Australia/Lord_Howe", int64(1775313000))
		f.Add(s, "", int64(4133980800))
		f.Add(s, "Pacific/Apia", int64(1325239200))
	}
	f.Add("rate(1 hour)", "../etc", int64(-1<<40))
	f.Add("rate(1 hour)", "Local", int64(1<<62))
	f.Fuzz(func(t *testing.T, expression, zone string, seconds int64) {
		if _, err := timetable.ParseRule(expression); err == nil {
			if _, err := timetable.Parse(expression, ""); err != nil {
				t.Fatalf("%q is for rules alone: %v", expression, err)
			}
		}
		s, err := timetable.Parse(expression, zone)
		if err != nil {
			if pinfold.CodeOf(err) != pinfold.Invalid || pinfold.ReasonOf(err) == "" || len(err.Error()) > 4000 {
				t.Fatalf("%q in %q: %v", expression, zone, err)
			}
			return
		}
		first := s.Next(time.Time{})
		if first.IsZero() {
			t.Fatalf("%q in %q is never due", expression, zone)
		}
		now := time.Unix(seconds%(1<<33), 0) // up to the year 2242
		for range 3 {
			next := s.Next(now)
			if next.IsZero() {
				return
			}
			if !next.After(now) || next.Before(first) {
				t.Fatalf("%q in %q: due %s after %s, first %s", expression, zone, next, now, first)
			}
			for _, between := range []time.Time{now.Add(next.Sub(now) / 2), next.Add(-1)} {
				if again := s.Next(between); !again.Equal(next) {
					t.Fatalf("%q in %q: after %s due %s, after %s %s", expression, zone, now, next, between, again)
				}
			}
			if held := s.Between(next, next).Next(time.Time{}); !held.Equal(next) && !s.Once() {
				t.Fatalf("%q in %q: held to %s it is due %s", expression, zone, next, held)
			}
			now = next
		}
	})
}
