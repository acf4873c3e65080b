package meter

import (
	"time"

	"pinfold.dev/pinfold"
)

// Day is a day in UTC, counted from 1970-01-01.
type Day int32

// lastDay is 9999-12-31. Clocks that are beyond it, or before 1970, are taken to
// be there.
const lastDay Day = 2932896

const dayForm = "2006-01-02"

// DayOf returns the day of a time.
func DayOf(t time.Time) Day {
	return Day(min(max(t.Unix()/(24*60*60), 0), int64(lastDay)))
}

// ParseDay reads a day like 2026-11-21.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(dayForm, s)
	if err != nil {
		return 0, pinfold.Errorf(pinfold.Invalid, "%q is not a day: write it like 2026-11-21", s)
	}
	if t.Unix() < 0 {
		return 0, pinfold.Errorf(pinfold.Invalid, "%s is before 1970, from when on days are counted", s)
	}
	return DayOf(t), nil
}

// Time returns when the day begins.
func (d Day) Time() time.Time { return time.Unix(int64(d)*24*60*60, 0).UTC() }

// String returns the day like 2026-11-21.
func (d Day) String() string { return d.Time().Format(dayForm) }

// Month returns the day's month like 2026-11.
func (d Day) Month() string { return d.Time().Format("2006-01") }
