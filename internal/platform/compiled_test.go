package platform_test

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// countsCompiled answers how many of its modules were compiled for it.
const countsCompiled = `import importlib, os, sys
compiled = set()
def watch(event, arguments):
    if event == "compile" and "/lib/" in str(arguments[1]):
        compiled.add(arguments[1])
sys.addaudithook(watch)
for i in range(40):
    importlib.import_module(f"lib.m{i}")
def handler(event, context):
    return len(compiled)
`

// What the first instance of a function compiles is for the next one: not for
// another function, though it has the same package, and not for other code.
func TestCompiledCodeIsKept(t *testing.T) {
	data := platformtest.DataFolder(t)
	service := func(memory int, what string) string {
		files := map[string]string{
			"serverless.yml": fmt.Sprintf("service: s\nprovider: {name: aws, runtime: python3.11, memorySize: %d}\n", memory) +
				"functions: {mine: {handler: app.handler}, theirs: {handler: app.handler}}\n",
			"app.py": countsCompiled,
		}
		for i := range 40 {
			files[fmt.Sprintf("lib/m%d.py", i)] = "x = " + strconv.Quote(what)
		}
		files["lib/m0.py"] = "x = '" + what + "'\ny = 1\n" + strings.Repeat("y = [y, 'text', 2]\n", 4000)
		files["large.txt"] = padding
		return platformtest.Files(t, files)
	}
	p := platformtest.Start(t, func(c *platform.Config) { c.Data = data })
	want := func(who, function string, compiled int) {
		t.Helper()
		result, err := p.Client.Invoke(t.Context(), "s-dev-"+function, []byte("{}"), false)
		if err != nil || string(result.Payload) != strconv.Itoa(compiled) {
			t.Errorf("%s compiles %s modules (%v), want %d", who, result.Payload, err, compiled)
		}
	}
	kept := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			found, _ := filepath.Glob(filepath.Join(data, "code", "*", "compiled-*", "*", "code"))
			if len(found) == n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("kept is %q, want that of %d", found, n)
			}
		}
	}

	p.Deploy(t, service(512, "one"))
	want("the first instance", "mine", 40)
	kept(1)
	p.Deploy(t, service(640, "one")) // ends the instances; the code is the same
	want("the second instance", "mine", 0)
	want("another function", "theirs", 40)
	kept(2)
	p.Deploy(t, service(768, "one"))
	want("the second instance of another function", "theirs", 0)
	p.Deploy(t, service(768, "two"))
	want("an instance of other code", "mine", 40)
	kept(3)
}

// padding makes a package large enough for what is compiled of it to be kept.
var padding = func() string {
	b := make([]byte, 64<<10)
	_, _ = rand.Read(b)
	return string(b)
}()
