package schedule

import (
	"context"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/timetable"
)

// CreateSchedule makes a schedule, of which the service says account, region and
// times; without a group it is in the default one. It returns the schedule as it
// is kept. One that is there already is a Conflict, unless a request with the same
// Token has made it.
func (s *Service) CreateSchedule(ctx context.Context, n pinfold.Schedule) (pinfold.Schedule, error) {
	err := s.update(ctx, func(tx store.Tx) ([]ref, error) {
		s.fill(&n)
		if err := s.checkGroup(tx, n.Group); err != nil {
			return nil, err
		}
		old, err := tx.Schedules().Get(s.key(n.Group, n.Name))
		switch {
		case err == nil && n.Token != "" && n.Token == old.Token:
			n = old
			return nil, nil
		case err == nil:
			return nil, pinfold.Errorf(pinfold.Conflict, "Schedule %s already exists.", n.Name).WithReason("ConflictException")
		case pinfold.CodeOf(err) != pinfold.NotFound:
			return nil, err
		}
		n.Created = s.now()
		n.Since, n.Modified, n.Unsent = n.Created, n.Created, nil
		if err := s.checkSchedule(n, pinfold.Schedule{}); err != nil {
			return nil, err
		}
		return []ref{{group: n.Group, name: n.Name}}, tx.Schedules().Put(s.key(n.Group, n.Name), n)
	})
	return n, err
}

// UpdateSchedule replaces what a schedule is by all that is given; what is left out
// has its default again, but for Missed, which AWS's clients do not know. It returns
// the schedule as it is kept.
func (s *Service) UpdateSchedule(ctx context.Context, n pinfold.Schedule) (pinfold.Schedule, error) {
	return s.setSchedule(ctx, n, true)
}

// SetSchedule is UpdateSchedule with Missed, too, as it is given.
func (s *Service) SetSchedule(ctx context.Context, n pinfold.Schedule) (pinfold.Schedule, error) {
	return s.setSchedule(ctx, n, false)
}

func (s *Service) setSchedule(ctx context.Context, n pinfold.Schedule, keepMissed bool) (pinfold.Schedule, error) {
	err := s.update(ctx, func(tx store.Tx) ([]ref, error) {
		s.fill(&n)
		old, err := s.schedule(tx, n.Group, n.Name)
		if err != nil {
			return nil, err
		}
		n.Created, n.Since, n.Modified = old.Created, old.Since, s.now()
		n.Token, n.Unsent = old.Token, old.Unsent
		if n.Missed == "" && keepMissed {
			n.Missed = old.Missed
		}
		sameTimes := n.Expression == old.Expression && n.Zone == old.Zone && n.Start.Equal(old.Start) && n.End.Equal(old.End) && n.Window == old.Window
		if !sameTimes || old.Disabled && !n.Disabled {
			n.Since = n.Modified
		}
		if err := s.checkSchedule(n, old); err != nil {
			return nil, err
		}
		return []ref{{group: n.Group, name: n.Name}}, tx.Schedules().Put(s.key(n.Group, n.Name), n)
	})
	return n, err
}

// DeleteSchedule deletes a schedule. What it has not sent yet is not sent.
func (s *Service) DeleteSchedule(ctx context.Context, group, name string) error {
	return s.update(ctx, func(tx store.Tx) ([]ref, error) {
		n, err := s.schedule(tx, group, name)
		if err != nil {
			return nil, err
		}
		return []ref{{group: n.Group, name: name}}, tx.Schedules().Delete(s.key(n.Group, name))
	})
}

// Schedule returns a schedule; a group of "" is the default one.
func (s *Service) Schedule(ctx context.Context, group, name string) (n pinfold.Schedule, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		n, err = s.schedule(tx, group, name)
		return err
	})
	return n, err
}

func (s *Service) schedule(tx store.Tx, group, name string) (pinfold.Schedule, error) {
	if group == "" {
		group = DefaultGroup
	}
	if err := s.checkGroup(tx, group); err != nil {
		return pinfold.Schedule{}, err
	}
	n, err := tx.Schedules().Get(s.key(group, name))
	return n, orMissing(err, notFound("Schedule %s does not exist.", name))
}

// ScheduleQuery selects schedules. A zero field asks for all.
type ScheduleQuery struct {
	Group    string
	Prefix   string // of the name
	Enabled  bool   // only those that are
	Disabled bool   // only those that are
	Page     Page
}

// Schedules lists schedules by group and name, and returns the token of the next
// page or "".
func (s *Service) Schedules(ctx context.Context, q ScheduleQuery) (found []pinfold.Schedule, next string, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		prefix := s.key()
		if q.Group != "" {
			if err := s.checkGroup(tx, q.Group); err != nil {
				return err
			}
			prefix = s.key(q.Group)
		}
		found, next, err = list(tx.Schedules(), prefix, q.Page, func(n pinfold.Schedule) bool {
			return strings.HasPrefix(n.Name, q.Prefix) && !(q.Enabled && n.Disabled) && !(q.Disabled && !n.Disabled)
		})
		return err
	})
	return found, next, err
}

func (s *Service) fill(n *pinfold.Schedule) {
	n.Account, n.Region = s.o.Scope.Account, s.o.Scope.Region
	if n.Group == "" {
		n.Group = DefaultGroup
	}
	n.Start, n.End = n.Start.UTC(), n.End.UTC()
}

// checkSchedule holds a schedule against AWS's rules; old is what it was before.
// AWS's words are recorded in localstack/localstack, tests/aws/services/scheduler,
// and quoted in public issues.
func (s *Service) checkSchedule(n, old pinfold.Schedule) error {
	if err := checkName(n.Name, "name"); err != nil {
		return err
	}
	if len([]rune(n.Description)) > maxDescription {
		return constraint(n.Description, "description", "Member must have length less than or equal to 512")
	}
	plan, err := s.planOf(n)
	switch {
	case err != nil:
		return err
	case n.Window < 0 || n.Window > 24*time.Hour || n.Window%time.Minute != 0:
		return constraint(n.Window, "flexibleTimeWindow.maximumWindowInMinutes", "Member must be between 1 and 1440")
	case !n.Start.IsZero() && !n.End.IsZero() && !n.Start.Before(n.End):
		return invalid("The StartDate you specify must come before the EndDate.")
	case !plan.Once() && !n.Start.IsZero() && !n.Start.Equal(old.Start) && n.Start.Before(s.now().Add(-5*time.Minute)):
		return invalid("The StartDate you specify cannot be earlier than 5 minutes ago.")
	case !plan.Once() && plan.Next(time.Time{}).IsZero():
		return invalid("Invalid Schedule Expression %s. (it is never due between StartDate and EndDate)", n.Expression)
	}
	if err := checkMissed(n.Missed); err != nil {
		return err
	}
	return s.checkScheduleTarget(n.Target)
}

func checkMissed(p pinfold.MissedPolicy) error {
	if p != "" && p != pinfold.MissedOnce && p != pinfold.MissedSkip {
		return invalid("%q is no policy for what was missed: write once or skip", p)
	}
	return nil
}

// planOf returns when a schedule is due. Rates count from its start.
func (s *Service) planOf(n pinfold.Schedule) (timetable.Schedule, error) {
	plan, err := s.shared.zones.Parse(n.Expression, n.Zone)
	start := n.Start
	if start.IsZero() {
		start = n.Since
	}
	return plan.Between(start, n.End), err
}
