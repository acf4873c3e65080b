package runtimes

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

// both are functions that tell their context and environment in the same words.
var both = map[string]struct {
	handler string
	files   map[string]string
}{
	"nodejs20.x": {"index.handler", map[string]string{"index.js": `
const fs = require('fs'), os = require('os'), path = require('path');
fs.writeFileSync(path.join(os.tmpdir(), 'x'), 'x');
exports.handler = async (event, c) => ({
  id: c.awsRequestId, arn: c.invokedFunctionArn, name: c.functionName, version: c.functionVersion, memory: c.memoryLimitInMB,
  group: c.logGroupName, stream: c.logStreamName, remaining: c.getRemainingTimeInMillis(), custom: c.clientContext?.custom,
  client: c.clientContext?.client?.installation_id, identity: c.identity ?? null, env: process.env, tmp: os.tmpdir(), cwd: process.cwd(),
})`}},
	"python3.11": {"app.handler", map[string]string{"app.py": `
import os, tempfile
tempfile.mkstemp()
def handler(event, c):
    return dict(id=c.aws_request_id, arn=c.invoked_function_arn, name=c.function_name, version=c.function_version,
        memory=c.memory_limit_in_mb, group=c.log_group_name, stream=c.log_stream_name, remaining=c.get_remaining_time_in_millis(),
        custom=c.client_context and c.client_context.custom, client=c.client_context and c.client_context.client.installation_id,
        identity=c.identity.cognito_identity_id, env=dict(os.environ), tmp=tempfile.gettempdir(), cwd=os.getcwd())`}},
}

type told struct {
	ID, ARN, Name, Version, Memory, Group, Stream, Client, Tmp, Cwd string
	Remaining                                                       int
	Custom                                                          map[string]string
	Identity                                                        *string
	Env                                                             map[string]string
}

func TestContextAndEnvironment(t *testing.T) { inTurn(t, testContextAndEnvironment) }

func testContextAndEnvironment(t *testing.T, w walls) {
	t.Setenv("SECRET_OF_THE_PLATFORM", "x")
	for runtime, function := range both {
		t.Run(runtime, func(t *testing.T) {
			l := newLab(t, w)
			v := l.version(runtime, function.handler, function.files, func(c *pinfold.Config) {
				c.Environment = map[string]string{"STAGE": "dev", "EMPTY": "", "AWS_REGION": "mine", "AWS_ACCESS_KEY_ID": "mine", "LANG": "C.UTF-8"}
				c.MemoryMB = 256
			})
			in := l.launch(v)
			res, err := invoke(in, t.Context(), &pinfold.Invocation{
				ID: testID, Payload: []byte("{}"), TraceID: "Root=1-2-3", Function: v.Ref.With("live"),
				ClientContext: `{"custom":{"a":"b"},"client":{"installation_id":"i"}}`,
			})
			if err != nil {
				t.Fatal(err)
			}
			var got told
			if err := json.Unmarshal(res.Payload, &got); err != nil {
				t.Fatalf("%s: %v", res.Payload, err)
			}
			if got.ID != testID || got.ARN != "arn:aws:lambda:eu-west-1:123456789012:function:under-test:live" || got.Name != "under-test" ||
				got.Version != "$LATEST" || got.Memory != "256" || got.Group != "/aws/lambda/under-test" || got.Identity != nil ||
				got.Custom["a"] != "b" || got.Client != "i" {
				t.Errorf("context: %+v", got)
			}
			if !regexp.MustCompile(`^\d{4}/\d\d/\d\d/\[\$LATEST\]` + in.ID() + `$`).MatchString(got.Stream) {
				t.Errorf("log stream: %s", got.Stream)
			}
			if got.Remaining <= 0 || got.Remaining > 30000 {
				t.Errorf("remaining: %d ms of 30 s", got.Remaining)
			}
			root, tmp := v.Code.SHA256, filepath.Join(w.dir, in.ID(), "tmp")
			cwd, _ := filepath.EvalSymlinks(root)
			if w.Capabilities().Filesystem {
				root, tmp, cwd = "/var/task", "/tmp", "/var/task"
			}
			if got.Cwd != cwd || got.Tmp != tmp {
				t.Errorf("works in %s, with temporary files in %s", got.Cwd, got.Tmp)
			}
			for name, want := range map[string]string{
				"STAGE": "dev", "EMPTY": "", "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "ASIATEST",
				"AWS_LAMBDA_FUNCTION_NAME": "under-test", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
				"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_EXECUTION_ENV": "AWS_Lambda_" + runtime, "_HANDLER": function.handler,
				"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "_X_AMZN_TRACE_ID": "Root=1-2-3", "TZ": ":UTC", "LANG": "C.UTF-8",
				"LAMBDA_TASK_ROOT": root, "AWS_LAMBDA_LOG_FORMAT": "Text",
			} {
				if value, ok := got.Env[name]; !ok || value != want {
					t.Errorf("%s is %q, want %q", name, value, want)
				}
			}
			if _, leaked := got.Env["SECRET_OF_THE_PLATFORM"]; leaked {
				t.Error("the platform's environment leaks")
			}
			if _, err := os.Stat(got.Tmp); err != nil {
				t.Errorf("the temporary folder: %v", err)
			}
			if res.Phases.Boot <= 0 || res.Phases.Init <= 0 || !res.Phases.Cold || res.Phases.Handler <= 0 || res.ExecutedVersion != "$LATEST" {
				t.Errorf("phases: %+v", res.Phases)
			}
			if res := l.call(in, "{}"); res.Phases.Cold || res.Phases.Boot != 0 || res.Phases.Handler <= 0 {
				t.Errorf("phases of a warm invocation: %+v", res.Phases)
			}
		})
	}
}

func TestLayers(t *testing.T) { behind(t, testLayers) }

func testLayers(t *testing.T, w walls) {
	layer := map[string]string{
		"nodejs/node_modules/shared/index.js":        `module.exports = "from the layer"`,
		"nodejs/node20/node_modules/exact/index.js":  `module.exports = "for 20"`,
		"python/shared.py":                           "x = 'from the layer'",
		"python/lib/python3.11/site-packages/own.py": "x = 'site-packages'",
	}
	l := newLab(t, w)
	l.layers = l.files(layer)
	with := func(c *pinfold.Config) { c.Layers = []pinfold.LayerRef{{ARN: "arn:aws:lambda:x:1:layer:l:1"}} }
	res := l.once(l.version("nodejs20.x", "index.handler", map[string]string{
		"index.js": `exports.handler = async () => [require("shared"), require("exact")]`,
	}, with), "{}")
	if string(res.Payload) != `["from the layer","for 20"]` {
		t.Errorf("Node.js: %s", res.Payload)
	}
	res = l.once(l.version("python3.11", "app.handler", map[string]string{
		"app.py": "import shared, sys\ndef handler(e, c): return [shared.x, sys.path.index(sys.path[0])]",
	}, with), "{}")
	if string(res.Payload) != `["from the layer", 0]` {
		t.Errorf("Python: %s", res.Payload)
	}
}

func TestLaunchErrors(t *testing.T) { inTurn(t, testLaunchErrors) }

func testLaunchErrors(t *testing.T, w walls) {
	l := newLab(t, w)
	for name, test := range map[string]struct {
		change func(*pinfold.Version)
		code   pinfold.Code
		says   string
	}{
		"unknown runtime": {func(v *pinfold.Version) { v.Config.Runtime = "ruby3.3" }, pinfold.Unserved, `runtime "ruby3.3" is not served: Pinfold runs nodejs*, python3.*`},
		"no code":         {func(v *pinfold.Version) { v.Code.SHA256 = "gone" }, pinfold.Internal, "the function's code is lost: no package gone"}, // the function is there
	} {
		v := *l.version("nodejs20.x", "index.handler", nil)
		test.change(&v)
		_, err := l.launcher.Launch(t.Context(), &v, How{})
		if pinfold.CodeOf(err) != test.code || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	fresh := newLab(t, w)
	_, err := fresh.launcher.Launch(t.Context(), fresh.version("nodejs20.x", "index.handler", nil), How{})
	if pinfold.CodeOf(err) != pinfold.Unavailable || !strings.Contains(err.Error(), "install Node.js") {
		t.Errorf("without an interpreter: %v", err)
	}
}
