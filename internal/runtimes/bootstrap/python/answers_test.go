package python

import (
	"fmt"
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/runtimes/bootstrap/bootstraptest"
)

// failure is the log event and the ERROR frame of a function that fails.
func failure(kind, message string) []string {
	head := kind
	if message != "" {
		head += ": " + message
	}
	return []string{
		`LOG 1 \[ERROR\] ` + head + `\nTraceback \(most recent call last\):.*`,
		`ERROR 1 \{"errorMessage": "` + message + `", "errorType": "` + kind + `", "requestId": "request-1", "stackTrace": \[.*\]\}`,
	}
}

func body(lines string) string {
	return "def handler(e, c):\n    " + strings.ReplaceAll(lines, "\n", "\n    ")
}

// TestOneInvocation tells what frames one invocation makes, with the event {}, and
// that a second one works where it should.
func TestOneInvocation(t *testing.T) {
	const again = "again" // the second invocation must be answered
	tests := map[string]struct {
		py   string
		want []string
		exit int // of the process, if it ends; -1 with a signal
	}{
		"dict":           {body("return {'got': e}"), []string{`RESPONSE 1 \{"got": \{\}\}`, again}, 0},
		"nothing":        {body("pass"), []string{`RESPONSE 1 null`, again}, 0},
		"bytes":          {body("return b'{}'"), []string{`RESPONSE 1 \{\}`, again}, 0},
		"not a number":   {body("return [float('nan'), float('inf'), 1.5]"), []string{`RESPONSE 1 \[NaN, Infinity, 1.5\]`, again}, 0},
		"decimals":       {"from decimal import Decimal\n" + body("return {'a': Decimal('1.10'), 'b': [Decimal('NaN'), b'x']}"), []string{`RESPONSE 1 \{"a": 1.10, "b": \[NaN, "x"\]\}`, again}, 0},
		"keys":           {body("return {1: 2, None: 3}"), []string{`RESPONSE 1 \{"1": 2, "null": 3\}`, again}, 0},
		"half a pair":    {body(`return '\ud800'`), []string{`RESPONSE 1 "\\ud800"`, again}, 0},
		"10 MB":          {body("return 'x' * 10000000"), []string{`RESPONSE 1 "x+"`, again}, 0},
		"raise":          {body("raise ValueError('boom')"), append(failure("ValueError", "boom"), again), 0},
		"raise empty":    {body("raise KeyError()"), append(failure("KeyError", ""), again), 0},
		"raise a string": {body("raise 'text'"), append(failure("TypeError", "exceptions must derive from BaseException"), again), 0},
		"no text":        {"class E(Exception):\n    def __str__(self): raise ValueError(1)\n" + body("raise E()"), append(failure("E", "<unprintable E object>"), again), 0},
		"marshal":        {body("return {'a': {1}}"), append(failure(`Runtime\.MarshalError`, "Unable to marshal response: Object of type set is not JSON serializable"), again), 0},
		"circular":       {body("x = []; x.append(x); return x"), append(failure(`Runtime\.MarshalError`, "Unable to marshal response: Circular reference detected"), again), 0},
		"too deep":       {body("x = []\nfor i in range(100000): x = [x]\nreturn x"), append(failure(`Runtime\.MarshalError`, "Unable to marshal response: .*"), again), 0},
		"recursion":      {body("return handler(e, c)"), append(failure("RecursionError", "maximum recursion depth exceeded.*"), again), 0},
		"memory":         {body("return bytearray(1 << 60)"), append(failure("MemoryError", ""), again), 0},
		"not callable":   {"handler = 1", append(failure("TypeError", "'int' object is not callable"), again), 0},
		"no function":    {"handler = None", append(failure("TypeError", "'NoneType' object is not callable"), again), 0},

		"sys.exit":          {"import sys\n" + body("print('p', end=''); sys.exit(4)"), []string{`LOG 1 p`, `EOF 0 `}, 4},
		"sys.exit 0":        {"import sys\n" + body("sys.exit(0)"), []string{`EOF 0 `}, 0},
		"sys.exit text":     {"import sys\n" + body("sys.exit('why')"), []string{`LOG 1 why`, `EOF 0 `}, 1},
		"os._exit":          {"import os\n" + body("print('hi'); os._exit(3)"), []string{`LOG 1 hi`, `EOF 0 `}, 3},
		"abort":             {"import os\n" + body("os.abort()"), []string{`EOF 0 `}, -1},
		"KeyboardInterrupt": {body("raise KeyboardInterrupt"), nil, -1},
		"BaseException":     {"class B(BaseException): pass\n" + body("raise B('x')"), nil, 1},
		"closes the link":   {"import os\n" + body("os.close(4); print('x')"), []string{`EOF 0 `}, 0},

		"environment replaced": {"import os\n" + body("os.environ = {}"), []string{`RESPONSE 1 null`, again}, 0},
		"environment gone":     {"import os\n" + body("os.environ = None"), []string{`RESPONSE 1 null`, again}, 0},
		"names":                {"import os\n" + body("os.environ.clear(); return [c.function_name, c.aws_request_id, c.invoked_function_arn]"), []string{`RESPONSE 1 \["f", "request-1", "arn:1"\]`, again}, 0},
		"time":                 {body("return 29000 < c.get_remaining_time_in_millis() <= 30000"), []string{`RESPONSE 1 true`, again}, 0},
		"trace": {"import subprocess, os\n" + body("return [subprocess.check_output('echo $_X_AMZN_TRACE_ID', shell=True).decode().strip(), os.environ['_X_AMZN_TRACE_ID']]"),
			[]string{`RESPONSE 1 \["Root=1", "Root=1"\]`, again}, 0},
		"arguments":  {"import sys\n" + body("return len(sys.argv)"), []string{`RESPONSE 1 1`, again}, 0},
		"collector":  {"import gc\nx = gc.get_threshold()[0]\n" + body("return [x > 50000, gc.get_threshold()[0] < 50000]"), []string{`RESPONSE 1 \[true, true\]`, again}, 0},
		"fork":       {"import os\n" + body("pid = os.fork()\nif pid: os.waitpid(pid, 0)\nreturn pid > 0"), []string{`RESPONSE 1 true`, again}, 0},
		"async":      {"import asyncio\nasync def handler(e, c):\n    await asyncio.sleep(.001); print('in'); return e", []string{`LOG 1 in`, `RESPONSE 1 \{\}`, again}, 0},
		"one loop":   {"import asyncio\nx = []\nasync def handler(e, c):\n    x.append(asyncio.get_running_loop()); return x[0] is x[-1]", []string{`RESPONSE 1 true`, again}, 0},
		"async fail": {"async def handler(e, c): raise ValueError('x')", append(failure("ValueError", "x"), again), 0},
		"cancelled":  {"import asyncio\nasync def handler(e, c): raise asyncio.CancelledError()", append(failure("CancelledError", ""), again), 0},
		"async exit": {"import sys\nasync def handler(e, c): sys.exit(5)", []string{`EOF 0 `}, 5},
	}
	everywhere(t, func(t *testing.T, python string) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				p := start(t, python)
				match(t, p.load(map[string]string{"app.py": test.py}, map[string]any{"env": map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "f"}}), `READY 0 `)
				p.Invoke(1, `{}`, "")
				got := p.Frames(1)
				want := test.want
				if len(want) > 0 && want[len(want)-1] == again {
					want = want[:len(want)-1]
					p.Invoke(2, `{}`, "")
					if all := p.Frames(1); all[len(all)-1].ID != 2 {
						t.Errorf("a second invocation: %v", all)
					}
				} else if _ = p.Cmd.Wait(); p.Cmd.ProcessState.ExitCode() != test.exit {
					t.Errorf("the process ends with %v", p.Cmd.ProcessState)
				}
				if want != nil {
					match(t, got, want...)
				}
			})
		}
	})
}

func TestEvents(t *testing.T) {
	everywhere(t, func(t *testing.T, python string) {
		p := start(t, python)
		match(t, p.load(map[string]string{"app.py": body("return e")}, nil), `READY 0 `)
		for i, test := range []struct{ event, want string }{
			{` {"a":1}` + "\n", `RESPONSE %d \{"a": 1\}`},
			{"\ufeff1", `RESPONSE %d 1`},
			{`[NaN,-Infinity]`, `RESPONSE %d \[NaN, -Infinity\]`},
			{`"` + strings.Repeat("x", 6<<20) + `"`, `RESPONSE %d "x+"`},
			{``, `ERROR %d .*"Unable to unmarshal input: Expecting value: line 1 column 1 \(char 0\)", "errorType": "Runtime.UnmarshalError".*`},
			{`{`, `ERROR %d .*"errorType": "Runtime.UnmarshalError".*`},
			{"\"\xff\"", `ERROR %d .*"errorType": "Runtime.UnmarshalError".*`},
		} {
			id := uint32(i + 1)
			p.Invoke(id, test.event, "")
			all := p.Frames(1)
			match(t, all[len(all)-1:], fmt.Sprintf(test.want, id))
		}
	})
}

// TestSentAhead sends all before the first answer: order and number of answers are
// those of the invocations, and the end of the pipe comes after them.
func TestSentAhead(t *testing.T) {
	everywhere(t, func(t *testing.T, python string) {
		p := start(t, python)
		match(t, p.load(map[string]string{"app.py": body("print(e, end=''); return [e, c.client_context and c.client_context.custom]")}, nil), `READY 0 `)
		p.Invoke(1, `1`, "")
		p.Invoke(2, `2`, `{"custom":{"a":"b"}}`)
		p.Invoke(3, `3`, `{`)
		_ = p.In.Close()
		match(t, p.Rest(), `LOG 1 1`, `RESPONSE 1 \[1, null\]`, `LOG 2 2`, `RESPONSE 2 \[2, \{"a": "b"\}\]`,
			`LOG 3 \[ERROR\] Runtime.LambdaContextUnmarshalError: .*`, `ERROR 3 .*Runtime.LambdaContextUnmarshalError.*`, `EOF 0 `)
		if err := p.Cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestLoading(t *testing.T) {
	tests := map[string]struct {
		files   map[string]string
		handler string
		want    []string
	}{
		"no handler":   {map[string]string{"app.py": "x = 1"}, "app.handler", []string{`LOG 0 \[ERROR\] Runtime.HandlerNotFound: .*`, `INIT_ERROR 0 .*"Handler 'handler' missing on module 'app'".*`}},
		"no module":    {nil, "missing.handler", []string{`LOG 0 .*`, `INIT_ERROR 0 .*"Unable to import module 'missing': No module named 'missing'", "errorType": "Runtime.ImportModuleError".*`}},
		"syntax error": {map[string]string{"app.py": "def handler(:"}, "app.handler", []string{`LOG 0 .*`, `INIT_ERROR 0 .*"Syntax error in module 'app': invalid syntax \(app.py, line 1\)", "errorType": "Runtime.UserCodeSyntaxError".*`}},
		"malformed":    {nil, "app", []string{`LOG 0 .*`, `INIT_ERROR 0 .*Runtime.MalformedHandlerName.*`}},
		"built-in":     {nil, "sys.handler", []string{`LOG 0 .*`, `INIT_ERROR 0 .*Runtime.BuiltInModuleConflict.*`}},
		"raise":        {map[string]string{"app.py": "print('l', end='')\nraise RuntimeError('at load')"}, "app.handler", []string{`LOG 0 l`, `LOG 0 \[ERROR\] RuntimeError: at load.*`, `INIT_ERROR 0 .*"stackTrace": \["  File [^,]*app.py.*`}},
		"exit":         {map[string]string{"app.py": "import sys; print('l', end=''); sys.exit(2)"}, "app.handler", []string{`LOG 0 l`, `EOF 0 `}},
		"in a folder":  {map[string]string{"pkg/mod.py": "def handler(e, c): return __name__"}, "pkg/mod.handler", []string{`READY 0 `, `RESPONSE 1 "pkg.mod"`}},
		"names of the library's": {map[string]string{"app.py": "import colorsys, uuid, json, logging, token\n" + body("return [colorsys.x, uuid.x, hasattr(json, 'loads'), hasattr(token, 'NAME')]"),
			"colorsys.py": "x = 1", "uuid/__init__.py": "x = 2", "json.py": "x", "logging.py": "x", "token.py": "x"}, "app.handler", []string{`READY 0 `, `RESPONSE 1 \[1, 2, true, true\]`}},
		"path, zone": {map[string]string{"app.py": "import other, time\n" + body("return [other.x, time.tzname[0]]"), "lib/other.py": "x = 5"}, "app.handler", []string{`READY 0 `, `RESPONSE 1 \[5, "AAA"\]`}},
	}
	everywhere(t, func(t *testing.T, python string) {
		for name, test := range tests {
			for _, args := range [][]string{nil, {"ahead"}} {
				t.Run(fmt.Sprint(name, args), func(t *testing.T) {
					p := start(t, python, args...)
					got := p.load(test.files, map[string]any{"handler": test.handler, "env": map[string]string{"PYTHONPATH": "lib", "TZ": "AAA-3"}})
					if got[len(got)-1].Kind == bootstraptest.Ready {
						p.Invoke(1, `{}`, "")
						got = append(got, p.Frames(1)...)
					}
					match(t, got, test.want...)
				})
			}
		}
	})
}
