package scheduler_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/schedule"
	"pinfold.dev/pinfold/internal/store/sql"
	"pinfold.dev/pinfold/internal/wire/protocol"
	"pinfold.dev/pinfold/internal/wire/scheduler"
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
	if w.server, err = scheduler.New(scheduler.Options{
		Service: schedule.New(schedule.Options{Store: db, Scope: scope}), Scope: scope, Authorizer: w, Log: slog.New(slog.DiscardHandler),
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

// ask sends a request, "GET /schedules", and returns the status and the body of the
// answer.
func (w *wire) ask(request, body string) string {
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequestWithContext(protocol.WithCaller(w.t.Context(), &protocol.Caller{RequestID: "request-1"}), method, target, nil)
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	w.server.Serve(answer, r, []byte(body))
	return fmt.Sprint(answer.Code, " ", answer.Body)
}

var times = regexp.MustCompile(`("(?:CreationDate|LastModificationDate)":)[0-9.e+]+`)

const (
	role      = `"RoleArn":"arn:aws:iam::123456789012:role/r"`
	fn        = `"Arn":"arn:aws:lambda:eu-west-1:123456789012:function:work"`
	off       = `"FlexibleTimeWindow":{"Mode":"OFF"}`
	schedules = `arn:aws:scheduler:eu-west-1:123456789012:schedule/`
	groups    = `arn:aws:scheduler:eu-west-1:123456789012:schedule-group/`
)

// TestOnTheWire goes through a life, and holds every byte but times.
func TestOnTheWire(t *testing.T) {
	w := start(t)
	for _, c := range []struct{ request, in, want string }{
		{"POST /schedule-groups/g", `{"ClientToken":"t","Tags":[{"Key":"team","Value":"blue"}]}`, `200 {"ScheduleGroupArn":"` + groups + `g"}`},
		{"POST /schedule-groups/g", `{"ClientToken":"t"}`, `200 {"ScheduleGroupArn":"` + groups + `g"}`},
		{"GET /schedule-groups/g", ``, `200 {"Arn":"` + groups + `g","CreationDate":T,"LastModificationDate":T,"Name":"g","State":"ACTIVE"}`},
		{"GET /schedule-groups/default", ``, `200 {"Arn":"` + groups + `default","Name":"default","State":"ACTIVE"}`},
		{"GET /schedule-groups?MaxResults=1", ``, `200 {"NextToken":"WyJkZWZhdWx0Il0","ScheduleGroups":[{"Arn":"` + groups + `default","Name":"default","State":"ACTIVE"}]}`},
		{"GET /schedule-groups?MaxResults=1&NextToken=WyJkZWZhdWx0Il0", ``, `200 {"ScheduleGroups":[{"Arn":"` + groups + `g","CreationDate":T,"LastModificationDate":T,"Name":"g","State":"ACTIVE"}]}`},
		{"POST /tags/arn%3Aaws%3Ascheduler%3Aeu-west-1%3A123456789012%3Aschedule-group%2Fg", `{"Tags":[{"Key":"cost","Value":"7"}]}`, `200 {}`},
		{"DELETE /tags/arn%3Aaws%3Ascheduler%3Aeu-west-1%3A123456789012%3Aschedule-group%2Fg?TagKeys=team&TagKeys=none", ``, `200 {}`},
		{"GET /tags/arn%3Aaws%3Ascheduler%3Aeu-west-1%3A123456789012%3Aschedule-group%2Fg", ``, `200 {"Tags":[{"Key":"cost","Value":"7"}]}`},

		{"POST /schedules/plain", `{"ScheduleExpression":"rate(5 minutes)",` + off + `,"Target":{` + fn + `,` + role + `}}`, `200 {"ScheduleArn":"` + schedules + `default/plain"}`},
		{"GET /schedules/plain", ``, `200 {"ActionAfterCompletion":"NONE","Arn":"` + schedules + `default/plain","CreationDate":T,` + off + `,"GroupName":"default","LastModificationDate":T,"Name":"plain",` +
			`"ScheduleExpression":"rate(5 minutes)","ScheduleExpressionTimezone":"UTC","State":"ENABLED","Target":{` + fn + `,"RetryPolicy":{"MaximumEventAgeInSeconds":86400,"MaximumRetryAttempts":185},` + role + `}}`},
		{"POST /schedules/full", `{"GroupName":"g","ClientToken":"t","Description":"d","ScheduleExpression":"cron(0 8 ? * MON-FRI *)","ScheduleExpressionTimezone":"Europe/Berlin","StartDate":4070908800,"EndDate":4102444800,"State":"DISABLED","ActionAfterCompletion":"DELETE",` +
			`"KmsKeyArn":"arn:aws:kms:eu-west-1:123456789012:key/k","FlexibleTimeWindow":{"Mode":"FLEXIBLE","MaximumWindowInMinutes":15},"Target":{"Arn":"arn:aws:sqs:eu-west-1:123456789012:q.fifo",` + role + `,"Input":"text",` +
			`"SqsParameters":{"MessageGroupId":"m"},"DeadLetterConfig":{"Arn":"arn:aws:sqs:eu-west-1:123456789012:dead"},"RetryPolicy":{"MaximumRetryAttempts":0}}}`, `200 {"ScheduleArn":"` + schedules + `g/full"}`},
		{"GET /schedules/full?groupName=g", ``, `200 {"ActionAfterCompletion":"DELETE","Arn":"` + schedules + `g/full","CreationDate":T,"Description":"d","EndDate":4102444800,"FlexibleTimeWindow":{"MaximumWindowInMinutes":15,"Mode":"FLEXIBLE"},"GroupName":"g",` +
			`"KmsKeyArn":"arn:aws:kms:eu-west-1:123456789012:key/k","LastModificationDate":T,"Name":"full","ScheduleExpression":"cron(0 8 ? * MON-FRI *)","ScheduleExpressionTimezone":"Europe/Berlin","StartDate":4070908800,"State":"DISABLED",` +
			`"Target":{"Arn":"arn:aws:sqs:eu-west-1:123456789012:q.fifo","DeadLetterConfig":{"Arn":"arn:aws:sqs:eu-west-1:123456789012:dead"},"Input":"text","RetryPolicy":{"MaximumEventAgeInSeconds":86400,"MaximumRetryAttempts":0},` + role + `,"SqsParameters":{"MessageGroupId":"m"}}}`},
		{"GET /schedules?State=DISABLED", ``, `200 {"Schedules":[{"Arn":"` + schedules + `g/full","CreationDate":T,"GroupName":"g","LastModificationDate":T,"Name":"full","State":"DISABLED","Target":{"Arn":"arn:aws:sqs:eu-west-1:123456789012:q.fifo"}}]}`},
		{"PUT /schedules/full", `{"GroupName":"g","ScheduleExpression":"at(2099-01-01T00:00:00)",` + off + `,"Target":{` + fn + `,` + role + `}}`, `200 {"ScheduleArn":"` + schedules + `g/full"}`},
		{"GET /schedules?ScheduleGroup=g&NamePrefix=f&State=ENABLED&MaxResults=1", ``, `200 {"Schedules":[{"Arn":"` + schedules + `g/full","CreationDate":T,"GroupName":"g","LastModificationDate":T,"Name":"full","State":"ENABLED","Target":{` + fn + `}}]}`},
		{"DELETE /schedules/plain", ``, `200 {}`},
		{"DELETE /schedule-groups/g", ``, `200 {}`},
		{"GET /schedules", ``, `200 {"Schedules":[]}`},

		// Those marked in internal/schedule; here it is how they look.
		{"GET /schedules/plain", ``, `404 {"Message":"Schedule plain does not exist."}`},
		{"GET /schedules/plain?groupName=g", ``, `404 {"Message":"Schedule group g does not exist."}`},
		{"POST /schedules/x", `{"ScheduleExpression":"rate(5)",` + off + `,"Target":{` + fn + `,` + role + `}}`, `400 {"Message":"Invalid Schedule Expression rate(5). (\"\" is no unit: write minutes, hours or days)"}`},
		{"POST /schedules/x", `{"ScheduleExpression":"rate(5 minutes)","FlexibleTimeWindow":{"Mode":"FLEXIBLE"},"Target":{` + fn + `,` + role + `}}`, `400 {"Message":"MaximumWindowInMinutes must be provided when FlexibleTimeWindowMode is set to FLEXIBLE."}`},
		{"POST /schedules/x", `{"ScheduleExpression":"rate(5 minutes)","FlexibleTimeWindow":{"Mode":"OFF","MaximumWindowInMinutes":5},"Target":{` + fn + `,` + role + `}}`, `400 {"Message":"MaximumWindowInMinutes must not be provided when FlexibleTimeWindowMode is set to OFF."}`},
		{"POST /schedules/x", `{"ScheduleExpression":"rate(5 minutes)",` + off + `,"Target":{` + fn + `,` + role + `,"KinesisParameters":{"PartitionKey":"k"}}}`, `400 {"Message":"Parameters KinesisParameters not supported for the target. (functions and queues are targets that Pinfold serves)"}`},
		{"POST /schedules/x", `{"ScheduleExpression":"rate(5 minutes)",` + off + `,"Target":{"Arn":"arn:aws:scheduler:::aws-sdk:sqs:sendMessage",` + role + `}}`, `400 {"Message":"The universal target arn:aws:scheduler:::aws-sdk:sqs:sendMessage is not served by Pinfold: name a function or a queue by its own ARN"}`},
		{"POST /schedules/x%20y", `{"ScheduleExpression":"rate(5 minutes)",` + off + `,"Target":{` + fn + `,` + role + `}}`, `400 {"Message":"1 validation error detected: Value 'x y' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$"}`},
		{"POST /schedule-groups/default", `{}`, `400 {"Message":"This operation cannot be performed on schedule group default."}`},
		{"GET /tags/arn%3Aaws%3Ascheduler%3Aus-east-1%3A123456789012%3Aschedule-group%2Fdefault", ``, `404 {"Message":"Schedule group arn:aws:scheduler:us-east-1:123456789012:schedule-group/default does not exist."}`},
	} {
		if got := times.ReplaceAllString(w.ask(c.request, c.in), "${1}T"); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.request, c.in, got, c.want)
		}
	}
}

// Each operation asks about what it is for.
func TestAuthorize(t *testing.T) {
	w := start(t)
	w.deny = true
	body := `{"ScheduleExpression":"rate(5 minutes)",` + off + `,"GroupName":"g","Target":{` + fn + `,` + role + `}}`
	tag := "/tags/" + strings.NewReplacer(":", "%3A", "/", "%2F").Replace(groups+"g")
	for _, c := range []struct{ request, in, action, resource string }{
		{"POST /schedules/n", body, "CreateSchedule", schedules + "g/n"},
		{"PUT /schedules/n", body, "UpdateSchedule", schedules + "g/n"},
		{"GET /schedules/n", ``, "GetSchedule", schedules + "default/n"},
		{"DELETE /schedules/n?groupName=g", ``, "DeleteSchedule", schedules + "g/n"},
		{"GET /schedules", ``, "ListSchedules", "*"},
		{"POST /schedule-groups/g", `{}`, "CreateScheduleGroup", groups + "g"},
		{"GET /schedule-groups/g", ``, "GetScheduleGroup", groups + "g"},
		{"DELETE /schedule-groups/g", ``, "DeleteScheduleGroup", groups + "g"},
		{"GET /schedule-groups", ``, "ListScheduleGroups", "*"},
		{"POST " + tag, `{"Tags":[]}`, "TagResource", groups + "g"},
		{"DELETE " + tag + "?TagKeys=k", ``, "UntagResource", groups + "g"},
		{"GET " + tag, ``, "ListTagsForResource", groups + "g"},
	} {
		w.asked = nil
		answer := w.ask(c.request, c.in)
		if len(w.asked) != 1 || w.asked[0] != (pinfold.Action{Name: "scheduler:" + c.action, Resource: c.resource}) || !strings.HasPrefix(answer, "403 ") {
			t.Errorf("%s: asked %v, answered %s", c.request, w.asked, answer)
		}
	}
}
