package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/runtimes/bootstrap/bootstraptest"
)

func TestLoading(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a module":           {map[string]string{"index.mjs": `export const handler = async () => 1`}, "READY 0 \n"},
		"logs":               {map[string]string{"index.js": "console.log('two\\nlines\\n'); process.stdout.write('part'); exports.handler = () => {}"}, "LOG 0 undefined\tINFO\ttwo\\nlines\nLOG 0 part\nREADY 0 \n"},
		"nothing exported":   {map[string]string{"index.js": ``}, "LOG 0 ...\nINIT_ERROR 0 {\"errorType\":\"Runtime.HandlerNotFound\",\"errorMessage\":\"index.handler is undefined or not exported\"}\n"},
		"throws":             {map[string]string{"index.js": `throw "text"`}, "LOG 0 ...\nINIT_ERROR 0 {\"errorType\":\"string\",\"errorMessage\":\"text\"}\n"},
		"throws undefined":   {map[string]string{"index.js": `throw undefined`}, "LOG 0 ...\nINIT_ERROR 0 {\"errorType\":\"undefined\",\"errorMessage\":\"undefined\"}\n"},
		"rejects":            {map[string]string{"index.js": `Promise.reject(Symbol("x")); exports.handler = () => {}`}, "LOG 0 ...\nINIT_ERROR 0 {\"errorType\":\"Runtime.UnhandledPromiseRejection\",\"errorMessage\":\"Symbol(x)\"}\n"},
		"exits":              {map[string]string{"index.js": `console.log("bye"); process.exit(0)`}, "LOG 0 ...\n(end)\n"},
		"never loads":        {map[string]string{"index.mjs": `console.log("wait"); await new Promise(() => {})`}, "LOG 0 ...\n"},
		"a syntax error":     {map[string]string{"index.js": `exports.handler = (`}, "LOG 0 ...\nINIT_ERROR 0 {\"errorType\":\"Runtime.UserCodeSyntaxError\",...\n"},
		"replaces the world": {map[string]string{"index.js": `globalThis.process = {}; globalThis.console = {}; exports.handler = async () => 1`}, "READY 0 \n"},
	} {
		for _, arg := range []string{"", "ahead"} {
			t.Run(name+" "+arg, func(t *testing.T) {
				t.Parallel()
				p := start(t, arg)
				if name == "never loads" {
					p.Write(test.files)
					p.Init(usual)
					match(t, told([]bootstraptest.Frame{p.Next()}), test.want)
					return
				}
				match(t, told(p.load(test.files, nil)), test.want)
			})
		}
	}
}

// TestRehearsalLeavesNoTrace has a function look for what a cell did before it was
// the function's.
func TestRehearsalLeavesNoTrace(t *testing.T) {
	files := map[string]string{"index.js": `
		const { Module } = require("node:module");
		const seen = JSON.stringify([process.env, process.cwd(), Object.keys(globalThis), Object.keys(awslambda), Object.keys(console).sort(), Module.globalPaths,
			module.parent.children.map((m) => m.id), Object.keys(Module._pathCache).filter((k) => /rehears/.test(k)), Object.keys(require.cache).filter((k) => /rehears/.test(k))]);
		exports.handler = async (event, context) => [seen, process.env._X_AMZN_TRACE_ID, context]`}
	var saw [2]string
	dir := t.TempDir()
	for i, arg := range []string{"", "ahead"} {
		p := start(t, arg)
		p.Dir = dir
		if got := told(p.load(files, nil)); got != "READY 0 \n" {
			t.Fatalf("loading says %s", got)
		}
		p.Invoke(1, "{}", "")
		saw[i] = p.Next().String()
	}
	if saw[0] != saw[1] {
		t.Errorf("in a process of its own a function sees\n%s\nand in one that was a cell\n%s", saw[0], saw[1])
	}
}

// TestCompiledCode has one instance make a cache of compiled code, and later ones
// use it.
func TestCompiledCode(t *testing.T) {
	var big strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&big, "exports.f%d = (a, b) => { const c = [a, b, %d]; return c.map((x) => x + 'some text that takes room').join('%d') };\n", i, i, i)
	}
	big.WriteString("for (const f of Object.values(exports)) f(1, 2);")
	files := map[string]string{
		"index.js": `const big = require("./lib/big.js"); const old = require("./lib/old");
			exports.handler = async () => [require.resolve("./lib/big.js") === module.children[0].filename, typeof require.cache, require.main === process.mainModule,
				(await import("./lib/m.mjs")).m, old.text, big.f7(1, 2).length, new Error().stack.split("\n")[1].replace(/.*index/, "")]`,
		"lib/big.js": big.String(), "lib/m.mjs": "export const m = 'm'", "lib/old.cjs": "", "lib/old.js": "exports.text = 'old'",
	}
	const answer = `[true,"object",true,"m","old",80,".js:3:69)"]`
	call := func(p *process, changes settings) string {
		p.load(files, changes)
		p.Invoke(1, "{}", "")
		return p.Next().Payload
	}
	plain := call(start(t), nil)
	if plain != answer {
		t.Errorf("it answers %s, want %s", plain, answer)
	}
	if v := start(t).Version; v < "22.10" { // 18 and 20 are before it, too
		t.Skipf("Node.js %s does not keep compiled code", v)
	}
	first := start(t)
	if got := call(first, settings{"wantCache": true}); got != plain {
		t.Errorf("with its code being kept it answers %s, without %s", got, plain)
	}
	var all []bootstraptest.Frame
	for last := (bootstraptest.Frame{Kind: bootstraptest.Cache, Payload: "more"}); last.Kind == bootstraptest.Cache && last.Payload != ""; {
		last = first.Next()
		all = append(all, last)
	}
	if len(all) < 2 || all[len(all)-1].Kind != bootstraptest.Cache {
		t.Fatalf("of compiled code there came %.300s", told(all))
	}
	if found, err := filepath.Glob(filepath.Join(os.TempDir(), ".compiled-*")); err != nil || len(found) > 0 {
		t.Errorf("left behind: %v, %v", found, err)
	}
	for name, change := range map[string]func(string) string{
		"as it was made": func(s string) string { return s },
		"cut":            func(s string) string { return s[:len(s)/2] },
		"nothing":        func(string) string { return "" },
		"spoiled":        func(s string) string { return s[:len(s)/2] + strings.Repeat("\xff", len(s)-len(s)/2) },
	} {
		folder := t.TempDir()
		for _, f := range all[:len(all)-1] {
			file, code, _ := strings.Cut(f.Payload, "\n")
			if !filepath.IsLocal(file) {
				t.Fatalf("a file %s", file)
			}
			if err := os.MkdirAll(filepath.Join(folder, filepath.Dir(file)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, file), []byte(change(code)), 0o444); err != nil {
				t.Fatal(err)
			}
		}
		p := start(t)
		p.Dir = first.Dir
		if got := call(p, settings{"cache": folder}); got != plain {
			t.Errorf("%s: with its code it answers %s, without %s", name, got, plain)
		}
	}
}
