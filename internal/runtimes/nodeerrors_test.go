package runtimes

import (
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

// TestNodeErrors holds the error names and texts of Lambda's own runtime.
// Source: aws/aws-lambda-nodejs-runtime-interface-client, src/UserFunction.js,
// src/Errors.js, src/Runtime.js and src/CallbackContext.js.
func TestNodeErrors(t *testing.T) { behind(t, testNodeErrors) }

func testNodeErrors(t *testing.T, w walls) {
	faults(t, w, "nodejs20.x", "index.js", map[string]fault{
		"throw":             {`exports.handler = async () => { throw new TypeError("boom") }`, "index.handler", "TypeError", "boom", "\tERROR\tInvoke Error \t{\"errorType\":\"TypeError\",\"errorMessage\":\"boom\",\"stack\":[\"TypeError: boom\",", true},
		"throw in plain":    {`exports.handler = () => { throw new Error("boom") }`, "index.handler", "Error", "boom", "Invoke Error", true},
		"own error class":   {`class Own extends Error { constructor(m) { super(m); this.name = "Own.Error"; this.extra = 7 } }; exports.handler = async () => { throw new Own("x") }`, "index.handler", "Own.Error", "x", `"extra":7`, true},
		"callback error":    {`exports.handler = (e, c, cb) => cb(new Error("via callback"))`, "index.handler", "Error", "via callback", "Invoke Error", true},
		"callback string":   {`exports.handler = (e, c, cb) => cb("just text")`, "index.handler", "string", "just text", "Invoke Error", true},
		"fail":              {`exports.handler = (e, c) => c.fail(new Error("failed"))`, "index.handler", "Error", "failed", "", true},
		"fail without":      {`exports.handler = (e, c) => c.fail()`, "index.handler", "string", "handled", "", true},
		"reject string":     {`exports.handler = async () => { throw "text" }`, "index.handler", "string", "text", "", true},
		"not JSON":          {`exports.handler = async () => { const a = {}; a.a = a; return a }`, "index.handler", "Error", "Unable to stringify response body", "", true},
		"BigInt":            {`exports.handler = (e, c, cb) => cb(null, 1n)`, "index.handler", "Error", "Unable to stringify response body", "", true},
		"never settled":     {`exports.handler = async () => new Promise(() => {})`, "index.handler", "Runtime.NodeJsExit", `The Lambda runtime client detected an unexpected Node\.js exit code\. .*`, "", true},
		"uncaught":          {`exports.handler = (e, c, cb) => { setTimeout(() => { throw new RangeError("later") }, 5) }`, "index.handler", "RangeError", "later", "\tERROR\tUncaught Exception \t{\"errorType\":\"RangeError\"", false},
		"unhandled":         {`exports.handler = (e, c, cb) => { Promise.reject(new Error("nobody")); setTimeout(cb, 1000) }`, "index.handler", "Runtime.UnhandledPromiseRejection", "Error: nobody", "\tERROR\tUnhandled Promise Rejection \t{\"errorType\":\"Runtime.UnhandledPromiseRejection\",\"errorMessage\":\"Error: nobody\"", false},
		"exit 1":            {`exports.handler = async () => process.exit(1)`, "index.handler", "Runtime.ExitError", "RequestId: " + testID + " Error: Runtime exited with error: exit status 1", "RequestId: " + testID + " Error: Runtime exited with error: exit status 1\nRuntime.ExitError", false},
		"exit 0":            {`exports.handler = async () => process.exit(0)`, "index.handler", "Runtime.ExitError", "RequestId: " + testID + " Error: Runtime exited without providing a reason", "Runtime.ExitError", false},
		"killed":            {`exports.handler = async () => { process.kill(process.pid, "SIGKILL"); await new Promise(() => setTimeout(() => {}, 9999)) }`, "index.handler", "Runtime.ExitError", "RequestId: " + testID + " Error: Runtime exited with error: signal: killed", "Runtime.ExitError", false},
		"too large":         {`exports.handler = async () => "x".repeat(6291556)`, "index.handler", "Function.ResponseSizeTooLarge", `Response payload size exceeded maximum allowed payload size \(6291556 bytes\)\.`, "exceeded maximum allowed payload size", true},
		"garbage on link":   {`exports.handler = async () => { require("fs").writeSync(4, "this is not a frame"); return 1 }`, "index.handler", "Runtime.ExitError", ".*", "", false},
		"stream unfinished": {`exports.handler = awslambda.streamifyResponse(async (e, s) => { s.write("x") })`, "index.handler", "Error", `Response stream is not finished\.`, "", true},
		"stream not async":  {`exports.handler = awslambda.streamifyResponse((e, s) => { s.end("x") })`, "index.handler", "Error", `Streaming does not support non-async handlers\.`, "", true},

		"no export":        {`exports.other = 1`, "index.handler", "Runtime.HandlerNotFound", "index.handler is undefined or not exported", "INIT_REPORT Init Duration", false},
		"not a function":   {`exports.handler = 1`, "index.handler", "Runtime.HandlerNotFound", "index.handler is not a function", "", false},
		"no module":        {`exports.handler = 1`, "missing.handler", "Runtime.ImportModuleError", `(?s)Error: Cannot find module 'missing'\nRequire stack:\n- .*`, "", false},
		"no dependency":    {`require("not-there")`, "index.handler", "Runtime.ImportModuleError", `(?s)Error: Cannot find module 'not-there'\nRequire stack:\n- .*index\.js\n.*`, "undefined\tERROR\tUncaught Exception \t{\"errorType\":\"Runtime.ImportModuleError\"", false},
		"syntax error":     {`exports.handler = async ( => 1`, "index.handler", "Runtime.UserCodeSyntaxError", `SyntaxError: Unexpected token '=>'`, "", false},
		"malformed":        {``, "index", "Runtime.MalformedHandlerName", "Bad handler", "", false},
		"path that climbs": {``, "../index.handler", "Runtime.MalformedHandlerName", `'\.\./index\.handler' is not a valid handler name\. Use absolute paths when specifying root directories in handler names\.`, "", false},
		"throw in module":  {`throw new URIError("at load")`, "index.handler", "URIError", "at load", "Uncaught Exception", false},
		"exit in module":   {`process.exit(3)`, "index.handler", "Runtime.ExitError", "RequestId: " + testID + " Error: Runtime exited with error: exit status 3", "", false},
		"reject in module": {`Promise.reject(new Error("early")); exports.handler = async () => 1`, "index.handler", "Runtime.UnhandledPromiseRejection", "Error: early", "", false},
	})
}

// TestNodeOptions: a function can keep its own language runtime from starting.
func TestNodeOptions(t *testing.T) { behind(t, testNodeOptions) }

func testNodeOptions(t *testing.T, w walls) {
	l := newLab(t, w)
	res := l.once(l.version("nodejs20.x", "index.handler", map[string]string{"index.js": ""}, func(c *pinfold.Config) {
		c.Environment = map[string]string{"NODE_OPTIONS": "--no-such-option"}
	}), "{}")
	if e := l.errorOf(res); e.ErrorType != "Runtime.ExitError" || !strings.Contains(string(res.LogTail), "--no-such-option is not allowed") {
		t.Errorf("answer: %s\n%s", res.Payload, res.LogTail)
	}
}

func TestNodeStackTrace(t *testing.T) { behind(t, testNodeStackTrace) }

func testNodeStackTrace(t *testing.T, w walls) {
	l := newLab(t, w)
	e := l.errorOf(l.once(l.version("nodejs20.x", "index.handler", map[string]string{
		"index.js": `exports.handler = async () => { throw new Error("two\nlines") }`,
	}), `{}`))
	if len(e.Trace) < 3 || e.Trace[0] != "Error: two" || e.Trace[1] != "lines" || !strings.Contains(e.Trace[2], "index.js:1:") {
		t.Errorf("trace: %q", e.Trace)
	}
}
