// Package timetable says when an expression of EventBridge is due: rate, cron
// in AWS's dialect, at.
//
// It is a leaf that any room may stand on, so that a manifest is held to the
// very rules by which its schedules are kept. Plain cron is internal/cron. Rules
// are those of "Schedule types in EventBridge Scheduler" (EventBridge Scheduler
// User Guide) and of "Setting a schedule pattern for scheduled rules"
// (EventBridge User Guide); what those leave open is said where it is decided.
//
// When a clock is put forward, what a cron expression names in the time that is
// missing is skipped; when it is put back, nothing is due a second time. So what
// is due every minute pauses then for as long as the clock was put back. A day
// of a rate has 24 hours, whatever the clock does.
package timetable

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/netresearch/go-cron"

	"pinfold.dev/pinfold"
)

// firstYear and lastYear are what cron and at may name.
const firstYear, lastYear = 1970, 2199

// maxLength is how long an expression may be (source: CreateSchedule and
// PutRule, ScheduleExpression).
const maxLength = 256

// maxRate is how far apart a rate may be; AWS says no limit.
const maxRate = 100 * 365 * 24 * time.Hour

// Schedule is a parsed expression. Its zero value is never due.
type Schedule struct {
	at         time.Time          // of at
	every      time.Duration      // of rate
	cron       *cron.SpecSchedule // of cron, by what the clock of zone shows
	zone       *time.Location
	start, end time.Time
}

// Parse reads what CreateSchedule takes, rate, cron and at, due in the time zone
// of that IANA name; "" is UTC. Those who keep many schedules use [Zones.Parse].
//
// What can never be due, such as a 30th of February or a time that the zone's
// clocks skip, is an error; AWS's guides are silent on it. What was due in the
// past only is no error, as there.
//
// Errors have the code Invalid, AWS's exception as their reason, and begin with
// AWS's own words.
func Parse(expression, zone string) (Schedule, error) {
	return new(Zones).Parse(expression, zone)
}

// ParseRule reads what PutRule takes: rate and cron, in UTC. It is stricter than
// [Parse]: a rate of 1 has its unit in the singular, any other in the plural,
// and a year is never left out. Errors are as there.
func ParseRule(expression string) (Schedule, error) {
	s, err := parse(expression, time.UTC, true)
	if err != nil {
		return Schedule{}, pinfold.Errorf(pinfold.Invalid, "Parameter ScheduleExpression is not valid. (%.*s: %w)", maxLength, expression, err).WithReason(validation)
	}
	return s, nil
}

// parse reads an expression; its errors say only why it is none.
func parse(expression string, zone *time.Location, rule bool) (Schedule, error) {
	if len(expression) > maxLength {
		return Schedule{}, fmt.Errorf("an expression has at most %d characters", maxLength)
	}
	s := Schedule{zone: zone}
	kind, rest, _ := strings.Cut(expression, "(")
	inner, closed := strings.CutSuffix(rest, ")")
	var err error
	switch {
	case kind == "rate" && closed:
		s.every, err = parseRate(inner, rule)
	case kind == "cron" && closed:
		s.cron, err = parseCron(inner, rule)
	case kind == "at" && closed && !rule:
		s.at, err = parseAt(inner, zone)
	case rule:
		err = fmt.Errorf("write rate(5 minutes) or cron(0 12 * * ? *)")
	default:
		err = fmt.Errorf("write rate(5 minutes), cron(0 12 * * ? *) or at(2030-01-31T12:00:00)")
	}
	if err == nil && s.Next(time.Time{}).IsZero() {
		err = fmt.Errorf("it is never due: no month that it names has such a day")
		if s.zone = time.UTC; !s.Next(time.Time{}).IsZero() {
			err = fmt.Errorf("it is never due: clocks of %s are put forward over every such time", zone)
		}
	}
	if err != nil {
		return Schedule{}, err
	}
	return s, nil
}

// parseRate reads a value and a unit. AWS refuses blanks around them.
func parseRate(text string, rule bool) (time.Duration, error) {
	value, unit, _ := strings.Cut(text, " ")
	unit = strings.TrimLeft(unit, " ")
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("a rate is a whole number of at least 1 and a unit, such as 5 minutes; %q is no such number", value)
	}
	singular, plural := strings.CutSuffix(unit, "s")
	units := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
	length, known := units[singular]
	switch {
	case !known:
		return 0, fmt.Errorf("%q is no unit: write minutes, hours or days", unit)
	case rule && n == 1 && plural:
		return 0, fmt.Errorf("write 1 %s, in the singular", singular)
	case rule && n != 1 && !plural:
		return 0, fmt.Errorf("write %d %ss, in the plural", n, singular)
	case n > uint64(maxRate/length):
		return 0, fmt.Errorf("a rate is 100 years at most")
	}
	return time.Duration(n) * length, nil
}

// parseAt reads a date and a time in a zone. Of a time that a clock shows twice
// it is the first, as with cron.
func parseAt(text string, zone *time.Location) (time.Time, error) {
	const layout = "2006-01-02T15:04:05"
	wall, err := time.Parse(layout, text)
	if err != nil || wall.Format(layout) != text { // Parse takes fractions of a second, too
		return time.Time{}, fmt.Errorf("%q is no time: write it as 2030-01-31T12:00:00, with no zone", text)
	}
	if wall.Year() < firstYear || wall.Year() > lastYear {
		return time.Time{}, fmt.Errorf("year: %d is not in %d-%d", wall.Year(), firstYear, lastYear)
	}
	at, ok := shown(wall, zone)
	if !ok {
		return time.Time{}, fmt.Errorf("it is never due: clocks of %s are put forward over it", zone)
	}
	return at, nil
}

// Once tells whether the schedule is one of at, done when it has been due.
func (s Schedule) Once() bool { return s.cron == nil && s.every == 0 }

// Between returns the schedule held to a StartDate and an EndDate, at both of
// which it may still be due; zero is none. What is due once heeds neither
// (source: CreateSchedule, StartDate and EndDate).
//
// A rate counts from start and is due at it, so where there is no StartDate give
// it when the schedule or rule was made (sources: "starts invoking the target
// immediately", "starts when you create the scheduled event rule"). Without a
// start it counts from 1970. Next of the zero time is the first due time of all.
func (s Schedule) Between(start, end time.Time) Schedule {
	if !s.Once() {
		s.start, s.end = start, end
	}
	return s
}

// Next returns, in UTC, the first due time after t, and the zero time when there
// is none. What it takes is bounded for every expression.
func (s Schedule) Next(t time.Time) time.Time {
	if !s.start.IsZero() && t.Before(s.start) {
		t = s.start.Add(-1)
	}
	due := s.at
	switch {
	case s.cron != nil:
		due = s.nextCron(t)
	case s.every != 0:
		due = s.nextRate(t)
	}
	if !due.After(t) || !s.end.IsZero() && due.After(s.end) {
		return time.Time{}
	}
	return due.UTC()
}

func (s Schedule) nextRate(t time.Time) time.Time {
	start := s.start
	if start.IsZero() {
		start = time.Unix(0, 0)
	}
	if t.Before(start) {
		return start
	}
	// In seconds: a Duration ends after 292 years.
	every := int64(s.every / time.Second)
	past := (t.Unix() - start.Unix()) / every * every
	due := time.Unix(start.Unix()+past, int64(start.Nanosecond()))
	if due.After(t) { // by less than a second
		return due
	}
	return due.Add(s.every)
}

func (s Schedule) nextCron(t time.Time) time.Time {
	// Fields speak of what a clock on the wall shows, so they are asked with its
	// time as if it were UTC, where every minute comes once.
	wall := onWall(t.In(s.zone))
	if wall.Year() < firstYear {
		wall = time.Date(firstYear, 1, 1, 0, 0, -1, 0, time.UTC)
	}
	for {
		wall = s.cron.Next(wall)
		if wall.IsZero() || wall.Year() > lastYear {
			return time.Time{}
		}
		if due, ok := shown(wall, s.zone); ok && due.After(t) {
			return due
		}
	}
}
