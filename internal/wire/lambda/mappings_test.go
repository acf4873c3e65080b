package lambda_test

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"

	"pinfold.dev/pinfold"
)

const jobs = "arn:aws:sqs:us-east-1:123456789012:jobs"

// TestMappingGolden holds answers on the wire against what localstack recorded of
// AWS (tests/aws/services/lambda_/event_source_mapping, TestSQSEventSourceMapping).
func TestMappingGolden(t *testing.T) {
	p := start(t)
	p.create("hello")
	call := func(method, path, body string) (int, string) {
		t.Helper()
		resp, err := http.DefaultClient.Do(httpRequest(t, p, method, path, []byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		var indented any
		if err := json.Unmarshal(answer, &indented); err != nil {
			t.Fatalf("%v: %s", err, answer)
		}
		answer, _ = json.Marshal(indented) // names in order
		answer = regexp.MustCompile(`"LastModified":1\.?[0-9.e+]+`).ReplaceAll(answer, []byte(`"LastModified":NOW`))
		return resp.StatusCode, string(regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).ReplaceAll(answer, []byte("ID")))
	}
	const all = "/2015-03-31/event-source-mappings"
	status, answer := call("POST", all, `{"FunctionName":"hello","EventSourceArn":"`+jobs+`"}`)
	plain := `{"BatchSize":10,"EventSourceArn":"` + jobs + `","EventSourceMappingArn":"arn:aws:lambda:us-east-1:123456789012:event-source-mapping:ID",` +
		`"FunctionArn":"` + arn + `hello","FunctionResponseTypes":[],"LastModified":NOW,"MaximumBatchingWindowInSeconds":0,"State":"Creating","StateTransitionReason":"USER_INITIATED","UUID":"ID"}`
	if diff := cmp.Diff(plain, answer); status != 202 || diff != "" {
		t.Errorf("create answers %d (-want +got):\n%s", status, diff)
	}
	stored, err := p.mappings.All(t.Context())
	if err != nil || len(stored) != 1 {
		t.Fatal(stored, err)
	}
	p.mappings.Settled(stored[0])
	p.mappings.Processed(stored[0].UUID, "OK")
	one := all + "/" + stored[0].UUID
	status, answer = call("PUT", one, `{"BatchSize":100,"MaximumBatchingWindowInSeconds":5,"FunctionName":"hello:$LATEST","FunctionResponseTypes":["ReportBatchItemFailures"],`+
		`"FilterCriteria":{"Filters":[{"Pattern":"{\"body\":{\"a\":[1]}}"}]},"ScalingConfig":{"MaximumConcurrency":2},"MetricsConfig":{"Metrics":["EventCount"]},"KMSKeyArn":"arn:aws:kms:us-east-1:123456789012:key/k"}`)
	full := `{"BatchSize":100,"EventSourceArn":"` + jobs + `","EventSourceMappingArn":"arn:aws:lambda:us-east-1:123456789012:event-source-mapping:ID",` +
		`"FilterCriteria":{"Filters":[{"Pattern":"{\"body\":{\"a\":[1]}}"}]},"FunctionArn":"` + arn + `hello:$LATEST","FunctionResponseTypes":["ReportBatchItemFailures"],` +
		`"KMSKeyArn":"arn:aws:kms:us-east-1:123456789012:key/k","LastModified":NOW,"LastProcessingResult":"OK","MaximumBatchingWindowInSeconds":5,"MetricsConfig":{"Metrics":["EventCount"]},` +
		`"ScalingConfig":{"MaximumConcurrency":2},"State":"Updating","StateTransitionReason":"USER_INITIATED","UUID":"ID"}`
	if diff := cmp.Diff(full, answer); status != 202 || diff != "" {
		t.Errorf("update answers %d (-want +got):\n%s", status, diff)
	}
	if status, answer = call("GET", one, ""); status != 200 || answer != full {
		t.Errorf("get answers %d (-want +got):\n%s", status, cmp.Diff(full, answer))
	}
	if status, answer = call("GET", all+"?FunctionName=hello:$LATEST&EventSourceArn="+jobs, ""); status != 200 || answer != `{"EventSourceMappings":[`+full+`]}` {
		t.Errorf("list answers %d (-want +got):\n%s", status, cmp.Diff(full, answer))
	}
	// Empty objects and lists take settings back.
	status, answer = call("PUT", one, `{"BatchSize":10,"MaximumBatchingWindowInSeconds":0,"FunctionName":"hello","FunctionResponseTypes":[],"FilterCriteria":{},"ScalingConfig":{},"MetricsConfig":{"Metrics":[]},"KMSKeyArn":""}`)
	reset := regexp.MustCompile(`"Creating"`).ReplaceAllString(regexp.MustCompile(`"Maximum`).ReplaceAllString(plain, `"LastProcessingResult":"OK","Maximum`), `"Updating"`)
	if diff := cmp.Diff(reset, answer); status != 202 || diff != "" {
		t.Errorf("update answers %d (-want +got):\n%s", status, diff)
	}
	if status, answer = call("DELETE", one, ""); status != 202 || answer != regexp.MustCompile(`"Updating"`).ReplaceAllString(reset, `"Deleting"`) {
		t.Errorf("delete answers %d %s", status, answer)
	}
	p.mappings.Gone(stored[0].UUID)
	if status, answer = call("GET", all, ""); status != 200 || answer != `{"EventSourceMappings":[]}` {
		t.Errorf("list answers %d %s", status, answer)
	}
	status, answer = call("GET", one, "")
	if status != 404 || !regexp.MustCompile(`The resource you requested does not exist`).MatchString(answer) {
		t.Errorf("get answers %d %s", status, answer)
	}
}

// TestMappingRefusals: wrong input to mappings gets AWS's errors.
func TestMappingRefusals(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	p.create("hello")
	slow := newFunction(t, "slow")
	slow.Timeout = aws.Int32(31)
	must(p.CreateFunction(ctx, slow))(t)
	const invalid = "InvalidParameterValueException"
	for name, test := range map[string]struct {
		change       func(in *sdk.CreateEventSourceMappingInput)
		reason, want string
	}{
		"no source": {func(in *sdk.CreateEventSourceMappingInput) { in.EventSourceArn = nil }, invalid, "Unrecognized event source."},
		"stream": {func(in *sdk.CreateEventSourceMappingInput) {
			in.EventSourceArn = aws.String("arn:aws:kinesis:us-east-1:123456789012:stream/s")
		}, invalid, "Event source mappings of Amazon Kinesis are not served by Pinfold yet"},
		"Kafka": {func(in *sdk.CreateEventSourceMappingInput) {
			in.EventSourceArn, in.SelfManagedEventSource = nil, &types.SelfManagedEventSource{}
		}, invalid, "Apache Kafka"},
		"position": {func(in *sdk.CreateEventSourceMappingInput) { in.StartingPosition = "LATEST" }, invalid, "StartingPosition is not valid for SQS event sources."},
		"destination": {func(in *sdk.CreateEventSourceMappingInput) {
			in.DestinationConfig = &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String("arn:aws:sqs:us-east-1:123456789012:x")}}
		}, invalid, "Unsupported DestinationConfig parameter for given event source mapping type."},
		"stream's": {func(in *sdk.CreateEventSourceMappingInput) { in.ParallelizationFactor = aws.Int32(2) }, invalid, "Unsupported ParallelizationFactor parameter for given event source mapping type."},
		"one at a time": {func(in *sdk.CreateEventSourceMappingInput) {
			in.ScalingConfig = &types.ScalingConfig{MaximumConcurrency: aws.Int32(1)}
		}, "ValidationException", "Value '1' at 'scalingConfig.maximumConcurrency' failed to satisfy constraint: Member must have value greater than or equal to 2"},
		"large batch":   {func(in *sdk.CreateEventSourceMappingInput) { in.BatchSize = aws.Int32(11) }, invalid, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"},
		"slow function": {func(in *sdk.CreateEventSourceMappingInput) { in.FunctionName = aws.String("slow") }, invalid, "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"},
		"no function":   {func(in *sdk.CreateEventSourceMappingInput) { in.FunctionName = aws.String("none") }, invalid, "Function does not exist"},
		"no alias":      {func(in *sdk.CreateEventSourceMappingInput) { in.FunctionName = aws.String("hello:live") }, invalid, "Function does not exist"},
		"no queue": {func(in *sdk.CreateEventSourceMappingInput) {
			in.EventSourceArn = aws.String("arn:aws:sqs:us-east-1:123456789012:none")
		}, invalid, "AWS.SimpleQueueService.NonExistentQueue"},
		"response type": {func(in *sdk.CreateEventSourceMappingInput) {
			in.FunctionResponseTypes = []types.FunctionResponseType{"ReportAll"}
		}, "ValidationException", "functionResponseTypes"},
	} {
		in := &sdk.CreateEventSourceMappingInput{FunctionName: aws.String("hello"), EventSourceArn: aws.String(jobs)}
		test.change(in)
		t.Run(name, func(t *testing.T) {
			wantError(t, ignore(p.CreateEventSourceMapping(ctx, in)), 400, test.reason, test.want)
		})
	}
	made := must(p.CreateEventSourceMapping(ctx, &sdk.CreateEventSourceMappingInput{FunctionName: aws.String("hello"), EventSourceArn: aws.String(jobs), Tags: map[string]string{"team": "a"}}))(t)
	err := ignore(p.CreateEventSourceMapping(ctx, &sdk.CreateEventSourceMappingInput{FunctionName: aws.String(arn + "hello"), EventSourceArn: aws.String(jobs)}))
	wantError(t, err, 409, "ResourceConflictException", `An event source mapping with SQS arn (" `+jobs+` ") and function (" hello ") already exists. Please update or delete the existing mapping with UUID `+*made.UUID)
	missing := aws.String("00000000-0000-0000-0000-000000000000")
	wantError(t, ignore(p.GetEventSourceMapping(ctx, &sdk.GetEventSourceMappingInput{UUID: missing})), 404, "ResourceNotFoundException", "The resource you requested does not exist.")
	wantError(t, ignore(p.UpdateEventSourceMapping(ctx, &sdk.UpdateEventSourceMappingInput{UUID: missing})), 404, "ResourceNotFoundException", "The resource you requested does not exist.")
	wantError(t, ignore(p.DeleteEventSourceMapping(ctx, &sdk.DeleteEventSourceMappingInput{UUID: missing})), 404, "ResourceNotFoundException", "The resource you requested does not exist.")

	// Tags, under the mapping's ARN.
	must(p.TagResource(ctx, &sdk.TagResourceInput{Resource: made.EventSourceMappingArn, Tags: map[string]string{"b": "2"}}))(t)
	must(p.UntagResource(ctx, &sdk.UntagResourceInput{Resource: made.EventSourceMappingArn, TagKeys: []string{"team"}}))(t)
	if tags := must(p.ListTags(ctx, &sdk.ListTagsInput{Resource: made.EventSourceMappingArn}))(t).Tags; len(tags) != 1 || tags["b"] != "2" {
		t.Errorf("tags are %v", tags)
	}
	// What is authorized is the mapping, whatever function it is to get.
	p.asked = nil
	must(p.UpdateEventSourceMapping(ctx, &sdk.UpdateEventSourceMappingInput{UUID: made.UUID, FunctionName: aws.String("hello")}))(t)
	if want := (pinfold.Action{Name: "lambda:UpdateEventSourceMapping", Resource: *made.EventSourceMappingArn}); len(p.asked) != 1 || p.asked[0] != want {
		t.Errorf("asked %+v, want %+v", p.asked, want)
	}
	must(p.DeleteEventSourceMapping(ctx, &sdk.DeleteEventSourceMappingInput{UUID: made.UUID}))(t)
	err = ignore(p.DeleteEventSourceMapping(ctx, &sdk.DeleteEventSourceMappingInput{UUID: made.UUID}))
	wantError(t, err, 400, "ResourceInUseException", "Cannot delete the event source mapping because it is in use.")
}
