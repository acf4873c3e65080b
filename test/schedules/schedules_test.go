// Package schedules tests EventBridge Scheduler and the rules of EventBridge through
// AWS's own clients, from the request that makes a schedule to the message that it
// sends. When what is due is for tests in virtual time, in internal/schedule.
package schedules

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"pinfold.dev/pinfold/platformtest"
	"pinfold.dev/pinfold/test/gosdk"
)

const role = "arn:aws:iam::000000000000:role/schedules"

// house is a platform with clients.
type house struct {
	p         *platformtest.Platform
	scheduler *scheduler.Client
	events    *eventbridge.Client
	sqs       *sqs.Client
}

func start(t *testing.T) *house {
	t.Helper()
	p := platformtest.Start(t)
	config := gosdk.Config(p)
	h := &house{p: p, scheduler: scheduler.NewFromConfig(config), events: eventbridge.NewFromConfig(config), sqs: sqs.NewFromConfig(config)}
	return h
}

// queue makes a queue and returns its URL and its ARN.
func (h *house) queue(t *testing.T, name string) (url, arn string) {
	t.Helper()
	attributes := map[string]string{}
	if strings.HasSuffix(name, ".fifo") {
		attributes["FifoQueue"] = "true"
	}
	out := must(h.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes}))(t)
	return *out.QueueUrl, h.arn("sqs", name)
}

func (h *house) arn(service, resource string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, h.p.Region, h.p.Account, resource)
}

// receive takes the next message of a queue, nil if none comes in time.
func (h *house) receive(t *testing.T, url string, within time.Duration) *sqstypes.Message {
	t.Helper()
	for began := time.Now(); time.Since(began) < within; {
		out := must(h.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 10, MessageAttributeNames: []string{"All"}}))(t)
		if len(out.Messages) > 0 {
			return &out.Messages[0]
		}
	}
	return nil
}

// soon has a schedule made that is due before long, and waits for what it does. On a
// machine that was too slow to make it before it was due, that is tried again.
func soon(t *testing.T, name string, create func(name, at string), came func(within time.Duration) bool) (made, at string) {
	t.Helper()
	for ahead := 2 * time.Second; ; ahead *= 4 {
		made, at = name+"-"+fmt.Sprint(ahead.Seconds()), time.Now().UTC().Add(ahead).Format("2006-01-02T15:04:05")
		create(made, "at("+at+")")
		if came(ahead + 15*time.Second) {
			return made, at + "Z"
		}
	}
}

// sends has a schedule send to a queue, and returns what that gets.
func (h *house) sends(t *testing.T, name, url string, create func(name, at string)) (m *sqstypes.Message, made, at string) {
	t.Helper()
	made, at = soon(t, name, create, func(within time.Duration) bool {
		m = h.receive(t, url, within)
		return m != nil
	})
	return m, made, at
}

// once makes a schedule that sends to a target once and deletes itself.
func (h *house) once(t *testing.T, target types.Target) func(name, at string) {
	target.RoleArn = aws.String(role)
	return func(name, at string) {
		must(h.scheduler.CreateSchedule(t.Context(), &scheduler.CreateScheduleInput{
			Name: &name, ScheduleExpression: &at, FlexibleTimeWindow: off, ActionAfterCompletion: types.ActionAfterCompletionDelete, Target: &target,
		}))(t)
	}
}

var off = &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff}

// must returns what a call answers, of which nothing is expected but success.
func must[T any](out T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// typed checks that an error is one of the SDK's own types, and what it says.
func typed[E error](t *testing.T, err error, says string) {
	t.Helper()
	var e E
	if !errors.As(err, &e) || !strings.Contains(err.Error(), says) {
		t.Errorf("want a %T that says %q, got %v", e, says, err)
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	h := start(t)
	for name, test := range map[string]func(*testing.T, *house){
		"Sends": testSends, "DeadLetter": testDeadLetter, "Schedules": testSchedules, "Groups": testGroups, "Rules": testRules, "Targets": testTargets, "Buses": testBuses,
		"Boto3": testBoto3, "JavaScript": testJavaScript, "CLI": testCLI,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, h)
		})
	}
}

// testSends has one schedule send to a queue, one to a queue with an order, and looks
// for them when they have deleted themselves.
func testSends(t *testing.T, h *house) {
	url, arn := h.queue(t, "sends")
	ordered, orderedARN := h.queue(t, "sends.fifo")
	m, name, due := h.sends(t, "plain", url, h.once(t, types.Target{Arn: &arn}))
	gone(t, h, name)
	var event map[string]any
	if err := json.Unmarshal([]byte(*m.Body), &event); err != nil {
		t.Fatal(err)
	}
	delete(event, "id")
	want := map[string]any{
		"version": "0", "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": h.p.Account, "time": due, "region": h.p.Region,
		"resources": []any{h.arn("scheduler", "schedule/default/"+name)}, "detail": "{}",
	}
	if fmt.Sprint(event) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", event, want)
	}
	m, name, due = h.sends(t, "input", ordered, h.once(t, types.Target{
		Arn: &orderedARN, Input: aws.String("at <aws.scheduler.scheduled-time> try <aws.scheduler.attempt-number>"), SqsParameters: &types.SqsParameters{MessageGroupId: aws.String("g")},
	}))
	gone(t, h, name)
	if want := "at " + due + " try 1"; *m.Body != want {
		t.Errorf("got %q, want %q", *m.Body, want)
	}
}

// gone waits until a schedule has deleted itself.
func gone(t *testing.T, h *house, name string) {
	t.Helper()
	for {
		_, err := h.scheduler.GetSchedule(t.Context(), &scheduler.GetScheduleInput{Name: &name})
		if missing := new(types.ResourceNotFoundException); errors.As(err, &missing) {
			return
		}
		must(0, err)(t)
		select {
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("it does not delete itself")
		}
	}
}

func testDeadLetter(t *testing.T, h *house) {
	for code, target := range map[string]string{"ResourceNotFoundException": h.arn("lambda", "function:none"), "AWS.SimpleQueueService.NonExistentQueue": h.arn("sqs", "none")} {
		name := "letter-of-" + strings.Split(target, ":")[2]
		url, arn := h.queue(t, name)
		m, _, _ := h.sends(t, name, url, h.once(t, types.Target{Arn: &target, Input: aws.String(`{"n":1}`), DeadLetterConfig: &types.DeadLetterConfig{Arn: &arn}}))
		names := strings.Join(slices.Sorted(maps.Keys(m.MessageAttributes)), " ")
		if want := "ERROR_CODE ERROR_MESSAGE EXECUTION_ID IS_PAYLOAD_TRUNCATED RETRY_ATTEMPTS SCHEDULED_TIME SCHEDULE_ARN TARGET_ARN"; names != want || *m.Body != `{"n":1}` {
			t.Errorf("%s with %v", *m.Body, names)
		} else if got := *m.MessageAttributes["ERROR_CODE"].StringValue; got != code {
			t.Errorf("%s for %s, want %s", got, target, code)
		}
	}
}

func testSchedules(t *testing.T, h *house) {
	ctx, s := t.Context(), h.scheduler
	must(s.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: aws.String("life")}))(t)
	group, target := aws.String("life"), &types.Target{Arn: aws.String(h.arn("lambda", "function:work")), RoleArn: aws.String(role), Input: aws.String(`{}`)}
	for i := range 5 {
		in := &scheduler.CreateScheduleInput{
			Name: aws.String(fmt.Sprint("n", i)), GroupName: group, ScheduleExpression: aws.String("cron(0 8 ? * MON-FRI *)"), ScheduleExpressionTimezone: aws.String("Europe/Berlin"),
			FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeFlexible, MaximumWindowInMinutes: aws.Int32(15)}, Target: target, ClientToken: aws.String(fmt.Sprint("token", i)),
		}
		first := must(s.CreateSchedule(ctx, in))(t)
		if again := must(s.CreateSchedule(ctx, in))(t); *again.ScheduleArn != *first.ScheduleArn {
			t.Errorf("the same request again: %s", *again.ScheduleArn)
		}
	}
	_, err := s.CreateSchedule(ctx, &scheduler.CreateScheduleInput{Name: aws.String("n1"), GroupName: group, ScheduleExpression: aws.String("rate(1 hour)"), FlexibleTimeWindow: off, Target: target})
	typed[*types.ConflictException](t, err, "Schedule n1 already exists.")
	_, err = s.CreateSchedule(ctx, &scheduler.CreateScheduleInput{Name: aws.String("x"), ScheduleExpression: aws.String("cron(0 0 30 2 ? *)"), FlexibleTimeWindow: off, Target: target})
	typed[*types.ValidationException](t, err, "Invalid Schedule Expression cron(0 0 30 2 ? *).")
	got := must(s.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("n1"), GroupName: group}))(t)
	if *got.ScheduleExpressionTimezone != "Europe/Berlin" || *got.FlexibleTimeWindow.MaximumWindowInMinutes != 15 || *got.Target.RetryPolicy.MaximumRetryAttempts != 185 || time.Since(*got.CreationDate) > time.Hour {
		t.Errorf("%+v", got)
	}
	must(s.UpdateSchedule(ctx, &scheduler.UpdateScheduleInput{Name: aws.String("n1"), GroupName: group, ScheduleExpression: aws.String("rate(1 hour)"), State: types.ScheduleStateDisabled, FlexibleTimeWindow: off, Target: target}))(t)
	var names []string
	for pages := scheduler.NewListSchedulesPaginator(s, &scheduler.ListSchedulesInput{GroupName: group, State: types.ScheduleStateEnabled, MaxResults: aws.Int32(3)}); pages.HasMorePages(); {
		for _, n := range must(pages.NextPage(ctx))(t).Schedules {
			names = append(names, *n.Name)
		}
	}
	if fmt.Sprint(names) != "[n0 n2 n3 n4]" {
		t.Errorf("listed %v", names)
	}
	must(s.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: aws.String("n2"), GroupName: group}))(t)
	_, err = s.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: aws.String("n2"), GroupName: group})
	typed[*types.ResourceNotFoundException](t, err, "Schedule n2 does not exist.")
	must(s.DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: group}))(t)
	_, err = s.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("n1"), GroupName: group})
	typed[*types.ResourceNotFoundException](t, err, "Schedule group life does not exist.")
}

func testGroups(t *testing.T, h *house) {
	ctx, s := t.Context(), h.scheduler
	arn := must(s.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: aws.String("tagged"), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}))(t).ScheduleGroupArn
	must(s.TagResource(ctx, &scheduler.TagResourceInput{ResourceArn: arn, Tags: []types.Tag{{Key: aws.String("c"), Value: aws.String("d e")}}}))(t)
	must(s.UntagResource(ctx, &scheduler.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}}))(t)
	if tags := must(s.ListTagsForResource(ctx, &scheduler.ListTagsForResourceInput{ResourceArn: arn}))(t).Tags; len(tags) != 1 || *tags[0].Value != "d e" {
		t.Errorf("tags %v", tags)
	}
	if g := must(s.GetScheduleGroup(ctx, &scheduler.GetScheduleGroupInput{Name: aws.String("tagged")}))(t); g.State != types.ScheduleGroupStateActive || *g.Arn != *arn {
		t.Errorf("%+v", g)
	}
	if all := must(s.ListScheduleGroups(ctx, &scheduler.ListScheduleGroupsInput{NamePrefix: aws.String("default")}))(t).ScheduleGroups; len(all) != 1 {
		t.Errorf("groups %v", all)
	}
	_, err := s.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: aws.String("tagged")})
	typed[*types.ConflictException](t, err, "Schedule group tagged already exists.")
	_, err = s.DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: aws.String("default")})
	typed[*types.ValidationException](t, err, "This operation cannot be performed on schedule group default.")
}

func testRules(t *testing.T, h *house) {
	ctx, s := t.Context(), h.events
	name := aws.String("life")
	arn := must(s.PutRule(ctx, &eventbridge.PutRuleInput{Name: name, ScheduleExpression: aws.String("rate(1 day)"), Tags: []eventtypes.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}))(t).RuleArn
	must(s.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: name}))(t)
	if r := must(s.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: name}))(t); r.State != eventtypes.RuleStateDisabled || *r.ScheduleExpression != "rate(1 day)" || *r.EventBusName != "default" {
		t.Errorf("%+v", r)
	}
	must(s.EnableRule(ctx, &eventbridge.EnableRuleInput{Name: name}))(t)
	if all := must(s.ListRules(ctx, &eventbridge.ListRulesInput{NamePrefix: name}))(t).Rules; len(all) != 1 || all[0].State != eventtypes.RuleStateEnabled {
		t.Errorf("%+v", all)
	}
	must(s.TagResource(ctx, &eventbridge.TagResourceInput{ResourceARN: arn, Tags: []eventtypes.Tag{{Key: aws.String("c"), Value: aws.String("d")}}}))(t)
	must(s.UntagResource(ctx, &eventbridge.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"a"}}))(t)
	if tags := must(s.ListTagsForResource(ctx, &eventbridge.ListTagsForResourceInput{ResourceARN: arn}))(t).Tags; len(tags) != 1 || *tags[0].Key != "c" {
		t.Errorf("tags %v", tags)
	}
	must(s.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: name}))(t)
	_, err := s.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: name})
	typed[*eventtypes.ResourceNotFoundException](t, err, "Rule life does not exist on EventBus default.")
	_, err = s.PutRule(ctx, &eventbridge.PutRuleInput{Name: name, EventPattern: aws.String(`{"source":["x"]}`)})
	if err == nil || !strings.Contains(err.Error(), "EventPattern is not served by Pinfold") {
		t.Errorf("a rule with a pattern: %v", err)
	}
	_, err = s.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []eventtypes.PutEventsRequestEntry{{}}})
	if err == nil || !strings.Contains(err.Error(), "PutEvents of Amazon EventBridge") {
		t.Errorf("an operation that is not served: %v", err)
	}
}

func testTargets(t *testing.T, h *house) {
	ctx, s := t.Context(), h.events
	rule := aws.String("targets")
	must(s.PutRule(ctx, &eventbridge.PutRuleInput{Name: rule, ScheduleExpression: aws.String("cron(0 8 * * ? *)")}))(t)
	function, queue := aws.String(h.arn("lambda", "function:of-targets")), aws.String(h.arn("sqs", "of-targets"))
	out := must(s.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: rule, Targets: []eventtypes.Target{
		{Id: aws.String("f"), Arn: function, InputTransformer: &eventtypes.InputTransformer{InputPathsMap: map[string]string{"t": "$.time"}, InputTemplate: aws.String(`{"at": <t>}`)}},
		{Id: aws.String("q"), Arn: queue, Input: aws.String(`"hello"`), RetryPolicy: &eventtypes.RetryPolicy{MaximumRetryAttempts: aws.Int32(3)}},
	}}))(t)
	if out.FailedEntryCount != 0 {
		t.Errorf("%+v", out)
	}
	if all := must(s.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: rule}))(t).Targets; len(all) != 2 || *all[0].InputTransformer.InputTemplate != `{"at": <t>}` || *all[1].RetryPolicy.MaximumRetryAttempts != 3 {
		t.Errorf("%+v", all)
	}
	if names := must(s.ListRuleNamesByTarget(ctx, &eventbridge.ListRuleNamesByTargetInput{TargetArn: queue}))(t).RuleNames; fmt.Sprint(names) != "[targets]" {
		t.Errorf("rules %v", names)
	}
	_, err := s.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: rule})
	if err == nil || !strings.Contains(err.Error(), "Rule can't be deleted since it has targets.") {
		t.Errorf("deleting a rule with targets: %v", err)
	}
	many := []eventtypes.Target{}
	for i := range 6 {
		many = append(many, eventtypes.Target{Id: aws.String(fmt.Sprint(i)), Arn: function})
	}
	_, err = s.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: rule, Targets: many})
	typed[*eventtypes.LimitExceededException](t, err, "The requested resource exceeds the maximum number allowed.")
	removed := must(s.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: rule, Ids: []string{"f", "q", "x"}}))(t)
	if removed.FailedEntryCount != 1 || *removed.FailedEntries[0].ErrorMessage != "Rule 'targets' does not have a target with the Id 'x'." {
		t.Errorf("%+v", removed)
	}
	must(s.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: rule}))(t)
}

func testBuses(t *testing.T, h *house) {
	ctx, s := t.Context(), h.events
	if b := must(s.DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{}))(t); *b.Name != "default" || *b.Arn != h.arn("events", "event-bus/default") {
		t.Errorf("%+v", b)
	}
	if all := must(s.ListEventBuses(ctx, &eventbridge.ListEventBusesInput{}))(t).EventBuses; len(all) != 1 {
		t.Errorf("%+v", all)
	}
	event := aws.String(`{"id":"1","account":"1","source":"s","time":"2026-01-01T00:00:00Z","region":"r","resources":[],"detail-type":"d","detail":{"n":3}}`)
	for pattern, want := range map[string]bool{`{"detail":{"n":[{"numeric":[">",2]}]}}`: true, `{"source":["x"]}`: false} {
		if out := must(s.TestEventPattern(ctx, &eventbridge.TestEventPatternInput{EventPattern: &pattern, Event: event}))(t); out.Result != want {
			t.Errorf("%s: %t", pattern, out.Result)
		}
	}
	_, err := s.TestEventPattern(ctx, &eventbridge.TestEventPatternInput{EventPattern: aws.String(`{"a":[]}`), Event: event})
	typed[*eventtypes.InvalidEventPatternException](t, err, "Empty arrays are not allowed")
}

// TestFunction has a schedule invoke a function, and looks for what it wrote.
func TestFunction(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.p.Deploy(t, "testdata/app")
	name, _ := soon(t, "calls", h.once(t, types.Target{Arn: aws.String(h.arn("lambda", "function:told")), Input: aws.String(`{"of":"<aws.scheduler.schedule-arn>"}`)}), func(within time.Duration) bool {
		return h.saw(t, `told {"of":"`+h.arn("scheduler", "schedule/default/calls"), within)
	})
	gone(t, h, name)
	must(h.events.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("shown"), ScheduleExpression: aws.String("rate(1 day)")}))(t)
	statuses := must(h.p.Client.Schedules(t.Context()))(t)
	if len(statuses) != 1 || statuses[0].Name != "shown" || statuses[0].Kind != "rule" || time.Until(statuses[0].Next) < 23*time.Hour {
		t.Errorf("%+v", statuses)
	}
}
