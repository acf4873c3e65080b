package deploy

import (
	"cmp"
	"fmt"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/internal/logs"
)

// compareRetention says in words how the retention of a function's log differs
// from what the application wants, if it wants any or did before. It is no part of
// the transaction, but set after it: logs are kept elsewhere.
func (s *session) compareRetention(want app.Function, seen func(any)) ([]string, error) {
	days := want.LogRetentionDays
	if before := s.previous(want.Name); days == 0 && (before == nil || before.LogRetentionDays == 0) {
		return nil, nil
	}
	function := s.d.ref(want.Name)
	ref := logs.FunctionGroup(function, want.Config.LogGroup)
	if other, ok := s.retention[ref]; ok && other != days {
		return nil, pinfold.Errorf(pinfold.Invalid, "it keeps its log for %s, and another function %s, but both write to the log group %s: give one of them another group or retention",
			retentionWords(days), retentionWords(other), ref.Name)
	}
	s.retention[ref] = days
	group, err := s.d.Logs.Group(ref)
	if err != nil && pinfold.CodeOf(err) != pinfold.NotFound {
		return nil, err
	}
	seen(group.RetentionDays)
	if group.RetentionDays == days {
		return nil, nil
	}
	s.after = append(s.after, func() error { return s.d.Logs.Retain(ref, days) })
	return []string{"log retention " + retentionWords(group.RetentionDays) + " -> " + retentionWords(days)}, nil
}

func retentionWords(days int) string {
	if days == 0 {
		return none
	}
	return fmt.Sprint(days, " days")
}

// settle does what follows the transaction.
func (s *session) settle() error {
	var errs []error
	for _, fn := range s.after {
		errs = append(errs, fn())
	}
	if err := cmp.Or(errs...); err != nil {
		return pinfold.Errorf(pinfold.CodeOf(err), "%s (%s) is deployed, but how long its logs are kept could not be set; deploy it again: %w", s.want.Name, s.want.Stage, err)
	}
	return nil
}
