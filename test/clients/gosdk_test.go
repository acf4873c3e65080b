package clients

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	wire "pinfold.dev/pinfold/internal/wire/lambda"
	"pinfold.dev/pinfold/platformtest"
	"pinfold.dev/pinfold/test/gosdk"
)

// TestGoSDK goes through all of Lambda with AWS's SDK for Go, and then makes
// sure that no served operation was left out.
func TestGoSDK(t *testing.T) {
	t.Parallel()
	s := newSDK(platformtest.Start(t))
	t.Run("parts", func(t *testing.T) {
		for name, part := range map[string]func(*testing.T, *sdk){
			"identity": identity, "life": life, "waiters": waiters, "invoke": invoke, "streams": streams, "streamed URLs": streamedURLs, "revisions": revisions,
			"versions and aliases": versionsAndAliases, "weights": weights, "lists": lists, "names": names,
			"layers": layers, "layer lists": layerLists, "layer policies": layerPolicies, "policies": policies, "tags": tags,
			"urls": urls, "url lists": urlLists, "concurrency": concurrency, "provisioned": provisioned, "recursion": recursion, "mappings": mappings, "several": several, "account": account, "event invokes": eventInvokes, "unserved": unservedByGo,
			"not found": notFound, "conflicts": conflicts, "invalid": invalid, "constraints": constraints, "bad content": badContent,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				part(t, s)
			})
		}
	})
	if t.Failed() || filtered() {
		return // what was not reached says nothing
	}
	for _, op := range wire.Model.Operations {
		if !s.calls.done[op.Name] {
			t.Errorf("%s is served, but no test here calls it with success", op.Name)
		}
	}
	if len(s.calls.done) > len(wire.Model.Operations) {
		t.Errorf("more operations succeed than are served: %v", s.calls.done)
	}
}

func identity(t *testing.T, s *sdk) {
	out, err := sts.NewFromConfig(gosdk.Config(s.p)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if *out.Account != s.p.Account || *out.Arn != "arn:aws:iam::"+s.p.Account+":root" || *out.UserId != s.p.Account {
		t.Errorf("the root key is of %s, %s, user %s", *out.Account, *out.Arn, *out.UserId)
	}
	link, err := sts.NewPresignClient(sts.NewFromConfig(gosdk.Config(s.p))).PresignGetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if answer := string(fetch(t, link.URL)); !strings.Contains(answer, "<Arn>"+*out.Arn+"</Arn>") {
		t.Errorf("a presigned request is answered with %s", answer)
	}
	bad := gosdk.Config(s.p)
	bad.Credentials = aws.CredentialsProviderFunc(s.wrongSecret)
	_, err = sts.NewFromConfig(bad).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	apiError(t, err, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
	_, err = lambda.NewFromConfig(bad).ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
	apiError(t, err, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided.")
}

// life is a function from its first to its last day.
func life(t *testing.T, s *sdk) {
	name := aws.String("life")
	code := zipped(t, map[string]string{"index.js": probe})
	made, err := s.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: name, Runtime: types.RuntimeNodejs20x, Handler: aws.String("index.handler"), Role: aws.String(role),
		Code: &types.FunctionCode{ZipFile: code}, Description: aws.String("first"), MemorySize: aws.Int32(256), Timeout: aws.Int32(7),
		Environment:      &types.Environment{Variables: map[string]string{"MARKER": "one"}},
		EphemeralStorage: &types.EphemeralStorage{Size: aws.Int32(1024)}, Architectures: []types.Architecture{types.ArchitectureX8664},
		Tags: map[string]string{"team": "blue"}, TracingConfig: &types.TracingConfig{Mode: types.TracingModeActive},
		LoggingConfig: &types.LoggingConfig{LogFormat: types.LogFormatJson, ApplicationLogLevel: types.ApplicationLogLevelDebug, LogGroup: aws.String("/mine")},
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(code)
	if *made.CodeSha256 != base64.StdEncoding.EncodeToString(sum[:]) || made.CodeSize != int64(len(code)) {
		t.Errorf("the code is %s with %d bytes", *made.CodeSha256, made.CodeSize)
	}
	if *made.FunctionArn != "arn:aws:lambda:us-east-1:000000000000:function:life" || *made.Version != "$LATEST" || made.PackageType != "Zip" {
		t.Errorf("made as %s, version %s, %s", *made.FunctionArn, *made.Version, made.PackageType)
	}
	if at, err := time.Parse("2006-01-02T15:04:05.000-0700", *made.LastModified); err != nil || time.Since(at).Abs() > time.Hour {
		t.Errorf("last modified %s: %v", *made.LastModified, err)
	}
	got, err := s.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: name})
	if err != nil {
		t.Fatal(err)
	}
	c := got.Configuration
	if c.Runtime != "nodejs20.x" || *c.Handler != "index.handler" || *c.Role != role || *c.Description != "first" || *c.MemorySize != 256 ||
		*c.Timeout != 7 || c.Environment.Variables["MARKER"] != "one" || *c.EphemeralStorage.Size != 1024 || c.Architectures[0] != "x86_64" ||
		got.Tags["team"] != "blue" || c.TracingConfig.Mode != "Active" || c.LoggingConfig.LogFormat != "JSON" || *c.LoggingConfig.LogGroup != "/mine" ||
		c.State != types.StateActive || c.LastUpdateStatus != types.LastUpdateStatusSuccessful || *c.RevisionId != *made.RevisionId {
		t.Errorf("what was made is not what is there: %+v, tags %v", c, got.Tags)
	}
	if fetched := fetch(t, *got.Code.Location); !bytes.Equal(fetched, code) {
		t.Errorf("%s is not the code that was uploaded, but %d other bytes", *got.Code.Location, len(fetched))
	}
	changed, err := s.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: name, Environment: &types.Environment{Variables: map[string]string{"MARKER": "two"}}, Description: aws.String(""),
	})
	if err != nil {
		t.Fatal(err)
	}
	if *changed.RevisionId == *made.RevisionId || *changed.Description != "" || *changed.MemorySize != 256 {
		t.Errorf("a change of two settings made it %+v", changed)
	}
	if a := s.ask(t, "life"); a.Marker != "two" || a.Version != "$LATEST" || a.ARN != *made.FunctionArn {
		t.Errorf("after a change of its environment the function says %+v", a)
	}
	if _, err = s.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{
		FunctionName: name, ZipFile: zipped(t, map[string]string{"index.js": `exports.handler = async () => "new code"`}),
	}); err != nil {
		t.Fatal(err)
	}
	if out := s.invoke(t, "life", "{}"); string(out.Payload) != `"new code"` {
		t.Errorf("after an update of its code the function answers %s", out.Payload)
	}
	if _, err := s.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: name}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name})
	typed[*types.ResourceNotFoundException](t, err, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:life")
}

// fetch gets a link that carries its own permission.
func fetch(t *testing.T, link string) []byte {
	t.Helper()
	resp, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", link, resp.StatusCode, body, err)
	}
	return body
}

// waiters find what they wait for, at once.
func waiters(t *testing.T, s *sdk) {
	name := aws.String("waited")
	s.create(t, *name, nil)
	get, conf := &lambda.GetFunctionInput{FunctionName: name}, &lambda.GetFunctionConfigurationInput{FunctionName: name}
	for what, wait := range map[string]func() error{
		"FunctionExists":    func() error { return lambda.NewFunctionExistsWaiter(s).Wait(t.Context(), get, time.Minute) },
		"FunctionActive":    func() error { return lambda.NewFunctionActiveWaiter(s).Wait(t.Context(), conf, time.Minute) },
		"FunctionActiveV2":  func() error { return lambda.NewFunctionActiveV2Waiter(s).Wait(t.Context(), get, time.Minute) },
		"FunctionUpdated":   func() error { return lambda.NewFunctionUpdatedWaiter(s).Wait(t.Context(), conf, time.Minute) },
		"FunctionUpdatedV2": func() error { return lambda.NewFunctionUpdatedV2Waiter(s).Wait(t.Context(), get, time.Minute) },
		"PublishedVersionActive": func() error {
			if _, err := s.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: name}); err != nil {
				return err
			}
			return lambda.NewPublishedVersionActiveWaiter(s).Wait(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name, Qualifier: aws.String("1")}, time.Minute)
		},
	} {
		if err := wait(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// invoke holds an answer to what the caller asked for.
func invoke(t *testing.T, s *sdk) {
	s.create(t, "called", nil)
	out := s.invoke(t, "called", `{"n": [1, 2.50, "é"]}`)
	var a told
	decode(t, out.Payload, &a)
	if out.StatusCode != 200 || string(a.Event) != `{"n":[1,2.5,"é"]}` || a.ID == "" || out.LogResult != nil {
		t.Errorf("%d %+v", out.StatusCode, a)
	}
	if out := s.invoke(t, "called", ""); !strings.Contains(string(out.Payload), `"event":{}`) {
		t.Errorf("no payload arrives as %s", out.Payload)
	}
	out = s.invoke(t, "called", `{}`, func(in *lambda.InvokeInput) {
		in.ClientContext = aws.String(base64.StdEncoding.EncodeToString([]byte(`{"custom": {"k": "v"}}`)))
	})
	if decode(t, out.Payload, &a); a.Client.Custom["k"] != "v" {
		t.Errorf("the client context arrives as %+v", a.Client)
	}
	out = s.invoke(t, "called", `{"do": "throw"}`)
	var envelope struct {
		ErrorType, ErrorMessage string
		Trace                   []string
	}
	decode(t, out.Payload, &envelope)
	if out.StatusCode != 200 || aws.ToString(out.FunctionError) != "Unhandled" || envelope.ErrorType != "TypeError" ||
		envelope.ErrorMessage != "thrown on purpose" || len(envelope.Trace) < 2 || envelope.Trace[0] != "TypeError: thrown on purpose" {
		t.Errorf("an error is %d %s %s", out.StatusCode, aws.ToString(out.FunctionError), out.Payload)
	}
	out = s.invoke(t, "called", ``, func(in *lambda.InvokeInput) { in.InvocationType = types.InvocationTypeDryRun })
	if out.StatusCode != 204 || len(out.Payload) != 0 {
		t.Errorf("a dry run answers %d %s", out.StatusCode, out.Payload)
	}
	out = s.invoke(t, "called", `{"event": 1}`, func(in *lambda.InvokeInput) { in.InvocationType = types.InvocationTypeEvent })
	if out.StatusCode != 202 || len(out.Payload) != 0 {
		t.Errorf("an event answers %d %s", out.StatusCode, out.Payload)
	}
}

// unservedByGo: what is not served says so, by its name.
func unservedByGo(t *testing.T, s *sdk) {
	_, err := s.ListCodeSigningConfigs(t.Context(), &lambda.ListCodeSigningConfigsInput{})
	apiError(t, err, "NotImplementedException", "Pinfold does not serve ListCodeSigningConfigs of AWS Lambda yet")
	_, err = s.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("image"), Role: aws.String(role), PackageType: types.PackageTypeImage,
		Code: &types.FunctionCode{ImageUri: aws.String("example/image:1")},
	})
	typed[*types.InvalidParameterValueException](t, err, "is not served by Pinfold yet", "give the code as a zip file")
	_, err = s3.NewFromConfig(gosdk.Config(s.p), func(o *s3.Options) { o.UsePathStyle = true }).
		GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	apiError(t, err, "NotImplemented", "Amazon Simple Storage Service")
	_, err = sts.NewFromConfig(gosdk.Config(s.p)).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	apiError(t, err, "NotImplemented", "GetSessionToken of AWS Security Token Service")
}
