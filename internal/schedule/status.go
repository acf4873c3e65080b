package schedule

import (
	"context"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/timetable"
)

func (s *shared) result(of ref, r pinfold.ScheduleResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results[of] = r
}

func (s *shared) forget(r ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.results, r)
}

// Totals are sums over all schedules and rules; those of events since the start.
type Totals struct {
	Kept    int    // schedules and rules that time is kept for
	Sent    uint64 // events that have reached their target
	Retried uint64 // attempts that failed and are made again
	Buried  uint64 // events that their dead-letter queue has got instead
	Lost    uint64 // events that could not be sent at all
}

// Totals adds up. It is cheap.
func (s *Service) Totals() Totals {
	n := func(kind outcomeKind) uint64 { return s.shared.ended[kind].Load() }
	return Totals{Kept: int(s.shared.kept.Load()), Sent: n(sent), Retried: n(again), Buried: n(buried), Lost: n(lost)}
}

// Statuses lists everything that is due at some time, schedules first, each by group
// and name.
func (s *Service) Statuses(ctx context.Context) ([]pinfold.ScheduleStatus, error) {
	var rows []row
	if err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		rows, err = s.rows(tx)
		return err
	}); err != nil {
		return nil, err
	}
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	all := make([]pinfold.ScheduleStatus, 0, len(rows))
	for _, r := range rows {
		st := pinfold.ScheduleStatus{Name: r.name, Kind: "schedule", Group: r.group, ARN: r.arn(), Enabled: !r.disabled(), Unsent: len(*r.unsent()), Targets: []string{}}
		if r.rule != nil {
			st.Kind, st.Expression = "rule", r.rule.Expression
		} else {
			st.Expression, st.Zone = r.schedule.Expression, r.schedule.Zone
		}
		for _, t := range r.targets() {
			st.Targets = append(st.Targets, t.ARN)
		}
		if t, err := s.times(r); err == nil && st.Enabled {
			if due := t.plan.Next(later(s.o.Now(), t.from)); !due.IsZero() {
				st.Next = timetable.Spread(due, t.window, t.key)
			}
		}
		if last, ok := s.shared.results[r.ref]; ok {
			st.Last = &last
		}
		all = append(all, st)
	}
	return all, nil
}
