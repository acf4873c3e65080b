package node

import (
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/runtimes/bootstrap/bootstraptest"
)

// TestOneAtATime sends each function two invocations at once: the second one was
// sent ahead.
func TestOneAtATime(t *testing.T) {
	for name, test := range map[string]struct{ js, want string }{
		"async":     {`exports.handler = async (e) => e`, "RESPONSE 1 {\"n\":1}\nRESPONSE 2 {\"n\":2}\n"},
		"one waits": {`let busy = 0; exports.handler = async (e) => { const was = busy++; await new Promise((r) => setTimeout(r, 20)); busy--; return was }`, "RESPONSE 1 0\nRESPONSE 2 0\n"},
		"logs before the answer": {`exports.handler = async (e, c) => { console.log("n %d", e.n); process.stdout.write("raw\ntwo\r\npart"); console.error("e"); process.stderr.write("end"); return c.invokedFunctionArn + process.env._X_AMZN_TRACE_ID }`,
			"LOG 1 request-1\tINFO\tn 1\nLOG 1 raw\nLOG 1 two\nLOG 1 part\nLOG 1 request-1\tERROR\te\nLOG 1 end\nRESPONSE 1 \"arn:1Root=1\"\n" +
				"LOG 2 request-2\tINFO\tn 2\nLOG 2 raw\nLOG 2 two\nLOG 2 part\nLOG 2 request-2\tERROR\te\nLOG 2 end\nRESPONSE 2 \"arn:2Root=2\"\n"},
		"logs at init":                {`console.log("load\n"); process.stdout.write("part"); exports.handler = async () => 1`, "RESPONSE 1 1\nRESPONSE 2 1\n"},
		"write callbacks":             {`exports.handler = (e, c, cb) => process.stdout.write("x\n", () => cb(null, "written"))`, "LOG 1 x\nRESPONSE 1 \"written\"\nLOG 2 x\nRESPONSE 2 \"written\"\n"},
		"split in a character":        {`exports.handler = async () => { const b = Buffer.from("ü"); process.stdout.write(b.subarray(0, 1)); process.stdout.write(b.subarray(1)); process.stdout.write("\n") }`, "LOG 1 ü\nRESPONSE 1 null\nLOG 2 ü\nRESPONSE 2 null\n"},
		"ends stdout":                 {`exports.handler = async () => { process.stdout.end("a\n"); process.stdout.destroy(); await new Promise(setImmediate); process.stdout.write("b\n"); console.log("c") }`, "LOG 1 a\nLOG 1 b\nLOG 1 request-1\tINFO\tc\nRESPONSE 1 null\nLOG 2 a\nLOG 2 b\nLOG 2 request-2\tINFO\tc\nRESPONSE 2 null\n"},
		"closes 0, 1 and 2":           {`exports.handler = async (e) => { if (e.n === 1) for (const fd of [0, 1, 2]) require("fs").closeSync(fd); console.log("c") }`, "LOG 1 request-1\tINFO\tc\nRESPONSE 1 null\nLOG 2 request-2\tINFO\tc\nRESPONSE 2 null\n"},
		"console.table":               {`exports.handler = async () => { console.dir({ a: 1 }); console.group("g"); console.info("in"); console.groupEnd() }`, "LOG 1 { a: 1 }\nLOG 1 request-1\tINFO\tg\nLOG 1 request-1\tINFO\tin\nRESPONSE 1 null\nLOG 2 { a: 1 }\nLOG 2 request-2\tINFO\tg\nLOG 2 request-2\tINFO\tin\nRESPONSE 2 null\n"},
		"replaces the environment":    {`exports.handler = async (e, c) => { process.env = {}; console.log(1); return c.functionName }`, "LOG 1 request-1\tINFO\t1\nRESPONSE 1 \"under-test\"\nLOG 2 request-2\tINFO\t1\nRESPONSE 2 \"under-test\"\n"},
		"spoils the environment":      {`exports.handler = async (e, c) => { process.env = e.n === 1 ? undefined : Object.freeze({}); return c.functionName }`, "RESPONSE 1 \"under-test\"\nRESPONSE 2 \"under-test\"\n"},
		"replaces process":            {`exports.handler = async (e) => { globalThis.process = {}; await 1; return e.n }`, "RESPONSE 1 1\nRESPONSE 2 2\n"},
		"silence":                     {`exports.handler = () => {}`, "RESPONSE 1 null\nRESPONSE 2 null\n"},
		"silence of a promise":        {`exports.handler = async (e) => e.n === 1 ? new Promise(() => {}) : "next"`, "LOG 1 ...\nERROR 1 ...\nRESPONSE 2 \"next\"\n"},
		"callback waits":              {`exports.handler = (e, c, cb) => { cb(null, e.n); setTimeout(() => console.log("still"), 5) }`, "LOG 1 request-1\tINFO\tstill\nRESPONSE 1 1\nLOG 2 request-2\tINFO\tstill\nRESPONSE 2 2\n"},
		"callback does not wait":      {`exports.handler = (e, c, cb) => { c.callbackWaitsForEmptyEventLoop = false; setInterval(() => {}, 1000); cb(null, e.n) }`, "RESPONSE 1 1\nRESPONSE 2 2\n"},
		"goes on after the answer":    {`let was; exports.handler = (e, c) => { c.succeed(e.n); was = (was || "") + e.n; c.fail("no"); if (e.n === 2) console.log(was) }`, "RESPONSE 1 1\nRESPONSE 2 2\nLOG 0 request-2\tINFO\t12\n"},
		"throws a string":             {`exports.handler = () => { throw "text" }`, "LOG 1 request-1\tERROR\tInvoke Error \t{\"errorType\":\"Error\",\"errorMessage\":\"text\"}\nERROR 1 {\"errorType\":\"string\",\"errorMessage\":\"text\"}\nLOG 2 ...\nERROR 2 ...\n"},
		"throws undefined":            {`exports.handler = () => { throw undefined }`, "LOG 1 ...\nERROR 1 {\"errorType\":\"string\",\"errorMessage\":\"handled\"}\nLOG 2 ...\nERROR 2 ...\n"},
		"rejects with null":           {`exports.handler = async () => { throw null }`, "LOG 1 ...\nERROR 1 {\"errorType\":\"string\",\"errorMessage\":\"handled\"}\nLOG 2 ...\nERROR 2 ...\n"},
		"throws what cannot be shown": {`exports.handler = async () => { throw { get message() { throw 1 }, name: "x", stack: "y" } }`, "LOG 1 ...\nERROR 1 {\"errorType\":\"handled\",...\nLOG 2 ...\nERROR 2 ...\n"},
		"throws a symbol":             {`exports.handler = async () => { throw Symbol("x") }`, "LOG 1 ...\nERROR 1 {\"errorType\":\"symbol\",\"errorMessage\":\"Symbol(x)\"}\nLOG 2 ...\nERROR 2 ...\n"},
		"BigInt":                      {`exports.handler = async () => 1n`, "LOG 1 ...\nERROR 1 {\"errorType\":\"Error\",\"errorMessage\":\"Unable to stringify response body\"}\nLOG 2 ...\nERROR 2 ...\n"},
		"circular":                    {`exports.handler = (e, c, cb) => { const a = {}; a.a = a; setTimeout(() => cb(null, a), 1) }`, "LOG 1 ...\nERROR 1 {\"errorType\":\"Error\",\"errorMessage\":\"Unable to stringify response body\"}\nLOG 2 ...\nERROR 2 ...\n"},
		"toJSON throws":               {`exports.handler = (e, c) => c.done(null, { toJSON() { throw new Error("own") } })`, "LOG 1 ...\nERROR 1 {\"errorType\":\"Error\",\"errorMessage\":\"Unable to stringify response body\"}\nLOG 2 ...\nERROR 2 ...\n"},
		"a function":                  {`exports.handler = async () => () => {}`, "RESPONSE 1 null\nRESPONSE 2 null\n"},
		"a thenable":                  {`exports.handler = () => ({ then(ok) { setTimeout(ok, 1, "then") } })`, "RESPONSE 1 \"then\"\nRESPONSE 2 \"then\"\n"},
		"throws in then":              {`exports.handler = () => ({ then() { throw new TypeError("in then") } })`, "LOG 1 ...\nERROR 1 {\"errorType\":\"TypeError\",\"errorMessage\":\"in then\"}\nLOG 2 ...\nERROR 2 ...\n"},
		"exits":                       {`exports.handler = async (e) => { process.stdout.write("last words"); process.exit(0) }`, "LOG 1 last words\n(end)\n"},
		"exits while one is ahead":    {`exports.handler = async (e) => { if (e.n === 2) process.exit(0); return 1 }`, "RESPONSE 1 1\n(end)\n"},
		"blocks after a log":          {`exports.handler = async (e) => { console.log("seen"); process.kill(process.pid, "SIGKILL"); while (true); }`, "LOG 1 request-1\tINFO\tseen\n(end)\n"},
		"throws after the answer":     {`exports.handler = async (e) => { if (e.n === 2) setTimeout(() => { throw new Error("late") }, 1); return 1 }`, "RESPONSE 1 1\nRESPONSE 2 1\nLOG 0 ...\nFATAL 0 {\"errorType\":\"Error\",\"errorMessage\":\"late\"}\n(end)\n"},
		"throws in a timer":           {`exports.handler = (e, c, cb) => { setTimeout(() => { throw "late" }, 1) }`, "LOG 1 ...\nFATAL 1 {\"errorType\":\"string\",\"errorMessage\":\"late\"}\n(end)\n"},
		"rejects and nobody minds":    {`exports.handler = (e, c, cb) => { Promise.reject(7); setTimeout(cb, 1000) }`, "LOG 1 ...\nFATAL 1 {\"errorType\":\"Runtime.UnhandledPromiseRejection\",\"errorMessage\":\"7\"}\n(end)\n"},
		"large answer":                {`exports.handler = async (e) => "ü".repeat(1 << 20)`, "RESPONSE 1 ... 2097154\nRESPONSE 2 ... 2097154\n"},
		"long log":                    {`exports.handler = async (e) => { if (e.n === 1) { process.stdout.write("x".repeat(300000)); process.stdout.write("x".repeat(300000)); console.log("ü".repeat(200000)) } }`, "LOG 1 xxxxxxxxxx... 262144\nLOG 1 xxxxxxxxxx... 262144\nLOG 1 xxxxxxxxxx... 75712\nLOG 1 ... 262119\nLOG 1 ... 137896\nRESPONSE 1 null\nRESPONSE 2 null\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			p.load(map[string]string{"index.js": test.js}, nil)
			p.Invoke(1, `{"n":1}`, "")
			p.Invoke(2, `{"n":2}`, "")
			all := p.Frames(2)
			if !strings.Contains(test.want, "FATAL") {
				_ = p.In.Close()
			}
			if all[len(all)-1].Kind != bootstraptest.EOF {
				all = append(all, p.Rest()...)
				if !strings.HasSuffix(test.want, "(end)\n") {
					all = all[:len(all)-1]
				}
			}
			match(t, told(all), test.want)
		})
	}
}
