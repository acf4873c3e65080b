package serverless_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
)

var target = app.Target{
	Account: "000000000000", Region: "us-east-1",
	Endpoints: pinfold.Endpoints{API: "http://127.0.0.1:4566", HTTP: "http://127.0.0.1:8080"},
}

// folder makes an application of files by name. "hello.js" is always there.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{"hello.js": "exports.handler = async () => 'hi'"}
	maps.Copy(all, files)
	for name, content := range all {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// manifest wraps what a test is about: a service, a provider and a function,
// each unless the text has its own.
func manifest(text string) string {
	for _, part := range []struct{ key, text string }{
		{"functions", "functions:\n  hello:\n    handler: hello.handler\n"},
		{"provider", "provider: {name: aws, runtime: nodejs20.x}\n"},
		{"service", "service: shop\n"},
	} {
		if !strings.Contains("\n"+text, "\n"+part.key+":") {
			text = part.text + text
		}
	}
	return text
}

func read(t testing.TB, files map[string]string, opts serverless.Options) (*app.Application, error) {
	t.Helper()
	opts.Target = target
	return serverless.Read(t.Context(), folder(t, files), opts)
}

// ok reads a manifest that has nothing wrong.
func ok(t testing.TB, text string, files map[string]string, opts serverless.Options) *app.Application {
	t.Helper()
	all := map[string]string{"serverless.yml": manifest(text)}
	maps.Copy(all, files)
	a, err := read(t, all, opts)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, all["serverless.yml"])
	}
	return a
}

func warnings(a *app.Application) string {
	var b strings.Builder
	for _, w := range a.Warnings {
		b.WriteString(w.At.String() + ": " + w.Message + "\n")
	}
	return b.String()
}

func env(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := values[name]; return v, ok }
}

// TestTheIssuesExample reads the file of the issue as it is.
func TestTheIssuesExample(t *testing.T) {
	a, err := serverless.Read(t.Context(), "testdata/issue", serverless.Options{Target: target, RuntimeNote: func(runtime string) string {
		return "the runtime " + runtime + " is gone, nodejs20.x stands in"
	}})
	if err != nil {
		t.Fatal(err)
	}
	if a.Name != "serverless-example" || a.Stage != "dev" || len(a.Functions) != 2 {
		t.Fatalf("read %s in %s with %d functions", a.Name, a.Stage, len(a.Functions))
	}
	create := a.Functions[0]
	if create.Name != "serverless-example-dev-create" || create.Config.Runtime != "nodejs4.3" || create.Config.Handler != "users/register.handler" {
		t.Errorf("create is %+v", create)
	}
	if create.Config.MemoryMB != 1024 || create.Config.Timeout != 6 || !create.Publish {
		t.Errorf("the defaults are not Serverless Framework's: %+v", create.Config)
	}
	if got := create.Config.Environment["DYNAMODB_TABLE"]; got != "serverless-example-dev" {
		t.Errorf("DYNAMODB_TABLE is %q", got)
	}
	if create.Source != a.Functions[1].Source || !slices.Equal(create.Source.Files, []string{"users/login.js", "users/register.js"}) {
		t.Errorf("packed %q", create.Source.Files)
	}
	if len(a.APIs) != 1 || a.APIs[0].Kind != pinfold.RESTAPI || a.APIs[0].Stage != "dev" || len(a.APIs[0].Routes) != 2 {
		t.Fatalf("APIs %+v", a.APIs)
	}
	for i, want := range []string{"POST /users serverless-example-dev-create", "POST /users/login serverless-example-dev-login"} {
		if r := a.APIs[0].Routes[i]; r.Method+" "+r.Path+" "+r.Target.Name != want || r.Payload != "1.0" {
			t.Errorf("route %+v, want %s", r, want)
		}
	}
	if len(a.Unserved) != 1 || a.Unserved[0].What != "AWS::DynamoDB::Table UsersDynamoDbTable" || a.Unserved[0].At.String() != "serverless.yml:22" {
		t.Errorf("unserved %+v", a.Unserved)
	}
	if !strings.Contains(warnings(a), "serverless.yml:5:3: the runtime nodejs4.3 is gone") {
		t.Errorf("warnings:\n%s", warnings(a))
	}
}

func TestEveryPartOfAFunction(t *testing.T) {
	a := ok(t, `
provider:
  name: aws
  runtime: nodejs18.x
  memorySize: 512
  timeout: ${env:TIMEOUT}
  architecture: arm64
  stage: test
  versionFunctions: false
  tags: {team: shop, kind: all}
  layers: [arn:aws:lambda:us-east-1:123456789012:layer:tools:3]
  environment: {AA: from provider, BB: 2, CC: true, DD: gone, EE: 1.50}
  logs: {lambda: {logFormat: json, systemLogLevel: warn}}
  logRetentionInDays: 14
  iam:
    role:
      statements:
        - Effect: Allow
          Action: ['dynamodb:*']
          Resource: !GetAtt Table.Arn
functions:
  hello:
    handler: hello.handler
    environment: {AA: from function, DD: null, TABLE: !Ref Table, FN: !GetAtt WorkDasherUnderscore1LambdaFunction.Arn, URL: !GetAtt HelloLambdaFunctionUrl.FunctionUrl}
    reservedConcurrency: 0
    tags: {kind: one}
    url: {cors: true, invokeMode: response_stream}
    tracing: Active
  work-er_1:
    name: worker
    handler: src/a.b.handler
    runtime: python3.12
    memorySize: 128
    timeout: 900
    ephemeralStorageSize: 2048
    description: works
    role: arn:aws:iam::000000000000:role/x
    versionFunction: true
    layers: [{Ref: ToolsLambdaLayer}]
    logs: {logFormat: Text, logGroup: shared}
    logRetentionInDays: 365
layers:
  tools: {path: tools, compatibleRuntimes: [python3.12], retain: true}
resources:
  Resources:
    Table: {Type: 'AWS::DynamoDB::Table', Properties: {TableName: '${self:service}-${sls:stage}'}}
`, map[string]string{"src/a/b.py": "", "tools/python/t.py": ""}, serverless.Options{Env: env(map[string]string{"TIMEOUT": "7"})})
	got, err := json.MarshalIndent(a, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/function.golden.json")
	if os.Getenv("UPDATE") != "" {
		want, err = got, os.WriteFile("testdata/function.golden.json", got, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the application is another (UPDATE=1 writes it down):\n%s", diff)
	}
	if got := a.Functions[1].Source.Files; !slices.Equal(got, []string{"hello.js", "src/a/b.py"}) {
		t.Errorf("packed %q: the layer's folder does not belong to the code", got)
	}
	if got := a.Layers[0].Source.Files; !slices.Equal(got, []string{"python/t.py"}) {
		t.Errorf("the layer holds %q", got)
	}
}

func write(t testing.TB, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
