package lambda_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestPermissions(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	name := aws.String("hello")
	p.create("hello")
	err := ignore(p.GetPolicy(ctx, &sdk.GetPolicyInput{FunctionName: name}))
	wantError(t, err, 404, "ResourceNotFoundException", "The resource you requested does not exist.")
	added := must(p.AddPermission(ctx, &sdk.AddPermissionInput{
		FunctionName: name, StatementId: aws.String("api"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com"),
		SourceArn: aws.String("arn:aws:execute-api:us-east-1:123456789012:x/*"),
	}))(t)
	var statement struct {
		Sid       string
		Principal map[string]string
		Condition map[string]map[string]string
	}
	if err := json.Unmarshal([]byte(*added.Statement), &statement); err != nil || statement.Sid != "api" ||
		statement.Principal["Service"] != "apigateway.amazonaws.com" || statement.Condition["ArnLike"]["AWS:SourceArn"] == "" {
		t.Errorf("statement %s: %v", *added.Statement, err)
	}
	policy := must(p.GetPolicy(ctx, &sdk.GetPolicyInput{FunctionName: name}))(t)
	if !strings.Contains(*policy.Policy, *added.Statement) {
		t.Errorf("policy is %s", *policy.Policy)
	}
	err = ignore(p.RemovePermission(ctx, &sdk.RemovePermissionInput{FunctionName: name, StatementId: aws.String("api"), RevisionId: aws.String("old")}))
	wantError(t, err, 412, "PreconditionFailedException", "Revision Id")
	must(p.RemovePermission(ctx, &sdk.RemovePermissionInput{FunctionName: name, StatementId: aws.String("api"), RevisionId: policy.RevisionId}))(t)
}

func TestTags(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	p.create("hello")
	resource := aws.String(arn + "hello")
	must(p.TagResource(ctx, &sdk.TagResourceInput{Resource: resource, Tags: map[string]string{"a": "1", "b c": "é"}}))(t)
	must(p.UntagResource(ctx, &sdk.UntagResourceInput{Resource: resource, TagKeys: []string{"a", "none"}}))(t)
	if tags := must(p.ListTags(ctx, &sdk.ListTagsInput{Resource: resource}))(t).Tags; len(tags) != 1 || tags["b c"] != "é" {
		t.Errorf("tags are %v", tags)
	}
	err := ignore(p.ListTags(ctx, &sdk.ListTagsInput{Resource: aws.String("hello")}))
	wantError(t, err, 400, "ValidationException", "Value 'hello' at 'resource' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:")
}

func TestConcurrencyAndAccount(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	name := aws.String("hello")
	p.create("hello")
	must(p.PutFunctionConcurrency(ctx, &sdk.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: aws.Int32(5)}))(t)
	if c := must(p.GetFunctionConcurrency(ctx, &sdk.GetFunctionConcurrencyInput{FunctionName: name}))(t); *c.ReservedConcurrentExecutions != 5 {
		t.Errorf("reserved %d", *c.ReservedConcurrentExecutions)
	}
	if f := must(p.GetFunction(ctx, &sdk.GetFunctionInput{FunctionName: name}))(t); *f.Concurrency.ReservedConcurrentExecutions != 5 {
		t.Errorf("shown %d", *f.Concurrency.ReservedConcurrentExecutions)
	}
	account := must(p.GetAccountSettings(ctx, &sdk.GetAccountSettingsInput{}))(t)
	if account.AccountLimit.ConcurrentExecutions != 1000 || *account.AccountLimit.UnreservedConcurrentExecutions != 995 ||
		account.AccountUsage.FunctionCount != 1 || account.AccountUsage.TotalCodeSize == 0 || account.AccountLimit.CodeSizeZipped != 52428800 {
		t.Errorf("account: %+v %+v", account.AccountLimit, account.AccountUsage)
	}
	must(p.DeleteFunctionConcurrency(ctx, &sdk.DeleteFunctionConcurrencyInput{FunctionName: name}))(t)
	if c := must(p.GetFunctionConcurrency(ctx, &sdk.GetFunctionConcurrencyInput{FunctionName: name}))(t); c.ReservedConcurrentExecutions != nil {
		t.Errorf("still reserved %d", *c.ReservedConcurrentExecutions)
	}
	err := ignore(p.PutFunctionConcurrency(ctx, &sdk.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: aws.Int32(901)}))
	wantError(t, err, 400, "InvalidParameterValueException", "below its minimum value of [100]")
}

func TestLayers(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	name := aws.String("deps")
	const layerARN = "arn:aws:lambda:us-east-1:123456789012:layer:deps"
	code := zipOf(t, "layer")
	for range 3 {
		must(p.PublishLayerVersion(ctx, &sdk.PublishLayerVersionInput{
			LayerName: name, Content: &types.LayerVersionContentInput{ZipFile: code}, Description: aws.String("d"),
			CompatibleRuntimes: []types.Runtime{"nodejs22.x"}, LicenseInfo: aws.String("MIT"),
		}))(t)
	}
	one := must(p.GetLayerVersion(ctx, &sdk.GetLayerVersionInput{LayerName: name, VersionNumber: aws.Int64(2)}))(t)
	byARN := must(p.GetLayerVersionByArn(ctx, &sdk.GetLayerVersionByArnInput{Arn: aws.String(layerARN + ":2")}))(t)
	if *one.LayerArn != layerARN || *one.LayerVersionArn != layerARN+":2" || one.Version != 2 || *one.LicenseInfo != "MIT" || *byARN.LayerVersionArn != *one.LayerVersionArn {
		t.Errorf("layer is %+v, by its ARN %+v", one, byARN)
	}
	if _, body := get(t, *one.Content.Location); !bytes.Equal(body, code) {
		t.Errorf("the layer's content has %d bytes", len(body))
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000+0000", *one.CreatedDate); err != nil {
		t.Error(err)
	}
	var versions []int64
	for pages := sdk.NewListLayerVersionsPaginator(p.Client, &sdk.ListLayerVersionsInput{LayerName: name, MaxItems: aws.Int32(2)}); pages.HasMorePages(); {
		for _, v := range must(pages.NextPage(ctx))(t).LayerVersions {
			versions = append(versions, v.Version)
		}
	}
	if !slices.Equal(versions, []int64{3, 2, 1}) {
		t.Errorf("versions are %v", versions)
	}
	must(p.DeleteLayerVersion(ctx, &sdk.DeleteLayerVersionInput{LayerName: name, VersionNumber: aws.Int64(3)}))(t)
	layers := must(p.ListLayers(ctx, &sdk.ListLayersInput{CompatibleRuntime: "nodejs22.x"}))(t).Layers
	if len(layers) != 1 || *layers[0].LayerName != "deps" || *layers[0].LayerArn != layerARN || layers[0].LatestMatchingVersion.Version != 2 {
		t.Errorf("layers are %+v", layers)
	}
	err := ignore(p.GetLayerVersion(ctx, &sdk.GetLayerVersionInput{LayerName: name, VersionNumber: aws.Int64(3)}))
	wantError(t, err, 404, "ResourceNotFoundException", "The resource you requested does not exist.")
	testLayerPermissions(t, p)
}

func testLayerPermissions(t *testing.T, p *platform) {
	ctx := t.Context()
	name, version := aws.String("deps"), aws.Int64(2)
	add := &sdk.AddLayerVersionPermissionInput{LayerName: name, VersionNumber: version, StatementId: aws.String("all"), Action: aws.String("lambda:GetLayerVersion"), Principal: aws.String("*")}
	err := ignore(p.GetLayerVersionPolicy(ctx, &sdk.GetLayerVersionPolicyInput{LayerName: name, VersionNumber: version}))
	wantError(t, err, 404, "ResourceNotFoundException", "No policy is associated with the given resource.")
	added := must(p.AddLayerVersionPermission(ctx, add))(t)
	policy := must(p.GetLayerVersionPolicy(ctx, &sdk.GetLayerVersionPolicyInput{LayerName: name, VersionNumber: version}))(t)
	if *policy.RevisionId != *added.RevisionId || !strings.Contains(*policy.Policy, *added.Statement) {
		t.Errorf("added %s (%s), policy %s (%s)", *added.Statement, *added.RevisionId, *policy.Policy, *policy.RevisionId)
	}
	err = ignore(p.AddLayerVersionPermission(ctx, add))
	wantError(t, err, 409, "ResourceConflictException", "The statement id (all) provided already exists.")
	err = ignore(p.RemoveLayerVersionPermission(ctx, &sdk.RemoveLayerVersionPermissionInput{LayerName: name, VersionNumber: version, StatementId: aws.String("all"), RevisionId: aws.String("old")}))
	wantError(t, err, 412, "PreconditionFailedException", "Call the GetLayerPolicy API")
	must(p.RemoveLayerVersionPermission(ctx, &sdk.RemoveLayerVersionPermissionInput{LayerName: name, VersionNumber: version, StatementId: aws.String("all"), RevisionId: added.RevisionId}))(t)
	add.VersionNumber = aws.Int64(99)
	err = ignore(p.AddLayerVersionPermission(ctx, add))
	wantError(t, err, 404, "ResourceNotFoundException", "Layer version arn:aws:lambda:us-east-1:123456789012:layer:deps:99 does not exist.")
}

func TestFunctionURLs(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	name := aws.String("hello")
	p.create("hello")
	cors := &types.Cors{AllowOrigins: []string{"https://a"}, AllowMethods: []string{"GET"}, AllowCredentials: aws.Bool(true), MaxAge: aws.Int32(60)}
	created := must(p.CreateFunctionUrlConfig(ctx, &sdk.CreateFunctionUrlConfigInput{FunctionName: name, AuthType: "NONE", Cors: cors}))(t)
	if !strings.HasPrefix(*created.FunctionUrl, "http://") || !strings.HasSuffix(*created.FunctionUrl, ".lambda-url.localhost:8080/") ||
		created.InvokeMode != "BUFFERED" || *created.FunctionArn != arn+"hello" {
		t.Errorf("created %+v, URL %s", created, *created.FunctionUrl)
	}
	if diff := cmp.Diff(cors, created.Cors, cmpopts.IgnoreUnexported(types.Cors{})); diff != "" {
		t.Errorf("CORS (-want +got):\n%s", diff)
	}
	updated := must(p.UpdateFunctionUrlConfig(ctx, &sdk.UpdateFunctionUrlConfigInput{FunctionName: name, AuthType: "AWS_IAM", InvokeMode: "RESPONSE_STREAM"}))(t)
	if updated.AuthType != "AWS_IAM" || updated.InvokeMode != "RESPONSE_STREAM" || updated.Cors == nil {
		t.Errorf("updated %+v", updated)
	}
	if list := must(p.ListFunctionUrlConfigs(ctx, &sdk.ListFunctionUrlConfigsInput{FunctionName: name}))(t).FunctionUrlConfigs; len(list) != 1 || *list[0].FunctionUrl != *created.FunctionUrl {
		t.Errorf("listed %+v", list)
	}
	must(p.DeleteFunctionUrlConfig(ctx, &sdk.DeleteFunctionUrlConfigInput{FunctionName: name}))(t)
	err := ignore(p.GetFunctionUrlConfig(ctx, &sdk.GetFunctionUrlConfigInput{FunctionName: name}))
	wantError(t, err, 404, "ResourceNotFoundException", "The resource you requested does not exist.")
}
