package events_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/schedule"
	"pinfold.dev/pinfold/internal/store/sql"
	"pinfold.dev/pinfold/internal/wire/events"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

var scope = pinfold.Scope{Account: "123456789012", Region: "eu-west-1"}

// wire is the adapter over a real service, asked without a listener.
type wire struct {
	t      *testing.T
	server *protocol.Server
	asked  []pinfold.Action
	deny   bool
}

func (w *wire) Authorize(_ context.Context, _ pinfold.Principal, what pinfold.Action) error {
	w.asked = append(w.asked, what)
	if w.deny {
		return pinfold.Errorf(pinfold.Denied, "no")
	}
	return nil
}

func start(t *testing.T) *wire {
	t.Helper()
	db, err := sql.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &wire{t: t}
	if w.server, err = events.New(events.Options{
		Service: schedule.New(schedule.Options{Store: db, Scope: scope}), Scope: scope, Authorizer: w, Log: slog.New(slog.DiscardHandler),
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

// ask asks for an operation and returns the status and the body of the answer.
func (w *wire) ask(operation, body string) string {
	r := httptest.NewRequestWithContext(protocol.WithCaller(w.t.Context(), &protocol.Caller{RequestID: "request-1"}), "POST", "/", nil)
	r.Header.Set("X-Amz-Target", "AWSEvents."+operation)
	answer := httptest.NewRecorder()
	w.server.Serve(answer, r, []byte(body))
	return fmt.Sprint(answer.Code, " ", answer.Body)
}

const (
	rules = "arn:aws:events:eu-west-1:123456789012:rule/"
	fn    = `"Arn":"arn:aws:lambda:eu-west-1:123456789012:function:work"`
	bus   = "arn:aws:events:eu-west-1:123456789012:event-bus/"
	event = `{\"id\":\"1\",\"account\":\"1\",\"source\":\"s\",\"time\":\"t\",\"region\":\"r\",\"resources\":[],\"detail-type\":\"d\"}`
)

// TestOnTheWire goes through a life, and holds every byte.
func TestOnTheWire(t *testing.T) {
	w := start(t)
	failed := func(name, message string) string {
		return `400 {"__type":"` + name + `","message":"` + message + `"}`
	}
	for _, c := range []struct{ operation, in, want string }{
		{"PutRule", `{"Name":"r","ScheduleExpression":"rate(5 minutes)","Tags":[{"Key":"team","Value":"blue"}]}`, `200 {"RuleArn":"` + rules + `r"}`},
		{"PutRule", `{"Name":"s","ScheduleExpression":"cron(0 8 * * ? *)","Description":"d","State":"DISABLED","RoleArn":"arn:aws:iam::123456789012:role/r","EventBusName":"` + bus + `default"}`, `200 {"RuleArn":"` + rules + `s"}`},
		{"DescribeRule", `{"Name":"r"}`, `200 {"Arn":"` + rules + `r","CreatedBy":"123456789012","EventBusName":"default","Name":"r","ScheduleExpression":"rate(5 minutes)","State":"ENABLED"}`},
		{"ListRules", `{"NamePrefix":"s"}`, `200 {"Rules":[{"Arn":"` + rules + `s","Description":"d","EventBusName":"default","Name":"s","RoleArn":"arn:aws:iam::123456789012:role/r","ScheduleExpression":"cron(0 8 * * ? *)","State":"DISABLED"}]}`},
		{"EnableRule", `{"Name":"s"}`, `200 {}`},
		{"DisableRule", `{"Name":"r"}`, `200 {}`},
		{"ListRules", `{"Limit":1}`, `200 {"NextToken":"WyIxMjM0NTY3ODkwMTIiLCJldS13ZXN0LTEiLCJkZWZhdWx0IiwiciJd","Rules":[{"Arn":"` + rules + `r","EventBusName":"default","Name":"r","ScheduleExpression":"rate(5 minutes)","State":"DISABLED"}]}`},
		{"PutTargets", `{"Rule":"r","Targets":[{"Id":"1",` + fn + `},{"Id":"2","Arn":"arn:aws:sqs:eu-west-1:123456789012:q.fifo","RoleArn":"x","SqsParameters":{"MessageGroupId":"g"},"InputTransformer":{"InputPathsMap":{"t":"$.time"},"InputTemplate":"\"<t>\""},` +
			`"DeadLetterConfig":{"Arn":"arn:aws:sqs:eu-west-1:123456789012:dead"},"RetryPolicy":{"MaximumRetryAttempts":4}}]}`, `200 {"FailedEntries":[],"FailedEntryCount":0}`},
		{"ListTargetsByRule", `{"Rule":"r"}`, `200 {"Targets":[{` + fn + `,"Id":"1"},{"Arn":"arn:aws:sqs:eu-west-1:123456789012:q.fifo","DeadLetterConfig":{"Arn":"arn:aws:sqs:eu-west-1:123456789012:dead"},"Id":"2",` +
			`"InputTransformer":{"InputPathsMap":{"t":"$.time"},"InputTemplate":"\"<t>\""},"RetryPolicy":{"MaximumRetryAttempts":4},"RoleArn":"x","SqsParameters":{"MessageGroupId":"g"}}]}`},
		{"ListRuleNamesByTarget", `{"TargetArn":"arn:aws:lambda:eu-west-1:123456789012:function:work"}`, `200 {"RuleNames":["r"]}`},
		{"ListRuleNamesByTarget", `{"TargetArn":"arn:aws:lambda:eu-west-1:123456789012:function:none"}`, `200 {"RuleNames":[]}`},
		{"DeleteRule", `{"Name":"r"}`, failed("ValidationException", "Rule can't be deleted since it has targets.")},
		{"RemoveTargets", `{"Rule":"r","Ids":["1","2","3"]}`, `200 {"FailedEntries":[{"ErrorCode":"ResourceNotFoundException","ErrorMessage":"Rule 'r' does not have a target with the Id '3'.","TargetId":"3"}],"FailedEntryCount":1}`},
		{"TagResource", `{"ResourceARN":"` + rules + `r","Tags":[{"Key":"cost","Value":""}]}`, `200 {}`},
		{"UntagResource", `{"ResourceARN":"` + rules + `r","TagKeys":["team"]}`, `200 {}`},
		{"ListTagsForResource", `{"ResourceARN":"` + rules + `r"}`, `200 {"Tags":[{"Key":"cost","Value":""}]}`},
		{"DeleteRule", `{"Name":"r"}`, `200 {}`},
		{"DeleteRule", `{"Name":"r"}`, `200 {}`},
		{"DescribeEventBus", `{}`, `200 {"Arn":"` + bus + `default","Name":"default"}`},
		{"ListEventBuses", `{}`, `200 {"EventBuses":[{"Arn":"` + bus + `default","Name":"default"}]}`},
		{"ListEventBuses", `{"NamePrefix":"x"}`, `200 {"EventBuses":[]}`},
		{"TestEventPattern", `{"EventPattern":"{\"source\":[\"s\"]}","Event":"` + event + `"}`, `200 {"Result":true}`},
		{"TestEventPattern", `{"EventPattern":"{\"source\":[\"x\"]}","Event":"` + event + `"}`, `200 {"Result":false}`},

		{"DescribeRule", `{"Name":"r"}`, failed("ResourceNotFoundException", "Rule r does not exist on EventBus default.")},
		{"DescribeRule", `{"Name":"r","EventBusName":"mine"}`, failed("ResourceNotFoundException", "Event bus mine does not exist.")},
		{"DescribeEventBus", `{"Name":"mine"}`, failed("ResourceNotFoundException", "Event bus mine does not exist.")},
		{"PutRule", `{"Name":"r","ScheduleExpression":"rate(1 minutes)"}`, failed("ValidationException", "Parameter ScheduleExpression is not valid. (rate(1 minutes): write 1 minute, in the singular)")},
		{"PutRule", `{"Name":"r","EventPattern":"{\"a\":[]}"}`, failed("InvalidEventPatternException", `Event pattern is not valid. Reason: Empty arrays are not allowed\n at [Source: (String)\"{\"a\":[]}\"; line: 1, column: 8]`)},
		{"PutRule", `{"Name":"r","ScheduleExpression":"rate(1 minute)","State":"ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"}`, failed("ValidationException", "State ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS is not served by Pinfold: write ENABLED")},
		{"PutTargets", `{"Rule":"s","Targets":[{"Id":"1",` + fn + `,"HttpParameters":{}}]}`, failed("ValidationException", "Parameter(s) HttpParameters not supported for target: 1. (functions and queues are targets that Pinfold serves)")},
		{"PutTargets", `{"Rule":"s","Targets":[{"Id":"1","Arn":"x"}]}`, failed("ValidationException", "Parameter x is not valid. Reason: Provided Arn is not in correct format.")},
		{"PutTargets", `{"Rule":"none","Targets":[{"Id":"1",` + fn + `}]}`, failed("ResourceNotFoundException", "Rule none does not exist on EventBus default.")},
		{"PutTargets", `{"Rule":"s","Targets":[{"Id":"1",` + fn + `},{"Id":"2",` + fn + `},{"Id":"3",` + fn + `},{"Id":"4",` + fn + `},{"Id":"5",` + fn + `},{"Id":"6",` + fn + `}]}`, failed("LimitExceededException", "The requested resource exceeds the maximum number allowed.")},
		{"ListTagsForResource", `{"ResourceARN":"` + rules + `none"}`, failed("ResourceNotFoundException", "Rule none does not exist on EventBus default.")},
		{"TagResource", `{"ResourceARN":"` + bus + `default","Tags":[]}`, failed("ValidationException", "Tags of event buses are not served by Pinfold ("+bus+"default): rules have tags")},
		{"PutEvents", `{"Entries":[]}`, `501 {"__type":"NotImplementedException","message":"Pinfold does not serve PutEvents of Amazon EventBridge yet: docs/served.md lists what it serves"}`},
	} {
		if got := w.ask(c.operation, c.in); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.operation, c.in, got, c.want)
		}
	}
}

// Each operation asks about what it is for.
func TestAuthorize(t *testing.T) {
	w := start(t)
	w.deny = true
	for _, c := range []struct{ operation, in, resource string }{
		{"PutRule", `{"Name":"r"}`, rules + "r"},
		{"PutRule", `{"Name":"r","EventBusName":"mine"}`, rules + "mine/r"},
		{"DeleteRule", `{"Name":"r"}`, rules + "r"},
		{"DescribeRule", `{"Name":"r","EventBusName":"` + bus + `default"}`, rules + "r"},
		{"EnableRule", `{"Name":"r"}`, rules + "r"},
		{"DisableRule", `{"Name":"r"}`, rules + "r"},
		{"ListRules", `{}`, "*"},
		{"PutTargets", `{"Rule":"r","Targets":[{"Id":"1","Arn":"x"}]}`, rules + "r"},
		{"RemoveTargets", `{"Rule":"r","Ids":["1"]}`, rules + "r"},
		{"ListTargetsByRule", `{"Rule":"r"}`, rules + "r"},
		{"ListRuleNamesByTarget", `{"TargetArn":"x"}`, "*"},
		{"TagResource", `{"ResourceARN":"` + rules + `r","Tags":[]}`, rules + "r"},
		{"UntagResource", `{"ResourceARN":"` + rules + `r","TagKeys":[]}`, rules + "r"},
		{"ListTagsForResource", `{"ResourceARN":"` + rules + `r"}`, rules + "r"},
		{"DescribeEventBus", `{"Name":"default"}`, bus + "default"},
		{"ListEventBuses", `{}`, "*"},
		{"TestEventPattern", `{"EventPattern":"{}","Event":"{}"}`, "*"},
	} {
		w.asked = nil
		answer := w.ask(c.operation, c.in)
		if len(w.asked) != 1 || w.asked[0] != (pinfold.Action{Name: "events:" + c.operation, Resource: c.resource}) || !strings.Contains(answer, "AccessDenied") {
			t.Errorf("%s: asked %v, answered %s", c.operation, w.asked, answer)
		}
	}
}
