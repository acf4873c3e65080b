package queues

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"pinfold.dev/pinfold/platformtest"
)

type sqsName = types.QueueAttributeName

// TestQueues has one platform for all clients.
func TestQueues(t *testing.T) {
	t.Parallel()
	p := platformtest.Start(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *platformtest.Platform)
	}{
		{"Go", testGo}, {"errors", testErrors}, {"Python", testPython}, {"JavaScript", testJavaScript}, {"command", testCommand}, {"sandbox", testInSandbox},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, p)
		})
	}
}

func testPython(t *testing.T, p *platformtest.Platform) {
	program(t, p, "testdata/boto3", "python3", "-m", "unittest", "-v", "test_sqs")
}

func testJavaScript(t *testing.T, p *platformtest.Platform) {
	const dir = "../apps/js-sqs"
	if _, err := os.Stat(dir + "/node_modules"); err != nil {
		t.Fatalf("the SDK is not installed: run test/setup.sh (%v)", err)
	}
	program(t, p, dir, "node", "--test", "sqs.test.js")
}

// testGo has each operation done by AWS's SDK for Go.
func testGo(t *testing.T, p *platformtest.Platform) {
	s, ctx := newSDK(p), t.Context()
	dead := s.create(t, "go-dead", nil)
	deadARN := s.arn(t, dead)
	url := s.create(t, "go", map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1}`, *deadARN), "VisibilityTimeout": "0"})
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	must(s.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("go")}))
	must(s.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"VisibilityTimeout": "0"}}))
	must(s.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: url, Tags: map[string]string{"a": "b"}}))
	must(s.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: url}))
	must(s.UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: url, TagKeys: []string{"a"}}))
	must(s.AddPermission(ctx, &sqs.AddPermissionInput{QueueUrl: url, Label: aws.String("l"), AWSAccountIds: []string{"111111111111"}, Actions: []string{"*"}}))
	must(s.RemovePermission(ctx, &sqs.RemovePermissionInput{QueueUrl: url, Label: aws.String("l")}))
	var listed []string
	for pages := sqs.NewListQueuesPaginator(s, &sqs.ListQueuesInput{QueueNamePrefix: aws.String("go"), MaxResults: aws.Int32(1)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, page.QueueUrls...)
	}
	if !slices.Equal(listed, []string{*url, *dead}) {
		t.Errorf("listed %v", listed)
	}

	s.send(t, url, "x") // the SDK checks MD5s
	s.receive(t, url)
	if out, err := s.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url}); err != nil || len(out.Messages) != 0 {
		t.Errorf("received %v, %v", out, err)
	}
	sources, err := s.ListDeadLetterSourceQueues(ctx, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: dead})
	if err != nil || !slices.Equal(sources.QueueUrls, []string{*url}) {
		t.Errorf("sources %v, %v", sources, err)
	}
	must(s.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"VisibilityTimeout": "60"}}))
	must(s.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: deadARN}))
	back := s.receive(t, url)
	if len(back.Messages) != 1 || *back.Messages[0].Body != "x" {
		t.Fatalf("moved back: %+v", back)
	}
	must(s.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: deadARN}))
	for i := range 3 {
		s.send(t, dead, fmt.Sprint(i))
	}
	task, err := s.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: deadARN, DestinationArn: s.arn(t, url), MaxNumberOfMessagesPerSecond: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	must(s.CancelMessageMoveTask(ctx, &sqs.CancelMessageMoveTaskInput{TaskHandle: task.TaskHandle}))

	handle := back.Messages[0].ReceiptHandle
	must(s.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: handle, VisibilityTimeout: 60}))
	must(s.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{{Id: aws.String("a"), ReceiptHandle: handle, VisibilityTimeout: 60}}}))
	must(s.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: handle}))
	must(s.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: url, Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("a"), MessageBody: aws.String("y")}}}))
	must(s.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("a"), ReceiptHandle: handle}}}))
	must(s.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: url}))
	must(s.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: url}))
	must(s.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: dead}))

	client := reflect.TypeOf(s.Client)
	for i := range client.NumMethod() {
		if name := client.Method(i).Name; name != "Options" && !s.done[name] {
			t.Errorf("%s was not called, or failed", name)
		}
	}
}

// testErrors: wrong input gets AWS's errors, in the SDK's types.
func testErrors(t *testing.T, p *platformtest.Platform) {
	s, ctx := newSDK(p), t.Context()
	url := s.create(t, "errors", nil)
	fifo := s.create(t, "errors.fifo", map[string]string{"FifoQueue": "true"})
	eleven := make([]types.SendMessageBatchRequestEntry, 11)
	for i := range eleven {
		eleven[i] = types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String("x")}
	}
	send := func(in sqs.SendMessageInput) error {
		_, err := s.SendMessage(ctx, &in)
		return err
	}
	batch := func(entries ...types.SendMessageBatchRequestEntry) error {
		_, err := s.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: url, Entries: entries})
		return err
	}
	_, handleErr := s.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: aws.String("x")})
	_, existsErr := s.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("errors"), Attributes: map[string]string{"DelaySeconds": "1"}})
	_, redriveErr := s.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none","maxReceiveCount":1}`}})
	for name, c := range map[string]struct {
		err        error
		as         any
		code, text string
	}{
		"unknown queue":       {send(sqs.SendMessageInput{QueueUrl: aws.String("none"), MessageBody: aws.String("x")}), new(*types.QueueDoesNotExist), "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."},
		"wrong handle":        {handleErr, new(*types.ReceiptHandleIsInvalid), "ReceiptHandleIsInvalid", `"x" is not a valid receipt handle`},
		"same name":           {existsErr, new(*types.QueueNameExists), "QueueAlreadyExists", "a different value for attribute DelaySeconds"},
		"no group":            {send(sqs.SendMessageInput{QueueUrl: fifo, MessageBody: aws.String("x"), MessageDeduplicationId: aws.String("d")}), nil, "MissingParameter", "The request must contain the parameter MessageGroupId."},
		"too large":           {send(sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String(strings.Repeat("x", 1<<20+1))}), nil, "InvalidParameterValue", "Message must be shorter than 1048576 bytes"},
		"eleven entries":      {batch(eleven...), new(*types.TooManyEntriesInBatchRequest), "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "You have sent 11"},
		"ids twice":           {batch(eleven[0], eleven[0]), new(*types.BatchEntryIdsNotDistinct), "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id 0 repeated."},
		"no entries":          {batch([]types.SendMessageBatchRequestEntry{}...), new(*types.EmptyBatchRequest), "AWS.SimpleQueueService.EmptyBatchRequest", "at least one SendMessageBatchRequestEntry"},
		"no such dead letter": {redriveErr, nil, "InvalidParameterValue", "Dead letter target does not exist."},
	} {
		var e smithy.APIError
		if !errors.As(c.err, &e) || !strings.Contains(e.ErrorMessage(), c.text) || c.as != nil && !errors.As(c.err, c.as) {
			t.Errorf("%s: %v", name, c.err)
		}
		if e != nil && e.ErrorCode() != c.code && c.as == nil {
			t.Errorf("%s: the code is %s, not %s", name, e.ErrorCode(), c.code)
		}
	}
}

// testCommand uses the aws command.
func testCommand(t *testing.T, p *platformtest.Platform) {
	run := func(into any, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "aws", append([]string{"--endpoint-url", p.Endpoints.API, "--output", "json", "sqs"}, args...)...)
		cmd.Env = environ(t, p)
		out, err := cmd.Output()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("aws sqs %s: %s", strings.Join(args, " "), exit.Stderr)
		}
		if into != nil {
			if err := json.Unmarshal(out, into); err != nil {
				t.Fatalf("aws sqs %s: %s: %v", strings.Join(args, " "), out, err)
			}
		}
	}
	var queue struct {
		QueueURL string `json:"QueueUrl"`
	}
	run(&queue, "create-queue", "--queue-name", "cli", "--attributes", "VisibilityTimeout=60", "--tags", "a=b")
	run(nil, "send-message", "--queue-url", queue.QueueURL, "--message-body", "hello", "--message-attributes", `{"n":{"DataType":"Number","StringValue":"1"}}`)
	var got struct {
		Messages []struct{ Body, ReceiptHandle string }
	}
	run(&got, "receive-message", "--queue-url", queue.QueueURL, "--attribute-names", "All", "--message-attribute-names", "All", "--wait-time-seconds", "20")
	if len(got.Messages) != 1 || got.Messages[0].Body != "hello" {
		t.Fatalf("received %+v", got)
	}
	run(nil, "delete-message", "--queue-url", queue.QueueURL, "--receipt-handle", got.Messages[0].ReceiptHandle)
	run(nil, "delete-queue", "--queue-url", queue.QueueURL)
}
