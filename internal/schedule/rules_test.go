package schedule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/schedule"
)

// Codes, names and words of errors. Those of AWS are recorded in
// localstack/localstack and getmoto/moto, or quoted in public issues.
func TestRefusals(t *testing.T) {
	inHouse(t, func(h *house) {
		ctx := h.t.Context()
		h.create(pinfold.Schedule{Name: "there", Expression: "rate(1 hour)", Token: "a"})
		h.rule("there", "rate(1 hour)", pinfold.ScheduleTarget{ID: "1", ARN: fn})
		now := time.Now()
		valid := func(change func(*pinfold.Schedule)) pinfold.Schedule {
			n := pinfold.Schedule{Name: "n", Expression: "rate(1 hour)", Target: pinfold.ScheduleTarget{ARN: fn}}
			change(&n)
			return n
		}
		const no, bad, quiet = "ResourceNotFoundException", "ValidationException", pinfold.Invalid
		for _, c := range []struct {
			change       func(*pinfold.Schedule)
			code         pinfold.Code
			reason, says string
		}{
			{func(n *pinfold.Schedule) { n.Name = "there" }, pinfold.Conflict, "ConflictException", "Schedule there already exists."},
			{func(n *pinfold.Schedule) { n.Name, n.Token = "there", "b" }, pinfold.Conflict, "ConflictException", "Schedule there already exists."},
			{func(n *pinfold.Schedule) { n.Name = "" }, quiet, bad, "Value '' at 'name' failed"},
			{func(n *pinfold.Schedule) { n.Name = "a/b" }, quiet, bad, "Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$"},
			{func(n *pinfold.Schedule) { n.Name = strings.Repeat("x", 65) }, quiet, bad, "length less than or equal to 64"},
			{func(n *pinfold.Schedule) { n.Description = strings.Repeat("ä", 513) }, quiet, bad, "length less than or equal to 512"},
			{func(n *pinfold.Schedule) { n.Group = "none" }, pinfold.NotFound, no, "Schedule group none does not exist."},
			{func(n *pinfold.Schedule) { n.Expression = "rate(10 seconds)" }, quiet, bad, "Invalid Schedule Expression rate(10 seconds)."},
			{func(n *pinfold.Schedule) { n.Expression = "cron(0 0 30 2 ? *)" }, quiet, bad, "it is never due"},
			{func(n *pinfold.Schedule) { n.Zone = "Nowhere" }, quiet, bad, "Invalid Schedule Expression Timezone Nowhere."},
			{func(n *pinfold.Schedule) { n.Window = 30 * time.Second }, quiet, bad, "maximumWindowInMinutes"},
			{func(n *pinfold.Schedule) { n.Window = 25 * time.Hour }, quiet, bad, "maximumWindowInMinutes"},
			{func(n *pinfold.Schedule) { n.Start, n.End = now.Add(2*time.Hour), now.Add(2*time.Hour) }, quiet, bad, "The StartDate you specify must come before the EndDate."},
			{func(n *pinfold.Schedule) { n.Start = now.Add(-6 * time.Minute) }, quiet, bad, "The StartDate you specify cannot be earlier than 5 minutes ago."},
			{func(n *pinfold.Schedule) { n.End = now.Add(-time.Hour) }, quiet, bad, "it is never due between StartDate and EndDate"},
			{func(n *pinfold.Schedule) { n.Missed = "often" }, quiet, bad, "write once or skip"},
			{func(n *pinfold.Schedule) { n.Target.ARN = "work" }, quiet, bad, "Provided Arn is not in correct format."},
			{func(n *pinfold.Schedule) { n.Target.ARN = "arn:aws:scheduler:::aws-sdk:sqs:sendMessage" }, pinfold.Unserved, bad, "The universal target arn:aws:scheduler:::aws-sdk:sqs:sendMessage is not served by Pinfold"},
			{func(n *pinfold.Schedule) { n.Target.ARN = "arn:aws:sns:eu-west-1:123456789012:topic" }, pinfold.Unserved, bad, "Targets of the service sns are not served by Pinfold"},
			{func(n *pinfold.Schedule) { n.Target.ARN = strings.Replace(fn, "eu-west-1", "us-east-1", 1) }, quiet, bad, "The target ARN provided does not match the current region eu-west-1."},
			{func(n *pinfold.Schedule) { n.Target.ARN = ordered }, quiet, bad, "Parameters SqsParameters must be specified"},
			{func(n *pinfold.Schedule) { n.Target.ARN, n.Target.MessageGroup = line, "g" }, quiet, bad, "Parameters MessageGroupId not valid for the target"},
			{func(n *pinfold.Schedule) { n.Target.MessageGroup = "g" }, quiet, bad, "Parameters SqsParameters not supported for the target"},
			{func(n *pinfold.Schedule) { n.Target.Input = "no json" }, quiet, bad, "JSON syntax error in input for the target."},
			{func(n *pinfold.Schedule) { n.Target.Input = `"` + strings.Repeat("x", 256000) + `"` }, quiet, bad, "at most 256000"},
			{func(n *pinfold.Schedule) { n.Target.DeadLetter = ordered }, quiet, bad, "SQS FIFO is not supported by Dead Letter Queues"},
			{func(n *pinfold.Schedule) { n.Target.DeadLetter = fn }, quiet, bad, "lambda is not supported as a dead letter resource"},
			{func(n *pinfold.Schedule) { n.Target.MaximumEventAge = new(pinfold.Seconds(59)) }, quiet, bad, "between 60 and 86400"},
			{func(n *pinfold.Schedule) { n.Target.MaximumRetries = new(186) }, quiet, bad, "between 0 and 185"},
		} {
			_, err := h.CreateSchedule(ctx, valid(c.change))
			refused(t, err, c.code, c.reason, c.says)
		}
		_, err := h.UpdateSchedule(ctx, valid(func(*pinfold.Schedule) {}))
		refused(t, err, pinfold.NotFound, no, "Schedule n does not exist.")
		refused(t, h.DeleteSchedule(ctx, "", "n"), pinfold.NotFound, no, "Schedule n does not exist.")
		refused(t, h.DeleteSchedule(ctx, "g", "n"), pinfold.NotFound, no, "Schedule group g does not exist.")
		_, _, err = h.Schedules(ctx, schedule.ScheduleQuery{Group: "g"})
		refused(t, err, pinfold.NotFound, no, "Schedule group g does not exist.")
		_, _, err = h.Schedules(ctx, schedule.ScheduleQuery{Page: schedule.Page{Token: "x"}})
		refused(t, err, quiet, bad, "Invalid NextToken")

		_, err = h.CreateGroup(ctx, pinfold.ScheduleGroup{Name: "default"})
		refused(t, err, quiet, bad, "This operation cannot be performed on schedule group default.")
		refused(t, h.DeleteGroup(ctx, "default"), quiet, bad, "This operation cannot be performed on schedule group default.")
		refused(t, h.DeleteGroup(ctx, "g"), pinfold.NotFound, no, "Schedule group g does not exist.")
		refused(t, h.TagGroup(ctx, "default", map[string]string{"aws:x": "y"}), quiet, bad, "The tag key aws:x cannot be used")

		for _, c := range []struct {
			rule         pinfold.Rule
			pattern      string
			code         pinfold.Code
			reason, says string
		}{
			{pinfold.Rule{Name: "n"}, "", quiet, bad, "Parameter(s) EventPattern or ScheduleExpression must be specified."},
			{pinfold.Rule{Name: "n", Expression: "rate(1 minutes)"}, "", quiet, bad, "Parameter ScheduleExpression is not valid."},
			{pinfold.Rule{Name: "n", Expression: "cron(0 0 * * ? 1980)"}, "", quiet, bad, "Parameter ScheduleExpression is not valid. (cron(0 0 * * ? 1980): it is not due any more)"},
			{pinfold.Rule{Name: "n", Expression: "at(2030-01-01T00:00:00)"}, "", quiet, bad, "Parameter ScheduleExpression is not valid."},
			{pinfold.Rule{Name: "n", Bus: "mine", Expression: "rate(1 minute)"}, "", pinfold.NotFound, no, "Event bus mine does not exist."},
			{pinfold.Rule{Name: "n"}, `{"a":[]}`, quiet, "InvalidEventPatternException", "Event pattern is not valid."},
			{pinfold.Rule{Name: "n"}, `{"source":["x"]}`, pinfold.Unserved, bad, "EventPattern is not served by Pinfold"},
		} {
			_, err := h.PutRule(ctx, c.rule, c.pattern)
			refused(t, err, c.code, c.reason, c.says)
		}
		refused(t, h.DeleteRule(ctx, "", "there"), quiet, bad, "Rule can't be deleted since it has targets.")
		refused(t, h.EnableRule(ctx, "", "n", true), pinfold.NotFound, no, "Rule n does not exist on EventBus default.")
		if err := h.DeleteRule(ctx, "", "n"); err != nil {
			t.Errorf("deleting a rule that is not there: %v", err)
		}
		for _, c := range []struct {
			target       pinfold.ScheduleTarget
			reason, says string
		}{
			{pinfold.ScheduleTarget{ID: "t", ARN: "work"}, bad, "Parameter work is not valid. Reason: Provided Arn is not in correct format."},
			{pinfold.ScheduleTarget{ID: "a b", ARN: fn}, bad, "at 'targets.member.id'"},
			{pinfold.ScheduleTarget{ID: "t", ARN: ordered}, bad, "Parameter(s) SqsParameters must be specified for target: t."},
			{pinfold.ScheduleTarget{ID: "t", ARN: fn, Input: "{}", InputPath: "$"}, bad, "Only one of Input, InputPath, or InputTransformer must be provided for target t."},
			{pinfold.ScheduleTarget{ID: "t", ARN: fn, Input: "{"}, bad, "JSON syntax error in input for target t."},
			{pinfold.ScheduleTarget{ID: "t", ARN: fn, Input: `"` + strings.Repeat("x", 8192) + `"`}, bad, "length less than or equal to 8192"},
			{pinfold.ScheduleTarget{ID: "t", ARN: fn, InputPath: "detail"}, bad, "InputPath for target t is invalid."},
			{pinfold.ScheduleTarget{ID: "t", ARN: fn, InputTemplate: `"<x>"`, InputPathsMap: map[string]string{"x": "x"}}, bad, "InputPath for target t is invalid."},
			{pinfold.ScheduleTarget{ID: "t", ARN: fn, InputTemplate: `"<x.y>"`, InputPathsMap: map[string]string{"x.y": "$"}}, bad, "Map keys must satisfy"},
			{pinfold.ScheduleTarget{ID: "t", ARN: fn, InputTemplate: `"<y>"`}, bad, "InputTemplate for target t contains invalid placeholder y."},
			{pinfold.ScheduleTarget{ID: "t", ARN: fn, InputPathsMap: map[string]string{"x": "$"}}, bad, "InputTemplate must be specified for target: t."},
			{pinfold.ScheduleTarget{ID: "t", ARN: fn, DeadLetter: "x"}, bad, "Provided Arn is not in correct format."},
		} {
			refused(t, h.PutTargets(ctx, "", "there", []pinfold.ScheduleTarget{{ID: "ok", ARN: fn}, c.target}), pinfold.Invalid, c.reason, c.says)
		}
		many := []pinfold.ScheduleTarget{}
		for i := range 5 {
			many = append(many, pinfold.ScheduleTarget{ID: fmt.Sprint("t", i), ARN: fn})
		}
		refused(t, h.PutTargets(ctx, "", "there", many), quiet, "LimitExceededException", "The requested resource exceeds the maximum number allowed.")
		if targets, _, err := h.Targets(ctx, "", "there", schedule.Page{}); err != nil || len(targets) != 1 {
			t.Errorf("after what was refused there are %v, %v", targets, err)
		}
	})
}

// TestTokens: a request that is sent twice makes one schedule.
func TestTokens(t *testing.T) {
	inHouse(t, func(h *house) {
		n := pinfold.Schedule{Name: "n", Expression: "rate(1 hour)", Token: "t", Target: pinfold.ScheduleTarget{ARN: fn}}
		first, err := h.CreateSchedule(h.t.Context(), n)
		h.do(err)
		h.pass(time.Minute)
		n.Expression = "rate(2 hours)"
		second, err := h.CreateSchedule(h.t.Context(), n)
		if err != nil || !second.Created.Equal(first.Created) || second.Expression != first.Expression {
			t.Errorf("%+v, %v", second, err)
		}
	})
}

func TestLists(t *testing.T) {
	inHouse(t, func(h *house) {
		ctx := h.t.Context()
		for _, name := range []string{"b", "a", "x"} {
			_, err := h.CreateGroup(ctx, pinfold.ScheduleGroup{Name: name, Tags: map[string]string{"k": name}})
			h.do(err)
		}
		for i := range 7 {
			h.create(pinfold.Schedule{Name: fmt.Sprint("n", i), Group: []string{"", "b", "x"}[i%3], Expression: "rate(1 hour)", Disabled: i%2 == 1})
			h.rule(fmt.Sprint("r", i), "rate(1 hour)", pinfold.ScheduleTarget{ID: "b", ARN: []string{fn, line}[i%2]}, pinfold.ScheduleTarget{ID: "a", ARN: fn + "2"})
		}
		pages := func(what string, want []string, list func(schedule.Page) ([]string, string, error)) {
			t.Helper()
			for size := 1; size < len(want)+2; size++ {
				var have []string
				for p := (schedule.Page{Max: size}); ; {
					names, next, err := list(p)
					if err != nil {
						t.Fatal(err)
					}
					if len(names) > size || next != "" && len(names) < size {
						t.Errorf("%s: a page of %d has %q", what, size, names)
					}
					if have = append(have, names...); next == "" {
						break
					}
					p.Token = next
				}
				if !slices.Equal(have, want) {
					t.Errorf("%s: by %d %q, want %q", what, size, have, want)
				}
			}
		}
		for what, c := range map[string]struct {
			query schedule.ScheduleQuery
			want  []string
		}{
			"all":      {schedule.ScheduleQuery{}, []string{"b/n1", "b/n4", "default/n0", "default/n3", "default/n6", "x/n2", "x/n5"}},
			"group":    {schedule.ScheduleQuery{Group: "x"}, []string{"x/n2", "x/n5"}},
			"prefix":   {schedule.ScheduleQuery{Prefix: "n1"}, []string{"b/n1"}},
			"enabled":  {schedule.ScheduleQuery{Enabled: true}, []string{"b/n4", "default/n0", "default/n6", "x/n2"}},
			"disabled": {schedule.ScheduleQuery{Disabled: true}, []string{"b/n1", "default/n3", "x/n5"}},
		} {
			pages(what, c.want, func(p schedule.Page) (names []string, next string, err error) {
				c.query.Page = p
				found, next, err := h.Schedules(ctx, c.query)
				for _, n := range found {
					names = append(names, n.Group+"/"+n.Name)
				}
				return names, next, err
			})
		}
		groups := func(prefix string) func(schedule.Page) ([]string, string, error) {
			return func(p schedule.Page) (names []string, next string, err error) {
				found, next, err := h.Groups(ctx, prefix, p)
				for _, g := range found {
					names = append(names, g.Name)
				}
				return names, next, err
			}
		}
		pages("groups", []string{"a", "b", "default", "x"}, groups(""))
		pages("groups of a prefix", []string{"default"}, groups("de"))
		h.do(h.TagGroup(ctx, "default", map[string]string{"k": "v", "l": "w"})) // which puts it into the table
		h.do(h.UntagGroup(ctx, "default", []string{"k", "none"}))
		pages("tagged groups", []string{"a", "b", "default", "x"}, groups(""))
		if g, err := h.Group(ctx, "default"); err != nil || fmt.Sprint(g.Tags) != "map[l:w]" {
			t.Errorf("tags of the default group: %v, %v", g.Tags, err)
		}
		pages("rules", []string{"r0", "r1", "r2", "r3", "r4", "r5", "r6"}, func(p schedule.Page) (names []string, next string, err error) {
			found, next, err := h.Rules(ctx, "default", "r", p)
			for _, r := range found {
				names = append(names, r.Name)
			}
			return names, next, err
		})
		pages("rules by target", []string{"r1", "r3", "r5"}, func(p schedule.Page) ([]string, string, error) { return h.RuleNames(ctx, "", line, p) })
		pages("targets", []string{"a", "b"}, func(p schedule.Page) (names []string, next string, err error) {
			found, next, err := h.Targets(ctx, "", "r0", p)
			for _, t := range found {
				names = append(names, t.ID)
			}
			return names, next, err
		})
	})
}

// A rule that is put again keeps targets and tags.
func TestPutRuleAgain(t *testing.T) {
	inHouse(t, func(h *house) {
		ctx := h.t.Context()
		_, err := h.PutRule(ctx, pinfold.Rule{Name: "r", Expression: "rate(1 hour)", Description: "d", Tags: map[string]string{"a": "b"}}, "")
		h.do(err)
		h.do(h.PutTargets(ctx, "", "r", []pinfold.ScheduleTarget{{ID: "1", ARN: fn}, {ID: "2", ARN: line}}))
		h.do(h.PutTargets(ctx, "", "r", []pinfold.ScheduleTarget{{ID: "1", ARN: line}}))
		_, err = h.PutRule(ctx, pinfold.Rule{Name: "r", Expression: "rate(2 hours)", Tags: map[string]string{"c": "d"}}, "")
		h.do(err)
		h.do(h.TagRule(ctx, "", "r", map[string]string{"e": "f"}))
		h.do(h.UntagRule(ctx, "", "r", []string{"x"}))
		r, err := h.Rule(ctx, "", "r")
		if err != nil || r.Description != "" || r.Expression != "rate(2 hours)" || len(r.Targets) != 2 || r.Targets[0].ARN != line || fmt.Sprint(r.Tags) != "map[a:b e:f]" {
			t.Errorf("%+v, %v", r, err)
		}
		unknown, err := h.RemoveTargets(ctx, "", "r", []string{"2", "3", "1"})
		if err != nil || !slices.Equal(unknown, []string{"3"}) {
			t.Errorf("%q, %v", unknown, err)
		}
		h.do(h.DeleteRule(ctx, "", "r"))
		if _, err := h.Rule(ctx, "", "r"); pinfold.CodeOf(err) != pinfold.NotFound {
			t.Error(err)
		}
	})
}

func TestTestPattern(t *testing.T) {
	event := `{"id":"1","account":"1","source":"s","time":"t","region":"r","resources":[],"detail-type":"d","detail":{"x":1}}`
	for pattern, want := range map[string]bool{`{"source":["s"]}`: true, `{"detail":{"x":[2]}}`: false} {
		if got, err := schedule.TestPattern(pattern, event); err != nil || got != want {
			t.Errorf("%s: %t, %v", pattern, got, err)
		}
	}
	_, err := schedule.TestPattern(`{"source":["s"]}`, `{"id":"1"}`)
	refused(t, err, pinfold.Invalid, "ValidationException", "Parameter Event is not valid. (it has no account)")
	_, err = schedule.TestPattern(`{"source":["s"]}`, `[]`)
	refused(t, err, pinfold.Invalid, "ValidationException", "Parameter Event is not valid. (it is no JSON object)")
	_, err = schedule.TestPattern(`{`, event)
	refused(t, err, pinfold.Invalid, "InvalidEventPatternException", "Event pattern is not valid.")
}
