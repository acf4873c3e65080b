package schedule

import (
	"cmp"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/timetable"
)

// row is a schedule or a rule, as far as keeping time goes: one of both is there.
type row struct {
	ref
	schedule *pinfold.Schedule
	rule     *pinfold.Rule
}

// row reads a schedule or a rule.
func (s *Service) row(tx store.Tx, r ref) (row, error) {
	if r.rule {
		rule, err := tx.Rules().Get(s.key(r.group, r.name))
		return row{ref: r, rule: &rule}, err
	}
	n, err := tx.Schedules().Get(s.key(r.group, r.name))
	return row{ref: r, schedule: &n}, err
}

// rows reads all schedules and rules.
func (s *Service) rows(tx store.Tx) (all []row, err error) {
	schedules, err := tx.Schedules().List(s.key(), nil, 0)
	if err != nil {
		return nil, err
	}
	rules, err := tx.Rules().List(s.key(), nil, 0)
	for _, n := range schedules {
		all = append(all, row{ref: ref{false, n.Value.Group, n.Value.Name}, schedule: &n.Value})
	}
	for _, r := range rules {
		all = append(all, row{ref: ref{true, r.Value.Bus, r.Value.Name}, rule: &r.Value})
	}
	return all, err
}

// put stores the row where it was read.
func (r row) put(s *Service, tx store.Tx) error {
	if r.rule != nil {
		return tx.Rules().Put(s.key(r.group, r.name), *r.rule)
	}
	return tx.Schedules().Put(s.key(r.group, r.name), *r.schedule)
}

func (r row) arn() string {
	if r.rule != nil {
		return r.rule.ARN()
	}
	return r.schedule.ARN()
}

func (r row) disabled() bool {
	if r.rule != nil {
		return r.rule.Disabled
	}
	return r.schedule.Disabled
}

func (r row) since() time.Time {
	if r.rule != nil {
		return r.rule.Since
	}
	return r.schedule.Since
}

// unsent is where the row has what it has not sent.
func (r row) unsent() *[]pinfold.Unsent {
	if r.rule != nil {
		return &r.rule.Unsent
	}
	return &r.schedule.Unsent
}

// change is where the row has the number of its last change.
func (r row) change() *int64 {
	if r.rule != nil {
		return &r.rule.Change
	}
	return &r.schedule.Change
}

func (r row) targets() []pinfold.ScheduleTarget {
	if r.rule != nil {
		return r.rule.Targets
	}
	return []pinfold.ScheduleTarget{r.schedule.Target}
}

// target returns the target of an ID.
func (r row) target(id string) (pinfold.ScheduleTarget, bool) {
	for _, t := range r.targets() {
		if t.ID == id || r.schedule != nil {
			return t, true
		}
	}
	return pinfold.ScheduleTarget{}, false
}

// spec is what the times of a row follow from: two that are alike have the same.
type spec struct {
	expression, zone           string
	start, end, since, created int64 // in nanoseconds since 1970; of the zero time it is some number, too
	window                     time.Duration
}

func (r row) spec() spec {
	if r.rule != nil {
		return spec{expression: r.rule.Expression, since: r.rule.Since.UnixNano(), created: r.rule.Created.UnixNano()}
	}
	n := r.schedule
	return spec{
		expression: n.Expression, zone: n.Zone, start: n.Start.UnixNano(), end: n.End.UnixNano(),
		since: n.Since.UnixNano(), created: n.Created.UnixNano(), window: n.Window,
	}
}

// skips reports whether what the row has missed is skipped.
func (s *Service) skips(r row) bool {
	missed := s.o.Missed
	if r.rule != nil {
		missed = cmp.Or(r.rule.Missed, missed)
	} else {
		missed = cmp.Or(r.schedule.Missed, missed)
	}
	return missed == pinfold.MissedSkip
}

// times is when something is due, and which of that counts.
type times struct {
	plan   timetable.Schedule
	from   time.Time // due times count that are later
	window time.Duration
	key    string // of the spread over the window
	skip   bool   // what is missed
}

// times returns when the row is due. A schedule is due at the very time that it is
// made, if its rate has no other start; a rule is not. Sources: "Rate-based
// schedules", EventBridge Scheduler user guide; "Rate expressions", EventBridge user
// guide.
func (s *Service) times(r row) (times, error) {
	t := times{from: r.since(), key: r.arn(), skip: s.skips(r)}
	var err error
	if r.rule != nil {
		t.plan, err = planOfRule(*r.rule)
		return t, err
	}
	t.plan, err = s.planOf(*r.schedule)
	t.window = r.schedule.Window
	if r.schedule.Since.Equal(r.schedule.Created) {
		t.from = t.from.Add(-1)
	}
	return t, err
}

// grace is by how much a moment may be late before it is missed: AWS promises no
// more than to be within the minute.
const grace = time.Minute

// moment is a time at which something is due, and when in its window it is sent.
type moment struct{ due, at time.Time }

// take returns what is due after a time and by now, and has not been sent, and moves
// the time up to the last of that. Of what was missed it is at most the last, and only
// where nothing else is due. Moments may be ahead of now by the window. sent is the
// mark: what was to be sent by then has been.
func (t times) take(after, sent, now time.Time) (moments []moment, last time.Time, skipped bool) {
	late := now.Add(-grace)
	var missed moment
	see := func(due time.Time) {
		m := moment{due, timetable.Spread(due, t.window, t.key)}
		switch {
		case !m.at.After(sent):
		case m.at.Before(late):
			missed = m
		default:
			moments = append(moments, m)
		}
		after = due
	}
	if due := lastDue(t.plan, after, late.Add(-t.window)); !due.IsZero() {
		see(due)
	}
	for due := t.plan.Next(after); !due.IsZero() && !due.After(now); due = t.plan.Next(due) {
		see(due)
	}
	if !missed.due.IsZero() && len(moments) == 0 {
		if t.skip {
			return nil, after, true
		}
		moments = []moment{missed}
	}
	return moments, after, false
}

// lastDue returns the last time that is due after one and not after another, zero if
// there is none. It takes few steps, however many times there are.
func lastDue(plan timetable.Schedule, after, until time.Time) time.Time {
	due := plan.Next(after)
	if due.IsZero() || due.After(until) {
		return time.Time{}
	}
	for none := until; none.Sub(due) > time.Second; { // due is, and nothing is after none
		middle := due.Add(none.Sub(due) / 2)
		if next := plan.Next(middle); next.IsZero() || next.After(until) {
			none = middle
		} else {
			due = next
		}
	}
	return due
}
