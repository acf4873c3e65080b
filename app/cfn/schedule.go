package cfn

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/timetable"
)

// Limits of what a target is sent. Source: PutTargets, EventBridge API reference;
// CreateSchedule, EventBridge Scheduler API reference.
const (
	maxInput     = 8192
	maxInputPath = 256
	maxTargets   = 5
	maxAge       = 86_400 // seconds
	maxRetries   = 185
)

// Targets that are not served, by the property that says how to use them.
var (
	otherOfRule     = []string{"AppSyncParameters", "BatchParameters", "EcsParameters", "HttpParameters", "KinesisParameters", "RedshiftDataParameters", "RunCommandParameters", "SageMakerPipelineParameters"}
	otherOfSchedule = []string{"EcsParameters", "EventBridgeParameters", "KinesisParameters", "SageMakerPipelineParameters"}
)

// rule reads a rule of EventBridge as far as it is a schedule.
func (e *eventReader) rule(r Resource, p properties) {
	p.known("Name", "Description", "EventBusName", "EventPattern", "ScheduleExpression", "State", "RoleArn", "Targets", "Tags")
	if p.get("EventPattern") != nil {
		e.unserved(p.place("EventPattern"), "EventPattern of %s", p.owner)
		if p.get("ScheduleExpression") == nil {
			return
		}
	}
	rule := pinfold.Rule{
		Account: e.Target.Account, Region: e.Target.Region, Bus: "default", Name: e.name(r, p, "Name", ".-_"),
		Description: p.textUpTo("Description", 512), Expression: p.text("ScheduleExpression"), Role: p.text("RoleArn"),
		Disabled: p.oneOf("State", "ENABLED", "ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS") == "DISABLED",
		Missed:   e.options.Missed, Tags: p.tags("Tags"),
	}
	if bus := p.text("EventBusName"); bus != "" && bus != "default" && !strings.HasSuffix(bus, ":event-bus/default") {
		p.wrong("EventBusName", "is %s, and schedules are for the default bus only", bus)
	}
	if p.need("ScheduleExpression") {
		if _, err := timetable.ParseRule(rule.Expression); err != nil {
			p.wrong("ScheduleExpression", "cannot be used: %v", err)
		}
	}
	e.once(r, "the rule %s", rule.Name)
	ids := map[string]bool{}
	for _, t := range p.parts("Targets") {
		t.known(append([]string{"Arn", "Id", "Input", "InputPath", "InputTransformer", "RoleArn", "DeadLetterConfig", "RetryPolicy", "SqsParameters"}, otherOfRule...)...)
		if !t.need("Arn", "Id") {
			continue
		}
		target, ok := e.scheduleTarget(t)
		if target.ID = t.textUpTo("Id", 64); ids[target.ID] {
			t.wrong("Id", "is %q, as of another target of the rule: give each its own", target.ID)
		}
		ids[target.ID] = true
		if ok {
			e.shape(t, &target)
			rule.Targets = append(rule.Targets, target)
		}
	}
	if n := len(rule.Targets); n > maxTargets {
		p.wrong("Targets", "are %d, and %d are allowed", n, maxTargets)
	}
	e.found.Events.Rules = append(e.found.Events.Rules, made(r, rule))
}

// shape reads what of the event a rule's target gets.
func (e *eventReader) shape(t properties, target *pinfold.ScheduleTarget) {
	target.InputPath = t.textUpTo("InputPath", maxInputPath)
	given := 0
	for _, key := range []string{"Input", "InputPath", "InputTransformer"} {
		if t.get(key) != nil {
			given++
		}
	}
	if given > 1 {
		e.problem(t.at, "%s has more than one of Input, InputPath and InputTransformer: it can have one of them", t.owner)
	}
	if x, ok := t.part("InputTransformer"); ok {
		x.known("InputPathsMap", "InputTemplate")
		x.need("InputTemplate")
		target.InputTemplate = x.textUpTo("InputTemplate", maxInput)
		if paths, ok := x.part("InputPathsMap"); ok {
			target.InputPathsMap = map[string]string{}
			for _, name := range paths.m.Names() {
				target.InputPathsMap[name] = paths.text(name)
			}
		}
	}
	if target.Input != "" && !json.Valid([]byte(target.Input)) {
		t.wrong("Input", "must be JSON, not %s: put a text into quotes of its own", t.get("Input").What())
	}
}

// scheduleTarget reads what targets of rules and of schedules have both. It is not
// ok if it is not served.
func (e *eventReader) scheduleTarget(t properties) (target pinfold.ScheduleTarget, ok bool) {
	for _, key := range slices.Concat(otherOfRule, otherOfSchedule) {
		if t.get(key) != nil {
			e.unserved(t.place(key), "%s: %s", t.label(key), t.text("Arn"))
			return target, false
		}
	}
	arn, ok := e.target(t, "Arn")
	target = pinfold.ScheduleTarget{ARN: arn, Role: t.text("RoleArn"), Input: t.textUpTo("Input", maxInput)}
	if q, there := t.part("SqsParameters"); there {
		q.known("MessageGroupId")
		target.MessageGroup = q.textUpTo("MessageGroupId", 128)
	}
	if fifo := strings.HasSuffix(arn, fifoSuffix); fifo && target.MessageGroup == "" {
		e.problem(t.at, "%s is a FIFO queue, which needs SqsParameters with a MessageGroupId", t.owner)
	}
	if retry, there := t.part("RetryPolicy"); there {
		retry.known("MaximumEventAgeInSeconds", "MaximumRetryAttempts")
		target.MaximumEventAge = retry.maybeSeconds("MaximumEventAgeInSeconds", 60, maxAge)
		target.MaximumRetries = retry.maybe("MaximumRetryAttempts", 0, maxRetries)
	}
	if dead, there := t.part("DeadLetterConfig"); there {
		dead.known("Arn")
		target.DeadLetter = dead.queueARN("Arn")
	}
	return target, ok
}

func (e *eventReader) schedule(r Resource, p properties) {
	p.known("Name", "Description", "GroupName", "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate", "FlexibleTimeWindow", "State", "KmsKeyArn", "Target")
	s := pinfold.Schedule{
		Account: e.Target.Account, Region: e.Target.Region, Group: cmp.Or(p.text("GroupName"), "default"), Name: e.name(r, p, "Name", ".-_"),
		Description: p.textUpTo("Description", 512), Expression: p.text("ScheduleExpression"), Zone: p.text("ScheduleExpressionTimezone"),
		Start: p.date("StartDate"), End: p.date("EndDate"), Disabled: p.oneOf("State", "ENABLED", "ENABLED", "DISABLED") == "DISABLED",
		Missed: e.options.Missed, KMSKey: p.text("KmsKeyArn"),
	}
	if !p.need("ScheduleExpression", "FlexibleTimeWindow", "Target") {
		return
	}
	e.once(r, "the schedule %s/%s", s.Group, s.Name)
	e.checkExpression(p, s)
	if w, ok := p.part("FlexibleTimeWindow"); ok {
		w.known("Mode", "MaximumWindowInMinutes")
		if w.oneOf("Mode", "OFF", "OFF", "FLEXIBLE") == "FLEXIBLE" && w.need("MaximumWindowInMinutes") {
			s.Window = time.Duration(w.whole("MaximumWindowInMinutes", 1, 1440, 1)) * time.Minute
		}
	}
	t, ok := p.part("Target")
	if !ok {
		return
	}
	t.known(append([]string{"Arn", "RoleArn", "Input", "DeadLetterConfig", "RetryPolicy", "SqsParameters"}, otherOfSchedule...)...)
	if !t.need("Arn", "RoleArn") {
		return
	}
	if s.Target, ok = e.scheduleTarget(t); !ok {
		return
	}
	if strings.Contains(s.Target.ARN, ":lambda:") && s.Target.Input != "" && !json.Valid([]byte(s.Target.Input)) {
		t.wrong("Input", "must be JSON, because a function gets it, not %s: put a text into quotes of its own", t.get("Input").What())
	}
	e.found.Events.Schedules = append(e.found.Events.Schedules, made(r, s))
}

func (e *eventReader) checkExpression(p properties, s pinfold.Schedule) {
	if !s.End.IsZero() && !s.End.After(s.Start) {
		p.wrong("EndDate", "must be after StartDate")
	}
	if _, err := time.LoadLocation(s.Zone); s.Zone != "" && err != nil {
		p.wrong("ScheduleExpressionTimezone", "must be the name of a time zone, such as Europe/Berlin, not %q", s.Zone)
		return
	}
	if _, err := timetable.Parse(s.Expression, s.Zone); err != nil {
		p.wrong("ScheduleExpression", "cannot be used: %v", err)
	}
}

// date reads a date as CloudFormation takes them.
func (p properties) date(key string) time.Time {
	text := p.text(key)
	if text == "" {
		return time.Time{}
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC()
		}
	}
	p.wrong(key, "must be a date such as 2030-01-31T08:00:00Z, not %q", text)
	return time.Time{}
}

func (e *eventReader) group(r Resource, p properties) {
	p.known("Name", "Tags")
	g := pinfold.ScheduleGroup{Account: e.Target.Account, Region: e.Target.Region, Name: e.name(r, p, "Name", ".-_"), Tags: p.tags("Tags")}
	e.once(r, "the schedule group %s", g.Name)
	if g.Name == "default" {
		p.wrong("Name", "cannot be default: that group is there already")
	}
	e.found.Events.ScheduleGroups = append(e.found.Events.ScheduleGroups, made(r, g))
}
