package function_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
)

const aQueue = "arn:aws:sqs:us-east-1:111111111111:failed"

func TestEventInvoke(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.versioned("hello")
	f.create("after")
	after := ref("after").ARN()
	age := pinfold.Seconds(60)
	put := func(name string, c function.EventInvokeChange) *pinfold.EventInvokeConfig {
		t.Helper()
		config, err := f.PutEventInvoke(ctx, ref(name), c)
		f.must(err)
		return config
	}
	want := pinfold.EventInvokeConfig{Ref: ref("hello:$LATEST"), MaximumRetryAttempts: new(1), MaximumEventAge: &age, OnSuccess: after, Modified: f.now}
	if c := put("hello", function.EventInvokeChange{MaximumRetryAttempts: new(1), MaximumEventAge: &age, OnSuccess: &after}); !cmp.Equal(*c, want) {
		t.Errorf("put %+v", c)
	}
	if c, err := f.GetEventInvoke(ctx, ref("hello:$LATEST")); err != nil || !cmp.Equal(*c, want) {
		t.Errorf("got %+v, %v", c, err)
	}
	f.now = f.now.Add(time.Minute)
	c, err := f.UpdateEventInvoke(ctx, ref("hello"), function.EventInvokeChange{OnFailure: new(aQueue)})
	f.must(err)
	if want.OnFailure, want.Modified = aQueue, f.now; !cmp.Equal(*c, want) {
		t.Errorf("an update leaves %+v", c)
	}
	want = pinfold.EventInvokeConfig{Ref: want.Ref, OnFailure: aQueue, Modified: f.now}
	if c := put("hello", function.EventInvokeChange{OnFailure: new(aQueue)}); !cmp.Equal(*c, want) {
		t.Errorf("a second put leaves %+v", c)
	}
	put("hello:live", function.EventInvokeChange{OnFailure: new("")})
	put("hello:2", function.EventInvokeChange{MaximumRetryAttempts: new(0)})
	put("after", function.EventInvokeChange{MaximumRetryAttempts: new(0)})
	list := func(p function.Page) ([]*pinfold.EventInvokeConfig, string, error) {
		return f.ListEventInvokes(ctx, ref("hello"), p)
	}
	qualifier := func(c *pinfold.EventInvokeConfig) string { return c.Ref.Qualifier }
	wantPages(t, "configurations", []string{"$LATEST", "2", "live"}, list, qualifier)

	f.must(f.DeleteEventInvoke(ctx, ref("hello")))
	f.must(f.Delete(ctx, ref("hello:2")))
	f.must(f.DeleteAlias(ctx, ref("hello:live")))
	wantPages(t, "what is left", nil, list, qualifier)
	f.must(f.Delete(ctx, ref("after")))
	f.create("after")
	_, err = f.GetEventInvoke(ctx, ref("after"))
	wantError(t, "a new function of the same name", err, pinfold.NotFound, notFound, "The function "+after+":$LATEST doesn't have an EventInvokeConfig")
}

// TestEventInvokeFromMemory reads what the service of asynchronous invocation does,
// which sees every change at once.
func TestEventInvokeFromMemory(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.versioned("hello")
	retries := func(name string) int {
		t.Helper()
		c, err := f.EventInvoke(ctx, ref(name))
		f.must(err)
		if c.MaximumRetryAttempts == nil {
			return -1
		}
		return *c.MaximumRetryAttempts
	}
	for range 2 {
		if n := retries("hello"); n != -1 {
			t.Errorf("%d retries where nothing is said", n)
		}
	}
	f.must(second(f.PutEventInvoke(ctx, ref("hello"), function.EventInvokeChange{MaximumRetryAttempts: new(1)})))
	for _, c := range []struct {
		name string
		want int
	}{{"hello", 1}, {"hello:$LATEST", 1}, {"hello:live", -1}, {"hello:1", -1}} {
		if n := retries(c.name); n != c.want {
			t.Errorf("%s has %d retries, want %d", c.name, n, c.want)
		}
	}
	f.must(f.DeleteEventInvoke(ctx, ref("hello")))
	if n := retries("hello"); n != -1 {
		t.Errorf("%d retries after the configuration was deleted", n)
	}
	f.must(f.Delete(ctx, ref("hello")))
	_, err := f.EventInvoke(ctx, ref("hello"))
	wantError(t, "no function", err, pinfold.NotFound, notFound, "Function not found")
}

// Texts: localstack/localstack, services/lambda_/provider.py, and radkawar/stackd,
// both recorded from AWS.
func TestEventInvokeErrors(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.create("hello")
	put := func(name string, c function.EventInvokeChange) error {
		return second(f.PutEventInvoke(ctx, ref(name), c))
	}
	to := func(arn string) function.EventInvokeChange { return function.EventInvokeChange{OnFailure: &arn} }
	age := pinfold.Seconds(59)
	own := ref("hello").ARN()
	for _, c := range []struct {
		what   string
		err    error
		code   pinfold.Code
		reason string
		text   string
	}{
		{"nothing said", put("hello", function.EventInvokeChange{}), pinfold.Invalid, invalidParameter, "You must specify at least one of error handling or destination setting."},
		{"no function", put("nobody", to("")), pinfold.NotFound, notFound, "The function doesn't exist."},
		{"no alias", put("hello:live", to("")), pinfold.NotFound, notFound, "The function doesn't exist."},
		{"no configuration to update", second(f.UpdateEventInvoke(ctx, ref("hello"), to(""))), pinfold.NotFound, notFound, "The function " + own + ":$LATEST doesn't have an EventInvokeConfig"},
		{"none to delete", f.DeleteEventInvoke(ctx, ref("hello")), pinfold.NotFound, notFound, "The function " + own + ":$LATEST doesn't have an EventInvokeConfig"},
		{"retries", put("hello", function.EventInvokeChange{MaximumRetryAttempts: new(3)}), pinfold.Invalid, validationError, "1 validation error detected: Value '3' at 'maximumRetryAttempts' failed to satisfy constraint: Member must have value less than or equal to 2"},
		{"age", put("hello", function.EventInvokeChange{MaximumEventAge: &age}), pinfold.Invalid, validationError, "1 validation error detected: Value '59' at 'maximumEventAgeInSeconds' failed to satisfy constraint: Member must have value greater than or equal to 60"},
		{"itself", put("hello", to(own)), pinfold.Invalid, invalidParameter, "You can't specify the function as a destination for itself."},
		{"unknown function", put("hello", to(ref("nobody").ARN())), pinfold.Invalid, invalidParameter, "The destination ARN " + ref("nobody").ARN() + " is invalid."},
		{"FIFO queue", put("hello", to(aQueue+".fifo")), pinfold.Invalid, invalidParameter, "The destination ARN " + aQueue + ".fifo is invalid."},
		{"no ARN", put("hello", to("failed")), pinfold.Invalid, invalidParameter, "The destination ARN failed is invalid."},
		{"odd service", put("hello", to("arn:aws:ec2:us-east-1:1:x")), pinfold.Invalid, invalidParameter, "The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=arn:aws:ec2:us-east-1:1:x)) is invalid."},
		{"topic", put("hello", to("arn:aws:sns:us-east-1:1:x")), pinfold.Unserved, invalidParameter, "An SNS topic as a destination is not served by Pinfold yet"},
		{"bus", put("hello", to("arn:aws:events:us-east-1:1:event-bus/x")), pinfold.Unserved, invalidParameter, "An event bus as a destination"},
		{"bucket", put("hello", to("arn:aws:s3:::x")), pinfold.Unserved, invalidParameter, "A bucket as a destination"},
		{"list of a version", func() error { _, _, err := f.ListEventInvokes(ctx, ref("hello:1"), function.Page{}); return err }(), pinfold.Invalid, invalidParameter, "The function name must not include a version number or alias."},
		{"list of no function", func() error { _, _, err := f.ListEventInvokes(ctx, ref("nobody"), function.Page{}); return err }(), pinfold.NotFound, notFound, "The function doesn't exist."},
	} {
		wantError(t, c.what, c.err, c.code, c.reason, c.text)
	}
}

func TestDeadLetter(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.create("hello")
	set := func(arn string) error {
		return second(f.UpdateConfig(ctx, ref("hello"), function.ConfigPatch{DeadLetter: &arn}, ""))
	}
	f.must(set(aQueue))
	v, err := f.Resolve(ctx, ref("hello"))
	f.must(err)
	if v.Config.DeadLetter != aQueue {
		t.Errorf("dead letters go to %q", v.Config.DeadLetter)
	}
	f.publish("hello")
	f.must(set(""))
	if v, err = f.Resolve(ctx, ref("hello:1")); err != nil || v.Config.DeadLetter != aQueue {
		t.Errorf("the published version's go to %q, %v", v.Config.DeadLetter, err)
	}
	const wrong = "Invalid dead letter queue ARN: "
	wantError(t, "another region", set(strings.Replace(aQueue, "us-east-1", "us-east-2", 1)), pinfold.Invalid, invalidParameter, wrong+"The resource specified by the TargetArn must be in the same region")
	wantError(t, "a function", set(ref("hello").ARN()), pinfold.Invalid, invalidParameter, wrong+"Only Amazon SQS queues and Amazon SNS topics are supported.")
	wantError(t, "a FIFO queue", set(aQueue+".fifo"), pinfold.Invalid, invalidParameter, wrong+"FIFO SQS queue is not supported for dead letter configuration")
	wantError(t, "a topic", set("arn:aws:sns:us-east-1:1:x"), pinfold.Unserved, invalidParameter, "An SNS topic as a dead-letter target")
	wantError(t, "no ARN", set("failed"), pinfold.Invalid, validationError, "1 validation error detected: Value 'failed' at 'deadLetterConfig.targetArn'")
}
