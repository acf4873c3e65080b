package runtimes

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"pinfold.dev/pinfold"
)

// TestMain makes this test binary a function on AWS's own Go runtime where a
// test has put it into a code package.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		os.Exit(m.Run())
	}
	lambda.StartWithOptions(goFunction)
}

// goFunction does what the event says.
func goFunction(ctx context.Context, event struct{ Do string }) (any, error) {
	switch event.Do {
	case "fail":
		return nil, errors.New("as told")
	case "panic":
		panic("as told")
	case "exit":
		os.Exit(9)
	case "large":
		return strings.Repeat("x", pinfold.MaxPayload), nil
	case "sleep":
		time.Sleep(time.Minute)
	case "stream":
		return &events.LambdaFunctionURLStreamingResponse{
			StatusCode: 418, Headers: map[string]string{"a": "b"}, Body: strings.NewReader("streamed"),
		}, nil
	case "broken stream":
		r, w := io.Pipe()
		go func() {
			_, _ = io.WriteString(w, "some")
			_ = w.CloseWithError(errors.New("midway"))
		}()
		return r, nil
	}
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return map[string]any{
		"id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "custom": lc.ClientContext.Custom["k"], "name": lambdacontext.FunctionName,
		"trace": os.Getenv("_X_AMZN_TRACE_ID"), "remaining": time.Until(deadline) > time.Second, "env": os.Getenv("AWS_EXECUTION_ENV"),
	}, nil
}

// goVersion is a version whose code is this test binary.
func goVersion(l *lab, runtime, handler, name string, change ...func(*pinfold.Config)) *pinfold.Version {
	l.Helper()
	v := l.version(runtime, handler, nil, change...)
	v.Config.MemoryMB = 512 // the race detector is in it, too
	exe, err := os.Executable()
	if err != nil {
		l.Fatal(err)
	}
	if err := os.Link(exe, filepath.Join(v.Code.SHA256, name)); err != nil {
		data, err := os.ReadFile(exe)
		if err == nil {
			err = os.WriteFile(filepath.Join(v.Code.SHA256, name), data, 0o755)
		}
		if err != nil {
			l.Fatal(err)
		}
	}
	return v
}

func TestGo(t *testing.T) { behind(t, testGo) }

func testGo(t *testing.T, w walls) {
	l := newLab(t, w)
	v := goVersion(l, "provided.al2023", "ignored", "bootstrap")
	in := l.launch(v)
	res, err := invoke(in, t.Context(), &pinfold.Invocation{
		ID: testID, Payload: []byte(`{}`), TraceID: "Root=1-2-3", ClientContext: `{"custom":{"k":"v"}}`, Function: v.Ref, WantLogTail: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"arn":"arn:aws:lambda:eu-west-1:123456789012:function:under-test:$LATEST","custom":"v","env":"","id":"` + testID + `","name":"under-test","remaining":true,"trace":"Root=1-2-3"}`
	if string(res.Payload) != want {
		t.Errorf("answer: %s\nwant:   %s", res.Payload, want)
	}
	matchLines(t, res.LogTail, `INIT_START Runtime Version: provided\.al2023`, `START .*`, `END .*`, strings.Replace(coldReport, "128", "512", 1))

	res = l.call(in, `{"Do":"fail"}`)
	if string(res.Payload) != `{"errorMessage":"as told","errorType":"errorString"}` || res.FunctionError != "Unhandled" || !in.Reusable() {
		t.Errorf("an error: %s %s", res.FunctionError, res.Payload)
	}
	res = l.call(in, `{"Do":"stream"}`)
	if got := string(res.Payload); got != `{"body":"streamed","headers":{"a":"b"},"statusCode":418}` {
		t.Errorf("a stream: %s", got)
	}
	res = l.call(in, `{"Do":"broken stream"}`)
	if e := l.errorOf(res); e.ErrorMessage != "midway" {
		t.Errorf("a stream that breaks off: %s", res.Payload)
	}
	res = l.call(in, `{"Do":"large"}`)
	if e := l.errorOf(res); e.ErrorType != "Function.ResponseSizeTooLarge" {
		t.Errorf("an answer that is too large: %s", res.Payload)
	}
}

func TestGoEnds(t *testing.T) { behind(t, testGoEnds) }

func testGoEnds(t *testing.T, w walls) {
	for do, want := range map[string]struct{ kind, message, log string }{
		"panic": {"string", "as told", `"errorMessage":"as told"`},
		"exit":  {"Runtime.ExitError", "RequestId: " + testID + " Error: Runtime exited with error: exit status 9", "Runtime.ExitError"},
		"sleep": {"Sandbox.Timedout", "RequestId: " + testID + " Error: Task timed out after 1.00 seconds", "Status: timeout"},
	} {
		t.Run(do, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, w)
			in := l.launch(goVersion(l, "go1.x", "bin/main", "main", func(c *pinfold.Config) { c.Timeout, c.Handler = 1, "main" }))
			res := l.call(in, `{"Do":"`+do+`"}`)
			if e := l.errorOf(res); e.ErrorType != want.kind || e.ErrorMessage != want.message {
				t.Errorf("%s: %s", e.ErrorType, e.ErrorMessage)
			}
			if !strings.Contains(string(res.LogTail), want.log) {
				t.Errorf("log:\n%s", res.LogTail)
			}
			<-in.Done()
			if in.Reusable() {
				t.Error("the instance is called reusable")
			}
		})
	}
}

// shellBootstrap is the example of "Building a custom runtime" in the Lambda
// developer guide, in our words.
const shellBootstrap = `#!/bin/sh
set -eu
. "$LAMBDA_TASK_ROOT/$(echo "$_HANDLER" | cut -d. -f1).sh"
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
headers=$(mktemp)
while true; do
  event=$(curl -sS -D "$headers" "$api/invocation/next")
  id=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  if answer=$($(echo "$_HANDLER" | cut -d. -f2) "$event"); then
    curl -sS -o /dev/null "$api/invocation/$id/response" -d "$answer"
  else
    curl -sS -o /dev/null "$api/invocation/$id/error" -H "Lambda-Runtime-Function-Error-Type: Shell.Failed" -d '{"errorMessage":"it failed","errorType":"Shell.Failed","stackTrace":[]}'
  fi
done
`

func TestShell(t *testing.T) { behind(t, testShell) }

func testShell(t *testing.T, w walls) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl")
	}
	l := newLab(t, w)
	in := l.launch(l.version("provided.al2", "function.handle", map[string]string{
		"bootstrap+":  shellBootstrap,
		"function.sh": `handle() { echo "log line" >&2; case "$1" in *fail*) return 1;; esac; echo "got $1"; }`,
	}))
	for range 2 {
		res := l.call(in, `{"x":1}`)
		if string(res.Payload) != `got {"x":1}` || !strings.Contains(string(res.LogTail), "\nlog line\nEND") {
			t.Errorf("answer: %s\n%s", res.Payload, res.LogTail)
		}
	}
	if e := l.errorOf(l.call(in, `"fail"`)); e.ErrorType != "Shell.Failed" || e.ErrorMessage != "it failed" {
		t.Errorf("error: %+v", e)
	}
}

func TestBootstrapInALayer(t *testing.T) { behind(t, testBootstrapInALayer) }

func testBootstrapInALayer(t *testing.T, w walls) {
	l := newLab(t, w)
	l.layers = l.files(map[string]string{"bootstrap+": shellBootstrap})
	res := l.once(l.version("provided", "function.handle", map[string]string{"function.sh": `handle() { echo '"layered"'; }`},
		func(c *pinfold.Config) { c.Layers = []pinfold.LayerRef{{}} }), `{}`)
	if string(res.Payload) != `"layered"` {
		t.Errorf("answer: %s", res.Payload)
	}
}

func TestCustomRuntimeFailsToStart(t *testing.T) { behind(t, testCustomRuntimeFailsToStart) }

func testCustomRuntimeFailsToStart(t *testing.T, w walls) {
	for name, test := range map[string]struct {
		files         map[string]string
		kind, message string
	}{
		"missing":        {map[string]string{"other": ""}, "Runtime.InvalidEntrypoint", "Couldn't find valid bootstrap(s): [/var/task/bootstrap]: put an executable file named bootstrap at the root"},
		"not executable": {map[string]string{"bootstrap": "#!/bin/sh"}, "Runtime.InvalidEntrypoint", "fork/exec bootstrap: permission denied: make it executable (chmod +x)"},
		"other machine":  {map[string]string{"bootstrap+": "\x7fELF nonsense"}, "Runtime.InvalidEntrypoint", "exec format error: the program must be built for this machine"},
		"exits":          {map[string]string{"bootstrap+": "#!/bin/sh\necho 'no luck' >&2\nexit 5"}, "Runtime.ExitError", "Runtime exited with error: exit status 5"},
		"init error": {map[string]string{"bootstrap+": "#!/bin/sh\ncurl -sS \"http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/init/error\" -H 'Lambda-Runtime-Function-Error-Type: Runtime.NoConfig' -d '{\"errorMessage\":\"no config\",\"errorType\":\"Own.NoConfig\"}'; exit 1"},
			"Own.NoConfig", "no config"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, w)
			in := l.launch(l.version("provided.al2023", "x", test.files))
			e := l.errorOf(l.call(in, `{}`))
			if e.ErrorType != test.kind || !strings.Contains(e.ErrorMessage, test.message) {
				t.Errorf("%s: %s", e.ErrorType, e.ErrorMessage)
			}
			<-in.Done()
		})
	}
}

func TestPrelude(t *testing.T) {
	for stream, want := range map[string]string{
		"{\"statusCode\":201,\"cookies\":[\"a\"]}\x00\x00\x00\x00\x00\x00\x00\x00hi": `{"body":"hi","cookies":["a"],"statusCode":201}`,
		"{}\x00\x00\x00\x00\x00\x00\x00\x00\xff":                                     `{"body":"/w==","isBase64Encoded":true,"statusCode":200}`,
		"no prelude":                                                                 "no prelude", "null\x00\x00\x00\x00\x00\x00\x00\x00x": "null\x00\x00\x00\x00\x00\x00\x00\x00x",
	} {
		got := string(withPrelude([]byte(stream)))
		if got != want {
			t.Errorf("%q becomes %s", stream, got)
		}
		if want[0] == '{' && !json.Valid([]byte(got)) {
			t.Errorf("%s is not JSON", got)
		}
	}
}
