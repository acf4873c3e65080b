package mappings

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
	"pinfold.dev/pinfold/test/gosdk"
)

const role = "arn:aws:iam::000000000000:role/mappings"

// The functions ask the test what to answer.
const (
	nodeCode = `exports.handler = async (event) => {
  const answer = await fetch(process.env.ASK, { method: "POST", body: JSON.stringify(event) });
  if (answer.status !== 200) throw new Error(await answer.text());
  return await answer.json();
};`
	pythonCode = `import json, os, urllib.request
def handler(event, context):
    with urllib.request.urlopen(os.environ["ASK"], json.dumps(event).encode()) as answer:
        return json.load(answer)
`
)

// event is what functions are invoked with.
type event struct{ Records []record }

type record struct {
	MessageID         string `json:"messageId"`
	ReceiptHandle     string
	Body              string
	Attributes        map[string]string
	MessageAttributes map[string]struct{ StringValue, DataType string }
	MD5OfBody         string `json:"md5OfBody"`
	EventSource       string
	EventSourceARN    string `json:"eventSourceARN"`
	AWSRegion         string `json:"awsRegion"`
}

func (e event) bodies() []string {
	var all []string
	for _, r := range e.Records {
		all = append(all, r.Body)
	}
	return all
}

// house is a platform and the server that functions ask.
type house struct {
	p      *platformtest.Platform
	lambda *lambda.Client
	sqs    *sqs.Client
	ask    *httptest.Server

	mu      sync.Mutex
	answers map[string]func(event) (any, bool) // by function
}

func start(t *testing.T) *house {
	t.Helper()
	h := &house{answers: map[string]func(event) (any, bool){}}
	h.ask = httptest.NewServer(h)
	t.Cleanup(h.ask.Close)
	// The test's server is on the loopback, which walls keep functions from.
	h.p = platformtest.Start(t, func(c *platform.Config) { c.Sandbox, c.Metrics = "process", "127.0.0.1:0" })
	h.lambda, h.sqs = lambda.NewFromConfig(gosdk.Config(h.p)), sqs.NewFromConfig(gosdk.Config(h.p))
	return h
}

func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e event
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if len(e.Records) == 0 { // is only to come up
		fmt.Fprint(w, "null")
		return
	}
	h.mu.Lock()
	decide := h.answers[strings.TrimPrefix(r.URL.Path, "/")]
	h.mu.Unlock()
	answer, ok := decide(e)
	if !ok {
		http.Error(w, "failed on purpose", http.StatusTeapot)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// function makes a function that answers as decide says; false is a failure. It has
// come up once, so that the start of its runtime is not a part of short timeouts.
func (h *house) function(t *testing.T, name string, decide func(event) (any, bool), change ...func(*lambda.CreateFunctionInput)) {
	t.Helper()
	h.mu.Lock()
	h.answers[name] = decide
	h.mu.Unlock()
	in := &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: types.RuntimeNodejs22x, Handler: aws.String("index.handler"), Role: aws.String(role), Timeout: aws.Int32(20),
		Code:        &types.FunctionCode{ZipFile: zipped(t, "index.js", nodeCode)},
		Environment: &types.Environment{Variables: map[string]string{"ASK": h.ask.URL + "/" + name}},
	}
	for _, f := range change {
		f(in)
	}
	if _, err := h.lambda.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	for up := false; !up; { // on a busy machine that is longer than the timeout
		out, err := h.lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name})
		if err != nil {
			t.Fatal(err)
		}
		if up = out.FunctionError == nil; !up && !strings.Contains(string(out.Payload), "Sandbox.Timedout") {
			t.Fatalf("%s", out.Payload)
		}
	}
}

func python(t *testing.T) func(in *lambda.CreateFunctionInput) {
	return func(in *lambda.CreateFunctionInput) {
		in.Runtime, in.Handler, in.Code.ZipFile = types.RuntimePython312, aws.String("app.handler"), zipped(t, "app.py", pythonCode)
	}
}

func timeout(seconds int32) func(in *lambda.CreateFunctionInput) {
	return func(in *lambda.CreateFunctionInput) { in.Timeout = &seconds }
}

func zipped(t *testing.T, name, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(name)
	if err == nil {
		_, err = f.Write([]byte(content))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// queue makes a queue and returns its URL and ARN. Attributes are names and values
// by turns.
func (h *house) queue(t *testing.T, name string, attributes ...string) (url, arn string) {
	t.Helper()
	all := map[string]string{}
	for i := 0; i < len(attributes); i += 2 {
		all[attributes[i]] = attributes[i+1]
	}
	made, err := h.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: all})
	if err != nil {
		t.Fatal(err)
	}
	return *made.QueueUrl, "arn:aws:sqs:" + h.p.Region + ":" + h.p.Account + ":" + name
}

// connect maps a queue to a function.
func (h *house) connect(t *testing.T, arn, function string, change ...func(*lambda.CreateEventSourceMappingInput)) string {
	t.Helper()
	in := &lambda.CreateEventSourceMappingInput{EventSourceArn: &arn, FunctionName: &function}
	for _, f := range change {
		f(in)
	}
	made, err := h.lambda.CreateEventSourceMapping(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return *made.UUID
}

// send sends messages, ten at a time; group is of FIFO queues.
func (h *house) send(t *testing.T, url, group string, bodies ...string) {
	t.Helper()
	for len(bodies) > 0 {
		n := min(10, len(bodies))
		in := &sqs.SendMessageBatchInput{QueueUrl: &url}
		for _, body := range bodies[:n] {
			id := string(rune('a' + len(in.Entries)))
			in.Entries = append(in.Entries, sqstypes.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body})
			if group != "" {
				in.Entries[len(in.Entries)-1].MessageGroupId, in.Entries[len(in.Entries)-1].MessageDeduplicationId = &group, aws.String(group+"-"+body)
			}
		}
		out, err := h.sqs.SendMessageBatch(t.Context(), in)
		if err != nil || len(out.Failed) > 0 {
			t.Fatal(out, err)
		}
		bodies = bodies[n:]
	}
}

// empty waits until nothing is left of a queue, not even what is out of sight.
func (h *house) empty(t *testing.T, url string) {
	t.Helper()
	h.until(t, "the queue is empty", func(ctx context.Context) bool {
		out, err := h.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
		return err == nil && out.Attributes["ApproximateNumberOfMessages"] == "0" && out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
	})
}

// state waits until a mapping is in a state, and returns it.
func (h *house) state(t *testing.T, id, state string) (got *lambda.GetEventSourceMappingOutput) {
	t.Helper()
	h.until(t, "the mapping is "+state, func(ctx context.Context) (ok bool) {
		var err error
		got, err = h.lambda.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &id})
		return err == nil && *got.State == state
	})
	return got
}

// until asks again and again whether something is true.
func (h *house) until(t *testing.T, what string, is func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !is(ctx) {
		if ctx.Err() != nil {
			t.Fatalf("it took too long until %s", what)
		}
	}
}

// came waits for the next thing that a function was asked.
func came[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// metrics returns what Prometheus would read.
func (h *house) metrics(t *testing.T, ctx context.Context) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.p.Metrics+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
