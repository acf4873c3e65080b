package clients

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pinfold.dev/pinfold/platformtest"
)

// cli is the aws command line, version 1 or 2.
type cli struct {
	p       *platformtest.Platform
	env     []string
	dir     string
	program string // "" is what the machine's user has
}

func (c *cli) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, cmp.Or(c.program, "aws"), append([]string{"--endpoint-url", c.p.Endpoints.API}, args...)...)
	cmd.Dir, cmd.Env = c.dir, c.env
	return cmd
}

// run runs one command and returns what it writes.
func (c *cli) run(t *testing.T, args ...string) (stdout, stderr string, ok bool) {
	t.Helper()
	cmd := c.command(t.Context(), append([]string{"--output", "json"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), err == nil
}

// does runs a command that must succeed, and decodes its answer into into.
func (c *cli) does(t *testing.T, into any, args ...string) {
	t.Helper()
	out, errs, ok := c.run(t, args...)
	if !ok {
		t.Fatalf("aws %s: %s", strings.Join(args, " "), errs)
	}
	if into != nil {
		decode(t, []byte(out), into)
	}
}

// refuses runs a command that must fail with AWS's error.
func (c *cli) refuses(t *testing.T, code, text string, args ...string) {
	t.Helper()
	out, errs, ok := c.run(t, args...)
	if ok || !strings.Contains(errs, "An error occurred ("+code+") when calling the ") || !strings.Contains(errs, text) {
		t.Errorf("aws %s: ok %v, %s%s\nwant %s: %s", strings.Join(args, " "), ok, out, errs, code, text)
	}
}

// create makes a function of the probe.
func (c *cli) create(t *testing.T, name string, more ...string) {
	t.Helper()
	c.does(t, nil, append([]string{"lambda", "create-function", "--function-name", name, "--runtime", "nodejs18.x", "--handler", "index.handler",
		"--role", role, "--zip-file", "fileb://probe.zip", "--timeout", "20"}, more...)...)
}

// invoke calls a function; its answer goes through a file, as the command has it.
func (c *cli) invoke(t *testing.T, name, payload string, more ...string) (answer []byte, about cliInvocation) {
	t.Helper()
	in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(in, []byte(payload), 0o600); err != nil {
		t.Fatal(err)
	}
	// fileb:// means the same to both versions of the command, a literal does not.
	c.does(t, &about, append([]string{"lambda", "invoke", "--function-name", name, "--payload", "fileb://" + in, out}, more...)...)
	answer, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return answer, about
}

type cliInvocation struct {
	StatusCode                                int
	ExecutedVersion, FunctionError, LogResult string
}

// TestAWSCLI leads functions through a life by the aws command line.
func TestAWSCLI(t *testing.T) {
	t.Parallel()
	c := &cli{p: platformtest.Start(t), dir: t.TempDir()}
	c.env = environ(t, c.p)
	if err := os.WriteFile(filepath.Join(c.dir, "probe.zip"), zipped(t, map[string]string{"index.js": probe}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, part := range map[string]func(*testing.T, *cli){
		"life": cliLife, "versions": cliVersions, "settings": cliSettings, "provisioned": cliProvisioned, "url": cliURL, "refusals": cliRefusals, "layers": cliLayers, "mappings": cliMappings,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, c)
		})
	}
}

// cliMappings: a queue, and a function that gets what comes of it.
func cliMappings(t *testing.T, c *cli) {
	c.create(t, "mapped")
	c.does(t, nil, "sqs", "create-queue", "--queue-name", "mapped")
	source := "arn:aws:sqs:" + c.p.Region + ":" + c.p.Account + ":mapped"
	var made, changed struct {
		UUID, State string
		BatchSize   int
	}
	c.does(t, &made, "lambda", "create-event-source-mapping", "--function-name", "mapped", "--event-source-arn", source, "--filter-criteria", `{"Filters":[{"Pattern":"{\"body\":{\"a\":[1]}}"}]}`)
	c.does(t, &changed, "lambda", "update-event-source-mapping", "--uuid", made.UUID, "--batch-size", "5", "--no-enabled")
	if made.BatchSize != 10 || made.State != "Creating" || changed.BatchSize != 5 || changed.State != "Disabling" {
		t.Errorf("made %+v, changed %+v", made, changed)
	}
	c.refuses(t, "InvalidParameterValueException", "Function does not exist", "lambda", "create-event-source-mapping", "--function-name", "none", "--event-source-arn", source)
	c.does(t, nil, "lambda", "delete-event-source-mapping", "--uuid", made.UUID)
}

func cliLife(t *testing.T, c *cli) {
	var who struct{ Account, Arn string }
	if c.does(t, &who, "sts", "get-caller-identity"); who.Account != c.p.Account || who.Arn != "arn:aws:iam::"+c.p.Account+":root" {
		t.Errorf("the caller is %+v", who)
	}
	c.create(t, "life", "--environment", "Variables={MARKER=one}", "--tags", "a=1,b=2", "--memory-size", "256")
	c.does(t, nil, "lambda", "wait", "function-active-v2", "--function-name", "life")
	answer, about := c.invoke(t, "life", `{"n": 1}`, "--log-type", "Tail")
	var a told
	decode(t, answer, &a)
	log, err := base64.StdEncoding.DecodeString(about.LogResult)
	if a.Marker != "one" || about.StatusCode != 200 || about.ExecutedVersion != "$LATEST" || about.FunctionError != "" ||
		err != nil || !strings.Contains(string(log), "\nSTART RequestId: "+a.ID) {
		t.Errorf("%s %+v %s", answer, about, log)
	}
	if answer, about = c.invoke(t, "life", `{"do": "throw"}`); about.StatusCode != 200 || about.FunctionError != "Unhandled" || !strings.Contains(string(answer), `"errorType":"TypeError"`) {
		t.Errorf("an error is %+v %s", about, answer)
	}
	if _, about = c.invoke(t, "life", `{}`, "--invocation-type", "DryRun"); about.StatusCode != 204 {
		t.Errorf("a dry run is %+v", about)
	}
	var changed struct{ RevisionID string }
	c.does(t, &changed, "lambda", "update-function-configuration", "--function-name", "life", "--environment", "Variables={MARKER=two}")
	c.does(t, nil, "lambda", "wait", "function-updated-v2", "--function-name", "life")
	if answer, _ = c.invoke(t, "life", `{}`); !strings.Contains(string(answer), `"marker":"two"`) {
		t.Errorf("after the change it answers %s", answer)
	}
	c.does(t, nil, "lambda", "update-function-code", "--function-name", "life", "--zip-file", "fileb://probe.zip", "--revision-id", changed.RevisionID)
	c.refuses(t, "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id.",
		"lambda", "update-function-code", "--function-name", "life", "--zip-file", "fileb://probe.zip", "--revision-id", changed.RevisionID)
	var got struct {
		Configuration struct{ State, LastUpdateStatus string }
		Tags          map[string]string
	}
	if c.does(t, &got, "lambda", "get-function", "--function-name", "life"); got.Configuration.State != "Active" || got.Configuration.LastUpdateStatus != "Successful" || len(got.Tags) != 2 {
		t.Errorf("%+v", got)
	}
	c.does(t, nil, "lambda", "delete-function", "--function-name", "life")
	c.refuses(t, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:life", "lambda", "get-function", "--function-name", "life")
}

func cliVersions(t *testing.T, c *cli) {
	c.create(t, "numbered", "--publish")
	c.does(t, nil, "lambda", "update-function-configuration", "--function-name", "numbered", "--description", "second")
	var made struct{ Version string }
	if c.does(t, &made, "lambda", "publish-version", "--function-name", "numbered"); made.Version != "2" {
		t.Errorf("published %+v", made)
	}
	c.does(t, nil, "lambda", "create-alias", "--function-name", "numbered", "--name", "live", "--function-version", "1", "--routing-config", "AdditionalVersionWeights={2=1.0}")
	if _, about := c.invoke(t, "numbered", `{}`, "--qualifier", "live"); about.ExecutedVersion != "2" {
		t.Errorf("all weight is on 2, but %s ran", about.ExecutedVersion)
	}
	c.does(t, nil, "lambda", "update-alias", "--function-name", "numbered", "--name", "live", "--routing-config", "AdditionalVersionWeights={}")
	if _, about := c.invoke(t, "numbered:live", `{}`); about.ExecutedVersion != "1" {
		t.Errorf("all weight is on 1, but %s ran", about.ExecutedVersion)
	}
	var list struct{ Versions []struct{ Version string } } // the command follows the pages by itself
	if c.does(t, &list, "lambda", "list-versions-by-function", "--function-name", "numbered", "--page-size", "1"); len(list.Versions) != 3 || list.Versions[2].Version != "2" {
		t.Errorf("%+v", list)
	}
	var some struct {
		Versions  []struct{ Version string }
		NextToken string
	}
	if c.does(t, &some, "lambda", "list-versions-by-function", "--function-name", "numbered", "--max-items", "1"); len(some.Versions) != 1 || some.NextToken == "" {
		t.Errorf("%+v", some)
	}
	if c.does(t, &some, "lambda", "list-versions-by-function", "--function-name", "numbered", "--starting-token", some.NextToken); len(some.Versions) != 2 {
		t.Errorf("%+v", some)
	}
}

func cliSettings(t *testing.T, c *cli) {
	c.create(t, "settled")
	c.does(t, nil, "lambda", "add-permission", "--function-name", "settled", "--statement-id", "s", "--action", "lambda:InvokeFunction", "--principal", "s3.amazonaws.com")
	var got struct{ Policy string }
	if c.does(t, &got, "lambda", "get-policy", "--function-name", "settled"); !json.Valid([]byte(got.Policy)) || !strings.Contains(got.Policy, "s3.amazonaws.com") {
		t.Errorf("the policy is %s", got.Policy)
	}
	c.does(t, nil, "lambda", "put-function-concurrency", "--function-name", "settled", "--reserved-concurrent-executions", "2")
	const arn = "arn:aws:lambda:us-east-1:000000000000:function:settled"
	c.does(t, nil, "lambda", "tag-resource", "--resource", arn, "--tags", "x=y")
	var listed struct{ Tags map[string]string }
	if c.does(t, &listed, "lambda", "list-tags", "--resource", arn); listed.Tags["x"] != "y" {
		t.Errorf("%+v", listed)
	}
	var account struct {
		AccountLimit struct{ ConcurrentExecutions, UnreservedConcurrentExecutions int }
	}
	if c.does(t, &account, "lambda", "get-account-settings"); account.AccountLimit.ConcurrentExecutions != 1000 || account.AccountLimit.UnreservedConcurrentExecutions != 998 {
		t.Errorf("%+v", account)
	}
}

func cliProvisioned(t *testing.T, c *cli) {
	c.create(t, "ready", "--publish")
	about := []string{"--function-name", "ready", "--qualifier", "1"}
	var got struct {
		RequestedProvisionedConcurrentExecutions int
		Status                                   string
	}
	c.does(t, &got, append([]string{"lambda", "put-provisioned-concurrency-config", "--provisioned-concurrent-executions", "1"}, about...)...)
	if got.RequestedProvisionedConcurrentExecutions != 1 || got.Status != "IN_PROGRESS" {
		t.Errorf("asked for one: %+v", got)
	}
	c.does(t, &got, append([]string{"lambda", "get-provisioned-concurrency-config"}, about...)...)
	var listed struct {
		ProvisionedConcurrencyConfigs []struct{ FunctionArn string }
	}
	c.does(t, &listed, "lambda", "list-provisioned-concurrency-configs", "--function-name", "ready")
	if all := listed.ProvisionedConcurrencyConfigs; len(all) != 1 || all[0].FunctionArn != "arn:aws:lambda:us-east-1:000000000000:function:ready:1" {
		t.Errorf("listed %+v", all)
	}
	c.does(t, nil, append([]string{"lambda", "delete-provisioned-concurrency-config"}, about...)...)
	c.refuses(t, "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function",
		append([]string{"lambda", "get-provisioned-concurrency-config"}, about...)...)
}

func cliURL(t *testing.T, c *cli) {
	c.create(t, "opened")
	var made struct{ FunctionURL string }
	c.does(t, &made, "lambda", "create-function-url-config", "--function-name", "opened", "--auth-type", "NONE")
	resp, err := door(t, c.p).Get(made.FunctionURL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("%s answers %s", made.FunctionURL, resp.Status)
	}
	c.does(t, nil, "lambda", "delete-function-url-config", "--function-name", "opened")
	c.refuses(t, "ResourceNotFoundException", "The resource you requested does not exist.", "lambda", "get-function-url-config", "--function-name", "opened")
}

func cliLayers(t *testing.T, c *cli) {
	if err := os.WriteFile(filepath.Join(c.dir, "layer.zip"), zipped(t, map[string]string{"nodejs/node_modules/word.js": `module.exports = "from a layer"`}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "user.zip"), zipped(t, map[string]string{"index.js": `exports.handler = async () => require("word")`}), 0o600); err != nil {
		t.Fatal(err)
	}
	var made struct{ LayerVersionArn string }
	c.does(t, &made, "lambda", "publish-layer-version", "--layer-name", "words", "--zip-file", "fileb://layer.zip", "--compatible-runtimes", "nodejs18.x")
	c.create(t, "user", "--layers", made.LayerVersionArn)
	c.does(t, nil, "lambda", "update-function-code", "--function-name", "user", "--zip-file", "fileb://user.zip")
	if answer, _ := c.invoke(t, "user", "{}"); string(answer) != `"from a layer"` {
		t.Errorf("it answers %s", answer)
	}
}

func cliRefusals(t *testing.T, c *cli) {
	c.refuses(t, "InvalidParameterValueException", `runtime "java17" is not served`, "lambda", "create-function", "--function-name", "f",
		"--runtime", "java17", "--handler", "a.b", "--role", role, "--zip-file", "fileb://probe.zip")
	c.refuses(t, "ValidationException", "1 validation error detected: Value 'me' at 'role' failed to satisfy constraint", "lambda", "create-function", "--function-name", "f",
		"--runtime", "nodejs18.x", "--handler", "a.b", "--role", "me", "--zip-file", "fileb://probe.zip") // the command itself checks ranges, not patterns
	c.refuses(t, "NotImplementedException", "Pinfold does not serve PutRuntimeManagementConfig of AWS Lambda yet", "lambda", "put-runtime-management-config",
		"--function-name", "f", "--update-runtime-on", "Auto")
	c.refuses(t, "NotImplementedException", "ListTables of Amazon DynamoDB", "dynamodb", "list-tables")
	c.refuses(t, "NotImplemented", "Amazon Simple Storage Service", "s3api", "list-buckets")
	c.refuses(t, "NotImplemented", "DescribeStacks of AWS CloudFormation", "cloudformation", "describe-stacks")
}
