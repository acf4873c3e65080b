package clients

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"pinfold.dev/pinfold/test/gosdk"
)

// mappings: the life of an event source mapping, and the SDK's own errors; what
// comes of mappings is for test/mappings to see.
func mappings(t *testing.T, s *sdk) {
	ctx := t.Context()
	s.create(t, "mapped", nil)
	queues := sqs.NewFromConfig(gosdk.Config(s.p))
	if _, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("mapped")}); err != nil {
		t.Fatal(err)
	}
	source := aws.String("arn:aws:sqs:" + s.p.Region + ":" + s.p.Account + ":mapped")
	made, err := s.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("mapped"), EventSourceArn: source, Tags: map[string]string{"team": "a"}})
	if err != nil {
		t.Fatal(err)
	}
	if *made.State != "Creating" || *made.BatchSize != 10 || *made.EventSourceArn != *source || *made.StateTransitionReason != "USER_INITIATED" || made.LastModified.IsZero() {
		t.Errorf("made %+v", made)
	}
	tags, err := s.ListTags(ctx, &lambda.ListTagsInput{Resource: made.EventSourceMappingArn})
	if err != nil || tags.Tags["team"] != "a" {
		t.Errorf("tags are %+v, %v", tags, err)
	}
	updated, err := s.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{UUID: made.UUID, BatchSize: aws.Int32(5), FunctionResponseTypes: []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures}})
	if err != nil || *updated.BatchSize != 5 || len(updated.FunctionResponseTypes) != 1 {
		t.Errorf("updated %+v, %v", updated, err)
	}
	got, err := s.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: made.UUID})
	if err != nil || *got.BatchSize != 5 {
		t.Errorf("got %+v, %v", got, err)
	}
	listed, err := s.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{FunctionName: aws.String("mapped")})
	if err != nil || len(listed.EventSourceMappings) != 1 || *listed.EventSourceMappings[0].UUID != *made.UUID {
		t.Errorf("listed %+v, %v", listed, err)
	}
	_, err = s.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("mapped"), EventSourceArn: source})
	typed[*types.ResourceConflictException](t, err, "already exists. Please update or delete the existing mapping with UUID "+*made.UUID)
	if _, err := s.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: made.UUID}); err != nil {
		t.Fatal(err)
	}
	for { // until its pollers are gone
		got, err := s.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: made.UUID})
		if err == nil && *got.State == "Deleting" {
			continue
		}
		typed[*types.ResourceNotFoundException](t, err, "The resource you requested does not exist.")
		break
	}
}
