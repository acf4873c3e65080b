package cfn

import (
	"fmt"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/doc"
)

// EventOptions say how the resources of events are read.
type EventOptions struct {
	// IDs are the logical IDs of those to be read, in the order of the file.
	IDs []string
	// Tags are the stack's, which every resource gets that can have any.
	Tags map[string]string
	// Missed is what becomes of times that were missed.
	Missed pinfold.MissedPolicy
}

// Findings are what was read, or what is wrong.
type Findings struct {
	// Events have what others need before those, as far as resources refer to one
	// another.
	Events   app.Events
	Unserved []app.Unserved
	Problems app.Problems
}

// eventNouns are the types of resources that make events, and what messages call
// them.
var eventNouns = map[string]string{
	"AWS::SQS::Queue":                 "queue",
	"AWS::SQS::QueuePolicy":           "queue policy",
	"AWS::Lambda::EventSourceMapping": "event source mapping",
	"AWS::Lambda::EventInvokeConfig":  "event invoke config",
	"AWS::Events::Rule":               "rule",
	"AWS::Scheduler::Schedule":        "schedule",
	"AWS::Scheduler::ScheduleGroup":   "schedule group",
}

// read reads a resource of one of these types. Properties, their limits and
// defaults are those of the CloudFormation resource reference.
func (e *eventReader) read(r Resource, p properties) {
	switch r.Type {
	case "AWS::SQS::Queue":
		e.queue(r, p)
	case "AWS::SQS::QueuePolicy":
		e.queuePolicy(r, p)
	case "AWS::Lambda::EventSourceMapping":
		e.mapping(r, p)
	case "AWS::Lambda::EventInvokeConfig":
		e.eventInvoke(r, p)
	case "AWS::Events::Rule":
		e.rule(r, p)
	case "AWS::Scheduler::Schedule":
		e.schedule(r, p)
	case "AWS::Scheduler::ScheduleGroup":
		e.group(r, p)
	}
}

// IsEvent reports whether resources of a type are read by [Scope.Events].
func IsEvent(resourceType string) bool {
	_, ok := eventNouns[resourceType]
	return ok
}

// Events reads the resources that make queues, schedules and what leads from them
// to functions.
func (s *Scope) Events(o EventOptions) Findings {
	e := &eventReader{Scope: s, options: o, policies: map[string]app.Position{}, taken: map[string]app.Position{}}
	evaluated := map[string]*doc.Node{}
	needs := map[string][]string{}
	for _, id := range o.IDs {
		r := s.Resources[id]
		s.used = nil
		n, err := s.Eval(r.Properties)
		if err != nil {
			e.fail(r.At, err)
			continue
		}
		evaluated[id], needs[id] = n, e.dependsOn(r, s.used)
	}
	order := e.inOrder(needs)
	for _, id := range order {
		n, ok := evaluated[id]
		if !ok {
			continue
		}
		r := s.Resources[id]
		p := properties{e: e, owner: eventNouns[r.Type] + " " + id, words: r.Words, m: n.Map(), at: r.At}
		if r.Label != "" {
			p.owner = r.Label
		}
		if n != nil && n.Map() == nil {
			e.problem(n.At, "Properties of %s must be a map, not %s", p.owner, n.What())
			continue
		}
		e.read(r, p)
	}
	return e.found
}

type eventReader struct {
	*Scope
	options  EventOptions
	found    Findings
	policies map[string]app.Position // of queues, by name
	taken    map[string]app.Position // by what must be there once
}

func (e *eventReader) problem(at app.Position, format string, args ...any) {
	e.found.Problems = append(e.found.Problems, app.Problem{At: at, Message: fmt.Sprintf(format, args...)})
}

func (e *eventReader) fail(at app.Position, err error) {
	if p, ok := err.(app.Problem); ok && p.At != (app.Position{}) {
		e.found.Problems = append(e.found.Problems, p)
		return
	}
	e.problem(at, "%v", err)
}

func (e *eventReader) unserved(at app.Position, format string, args ...any) {
	at.Column = 0
	e.found.Unserved = append(e.found.Unserved, app.Unserved{At: at, What: fmt.Sprintf(format, args...)})
}

// name returns what a resource is called, held to a pattern and to the limit of
// its type.
func (e *eventReader) name(r Resource, p properties, key, allowed string) string {
	name, err := e.Name(r)
	if err != nil {
		e.fail(r.At, err)
		return ""
	}
	if wrong := strings.Trim(name, letters+allowed); wrong != "" || name == "" || len(name) > limits[r.Type] {
		p.wrong(key, "must have 1 to %d characters, which are letters, digits and any of %s, not %q", limits[r.Type], allowed, name)
	}
	return name
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// once tells of what two resources ask for, and one can have.
func (e *eventReader) once(r Resource, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	if other, twice := e.taken[what]; twice {
		e.problem(r.At, "%s is asked for twice, here and in %s: one of them must go", what, other.FileLine())
	}
	e.taken[what] = r.At
}

// slip returns a hint where the URL of a queue stands for its ARN.
func (e *eventReader) slip(text string) string {
	for id, r := range e.Resources {
		if r.Type != "AWS::SQS::Queue" {
			continue
		}
		if url, err := e.attribute(nil, r, ""); err == nil && url == text {
			return ", which is its URL: write Fn::GetAtt: [" + id + ", Arn]"
		}
	}
	return ""
}

// dependsOn returns the resources that one needs: those whose names it uses, and
// those that it names.
func (e *eventReader) dependsOn(r Resource, used []string) []string {
	needs := slices.Clone(used)
	known := append(slices.Clone(e.MadeIDs), e.options.IDs...)
	for _, id := range r.DependsOn {
		if _, ok := e.Resources[id]; ok {
			needs = append(needs, id)
		} else if hint := doc.DidYouMean(id, known); hint != "" && !slices.Contains(known, id) {
			e.problem(r.At, "%s depends on %s, which there is not%s", r.ID, id, hint)
		}
	}
	return needs
}

// inOrder returns the resources so that each comes after those that it needs.
// Some that need one another are a mistake.
func (e *eventReader) inOrder(needs map[string][]string) []string {
	var order, path []string
	done := map[string]bool{}
	var visit func(id string)
	visit = func(id string) {
		if i := slices.Index(path, id); i >= 0 {
			e.circular(path[i:])
			return
		}
		if done[id] || !slices.Contains(e.options.IDs, id) {
			return
		}
		path = append(path, id)
		for _, other := range needs[id] {
			visit(other)
		}
		path = path[:len(path)-1]
		if !done[id] {
			done[id] = true
			order = append(order, id)
		}
	}
	for _, id := range e.options.IDs {
		visit(id)
	}
	return order
}

func (e *eventReader) circular(path []string) {
	var names []string
	for _, id := range path {
		names = append(names, fmt.Sprintf("%s (%s)", id, e.Resources[id].At.FileLine()))
	}
	what := "resources that need one another, none of which can be made first: "
	if len(path) == 1 {
		what = "a resource that needs itself: "
	}
	e.problem(e.Resources[path[0]].At, "%s%s -> %s", what, strings.Join(names, " -> "), path[0])
}

// target returns what something sends events to, and tells of what is not served.
func (e *eventReader) target(p properties, key string) (arn string, served bool) {
	arn = p.text(key)
	if arn == "" {
		return "", false
	}
	parsed, ok := pinfold.ParseARN(arn)
	switch {
	case !ok:
		p.wrong(key, "must be the ARN of a function or of a queue, not %q%s", arn, e.slip(arn))
	case parsed.Service == "sqs":
		return arn, true
	case parsed.Service == "lambda" && strings.HasPrefix(parsed.Resource, "function:"):
		if _, err := pinfold.ParseFunctionRef(arn, e.in()); err != nil {
			p.wrong(key, "cannot be used: %v", err)
			return "", false
		}
		return arn, true
	default:
		e.unserved(p.place(key), "%s: %s", p.label(key), arn)
	}
	return "", false
}

func (e *eventReader) in() pinfold.Scope {
	return pinfold.Scope{Account: e.Target.Account, Region: e.Target.Region}
}

func made[T any](r Resource, want T) app.Resource[T] {
	return app.Resource[T]{Key: r.ID, Want: want, Retain: r.Retain, At: r.At}
}
