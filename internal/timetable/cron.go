package timetable

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/netresearch/go-cron"
)

// field is one field of a cron expression.
type field struct {
	name     string
	min, max int
	names    string // of its values from min on, three letters each
}

// The fields, in their order.
const (
	minutes = iota
	hours
	dayOfMonth
	month
	dayOfWeek
	year
)

var fields = [...]field{
	minutes:    {"minutes", 0, 59, ""},
	hours:      {"hours", 0, 23, ""},
	dayOfMonth: {"day-of-month", 1, 31, ""},
	month:      {"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
	dayOfWeek:  {"day-of-week", 1, 7, "SUNMONTUEWEDTHUFRISAT"},
	year:       {"year", firstYear, lastYear, ""},
}

// parseCron reads the fields of a cron expression. Beyond what AWS's guides
// name it takes what Quartz does, where the dialect is from: names in any case,
// FRIL for 6L, L-3 for three days before the last, ranges over the end such as
// FRI-MON, and L and W in lists. A step longer than its field leaves the first
// value. In a month that has no 31st, 31W is no day.
func parseCron(text string, rule bool) (*cron.SpecSchedule, error) {
	parts := strings.Fields(text)
	if len(parts) == year && !rule { // optional by the guide of EventBridge Scheduler
		parts = append(parts, "*")
	}
	if len(parts) != len(fields) {
		return nil, fmt.Errorf("it has %d fields: write minutes, hours, day-of-month, month, day-of-week and year, such as 0 12 * * ? *", len(parts))
	}
	if (parts[dayOfMonth] == "?") == (parts[dayOfWeek] == "?") {
		return nil, fmt.Errorf("exactly one of day-of-month and day-of-week has to be ?")
	}
	spec := &cron.SpecSchedule{Second: 1, Location: time.UTC, MaxSearchYears: lastYear - firstYear + 1}
	for i, part := range parts {
		if i == year && part == "*" {
			continue // due in any, and small
		}
		if part == "?" && (i == dayOfMonth || i == dayOfWeek) {
			part = "*"
		}
		items := strings.Split(part, ",")
		for _, item := range items {
			if err := add(spec, i, item, len(items) == 1); err != nil {
				return nil, fmt.Errorf("%s: %w", fields[i].name, err)
			}
		}
	}
	if len(spec.Year) == lastYear-firstYear+1 {
		spec.Year = nil
	}
	return spec, nil
}

// add adds to a schedule what one item of a field's list names.
func add(spec *cron.SpecSchedule, i int, item string, alone bool) error {
	f, item := fields[i], strings.ToUpper(item)
	switch {
	case i == dayOfMonth && strings.ContainsAny(item, "LW"):
		day, err := f.movable(item)
		spec.DomConstraints = append(spec.DomConstraints, day)
		return err
	case i == dayOfWeek && strings.Contains(item, "#") && !alone:
		return fmt.Errorf("with # it has one value only")
	case i == dayOfWeek && item == "L": // the last day of the week
		item = "SAT"
	case i == dayOfWeek && (strings.Contains(item, "#") || strings.HasSuffix(item, "L")):
		day, err := f.counted(item)
		spec.DowConstraints = append(spec.DowConstraints, day)
		return err
	}
	values, err := f.values(item)
	for _, v := range values {
		switch i {
		case minutes:
			spec.Minute |= 1 << v
		case hours:
			spec.Hour |= 1 << v
		case dayOfMonth:
			spec.Dom |= 1 << v
		case month:
			spec.Month |= 1 << v
		case dayOfWeek:
			spec.Dow |= 1 << (v - 1) // Sunday is 1 here, 0 there
		case year:
			if spec.Year == nil {
				spec.Year = map[int]struct{}{}
			}
			spec.Year[v] = struct{}{}
		}
	}
	return err
}

// movable reads a day that is another one in every month: L, LW, L-3, 15W.
func (f field) movable(item string) (cron.DomConstraint, error) {
	switch item {
	case "L":
		return cron.DomConstraint{Type: cron.DomLast}, nil
	case "LW":
		return cron.DomConstraint{Type: cron.DomLastWeekday}, nil
	}
	if before, ok := strings.CutPrefix(item, "L-"); ok {
		n, err := f.number(before)
		if n == f.max {
			err = fmt.Errorf("%s is in no month", item)
		}
		return cron.DomConstraint{Type: cron.DomLastOffset, N: n}, err
	}
	near, ok := strings.CutSuffix(item, "W")
	if !ok {
		return cron.DomConstraint{}, fmt.Errorf("%q is no day: write L for the last one, LW for the last weekday or 15W for the weekday next to the 15th", item)
	}
	n, err := f.number(near)
	return cron.DomConstraint{Type: cron.DomNearestWeekday, N: n}, err
}

// counted reads a day of the week by its place in the month: 3#2, 6L.
func (f field) counted(item string) (cron.DowConstraint, error) {
	name, place, placed := strings.Cut(item, "#")
	n := -1 // the last one
	if !placed {
		name = strings.TrimSuffix(name, "L")
	} else {
		n, _ = strconv.Atoi(place)
		if n < 1 || n > 5 {
			return cron.DowConstraint{}, fmt.Errorf("%q is no place in a month: write 1 to 5 behind the #", place)
		}
	}
	day, err := f.number(name)
	return cron.DowConstraint{Weekday: day - 1, N: n}, err
}

// values reads an item that names the same values always: *, 5, 1-5, */10, 0/15, 1-31/2.
func (f field) values(item string) ([]int, error) {
	span, step, stepped := strings.Cut(item, "/")
	low, high, every := f.min, f.max, 1
	if span != "*" {
		first, last, ranged := strings.Cut(span, "-")
		var err error
		if low, err = f.number(first); err != nil {
			return nil, err
		}
		if ranged {
			if high, err = f.number(last); err != nil {
				return nil, err
			}
		} else if !stepped {
			high = low
		}
	}
	if stepped {
		n, err := strconv.ParseUint(step, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%q is no step: write a whole number of at least 1 behind the /", step)
		}
		every = int(n)
	}
	size := f.max - f.min + 1
	if high < low { // over the end: FRI-MON
		if f.min == firstYear {
			return nil, fmt.Errorf("%s ends before it begins", span)
		}
		high += size
	}
	var values []int
	for v := low; v <= high; v += every {
		values = append(values, f.min+(v-f.min)%size)
	}
	return values, nil
}

// number reads a value of the field, a number or a name.
func (f field) number(text string) (int, error) {
	if i := strings.Index(f.names, text); len(text) == 3 && i >= 0 && i%3 == 0 {
		return f.min + i/3, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is no value", text)
	}
	if int(n) < f.min || int(n) > f.max {
		return 0, fmt.Errorf("%d is not in %d-%d", n, f.min, f.max)
	}
	return int(n), nil
}
