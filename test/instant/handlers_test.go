package instant

import (
	"strings"
	"testing"

	"pinfold.dev/pinfold/client"
)

// What handlers do that they should not. Each is an event of the function: ok is
// what it is asked in between.
const badNode = `
const fs = require("node:fs");
exports.handler = async (event) => {
  switch (event.do) {
    case "ok": return "ok";
    case "never": return new Promise((resolve) => setTimeout(resolve, 3600e3));
    case "unsettled": return new Promise(() => {});
    case "spin": for (;;);
    case "too much": return "x".repeat(7 << 20);
    case "circular": { const a = {}; a.a = a; return a; }
    case "bigint": return 1n;
    case "toJSON throws": return { toJSON() { throw new Error("no"); } };
    case "function": return () => {};
    case "write after": setImmediate(() => { console.log("late"); process.stdout.write("later\n"); fs.writeSync(1, "latest\n"); }); return "ok";
    case "close stdout": process.stdout.end(); process.stdout.destroy(); console.log("lost?"); return "ok";
    case "close 1 and 2": fs.closeSync(1); fs.closeSync(2); console.log("lost?"); return "ok";
    case "close all": for (let fd = 0; fd < 64; fd++) try { fs.closeSync(fd); } catch { } return "ok";
    case "speak": for (let fd = 3; fd < 10; fd++) try { fs.writeSync(fd, "x".repeat(100)); } catch { } return "ok";
    case "replace env": process.env = {}; return "ok";
    case "null env": process.env = null; return "ok";
    case "replace globals": globalThis.process = globalThis.console = undefined; return "ok";
    case "replace JSON": globalThis.JSON = globalThis.Promise = undefined; return "ok";
    case "break prototypes": Array.prototype.push = Buffer.prototype.write = () => { throw new Error("broken"); }; Object.prototype.then = 1; return "ok";
    case "exit 0": process.exit(0);
    case "exit later": setImmediate(() => process.exit(0)); return new Promise(() => {});
    case "abort": process.abort();
    case "throw a string": throw "a string";
    case "throw null": throw null;
    case "throw a thing": throw { toString() { throw new Error("no"); } };
    case "throw after": setImmediate(() => { throw new Error("late"); }); return "ok";
    case "throw in a timer": setTimeout(() => { throw new Error("by a timer"); }, 1); return "ok";
    case "reject after": setImmediate(() => Promise.reject(new Error("late"))); return "ok";
    case "stack": return (function f() { return f(); })();
  }
};
`

const badPython = `
import os, sys, threading
def handler(event, context):
    do = event["do"]
    if do == "ok": return "ok"
    if do == "never": threading.Event().wait()
    if do == "spin":
        while True: pass
    if do == "too much": return "x" * (7 << 20)
    if do == "circular":
        a = {}; a["a"] = a
        return a
    if do == "set": return {1, 2}
    if do == "write after":
        def late():
            print("late"); os.write(1, b"latest\n")
        threading.Timer(0, late).start()
        return "ok"
    if do == "close stdout":
        sys.stdout.close(); print("lost?"); return "ok"
    if do == "no stdout":
        sys.stdout = sys.stderr = None; print("lost?"); return "ok"
    if do == "close 1 and 2":
        os.close(1); os.close(2); print("lost?"); return "ok"
    if do == "close all":
        os.closerange(0, 64); return "ok"
    if do == "speak":
        for fd in range(3, 10):
            try: os.write(fd, b"x" * 100)
            except OSError: pass
        return "ok"
    if do == "replace env":
        os.environ = {}; return "ok"
    if do == "null env":
        os.environ = None; return "ok"
    if do == "clear env":
        os.environ.clear(); return "ok"
    if do == "exit 0": sys.exit(0)
    if do == "exit now": os._exit(0)
    if do == "abort": os.abort()
    if do == "throw a string": raise "a string"
    if do == "interrupt": raise KeyboardInterrupt()
    if do == "unprintable":
        class E(Exception):
            def __str__(self): raise ValueError("no")
        raise E()
    if do == "throw after":
        def late(): raise ValueError("late")
        threading.Timer(0, late).start()
        return "ok"
    if do == "stack":
        def f(): return f()
        return f()
`

// bad is one thing that a handler does.
type bad struct {
	do      string
	kind    string // of the error; "" where there is none
	message string // part of the error's, or the answer
	then    string // what its log says before the next invocation comes
}

// What is said of a process that ended by itself: with status 0, and otherwise.
const (
	exited      = "Runtime exited with"
	exitedWith0 = "Runtime exited without providing a reason"
)

var badHandlers = map[string][]bad{
	"node": {
		{do: "never", kind: "Sandbox.Timedout", message: "Task timed out after 1.00 seconds"},
		{do: "unsettled", kind: "Runtime.NodeJsExit", message: "a Promise that was never settled"},
		{do: "spin", kind: "Sandbox.Timedout", message: "Task timed out after 1.00 seconds"},
		{do: "too much", kind: "Function.ResponseSizeTooLarge", message: "(6291556 bytes)"},
		{do: "circular", kind: "Error", message: "Unable to stringify response body"},
		{do: "bigint", kind: "Error", message: "Unable to stringify response body"},
		{do: "toJSON throws", kind: "Error", message: "Unable to stringify response body"},
		{do: "function", message: "null"},
		{do: "write after", message: `"ok"`},
		{do: "close stdout", message: `"ok"`},
		{do: "close 1 and 2", message: `"ok"`},
		{do: "close all", kind: "Runtime.ExitError", message: exited},
		{do: "speak", kind: "?"}, // what it has begun to say may be longer than its time
		{do: "replace env", message: `"ok"`},
		{do: "null env", message: `"ok"`},
		{do: "replace globals", message: `"ok"`},
		{do: "replace JSON", kind: "Runtime.ExitError", message: exited},
		{do: "break prototypes", message: `"ok"`},
		{do: "exit 0", kind: "Runtime.ExitError", message: exitedWith0},
		{do: "exit later", kind: "Runtime.ExitError", message: exitedWith0},
		{do: "abort", kind: "Runtime.ExitError", message: exited + " error: signal: aborted"},
		{do: "throw a string", kind: "string", message: "a string"},
		{do: "throw null", kind: "string", message: "handled"},
		{do: "throw a thing", kind: "object", message: ""},
		{do: "throw after", message: `"ok"`},
		{do: "throw in a timer", message: `"ok"`, then: "by a timer"},
		{do: "reject after", message: `"ok"`},
		{do: "stack", kind: "RangeError", message: "Maximum call stack size exceeded"},
	},
	"python": {
		{do: "never", kind: "Sandbox.Timedout", message: "Task timed out after 1.00 seconds"},
		{do: "spin", kind: "Sandbox.Timedout", message: "Task timed out after 1.00 seconds"},
		{do: "too much", kind: "Function.ResponseSizeTooLarge", message: "(6291556 bytes)"},
		{do: "circular", kind: "Runtime.MarshalError", message: "Unable to marshal response: "},
		{do: "set", kind: "Runtime.MarshalError", message: "Unable to marshal response: Object of type set is not JSON serializable"},
		{do: "write after", message: `"ok"`},
		{do: "close stdout", message: `"ok"`},
		{do: "no stdout", message: `"ok"`},
		{do: "close 1 and 2", message: `"ok"`},
		{do: "close all", kind: "Runtime.ExitError", message: exited},
		{do: "speak", kind: "?"}, // what it has begun to say may be longer than its time
		{do: "clear env", message: `"ok"`},
		{do: "replace env", message: `"ok"`},
		{do: "null env", message: `"ok"`},
		{do: "exit 0", kind: "Runtime.ExitError", message: exitedWith0},
		{do: "exit now", kind: "Runtime.ExitError", message: exitedWith0},
		{do: "abort", kind: "Runtime.ExitError", message: exited + " error: signal: aborted"},
		{do: "throw a string", kind: "TypeError", message: "exceptions must derive from BaseException"},
		{do: "interrupt", kind: "Runtime.ExitError", message: exited},
		{do: "unprintable", kind: "E", message: ""},
		{do: "throw after", message: `"ok"`},
		{do: "stack", kind: "RecursionError", message: "maximum recursion depth exceeded"},
	},
}

// A handler may do what it likes: its caller gets AWS's answer, and so does the
// next one. Each handler is a function for one invocation at a time, and one for
// several.
func TestBadHandlers(t *testing.T) {
	t.Parallel()
	h := start(t)
	for _, name := range []string{"node", "node-several", "python", "python-several"} {
		language, _, _ := strings.Cut(name, "-")
		code := map[string]change{"node": node(badNode), "python": python(badPython)}[language]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			places, brief := int32(1+9*strings.Count(name, "-")), name+"-brief" // for what does not end by itself
			h.create(t, name, code, timeout(20), memory(512), several(places))
			h.create(t, brief, code, timeout(1), memory(512), several(places))
			for _, c := range badHandlers[language] {
				t.Run(c.do, func(t *testing.T) {
					name, runsOn := name, c.do == "unsettled" && places > 1 // others keep the event loop alive
					if runsOn || c.kind == "Sandbox.Timedout" {
						name = brief
					}
					a := h.call(t.Context(), name, `{"do":"`+c.do+`"}`)
					switch {
					case runsOn:
						a.fails(t, "Sandbox.Timedout", "")
					case c.kind == "?" && a.err == nil && a.kind != "":
					case c.kind == "":
						a.is(t, c.message)
					default:
						a.fails(t, c.kind, c.message)
					}
					if c.then != "" {
						h.logs(t, client.LogQuery{Functions: []string{name}}, says(c.then))
					}
					h.call(t.Context(), name, `{"do":"ok"}`).is(t, `"ok"`)
				})
			}
		})
	}
}
