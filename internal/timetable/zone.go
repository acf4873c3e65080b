package timetable

import (
	"sync"
	"time"
	_ "time/tzdata" // for machines that have no zones of their own

	"pinfold.dev/pinfold"
)

// validation is AWS's exception for wrong expressions.
const validation = "ValidationException"

// Zones remembers time zones, of which each takes kilobytes, so that thousands
// of schedules share theirs. Its zero value is ready; it may be used by many
// goroutines at once.
type Zones struct {
	byName sync.Map // string -> *time.Location
}

// Parse is [Parse], with the time zones that are remembered.
func (z *Zones) Parse(expression, zone string) (Schedule, error) {
	location, err := z.load(zone)
	if err != nil {
		return Schedule{}, err
	}
	s, err := parse(expression, location, false)
	if err != nil {
		return Schedule{}, pinfold.Errorf(pinfold.Invalid, "Invalid Schedule Expression %.*s. (%w)", maxLength, expression, err).WithReason(validation)
	}
	return s, nil
}

func (z *Zones) load(name string) (*time.Location, error) {
	if known, ok := z.byName.Load(name); ok {
		return known.(*time.Location), nil
	}
	location, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, pinfold.Errorf(pinfold.Invalid, "Invalid Schedule Expression Timezone %.*s. (write a name such as Europe/Berlin, or leave it out for UTC)", maxLength, name).WithReason(validation)
	}
	known, _ := z.byName.LoadOrStore(name, location)
	return known.(*time.Location), nil
}

// onWall returns what a clock in t's zone shows at t, as a time in UTC.
func onWall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// shown returns when the zone's clock first shows that time, if ever it does.
func shown(wall time.Time, zone *time.Location) (time.Time, bool) {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	if !onWall(t).Equal(wall) {
		return time.Time{}, false // the clock was put forward over it
	}
	if start, _ := t.ZoneBounds(); !start.IsZero() {
		_, now := t.Zone()
		_, before := start.Add(-1).Zone()
		if first := t.Add(time.Duration(now-before) * time.Second); first.Before(start) { // shown twice
			return first, true
		}
	}
	return t, true
}
