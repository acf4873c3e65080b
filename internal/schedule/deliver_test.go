package schedule_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/schedule"
)

// What fails is tried again for as long as its policy says, and then goes to its
// dead-letter queue.
func TestRetries(t *testing.T) {
	passing := pinfold.Errorf(pinfold.Throttled, "too many")
	none, two := 0, 2
	minute := pinfold.Seconds(60)
	for name, c := range map[string]struct {
		target    pinfold.ScheduleTarget
		err       error
		fails     int // times
		tried     int
		condition string // "-": there is no dead letter
		retries   string
		code      [2]string // of a schedule, of a rule
	}{
		"passes":          {pinfold.ScheduleTarget{}, passing, 3, 4, "-", "", [2]string{}},
		"never again":     {pinfold.ScheduleTarget{MaximumRetries: &none}, passing, 99, 1, "MaximumRetryAttempts", "0", [2]string{"Throttled", "THROTTLING"}},
		"twice":           {pinfold.ScheduleTarget{MaximumRetries: &two}, passing, 99, 3, "MaximumRetryAttempts", "2", [2]string{"Throttled", "THROTTLING"}},
		"for a minute":    {pinfold.ScheduleTarget{MaximumEventAge: &minute}, passing, 99, 6, "MaximumEventAgeInSeconds", "5", [2]string{"Throttled", "THROTTLING"}},
		"for a day":       {pinfold.ScheduleTarget{}, passing, 9999, 186, "MaximumRetryAttempts", "185", [2]string{"Throttled", "THROTTLING"}},
		"not there":       {pinfold.ScheduleTarget{}, pinfold.Errorf(pinfold.NotFound, "no such queue").WithReason("QueueDoesNotExist"), 99, 1, "", "0", [2]string{"AWS.SimpleQueueService.NonExistentQueue", "NO_RESOURCE"}},
		"not allowed":     {pinfold.ScheduleTarget{}, pinfold.Errorf(pinfold.Denied, "no"), 99, 1, "", "0", [2]string{"Denied", "NO_PERMISSIONS"}},
		"of unknown kind": {pinfold.ScheduleTarget{MaximumRetries: &none}, errors.New("oh"), 99, 1, "MaximumRetryAttempts", "0", [2]string{"Internal", "INTERNAL_ERROR"}},
	} {
		for i, kind := range []string{"schedule", "rule"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				inHouse(t, func(h *house) {
					tried := 0
					h.answer(func(_ context.Context, to string, m pinfold.EventMessage) error {
						if to != line {
							return nil
						}
						if tried++; tried > c.fails {
							return nil
						}
						return c.err
					})
					target := c.target
					target.ID, target.ARN, target.DeadLetter = "1", line, dead
					if kind == "rule" {
						h.rule("n", "rate(1 hour)", target)
					} else {
						target.ID, target.Input = "", `attempt <aws.scheduler.attempt-number>`
						h.create(pinfold.Schedule{Name: "n", Expression: "at(2000-01-01T01:00:00)", Target: target})
					}
					h.pass(time.Hour)
					if kind == "rule" {
						h.do(h.EnableRule(h.t.Context(), "", "n", true))
						_, err := h.PutRule(h.t.Context(), pinfold.Rule{Name: "n", Expression: "rate(900 days)"}, "")
						h.do(err)
					}
					h.pass(30 * time.Hour)
					if tried != c.tried {
						t.Errorf("tried %d times, want %d", tried, c.tried)
					}
					all := h.post.take()
					if len(all) != 1 {
						t.Fatalf("%d messages came through", len(all))
					}
					if c.condition == "-" {
						return
					}
					want := map[string]string{"TARGET_ARN": line, "ERROR_CODE": c.code[i], "ERROR_MESSAGE": c.err.Error(), "RETRY_ATTEMPTS": c.retries}
					if c.condition != "" {
						want["EXHAUSTED_RETRY_CONDITION"] = c.condition
					}
					source := all[0].Trigger.Source
					if kind == "rule" {
						want["RULE_ARN"] = source
					} else {
						maps.Copy(want, map[string]string{
							"SCHEDULE_ARN": source, "SCHEDULED_TIME": "2000-01-01T01:00:00Z", "IS_PAYLOAD_TRUNCATED": "false",
							"EXECUTION_ID": all[0].Attributes["EXECUTION_ID"],
						})
					}
					if !maps.Equal(all[0].Attributes, want) || all[0].to != dead {
						t.Errorf("%s got %v, want %v", all[0].to, all[0].Attributes, want)
					}
				})
			})
		}
	}
}

// A dead letter that is not taken is sent again; one that cannot be is lost, and a
// message without a queue for it is, too. All are told of.
func TestDeadLetterFails(t *testing.T) {
	inHouse(t, func(h *house) {
		letters := 0
		h.answer(func(_ context.Context, to string, m pinfold.EventMessage) error {
			switch {
			case to == line:
				return pinfold.Errorf(pinfold.NotFound, "no such queue")
			case to == dead:
				if letters++; letters < 4 {
					return pinfold.Errorf(pinfold.Unavailable, "no room")
				}
				return nil
			}
			return pinfold.Errorf(pinfold.NotFound, "nor such a one")
		})
		at := "at(2000-01-01T01:00:00)"
		h.create(
			pinfold.Schedule{Name: "later", Expression: at, Target: pinfold.ScheduleTarget{ARN: line, DeadLetter: dead}},
			pinfold.Schedule{Name: "never", Expression: at, Target: pinfold.ScheduleTarget{ARN: line, DeadLetter: dead + "-not"}},
			pinfold.Schedule{Name: "none", Expression: at, Target: pinfold.ScheduleTarget{ARN: line}},
		)
		h.pass(2 * time.Hour)
		all := h.post.take()
		if len(all) != 1 || letters != 4 || all[0].Attributes["RETRY_ATTEMPTS"] != "0" {
			t.Errorf("after %d tries there came %+v", letters, all)
		}
		statuses, err := h.Statuses(h.t.Context())
		h.do(err)
		want := map[string]string{"later": "no such queue", "never": "no such queue\nnor such a one", "none": "no such queue"}
		for _, st := range statuses {
			if st.Last == nil || st.Last.Error != want[st.Name] || st.Unsent != 0 || !st.Next.IsZero() {
				t.Errorf("%s: %+v, last %+v", st.Name, st, st.Last)
			}
		}
		if got, want := h.Totals(), (schedule.Totals{Kept: 3, Retried: 3, Buried: 1, Lost: 2}); got != want {
			t.Errorf("in all %+v, want %+v", got, want)
		}
	})
}

// TestMessages holds every byte of what is sent.
func TestMessages(t *testing.T) {
	inHouse(t, func(h *house) {
		at := "at(2000-01-01T00:00:30)"
		input := `{"arn":"<aws.scheduler.schedule-arn>","time":"<aws.scheduler.scheduled-time>","id":"<aws.scheduler.execution-id>","n":"<aws.scheduler.attempt-number>","k":"<aws.scheduler.other>"}`
		h.create(
			pinfold.Schedule{Name: "plain", Expression: at},
			pinfold.Schedule{Name: "input", Expression: at, Target: pinfold.ScheduleTarget{ARN: fn + ":live", Input: input}},
			pinfold.Schedule{Name: "text", Expression: at, Target: pinfold.ScheduleTarget{ARN: ordered, MessageGroup: "g", Input: "at <aws.scheduler.scheduled-time>"}},
		)
		h.rule("r", "rate(1 minute)",
			pinfold.ScheduleTarget{ID: "event", ARN: fn},
			pinfold.ScheduleTarget{ID: "input", ARN: line, Input: `"hello"`},
			pinfold.ScheduleTarget{ID: "path", ARN: line, InputPath: "$.resources[0]"},
			pinfold.ScheduleTarget{ID: "nothing", ARN: line, InputPath: "$.detail.none"},
			pinfold.ScheduleTarget{ID: "template", ARN: ordered, MessageGroup: "g", InputTemplate: `"<t> <aws.events.rule-name>"`, InputPathsMap: map[string]string{"t": "$.time"}},
		)
		h.pass(time.Minute)
		scheduleARN := "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/"
		ruleARN := "arn:aws:events:eu-west-1:123456789012:rule/r"
		event := `{"version":"0","id":"f2ad51cf-9880-5d8b-8af8-be93ebbd2bb5","detail-type":"Scheduled Event","source":"aws.events","account":"123456789012","time":"2000-01-01T00:01:00Z","region":"eu-west-1","resources":["` + ruleARN + `"],"detail":{}}`
		type sent struct{ by, source, to, group, body string }
		want := map[string]sent{
			"plain": {"scheduler.amazonaws.com", scheduleARN + "plain", fn, "", `{"version":"0","id":"@","detail-type":"Scheduled Event","source":"aws.scheduler","account":"123456789012","time":"2000-01-01T00:00:30Z","region":"eu-west-1","resources":["` + scheduleARN + `plain"],"detail":"{}"}`},
			"input": {"scheduler.amazonaws.com", scheduleARN + "input", fn + ":live", "", `{"arn":"` + scheduleARN + `input","time":"2000-01-01T00:00:30Z","id":"@","n":"1","k":"<aws.scheduler.other>"}`},
			"text":  {"scheduler.amazonaws.com", scheduleARN + "text", ordered, "g", `at 2000-01-01T00:00:30Z`},
			"1":     {"events.amazonaws.com", ruleARN, fn, "", event},
			"2":     {"events.amazonaws.com", ruleARN, line, "", `"hello"`},
			"3":     {"events.amazonaws.com", ruleARN, line, "", `"` + ruleARN + `"`},
			"4":     {"events.amazonaws.com", ruleARN, line, "", `null`},
			"5":     {"events.amazonaws.com", ruleARN, ordered, "g", `"2000-01-01T00:01:00Z r"`},
		}
		for _, g := range h.post.take() {
			have := sent{g.by.ARN, g.Trigger.Source, g.to, g.Group, string(g.Body)}
			var e struct{ ID string }
			_ = json.Unmarshal(g.Body, &e)
			if g.by.Kind != pinfold.Service || g.Trigger.Kind != "schedule" || g.ID == "" || g.Attributes != nil {
				t.Errorf("%+v", g)
			}
			found := false
			for name, w := range want {
				if w == have || e.ID != "" && replaceID(w.body, e.ID) == have.body && w.to == have.to {
					delete(want, name)
					found = true
				}
			}
			if !found {
				t.Errorf("unexpected: %+v", have)
			}
		}
		for name, w := range want {
			t.Errorf("%s did not come: %+v", name, w)
		}
	})
}

// replaceID puts an ID where the wanted text has a @.
func replaceID(want, id string) string { return strings.ReplaceAll(want, "@", id) }
