package deploy_test

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/mapping"
	"pinfold.dev/pinfold/internal/queue"
	"pinfold.dev/pinfold/internal/schedule"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/store/log/mem"
)

// withEvents gives a house what events need.
func (h *house) withEvents() *house {
	h.t.Helper()
	discard := slog.New(slog.DiscardHandler)
	events := mem.New()
	hub, err := backlog.Open(h.t.Context(), backlog.Options{Log: events, Logger: discard})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { hub.Close(); events.Close() })
	h.Queues, err = queue.Open(h.t.Context(), queue.Options{Store: h.Store, Hub: hub, Log: events, Scope: scope, Logger: discard})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Mappings = mapping.New(mapping.Options{
		Store: h.Store, Scope: scope,
		Function: func(ctx context.Context, tx store.Tx, ref pinfold.FunctionRef) (*pinfold.Version, error) {
			d, err := h.functions.Within(tx).Get(ctx, ref)
			if err != nil {
				return nil, err
			}
			return d.Version, nil
		},
		Queue: func(ctx context.Context, tx store.Tx, arn string) (*pinfold.MessageQueue, error) {
			q, err := h.Queues.Within(tx).Lookup(ctx, arn)
			return &q, err
		},
	})
	h.Schedules = schedule.New(schedule.Options{Store: h.Store, Scope: scope, Log: discard})
	return h
}

func resource[T any](key string, line int, want T) app.Resource[T] {
	return app.Resource[T]{Key: key, Want: want, At: app.Position{File: "serverless.yml", Line: line}}
}

func aQueue(name string) pinfold.MessageQueue {
	return pinfold.MessageQueue{Account: scope.Account, Region: scope.Region, Name: name, VisibilityTimeout: 30, Retention: 345600, MaximumMessageSize: 1 << 20}
}

const noon = "cron(0 12 * * ? *)"

// shop has one of everything, the queue before its dead-letter queue.
func shop() *app.Application {
	a := hello()
	a.APIs = nil
	jobs, dead := aQueue("jobs"), aQueue("dead")
	jobs.Redrive = &pinfold.Redrive{DeadLetter: dead.ARN(), MaxReceiveCount: 3}
	a.Queues = []app.Resource[pinfold.MessageQueue]{resource("Jobs", 20, jobs), resource("Dead", 30, dead)}
	a.Functions[0].Config.DeadLetter = dead.ARN()
	none := 0
	a.EventInvokes = []app.Resource[pinfold.EventInvokeConfig]{resource("Conf", 21, pinfold.EventInvokeConfig{
		Ref: ref("hello-dev-greet").With(pinfold.LatestVersion), MaximumRetryAttempts: &none, OnFailure: dead.ARN(),
	})}
	a.Mappings = []app.Resource[pinfold.EventSourceMapping]{resource("Mapping", 22, pinfold.EventSourceMapping{
		UUID: "11111111-1111-4111-a111-111111111111", Account: scope.Account, Region: scope.Region, Source: jobs.ARN(), Function: ref("hello-dev-greet"), Enabled: true, BatchSize: 10,
	})}
	a.ScheduleGroups = []app.Resource[pinfold.ScheduleGroup]{resource("Group", 23, pinfold.ScheduleGroup{Name: "nights", Tags: map[string]string{"a": "b"}})}
	target := pinfold.ScheduleTarget{ARN: ref("hello-dev-greet").ARN(), Role: "arn:aws:iam::000000000000:role/r"}
	a.Schedules = []app.Resource[pinfold.Schedule]{resource("Nightly", 24, pinfold.Schedule{Group: "nights", Name: "nightly", Expression: noon, Zone: "Europe/Berlin", Target: target})}
	toFunction, toQueue := target, pinfold.ScheduleTarget{ID: "q", ARN: jobs.ARN(), Input: `{"a":1}`}
	toFunction.ID, toFunction.Role = "f", ""
	a.Rules = []app.Resource[pinfold.Rule]{resource("Rule", 25, pinfold.Rule{Bus: "default", Name: "hourly", Expression: "rate(1 hour)", Targets: []pinfold.ScheduleTarget{toFunction, toQueue}})}
	return a
}

// TestEvents follows one of everything from its first plan to its removal.
func TestEvents(t *testing.T) {
	h := newHouse(t).withEvents()
	h.expect(shop(),
		"+ queue dead", "+ queue jobs",
		"+ function hello-dev-greet nodejs20.x", "+ function hello-dev-part nodejs20.x",
		"+ async hello-dev-greet on failure dead; retries 0",
		"+ mapping jobs -> hello-dev-greet",
		"+ schedule group nights", "+ schedule nights/nightly cron(0 12 * * ? *); hello-dev-greet",
		"+ rule hourly rate(1 hour); hello-dev-greet; jobs")
	d := h.apply(shop())
	h.expect(shop()) // nothing is left to do
	if len(d.Queues) != 2 || d.Queues[0].URL != "/000000000000/jobs" || len(d.Mappings) != 1 || d.Mappings[0].UUID != shop().Mappings[0].Want.UUID || d.Mappings[0].Function != "hello-dev-greet" ||
		len(d.Schedules) != 2 || d.Schedules[0].Name != "nights/nightly" || !slices.Equal(d.Schedules[1].Targets, []string{"hello-dev-greet", "jobs"}) {
		t.Errorf("%+v", d)
	}

	next := shop()
	jobs := &next.Queues[0].Want
	jobs.VisibilityTimeout, jobs.Redrive, jobs.Tags, jobs.Policy = 60, nil, map[string]string{"team": "sheep"}, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}]}`
	next.EventInvokes[0].Want.OnFailure = ""
	next.Mappings[0].Want.BatchSize, next.Mappings[0].Want.Enabled, next.Mappings[0].Want.Tags = 5, false, map[string]string{"a": "b"}
	next.ScheduleGroups[0].Want.Tags = nil
	next.Schedules[0].Want.Disabled, next.Schedules[0].Want.Zone = true, ""
	next.Rules[0].Want.Expression = "rate(2 hours)"
	next.Rules[0].Want.Targets = next.Rules[0].Want.Targets[1:]
	next.Rules[0].Want.Targets[0].Input = ""
	h.expect(next,
		"~ queue jobs Policy; RedrivePolicy; VisibilityTimeout 30 -> 60; tag team (none) -> sheep",
		"~ async hello-dev-greet on failure dead -> (none)",
		"~ mapping jobs -> hello-dev-greet batch size 10 -> 5; enabled true -> false; tag a (none) -> b",
		"~ schedule group nights tag a b -> (none)",
		"~ schedule nights/nightly enabled true -> false; time zone Europe/Berlin -> (none)",
		"~ rule hourly expression rate(1 hour) -> rate(2 hours); input of target q; target f hello-dev-greet -> (none)")
	h.apply(next)
	h.expect(next)
	if m, err := h.Mappings.Get(t.Context(), next.Mappings[0].Want.UUID); err != nil || m.BatchSize != 5 || m.Tags["a"] != "b" {
		t.Errorf("%+v %v", m, err)
	}

	for _, missed := range []pinfold.MissedPolicy{pinfold.MissedSkip, pinfold.MissedOnce, ""} {
		was := cmp.Or(string(next.Rules[0].Want.Missed), "(none)")
		next.Rules[0].Want.Missed, next.Schedules[0].Want.Missed = missed, missed
		now := cmp.Or(string(missed), "(none)")
		before, err := h.Schedules.Schedule(t.Context(), "nights", "nightly")
		if err != nil {
			t.Fatal(err)
		}
		h.expect(next, "~ schedule nights/nightly missed "+was+" -> "+now, "~ rule hourly missed "+was+" -> "+now)
		h.apply(next)
		h.expect(next)
		if n, err := h.Schedules.Schedule(t.Context(), "nights", "nightly"); err != nil || n.Missed != missed || !n.Created.Equal(before.Created) || !n.Since.Equal(before.Since) {
			t.Errorf("%+v %v, before %+v", n, err, before)
		}
	}

	if err := h.Remove(t.Context(), "hello", "dev", false); err != nil {
		t.Fatal(err)
	}
	names, _ := h.Queues.List("", "", 0)
	mappings, _ := h.Mappings.All(t.Context())
	statuses, _ := h.Schedules.Statuses(t.Context())
	groups, _, _ := h.Schedules.Groups(t.Context(), "nights", schedule.Page{})
	if len(names)+len(mappings)+len(statuses)+len(groups) != 0 {
		t.Errorf("removal left %v %v %v %v", names, mappings, statuses, groups)
	}
}

// TestEventsDrift: what somebody else has changed is put right; what is missing
// comes back; what belongs to somebody else is left alone.
func TestEventsDrift(t *testing.T) {
	h := newHouse(t).withEvents()
	h.apply(shop())
	jobs := h.Queues.Ref("jobs")
	if err := h.Queues.SetAttributes(t.Context(), jobs, map[string]string{"DelaySeconds": "7"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Schedules.PutRule(t.Context(), pinfold.Rule{Name: "hourly", Expression: "rate(1 hour)", Disabled: true}, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Mappings.Delete(t.Context(), shop().Mappings[0].Want.UUID); err != nil {
		t.Fatal(err)
	}
	h.expect(shop(), "~ queue jobs DelaySeconds 7 -> 0", "+ mapping jobs -> hello-dev-greet", "~ rule hourly enabled false -> true")
	plan, err := h.Plan(t.Context(), shop())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Queues.Purge(t.Context(), jobs); err != nil { // no plan goes by that
		t.Fatal(err)
	}
	if _, err := h.Apply(t.Context(), shop(), plan.Base, false); err != nil {
		t.Fatal(err)
	}
	h.expect(shop())
	if plan, err = h.Plan(t.Context(), shop()); err != nil {
		t.Fatal(err)
	}
	if err := h.Queues.Tag(t.Context(), jobs, map[string]string{"by": "somebody"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Apply(t.Context(), shop(), plan.Base, false); pinfold.CodeOf(err) != pinfold.Conflict {
		t.Errorf("a plan that is out of date is carried out: %v", err)
	}
	h.apply(shop())

	if err := h.Queues.Create(t.Context(), "other", nil, nil); err != nil {
		t.Fatal(err)
	}
	a := shop()
	a.Queues = append(a.Queues, resource("Other", 40, aQueue("other")))
	h.refused(a, pinfold.Conflict, "serverless.yml:40: queue Other: a queue named other exists already and does not belong to hello (dev): remove it, or give this one another name")
}

// refused tries an application that must not be deployed, and changes nothing.
func (h *house) refused(a *app.Application, code pinfold.Code, says string) {
	h.t.Helper()
	if _, err := h.Apply(h.t.Context(), a, "", false); pinfold.CodeOf(err) != code || !strings.Contains(err.Error(), says) {
		h.t.Errorf("%v\nwant %s %s", err, code, says)
	}
}

// TestQueueWithMessages: it is neither removed nor replaced, and nothing else happens,
// unless somebody says that its messages may go.
func TestQueueWithMessages(t *testing.T) {
	h := newHouse(t).withEvents()
	h.apply(shop())
	jobs := h.Queues.Ref("jobs")
	if _, err := h.Queues.SendBatch(t.Context(), jobs, []*queue.Message{{Body: "a"}, {Body: "b"}}); err != nil {
		t.Fatal(err)
	}
	seconds := pinfold.Seconds(60)
	if _, err := h.Queues.Receive(t.Context(), jobs, queue.ReceiveOptions{Max: 1, Visibility: &seconds}); err != nil {
		t.Fatal(err)
	}
	const says = "nothing was changed, because it would throw away what waits: queue jobs has 2 messages; have it handled, move it, purge the queue or drop the events, or give --force"
	if err := h.Remove(t.Context(), "hello", "dev", false); pinfold.CodeOf(err) != pinfold.Conflict || err.Error() != says {
		t.Errorf("%v\nwant %s", err, says)
	}
	h.expect(shop()) // it is all there

	h.Events = func(name string) int { return map[string]int{"hello-dev-greet": 3}[name] }
	if err := h.Remove(t.Context(), "hello", "dev", false); pinfold.CodeOf(err) != pinfold.Conflict || !strings.Contains(err.Error(), "function hello-dev-greet has 3 events") {
		t.Errorf("removal of a function with events: %v", err)
	}
	h.expect(shop())

	a := shop()
	fresh := aQueue("jobs-2")
	a.Queues[0].Want = fresh
	a.Mappings[0].Want.UUID, a.Mappings[0].Want.Source = "22222222-2222-4222-a222-222222222222", fresh.ARN()
	a.Rules, a.Schedules = nil, nil
	h.expect(a, "± queue jobs-2 in place of jobs", "± mapping jobs-2 -> hello-dev-greet in place of jobs -> hello-dev-greet", "- schedule nights/nightly", "- rule hourly")
	plan, err := h.Plan(t.Context(), a)
	if err != nil || !slices.Equal(plan.Losses, []string{"queue jobs has 2 messages"}) {
		t.Errorf("%+v %v", plan, err)
	}
	h.refused(a, pinfold.Conflict, says)
	h.expect(shop())

	a.Queues = append(a.Queues, shop().Queues[0]) // under its own key again
	a.Queues[2].Key = "Old"
	h.expect(a, "+ queue jobs-2", "± mapping jobs-2 -> hello-dev-greet in place of jobs -> hello-dev-greet", "- schedule nights/nightly", "- rule hourly")
	h.apply(a)
	h.expect(a)
	a.Queues[2].Retain = true
	h.apply(a)
	a.Queues = a.Queues[:2]
	h.expect(a) // it is left alone
	h.apply(a)
	if n, err := h.Queues.Counts(jobs); err != nil || n.Visible+n.InFlight != 2 {
		t.Errorf("%+v %v", n, err)
	}

	if _, err := h.Queues.Send(t.Context(), h.Queues.Ref("jobs-2"), &queue.Message{Body: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := h.Remove(t.Context(), "hello", "dev", true); err != nil {
		t.Error(err)
	}
	if names, _ := h.Queues.List("", "", 0); !slices.Equal(names, []string{"jobs"}) {
		t.Errorf("queues: %v", names)
	}
}

// TestSentWhileRemoved: a message that is sent while its queue is being removed stops
// the removal, or is refused. It is not lost.
func TestSentWhileRemoved(t *testing.T) {
	h := newHouse(t).withEvents()
	jobs := h.Queues.Ref("jobs")
	for range 50 {
		h.apply(shop())
		sent := make(chan error)
		go func() {
			_, err := h.Queues.Send(t.Context(), jobs, &queue.Message{Body: "x"})
			sent <- err
		}()
		removed := h.Remove(t.Context(), "hello", "dev", false)
		err := <-sent
		switch {
		case err == nil && pinfold.CodeOf(removed) == pinfold.Conflict:
			if err := h.Remove(t.Context(), "hello", "dev", true); err != nil {
				t.Fatal(err)
			}
		case removed != nil || pinfold.ReasonOf(err) != "QueueDoesNotExist":
			t.Fatalf("sent: %v; removed: %v", err, removed)
		}
	}
}

// TestEventsRefused: a plan promises nothing that the deployment would refuse, and
// a deployment that fails late leaves nothing.
func TestEventsRefused(t *testing.T) {
	h := newHouse(t).withEvents()
	for name, c := range map[string]struct {
		change func(*app.Application)
		code   pinfold.Code
		says   string
	}{
		"a dead-letter queue that there is not": {func(a *app.Application) { a.Queues = a.Queues[:1] }, pinfold.NotFound,
			"serverless.yml:20: queue Jobs: there is no queue arn:aws:sqs:us-east-1:000000000000:dead, neither here nor in the application"},
		"a source that there is not": {func(a *app.Application) { a.Mappings[0].Want.Source = "arn:aws:sqs:us-east-1:000000000000:gone" }, pinfold.NotFound,
			"serverless.yml:22: mapping Mapping: there is no queue arn:aws:sqs:us-east-1:000000000000:gone"},
		"a function that there is not": {func(a *app.Application) { a.Mappings[0].Want.Function = ref("gone") }, pinfold.NotFound,
			"serverless.yml:22: mapping Mapping: there is no function gone, neither here nor in the application"},
		"a target that there is not": {func(a *app.Application) { a.Rules[0].Want.Targets[0].ARN = ref("gone").ARN() }, pinfold.NotFound,
			"serverless.yml:25: rule Rule: there is no function gone"},
		"a visibility timeout that is too short": {func(a *app.Application) { a.Functions[0].Config.Timeout = 31 }, pinfold.Invalid,
			"serverless.yml:22: mapping Mapping: Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"},
		"a batch that there is not": {func(a *app.Application) { a.Mappings[0].Want.BatchSize = 20_000 }, pinfold.Invalid, "serverless.yml:22: mapping Mapping: "},
		"a mapping without a UUID":  {func(a *app.Application) { a.Mappings[0].Want.UUID = "" }, pinfold.Invalid, "it has no UUID"},
		"another account": {func(a *app.Application) { a.Queues[0].Want.Account = "1" }, pinfold.Invalid,
			`serverless.yml:20: queue Jobs: it is of account "1" in region "us-east-1", and this server is 000000000000 in us-east-1`},
		"a timeout that is too long": {func(a *app.Application) { a.Queues[1].Want.VisibilityTimeout = 43_201 }, pinfold.Invalid,
			"serverless.yml:30: queue Dead: Invalid value for the parameter VisibilityTimeout."},
		"a name that cannot be": {func(a *app.Application) { a.Queues[0].Want.Name = "all.jobs" }, pinfold.Invalid, "serverless.yml:20: queue Jobs: Can only include"},
		"a policy that is none": {func(a *app.Application) { a.Queues[1].Want.Policy = "{" }, pinfold.Invalid, "serverless.yml:30: queue Dead: Invalid value for the parameter Policy."},
		"a tag that is too long": {func(a *app.Application) { a.Queues[1].Want.Tags = map[string]string{"aws:x": "y"} }, pinfold.Invalid,
			"serverless.yml:30: queue Dead: Tag keys cannot start with 'aws:'"},
		"too many receives": {func(a *app.Application) { a.Queues[0].Want.Redrive.MaxReceiveCount = 1001 }, pinfold.Invalid,
			"Invalid value for maxReceiveCount: 1001, valid values are from 1 to 1000 both inclusive."},
		"a dead-letter queue that does not want it": {func(a *app.Application) { a.Queues[1].Want.RedriveAllow = &pinfold.RedriveAllow{Permission: "denyAll"} }, pinfold.Invalid,
			"serverless.yml:20: queue Jobs: Value"},
		"two queues of one name": {func(a *app.Application) { a.Queues[1].Want.Name = "jobs" }, pinfold.Invalid,
			"serverless.yml:30: queue Dead: another queue of the application is named jobs, too"},
	} {
		a := shop()
		c.change(a)
		if _, err := h.Plan(t.Context(), a); pinfold.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v\nwant %s %s", name, err, c.code, c.says)
		}
		h.refused(a, c.code, c.says)
	}
	if names, _ := h.Queues.List("", "", 0); len(names) != 0 {
		t.Errorf("a deployment that failed left %v", names)
	}
	bare, a := newHouse(t), shop()
	a.Schedules, a.Rules = nil, nil
	plan, err := bare.Plan(t.Context(), a)
	if err != nil || len(plan.Unserved) != 4 || plan.Unserved[0] != (app.Unserved{What: "queue Jobs", At: a.Queues[0].At}) {
		t.Errorf("%+v %v", plan, err)
	}
}
