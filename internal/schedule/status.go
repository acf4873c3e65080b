package schedule

import (
	"context"
	"time"

	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/timetable"
)

// Result is how a moment went, last.
type Result struct {
	At    time.Time `json:"at"`
	Due   time.Time `json:"due"`
	Error string    `json:"error,omitempty"` // "": the message is where it should be
}

func (s *shared) result(of ref, r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results[of] = r
}

func (s *shared) forget(r ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.results, r)
}

// Status is a schedule or a rule and how it is doing, for people.
type Status struct {
	Name       string    `json:"name"`
	Kind       string    `json:"kind"`  // schedule or rule
	Group      string    `json:"group"` // of schedules, or bus
	ARN        string    `json:"arn"`
	Expression string    `json:"expression"`
	Zone       string    `json:"zone,omitempty"`
	Enabled    bool      `json:"enabled"`
	Next       time.Time `json:"next,omitzero"` // when it is sent next; absent: never, as far as is known
	Targets    []string  `json:"targets"`       // ARNs
	Unsent     int       `json:"unsent,omitempty"`
	Last       *Result   `json:"last,omitempty"` // since the server started
}

// Statuses lists everything that is due at some time, schedules first, each by group
// and name.
func (s *Service) Statuses(ctx context.Context) ([]Status, error) {
	var rows []row
	if err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		rows, err = s.rows(tx)
		return err
	}); err != nil {
		return nil, err
	}
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	all := make([]Status, 0, len(rows))
	for _, r := range rows {
		st := Status{Name: r.name, Kind: "schedule", Group: r.group, ARN: r.arn(), Enabled: !r.disabled(), Unsent: len(*r.unsent()), Targets: []string{}}
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
