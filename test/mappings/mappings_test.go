package mappings

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
)

// TestMappings has one platform for all cases.
func TestMappings(t *testing.T) {
	t.Parallel()
	h := start(t)
	for name, test := range map[string]func(*testing.T, *house){
		"event": wholeEvent, "python": inPython, "partial failures": partialFailures, "poison": poison, "order": order, "filters": filters, "window": window,
		"life": life, "throttled": throttled, "no function": noFunction, "no queue": noQueue, "backlog": backlog, "refusals": refusals,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, h) })
	}
}

func done(event) (any, bool) { return nil, true }

// wholeEvent: a function gets what the sender sent, and what the queue knows.
func wholeEvent(t *testing.T, h *house) {
	events := make(chan event, 10)
	h.function(t, "whole", func(e event) (any, bool) { events <- e; return nil, true })
	url, arn := h.queue(t, "whole")
	id := h.connect(t, arn, "whole")
	sent, err := h.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: &url, MessageBody: aws.String("héllo \"you\"\n"),
		MessageAttributes: map[string]sqstypes.MessageAttributeValue{"n": {DataType: aws.String("Number"), StringValue: aws.String("7")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := came(t, events).Records[0]
	sum := md5.Sum([]byte(r.Body))
	if r.MessageID != *sent.MessageId || r.Body != "héllo \"you\"\n" || r.EventSource != "aws:sqs" || r.EventSourceARN != arn || r.AWSRegion != h.p.Region || r.ReceiptHandle == "" ||
		r.Attributes["ApproximateReceiveCount"] != "1" || r.MessageAttributes["n"].StringValue != "7" || r.MessageAttributes["n"].DataType != "Number" || r.MD5OfBody != hex.EncodeToString(sum[:]) {
		t.Errorf("the record is %+v", r)
	}
	h.empty(t, url)
	if got := h.state(t, id, "Enabled"); *got.LastProcessingResult != "OK" || *got.FunctionArn != "arn:aws:lambda:"+h.p.Region+":"+h.p.Account+":function:whole" {
		t.Errorf("the mapping is %+v", got)
	}
}

func inPython(t *testing.T, h *house) {
	bodies := make(chan []string, 10)
	h.function(t, "snake", func(e event) (any, bool) { bodies <- e.bodies(); return nil, true }, python(t))
	url, arn := h.queue(t, "snake")
	h.connect(t, arn, "snake")
	h.send(t, url, "", "a")
	if got := came(t, bodies); !slices.Equal(got, []string{"a"}) {
		t.Errorf("came %v", got)
	}
	h.empty(t, url)
}

// partialFailures: what is reported comes back, the rest does not.
func partialFailures(t *testing.T, h *house) {
	again := make(chan []string, 10)
	h.function(t, "partial", func(e event) (any, bool) {
		failures := []any{}
		var retried []string
		for _, r := range e.Records {
			switch {
			case r.Attributes["ApproximateReceiveCount"] != "1":
				retried = append(retried, r.Body)
			case r.Body == "2" || r.Body == "5":
				failures = append(failures, map[string]string{"itemIdentifier": r.MessageID})
			}
		}
		if retried != nil {
			again <- retried
		}
		return map[string]any{"batchItemFailures": failures}, true
	}, timeout(4))
	url, arn := h.queue(t, "partial", "VisibilityTimeout", "5")
	h.connect(t, arn, "partial", func(in *lambda.CreateEventSourceMappingInput) {
		in.FunctionResponseTypes = []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures}
	})
	h.send(t, url, "", "0", "1", "2", "3", "4", "5", "6")
	var got []string
	for len(got) < 2 {
		got = append(got, came(t, again)...)
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"2", "5"}) {
		t.Errorf("came again: %v", got)
	}
	h.empty(t, url)
}

// poison: a message that always fails goes to the dead-letter queue, others get
// through.
func poison(t *testing.T, h *house) {
	h.function(t, "picky", func(e event) (any, bool) { return nil, !slices.Contains(e.bodies(), "poison") }, timeout(4))
	dead, deadARN := h.queue(t, "picky-dead")
	url, arn := h.queue(t, "picky", "VisibilityTimeout", "5", "RedrivePolicy", `{"deadLetterTargetArn":"`+deadARN+`","maxReceiveCount":"2"}`)
	h.connect(t, arn, "picky", func(in *lambda.CreateEventSourceMappingInput) { in.BatchSize = aws.Int32(1) })
	h.send(t, url, "", "a", "poison", "b")
	for {
		out, err := h.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &dead, WaitTimeSeconds: 20})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) > 0 {
			if body := *out.Messages[0].Body; body != "poison" {
				t.Errorf("%q is dead", body)
			}
			break
		}
	}
	h.empty(t, url)
}

// order: messages of a group come one after the other, also when a batch fails.
func order(t *testing.T, h *house) {
	const groups, each = 4, 20
	var mu sync.Mutex
	got, failed := map[string][]int{}, false
	finished := make(chan struct{})
	h.function(t, "ordered", func(e event) (any, bool) {
		mu.Lock()
		defer mu.Unlock()
		if !failed && slices.Contains(e.bodies(), "7") {
			failed = true
			return nil, false
		}
		sum := 0
		for _, r := range e.Records {
			n, _ := strconv.Atoi(r.Body)
			group := r.Attributes["MessageGroupId"]
			if n < len(got[group]) {
				continue // comes again, as when the machine was too slow for the visibility timeout
			}
			got[group] = append(got[group], n)
		}
		for _, all := range got {
			sum += len(all)
		}
		if sum == groups*each {
			close(finished)
		}
		return nil, true
	}, timeout(2))
	url, arn := h.queue(t, "ordered.fifo", "FifoQueue", "true", "VisibilityTimeout", "4")
	h.connect(t, arn, "ordered", func(in *lambda.CreateEventSourceMappingInput) { in.BatchSize = aws.Int32(3) })
	for n := range each {
		for g := range groups {
			h.send(t, url, fmt.Sprint("g", g), strconv.Itoa(n))
		}
	}
	came(t, finished)
	for group, all := range got {
		if len(all) != each || !slices.IsSorted(all) {
			t.Errorf("group %s came as %v", group, all)
		}
	}
	h.empty(t, url)
}

func filters(t *testing.T, h *house) {
	bodies := make(chan []string, 10)
	h.function(t, "choosy", func(e event) (any, bool) { bodies <- e.bodies(); return nil, true })
	url, arn := h.queue(t, "choosy")
	h.connect(t, arn, "choosy", func(in *lambda.CreateEventSourceMappingInput) {
		in.FilterCriteria = &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String(`{"body":{"kind":["wanted"]}}`)}}}
	})
	h.send(t, url, "", `{"kind":"unwanted"}`, `text`, `{"kind":"wanted"}`)
	if got := came(t, bodies); !slices.Equal(got, []string{`{"kind":"wanted"}`}) {
		t.Errorf("came %v", got)
	}
	h.empty(t, url)
}

// window: messages of several receives come as one batch.
func window(t *testing.T, h *house) {
	bodies := make(chan []string, 100)
	h.function(t, "patient", func(e event) (any, bool) { bodies <- e.bodies(); return nil, true })
	url, arn := h.queue(t, "patient")
	h.connect(t, arn, "patient", func(in *lambda.CreateEventSourceMappingInput) {
		in.BatchSize, in.MaximumBatchingWindowInSeconds = aws.Int32(35), aws.Int32(60)
	})
	var all []string
	for i := range 35 {
		all = append(all, strconv.Itoa(i))
	}
	h.send(t, url, "", all...)
	if got := came(t, bodies); len(got) != 35 {
		t.Errorf("a batch of %d", len(got))
	}
	h.empty(t, url)
}

// life goes through a mapping's states. It loses no message.
func life(t *testing.T, h *house) {
	old, young := make(chan []string, 10), make(chan []string, 10)
	h.function(t, "old", func(e event) (any, bool) { old <- e.bodies(); return nil, true })
	h.function(t, "young", func(e event) (any, bool) { young <- e.bodies(); return nil, true })
	url, arn := h.queue(t, "life")
	id := h.connect(t, arn, "old", func(in *lambda.CreateEventSourceMappingInput) { in.Enabled = aws.Bool(false) })
	h.state(t, id, "Disabled")
	h.send(t, url, "", "a")
	update := func(in lambda.UpdateEventSourceMappingInput, want string) {
		t.Helper()
		in.UUID = &id
		out, err := h.lambda.UpdateEventSourceMapping(t.Context(), &in)
		if err != nil || *out.State != want {
			t.Errorf("update answers %+v, %v, want %s", out, err, want)
		}
	}
	update(lambda.UpdateEventSourceMappingInput{Enabled: aws.Bool(true)}, "Enabling")
	if got := came(t, old); !slices.Equal(got, []string{"a"}) {
		t.Errorf("came %v", got)
	}
	h.state(t, id, "Enabled")
	update(lambda.UpdateEventSourceMappingInput{FunctionName: aws.String("young"), BatchSize: aws.Int32(1)}, "Updating")
	h.state(t, id, "Enabled")
	h.send(t, url, "", "b")
	if got := came(t, young); !slices.Equal(got, []string{"b"}) {
		t.Errorf("came %v", got)
	}
	update(lambda.UpdateEventSourceMappingInput{Enabled: aws.Bool(false)}, "Disabling")
	h.state(t, id, "Disabled")
	h.send(t, url, "", "c")
	listed, err := h.lambda.ListEventSourceMappings(t.Context(), &lambda.ListEventSourceMappingsInput{EventSourceArn: &arn})
	if err != nil || len(listed.EventSourceMappings) != 1 || *listed.EventSourceMappings[0].UUID != id {
		t.Errorf("listed %+v, %v", listed, err)
	}
	deleted, err := h.lambda.DeleteEventSourceMapping(t.Context(), &lambda.DeleteEventSourceMappingInput{UUID: &id})
	if err != nil || *deleted.State != "Deleting" {
		t.Errorf("delete answers %+v, %v", deleted, err)
	}
	out, err := h.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 5, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"}})
	if err != nil || len(out.Messages) != 1 || *out.Messages[0].Body != "c" || out.Messages[0].Attributes["ApproximateReceiveCount"] != "1" {
		t.Errorf("received %+v, %v", out, err)
	}
}

// throttled: messages of a function that may not run wait, and are not counted as
// received.
func throttled(t *testing.T, h *house) {
	counts := make(chan string, 10)
	h.function(t, "held", func(e event) (any, bool) {
		counts <- e.Records[0].Attributes["ApproximateReceiveCount"]
		return nil, true
	})
	if _, err := h.lambda.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: aws.String("held"), ReservedConcurrentExecutions: aws.Int32(0)}); err != nil {
		t.Fatal(err)
	}
	url, arn := h.queue(t, "held")
	id := h.connect(t, arn, "held")
	h.send(t, url, "", "a")
	h.until(t, "the mapping says so", func(context.Context) bool {
		got := h.state(t, id, "Enabled")
		return aws.ToString(got.LastProcessingResult) == "PROBLEM: Function throttled"
	})
	if _, err := h.lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("held"), InvocationType: types.InvocationTypeEvent}); err != nil {
		t.Fatal(err)
	}
	h.until(t, "it is shown what is paused", func(ctx context.Context) bool {
		all, err := h.p.Client.Functions(ctx)
		i := slices.IndexFunc(all, func(f client.FunctionStatus) bool { return f.Name == "held" })
		return err == nil && i >= 0 && len(all[i].Mappings) == 1 && all[i].Mappings[0].UUID == id && all[i].Mappings[0].State == "Enabled" &&
			all[i].Mappings[0].Paused != nil && all[i].Events != nil && all[i].Events.Paused != nil
	})
	h.until(t, "metrics say so", func(ctx context.Context) bool {
		text := h.metrics(t, ctx)
		return strings.Contains(text, `pinfold_mapping_paused{function="held",source="held"} 1`) && strings.Contains(text, `pinfold_async_paused{function="held"} 1`) &&
			strings.Contains(text, `pinfold_queue_messages{queue="held",state="visible"} 1`) && strings.Contains(text, `pinfold_event_log_entries{stream="messages"}`)
	})
	if _, err := h.lambda.DeleteFunctionConcurrency(t.Context(), &lambda.DeleteFunctionConcurrencyInput{FunctionName: aws.String("held")}); err != nil {
		t.Fatal(err)
	}
	if n := came(t, counts); n != "1" {
		t.Errorf("the message counts as received %s times", n)
	}
	h.empty(t, url)
}

// noFunction: a mapping outlives its function, and says what is wrong.
func noFunction(t *testing.T, h *house) {
	h.function(t, "leaves", done)
	url, arn := h.queue(t, "leaves")
	id := h.connect(t, arn, "leaves")
	if _, err := h.lambda.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: aws.String("leaves")}); err != nil {
		t.Fatal(err)
	}
	h.send(t, url, "", "a")
	h.until(t, "the mapping says so", func(context.Context) bool {
		return aws.ToString(h.state(t, id, "Enabled").LastProcessingResult) == "PROBLEM: Function not found"
	})
	all, err := h.p.Client.Mappings(t.Context())
	if err != nil || !slices.ContainsFunc(all, func(m pinfold.MappingStatus) bool { return m.UUID == id && m.Function == "leaves" && m.Paused != nil }) {
		t.Errorf("the platform tells %+v, %v", all, err)
	}
	h.function(t, "leaves", done) // comes back
	h.empty(t, url)
}

func noQueue(t *testing.T, h *house) {
	h.function(t, "alone", done)
	url, arn := h.queue(t, "alone")
	id := h.connect(t, arn, "alone")
	if _, err := h.sqs.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	h.until(t, "the mapping says so", func(context.Context) bool {
		return aws.ToString(h.state(t, id, "Enabled").LastProcessingResult) == "PROBLEM: Queue not found"
	})
}

// backlog: a queue that was full before gets empty, with as many batches at a time
// as the mapping says at most, and each message handled once.
func backlog(t *testing.T, h *house) {
	var mu sync.Mutex
	seen, out, peak := map[string]int{}, 0, 0
	h.function(t, "busy", func(e event) (any, bool) {
		mu.Lock()
		out++
		peak = max(peak, out)
		for _, body := range e.bodies() {
			seen[body]++
		}
		mu.Unlock()
		defer func() { mu.Lock(); out--; mu.Unlock() }()
		return nil, true
	})
	url, arn := h.queue(t, "busy")
	var all []string
	for i := range 1000 {
		all = append(all, strconv.Itoa(i))
	}
	h.send(t, url, "", all...)
	h.connect(t, arn, "busy", func(in *lambda.CreateEventSourceMappingInput) {
		in.ScalingConfig = &types.ScalingConfig{MaximumConcurrency: aws.Int32(3)}
	})
	h.empty(t, url)
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 1000 || peak > 3 {
		t.Errorf("%d messages were handled, %d batches at a time", len(seen), peak)
	}
	for body, n := range seen {
		if n != 1 {
			t.Errorf("message %s was handled %d times", body, n)
		}
	}
}

// refusals: wrong input gets AWS's errors.
func refusals(t *testing.T, h *house) {
	h.function(t, "strict", done, timeout(40))
	_, arn := h.queue(t, "strict")
	_, long := h.queue(t, "strict-long", "VisibilityTimeout", "40")
	_, fifo := h.queue(t, "strict.fifo", "FifoQueue", "true", "VisibilityTimeout", "40")
	id := h.connect(t, long, "strict")
	for name, test := range map[string]struct {
		arn        string
		change     func(*lambda.CreateEventSourceMappingInput)
		code, text string
	}{
		"short visibility": {arn, nil, "InvalidParameterValueException", "Queue visibility timeout: 30 seconds is less than Function timeout: 40 seconds"},
		"no queue":         {arn + "-none", nil, "InvalidParameterValueException", "SQS Error Code: AWS.SimpleQueueService.NonExistentQueue"},
		"again":            {long, nil, "ResourceConflictException", "already exists. Please update or delete the existing mapping with UUID " + id},
		"no function":      {long, func(in *lambda.CreateEventSourceMappingInput) { in.FunctionName = aws.String("none") }, "InvalidParameterValueException", "Function does not exist"},
		"FIFO window":      {fifo, func(in *lambda.CreateEventSourceMappingInput) { in.MaximumBatchingWindowInSeconds = aws.Int32(1) }, "InvalidParameterValueException", "Batching window is not supported for FIFO queues"},
		"no window":        {long, func(in *lambda.CreateEventSourceMappingInput) { in.BatchSize = aws.Int32(11) }, "InvalidParameterValueException", "Maximum batch window in seconds must be greater than 0"},
		"filter": {long, func(in *lambda.CreateEventSourceMappingInput) {
			in.FilterCriteria = &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String("{")}}}
		}, "InvalidParameterValueException", "Invalid filter pattern definition."},
		"stream": {"arn:aws:kinesis:us-east-1:000000000000:stream/s", nil, "InvalidParameterValueException", "Event source mappings of Amazon Kinesis are not served by Pinfold yet"},
	} {
		in := &lambda.CreateEventSourceMappingInput{EventSourceArn: &test.arn, FunctionName: aws.String("strict")}
		if test.change != nil {
			test.change(in)
		}
		_, err := h.lambda.CreateEventSourceMapping(t.Context(), in)
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != test.code || !strings.Contains(e.ErrorMessage(), test.text) {
			t.Errorf("%s: %v, want %s: %s", name, err, test.code, test.text)
		}
	}
}
