package runtimes

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPythonAnswers(t *testing.T) { behind(t, testPythonAnswers) }

func testPythonAnswers(t *testing.T, w walls) {
	tests := map[string]struct {
		files   map[string]string
		handler string
		event   string
		want    string
	}{
		"dict":             {map[string]string{"app.py": "def handler(event, context):\n    return {'got': event}"}, "app.handler", `{"a":[1,true,null]}`, `{"got": {"a": [1, true, null]}}`},
		"none":             {map[string]string{"app.py": "def handler(event, context): pass"}, "app.handler", `{}`, `null`},
		"unicode":          {map[string]string{"app.py": "def handler(e, c): return json.loads(json.dumps(e))\nimport json"}, "app.handler", `"ü€"`, "\"\\u00fc\\u20ac\""},
		"nested by slash":  {map[string]string{"pkg/mod.py": "def handler(e, c): return __name__"}, "pkg/mod.handler", `{}`, `"pkg.mod"`},
		"nested by dot":    {map[string]string{"pkg/__init__.py": "", "pkg/mod.py": "from . import other\ndef handler(e, c): return other.x", "pkg/other.py": "x = 7"}, "pkg.mod.handler", `{}`, `7`},
		"decimal":          {map[string]string{"app.py": "from decimal import Decimal\ndef handler(e, c): return {'n': Decimal('12.340'), 'm': [Decimal('1E+3')]}"}, "app.handler", `{}`, `{"n": 12.340, "m": [1E+3]}`},
		"bytes":            {map[string]string{"app.py": "def handler(e, c): return b'{\"raw\":1}'"}, "app.handler", `{}`, `{"raw":1}`},
		"bytes inside":     {map[string]string{"app.py": "def handler(e, c): return [b'x']"}, "app.handler", `{}`, `["x"]`},
		"own module names": {map[string]string{"main.py": "import logs, context, loop\ndef handler(e, c): return logs.x", "logs.py": "x = 'mine'", "context.py": "", "loop.py": ""}, "main.handler", `{}`, `"mine"`},
		"lambda_function":  {map[string]string{"lambda_function.py": "import os\ndef lambda_handler(e, c): return os.getcwd() == os.environ['LAMBDA_TASK_ROOT']"}, "lambda_function.lambda_handler", `{}`, `true`},
		"large event":      {map[string]string{"app.py": "def handler(e, c): return e"}, "app.handler", `"` + bigString(5<<20) + `"`, `"` + bigString(5<<20) + `"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, w)
			in := l.launch(l.version("python3.11", test.handler, test.files))
			for range 2 { // cold and warm
				res := l.call(in, test.event)
				got := string(res.Payload)
				if name == "unicode" {
					got = strings.ReplaceAll(got, "ü€", "\\u00fc\\u20ac") // from 3.12 on
				}
				if got != test.want || res.FunctionError != "" {
					t.Fatalf("answer: %s %.200s, want %.200s\n%s", res.FunctionError, got, test.want, res.LogTail)
				}
			}
		})
	}
}

// TestPythonErrors holds the error names and texts of Lambda's own runtime.
// Source: aws/aws-lambda-python-runtime-interface-client, awslambdaric/bootstrap.py.
func TestPythonErrors(t *testing.T) { behind(t, testPythonErrors) }

func testPythonErrors(t *testing.T, w walls) {
	faults(t, w, "python3.11", "app.py", map[string]fault{
		"raise":         {"def handler(e, c):\n    raise ValueError('boom')", "app.handler", "ValueError", "boom", "[ERROR] ValueError: boom\nTraceback (most recent call last):\n\u00a0\u00a0File \"", true},
		"raise empty":   {"def handler(e, c):\n    raise KeyError()", "app.handler", "KeyError", "", "[ERROR] KeyError\nTraceback", true},
		"marshal":       {"def handler(e, c): return object()", "app.handler", "Runtime.MarshalError", "Unable to marshal response: Object of type object is not JSON serializable", "[ERROR] Runtime.MarshalError: Unable to marshal response", true},
		"marshal set":   {"def handler(e, c): return {'a': {1}}", "app.handler", "Runtime.MarshalError", "Unable to marshal response: Object of type set is not JSON serializable", "", true},
		"unmarshal":     {"def handler(e, c): return 1", "app.handler", "Runtime.UnmarshalError", "Unable to unmarshal input: .*", "", true},
		"sys.exit":      {"import sys\ndef handler(e, c): sys.exit(4)", "app.handler", "Runtime.ExitError", "RequestId: " + testID + " Error: Runtime exited with error: exit status 4", "Runtime.ExitError", false},
		"sys.exit none": {"import sys\ndef handler(e, c): sys.exit()", "app.handler", "Runtime.ExitError", "RequestId: " + testID + " Error: Runtime exited without providing a reason", "", false},
		"os.abort":      {"import os\ndef handler(e, c): os.abort()", "app.handler", "Runtime.ExitError", "RequestId: " + testID + " Error: Runtime exited with error: signal: aborted", "", false},
		"too large":     {"def handler(e, c): return 'x' * 6291556", "app.handler", "Function.ResponseSizeTooLarge", `Response payload size exceeded maximum allowed payload size \(6291556 bytes\)\.`, "", true},

		"no handler":     {"x = 1", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'", "INIT_REPORT", false},
		"no module":      {"x = 1", "missing.handler", "Runtime.ImportModuleError", "Unable to import module 'missing': No module named 'missing'", "[ERROR] Runtime.ImportModuleError: Unable to import module 'missing': No module named 'missing'\nTraceback (most recent call last):\n", false},
		"no dependency":  {"import not_there", "app.handler", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'not_there'", "", false},
		"syntax error":   {"def handler(:", "app.handler", "Runtime.UserCodeSyntaxError", `Syntax error in module 'app': invalid syntax \(app\.py, line 1\)`, "", false},
		"malformed":      {"x = 1", "app", "Runtime.MalformedHandlerName", `Bad handler 'app': not enough values to unpack \(expected 2, got 1\)`, "", false},
		"built-in":       {"x = 1", "sys.handler", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module", "", false},
		"raise at load":  {"raise RuntimeError('at load')", "app.handler", "RuntimeError", "at load", "", false},
		"exit at load":   {"import sys; sys.exit(2)", "app.handler", "Runtime.ExitError", "RequestId: " + testID + " Error: Runtime exited with error: exit status 2", "", false},
		"not callable":   {"handler = 1", "app.handler", "TypeError", "'int' object is not callable", "", true},
		"garbage frames": {"import os\ndef handler(e, c): os.write(4, b'this is not a frame'); import time; time.sleep(30)", "app.handler", "Runtime.ExitError", ".*", "", false},
	})
}

func TestPythonStackTrace(t *testing.T) { behind(t, testPythonStackTrace) }

func testPythonStackTrace(t *testing.T, w walls) {
	l := newLab(t, w)
	res := l.once(l.version("python3.11", "app.handler", map[string]string{
		"app.py": "def handler(e, c):\n    inner()\n\ndef inner():\n    raise ValueError('deep')\n",
	}), `{}`)
	e := l.errorOf(res)
	var stack []string
	if err := json.Unmarshal(e.StackTrace, &stack); err != nil {
		t.Fatal(err)
	}
	if len(stack) != 2 || !strings.Contains(stack[0], "app.py\", line 2, in handler\n    inner()\n") || !strings.Contains(stack[1], "line 5, in inner") {
		t.Errorf("stack trace: %q", stack)
	}
	if e.RequestID == nil || *e.RequestID != testID {
		t.Errorf("requestId: %v", e.RequestID)
	}
}
