package timetable_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pinfold.dev/pinfold/internal/timetable"
)

// A model of cron that shares nothing with the code: a value of a field comes
// with the question whether what a clock shows is one of it, and time is scanned
// minute by minute.
type value struct {
	text  string
	holds func(wall time.Time) bool
}

// numbers draws a list of values, ranges and steps of a field.
func numbers(name string, low, high int, of func(time.Time) int, names ...string) *rapid.Generator[value] {
	label := func(t *rapid.T, v int) string {
		if names != nil && rapid.Bool().Draw(t, name+" by name") {
			return names[v-low]
		}
		return fmt.Sprint(v)
	}
	item := rapid.Custom(func(t *rapid.T) value {
		a := rapid.IntRange(low, high).Draw(t, name)
		b := rapid.IntRange(low, high).Draw(t, name)
		step := rapid.IntRange(1, high-low+2).Draw(t, name+" step")
		ahead := func(wall time.Time) int { return (of(wall) - a + high - low + 1) % (high - low + 1) }
		long := (b - a + high - low + 1) % (high - low + 1)
		return rapid.SampledFrom([]value{
			{"*", func(time.Time) bool { return true }},
			{label(t, a), func(wall time.Time) bool { return of(wall) == a }},
			{label(t, a) + "-" + label(t, b), func(wall time.Time) bool { return ahead(wall) <= long }},
			{fmt.Sprintf("%s/%d", label(t, a), step), func(wall time.Time) bool { return of(wall) >= a && (of(wall)-a)%step == 0 }},
			{fmt.Sprintf("*/%d", step), func(wall time.Time) bool { return (of(wall)-low)%step == 0 }},
			{fmt.Sprintf("%s-%s/%d", label(t, a), label(t, b), step), func(wall time.Time) bool { return ahead(wall) <= long && ahead(wall)%step == 0 }},
		}).Draw(t, name)
	})
	return rapid.Custom(func(t *rapid.T) value { return list(rapid.SliceOfN(item, 1, 3).Draw(t, name)) })
}

func list(values []value) value {
	var texts []string
	for _, v := range values {
		texts = append(texts, v.text)
	}
	return value{strings.Join(texts, ","), func(wall time.Time) bool {
		for _, v := range values {
			if v.holds(wall) {
				return true
			}
		}
		return false
	}}
}

func lastOf(wall time.Time) int {
	return time.Date(wall.Year(), wall.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// workdayNextTo tells whether a day is the working day next to the nth.
func workdayNextTo(wall time.Time, n int) bool {
	for _, away := range []int{0, -1, 1, -2, 2} {
		day := n + away
		weekday := time.Date(wall.Year(), wall.Month(), day, 0, 0, 0, 0, time.UTC).Weekday()
		if n <= lastOf(wall) && day >= 1 && day <= lastOf(wall) && weekday != time.Saturday && weekday != time.Sunday {
			return wall.Day() == day
		}
	}
	return false
}

func movable(t *rapid.T) value {
	n := rapid.IntRange(1, 28).Draw(t, "n")
	return rapid.SampledFrom([]value{
		{"L", func(wall time.Time) bool { return wall.Day() == lastOf(wall) }},
		{fmt.Sprintf("L-%d", n), func(wall time.Time) bool { return wall.Day() == lastOf(wall)-n }},
		{fmt.Sprintf("%dW", n), func(wall time.Time) bool { return workdayNextTo(wall, n) }},
		{"LW", func(wall time.Time) bool {
			return workdayNextTo(wall, lastOf(wall))
		}},
	}).Draw(t, "day")
}

func counted(t *rapid.T) value {
	day := rapid.IntRange(1, 7).Draw(t, "day")
	n := rapid.IntRange(1, 4).Draw(t, "n")
	is := func(wall time.Time) bool { return int(wall.Weekday()) == day-1 }
	return rapid.SampledFrom([]value{
		{"L", func(wall time.Time) bool { return wall.Weekday() == time.Saturday }},
		{fmt.Sprintf("%dL", day), func(wall time.Time) bool { return is(wall) && wall.Day()+7 > lastOf(wall) }},
		{fmt.Sprintf("%d#%d", day, n), func(wall time.Time) bool { return is(wall) && (wall.Day()+6)/7 == n }},
	}).Draw(t, "day")
}

// expressions draws an expression and what it means.
var expressions = rapid.Custom(func(t *rapid.T) value {
	day := value{"?", func(time.Time) bool { return true }}
	weekday := day
	switch rapid.IntRange(0, 3).Draw(t, "kind of day") {
	case 0:
		day = numbers("day-of-month", 1, 31, time.Time.Day).Draw(t, "day-of-month")
	case 1:
		weekday = numbers("day-of-week", 1, 7, func(wall time.Time) int { return int(wall.Weekday()) + 1 },
			"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT").Draw(t, "day-of-week")
	case 2:
		day = movable(t)
	case 3:
		weekday = counted(t)
	}
	month := numbers("month", 1, 12, func(wall time.Time) int { return int(wall.Month()) },
		"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC").Draw(t, "month")
	fields := []value{
		numbers("minutes", 0, 59, time.Time.Minute).Draw(t, "minutes"),
		numbers("hours", 0, 23, time.Time.Hour).Draw(t, "hours"),
		day, month, weekday,
		rapid.SampledFrom([]value{
			{"*", func(time.Time) bool { return true }},
			{"2026-2030/2", func(wall time.Time) bool { return wall.Year()%2 == 0 && wall.Year() >= 2026 && wall.Year() <= 2030 }},
		}).Draw(t, "year"),
	}
	return value{
		fmt.Sprintf("cron(%s %s %s %s %s %s)", fields[0].text, fields[1].text, fields[2].text, fields[3].text, fields[4].text, fields[5].text),
		func(wall time.Time) bool {
			for _, f := range fields {
				if !f.holds(wall) {
					return false
				}
			}
			return true
		},
	}
})

// clock returns what a clock shows, and whether it has shown that before.
func clock(t time.Time) (wall time.Time, again bool) {
	show := func(t time.Time) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	wall = show(t)
	return wall, show(t.Add(-time.Hour)).Equal(wall) || show(t.Add(-30*time.Minute)).Equal(wall)
}

// Next finds what a scan of every minute finds, around the days on which clocks
// are changed more often than elsewhere.
func TestNextAgreesWithAScan(t *testing.T) {
	changes := []time.Time{
		time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC), // Berlin
		time.Date(2026, 3, 8, 6, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 5, 0, 0, 0, time.UTC), // New York
		time.Date(2026, 4, 4, 14, 0, 0, 0, time.UTC), time.Date(2026, 10, 3, 14, 0, 0, 0, time.UTC), // Lord Howe
		time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(2028, 2, 28, 0, 0, 0, 0, time.UTC),
	}
	rapid.Check(t, func(t *rapid.T) {
		expression := expressions.Draw(t, "expression")
		zone := rapid.SampledFrom([]string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", ""}).Draw(t, "zone")
		s, err := timetable.Parse(expression.text, zone)
		if err != nil {
			if strings.Contains(err.Error(), "never due") {
				t.Skip(err)
			}
			t.Fatal(err)
		}
		location, _ := time.LoadLocation(zone)
		start := rapid.SampledFrom(changes).Draw(t, "start").Add(time.Duration(rapid.IntRange(-86400, 86400).Draw(t, "seconds")) * time.Second)
		end := start.Add(10 * 24 * time.Hour)
		next := s.Next(start)
		for now := start.Truncate(time.Minute).Add(time.Minute); now.Before(end); now = now.Add(time.Minute) {
			wall, again := clock(now.In(location))
			if due := expression.holds(wall) && !again; due != next.Equal(now) {
				t.Fatalf("%s in %q: next due %s, but at %s due is %t", expression.text, zone, next, now, due)
			} else if due {
				next = s.Next(now)
			}
		}
		if !next.IsZero() && next.Before(end) {
			t.Fatalf("%s in %q: next due %s, which no scan finds", expression.text, zone, next)
		}
	})
}
