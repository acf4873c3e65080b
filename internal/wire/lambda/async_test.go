package lambda_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"

	"pinfold.dev/pinfold"
)

func TestInvokeEvent(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	p.create("hello")
	out := must(p.Invoke(ctx, &sdk.InvokeInput{
		FunctionName: aws.String("hello"), Qualifier: aws.String("live"), InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"a": 1}`),
		ClientContext: aws.String("* AWS does not look at it"), LogType: types.LogTypeTail,
	}))(t)
	if out.StatusCode != 202 || len(out.Payload) > 0 || out.ExecutedVersion != nil || out.FunctionError != nil || out.LogResult != nil {
		t.Errorf("answer is %+v", out)
	}
	got := p.async.got
	id, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	want := &pinfold.Invocation{
		ID: got.ID, Principal: got.Principal, Payload: []byte(`{"a": 1}`), Trigger: pinfold.Trigger{Kind: "async"},
		Function: pinfold.FunctionRef{Account: scope.Account, Region: scope.Region, Name: "hello", Qualifier: "live"},
	}
	if diff := cmp.Diff(want, got); diff != "" || got.ID != id || got.Principal.Kind != pinfold.Root || p.invoker.got != nil {
		t.Errorf("event %q as %q, answered as %q (-want +got):\n%s", got.ID, got.Principal.Kind, id, diff)
	}

	p.async.err = pinfold.Errorf(pinfold.TooLarge, "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)").
		WithReason("RequestEntityTooLargeException")
	_, err := p.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("hello"), InvocationType: types.InvocationTypeEvent})
	wantError(t, err, 413, "RequestEntityTooLargeException", "1048577 byte payload is too large")
	p.async.err = pinfold.Errorf(pinfold.Unavailable, "the event could not be stored: no space left on device")
	_, err = p.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("hello"), InvocationType: types.InvocationTypeEvent})
	wantError(t, err, 503, "ServiceUnavailable", "no space left on device")
}

// TestInvokeAsync compares with testdata/aws/lambda/invoke_async.json in
// radkawar/stackd, recorded from AWS.
func TestInvokeAsync(t *testing.T) {
	p := start(t)
	p.create("hello")
	resp, err := http.DefaultClient.Do(httpRequest(t, p, "POST", "/2014-11-13/functions/hello/invoke-async", []byte(`{"a":1}`)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 202 || resp.Header.Get("X-Amzn-Requestid") != p.async.got.ID {
		t.Errorf("answer is %s for %s", resp.Status, p.async.got.ID)
	}
	if string(p.async.got.Payload) != `{"a":1}` || p.asked[len(p.asked)-1].Name != "lambda:InvokeFunction" {
		t.Errorf("event %s, asked for %s", p.async.got.Payload, p.asked[len(p.asked)-1].Name)
	}
	//lint:ignore SA1019 the old operation is served, too
	_, err = p.Client.InvokeAsync(t.Context(), &sdk.InvokeAsyncInput{FunctionName: aws.String("hello:1"), InvokeArgs: strings.NewReader("[]")})
	if err != nil || p.async.got.Function.Qualifier != "1" || string(p.async.got.Payload) != "[]" {
		t.Errorf("event %+v, %v", p.async.got, err)
	}
}

func TestEventInvokeConfigs(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	p.create("hello")
	p.create("after")
	name, queue := aws.String("hello"), aws.String("arn:aws:sqs:us-east-1:123456789012:failed")
	put := must(p.PutFunctionEventInvokeConfig(ctx, &sdk.PutFunctionEventInvokeConfigInput{
		FunctionName: name, MaximumRetryAttempts: aws.Int32(0), MaximumEventAgeInSeconds: aws.Int32(60),
		DestinationConfig: &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: aws.String(arn + "after")}},
	}))(t)
	if *put.FunctionArn != arn+"hello:$LATEST" || *put.MaximumRetryAttempts != 0 || *put.MaximumEventAgeInSeconds != 60 || put.LastModified == nil ||
		*put.DestinationConfig.OnSuccess.Destination != arn+"after" || put.DestinationConfig.OnFailure == nil || put.DestinationConfig.OnFailure.Destination != nil {
		t.Errorf("put %+v", put)
	}
	update := must(p.UpdateFunctionEventInvokeConfig(ctx, &sdk.UpdateFunctionEventInvokeConfigInput{
		FunctionName: name, DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: queue}},
	}))(t)
	got := must(p.GetFunctionEventInvokeConfig(ctx, &sdk.GetFunctionEventInvokeConfigInput{FunctionName: name, Qualifier: aws.String("$LATEST")}))(t)
	if *got.DestinationConfig.OnFailure.Destination != *queue || *got.MaximumRetryAttempts != 0 || *got.DestinationConfig.OnSuccess.Destination != arn+"after" ||
		!got.LastModified.Equal(*update.LastModified) {
		t.Errorf("got %+v", got)
	}
	list := must(p.ListFunctionEventInvokeConfigs(ctx, &sdk.ListFunctionEventInvokeConfigsInput{FunctionName: name, MaxItems: aws.Int32(1)}))(t)
	if len(list.FunctionEventInvokeConfigs) != 1 || list.NextMarker != nil {
		t.Errorf("list is %+v", list)
	}
	must(p.DeleteFunctionEventInvokeConfig(ctx, &sdk.DeleteFunctionEventInvokeConfigInput{FunctionName: name}))(t)
	_, err := p.GetFunctionEventInvokeConfig(ctx, &sdk.GetFunctionEventInvokeConfigInput{FunctionName: name})
	wantError(t, err, 404, "ResourceNotFoundException", "The function "+arn+"hello:$LATEST doesn't have an EventInvokeConfig")

	// Recorded: an empty object says something, an empty configuration does not.
	putOnly := func(d *types.DestinationConfig, retries *int32) error {
		return ignore(p.PutFunctionEventInvokeConfig(ctx, &sdk.PutFunctionEventInvokeConfigInput{FunctionName: name, DestinationConfig: d, MaximumRetryAttempts: retries}))
	}
	wantError(t, putOnly(&types.DestinationConfig{}, nil), 400, "InvalidParameterValueException", "You must specify at least one of error handling or destination setting.")
	if err := putOnly(&types.DestinationConfig{OnFailure: &types.OnFailure{}}, nil); err != nil {
		t.Error(err)
	}
	wantError(t, putOnly(nil, aws.Int32(3)), 400, "ValidationException", "Member must have value less than or equal to 2")
	wantError(t, putOnly(&types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String("arn:aws:sns:us-east-1:123456789012:x")}}, nil), 400, "InvalidParameterValueException", "An SNS topic as a destination is not served by Pinfold yet")
}

func TestDeadLetterConfig(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	queue := "arn:aws:sqs:us-east-1:123456789012:dead"
	in := newFunction(t, "hello")
	in.DeadLetterConfig = &types.DeadLetterConfig{TargetArn: &queue}
	if out := must(p.CreateFunction(ctx, in))(t); *out.DeadLetterConfig.TargetArn != queue {
		t.Errorf("created with %+v", out.DeadLetterConfig)
	}
	update := func(arn string) (*sdk.UpdateFunctionConfigurationOutput, error) {
		return p.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{FunctionName: in.FunctionName, DeadLetterConfig: &types.DeadLetterConfig{TargetArn: &arn}})
	}
	if out := must(update(""))(t); out.DeadLetterConfig != nil {
		t.Errorf("taken away, it is %+v", out.DeadLetterConfig)
	}
	wantError(t, ignore(update(arn+"hello")), 400, "InvalidParameterValueException", "Only Amazon SQS queues and Amazon SNS topics are supported.")
}
