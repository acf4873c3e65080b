package async

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/platformtest"
	"pinfold.dev/pinfold/test/gosdk"
)

const role = "arn:aws:iam::000000000000:role/async"

// Both do what their event asks for, and say what they got.
const (
	node = `
exports.handler = async (event, context) => {
  console.log("got " + JSON.stringify(event));
  if (event.fail) throw new TypeError(event.fail);
  return { id: context.awsRequestId, client: context.clientContext };
};
`
	python = `
def handler(event, context):
    print("got", event)
    if "fail" in event:
        raise LookupError(event["fail"])
    return {"id": context.aws_request_id}
`
)

// suite is a platform for all tests of this package.
type suite struct {
	*platformtest.Platform
	lambda *lambda.Client
	sqs    *sqs.Client
}

func TestAsync(t *testing.T) {
	p := platformtest.Start(t)
	config := gosdk.Config(p)
	s := &suite{p, lambda.NewFromConfig(config), sqs.NewFromConfig(config)}
	t.Run("parts", func(t *testing.T) {
		for name, part := range map[string]func(*testing.T, *suite){
			"success": success, "failure": failure, "function": toFunction, "paused": paused, "timeout": timeout,
			"listed": listed, "called by a function": byFunction, "missing queue": missingQueue, "long": long,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				part(t, s)
			})
		}
	})
}

// create makes a function and returns its ARN.
func (s *suite) create(t *testing.T, name, code string, change ...func(*lambda.CreateFunctionInput)) string {
	t.Helper()
	in := &lambda.CreateFunctionInput{FunctionName: &name, Role: aws.String(role), Runtime: types.RuntimeNodejs22x, Handler: aws.String("index.handler")}
	file := "index.js"
	if strings.HasPrefix(code, "\ndef") {
		file, in.Runtime = "index.py", types.RuntimePython312
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(file)
	if err == nil {
		_, err = f.Write([]byte(code))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	in.Code = &types.FunctionCode{ZipFile: b.Bytes()}
	for _, fn := range change {
		fn(in)
	}
	out, err := s.lambda.CreateFunction(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.FunctionArn
}

// queue makes a queue and returns its URL and ARN.
func (s *suite) queue(t *testing.T, name string) (url, arn string) {
	t.Helper()
	out, err := s.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl, "arn:aws:sqs:" + s.Region + ":" + s.Account + ":" + name
}

// receive waits for a message and removes it.
func (s *suite) receive(t *testing.T, url string) sqstypes.Message {
	t.Helper()
	for until := time.Now().Add(2 * time.Minute); time.Now().Before(until); {
		out, err := s.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &url, WaitTimeSeconds: 20, MessageAttributeNames: []string{"All"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			if _, err := s.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Error(err)
			}
			return m
		}
	}
	t.Fatalf("nothing comes to %s", url)
	panic("unreachable")
}

// send has a function invoked, and returns the request id.
func (s *suite) send(t *testing.T, function, payload string) string {
	t.Helper()
	out, err := s.lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, InvocationType: types.InvocationTypeEvent, Payload: []byte(payload)})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	if out.StatusCode != 202 || len(out.Payload) > 0 || id == "" {
		t.Errorf("answered with %d %q %s", out.StatusCode, id, out.Payload)
	}
	return id
}

// configure says how a function's events are handled: without retries.
func (s *suite) configure(t *testing.T, function string, d *types.DestinationConfig) {
	t.Helper()
	if _, err := s.lambda.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: &function, MaximumRetryAttempts: aws.Int32(0), MaximumEventAgeInSeconds: aws.Int32(60), DestinationConfig: d,
	}); err != nil {
		t.Fatal(err)
	}
}

// says waits until a function has written a line with that text.
func (s *suite) says(t *testing.T, function, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, err := range s.Client.Logs(ctx, client.LogQuery{Functions: []string{function}, Filter: text, Follow: true, Since: time.Unix(1, 0)}) {
		if err == nil {
			return
		}
		t.Fatal(err)
	}
	t.Fatalf("%s does not say %q", function, text)
}

// records waits until there are so many records of a request.
func (s *suite) records(t *testing.T, id string, n int) []pinfold.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		var all []pinfold.Record
		for r, err := range s.Client.Records(ctx, pinfold.RecordQuery{RequestID: id}) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		if len(all) >= n {
			return all
		}
	}
}

// record is a destination's.
type record struct {
	Version, Timestamp string
	RequestContext     struct {
		RequestID, FunctionARN, Condition string
		ApproximateInvokeCount            int
	}
	RequestPayload  map[string]any
	ResponseContext struct {
		StatusCode                     int
		ExecutedVersion, FunctionError string
	}
	ResponsePayload map[string]any
}

func readRecord(t *testing.T, body string) (r record) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return r
}

func success(t *testing.T, s *suite) {
	arn := s.create(t, "good", node)
	url, queue := s.queue(t, "good")
	s.configure(t, "good", &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: &queue}})
	id := s.send(t, "good", `{"n": 1}`)
	r := readRecord(t, *s.receive(t, url).Body)
	if r.Version != "1.0" || r.RequestContext.RequestID != id || r.RequestContext.FunctionARN != arn+":$LATEST" || r.RequestContext.Condition != "Success" ||
		r.RequestContext.ApproximateInvokeCount != 1 || r.RequestPayload["n"] != 1.0 || r.ResponseContext.StatusCode != 200 ||
		r.ResponseContext.ExecutedVersion != "$LATEST" || r.ResponsePayload["id"] != id {
		t.Errorf("record %+v", r)
	}
	if rec := s.records(t, id, 1)[0]; rec.Trigger != "async" || rec.Caller != "arn:aws:iam::"+s.Account+":root" || rec.Status != "ok" {
		t.Errorf("it is recorded as %+v", rec)
	}
}

func failure(t *testing.T, s *suite) {
	url, queue := s.queue(t, "bad")
	letters, dead := s.queue(t, "dead")
	s.create(t, "bad", python, func(in *lambda.CreateFunctionInput) { in.DeadLetterConfig = &types.DeadLetterConfig{TargetArn: &dead} })
	s.configure(t, "bad", &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: &queue}})
	id := s.send(t, "bad", `{"fail": "on purpose"}`)
	r := readRecord(t, *s.receive(t, url).Body)
	if r.RequestContext.Condition != "RetriesExhausted" || r.RequestContext.ApproximateInvokeCount != 1 || r.ResponseContext.FunctionError != "Unhandled" ||
		r.ResponsePayload["errorType"] != "LookupError" || r.RequestPayload["fail"] != "on purpose" {
		t.Errorf("record %+v", r)
	}
	letter := s.receive(t, letters)
	attribute := func(name, kind string) string {
		a := letter.MessageAttributes[name]
		if aws.ToString(a.DataType) != kind {
			t.Errorf("%s is a %s", name, aws.ToString(a.DataType))
		}
		return aws.ToString(a.StringValue)
	}
	if *letter.Body != `{"fail": "on purpose"}` || attribute("RequestID", "String") != id || attribute("ErrorCode", "Number") != "200" || attribute("ErrorMessage", "String") != "on purpose" {
		t.Errorf("dead letter %s %+v", *letter.Body, letter.MessageAttributes)
	}
}

func toFunction(t *testing.T, s *suite) {
	s.create(t, "first", node)
	second := s.create(t, "second", python)
	s.configure(t, "first", &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: &second}})
	id := s.send(t, "first", `{}`)
	s.says(t, "second", id)
}

// paused keeps the events of a function that must not run.
func paused(t *testing.T, s *suite) {
	name := "paused"
	s.create(t, name, node)
	if _, err := s.lambda.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: &name, ReservedConcurrentExecutions: aws.Int32(0)}); err != nil {
		t.Fatal(err)
	}
	s.send(t, name, `{"kept": true}`)
	if _, err := s.lambda.DeleteFunctionConcurrency(t.Context(), &lambda.DeleteFunctionConcurrencyInput{FunctionName: &name}); err != nil {
		t.Fatal(err)
	}
	s.says(t, name, `got {"kept":true}`)
}

// timeout is a function's error, too.
func timeout(t *testing.T, s *suite) {
	s.create(t, "slow", "\nexports.handler = () => new Promise(() => setTimeout(() => {}, 3600e3));\n", func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(1) })
	url, queue := s.queue(t, "slow")
	s.configure(t, "slow", &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: &queue}})
	s.send(t, "slow", `{}`)
	if r := readRecord(t, *s.receive(t, url).Body); r.ResponsePayload["errorType"] != "Sandbox.Timedout" {
		t.Errorf("record %+v", r)
	}
}

// long has more events run at a time than there are to begin with, though none of
// them ends for long: the twelve are never together otherwise.
func long(t *testing.T, s *suite) {
	s.create(t, "long", "\nexports.handler = () => new Promise(done => setTimeout(done, 20e3));\n", func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(60) })
	s.configure(t, "long", nil)
	for range 12 {
		s.send(t, "long", `{}`)
	}
	s.waitFor(t, "long", func(e *pinfold.AsyncEvents) bool { return e.Running == 12 })
	s.waitFor(t, "long", func(e *pinfold.AsyncEvents) bool { return e.Running == 0 }) // or the platform could not stop
}

// byFunction has a function send an event to another one, in the same trace.
func byFunction(t *testing.T, s *suite) {
	s.create(t, "callee", node)
	s.create(t, "caller", `
def handler(event, context):
    import boto3
    return boto3.client("lambda").invoke(FunctionName="callee", InvocationType="Event", Payload='{"from": "caller"}')["StatusCode"]
`, func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(60) }) // boto3 takes its time to load
	out, err := s.lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("caller")})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out.Payload), "No module named 'boto3'") {
		t.Skip("functions have no boto3 on this machine")
	}
	if string(out.Payload) != "202" {
		t.Errorf("the function got %s", out.Payload)
	}
	s.says(t, "callee", `got {"from":"caller"}`)
}

// missingQueue keeps a record until there is somebody to take it.
func missingQueue(t *testing.T, s *suite) {
	s.create(t, "early", node)
	queue := "arn:aws:sqs:" + s.Region + ":" + s.Account + ":late"
	s.configure(t, "early", &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: &queue}})
	id := s.send(t, "early", `{}`)
	s.says(t, "early", "got {}")
	url, _ := s.queue(t, "late")
	if r := readRecord(t, *s.receive(t, url).Body); r.RequestContext.RequestID != id {
		t.Errorf("record %+v", r)
	}
}

// listed is what a person sees of an event that failed, and can do.
func listed(t *testing.T, s *suite) {
	s.create(t, "watched", node)
	s.configure(t, "watched", nil)
	id, err := s.Client.InvokeAsync(t.Context(), "watched", []byte(`{"fail": "once"}`))
	if err != nil || id == "" {
		t.Fatalf("accepted as %q, %v", id, err)
	}
	s.says(t, "watched", `got {"fail":"once"}`)
	events := s.waitFor(t, "watched", func(e *pinfold.AsyncEvents) bool { return e.Failed == 1 && e.Running == 0 })
	if e := events.Events; len(e) != 1 || e[0].ID != id || e[0].State != pinfold.AsyncFailed || e[0].Condition != "RetriesExhausted" || e[0].Error != "once" || e[0].Attempts != 1 {
		t.Errorf("events are %+v", e)
	}
	if n, err := s.Client.RetryEvents(t.Context(), "watched", id); n != 1 || err != nil {
		t.Errorf("tried once more: %d, %v", n, err)
	}
	s.waitFor(t, "watched", func(e *pinfold.AsyncEvents) bool { return e.Failed == 1 && e.Waiting+e.Running == 0 })
	if all := s.records(t, id, 2); all[0].Trace != all[1].Trace {
		t.Errorf("the attempts are in the traces %s and %s", all[0].Trace, all[1].Trace)
	}
	if n, err := s.Client.DropEvents(t.Context(), "watched"); n != 1 || err != nil {
		t.Errorf("dropped %d, %v", n, err)
	}
	if events, err := s.Client.Events(t.Context(), "watched", 0); err != nil || len(events.Events) > 0 || events.Failed > 0 {
		t.Errorf("after that there are %+v, %v", events, err)
	}
}

// waitFor asks for the events of a function until they are as wanted.
func (s *suite) waitFor(t *testing.T, function string, as func(*pinfold.AsyncEvents) bool) *pinfold.AsyncEvents {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		events, err := s.Client.Events(ctx, function, 0)
		if err != nil {
			t.Fatal(err)
		}
		if as(events) {
			return events
		}
	}
}
