package clients

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// TestSemantics holds what callers see of invocations that go well and badly
// to what they see of AWS.
func TestSemantics(t *testing.T) {
	t.Parallel()
	s := newSDK(platformtest.Start(t))
	for name, part := range map[string]func(*testing.T, *sdk){
		"failures while running": failuresWhileRunning, "failures while loading": failuresWhileLoading, "never used again": neverUsedAgain,
		"used again": usedAgain, "log": logTail, "response limit": responseLimit, "malformed answers": malformedAnswers, "custom runtime": customRuntime,
		"environment": environment,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, s)
		})
	}
}

// envelope is how a function's error arrives.
type envelope struct{ ErrorType, ErrorMessage string }

// fails invokes a function that must fail in a way.
func (s *sdk) fails(t *testing.T, name, payload, errorType, message string) {
	t.Helper()
	out := s.invoke(t, name, payload)
	if out.StatusCode != 200 || aws.ToString(out.FunctionError) != "Unhandled" || aws.ToString(out.ExecutedVersion) != "$LATEST" {
		t.Errorf("%s: status %d, function error %q, version %q; want 200, Unhandled, $LATEST",
			payload, out.StatusCode, aws.ToString(out.FunctionError), aws.ToString(out.ExecutedVersion))
	}
	var e envelope
	decode(t, out.Payload, &e)
	if whole := regexp.MustCompile("^(?s:" + message + ")$"); e.ErrorType != errorType || !whole.MatchString(e.ErrorMessage) {
		t.Errorf("%s: got %s\nwant %s: %s", payload, out.Payload, errorType, message)
	}
}

const requestID = "RequestId: [0-9a-f-]{36} Error: "

func failuresWhileRunning(t *testing.T, s *sdk) {
	s.create(t, "fails", nil)
	s.create(t, "slow", nil, func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(1) })
	s.create(t, "fails-python", map[string]string{"app.py": `import os, signal, sys, time
class Mine(Exception): pass
def handler(event, context):
    do = event["do"]
    if do == "raise": raise Mine("raised on purpose")
    if do == "key": return {}["nothing"]
    if do == "exit": sys.exit(event["code"])
    if do == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if do == "hang": time.sleep(3600)
`}, python, func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(2) })
	// What the crash of an instance costs must not wait for another one's: each in turn.
	for _, tc := range []struct{ function, payload, errorType, message string }{
		{"fails", `{"do": "throw"}`, "TypeError", "thrown on purpose"},
		{"fails", `{"do": "reject"}`, "Runtime.UnhandledPromiseRejection", "RangeError: rejected on purpose"},
		{"fails", `{"do": "throw later"}`, "Error", "thrown late"},
		{"fails", `{"do": "exit", "code": 3}`, "Runtime.ExitError", requestID + "Runtime exited with error: exit status 3"},
		{"fails", `{"do": "exit", "code": 0}`, "Runtime.ExitError", requestID + "Runtime exited without providing a reason"},
		{"fails", `{"do": "kill"}`, "Runtime.ExitError", requestID + "Runtime exited with error: signal: killed"},
		{"slow", `{"do": "hang"}`, "Sandbox.Timedout", requestID + `Task timed out after 1\.00 seconds`},
		{"fails-python", `{"do": "raise"}`, "Mine", "raised on purpose"},
		{"fails-python", `{"do": "key"}`, "KeyError", "'nothing'"},
		{"fails-python", `{"do": "exit", "code": 4}`, "Runtime.ExitError", requestID + "Runtime exited with error: exit status 4"},
		{"fails-python", `{"do": "kill"}`, "Runtime.ExitError", requestID + "Runtime exited with error: signal: killed"},
		{"fails-python", `{"do": "hang"}`, "Sandbox.Timedout", requestID + `Task timed out after 2\.00 seconds`},
	} {
		s.fails(t, tc.function, tc.payload, tc.errorType, tc.message)
	}
}

func failuresWhileLoading(t *testing.T, s *sdk) {
	node := func(code string) map[string]string { return map[string]string{"index.js": code} }
	py := func(code string) map[string]string { return map[string]string{"app.py": code} }
	for i, tc := range []struct {
		handler            string
		files              map[string]string
		errorType, message string
	}{
		{"index.none", node("exports.handler = 1"), "Runtime.HandlerNotFound", "index.none is undefined or not exported"},
		{"index.handler", node("exports.handler = 1"), "Runtime.HandlerNotFound", "index.handler is not a function"},
		{"index", node(""), "Runtime.MalformedHandlerName", "Bad handler"},
		{"other.handler", node(""), "Runtime.ImportModuleError", "Error: Cannot find module 'other'.*"},
		{"index.handler", node("require('nothing')"), "Runtime.ImportModuleError", "Error: Cannot find module 'nothing'.*"},
		{"index.handler", node("exports.handler = ("), "Runtime.UserCodeSyntaxError", "SyntaxError: .*"},
		{"index.handler", node("throw new RangeError('while loading')"), "RangeError", "while loading"},
		{"index.handler", node("process.exit(5)"), "Runtime.ExitError", requestID + "Runtime exited with error: exit status 5"},
		{"app.none", py(""), "Runtime.HandlerNotFound", "Handler 'none' missing on module 'app'"},
		{"app", py(""), "Runtime.MalformedHandlerName", `Bad handler 'app': not enough values to unpack \(expected 2, got 1\)`},
		{"other.handler", py(""), "Runtime.ImportModuleError", "Unable to import module 'other': No module named 'other'"},
		{"app.handler", py("import nothing_like_it"), "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nothing_like_it'"},
		{"app.handler", py("def handler("), "Runtime.UserCodeSyntaxError", `Syntax error in module 'app': .* \(app.py, line 1\)`},
		{"app.handler", py("raise ValueError('while loading')"), "ValueError", "while loading"},
		{"app.handler", py("import os; os._exit(6)"), "Runtime.ExitError", requestID + "Runtime exited with error: exit status 6"},
	} {
		name := fmt.Sprintf("broken-%d", i)
		s.create(t, name, tc.files, func(in *lambda.CreateFunctionInput) {
			if _, ok := tc.files["app.py"]; ok {
				in.Runtime = types.RuntimePython312
			}
			in.Handler = &tc.handler
		})
		s.fails(t, name, "{}", tc.errorType, tc.message)
		s.fails(t, name, "{}", tc.errorType, tc.message) // and each time
	}
}

// neverUsedAgain: an instance that timed out or crashed has seen its last event.
func neverUsedAgain(t *testing.T, s *sdk) {
	s.create(t, "worn", nil, func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(2) })
	seen := map[string]bool{}
	for _, end := range []string{`{"do": "hang"}`, `{"do": "exit", "code": 1}`, `{"do": "kill"}`, `{"do": "throw later"}`, `{"do": "reject"}`} {
		before := s.ask(t, "worn")
		if seen[before.Instance] || before.Used != 1 {
			t.Errorf("before %s the instance %s ran, for the %d. time", end, before.Instance, before.Used)
		}
		seen[before.Instance] = true
		if out := s.invoke(t, "worn", end); out.FunctionError == nil {
			t.Errorf("%s does not fail", end)
		}
	}
}

// usedAgain: an instance that answered, if only with an error, goes on.
func usedAgain(t *testing.T, s *sdk) {
	s.create(t, "kept", nil)
	first := s.ask(t, "kept")
	if out := s.invoke(t, "kept", `{"do": "throw"}`); out.FunctionError == nil {
		t.Error("it did not throw")
	}
	if next := s.ask(t, "kept"); next.Instance != first.Instance || next.Used != 3 || next.ID == first.ID {
		t.Errorf("first %+v, then %+v", first, next)
	}
	if _, err := s.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("kept"), Timeout: aws.Int32(30)}); err != nil {
		t.Fatal(err)
	}
	if next := s.ask(t, "kept"); next.Instance == first.Instance {
		t.Error("an instance of what the function was before a change still serves")
	}
}

// logTail: the last 4 KB, between START and REPORT.
func logTail(t *testing.T, s *sdk) {
	s.create(t, "wordy", nil)
	tail := func(payload string) string {
		out := s.invoke(t, "wordy", payload, func(in *lambda.InvokeInput) { in.LogType = types.LogTypeTail })
		text, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
		if err != nil || len(text) > 4096 {
			t.Errorf("the log is %d bytes: %v", len(text), err)
		}
		return string(text)
	}
	const id = `[0-9a-f-]{36}`
	report := func(extra string) string {
		return `END RequestId: ` + id + `\nREPORT RequestId: ` + id + `\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t` + extra + `\n$`
	}
	line := func(level, text string) string {
		return `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t` + id + `\t` + level + `\t` + text + `\n`
	}
	start := `START RequestId: ` + id + ` Version: \$LATEST\n`
	matches := func(what, text, pattern string) {
		t.Helper()
		if !regexp.MustCompile(pattern).MatchString(text) {
			t.Errorf("%s: %q does not match\n%q", what, text, pattern)
		}
	}
	matches("cold", tail(`{"do": "log"}`), start+line("INFO", "first line")+line("ERROR", "")+line("INFO", "last line")+report(`Init Duration: \d+\.\d\d ms\t`))
	matches("warm", tail(`{"do": "log"}`), `^`+start+line("INFO", "first line")+line("ERROR", "")+line("INFO", "last line")+report(``))
	long := tail(`{"do": "log", "bytes": 10000}`)
	matches("long", long, `^x{1000}x*\n`+line("INFO", "last line")+report(``))
	if len(long) != 4096 {
		t.Errorf("the tail of a long log is %d bytes, not 4096", len(long))
	}
	matches("error", tail(`{"do": "throw"}`), line("ERROR", `Invoke Error \t.*"errorType":"TypeError".*`)+report(``))
	matches("exit", tail(`{"do": "exit", "code": 1}`), start+`(?s:.*)`+`REPORT RequestId: .*`)
}

// responseLimit: 6 MB and 100 bytes, as AWS's own emulator has it.
func responseLimit(t *testing.T, s *sdk) {
	s.create(t, "large", nil)
	const limit = 6*1024*1024 + 100
	out := s.invoke(t, "large", fmt.Sprintf(`{"do": "big", "bytes": %d}`, limit-2)) // with its quotes
	if out.FunctionError != nil || len(out.Payload) != limit {
		t.Errorf("%d bytes come back as %d, %.200s", limit, len(out.Payload), aws.ToString(out.FunctionError))
	}
	s.fails(t, "large", fmt.Sprintf(`{"do": "big", "bytes": %d}`, limit-1), "Function.ResponseSizeTooLarge", `Response payload size exceeded maximum allowed payload size \(6291556 bytes\)\.`)
}

func malformedAnswers(t *testing.T, s *sdk) {
	s.create(t, "shapeless", nil)
	s.fails(t, "shapeless", `{"do": "circular"}`, "Error", "Unable to stringify response body")
	s.create(t, "shapeless-python", map[string]string{"app.py": "def handler(event, context):\n    return {1, 2} if event else object()\n"}, python)
	s.fails(t, "shapeless-python", `{"a": 1}`, "Runtime.MarshalError", "Unable to marshal response: Object of type set is not JSON serializable")
}

// customRuntime speaks the Runtime API with nothing but a shell and curl.
func customRuntime(t *testing.T, s *sdk) {
	bootstrap := `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  event=$(curl -sS -D ${TMPDIR:-/tmp}/headers "$api/next")
  id=$(tr -d '\r' < ${TMPDIR:-/tmp}/headers | sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: //p')
  case "$event" in
    *fail*) curl -sS -o /dev/null -H 'Lambda-Runtime-Function-Error-Type: Shell.Oops' -d '{"errorMessage":"on purpose","errorType":"Shell.Oops"}' "$api/$id/error" ;;
    *) curl -sS -o /dev/null -d "{\"shell\":$event,\"handler\":\"$_HANDLER\"}" "$api/$id/response" ;;
  esac
done
`
	s.create(t, "shell", map[string]string{"bootstrap": bootstrap}, func(in *lambda.CreateFunctionInput) {
		in.Runtime, in.Handler = types.RuntimeProvidedal2023, aws.String("any.thing")
	})
	if out := s.invoke(t, "shell", `{"a":1}`); string(out.Payload) != `{"shell":{"a":1},"handler":"any.thing"}` {
		t.Errorf("the shell answers %s", out.Payload)
	}
	s.fails(t, "shell", `{"fail":1}`, "Shell.Oops", "on purpose")
}

// environment holds the variables that AWS sets.
func environment(t *testing.T, s *sdk) {
	s.create(t, "surrounded", nil, func(in *lambda.CreateFunctionInput) {
		in.MemorySize, in.Environment = aws.Int32(512), env("MINE", "a b\n\"ö\"")
	})
	var got map[string]string
	decode(t, s.invoke(t, "surrounded", `{"do": "env"}`).Payload, &got)
	for name, want := range map[string]string{
		"MINE": "a b\n\"ö\"", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_LAMBDA_FUNCTION_NAME": "surrounded",
		"AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/surrounded", "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x", "_HANDLER": "index.handler",
		"TZ": ":UTC", "LANG": "en_US.UTF-8",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "PATH", "NODE_PATH", "AWS_LAMBDA_LOG_STREAM_NAME"} {
		if got[name] == "" {
			t.Errorf("%s is not set", name)
		}
	}
	if got["HOME"] != "" && strings.Contains(got["PATH"], got["HOME"]) || got["AWS_ACCESS_KEY_ID"] == s.p.RootKey.AccessKeyID {
		t.Error("the function sees what is the server's")
	}
}

// TestThrottling: one invocation more than may run at once waits for as long as
// it might itself take, 10 s to come up and its timeout, and is refused then.
func TestThrottling(t *testing.T) {
	t.Parallel()
	s := newSDK(platformtest.Start(t, func(c *platform.Config) {
		c.Concurrency = 1
		c.Sandbox = "process" // the test's own server is on the loopback, which walls keep functions from
	}))
	s.create(t, "busy", nil, func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(120) })
	s.create(t, "late", nil, func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(1) })
	arrived, leave := make(chan struct{}), make(chan struct{})
	held := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-leave
		fmt.Fprint(w, "done waiting")
	}))
	defer held.Close()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		in := &lambda.InvokeInput{FunctionName: aws.String("busy"), Payload: fmt.Appendf(nil, `{"do": "wait", "url": %q}`, held.URL)}
		if out, err := s.Invoke(t.Context(), in); err != nil || string(out.Payload) != `"done waiting"` {
			t.Errorf("the one that runs answers %+v, %v", out, err)
		}
	}()
	defer func() { close(leave); <-answered }()
	select {
	case <-arrived:
	case <-answered:
		t.Fatal("the one that should run is not there")
	}
	_, err := s.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("late")})
	e := typed[*types.TooManyRequestsException](t, err, "Rate Exceeded.")
	if e != nil && e.Reason != types.ThrottleReasonConcurrentInvocationLimitExceeded {
		t.Errorf("the reason is %s", e.Reason)
	}
}
