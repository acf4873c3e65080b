// Package cron says when a plain cron expression is due: minute, hour, day of
// the month, month, day of the week, in a time zone.
//
// It is a leaf that any room may stand on, so that a manifest is held to the
// very rules by which its times are kept. As in cron itself, an expression with
// both a day of the month and a day of the week is due on either (source:
// crontab(5) of Vixie cron). When a clock is put forward, what would have been
// due in the hour that is missing is due at that moment; when it is put back,
// nothing is due a second time.
package cron

import (
	"strings"
	"time"
	_ "time/tzdata" // for machines that have no zones of their own

	"github.com/netresearch/go-cron"

	"pinfold.dev/pinfold"
)

// years is how far apart two due times may be. The farthest are leap days
// around a year such as 2100.
const years = 9

// Schedule is a parsed expression.
type Schedule struct {
	at   cron.Schedule
	zone *time.Location
}

// Parse reads an expression of five fields, due in the time zone of that IANA
// name; "" is UTC. One that can never be due, such as the 30th of February, is
// an error.
func Parse(expression, timezone string) (Schedule, error) {
	zone, err := time.LoadLocation(timezone)
	if err != nil || timezone == "Local" {
		return Schedule{}, pinfold.Errorf(pinfold.Invalid, "%q is no time zone: write a name such as Europe/Berlin, or leave it out for UTC", timezone)
	}
	if n := len(strings.Fields(expression)); n != 5 || strings.Contains(expression, "=") {
		return Schedule{}, pinfold.Errorf(pinfold.Invalid, "%q is no cron expression: write five fields, minute, hour, day of the month, month and day of the week, such as 0 8 * * 1-5", expression)
	}
	parser := cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom).WithMaxSearchYears(years)
	at, err := parser.Parse(expression)
	if err != nil {
		return Schedule{}, pinfold.Errorf(pinfold.Invalid, "%q is no cron expression: %w", expression, err)
	}
	s := Schedule{at, zone}
	if s.Next(time.Unix(0, 0)).IsZero() {
		return Schedule{}, pinfold.Errorf(pinfold.Invalid, "%q is never due: no month that it names has such a day", expression)
	}
	return s, nil
}

// Next returns the first due time after t.
func (s Schedule) Next(t time.Time) time.Time {
	// Fields speak of what a clock on the wall shows, so they are asked with its
	// time as if it were UTC, where every minute comes once.
	for wall := s.at.Next(onWall(t.In(s.zone))); ; wall = s.at.Next(wall) {
		if wall.IsZero() {
			return wall
		}
		if due := s.shown(wall); due.After(t) {
			return due
		}
	}
}

// Last returns the last due time that is not after t.
func (s Schedule) Last(t time.Time) time.Time {
	// What is due next only ever gets later: halve until only the last one is left.
	low, high := t.AddDate(-years, 0, 0), t
	for high.Sub(low) > time.Second {
		middle := low.Add(high.Sub(low) / 2)
		if s.Next(middle).After(t) {
			high = middle
		} else {
			low = middle
		}
	}
	return s.Next(low)
}

// onWall returns what the clock shows at t, as a time in UTC.
func onWall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// shown returns when the zone's clock first shows that time or a later one.
func (s Schedule) shown(wall time.Time) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), s.zone)
	start, end := t.ZoneBounds()
	switch shows := onWall(t); {
	case shows.After(wall): // never shown: the clock was put forward over it
		return start
	case shows.Before(wall):
		return end
	case start.IsZero():
		return t
	}
	_, now := t.Zone()
	_, before := start.Add(-1).Zone()
	if first := t.Add(time.Duration(now-before) * time.Second); first.Before(start) { // shown twice
		return first
	}
	return t
}
