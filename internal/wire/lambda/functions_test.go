package lambda_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/wire/lambda"
)

const arn = "arn:aws:lambda:us-east-1:123456789012:function:"

func TestFunctionFromCreationToDeletion(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	in := newFunction(t, "hello")
	in.MemorySize, in.Timeout, in.Description = aws.Int32(256), aws.Int32(10), aws.String("says <hello>")
	in.Environment = &types.Environment{Variables: map[string]string{"NAME": "wörld", "EMPTY": ""}}
	in.Tags = map[string]string{"team": "a"}
	in.EphemeralStorage = &types.EphemeralStorage{Size: aws.Int32(1024)}
	in.LoggingConfig = &types.LoggingConfig{LogFormat: types.LogFormatJson, ApplicationLogLevel: types.ApplicationLogLevelDebug}
	in.Architectures = []types.Architecture{types.ArchitectureArm64}
	created := must(p.CreateFunction(ctx, in))(t)
	sum := sha256.Sum256(in.Code.ZipFile)
	want := &types.FunctionConfiguration{
		FunctionName: aws.String("hello"), FunctionArn: aws.String(arn + "hello"), Version: aws.String("$LATEST"),
		Runtime: "nodejs22.x", Handler: aws.String("index.handler"), Role: aws.String(role), Description: aws.String("says <hello>"),
		MemorySize: aws.Int32(256), Timeout: aws.Int32(10), EphemeralStorage: &types.EphemeralStorage{Size: aws.Int32(1024)},
		Environment:   &types.EnvironmentResponse{Variables: map[string]string{"NAME": "wörld", "EMPTY": ""}},
		Architectures: []types.Architecture{"arm64"}, PackageType: "Zip",
		CodeSha256: aws.String(base64.StdEncoding.EncodeToString(sum[:])), CodeSize: int64(len(in.Code.ZipFile)),
		State: "Active", LastUpdateStatus: "Successful", TracingConfig: &types.TracingConfigResponse{Mode: "PassThrough"},
		SnapStart:     &types.SnapStartResponse{ApplyOn: "None", OptimizationStatus: "Off"},
		LoggingConfig: &types.LoggingConfig{LogFormat: "JSON", ApplicationLogLevel: "DEBUG", SystemLogLevel: "INFO", LogGroup: aws.String("/aws/lambda/hello")},
	}
	for name, waiter := range map[string]func() error{
		"active": func() error {
			return sdk.NewFunctionActiveV2Waiter(p.Client).Wait(ctx, &sdk.GetFunctionInput{FunctionName: in.FunctionName}, time.Minute)
		},
		"updated": func() error {
			return sdk.NewFunctionUpdatedV2Waiter(p.Client).Wait(ctx, &sdk.GetFunctionInput{FunctionName: in.FunctionName}, time.Minute)
		},
	} {
		if err := waiter(); err != nil {
			t.Errorf("waiter %s: %v", name, err)
		}
	}
	got := must(p.GetFunction(ctx, &sdk.GetFunctionInput{FunctionName: aws.String(arn + "hello")}))(t)
	ignored := []cmp.Option{
		cmpopts.IgnoreUnexported(types.FunctionConfiguration{}, types.EphemeralStorage{}, types.EnvironmentResponse{}, types.TracingConfigResponse{}, types.SnapStartResponse{}, types.LoggingConfig{}),
		cmpopts.IgnoreFields(types.FunctionConfiguration{}, "RevisionId", "LastModified"),
	}
	if diff := cmp.Diff(want, got.Configuration, ignored...); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if aws.ToString(got.Configuration.RevisionId) != aws.ToString(created.RevisionId) || got.Tags["team"] != "a" {
		t.Errorf("revision %v, tags %v", got.Configuration.RevisionId, got.Tags)
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000+0000", *got.Configuration.LastModified); err != nil {
		t.Error(err)
	}
	if resp, body := get(t, *got.Code.Location); resp.StatusCode != 200 || !bytes.Equal(body, in.Code.ZipFile) {
		t.Errorf("the code at %s: %d, %d bytes", *got.Code.Location, resp.StatusCode, len(body))
	}

	if _, err := p.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: in.FunctionName}); err != nil {
		t.Fatal(err)
	}
	err := ignore(p.GetFunction(ctx, &sdk.GetFunctionInput{FunctionName: in.FunctionName}))
	wantError(t, err, 404, "ResourceNotFoundException", "Function not found: "+arn+"hello")
	err = ignore(p.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: in.FunctionName}))
	wantError(t, err, 404, "ResourceNotFoundException", "Function not found: "+arn+"hello")
}

func TestUpdate(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	name := aws.String("hello")
	created := p.create("hello")
	code := zipOf(t, "new code")
	dry := must(p.UpdateFunctionCode(ctx, &sdk.UpdateFunctionCodeInput{FunctionName: name, ZipFile: code, DryRun: true}))(t)
	updated := must(p.UpdateFunctionCode(ctx, &sdk.UpdateFunctionCodeInput{FunctionName: name, ZipFile: code, Publish: true, RevisionId: created.RevisionId}))(t)
	if *dry.CodeSha256 != *updated.CodeSha256 || *updated.CodeSha256 == *created.CodeSha256 || *updated.Version != "1" || *updated.FunctionArn != arn+"hello:1" {
		t.Errorf("updated to %v %v %v", *updated.CodeSha256, *updated.Version, *updated.FunctionArn)
	}
	err := ignore(p.UpdateFunctionCode(ctx, &sdk.UpdateFunctionCodeInput{FunctionName: name, ZipFile: code, RevisionId: created.RevisionId}))
	wantError(t, err, 412, "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id.")

	layer := must(p.PublishLayerVersion(ctx, &sdk.PublishLayerVersionInput{LayerName: aws.String("l"), Content: &types.LayerVersionContentInput{ZipFile: code}}))(t)
	config := must(p.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{
		FunctionName: name, Timeout: aws.Int32(7), Layers: []string{*layer.LayerVersionArn},
		Environment: &types.Environment{Variables: map[string]string{"AB": "1"}}, TracingConfig: &types.TracingConfig{Mode: "Active"},
	}))(t)
	if *config.Timeout != 7 || *config.MemorySize != 128 || config.Environment.Variables["AB"] != "1" || config.TracingConfig.Mode != "Active" ||
		len(config.Layers) != 1 || *config.Layers[0].Arn != *layer.LayerVersionArn || config.Layers[0].CodeSize != int64(len(code)) {
		t.Errorf("configuration is %+v", config)
	}
	config = must(p.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{
		FunctionName: name, Layers: []string{}, Environment: &types.Environment{Variables: map[string]string{}},
	}))(t)
	if *config.Timeout != 7 || len(config.Layers) != 0 || config.Environment != nil {
		t.Errorf("emptied configuration is %+v", config)
	}
}

func TestVersionsAndAliases(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	name := aws.String("hello")
	p.create("hello")
	first := must(p.PublishVersion(ctx, &sdk.PublishVersionInput{FunctionName: name, Description: aws.String("one")}))(t)
	must(p.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{FunctionName: name, Timeout: aws.Int32(9)}))(t)
	must(p.PublishVersion(ctx, &sdk.PublishVersionInput{FunctionName: name, CodeSha256: first.CodeSha256}))(t)
	err := ignore(p.PublishVersion(ctx, &sdk.PublishVersionInput{FunctionName: name, CodeSha256: aws.String("bm8=")}))
	wantError(t, err, 400, "InvalidParameterValueException", "CodeSHA256 (bm8=) is different from current CodeSHA256")

	var arns []string
	pages := 0
	for versions := sdk.NewListVersionsByFunctionPaginator(p.Client, &sdk.ListVersionsByFunctionInput{FunctionName: name, MaxItems: aws.Int32(2)}); versions.HasMorePages(); pages++ {
		for _, v := range must(versions.NextPage(ctx))(t).Versions {
			arns = append(arns, *v.FunctionArn+" "+*v.Version+" "+*v.Description)
		}
	}
	if want := []string{arn + "hello:$LATEST $LATEST ", arn + "hello:1 1 one", arn + "hello:2 2 "}; !slices.Equal(arns, want) || pages != 2 {
		t.Errorf("%d pages of %q, want 2 of %q", pages, arns, want)
	}

	alias := must(p.CreateAlias(ctx, &sdk.CreateAliasInput{
		FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("1"),
		RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": 0.25}},
	}))(t)
	if *alias.AliasArn != arn+"hello:live" || *alias.FunctionVersion != "1" || alias.RoutingConfig.AdditionalVersionWeights["2"] != 0.25 {
		t.Errorf("alias is %+v", alias)
	}
	byAlias := must(p.GetFunctionConfiguration(ctx, &sdk.GetFunctionConfigurationInput{FunctionName: name, Qualifier: aws.String("live")}))(t)
	if *byAlias.FunctionArn != arn+"hello:live" || *byAlias.Version != "1" {
		t.Errorf("by alias: %s version %s", *byAlias.FunctionArn, *byAlias.Version)
	}
	moved := must(p.UpdateAlias(ctx, &sdk.UpdateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("2"), RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{}}, RevisionId: alias.RevisionId}))(t)
	if *moved.FunctionVersion != "2" || moved.RoutingConfig != nil || *moved.RevisionId == *alias.RevisionId {
		t.Errorf("moved alias is %+v", moved)
	}
	listed := must(p.ListAliases(ctx, &sdk.ListAliasesInput{FunctionName: name, FunctionVersion: aws.String("2")}))(t)
	if len(listed.Aliases) != 1 || *listed.Aliases[0].Name != "live" {
		t.Errorf("aliases are %+v", listed.Aliases)
	}
	must(p.DeleteAlias(ctx, &sdk.DeleteAliasInput{FunctionName: name, Name: aws.String("live")}))(t)
	err = ignore(p.GetAlias(ctx, &sdk.GetAliasInput{FunctionName: name, Name: aws.String("live")}))
	wantError(t, err, 404, "ResourceNotFoundException", "Cannot find alias arn: "+arn+"hello:live")
	err = ignore(p.CreateAlias(ctx, &sdk.CreateAliasInput{FunctionName: name, Name: aws.String("12"), FunctionVersion: aws.String("1")}))
	wantError(t, err, 400, "ValidationException", "1 validation error detected: Value '12' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)")
}

func TestListFunctionsPages(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	var want, got []string
	for i := range 5 {
		name := fmt.Sprintf("f%d", i)
		p.create(name)
		want = append(want, arn+name)
	}
	for pages := sdk.NewListFunctionsPaginator(p.Client, &sdk.ListFunctionsInput{MaxItems: aws.Int32(2)}); pages.HasMorePages(); {
		for _, f := range must(pages.NextPage(ctx))(t).Functions {
			got = append(got, *f.FunctionArn)
			if f.State != "" || f.LastUpdateStatus != "" {
				t.Errorf("a list has State %q, which AWS leaves out", f.State)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	err := ignore(p.ListFunctions(ctx, &sdk.ListFunctionsInput{Marker: aws.String("nonsense")}))
	wantError(t, err, 400, "InvalidParameterValueException", "is not a Marker")
	err = ignore(p.ListFunctions(ctx, &sdk.ListFunctionsInput{MaxItems: aws.Int32(0)}))
	wantError(t, err, 400, "ValidationException", "Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1")
	all := must(p.ListFunctions(ctx, &sdk.ListFunctionsInput{FunctionVersion: "ALL"}))(t)
	if len(all.Functions) != 5 || *all.Functions[0].FunctionArn != arn+"f0:$LATEST" {
		t.Errorf("all versions: %d, first %s", len(all.Functions), *all.Functions[0].FunctionArn)
	}
}

func TestWhatIsNotServedIsRefused(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	for name, tt := range map[string]struct {
		change func(*sdk.CreateFunctionInput)
		want   string // "" is accepted
	}{
		"image":     {func(in *sdk.CreateFunctionInput) { in.PackageType = "Image" }, "PackageType is not served by Pinfold yet"},
		"zip":       {func(in *sdk.CreateFunctionInput) { in.PackageType = "Zip" }, ""},
		"image URI": {func(in *sdk.CreateFunctionInput) { in.Code = &types.FunctionCode{ImageUri: aws.String("x")} }, "Code.ImageUri is not served"},
		"bucket": {func(in *sdk.CreateFunctionInput) {
			in.Code = &types.FunctionCode{S3Bucket: aws.String("bucket"), S3Key: aws.String("k")}
		}, "Code.S3Bucket is not served by Pinfold yet: there is no bucket service"},
		"subnets": {func(in *sdk.CreateFunctionInput) { in.VpcConfig = &types.VpcConfig{SubnetIds: []string{"subnet-1"}} }, "VpcConfig is not served"},
		"empty VPC": {func(in *sdk.CreateFunctionInput) {
			in.VpcConfig = &types.VpcConfig{SubnetIds: []string{}, Ipv6AllowedForDualStack: aws.Bool(false)}
		}, ""},
		"file system": {func(in *sdk.CreateFunctionInput) {
			in.FileSystemConfigs = []types.FileSystemConfig{{Arn: aws.String("arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-12345678901234567"), LocalMountPath: aws.String("/mnt/x")}}
		}, "FileSystemConfigs is not served"},
		"key": {func(in *sdk.CreateFunctionInput) {
			in.KMSKeyArn = aws.String("arn:aws:kms:us-east-1:123456789012:key/x")
		}, "KMSKeyArn is not served"},
		"empty key": {func(in *sdk.CreateFunctionInput) { in.KMSKeyArn = aws.String("") }, ""},
		"dead letters to a topic": {func(in *sdk.CreateFunctionInput) {
			in.DeadLetterConfig = &types.DeadLetterConfig{TargetArn: aws.String("arn:aws:sns:us-east-1:123456789012:t")}
		}, "An SNS topic as a dead-letter target is not served"},
		"durable": {func(in *sdk.CreateFunctionInput) {
			in.DurableConfig = &types.DurableConfig{ExecutionTimeout: aws.Int32(60)}
		}, "DurableConfig is not served"},
		"snapshots":    {func(in *sdk.CreateFunctionInput) { in.SnapStart = &types.SnapStart{ApplyOn: "PublishedVersions"} }, "SnapStart is not served"},
		"no snapshots": {func(in *sdk.CreateFunctionInput) { in.SnapStart = &types.SnapStart{ApplyOn: "None"} }, ""},
		"tenants": {func(in *sdk.CreateFunctionInput) {
			in.TenancyConfig = &types.TenancyConfig{TenantIsolationMode: "PER_TENANT"}
		}, "TenancyConfig is not served"},
		"unknown runtime":     {func(in *sdk.CreateFunctionInput) { in.Runtime = "cobol85" }, "runtime cobol85 cannot run here"},
		"runtime of tomorrow": {func(in *sdk.CreateFunctionInput) { in.Runtime = "nodejs99.x" }, ""},
		"no code":             {func(in *sdk.CreateFunctionInput) { in.Code = &types.FunctionCode{} }, "Please provide a source for function code."},
		"not a zip":           {func(in *sdk.CreateFunctionInput) { in.Code.ZipFile = []byte("hello") }, "Could not unzip uploaded file."},
	} {
		t.Run(name, func(t *testing.T) {
			in := newFunction(t, "f")
			tt.change(in)
			err := ignore(p.CreateFunction(ctx, in))
			if tt.want != "" {
				wantError(t, err, 400, "InvalidParameterValueException", tt.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			must(p.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: in.FunctionName}))(t)
		})
	}
	err := ignore(p.ListCodeSigningConfigs(ctx, &sdk.ListCodeSigningConfigsInput{}))
	wantError(t, err, 501, "NotImplementedException", "Pinfold does not serve ListCodeSigningConfigs of AWS Lambda yet")
}

// TestRefusedSettingsExist keeps the table from naming members that no request has.
func TestRefusedSettingsExist(t *testing.T) {
	for _, setting := range lambda.Refused {
		if !lambda.HasMember(setting.Name) {
			t.Errorf("no request has the member %s", setting.Name)
		}
	}
}

func TestValidationAsAWS(t *testing.T) {
	p := start(t)
	in := newFunction(t, strings.Repeat("x", 141))
	in.MemorySize, in.Role = aws.Int32(64), aws.String("me")
	wantError(t, ignore(p.CreateFunction(t.Context(), in)), 400, "ValidationException",
		"3 validation errors detected: Value '"+strings.Repeat("x", 141)+"' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 140; "+
			"Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128; "+
			`Value 'me' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`)
	in = newFunction(t, "f")
	in.Environment = &types.Environment{Variables: map[string]string{"_X": "secret"}}
	wantError(t, ignore(p.CreateFunction(t.Context(), in)), 400, "ValidationException",
		"1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]")
	p.create("taken")
	wantError(t, ignore(p.CreateFunction(t.Context(), newFunction(t, "taken"))), 409, "ResourceConflictException", "Function already exist: taken")
}

func TestEveryOperationIsAuthorized(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	p.create("hello")
	stranger := p.config
	key := p.identity.CredentialsFor(&pinfold.Version{
		Ref: pinfold.FunctionRef{Account: scope.Account, Region: scope.Region, Name: "hello"}, Config: pinfold.Config{Role: role},
	})
	stranger.Credentials = credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, key.SessionToken)
	client := sdk.NewFromConfig(stranger)
	p.asked = nil
	err := ignore(client.GetFunction(ctx, &sdk.GetFunctionInput{FunctionName: aws.String("hello"), Qualifier: aws.String("1")}))
	wantError(t, err, 403, "AccessDeniedException", "is not authorized to perform: lambda:GetFunction on resource: "+arn+"hello:1")
	_ = ignore(client.ListFunctions(ctx, &sdk.ListFunctionsInput{}))
	_ = ignore(client.GetLayerVersion(ctx, &sdk.GetLayerVersionInput{LayerName: aws.String("l"), VersionNumber: aws.Int64(3)}))
	_ = ignore(client.GetLayerVersionByArn(ctx, &sdk.GetLayerVersionByArnInput{Arn: aws.String("arn:aws:lambda:us-east-1:123456789012:layer:l:3")}))
	_ = ignore(client.ListTags(ctx, &sdk.ListTagsInput{Resource: aws.String(arn + "hello")}))
	if err := ignore(client.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("hello:$LATEST")})); err != nil {
		t.Errorf("a function may invoke functions of its account: %v", err)
	}
	want := []pinfold.Action{
		{Name: "lambda:GetFunction", Resource: arn + "hello:1"},
		{Name: "lambda:ListFunctions", Resource: "*"},
		{Name: "lambda:GetLayerVersion", Resource: "arn:aws:lambda:us-east-1:123456789012:layer:l:3"},
		{Name: "lambda:GetLayerVersion", Resource: "arn:aws:lambda:us-east-1:123456789012:layer:l:3"},
		{Name: "lambda:ListTags", Resource: arn + "hello"},
		{Name: "lambda:InvokeFunction", Resource: arn + "hello:$LATEST"},
	}
	if diff := cmp.Diff(want, p.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestCodeLinks(t *testing.T) {
	p := start(t)
	p.create("hello")
	link := *must(p.GetFunction(t.Context(), &sdk.GetFunctionInput{FunctionName: aws.String("hello")}))(t).Code.Location
	for name, url := range map[string]string{
		"no signature": link[:strings.Index(link, "?")],
		"later":        strings.Replace(link, "expires=", "expires=9", 1),
		"other code":   strings.Replace(link, lambda.CodePath, lambda.CodePath+"00", 1),
	} {
		if resp, body := get(t, url); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
}
