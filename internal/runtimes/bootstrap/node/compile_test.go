package node

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/runtimes/bootstrap/bootstraptest"
)

// compiled makes a bootstrap that has been compiled, and tells where it is and what
// has compiled it.
func compiled(t *testing.T) (dir, node string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no Node.js")
	}
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	ask(t, node, filepath.Join(dir, "compile.js"), dir)
	return dir, node
}

func ask(t *testing.T, node string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), node, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestCompiledBootstrap: the bootstrap works the same whether it has been compiled
// or not, and where what is there is not what this Node.js has made.
func TestCompiledBootstrap(t *testing.T) {
	dir, node := compiled(t)
	const look = `
		const { filename } = module.parent;
		exports.handler = async () => {
			const stack = new Error().stack;
			console.log('seen');
			const { answer } = await import('./other.mjs');
			return [answer, typeof awslambda.HttpResponseStream.from, stack.includes('/bootstrap.js'), filename.endsWith('/loader.js')];
		}`
	at := filepath.Join(dir, "compiled", strings.TrimSpace(ask(t, node, "-p", "process.version")))
	for _, c := range []struct {
		name, taken string
		spoil       func() error
	}{
		{"compiled", "true", func() error { return nil }},
		{"code of something else", "true", func() error { return os.WriteFile(at+".code", []byte("something else"), 0o644) }},
		{"no code", "false", func() error { return os.Remove(at + ".code") }},
		{"no text", "false", func() error { return os.Remove(at + ".js") }},
	} {
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		p := &process{bootstraptest.Start(t, node, filepath.Join(dir, "index.js"))}
		if got := told(p.load(map[string]string{"index.js": look, "other.mjs": `export const answer = 42`}, nil)); got != "READY 0 \n" {
			t.Fatalf("%s: loading says %s", c.name, got)
		}
		p.Invoke(1, "{}", "")
		match(t, told(p.Frames(1)), "LOG 1 ...seen\nRESPONSE 1 [42,\"function\","+c.taken+",true]\n")
	}
}

// TestCompiledBootstrapLoadsModules: what loads ES modules works there, too.
func TestCompiledBootstrapLoadsModules(t *testing.T) {
	dir, node := compiled(t)
	p := &process{bootstraptest.Start(t, node, filepath.Join(dir, "index.js"))}
	if got := told(p.load(map[string]string{"index.mjs": `export const handler = async () => 1`}, nil)); got != "READY 0 \n" {
		t.Errorf("loading says %s", got)
	}
}

// TestCompiledIsTaken: V8 takes its own code back.
func TestCompiledIsTaken(t *testing.T) {
	dir, node := compiled(t)
	got := ask(t, node, "-p", `
		const fs = require('node:fs'), at = process.argv[1] + '/compiled/' + process.version;
		new (require('node:vm').Script)(fs.readFileSync(at + '.js', 'utf8'), { cachedData: fs.readFileSync(at + '.code') }).cachedDataRejected`, dir)
	if got != "false\n" {
		t.Errorf("V8 has rejected it: %s", got)
	}
}
