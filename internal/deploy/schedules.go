package deploy

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/schedule"
)

// compareSchedules compares what functions are invoked by at times. Groups come
// before their schedules, and go after them.
func (s *session) compareSchedules(ctx context.Context, seen func(any)) (removals []func(context.Context) error, err error) {
	w, h := s.want.Events, s.have.Events
	if s.schedules == nil {
		leaveOut(s, "schedule group", w.ScheduleGroups)
		leaveOut(s, "schedule", w.Schedules)
		leaveOut(s, "rule", w.Rules)
		return nil, nil
	}
	groups, err := compareResources(ctx, s, s.groupService(), w.ScheduleGroups, h.ScheduleGroups, seen)
	if err != nil {
		return nil, err
	}
	schedules, err := compareResources(ctx, s, s.scheduleService(), w.Schedules, h.Schedules, seen)
	if err != nil {
		return nil, err
	}
	rules, err := compareResources(ctx, s, s.ruleService(), w.Rules, h.Rules, seen)
	return slices.Concat(rules, schedules, groups), err
}

func (s *session) groupService() service[pinfold.ScheduleGroup] {
	name := func(g pinfold.ScheduleGroup) string { return g.Name }
	return service[pinfold.ScheduleGroup]{
		noun: "schedule group", id: name, title: name,
		words: func(g pinfold.ScheduleGroup) map[string]string {
			words := map[string]string{}
			addTags(words, g.Tags)
			return words
		},
		get: func(ctx context.Context, g pinfold.ScheduleGroup) (*pinfold.ScheduleGroup, error) {
			have, err := s.schedules.Group(ctx, g.Name)
			return &have, err
		},
		put: func(ctx context.Context, want pinfold.ScheduleGroup, have *pinfold.ScheduleGroup) error {
			if have != nil {
				return s.schedules.SetGroupTags(ctx, want.Name, maps.Clone(want.Tags))
			}
			_, err := s.schedules.CreateGroup(ctx, want)
			return err
		},
		remove: func(ctx context.Context, g pinfold.ScheduleGroup) error { return s.schedules.DeleteGroup(ctx, g.Name) },
	}
}

func (s *session) scheduleService() service[pinfold.Schedule] {
	return service[pinfold.Schedule]{
		noun: "schedule", id: func(n pinfold.Schedule) string { return n.Group + "/" + n.Name }, title: scheduleTitle,
		brief: func(n pinfold.Schedule) []string { return []string{n.Expression, nameOfTarget(n.Target.ARN)} },
		words: scheduleWords,
		get: func(ctx context.Context, n pinfold.Schedule) (*pinfold.Schedule, error) {
			have, err := s.schedules.Schedule(ctx, n.Group, n.Name)
			return &have, err
		},
		put: func(ctx context.Context, want pinfold.Schedule, have *pinfold.Schedule) (err error) {
			if have != nil {
				_, err = s.schedules.SetSchedule(ctx, want)
				return err
			}
			_, err = s.schedules.CreateSchedule(ctx, want)
			return err
		},
		remove: func(ctx context.Context, n pinfold.Schedule) error {
			return s.schedules.DeleteSchedule(ctx, n.Group, n.Name)
		},
		check: func(ctx context.Context, n pinfold.Schedule) error { return s.checkTarget(ctx, n.Target) },
	}
}

// scheduleTitle is a schedule's name, with that of its group if it has one.
func scheduleTitle(n pinfold.Schedule) string {
	if n.Group == schedule.DefaultGroup {
		return n.Name
	}
	return n.Group + "/" + n.Name
}

func scheduleWords(n pinfold.Schedule) map[string]string {
	words := map[string]string{
		"expression": n.Expression, "time zone": n.Zone, "start": date(n.Start), "end": date(n.End), "window": n.Window.String(),
		"enabled": strconv.FormatBool(!n.Disabled), "description": n.Description, "missed": string(n.Missed), "KMS key": n.KMSKey, "delete after": strconv.FormatBool(n.DeleteAfter),
	}
	maps.Copy(words, targetWords(n.Target))
	return words
}

func (s *session) ruleService() service[pinfold.Rule] {
	name := func(r pinfold.Rule) string { return r.Name }
	return service[pinfold.Rule]{
		noun: "rule", id: name, title: name,
		brief: func(r pinfold.Rule) []string {
			brief := []string{r.Expression}
			for _, t := range r.Targets {
				brief = append(brief, nameOfTarget(t.ARN))
			}
			return brief
		},
		words: ruleWords,
		get: func(ctx context.Context, r pinfold.Rule) (*pinfold.Rule, error) {
			have, err := s.schedules.Rule(ctx, r.Bus, r.Name)
			return &have, err
		},
		put:    s.putRule,
		remove: s.removeRule,
		check: func(ctx context.Context, r pinfold.Rule) error {
			for _, t := range r.Targets {
				if err := s.checkTarget(ctx, t); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// putRule makes a rule and its targets as they are wanted.
func (s *session) putRule(ctx context.Context, want pinfold.Rule, have *pinfold.Rule) error {
	if _, err := s.schedules.SetRule(ctx, want); err != nil {
		return err
	}
	if have != nil {
		if err := s.removeTargets(ctx, *have, want.Targets); err != nil {
			return err
		}
		if err := s.schedules.SetRuleTags(ctx, want.Bus, want.Name, maps.Clone(want.Tags)); err != nil {
			return err
		}
	}
	if len(want.Targets) == 0 {
		return nil
	}
	return s.schedules.PutTargets(ctx, want.Bus, want.Name, want.Targets)
}

func (s *session) removeRule(ctx context.Context, r pinfold.Rule) error {
	have, err := s.schedules.Rule(ctx, r.Bus, r.Name)
	if err != nil {
		return err
	}
	if err := s.removeTargets(ctx, have, nil); err != nil {
		return err
	}
	return s.schedules.DeleteRule(ctx, r.Bus, r.Name)
}

// removeTargets removes those targets of a rule that are not among others.
func (s *session) removeTargets(ctx context.Context, r pinfold.Rule, others []pinfold.ScheduleTarget) error {
	var ids []string
	for _, t := range r.Targets {
		if !slices.ContainsFunc(others, func(o pinfold.ScheduleTarget) bool { return o.ID == t.ID }) {
			ids = append(ids, t.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	_, err := s.schedules.RemoveTargets(ctx, r.Bus, r.Name, ids)
	return err
}

func ruleWords(r pinfold.Rule) map[string]string {
	words := map[string]string{
		"expression": r.Expression, "enabled": strconv.FormatBool(!r.Disabled), "description": r.Description, "missed": string(r.Missed), "role": r.Role,
	}
	for _, t := range r.Targets {
		maps.Copy(words, targetWords(t))
	}
	addTags(words, r.Tags)
	return words
}

// targetWords says what a target is like. Those of a rule have IDs.
func targetWords(t pinfold.ScheduleTarget) map[string]string {
	words := map[string]string{
		"role": t.Role, "input": t.Input, "input path": t.InputPath, "input template": t.InputTemplate,
		"message group": t.MessageGroup, "dead letters": t.DeadLetter,
	}
	if len(t.InputPathsMap) > 0 {
		words["input paths"] = text(t.InputPathsMap)
	}
	if t.MaximumEventAge != nil {
		words["maximum age"] = t.MaximumEventAge.Duration().String()
	}
	if t.MaximumRetries != nil {
		words["retries"] = strconv.Itoa(*t.MaximumRetries)
	}
	of := strings.TrimSpace("target " + t.ID)
	named := map[string]string{of: t.ARN}
	for word, value := range words {
		named[word+" of "+of] = value
	}
	return named
}

// nameOfTarget returns the name of the function or the queue that an ARN is of, and
// anything else as it is.
func nameOfTarget(text string) string {
	arn, ok := pinfold.ParseARN(text)
	if !ok {
		return text
	}
	return strings.TrimPrefix(arn.Resource, "function:")
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// checkTarget makes sure that what a schedule leads to is there, or comes with the
// application: AWS does not look, and a schedule that leads nowhere says nothing.
func (s *session) checkTarget(ctx context.Context, t pinfold.ScheduleTarget) error {
	arn, ok := pinfold.ParseARN(t.ARN)
	switch {
	case !ok:
		return pinfold.Errorf(pinfold.Invalid, "%q is not the ARN of a function or of a queue", t.ARN)
	case arn.Service == "lambda":
		ref, err := pinfold.ParseFunctionRef(t.ARN, pinfold.Scope{Account: s.d.Target.Account, Region: s.d.Target.Region})
		if err != nil {
			return err
		}
		return s.checkFunction(ctx, ref)
	case arn.Service == "sqs":
		return s.checkQueue(ctx, t.ARN)
	}
	return pinfold.Errorf(pinfold.Unserved, "%s is neither a function nor a queue", t.ARN)
}
