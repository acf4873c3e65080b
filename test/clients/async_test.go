package clients

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// eventInvokes is how events are handled, as clients say and read it; what becomes
// of events is in test/async.
func eventInvokes(t *testing.T, s *sdk) {
	name := aws.String("eventful")
	s.create(t, *name, nil)
	put, err := s.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{FunctionName: name, MaximumRetryAttempts: aws.Int32(0)})
	if err != nil || *put.MaximumRetryAttempts != 0 || put.MaximumEventAgeInSeconds != nil || !strings.HasSuffix(*put.FunctionArn, ":function:eventful:$LATEST") {
		t.Fatalf("%+v %v", put, err)
	}
	queue := aws.String("arn:aws:sqs:us-east-1:000000000000:later")
	update, err := s.UpdateFunctionEventInvokeConfig(t.Context(), &lambda.UpdateFunctionEventInvokeConfigInput{
		FunctionName: name, MaximumEventAgeInSeconds: aws.Int32(60), DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: queue}},
	})
	if err != nil || *update.MaximumRetryAttempts != 0 || *update.MaximumEventAgeInSeconds != 60 {
		t.Errorf("%+v %v", update, err)
	}
	got, err := s.GetFunctionEventInvokeConfig(t.Context(), &lambda.GetFunctionEventInvokeConfigInput{FunctionName: name})
	if err != nil || *got.DestinationConfig.OnFailure.Destination != *queue || got.DestinationConfig.OnSuccess.Destination != nil || !got.LastModified.Equal(*update.LastModified) {
		t.Errorf("%+v %v", got, err)
	}
	var listed int
	for pages := lambda.NewListFunctionEventInvokeConfigsPaginator(s, &lambda.ListFunctionEventInvokeConfigsInput{FunctionName: name}); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		listed += len(page.FunctionEventInvokeConfigs)
	}
	if listed != 1 {
		t.Errorf("%d configurations", listed)
	}
	if _, err := s.DeleteFunctionEventInvokeConfig(t.Context(), &lambda.DeleteFunctionEventInvokeConfigInput{FunctionName: name}); err != nil {
		t.Error(err)
	}
	_, err = s.GetFunctionEventInvokeConfig(t.Context(), &lambda.GetFunctionEventInvokeConfigInput{FunctionName: name})
	typed[*types.ResourceNotFoundException](t, err, "doesn't have an EventInvokeConfig")
	_, err = s.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: name, DestinationConfig: &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: put.FunctionArn}},
	})
	typed[*types.InvalidParameterValueException](t, err, "You can't specify the function as a destination for itself.")

	//lint:ignore SA1019 the old operation is served, too
	out, err := s.InvokeAsync(t.Context(), &lambda.InvokeAsyncInput{FunctionName: name, InvokeArgs: strings.NewReader(`{}`)})
	if err != nil || out.Status != 202 {
		t.Errorf("the old way to send an event: %+v %v", out, err)
	}
}
