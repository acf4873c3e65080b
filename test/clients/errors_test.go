package clients

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// filtered reports whether only some of the tests were asked for.
func filtered() bool { return strings.Contains(flag.Lookup("test.run").Value.String(), "/") }

// notFound: what is not there is named, by its ARN.
func notFound(t *testing.T, s *sdk) {
	ctx, none := t.Context(), aws.String("none")
	const arn = "arn:aws:lambda:us-east-1:000000000000:function:none"
	for what, call := range map[string]func() error{
		"GetFunction": func() error { _, err := s.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: none}); return err },
		"GetFunctionConfiguration": func() error {
			_, err := s.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: none})
			return err
		},
		"Invoke": func() error { _, err := s.Invoke(ctx, &lambda.InvokeInput{FunctionName: none}); return err },
		"DryRun": func() error {
			_, err := s.Invoke(ctx, &lambda.InvokeInput{FunctionName: none, InvocationType: types.InvocationTypeDryRun})
			return err
		},
		"UpdateFunctionConfiguration": func() error {
			_, err := s.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: none})
			return err
		},
		"UpdateFunctionCode": func() error {
			_, err := s.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: none, ZipFile: zipped(t, map[string]string{"a": "b"})})
			return err
		},
		"PublishVersion": func() error {
			_, err := s.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: none})
			return err
		},
		"ListVersionsByFunction": func() error {
			_, err := s.ListVersionsByFunction(ctx, &lambda.ListVersionsByFunctionInput{FunctionName: none})
			return err
		},
		"CreateAlias": func() error {
			_, err := s.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: none, Name: aws.String("a"), FunctionVersion: aws.String("$LATEST")})
			return err
		},
		"DeleteFunction": func() error {
			_, err := s.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: none})
			return err
		},
		"PutFunctionConcurrency": func() error {
			_, err := s.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: none, ReservedConcurrentExecutions: aws.Int32(1)})
			return err
		},
		"GetFunctionRecursionConfig": func() error {
			_, err := s.GetFunctionRecursionConfig(ctx, &lambda.GetFunctionRecursionConfigInput{FunctionName: none})
			return err
		},
		"ListProvisionedConcurrencyConfigs": func() error {
			_, err := s.ListProvisionedConcurrencyConfigs(ctx, &lambda.ListProvisionedConcurrencyConfigsInput{FunctionName: none})
			return err
		},
		"AddPermission": func() error {
			_, err := s.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: none, StatementId: aws.String("s"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("*")})
			return err
		},
	} {
		e := typed[*types.ResourceNotFoundException](t, call(), "Function not found: "+arn)
		if e != nil && aws.ToString(e.Type) != "User" {
			t.Errorf("%s: the error's Type is %s, want User", what, aws.ToString(e.Type))
		}
	}
	s.create(t, "there", nil)
	_, err := s.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: aws.String("there"), Name: none})
	typed[*types.ResourceNotFoundException](t, err, "Cannot find alias arn: arn:aws:lambda:us-east-1:000000000000:function:there:none")
	_, err = s.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("there"), Qualifier: aws.String("7")})
	typed[*types.ResourceNotFoundException](t, err, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:there:7")
}

func conflicts(t *testing.T, s *sdk) {
	name := aws.String("taken")
	s.create(t, *name, nil, func(in *lambda.CreateFunctionInput) { in.Publish = true })
	_, err := s.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: name, Runtime: "nodejs22.x", Handler: aws.String("index.handler"), Role: aws.String(role), Code: &types.FunctionCode{ZipFile: zipped(t, map[string]string{"a": "b"})},
	})
	typed[*types.ResourceConflictException](t, err, "Function already exist: taken")
	alias := &lambda.CreateAliasInput{FunctionName: name, Name: aws.String("a"), FunctionVersion: aws.String("1")}
	if _, err := s.CreateAlias(t.Context(), alias); err != nil {
		t.Fatal(err)
	}
	_, err = s.CreateAlias(t.Context(), alias)
	typed[*types.ResourceConflictException](t, err, "Alias already exists: arn:aws:lambda:us-east-1:000000000000:function:taken:a")
}

// invalid: what no function can be made of.
func invalid(t *testing.T, s *sdk) {
	for what, tc := range map[string]struct {
		change func(*lambda.CreateFunctionInput)
		texts  []string
	}{
		"no zip":         {func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = []byte("not a zip file") }, []string{"Could not unzip uploaded file. Please check your file, then try to upload again."}},
		"empty zip":      {func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = zipped(t, nil) }, []string{"Uploaded file must be a non-empty zip"}},
		"no code":        {func(in *lambda.CreateFunctionInput) { in.Code = &types.FunctionCode{} }, []string{"Please provide a source for function code."}},
		"a way out":      {func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = zipped(t, map[string]string{"../a": "b"}) }, []string{"../a"}},
		"no runtime":     {func(in *lambda.CreateFunctionInput) { in.Runtime = "" }, []string{"Runtime and Handler are mandatory parameters for functions created with deployment packages."}},
		"other runtime":  {func(in *lambda.CreateFunctionInput) { in.Runtime = types.RuntimeJava21 }, []string{`runtime "java21" is not served`, "python3.*"}},
		"reserved names": {func(in *lambda.CreateFunctionInput) { in.Environment = env("AWS_REGION", "moon") }, []string{"reserved keys", "AWS_REGION"}},
		"much environment": {func(in *lambda.CreateFunctionInput) { in.Environment = env("LONG", strings.Repeat("x", 5000)) },
			[]string{"Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit."}},
		"bucket": {func(in *lambda.CreateFunctionInput) {
			in.Code = &types.FunctionCode{S3Bucket: aws.String("bucket"), S3Key: aws.String("k")}
		}, []string{"S3Bucket", "give the code as a zip file"}},
		"vpc": {func(in *lambda.CreateFunctionInput) { in.VpcConfig = &types.VpcConfig{SubnetIds: []string{"subnet-1"}} }, []string{"VpcConfig is not served by Pinfold yet"}},
	} {
		in := &lambda.CreateFunctionInput{
			FunctionName: aws.String("never"), Runtime: "nodejs22.x", Handler: aws.String("index.handler"), Role: aws.String(role), Code: &types.FunctionCode{ZipFile: zipped(t, map[string]string{"index.js": "1"})},
		}
		tc.change(in)
		_, err := s.CreateFunction(t.Context(), in)
		t.Log(what)
		typed[*types.InvalidParameterValueException](t, err, tc.texts...)
	}
	_, err := s.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("never")})
	typed[*types.ResourceNotFoundException](t, err)
}

func env(name, value string) *types.Environment {
	return &types.Environment{Variables: map[string]string{name: value}}
}

// constraints of the shapes: AWS names the value, the member and the rule.
func constraints(t *testing.T, s *sdk) {
	for what, tc := range map[string]struct {
		change func(*lambda.CreateFunctionInput)
		text   string
	}{
		"memory":  {func(in *lambda.CreateFunctionInput) { in.MemorySize = aws.Int32(127) }, "Value '127' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"},
		"timeout": {func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(0) }, "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		"role":    {func(in *lambda.CreateFunctionInput) { in.Role = aws.String("me") }, "Value 'me' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/"},
		"name":    {func(in *lambda.CreateFunctionInput) { in.FunctionName = aws.String("a b") }, "at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: "},
		"tmp": {func(in *lambda.CreateFunctionInput) {
			in.EphemeralStorage = &types.EphemeralStorage{Size: aws.Int32(511)}
		}, "at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value greater than or equal to 512"},
		"tracing": {func(in *lambda.CreateFunctionInput) { in.TracingConfig = &types.TracingConfig{Mode: "Loud"} }, "Value 'Loud' at 'tracingConfig.mode' failed to satisfy constraint: Member must satisfy enum value set: [Active, PassThrough]"},
	} {
		in := &lambda.CreateFunctionInput{
			FunctionName: aws.String("never-" + what), Runtime: "nodejs22.x", Handler: aws.String("index.handler"), Role: aws.String(role), Code: &types.FunctionCode{ZipFile: zipped(t, map[string]string{"index.js": "1"})},
		}
		tc.change(in)
		_, err := s.CreateFunction(t.Context(), in)
		apiError(t, err, "ValidationException", "1 validation error detected: ", tc.text)
	}
	_, err := s.ListFunctions(t.Context(), &lambda.ListFunctionsInput{MaxItems: aws.Int32(0)})
	apiError(t, err, "ValidationException", "Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1")
}

// badContent: what Lambda cannot hand to a function.
func badContent(t *testing.T, s *sdk) {
	s.create(t, "picky", nil)
	for _, payload := range []string{"{", `{"a": }`, "no json", "\"\xff\"", "{} {}"} {
		_, err := s.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("picky"), Payload: []byte(payload)})
		typed[*types.InvalidRequestContentException](t, err, "Could not parse request body into json: ")
	}
	for _, client := range []string{"not base64!", "bm90IGpzb24="} {
		_, err := s.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("picky"), ClientContext: &client})
		typed[*types.InvalidRequestContentException](t, err, "Client context must be a valid Base64-encoded JSON object.")
	}
	payload := func(n int) []byte { return fmt.Appendf(nil, `"%s"`, strings.Repeat("x", n-2)) }
	const limit = 6291456 // bytes, as the error says
	_, err := s.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("picky"), Payload: payload(limit + 1)})
	typed[*types.RequestTooLargeException](t, err, "Request must be smaller than 6291456 bytes for the InvokeFunction operation")
	out, err := s.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("picky"), Payload: payload(limit - 500)})
	if err != nil || out.FunctionError != nil || len(out.Payload) < limit-500 {
		t.Errorf("a payload below the limit: %v, %d bytes come back", err, len(out.Payload))
	}
}
