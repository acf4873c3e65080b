package runtimes

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestCell boots a runtime before it is known whose code it will run, with next
// to no environment, and then makes it a function's.
func TestCell(t *testing.T) {
	for runtime, test := range map[string]struct {
		args    []string
		handler string
		code    map[string]string
		want    string
	}{
		"nodejs20.x": {[]string{"node/main.js"}, "index.handler",
			map[string]string{"index.js": `exports.handler = async (e) => [e, process.env.LATE, require("shared"), process.cwd() === __dirname]`}, `["event","set","layer",true]`},
		"python3.11": {[]string{"-s", "python/main.py"}, "app.handler",
			map[string]string{"app.py": "import os, shared\ndef handler(e, c): return [e, os.environ['LATE'], shared.x, os.getcwd() == os.path.dirname(__file__)]"}, `["event", "set", "layer", true]`},
	} {
		t.Run(runtime, func(t *testing.T) {
			l := newLab(t, none(t))
			id, _ := parse(runtime)
			interpreter, err := l.launcher.find.find(id)
			if err != nil {
				t.Fatal(err)
			}
			link, theirs, err := newLink()
			if err != nil {
				t.Fatal(err)
			}
			last := len(test.args) - 1
			cmd := exec.CommandContext(t.Context(), interpreter, append(test.args[:last:last], filepath.Join(l.launcher.bootstraps, test.args[last]))...)
			cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = []string{"LANG=C.UTF-8"}, t.TempDir(), os.Stderr, os.Stderr, []*os.File{theirs}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_ = theirs.Close()
			if version := <-link.hello; version == "" {
				t.Error("the cell does not tell its version")
			}
			layer := l.files(map[string]string{"nodejs/node_modules/shared/index.js": `module.exports = "layer"`, "python/shared.py": "x = 'layer'"})
			code, _ := filepath.EvalSymlinks(l.files(test.code))
			err = link.initialise(initFrame{
				Task: code, Opt: layer, Handler: test.handler, Env: map[string]string{"LATE": "set", "NODE_PATH": layer + "/nodejs/node_modules"},
			})
			if err != nil {
				t.Fatal(err)
			}
			if result := <-link.ready(); result.failure != nil {
				t.Fatalf("%s", result.failure.envelope)
			}
			answers, err := link.deliver(&delivery{requestID: testID, payload: []byte(`"event"`)})
			if err != nil {
				t.Fatal(err)
			}
			if a := <-answers; string(a.payload) != test.want {
				t.Errorf("answer: %s", a.payload)
			}
			if err := link.close(); err != nil {
				t.Error(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("without its platform the cell ends with %v", err)
			}
		})
	}
}
