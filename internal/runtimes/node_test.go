package runtimes

import (
	"testing"
)

func TestNodeAnswers(t *testing.T) { behind(t, testNodeAnswers) }

func testNodeAnswers(t *testing.T, w walls) {
	tests := map[string]struct {
		files   map[string]string
		handler string
		event   string
		want    string
	}{
		"async":              {map[string]string{"index.js": `exports.handler = async (event) => ({ got: event })`}, "index.handler", `{"a":[1,"ü"]}`, `{"got":{"a":[1,"ü"]}}`},
		"promise":            {map[string]string{"index.js": `exports.handler = () => Promise.resolve(1)`}, "index.handler", `{}`, `1`},
		"undefined":          {map[string]string{"index.js": `exports.handler = async () => {}`}, "index.handler", `{}`, `null`},
		"callback":           {map[string]string{"index.js": `exports.handler = (e, c, cb) => setTimeout(() => cb(null, "late"), 5)`}, "index.handler", `{}`, `"late"`},
		"callback waits":     {map[string]string{"index.js": `exports.handler = (e, c, cb) => { let n = {x: 1}; cb(null, n); setTimeout(() => { n.x = 2; console.log("still here") }, 20) }`}, "index.handler", `{}`, `{"x":1}`},
		"callback, no wait":  {map[string]string{"index.js": `exports.handler = (e, c, cb) => { c.callbackWaitsForEmptyEventLoop = false; setInterval(() => {}, 1000); cb(null, "now") }`}, "index.handler", `{}`, `"now"`},
		"first callback":     {map[string]string{"index.js": `exports.handler = (e, c, cb) => { cb(null, 1); cb(null, 2); c.succeed(3) }`}, "index.handler", `{}`, `1`},
		"succeed":            {map[string]string{"index.js": `exports.handler = (e, c) => { setInterval(() => {}, 1000); c.succeed({ok: true}) }`}, "index.handler", `{}`, `{"ok":true}`},
		"done":               {map[string]string{"index.js": `exports.handler = (e, c) => c.done(null, "d")`}, "index.handler", `{}`, `"d"`},
		"plain return":       {map[string]string{"index.js": `exports.handler = () => "ignored"`}, "index.handler", `{}`, `null`},
		"nested folder":      {map[string]string{"src/api/users.js": `exports.list = async () => "users"`}, "src/api/users.list", `{}`, `"users"`},
		"nested export":      {map[string]string{"index.js": `exports.api = { v1: { get: async () => "deep" } }`}, "index.api.v1.get", `{}`, `"deep"`},
		"mjs":                {map[string]string{"index.mjs": `export const handler = async (e) => e.n + 1`}, "index.handler", `{"n":41}`, `42`},
		"type module":        {map[string]string{"index.js": `import { x } from "./lib.js"; export const handler = async () => x`, "lib.js": `export const x = "esm"`, "package.json": `{"type":"module"}`}, "index.handler", `{}`, `"esm"`},
		"nearest package":    {map[string]string{"package.json": `{"type":"module"}`, "old/package.json": `{}`, "old/index.js": `exports.handler = async () => "cjs"`}, "old/index.handler", `{}`, `"cjs"`},
		"cjs":                {map[string]string{"index.cjs": `exports.handler = async () => "cjs"`, "package.json": `{"type":"module"}`}, "index.handler", `{}`, `"cjs"`},
		"default export":     {map[string]string{"index.mjs": `export default { handler: async () => "default" }`}, "index.handler", `{}`, `"default"`},
		"top-level await":    {map[string]string{"index.mjs": `const x = await new Promise((r) => setTimeout(() => r("awaited"), 10)); export const handler = async () => x`}, "index.handler", `{}`, `"awaited"`},
		"folder with index":  {map[string]string{"app/index.js": `exports.handler = async () => "folder"`}, "app.handler", `{}`, `"folder"`},
		"dependency":         {map[string]string{"index.js": `exports.handler = async () => require("dep")`, "node_modules/dep/index.js": `module.exports = "dep"`}, "index.handler", `{}`, `"dep"`},
		"large event":        {map[string]string{"index.js": `exports.handler = async (e) => e.length`}, "index.handler", `"` + bigString(5<<20) + `"`, `5242880`},
		"streaming":          {map[string]string{"index.js": `exports.handler = awslambda.streamifyResponse(async (e, s) => { s.write("a"); s.write("b"); s.end() })`}, "index.handler", `{}`, `ab`},
		"streaming HTTP":     {map[string]string{"index.mjs": `export const handler = awslambda.streamifyResponse(async (e, s) => { s = awslambda.HttpResponseStream.from(s, { statusCode: 201, headers: { "x": "y" } }); s.end("made") })`}, "index.handler", `{}`, `{"body":"made","headers":{"x":"y"},"statusCode":201}`},
		"streaming pipeline": {map[string]string{"index.mjs": `import { pipeline } from "node:stream/promises"; import { Readable } from "node:stream"; export const handler = awslambda.streamifyResponse(async (e, s) => { await pipeline(Readable.from(["x", "y"]), s) })`}, "index.handler", `{}`, `xy`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, w)
			in := l.launch(l.version("nodejs20.x", test.handler, test.files))
			for range 2 { // cold and warm
				res := l.call(in, test.event)
				if string(res.Payload) != test.want || res.FunctionError != "" {
					t.Fatalf("answer: %s %s, want %s\n%s", res.FunctionError, res.Payload, test.want, res.LogTail)
				}
			}
			if !in.Reusable() {
				t.Error("the instance cannot be used again")
			}
		})
	}
}

// From nodejs24.x on a handler that is not async answers with what it returns.
// Source: aws/aws-lambda-nodejs-runtime-interface-client, version 4, and
// "Define Lambda function handler in Node.js" on callbacks before and after 24.
func TestNodePlainReturns(t *testing.T) { behind(t, testNodePlainReturns) }

func testNodePlainReturns(t *testing.T, w walls) {
	for name, test := range map[string]struct{ runtime, code, want string }{
		"before":   {"nodejs22.x", `exports.handler = () => "ignored"`, `null`},
		"since":    {"nodejs24.x", `exports.handler = () => ({ plain: true })`, `{"plain":true}`},
		"nothing":  {"nodejs24.x", `exports.handler = (e, c) => {}`, `null`},
		"callback": {"nodejs24.x", `exports.handler = (e, c, cb) => { setTimeout(() => cb(null, "called"), 1); return "ignored" }`, `"called"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, w)
			res := l.once(l.version(test.runtime, "index.handler", map[string]string{"index.js": test.code}), `{}`)
			if string(res.Payload) != test.want || res.FunctionError != "" {
				t.Errorf("answer: %s %s, want %s", res.FunctionError, res.Payload, test.want)
			}
		})
	}
}

func bigString(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}
