package node

import (
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/runtimes/bootstrap/bootstraptest"
)

// TestSeveral runs invocations at the same time.
func TestSeveral(t *testing.T) {
	p := start(t)
	p.load(map[string]string{"index.js": `
		let all = [], go;
		const met = new Promise((r) => { go = r });
		exports.handler = async (e, c) => {
			awslambda.InvokeStore.set("n", e.n);
			if (all.push(e.n) === 3) go();
			await met;
			await new Promise((r) => setTimeout(r, 10 - e.n));
			console.log("n", e.n);
			process.stdout.write("part " + e.n);
			await new Promise(setImmediate);
			const s = awslambda.InvokeStore;
			return [s.get("n"), s.getRequestId(), s.getXRayTraceId(), c.awsRequestId, c.xRayTraceId, typeof c.done, process.env._X_AMZN_TRACE_ID, process.env.AWS_LAMBDA_MAX_CONCURRENCY];
		}`}, settings{"concurrency": 10})
	p.Invoke(1, `{"n":1}`, "")
	p.Invoke(2, `{"n":2}`, "")
	p.Invoke(3, `{"n":3}`, "")
	all := slices.Concat(p.Frames(1), p.Frames(1), p.Frames(1))
	for id, want := range map[uint32]string{
		1: "LOG 1 request-1\tINFO\tn 1\nLOG 1 part 1\nRESPONSE 1 [1,\"request-1\",\"Root=1\",\"request-1\",\"Root=1\",\"undefined\",null,\"10\"]\n",
		2: "LOG 2 request-2\tINFO\tn 2\nLOG 2 part 2\nRESPONSE 2 [2,\"request-2\",\"Root=2\",\"request-2\",\"Root=2\",\"undefined\",null,\"10\"]\n",
		3: "LOG 3 request-3\tINFO\tn 3\nLOG 3 part 3\nRESPONSE 3 [3,\"request-3\",\"Root=3\",\"request-3\",\"Root=3\",\"undefined\",null,\"10\"]\n",
	} {
		match(t, told(slices.DeleteFunc(slices.Clone(all), func(f bootstraptest.Frame) bool { return f.ID != id })), want)
	}
}

func TestSeveralGoWrong(t *testing.T) {
	for name, test := range map[string]struct{ js, want string }{
		"a plain return":    {`exports.handler = (e) => e`, "RESPONSE 1 1\nRESPONSE 2 2\n"},
		"one never answers": {`exports.handler = (e) => e === 1 ? new Promise(() => {}) : e`, "RESPONSE 2 2\n"},
		"one fails":         {`exports.handler = async (e) => { if (e === 1) throw "no"; return e }`, "LOG 1 ...\nERROR 1 {\"errorType\":\"string\",\"errorMessage\":\"no\"}\nRESPONSE 2 2\n"},
		"one throws where nobody catches": {`exports.handler = (e) => new Promise(() => setTimeout(() => { if (e === 2) throw new Error("mine") }, 5))`,
			"LOG 2 request-2\t...\nFATAL 2 {\"errorType\":\"Error\",\"errorMessage\":\"mine\"}\n"},
		"one rejects and nobody minds": {`exports.handler = (e) => new Promise(() => setTimeout(() => { if (e === 2) Promise.reject(8) }, 5))`,
			"LOG 2 request-2\t...\nFATAL 2 {\"errorType\":\"Runtime.UnhandledPromiseRejection\",\"errorMessage\":\"8\"}\n"},
		"streams": {`exports.handler = awslambda.streamifyResponse(async (e, s) => { s.end(String(e)) })`, "STREAM 1 \nCHUNK 1 1\nEND 1 \nSTREAM 2 \nCHUNK 2 2\nEND 2 \n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			p.load(map[string]string{"index.js": test.js}, settings{"concurrency": 2})
			p.Invoke(1, `1`, "")
			p.Invoke(2, `2`, "")
			if !strings.Contains(test.want, "FATAL") {
				_ = p.In.Close()
			}
			all := p.Rest()
			all = all[:len(all)-1]
			slices.SortStableFunc(all, func(a, b bootstraptest.Frame) int { return int(a.ID) - int(b.ID) }) // which is first is up to chance
			match(t, told(all), test.want)
		})
	}
	p := start(t)
	all := p.load(map[string]string{"index.js": `exports.handler = (e, c, cb) => cb(null, 1)`}, settings{"concurrency": 2})
	match(t, told(all), "LOG 0 undefined\t...\nINIT_ERROR 0 ...\n")
	if text := all[len(all)-1].Payload; !strings.Contains(text, "Runtime.CallbackHandlerDeprecated") {
		t.Errorf("the error is %s", text)
	}
}
