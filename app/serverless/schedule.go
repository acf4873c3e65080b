package serverless

import (
	"fmt"

	"pinfold.dev/pinfold/app/doc"
)

// How schedules are kept. Source: compile/events/schedule.js.
const (
	onEventBus  = "eventBus"
	byScheduler = "scheduler"
)

// scheduleEvent makes a rule of EventBridge or a schedule of its Scheduler of each
// expression. Source: compile/events/schedule.js, and getScheduleLogicalId and its
// neighbours in naming.js.
func (r *reader) scheduleEvent(e event, number *int) {
	s, ok := r.eventSettings(e, "rate")
	if !ok {
		return
	}
	s.known("rate", "enabled", "name", "description", "input", "inputPath", "inputTransformer", "method", "roleArn", "timezone")
	rates := s.rates()
	if len(rates) > 1 && s.has("name") {
		r.problem(s.m.KeyAt("name"), "%s can be given to one rate only, and here are %d: make an event of each", s.label("name"), len(rates))
		return
	}
	method := s.oneOf("method", onEventBus, onEventBus, byScheduler)
	for key, other := range map[string]string{"inputPath": onEventBus, "inputTransformer": onEventBus, "timezone": byScheduler} {
		if s.has(key) && method != other {
			r.problem(s.m.KeyAt(key), "%s needs \"method: %s\"", s.label(key), other)
		}
	}
	for _, rate := range rates {
		*number++
		t := newBlueprint(s.name, e.at)
		t.words["ScheduleExpression"] = "rate"
		t.set("ScheduleExpression", rate)
		t.take(s, map[string]string{"Name": "name", "Description": "description"})
		state := map[bool]string{true: "ENABLED", false: "DISABLED"}[s.flag("enabled", true)]
		t.set("State", state)
		if method == byScheduler {
			r.compileSchedule(e, s, t)
			r.compile(e.f, fmt.Sprintf("%sSchedulerSchedule%d", logicalID(e.f.key), *number), "AWS::Scheduler::Schedule", t)
		} else {
			r.compileRule(e, s, t)
			r.compile(e.f, fmt.Sprintf("%sEventsRuleSchedule%d", logicalID(e.f.key), *number), "AWS::Events::Rule", t)
		}
	}
}

func (r *reader) compileSchedule(e event, s section, t *blueprint) {
	target := newBlueprint(s.name, e.at)
	target.set("Arn", r.invoked(e.f).ARN())
	target.set("RoleArn", r.roleOf(e.f))
	target.take(s, map[string]string{"RoleArn": "roleArn"})
	if input := s.input(); input != nil {
		target.set("Input", input)
	}
	t.take(s, map[string]string{"ScheduleExpressionTimezone": "timezone"})
	t.words["Target"], t.words["Input"], t.words["RoleArn"] = "", "input", "roleArn"
	t.set("Target", doc.New(e.at, target.m))
	window := newBlueprint(s.name, e.at)
	window.set("Mode", "OFF")
	t.set("FlexibleTimeWindow", doc.New(e.at, window.m))
}

func (r *reader) compileRule(e event, s section, t *blueprint) {
	target := newBlueprint(s.name, e.at)
	target.set("Arn", r.invoked(e.f).ARN())
	target.set("Id", e.f.key+"Schedule")
	target.take(s, map[string]string{"InputPath": "inputPath"})
	if input := s.input(); input != nil {
		target.set("Input", input)
	}
	if s.has("inputTransformer") {
		x := s.sub("inputTransformer")
		x.known("inputTemplate", "inputPathsMap")
		shape := newBlueprint(x.name, x.at)
		shape.take(x, map[string]string{"InputTemplate": "inputTemplate", "InputPathsMap": "inputPathsMap"})
		target.set("InputTransformer", doc.New(x.at, shape.m))
	}
	for property, word := range map[string]string{"Targets": "", "Input": "input", "InputPath": "inputPath", "InputTransformer": "inputTransformer", "InputTemplate": "inputTemplate", "InputPathsMap": "inputPathsMap"} {
		t.words[property] = word
	}
	t.set("Targets", doc.List{doc.New(e.at, target.m)})
}

// rates returns the expressions of a schedule, each to be evaluated.
func (s section) rates() doc.List {
	n := s.get("rate")
	if n == nil {
		s.r.problem(s.at, "the %s has no rate: write such as \"rate: rate(1 hour)\" or \"rate: cron(0 8 * * ? *)\"%s", s.name, s.meant("rate"))
		return nil
	}
	list := n.List()
	if list == nil {
		return doc.List{n}
	}
	rates := doc.List{}
	for _, item := range list {
		item, err := s.r.vars.head(item)
		if err != nil {
			s.r.fail(n.At, err)
			continue
		}
		if item.List() != nil { // a variable that stands for a list
			rates = append(rates, item.List()...)
			continue
		}
		rates = append(rates, item)
	}
	if len(rates) == 0 {
		s.r.problem(n.At, "%s is empty: write at least one expression", s.label("rate"))
	}
	return rates
}

// input returns what is to be evaluated to the JSON that a schedule sends: a map
// becomes that, and so does the JSON in the body of {body: JSON}.
func (s section) input() *doc.Node {
	n := s.get("input")
	m := n.Map()
	if m == nil || isCall(n) {
		return n
	}
	if body, ok := m.Get("body").Text(); ok && len(m.Keys) == 1 {
		parsed, err := doc.ParseJSON(n.At.File, []byte(body))
		if err != nil {
			s.r.problem(m.Get("body").At, "body of %s must be JSON, not %s", s.label("input"), m.Get("body").What())
			return nil
		}
		whole := doc.NewMap()
		whole.Set(m.Keys[0], doc.New(m.Get("body").At, parsed.Value))
		n = doc.New(n.At, whole)
	}
	return call(n.At, "Fn::ToJsonString", n.Value)
}
