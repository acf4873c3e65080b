package instant

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
)

// Functions that take too long to load when they do it for the first time, or
// always. They wait and use no processor.
const (
	nodeSlowOnce = `
const at = (what, name) => fetch(process.env.GATE + "?do=" + what + "&name=" + name).then((r) => r.text());
if (await at("count", process.env.AWS_LAMBDA_FUNCTION_NAME) === "1") await new Promise((resolve) => setTimeout(resolve, 3600e3));
export const handler = async () => "loaded";
`
	pythonSlowOnce = `
import os, threading, urllib.request
if urllib.request.urlopen(os.environ["GATE"] + "?do=count&name=" + os.environ["AWS_LAMBDA_FUNCTION_NAME"]).read() == b"1": threading.Event().wait()
def handler(event, context): return "loaded"
`
	nodeBlocks   = `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); exports.handler = async () => "loaded";`
	pythonBlocks = "import threading\nthreading.Event().wait()\ndef handler(event, context): return 'loaded'\n"
	neverAsks    = "#!/bin/sh\nexec sleep 3600\n"
)

// module makes a function of an ES module.
func module(code string) change {
	return func(in *lambda.CreateFunctionInput) {
		node("")(in)
		in.Code = zipped(map[string]string{"index.mjs": code})
	}
}

// TestSlowInit: after 10 s of loading, loading begins again inside the first
// invocation, in its time. This takes as long.
func TestSlowInit(t *testing.T) {
	t.Parallel()
	h := start(t)
	for name, code := range map[string]change{"node-slow-once": module(nodeSlowOnce), "python-slow-once": python(pythonSlowOnce)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h.create(t, name, code, timeout(20))
			a := h.call(t.Context(), name, "{}")
			a.is(t, `"loaded"`)
			h.call(t.Context(), name, "{}").is(t, `"loaded"`)
			if tries := h.at(t, "count", name, 0) - 1; tries != 2 {
				t.Errorf("it was loaded %d times, want two", tries)
			}
			if strings.Contains(a.logged, "MB\tInit Duration") {
				t.Errorf("what is part of the invocation is reported as before it:\n%s", a.logged)
			}
			if got := h.initReports(t, name); got != "init timeout" {
				t.Errorf("its log reports %s", got)
			}
		})
	}
	for name, code := range map[string]change{"node-blocks": node(nodeBlocks), "python-blocks": python(pythonBlocks), "custom-never-asks": custom(neverAsks)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h.create(t, name, code, timeout(1))
			h.call(t.Context(), name, "{}").fails(t, "Sandbox.Timedout", "Task timed out after 1.00 seconds")
			if got := h.initReports(t, name); got != "init timeout" {
				t.Errorf("its log reports %s", got)
			}
			// With other code it works.
			good := &lambda.CreateFunctionInput{}
			map[string]change{"node-blocks": node(`exports.handler = async () => "ok";`), "python-blocks": python("def handler(event, context): return 'ok'"), "custom-never-asks": custom(shellStream)}[name](good)
			if _, err := h.lambda.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: &name, ZipFile: good.Code.ZipFile}); err != nil {
				t.Fatal(err)
			}
			h.call(t.Context(), name, `"ok"`).is(t, `"ok"`)
		})
	}
}

// initReports is what a function's log says of loading that went wrong, until the
// first REPORT of an invocation: "PHASE STATUS, …".
func (h *house) initReports(t *testing.T, function string) string {
	t.Helper()
	var reports []string
	h.logs(t, client.LogQuery{Functions: []string{function}}, func(l pinfold.LogLine) bool {
		if strings.HasPrefix(l.Text, "INIT_REPORT ") {
			_, phase, _ := strings.Cut(l.Text, "Phase: ")
			phase, status, _ := strings.Cut(phase, "\tStatus: ")
			status, _, _ = strings.Cut(status, "\t")
			reports = append(reports, phase+" "+strings.TrimSpace(status))
		}
		return strings.HasPrefix(l.Text, "REPORT ")
	})
	return strings.Join(reports, ", ")
}

// TestFailingInit: loading that fails is tried once more, and the caller hears of
// it once.
func TestFailingInit(t *testing.T) {
	t.Parallel()
	h := start(t)
	const code = `throw new RangeError("while " + "loading");`
	for name, code := range map[string]change{"node": node(code), "python": python(`raise IndexError("while " + "loading")`)} {
		h.create(t, name, code)
		kind := map[string]string{"node": "RangeError", "python": "IndexError"}[name]
		h.call(t.Context(), name, "{}").fails(t, kind, "while loading")
		if got := h.initReports(t, name); got != "init error, invoke error" {
			t.Errorf("%s: its log reports %s", name, got)
		}
		told := 0
		h.logs(t, client.LogQuery{Functions: []string{name}}, func(l pinfold.LogLine) bool {
			if !l.System && strings.Contains(l.Text, kind) && strings.Contains(l.Text, "while loading") {
				told++
			}
			return strings.HasPrefix(l.Text, "REPORT ")
		})
		if told != 2 {
			t.Errorf("%s: its log tells %d times what went wrong, want two", name, told)
		}
		h.call(t.Context(), name, "{}").fails(t, kind, "while loading")
	}
}

// A custom runtime need not keep to anything.
const badShell = `#!/bin/bash
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
say() { curl -sS -o ${TMPDIR:-/tmp}/said -w '%{http_code}' "$@"; }
while :; do
  event=$(curl -sS -D ${TMPDIR:-/tmp}/headers $api/invocation/next)
  id=$(tr -d '\r' < ${TMPDIR:-/tmp}/headers | sed -n 's/^lambda-runtime-aws-request-id: //Ip')
  case $event in
    *'"never"'*) sleep 3600 ;;
    *'"no next"'*) say -d '"ok"' $api/invocation/$id/response; sleep 3600 ;;
    *'"twice"'*) say -d '"ok"' $api/invocation/$id/response; echo; say -d '"other"' $api/invocation/$id/response; echo " the second time" ;;
    *'"for another"'*) say -d '"other"' $api/invocation/00000000-0000-0000-0000-000000000000/response; echo " for another"; say -d '"ok"' $api/invocation/$id/response ;;
    *'"too much"'*) head -c 7340032 /dev/zero | say --data-binary @- $api/invocation/$id/response; echo " for too much" ;;
    *'"no JSON"'*) say -d 'no JSON' $api/invocation/$id/response ;;
    *'"no error"'*) say -d 'no JSON' $api/invocation/$id/error ;;
    *'"init error"'*) say -d '{}' $api/init/error; say -d '"ok"' $api/invocation/$id/response ;;
    *'"mode"'*) say -H 'Lambda-Runtime-Function-Response-Mode: buffered?' -d '"ok"' $api/invocation/$id/response ;;
    *'"close stdout"'*) exec >&- 2>&-; say -d '"ok"' $api/invocation/$id/response ;;
    *'"exit 0"'*) exit 0 ;;
    *'"exit after"'*) say -d '"ok"' $api/invocation/$id/response; exit 0 ;;
    *) say -d '"ok"' $api/invocation/$id/response ;;
  esac
done
`

// TestBadRuntimes: what is true for handlers is for runtimes.
func TestBadRuntimes(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.create(t, "custom", custom(badShell), timeout(20), memory(512))
	h.create(t, "brief", custom(badShell), timeout(1), memory(512)) // for what does not end by itself
	for _, c := range []bad{
		{do: "never", kind: "Sandbox.Timedout", message: "Task timed out after 1.00 seconds"},
		{do: "no next", message: `"ok"`},
		{do: "twice", message: `"ok"`, then: "400 the second time"},
		{do: "for another", message: `"ok"`, then: "400 for another"},
		{do: "too much", kind: "Function.ResponseSizeTooLarge", message: "(6291556 bytes)", then: "413 for too much"},
		{do: "no JSON", message: "no JSON"},
		{do: "no error", kind: "Runtime.Unknown", message: ""},
		{do: "init error", message: `"ok"`},
		{do: "mode", kind: "Runtime.InvalidResponseModeHeader", message: "buffered?"},
		{do: "close stdout", message: `"ok"`},
		{do: "exit 0", kind: "Runtime.ExitError", message: exitedWith0},
		{do: "exit after", message: `"ok"`},
	} {
		t.Run(c.do, func(t *testing.T) {
			name := "custom"
			if c.do == "never" || c.do == "no next" {
				name = "brief"
			}
			a := h.call(t.Context(), name, `{"do":"`+c.do+`"}`)
			if c.kind == "" {
				a.is(t, c.message)
			} else {
				a.fails(t, c.kind, c.message)
			}
			if c.then != "" {
				h.logs(t, client.LogQuery{Functions: []string{name}}, says(c.then))
			}
			h.call(t.Context(), name, `{"do":"ok"}`).is(t, `"ok"`)
		})
	}
}

// TestDeaf: a process that does not read is ended by its function's time, and
// what was too much for it does not hold up others.
func TestDeaf(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.create(t, "node", node(`exports.handler = async ({ deaf, place }) => {
  if (!deaf) return "ok";
  await fetch(process.env.GATE + "?do=count&name=" + place);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
};`), several(4), timeout(2))
	h.create(t, "python", python(`import ctypes, os, urllib.request
def handler(event, context):
    if not event.get("deaf"): return "ok"
    urllib.request.urlopen(os.environ["GATE"] + "?do=count&name=" + event["place"]).read()
    ctypes.PyDLL(None).sleep(3600) # keeps the interpreter's lock
`), several(4), timeout(2))
	for _, name := range []string{"node", "python"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deaf := h.later(t.Context(), name, `{"deaf":true,"place":"`+name+`"}`)
			h.came(t, name, 1)
			large := h.later(t.Context(), name, `{"much":"`+strings.Repeat("x", 5<<20)+`"}`)
			(<-deaf).fails(t, "Sandbox.Timedout", "Task timed out after 2.00 seconds")
			if a := <-large; a.err != nil || a.payload != `"ok"` && a.kind != "Runtime.ExitError" && a.kind != "Sandbox.Timedout" {
				t.Errorf("what was not read is answered with %+v, %v", a, a.err)
			}
			h.call(t.Context(), name, "{}").is(t, `"ok"`)
		})
	}
}

// TestFrozen: an idle function's clock stands still, and goes on with the next
// invocation.
func TestFrozen(t *testing.T) {
	t.Parallel()
	h := start(t)
	if h.Sandbox != "namespace" || strings.Contains(strings.Join(h.Weak, "\n"), "no limits on memory") {
		t.Skip("nothing can be frozen here: ", h.Weak)
	}
	h.create(t, "busy", node(`
let ticks = 0, next;
setInterval(() => { ticks++; next?.(); }, 1);
exports.handler = async () => {
  const before = ticks;
  await new Promise((resolve) => { next = resolve; });
  return { before, after: ticks };
};`), memory(1769))
	h.create(t, "clock", node(`exports.handler = () => new Promise(() => setTimeout(() => {}, 3600e3));`), timeout(2))
	ask := func() (it struct{ Before, After int }) {
		a := h.call(t.Context(), "busy", "{}")
		if err := json.Unmarshal([]byte(a.payload), &it); err != nil || a.kind != "" {
			t.Fatalf("%+v: %v", a, err)
		}
		return it
	}
	first := ask()
	h.call(t.Context(), "clock", "{}").fails(t, "Sandbox.Timedout", "2.00 seconds")
	then := ask()
	// In two seconds there are up to 2,000 ticks, of which a tenth of a second before it is frozen.
	if ticks := then.Before - first.After; ticks > 1000 {
		t.Errorf("it has ticked %d times while it was idle", ticks)
	}
	if first.After <= first.Before || then.After <= then.Before {
		t.Errorf("its timers do not go on: %+v, %+v", first, then)
	}
}

// TestLoops: a function that calls itself, through another one, is stopped in its
// 17th round, or where it may go on is not.
func TestLoops(t *testing.T) {
	t.Parallel()
	h := start(t)
	const code = `
exports.handler = async (event, context) => {
  const { urls, most } = JSON.parse(event.body);
  if (most === 1) return { runs: 1 };
  const resp = await fetch(urls[0], {
    method: "POST", body: JSON.stringify({ urls: [urls[1], urls[0]], most: most - 1 }),
    headers: { "content-type": "application/json", "x-amzn-trace-id": context.xRayTraceId },
  });
  const text = await resp.text();
  if (resp.status !== 200) return { runs: 1, stopped: resp.status + " " + text };
  const inner = JSON.parse(text);
  return { ...inner, runs: inner.runs + 1 };
};`
	var urls [2]string
	for i, name := range []string{"ping", "pong"} {
		h.create(t, name, node(code), several(100), memory(512))
		urls[i] = h.open(t, name)
	}
	round := func(most int) (it struct {
		Runs    int
		Stopped string
	}) {
		body, err := json.Marshal(map[string]any{"body": must(json.Marshal(map[string]any{"urls": []string{urls[1], urls[0]}, "most": most}))})
		if err != nil {
			t.Fatal(err)
		}
		a := h.call(t.Context(), "ping", string(body))
		if err := json.Unmarshal([]byte(a.payload), &it); err != nil || a.kind != "" {
			t.Fatalf("%+v: %v", a, err)
		}
		return it
	}
	if it := round(60); it.Runs != 32 || it.Stopped == "" { // 16 of each
		t.Errorf("a loop is stopped after %+v", it)
	} else {
		t.Log(it.Stopped)
	}
	for _, name := range []string{"ping", "pong"} {
		if _, err := h.lambda.PutFunctionRecursionConfig(t.Context(), &lambda.PutFunctionRecursionConfigInput{FunctionName: aws.String(name), RecursiveLoop: types.RecursiveLoopAllow}); err != nil {
			t.Fatal(err)
		}
	}
	if it := round(60); it.Runs != 60 || it.Stopped != "" {
		t.Errorf("a loop that is allowed goes on for %+v", it)
	}
}

func must(b []byte, _ error) string { return string(b) }
