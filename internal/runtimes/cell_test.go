package runtimes

import (
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

// TestCell boots a runtime before it is known whose code it will run, and then
// makes it a function's.
func TestCell(t *testing.T) {
	for runtime, test := range map[string]struct {
		handler string
		code    map[string]string
		want    string
	}{
		"nodejs20.x": {"index.handler", map[string]string{"index.js": `exports.handler = async (e) => [e, process.env.LATE, require("shared"), process.cwd() === __dirname]`}, `["event","set","layer",true]`},
		"python3.11": {"app.handler", map[string]string{"app.py": "import os, shared\ndef handler(e, c): return [e, os.environ['LATE'], shared.x, os.getcwd() == os.path.dirname(__file__)]"}, `["event", "set", "layer", true]`},
	} {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, namespaces(t))
			l.layers = l.files(map[string]string{"nodejs/node_modules/shared/index.js": `module.exports = "layer"`, "python/shared.py": "x = 'layer'"})
			v := l.version(runtime, test.handler, test.code, func(c *pinfold.Config) {
				c.Environment, c.EphemeralMB, c.Layers = map[string]string{"LATE": "set"}, 600, []pinfold.LayerRef{{}}
			})
			kind := l.launcher.Kind(v)
			if kind == "" {
				t.Fatal("there are no cells for it")
			}
			cell, err := l.launcher.Boot(t.Context(), kind)
			if err != nil {
				t.Fatal(err)
			}
			defer cell.Close()
			if cell.MemoryMB() == 0 {
				t.Error("the cell holds no memory")
			}
			in, err := cell.Assign(t.Context(), v, How{})
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			res := l.call(in, `"event"`)
			if string(res.Payload) != test.want {
				t.Errorf("answer: %s", res.Payload)
			}
			if p := res.Phases; !p.Cold || p.Boot != 0 || p.Init == 0 || p.Sandbox == 0 {
				t.Errorf("phases: %+v", p)
			}
			if !strings.HasPrefix(string(res.LogTail), "INIT_START Runtime Version: ") {
				t.Errorf("log:\n%s", res.LogTail)
			}
		})
	}
}

func TestCellThatHasEnded(t *testing.T) {
	l := newLab(t, namespaces(t))
	v := l.version("nodejs20.x", "index.handler", map[string]string{"index.js": "exports.handler = async () => 1"})
	cell, err := l.launcher.Boot(t.Context(), l.launcher.Kind(v))
	if err != nil {
		t.Fatal(err)
	}
	if err := cell.box.Close(); err != nil {
		t.Fatal(err)
	}
	<-cell.Done()
	if _, err := cell.Assign(t.Context(), v, How{}); pinfold.ReasonOf(err) != "InstanceGone" {
		t.Errorf("it is assigned: %v", err)
	}
	if err := cell.Close(); err != nil {
		t.Error(err)
	}
}

// TestKinds: what must be known before a runtime starts cannot be told a cell.
func TestKinds(t *testing.T) {
	l := newLab(t, namespaces(t))
	for _, test := range []struct {
		runtime string
		env     map[string]string
		cell    bool
	}{
		{"nodejs20.x", nil, true}, {"python3.11", map[string]string{"STAGE": "dev"}, true}, {"nodejs20.x", map[string]string{"NODE_ENV": "production"}, true},
		{"nodejs20.x", map[string]string{"NODE_OPTIONS": "--max-old-space-size=1"}, false}, {"python3.11", map[string]string{"PYTHONHASHSEED": "0"}, false},
		{"python3.11", map[string]string{"LD_PRELOAD": "x"}, false}, {"provided.al2023", nil, false}, {"java21", nil, false},
	} {
		v := &pinfold.Version{Config: pinfold.Config{Runtime: test.runtime, Environment: test.env}}
		if kind := l.launcher.Kind(v); (kind != "") != test.cell {
			t.Errorf("%s with %v: %q", test.runtime, test.env, kind)
		}
	}
	if kind := newLab(t, none(t)).launcher.Kind(&pinfold.Version{Config: pinfold.Config{Runtime: "nodejs20.x"}}); kind != "" {
		t.Errorf("without walls: %q", kind)
	}
}
