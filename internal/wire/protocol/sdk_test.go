package protocol_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventstypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/wire/protocol"
	"pinfold.dev/pinfold/internal/wire/protocol/internal/eventstest"
	"pinfold.dev/pinfold/internal/wire/protocol/internal/iamtest"
	"pinfold.dev/pinfold/internal/wire/protocol/internal/s3test"
	"pinfold.dev/pinfold/internal/wire/protocol/internal/sqstest"
)

// The tests in this file drive the server with aws-sdk-go-v2, whose encoder and
// decoder are generated from the same descriptions by other people.

// listen serves a service to an SDK and returns a configuration that leads there.
func listen(t *testing.T, model *protocol.Service, impl any) aws.Config {
	t.Helper()
	s, err := protocol.NewServer(model, impl, protocol.Options{Authorize: allow, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.Serve(w, r.WithContext(protocol.WithCaller(r.Context(), &protocol.Caller{RequestID: "the-id"})), body)
	}))
	t.Cleanup(server.Close)
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials:                credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
}

var ignoreMetadata = []cmp.Option{
	cmpopts.IgnoreFields(iam.CreateRoleOutput{}, "ResultMetadata"),
	cmpopts.IgnoreFields(iam.SimulateCustomPolicyOutput{}, "ResultMetadata"),
	cmpopts.IgnoreFields(sqs.SendMessageBatchOutput{}, "ResultMetadata"),
	cmpopts.IgnoreFields(eventbridge.DescribeArchiveOutput{}, "ResultMetadata"),
	cmpopts.IgnoreFields(s3.ListObjectsV2Output{}, "ResultMetadata"),
	cmpopts.IgnoreFields(s3.DeleteObjectsOutput{}, "ResultMetadata"),
	cmpopts.IgnoreFields(s3.GetBucketAclOutput{}, "ResultMetadata"),
	cmpopts.IgnoreUnexported(
		iam.CreateRoleOutput{}, iam.SimulateCustomPolicyOutput{}, iamtypes.Role{}, iamtypes.Tag{}, iamtypes.EvaluationResult{},
		sqs.SendMessageBatchOutput{}, sqstypes.SendMessageBatchResultEntry{}, sqstypes.BatchResultErrorEntry{},
		eventbridge.DescribeArchiveOutput{},
		s3.ListObjectsV2Output{}, s3types.Object{}, s3types.CommonPrefix{}, s3types.Owner{},
		s3.DeleteObjectsOutput{}, s3types.DeletedObject{}, s3types.Error{}, s3.GetBucketAclOutput{}, s3types.Grant{}, s3types.Grantee{},
	),
}

func equal(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, ignoreMetadata...); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wantAPIError(t *testing.T, err error, code, message string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || api.ErrorMessage() != message {
		t.Errorf("error %v, want %s: %s", err, code, message)
	}
}

type iamServer struct {
	iamtest.API
	role *iamtest.CreateRoleRequest
	sim  *iamtest.SimulateCustomPolicyRequest
}

var made = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (s *iamServer) CreateRole(_ context.Context, in *iamtest.CreateRoleRequest) (*iamtest.CreateRoleResponse, error) {
	s.role = in
	if *in.RoleName == "taken" {
		return nil, pinfold.Errorf(pinfold.Conflict, "Role with name taken already exists.").WithReason("EntityAlreadyExistsException")
	}
	return &iamtest.CreateRoleResponse{Role: &iamtest.Role{
		Path: new("/"), RoleName: in.RoleName, RoleId: new("AROA"), Arn: new("arn:aws:iam::1:role/r"), CreateDate: &made,
		AssumeRolePolicyDocument: in.AssumeRolePolicyDocument, Tags: in.Tags, MaxSessionDuration: in.MaxSessionDuration,
	}}, nil
}

func (s *iamServer) DeleteRole(context.Context, *iamtest.DeleteRoleRequest) (*protocol.Empty, error) {
	return &protocol.Empty{}, nil
}

func (s *iamServer) SimulateCustomPolicy(_ context.Context, in *iamtest.SimulateCustomPolicyRequest) (*iamtest.SimulatePolicyResponse, error) {
	s.sim = in
	return &iamtest.SimulatePolicyResponse{IsTruncated: new(false), EvaluationResults: []iamtest.EvaluationResult{{
		EvalActionName: new("s3:Get"), EvalDecision: new("allowed"), EvalDecisionDetails: map[string]string{"a": "allowed", "b": "explicitDeny"},
		MissingContextValues: []string{"x", "y"},
	}}}, nil
}

func TestQueryWithSDK(t *testing.T) {
	impl := &iamServer{}
	client := iam.NewFromConfig(listen(t, &iamtest.Model, impl))
	out, err := client.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(`{"a": "b&c=d <é>"}`), MaxSessionDuration: aws.Int32(3600),
		Tags: []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("")}, {Key: aws.String("l"), Value: aws.String("w")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "received", &iamtest.CreateRoleRequest{
		RoleName: new("r"), AssumeRolePolicyDocument: new(`{"a": "b&c=d <é>"}`), MaxSessionDuration: new(int64(3600)),
		Tags: []iamtest.Tag{{Key: new("k"), Value: new("")}, {Key: new("l"), Value: new("w")}},
	}, impl.role)
	equal(t, "answered", &iam.CreateRoleOutput{Role: &iamtypes.Role{
		Path: aws.String("/"), RoleName: aws.String("r"), RoleId: aws.String("AROA"), Arn: aws.String("arn:aws:iam::1:role/r"), CreateDate: &made,
		AssumeRolePolicyDocument: aws.String(`{"a": "b&c=d <é>"}`), MaxSessionDuration: aws.Int32(3600),
		Tags: []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("")}, {Key: aws.String("l"), Value: aws.String("w")}},
	}}, out)

	sim, err := client.SimulateCustomPolicy(t.Context(), &iam.SimulateCustomPolicyInput{
		ActionNames: []string{"s3:Get", "s3:Put"}, PolicyInputList: []string{"{}"},
		ContextEntries: []iamtypes.ContextEntry{{ContextKeyName: aws.String("aws:name"), ContextKeyType: iamtypes.ContextKeyTypeEnumStringList, ContextKeyValues: []string{"1", "2"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "nested lists", []iamtest.ContextEntry{{ContextKeyName: new("aws:name"), ContextKeyType: new("stringList"), ContextKeyValues: []string{"1", "2"}}}, impl.sim.ContextEntries)
	equal(t, "map", &iam.SimulateCustomPolicyOutput{EvaluationResults: []iamtypes.EvaluationResult{{
		EvalActionName: aws.String("s3:Get"), EvalDecision: "allowed", MissingContextValues: []string{"x", "y"},
		EvalDecisionDetails: map[string]iamtypes.PolicyEvaluationDecisionType{"a": "allowed", "b": "explicitDeny"},
	}}}, sim)

	if _, err = client.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("r")}); err != nil {
		t.Errorf("an operation without output: %v", err)
	}
	_, err = client.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("taken"), AssumeRolePolicyDocument: aws.String("{}")})
	wantAPIError(t, err, "EntityAlreadyExists", "Role with name taken already exists.")
	_, err = client.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("a b"), AssumeRolePolicyDocument: aws.String("{}")})
	wantAPIError(t, err, "ValidationError", `1 validation error detected: Value 'a b' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+`)
	_, err = client.ListRoles(t.Context(), &iam.ListRolesInput{})
	wantAPIError(t, err, "NotImplemented", "Pinfold does not serve ListRoles of AWS Identity and Access Management yet: docs/served.md lists what it serves")
}

type sqsServer struct {
	sqstest.API
	batch *sqstest.SendMessageBatchRequest
}

func (s *sqsServer) SendMessageBatch(_ context.Context, in *sqstest.SendMessageBatchRequest) (*sqstest.SendMessageBatchResult, error) {
	s.batch = in
	return &sqstest.SendMessageBatchResult{
		Successful: []sqstest.SendMessageBatchResultEntry{{Id: new("a"), MessageId: new("m")}},
		Failed:     []sqstest.BatchResultErrorEntry{{Id: new("b"), Code: new("TooLong"), SenderFault: new(true)}},
	}, nil
}

func (s *sqsServer) GetQueueUrl(_ context.Context, in *sqstest.GetQueueUrlRequest) (*sqstest.GetQueueUrlResult, error) {
	return nil, pinfold.Errorf(pinfold.NotFound, "The specified queue does not exist.").WithReason("QueueDoesNotExist")
}

func TestJSON10WithSDK(t *testing.T) {
	impl := &sqsServer{}
	client := sqs.NewFromConfig(listen(t, &sqstest.Model, impl), func(o *sqs.Options) { o.DisableMessageChecksumValidation = true })
	out, err := client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: aws.String("http://q"), Entries: []sqstypes.SendMessageBatchRequestEntry{{
		Id: aws.String("a"), MessageBody: aws.String("x\u2028\"\\"), DelaySeconds: 3,
		MessageAttributes: map[string]sqstypes.MessageAttributeValue{
			"n": {DataType: aws.String("Number"), StringValue: aws.String("1")},
			"b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 0xff}},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "received", &sqstest.SendMessageBatchRequest{QueueUrl: new("http://q"), Entries: []sqstest.SendMessageBatchRequestEntry{{
		Id: new("a"), MessageBody: new("x\u2028\"\\"), DelaySeconds: new(int64(3)),
		MessageAttributes: map[string]sqstest.MessageAttributeValue{
			"n": {DataType: new("Number"), StringValue: new("1")},
			"b": {DataType: new("Binary"), BinaryValue: []byte{0, 0xff}},
		},
	}}}, impl.batch)
	equal(t, "answered", &sqs.SendMessageBatchOutput{
		Successful: []sqstypes.SendMessageBatchResultEntry{{Id: aws.String("a"), MessageId: aws.String("m")}},
		Failed:     []sqstypes.BatchResultErrorEntry{{Id: aws.String("b"), Code: aws.String("TooLong"), SenderFault: true}},
	}, out)
	_, err = client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("q")})
	if _, ok := errors.AsType[*sqstypes.QueueDoesNotExist](err); !ok {
		t.Errorf("error is %v, want the SDK's own QueueDoesNotExist", err)
	}
}

type eventsServer struct {
	eventstest.API
	put     *eventstest.PutEventsRequest
	targets *eventstest.PutTargetsRequest
}

func (s *eventsServer) PutEvents(_ context.Context, in *eventstest.PutEventsRequest) (*eventstest.PutEventsResponse, error) {
	s.put = in
	return &eventstest.PutEventsResponse{FailedEntryCount: new(int64(0)), Entries: []eventstest.PutEventsResultEntry{{EventId: new("e")}}}, nil
}

func (s *eventsServer) PutTargets(_ context.Context, in *eventstest.PutTargetsRequest) (*eventstest.PutTargetsResponse, error) {
	s.targets = in
	return &eventstest.PutTargetsResponse{}, nil
}

func (s *eventsServer) DescribeArchive(_ context.Context, in *eventstest.DescribeArchiveRequest) (*eventstest.DescribeArchiveResponse, error) {
	return &eventstest.DescribeArchiveResponse{ArchiveName: in.ArchiveName, CreationTime: &made, EventCount: new(int64(1) << 40), State: new("ENABLED")}, nil
}

func TestJSON11WithSDK(t *testing.T) {
	impl := &eventsServer{}
	client := eventbridge.NewFromConfig(listen(t, &eventstest.Model, impl))
	when := time.Date(2026, 5, 6, 7, 8, 9, 123e6, time.UTC)
	out, err := client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []eventstypes.PutEventsRequestEntry{{
		Source: aws.String("s"), DetailType: aws.String("d"), Detail: aws.String("{}"), Time: &when, Resources: []string{},
	}}})
	if err != nil || aws.ToString(out.Entries[0].EventId) != "e" {
		t.Fatal(out, err)
	}
	equal(t, "received", &eventstest.PutEventsRequest{Entries: []eventstest.PutEventsRequestEntry{{
		Source: new("s"), DetailType: new("d"), Detail: new("{}"), Time: &when, Resources: []string{},
	}}}, impl.put)
	archive, err := client.DescribeArchive(t.Context(), &eventbridge.DescribeArchiveInput{ArchiveName: aws.String("a")})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "answered", &eventbridge.DescribeArchiveOutput{ArchiveName: aws.String("a"), CreationTime: &made, EventCount: 1 << 40, State: "ENABLED"}, archive)
	_, err = client.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("r"), Targets: []eventstypes.Target{{
		Id: aws.String("1"), Arn: aws.String("arn"), RetryPolicy: &eventstypes.RetryPolicy{MaximumRetryAttempts: aws.Int32(186)},
		InputTransformer: &eventstypes.InputTransformer{InputTemplate: aws.String("x"), InputPathsMap: map[string]string{"a?": "$.b"}},
	}}})
	wantAPIError(t, err, "ValidationException", "2 validation errors detected: "+
		"Value '{a?=$.b}' at 'targets.1.member.inputTransformer.inputPathsMap' failed to satisfy constraint: Map keys must satisfy constraint: "+
		`[Member must have length less than or equal to 256, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [A-Za-z0-9\_\-]+, Member must not be null]; `+
		"Value '186' at 'targets.1.member.retryPolicy.maximumRetryAttempts' failed to satisfy constraint: Member must have value less than or equal to 185")
}

type s3Server struct {
	s3test.API
	put    *s3test.PutObjectRequest
	body   string
	part   *s3test.UploadPartRequest
	bucket *s3test.CreateBucketRequest
	remove *s3test.DeleteObjectsRequest
	tags   *s3test.PutBucketTaggingRequest
}

func (s *s3Server) PutObject(_ context.Context, in *s3test.PutObjectRequest) (*s3test.PutObjectOutput, error) {
	b, err := io.ReadAll(in.Body)
	s.put, s.body, in.Body = in, string(b), nil
	return &s3test.PutObjectOutput{ETag: new(`"tag"`)}, err
}

func (s *s3Server) UploadPart(_ context.Context, in *s3test.UploadPartRequest) (*s3test.UploadPartOutput, error) {
	s.part = in
	return &s3test.UploadPartOutput{ETag: new(`"part"`)}, nil
}

func (s *s3Server) CreateBucket(_ context.Context, in *s3test.CreateBucketRequest) (*s3test.CreateBucketOutput, error) {
	s.bucket = in
	return &s3test.CreateBucketOutput{Location: new("/b")}, nil
}

func (s *s3Server) PutBucketTagging(_ context.Context, in *s3test.PutBucketTaggingRequest) (*protocol.Empty, error) {
	s.tags = in
	return &protocol.Empty{}, nil
}

func (s *s3Server) GetObject(_ context.Context, in *s3test.GetObjectRequest) (*s3test.GetObjectOutput, error) {
	if *in.Key == "none" {
		return nil, pinfold.Errorf(pinfold.NotFound, "The specified key does not exist.").WithReason("NoSuchKey")
	}
	return &s3test.GetObjectOutput{
		Body: strings.NewReader("hello"), ContentLength: new(int64(5)), LastModified: &made, ContentType: new("text/x"),
		Metadata: map[string]string{"color": "red"}, DeleteMarker: new(true),
	}, nil
}

func (s *s3Server) ListObjectsV2(_ context.Context, in *s3test.ListObjectsV2Request) (*s3test.ListObjectsV2Output, error) {
	return &s3test.ListObjectsV2Output{
		Name: in.Bucket, Prefix: in.Prefix, KeyCount: new(int64(2)), IsTruncated: new(false), MaxKeys: in.MaxKeys,
		Contents: []s3test.Object{
			{Key: new("a&b"), Size: new(int64(3)), LastModified: &made, Owner: &s3test.Owner{ID: new("me")}, ChecksumAlgorithm: []string{"CRC32", "SHA1"}},
			{Key: new("c")},
		},
		CommonPrefixes: []s3test.CommonPrefix{{Prefix: new("d/")}},
	}, nil
}

func (s *s3Server) DeleteObjects(_ context.Context, in *s3test.DeleteObjectsRequest) (*s3test.DeleteObjectsOutput, error) {
	s.remove = in
	return &s3test.DeleteObjectsOutput{
		Deleted: []s3test.DeletedObject{{Key: new("a")}}, Errors: []s3test.Error{{Key: new("b"), Code: new("AccessDenied")}},
	}, nil
}

func (s *s3Server) GetBucketAcl(context.Context, *s3test.GetBucketAclRequest) (*s3test.GetBucketAclOutput, error) {
	return &s3test.GetBucketAclOutput{Owner: &s3test.Owner{ID: new("me")}, Grants: []s3test.Grant{{
		Grantee: &s3test.Grantee{Type: new("CanonicalUser"), ID: new("me")}, Permission: new("FULL_CONTROL"),
	}}}, nil
}

func TestRESTXMLWithSDK(t *testing.T) {
	impl := &s3Server{}
	client := s3.NewFromConfig(listen(t, &s3test.Model, impl), func(o *s3.Options) { o.UsePathStyle = true })
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expires := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	put, err := client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String("b"), Key: aws.String("dir/ä +%2F?&.txt"), Body: strings.NewReader("content"), Metadata: map[string]string{"Color": "red"},
		ContentType: aws.String("text/plain"), Expires: &expires, ContentLength: aws.Int64(7), BucketKeyEnabled: aws.Bool(true),
	})
	must(err)
	equal(t, "object received", &s3test.PutObjectRequest{
		Bucket: new("b"), Key: new("dir/ä +%2F?&.txt"), Metadata: map[string]string{"color": "red"}, ContentType: new("text/plain"),
		Expires: &expires, ContentLength: new(int64(7)), BucketKeyEnabled: new(true),
	}, impl.put)
	if aws.ToString(put.ETag) != `"tag"` || impl.body != "content" {
		t.Errorf("etag %v, body %q", put.ETag, impl.body)
	}
	_, err = client.UploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String("b"), Key: aws.String("k"), UploadId: aws.String("u"), PartNumber: aws.Int32(7), Body: strings.NewReader("x")})
	must(err)
	if impl.part == nil || *impl.part.PartNumber != 7 || *impl.part.UploadId != "u" {
		t.Errorf("PUT with uploadId went elsewhere: %+v", impl.part)
	}
	_, err = client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("b"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}})
	must(err)
	equal(t, "bucket", &s3test.CreateBucketConfiguration{LocationConstraint: new("eu-west-1")}, impl.bucket.CreateBucketConfiguration)
	_, err = client.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: aws.String("b"), Tagging: &s3types.Tagging{TagSet: []s3types.Tag{{Key: aws.String("k"), Value: aws.String("<v>")}}}})
	must(err)
	equal(t, "tags", &s3test.Tagging{TagSet: []s3test.Tag{{Key: new("k"), Value: new("<v>")}}}, impl.tags.Tagging)
	removed, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String("b"), Delete: &s3types.Delete{Quiet: aws.Bool(true), Objects: []s3types.ObjectIdentifier{{Key: aws.String("a")}, {Key: aws.String("b")}}}})
	must(err)
	equal(t, "flattened list", &s3test.Delete{Quiet: new(true), Objects: []s3test.ObjectIdentifier{{Key: new("a")}, {Key: new("b")}}}, impl.remove.Delete)
	equal(t, "removed", &s3.DeleteObjectsOutput{Deleted: []s3types.DeletedObject{{Key: aws.String("a")}}, Errors: []s3types.Error{{Key: aws.String("b"), Code: aws.String("AccessDenied")}}}, removed)
	listed, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("b"), Prefix: aws.String("a&"), MaxKeys: aws.Int32(5)})
	must(err)
	equal(t, "listed", &s3.ListObjectsV2Output{
		Name: aws.String("b"), Prefix: aws.String("a&"), KeyCount: aws.Int32(2), IsTruncated: aws.Bool(false), MaxKeys: aws.Int32(5),
		Contents: []s3types.Object{
			{Key: aws.String("a&b"), Size: aws.Int64(3), LastModified: &made, Owner: &s3types.Owner{ID: aws.String("me")}, ChecksumAlgorithm: []s3types.ChecksumAlgorithm{"CRC32", "SHA1"}},
			{Key: aws.String("c")},
		},
		CommonPrefixes: []s3types.CommonPrefix{{Prefix: aws.String("d/")}},
	}, listed)
	acl, err := client.GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: aws.String("b")})
	must(err)
	equal(t, "XML attributes", []s3types.Grant{{Grantee: &s3types.Grantee{Type: "CanonicalUser", ID: aws.String("me")}, Permission: "FULL_CONTROL"}}, acl.Grants)
	testS3Get(t, client)
}

func testS3Get(t *testing.T, client *s3.Client) {
	object, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(object.Body)
	if err != nil || string(body) != "hello" || *object.ContentLength != 5 || !object.LastModified.Equal(made) || *object.ContentType != "text/x" || !*object.DeleteMarker {
		t.Errorf("object %+v, body %q, %v", object, body, err)
	}
	equal(t, "metadata", map[string]string{"color": "red"}, object.Metadata)
	_, err = client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("none")})
	if _, ok := errors.AsType[*s3types.NoSuchKey](err); !ok {
		t.Errorf("error is %v, want the SDK's own NoSuchKey", err)
	}
	_, err = client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), CopySource: aws.String("b/c")})
	wantAPIError(t, err, "NotImplemented", "Pinfold does not serve CopyObject of Amazon Simple Storage Service yet: docs/served.md lists what it serves")
}
