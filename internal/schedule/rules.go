package schedule

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/eventpattern"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/timetable"
)

// DefaultBus is the bus that is always there. Rules with a schedule are of no other.
const DefaultBus = "default"

// PutRule makes a rule, or replaces what it is by all that is given: what is left
// out has its default again, but for targets, tags and Missed, which it keeps. The
// service says account, region and times. pattern is the EventPattern of the
// request, which is checked, and not served.
func (s *Service) PutRule(ctx context.Context, r pinfold.Rule, pattern string) (pinfold.Rule, error) {
	return s.setRule(ctx, r, pattern, true)
}

// SetRule is PutRule with Missed, too, as it is given.
func (s *Service) SetRule(ctx context.Context, r pinfold.Rule) (pinfold.Rule, error) {
	return s.setRule(ctx, r, "", false)
}

func (s *Service) setRule(ctx context.Context, r pinfold.Rule, pattern string, keepMissed bool) (pinfold.Rule, error) {
	err := s.update(ctx, func(tx store.Tx) ([]ref, error) {
		r.Account, r.Region = s.o.Scope.Account, s.o.Scope.Region
		if r.Bus == "" {
			r.Bus = DefaultBus
		}
		if err := s.checkRule(r, pattern); err != nil {
			return nil, err
		}
		old, err := tx.Rules().Get(s.key(r.Bus, r.Name))
		r.Modified = s.now()
		switch {
		case err == nil:
			r.Created, r.Since, r.Targets, r.Tags, r.Unsent = old.Created, old.Since, old.Targets, old.Tags, old.Unsent
			if r.Missed == "" && keepMissed {
				r.Missed = old.Missed
			}
			if r.Expression != old.Expression || old.Disabled && !r.Disabled {
				r.Since = r.Modified
			}
		case pinfold.CodeOf(err) == pinfold.NotFound:
			r.Created, r.Since, r.Targets, r.Unsent = r.Modified, r.Modified, nil, nil
			if err := checkTags(r.Tags); err != nil {
				return nil, err
			}
		default:
			return nil, err
		}
		if plan, err := planOfRule(r); err != nil || r.Expression != old.Expression && plan.Next(r.Since).IsZero() {
			return nil, cmp.Or(err, invalid("Parameter ScheduleExpression is not valid. (%s: it is not due any more)", r.Expression))
		}
		return s.put(tx, r)
	})
	return r, err
}

// checkRule holds a rule against AWS's rules. AWS's words are recorded in
// localstack/localstack, tests/aws/services/events.
func (s *Service) checkRule(r pinfold.Rule, pattern string) error {
	if err := checkName(r.Name, "name"); err != nil {
		return err
	}
	if err := CheckBus(r.Bus); err != nil {
		return err
	}
	switch {
	case len([]rune(r.Description)) > maxDescription:
		return constraint(r.Description, "description", "Member must have length less than or equal to 512")
	case pattern == "" && r.Expression == "":
		return invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	case pattern != "":
		if _, err := eventpattern.Compile([]byte(pattern)); err != nil {
			return err
		}
		return unserved("EventPattern is not served by Pinfold: rules have a ScheduleExpression; to filter what a queue has for a function use FilterCriteria of its event source mapping")
	}
	if _, err := timetable.ParseRule(r.Expression); err != nil {
		return err
	}
	return checkMissed(r.Missed)
}

// CheckBus returns an error of code NotFound for a bus that is not there.
func CheckBus(name string) error {
	if name != "" && name != DefaultBus {
		return notFound("Event bus %s does not exist.", name)
	}
	return nil
}

func (s *Service) put(tx store.Tx, r pinfold.Rule) ([]ref, error) {
	return []ref{{true, r.Bus, r.Name}}, tx.Rules().Put(s.key(r.Bus, r.Name), r)
}

// DeleteRule deletes a rule. One that is not there is no error, one that has targets
// is.
func (s *Service) DeleteRule(ctx context.Context, bus, name string) error {
	return s.update(ctx, func(tx store.Tx) ([]ref, error) {
		r, err := s.rule(tx, bus, name)
		switch {
		case pinfold.CodeOf(err) == pinfold.NotFound && CheckBus(bus) == nil:
			return nil, nil
		case err != nil:
			return nil, err
		case len(r.Targets) > 0:
			return nil, invalid("Rule can't be deleted since it has targets.")
		}
		return []ref{{true, r.Bus, r.Name}}, tx.Rules().Delete(s.key(r.Bus, r.Name))
	})
}

// Rule returns a rule; a bus of "" is the default one.
func (s *Service) Rule(ctx context.Context, bus, name string) (r pinfold.Rule, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		r, err = s.rule(tx, bus, name)
		return err
	})
	return r, err
}

func (s *Service) rule(tx store.Tx, bus, name string) (pinfold.Rule, error) {
	if err := CheckBus(bus); err != nil {
		return pinfold.Rule{}, err
	}
	r, err := tx.Rules().Get(s.key(DefaultBus, name))
	return r, orMissing(err, notFound("Rule %s does not exist on EventBus %s.", name, DefaultBus))
}

// Rules lists the rules of a bus whose name has a prefix, by name, and returns the
// token of the next page or "".
func (s *Service) Rules(ctx context.Context, bus, prefix string, p Page) (found []pinfold.Rule, next string, err error) {
	if err := CheckBus(bus); err != nil {
		return nil, "", err
	}
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		found, next, err = list(tx.Rules(), s.key(DefaultBus), p, func(r pinfold.Rule) bool { return strings.HasPrefix(r.Name, prefix) })
		return err
	})
	return found, next, err
}

// RuleNames lists the names of the rules that have a target of an ARN.
func (s *Service) RuleNames(ctx context.Context, bus, target string, p Page) (names []string, next string, err error) {
	if err := CheckBus(bus); err != nil {
		return nil, "", err
	}
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		found, token, err := list(tx.Rules(), s.key(DefaultBus), p, func(r pinfold.Rule) bool {
			return slices.ContainsFunc(r.Targets, func(t pinfold.ScheduleTarget) bool { return t.ARN == target })
		})
		for _, r := range found {
			names = append(names, r.Name)
		}
		next = token
		return err
	})
	return names, next, err
}

// EnableRule has a rule due again or, with false, due no more.
func (s *Service) EnableRule(ctx context.Context, bus, name string, enabled bool) error {
	return s.changeRule(ctx, bus, name, func(r *pinfold.Rule) error {
		if enabled && r.Disabled {
			r.Since = s.now()
		}
		r.Disabled = !enabled
		return nil
	})
}

func (s *Service) changeRule(ctx context.Context, bus, name string, change func(*pinfold.Rule) error) error {
	return s.update(ctx, func(tx store.Tx) ([]ref, error) {
		r, err := s.rule(tx, bus, name)
		if err != nil {
			return nil, err
		}
		if err := change(&r); err != nil {
			return nil, err
		}
		r.Modified = s.now()
		return s.put(tx, r)
	})
}

// TagRule adds tags to a rule or replaces their values.
func (s *Service) TagRule(ctx context.Context, bus, name string, tags map[string]string) error {
	return s.changeRuleTags(ctx, bus, name, func(now map[string]string) { maps.Copy(now, tags) })
}

// UntagRule removes tags of a rule. Keys that it does not have are no error.
func (s *Service) UntagRule(ctx context.Context, bus, name string, keys []string) error {
	return s.changeRuleTags(ctx, bus, name, func(now map[string]string) {
		maps.DeleteFunc(now, func(key, _ string) bool { return slices.Contains(keys, key) })
	})
}

// SetRuleTags makes a rule's tags the given ones.
func (s *Service) SetRuleTags(ctx context.Context, bus, name string, tags map[string]string) error {
	return s.changeRuleTags(ctx, bus, name, func(now map[string]string) {
		clear(now)
		maps.Copy(now, tags)
	})
}

func (s *Service) changeRuleTags(ctx context.Context, bus, name string, change func(map[string]string)) error {
	return s.changeRule(ctx, bus, name, func(r *pinfold.Rule) error {
		r.Tags = changed(r.Tags, change)
		return checkTags(r.Tags)
	})
}

// TestPattern reports whether an event, as buses have it, meets a pattern. It is
// TestEventPattern of EventBridge.
func TestPattern(pattern, event string) (bool, error) {
	p, err := eventpattern.Compile([]byte(pattern))
	if err != nil {
		return false, err
	}
	if err := checkEvent([]byte(event)); err != nil {
		return false, err
	}
	return p.Match([]byte(event))
}

// planOfRule returns when a rule is due. Rates count from when it was made, enabled
// or given another one.
func planOfRule(r pinfold.Rule) (timetable.Schedule, error) {
	plan, err := timetable.ParseRule(r.Expression)
	return plan.Between(r.Since, time.Time{}), err
}
