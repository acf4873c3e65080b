package serverless_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app/serverless"
)

// TestEverythingWrongIsToldAtOnce is one person's bad day.
func TestEverythingWrongIsToldAtOnce(t *testing.T) {
	_, err := read(t, map[string]string{"serverless.yml": `service: my_shop
provider:
  name: aws
  runtime: nodejs20.x
  stage: a b
  memorySize: 64
  environment:
    1BAD: x
    MAP: {a: b}
    REF: !Ref Nothing
functions:
  a:
    handler: gone.handler
    timeout: 1000
  b:
    handler: hello.handler
    name: my-shop-dev-x
    memorySize: lots
    url: {authorizer: custom}
    layers: [nothing]
    events:
      - httpApi: GET nowhere
  c:
    handler: hello.handler
    name: my-shop-dev-x
    condition: Nope
    reservedConcurrency: -1
    versionFunction: perhaps
    events: httpApi
resources:
  Resources:
    Odd: {Properties: {}}
`}, serverless.Options{})
	for _, want := range []string{
		`serverless.yml:1:1: service must be a name of letters, digits and dashes that begins with a letter, not "my_shop"`,
		`serverless.yml:5:3: the stage must be a name of letters, digits and dashes, not "a b"`,
		`serverless.yml:6:15: memorySize of provider must be a number from 128 to 10240, not 64`,
		`serverless.yml:8:5: "1BAD" in environment of provider is no name of an environment variable`,
		`serverless.yml:9:10: MAP in environment of provider must be a text, a number or a boolean, not a map`,
		`serverless.yml:10:10: there is no resource or parameter Nothing`,
		`serverless.yml:13:14: the file of the handler gone.handler of function a is missing`,
		`serverless.yml:14:14: timeout of function a must be a number from 1 to 900, not 1000`,
		`serverless.yml:18:17: memorySize of function b must be a whole number, not "lots"`,
		`serverless.yml:19:23: authorizer of url of function b must be one of aws_iam, not "custom"`,
		`serverless.yml:20:5: "nothing" in layers of function b is no layer`,
		`serverless.yml:22:9: httpApi of function b must have a path that begins with /: write /nowhere`,
		`serverless.yml:23:3: the functions b (line 15) and c (line 23) have the same name my-shop-dev-x`,
		`serverless.yml:26:16: there is no condition Nope`,
		`serverless.yml:32:5: the resource Odd has no Type`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Logf("told:\n%v", err)
	}
}

func TestManifestProblems(t *testing.T) {
	for text, says := range map[string]string{
		"provider: aws\n": "the application has no name",
		"service: shop\n": "the provider is missing",
		"service: shop\nprovider: {name: google}\n": "the provider is \"google\"",
		"service: shop\nprovider: [aws]\n":          "provider",
		"- a\n":                                     "the file holds a list and no application: begin it with",
		"":                                          "the file holds nothing",
		"Transform: AWS::Serverless-2016-10-31\nResources: {}\n":                                                  "serverless.yml:2:1: this is a template of CloudFormation or SAM",
		"service: shop\nprovider: google\n":                                                                       "serverless.yml:2:11: the provider is \"google\"",
		"service: shop\nProvider: {name: aws}\n":                                                                  "the provider is missing: write \"provider:\" with \"name: aws\" and a runtime below it; did you mean that by Provider?",
		"Service: shop\nprovider: aws\n":                                                                          "did you mean that by Service?",
		"service: shop\nprovider: aws\nfunctions:\n  - handler: hello.handler\n    name: x\n":                     `serverless.yml:4:5: "handler" stands where the functions' names do`,
		"service: shop\nprovider: aws\nfunctions:\n  a: {handler: hello.handler, events: [http: {path: {id}}]}\n": "put quotes around a text that begins with {",
		"service: shop\nprovider: {name: aws, environment: {X: 1}}\nfunctions: {a: {handler: hello.handler}}\n":   `"X" in environment of provider is no name of an environment variable`,
		"service: [a\n":                                                               "this is not YAML",
		"service:\n\tname: a\n":                                                       "serverless.yml:2:1",
		"service: a\nservice: b\n":                                                    `the key "service" is here a second time`,
		"service: shop\nprovider: aws\nfunctions: [a]\n":                              "functions must be a list of maps",
		"service: shop\nprovider: aws\nfunctions: 5\n":                                "functions must be a map or a list of maps",
		"service: shop\nprovider: aws\nfunctions: {a: 5}\n":                           "function a must be a map of settings",
		"service: shop\nprovider: aws\nfunctions:\n  a:\n  handler: x.y\n":            `the function a is empty, and "handler" stands beside it: indent`,
		"service: shop\nprovider: aws\nfunctions:\n  a b: {handler: hello.handler}\n": "may hold letters, digits",
		"service: shop\nprovider: aws\nfunctions:\n  " + strings.Repeat("a", 60) + ": {handler: hello.handler}\n": "Lambda allows 64",
		"service: shop\nprovider: {name: aws, stage: '${opt:x}'}\n":                                               "the option --x was not given",
		"service: shop\nprovider: {name: aws, role: Nope}\nfunctions: {a: {handler: hello.handler}}\n":            "there is no resource or parameter Nope",
	} {
		_, err := read(t, map[string]string{"serverless.yml": text}, serverless.Options{})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "serverless.yml") {
			t.Errorf("%q:\n got %v\nwant %s", text, err, says)
		}
	}
}

func TestReadFindsTheManifest(t *testing.T) {
	dir := folder(t, map[string]string{"serverless.yaml": manifest(""), "other.yml": strings.Replace(manifest(""), "shop", "other", 1)})
	a, err := serverless.Read(t.Context(), dir, serverless.Options{Target: target})
	if err != nil || a.Name != "shop" {
		t.Errorf("%v %v", a, err)
	}
	a, err = serverless.Read(t.Context(), dir, serverless.Options{Target: target, File: "other.yml"})
	if err != nil || a.Name != "other" {
		t.Errorf("%v %v", a, err)
	}
	if _, err = serverless.Read(t.Context(), dir, serverless.Options{Target: target, File: "gone.yml"}); pinfold.CodeOf(err) != pinfold.NotFound {
		t.Errorf("%v", err)
	}
	if _, err = serverless.Read(t.Context(), t.TempDir(), serverless.Options{Target: target}); pinfold.CodeOf(err) != pinfold.NotFound {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = serverless.Read(ctx, dir, serverless.Options{Target: target}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	a, err = read(t, map[string]string{"serverless.json": `{"service": "shop", "provider": {"name": "aws", "runtime": "nodejs20.x"}, "functions": {"hello": {"handler": "hello.handler"}}}`}, serverless.Options{})
	if err != nil || len(a.Functions) != 1 {
		t.Errorf("JSON: %v %v", a, err)
	}
}

func TestWarnings(t *testing.T) {
	a := ok(t, `
service: {name: shop}
frameworkVersion: '3'
provider: {name: aws, region: eu-west-1, memorysize: 128, vpc: {securityGroupIds: [a], subnetIds: [b]}}
plugins: [serverless-offline, ./mine, serverless-unheard-of]
functions:
  hello: {handler: hello.handler, timeOut: 3, events: [{httpApi: 'GET /users/:id'}]}
  none:
funktions: {}
x-notes: {}
`, nil, serverless.Options{})
	for _, says := range []string{
		"serverless.yml:4:23: the region is eu-west-1, and this Pinfold calls itself us-east-1",
		`memorysize of provider is not known and has no effect; did you mean "memorySize"?`,
		"serverless.yml:5:11: the plugin serverless-offline is ignored: `pinfold dev` serves the application",
		"the plugin ./mine is ignored: it is a program of your own",
		"the plugin serverless-unheard-of is ignored: Pinfold runs no plugins",
		`timeOut of function hello is not known and has no effect; did you mean "timeout"?`,
		"the path /users/:id has :id, which is text here: a parameter is written {id}",
		"the function none is empty and left out",
		`funktions is not known and has no effect; did you mean "functions"?`,
		"no runtime is named: nodejs20.x is used",
		"vpc of provider is ignored: there are no VPCs; custom.pinfold.network says what functions may reach",
	} {
		if !strings.Contains(warnings(a), says) {
			t.Errorf("no warning %q", says)
		}
	}
	if strings.Contains(warnings(a), "x-notes") || strings.Contains(warnings(a), "frameworkVersion") {
		t.Error("a warning about what is fine")
	}
	if t.Failed() {
		t.Logf("told:\n%s", warnings(a))
	}
}

// TestWarningsOfWhatSurprises tells of what a manifest says and nobody would
// notice until it runs.
func TestWarningsOfWhatSurprises(t *testing.T) {
	a := ok(t, `
provider:
  name: aws
  runtime: nodejs20.x
  environment:
    PSEUDO: arn:aws:sqs:${AWS::Region}
    DOTTED: x-${self.service}
    MEANT: '\${HOME}'
    FINE: !Sub '${AWS::Region}'
functions:
  hello:
    handler: hello.js
    layers: ['arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerX86:25']
    environment: {AWS_LAMBDA_EXEC_WRAPPER: /opt/bootstrap}
`, nil, serverless.Options{})
	for _, says := range []string{
		`serverless.yml:7:13: PSEUDO in environment of provider holds "${AWS::Region}", which is passed on as it is: write !Sub before the text`,
		`DOTTED in environment of provider holds "${self.service}", which is passed on as it is: a variable looks like ${self:custom.name}`,
		`the handler "hello.js" of function hello names the export js of hello.js: write FILE.EXPORT without the file's ending`,
		"the layer arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerX86:25 is another account's",
	} {
		if !strings.Contains(warnings(a), says) {
			t.Errorf("no warning %q", says)
		}
	}
	if strings.Contains(warnings(a), "MEANT") || strings.Contains(warnings(a), "FINE") {
		t.Error("a warning about what is fine")
	}
	if t.Failed() {
		t.Logf("told:\n%s", warnings(a))
	}
	if len(a.Unserved) != 1 || a.Unserved[0].What != "AWS_LAMBDA_EXEC_WRAPPER of environment of function hello" || a.Unserved[0].At.Line != 15 {
		t.Errorf("unserved %+v", a.Unserved)
	}
	if a := ok(t, "functions:\n", nil, serverless.Options{}); !strings.Contains(warnings(a), "the file has no functions") {
		t.Errorf("nothing to run: %s", warnings(a))
	}
}

func TestBuildHintOfPrograms(t *testing.T) {
	for f, says := range map[string]string{
		"{handler: any, runtime: provided.al2023}": "there is no bootstrap; build it before you deploy, such as: GOOS=linux CGO_ENABLED=0 go build -o bootstrap",
		"{handler: bin/x, runtime: go1.x}":         "there is no bootstrap or bin/x; build it before you deploy, such as: GOOS=linux CGO_ENABLED=0 go build -o bin/x",
	} {
		_, err := read(t, map[string]string{"serverless.yml": manifest("functions: {f: " + f + "}\n")}, serverless.Options{})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %s", f, err, says)
		}
	}
}

func TestABadStageIsToldOnce(t *testing.T) {
	_, err := read(t, map[string]string{"serverless.yml": manifest("")}, serverless.Options{Stage: "feature/x"})
	if err == nil || err.Error() != `the stage must be a name of letters, digits and dashes, not "feature/x"` {
		t.Errorf("%v", err)
	}
}

func TestNamesThatRefer(t *testing.T) {
	a := ok(t, `
provider:
  name: aws
  runtime: nodejs20.x
  environment:
    HTTP: !Sub 'https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/users'
    ENDPOINT: !GetAtt HttpApi.ApiEndpoint
    REST: {'Fn::Join': ['', ['https://', !Ref ApiGatewayRestApi, '.execute-api.', !Ref 'AWS::Region', '.amazonaws.com/dev']]}
    LOG: !Ref HelloLogGroup
    ROLE: !GetAtt IamRoleLambdaExecution.Arn
    STACK: !Ref AWS::StackName
resources:
  Outputs:
    Api: {Value: !GetAtt HttpApi.ApiEndpoint, Description: where}
    Never: {Value: x, Condition: No}
  Conditions: {No: !Equals [1, 2]}
`, nil, serverless.Options{})
	http := target.Endpoints.APIByPath(pinfold.APIID(target.Account, target.Region, "shop", "dev", pinfold.HTTPAPI))
	rest := target.Endpoints.APIByPath(pinfold.APIID(target.Account, target.Region, "shop", "dev", pinfold.RESTAPI))
	for name, want := range map[string]string{
		"HTTP": http + "/users", "ENDPOINT": http, "REST": rest + "/dev", "LOG": "/aws/lambda/shop-dev-hello",
		"ROLE": "arn:aws:iam::000000000000:role/shop-dev-us-east-1-lambdaRole", "STACK": "shop-dev",
	} {
		if got := a.Functions[0].Config.Environment[name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if len(a.Outputs) != 1 || a.Outputs[0].Value != http || a.Outputs[0].Description != "where" {
		t.Errorf("outputs %+v", a.Outputs)
	}
}

func TestConditionOfAFunction(t *testing.T) {
	text := `
functions:
  hello: {handler: hello.handler}
  extra: {handler: hello.handler, condition: IsProd, events: [{httpApi: GET /x}]}
resources: {Conditions: {IsProd: !Equals ['${sls:stage}', prod]}}
`
	if a := ok(t, text, nil, serverless.Options{}); len(a.Functions) != 1 || len(a.APIs) != 0 {
		t.Errorf("in dev: %+v", a.Functions)
	}
	if a := ok(t, text, nil, serverless.Options{Stage: "prod"}); len(a.Functions) != 2 || len(a.APIs) != 1 {
		t.Errorf("in prod: %+v", a.Functions)
	}
}

func FuzzRead(f *testing.F) {
	dir := folder(f, nil)
	for _, seed := range []string{
		manifest(""), manifest(event("httpApi: GET /x")), manifest(event("http: {path: a, method: get, cors: {origins: [a]}}")),
		manifest("custom: {a: '${self:custom.b}', b: '${file(x.yml):y, ''z''}'}\npackage: {patterns: ['${self:custom.a}', '!**']}"),
		manifest("functions: {hello: {handler: hello.handler, url: {cors: true}, layers: [{Ref: LLambdaLayer}], environment: {VAR: !Sub '${AWS::Region}'}}}\nlayers: {l: {path: .}}"),
		manifest("resources: {Resources: {T: {Type: 'AWS::SNS::Topic', Properties: {TopicName: !Ref T}}}, Outputs: {O: {Value: !GetAtt T.TopicName}}, Conditions: {C: !Not [!Condition C]}}"),
		"service: ${self:}\nprovider: ${self:provider}\nfunctions: ${self:functions}",
		manifest("custom: {pinfold: {network: [a.example.com, 10.0.0.0/8], functions: {hello: {network: '${self:custom.x, ''none''}'}}}}"),
		manifest("provider: {name: aws, apiGateway: {apiKeys: [a, {b: [c]}]}, iam: {role: {statements: [{Effect: Allow}]}}}\n" + event("http: {path: GET /, private: true}")),
		manifest(event("sqs: {arn: !GetAtt Q.Arn, filterPatterns: [{body: {a: [1]}}], batchSize: 5}") + "resources: {Resources: {Q: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt D.Arn, maxReceiveCount: 2}}}, D: {Type: AWS::SQS::Queue, DependsOn: Q}}}"),
		manifest(event("schedule: {rate: [rate(1 hour), '${self:custom.x, ''cron(0 8 * * ? *)''}'], method: scheduler, input: {body: '{\"a\": 1}'}}") + "custom: {pinfold: {schedules: {missed: skip}}}"),
		manifest("functions: {a: {handler: hello.handler, destinations: {onSuccess: a, onFailure: {arn: !Join [':', [a]]}}, onError: !Ref Q, maximumEventAge: 5}}"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "~/") || strings.Contains(text, "file(") && strings.Contains(text, "/") {
			t.Skip("looks outside of the folder")
		}
		write(t, dir, "serverless.yml", text)
		a, err := serverless.Read(t.Context(), dir, serverless.Options{Target: target})
		if (a == nil) == (err == nil) {
			t.Fatalf("%v %v", a, err)
		}
	})
}

func FuzzVariable(f *testing.F) {
	dir := folder(f, nil)
	for _, seed := range []string{
		"${self:service}", "a ${opt:x, 'b'} c", "${file(a.yml):b.${opt:c, \"d\"}}", "${strToBool(${env:X, 'true'})}", "\\${self:x}", "${a:${b:${c:d}}}", "${self:custom.v}",
		"${opt:x, 1.5e3}", "${opt:x, null}", "${", "${self:", "${self:,}", "$${self:service}}", "${file(,,'x' , y)}", "${AWS::Region}${self:provider.stage}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "/") {
			t.Skip("looks outside of the folder")
		}
		quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
		write(t, dir, "serverless.yml", manifest("custom:\n  v: "+quoted+"\nprovider: {name: aws, runtime: nodejs20.x, environment: {VAR: "+quoted+"}}\n"))
		a, err := serverless.Read(t.Context(), dir, serverless.Options{Target: target})
		if (a == nil) == (err == nil) {
			t.Fatalf("%v %v", a, err)
		}
		if err == nil && !strings.Contains(text, "${") && !strings.ContainsAny(text, "\r\n\\ \t\u0085\u2028\u2029\ufeff") && a.Functions[0].Config.Environment["VAR"] != text {
			t.Fatalf("%q became %q", text, a.Functions[0].Config.Environment["VAR"])
		}
	})
}
