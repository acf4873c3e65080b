package badinput

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/platformtest"
)

// What is wrong with a manifest is told with its place, before anything is
// uploaded.
func TestManifests(t *testing.T) {
	t.Parallel()
	h := start(t)
	manifest := func(from, to string) string {
		if !strings.Contains(goodManifest, from) {
			t.Fatalf("%q is not in the manifest", from)
		}
		return strings.Replace(goodManifest, from, to, 1)
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"broken YAML": {
			map[string]string{"serverless.yml": manifest("runtime: nodejs22.x", "runtime: [nodejs22.x")},
			[]string{"serverless.yml:"},
		},
		"a tab in YAML": {
			map[string]string{"serverless.yml": manifest("  runtime", "\truntime")},
			[]string{"serverless.yml:4", "tab"},
		},
		"an empty file": {map[string]string{"serverless.yml": "\n"}, []string{"serverless.yml:1", "service: NAME"}},
		"a list":        {map[string]string{"serverless.yml": "- a\n- b\n"}, []string{"serverless.yml:1", "service: NAME"}},
		"an unknown variable": {
			map[string]string{"serverless.yml": manifest("handler: hello.handler", "handler: ${self:custom.nowhere}")},
			[]string{"serverless.yml:7", "custom.nowhere"},
		},
		"an unknown source of variables": {
			map[string]string{"serverless.yml": manifest("handler: hello.handler", "handler: ${moon:phase}")},
			[]string{"serverless.yml:7", "moon"},
		},
		"a circular variable": {
			map[string]string{"serverless.yml": manifest("hello.handler", "${self:custom.a}") + "custom:\n  a: ${self:custom.b}\n  b: ${self:custom.a}\n"},
			[]string{"serverless.yml:1", "circular", "custom.a", "custom.b"},
		},
		"a missing handler file": {
			map[string]string{"serverless.yml": manifest("hello.handler", "helo.handler")},
			[]string{"serverless.yml:7", "helo.js", "did you mean hello.js?"},
		},
		"two functions on one route": {
			map[string]string{"serverless.yml": goodManifest + "  again:\n    handler: hello.handler\n    events:\n      - httpApi: 'GET /hello'\n"},
			[]string{"serverless.yml:14", "two functions on one route", "GET /hello", "again"},
		},
		"a runtime of nobody": {
			map[string]string{"serverless.yml": manifest("nodejs22.x", "cobol85")},
			[]string{"serverless.yml", "cobol85"},
		},
		"a missing artifact": {
			map[string]string{"serverless.yml": goodManifest + "package:\n  artifact: code.zip\n"},
			[]string{"serverless.yml:12", "code.zip", "build it first"},
		},
		"an artifact that is no zip file": {
			map[string]string{"serverless.yml": goodManifest + "package:\n  artifact: code.zip\n", "code.zip": "code"},
			[]string{"serverless.yml:12", "code.zip", "not a valid zip file"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.TryDeploy(t.Context(), t.TempDir(), platformtest.Files(t, changed(test.files)))
			if err == nil {
				t.Fatal("it was deployed")
			}
			wantText(t, err.Error(), test.want...)
		})
	}
	h.unharmed(t)
}

// A file of a hundred levels, or one that says the same a billion times, costs
// neither the memory nor the time of one.
func TestManifestBombs(t *testing.T) {
	t.Parallel()
	h := start(t)
	manifest := strings.Replace(goodManifest, "hello.handler", "${self:custom.x}", 1) + "custom:\n"
	laughs := manifest + "  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
	for i := range 12 {
		now, before := string(rune('b'+i)), string(rune('a'+i))
		if i == 0 {
			before = "a0"
		}
		if i == 11 {
			now = "x"
		}
		laughs += "  " + now + ": &" + now + " [" + strings.TrimSuffix(strings.Repeat("*"+before+", ", 9), ", ") + "]\n"
	}
	for name, text := range map[string]string{
		"a billion laughs": laughs,
		"deep nesting":     manifest + "  x: " + strings.Repeat("[", 100_000) + "\n",
		"deep variables":   manifest + "  x: " + strings.Repeat("${self:", 20_000) + strings.Repeat("}", 20_000) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.TryDeploy(t.Context(), t.TempDir(), platformtest.Files(t, changed(map[string]string{"serverless.yml": text})))
			if err == nil {
				t.Fatal("it was deployed")
			}
			problems, ok := errors.AsType[app.Problems](err)
			if !ok || problems[0].At.File != "serverless.yml" || problems[0].At.Line == 0 {
				t.Errorf("the error does not name a place in the file: %.300v", err)
			}
		})
	}
	h.unharmed(t)
}

// A handler without its export can be seen only when it is called; the function
// can be deployed, and mended, like every other.
func TestHandlerWithoutTheExport(t *testing.T) {
	t.Parallel()
	h := start(t)
	deploy := func(code string) *app.Deployed {
		deployed, err := h.TryDeploy(t.Context(), t.TempDir(), platformtest.Files(t, map[string]string{
			"serverless.yml": strings.ReplaceAll(goodManifest, "service: good", "service: other"), "hello.js": code,
		}))
		if err != nil {
			t.Fatal(err)
		}
		return deployed
	}
	name := deploy("exports.handel = async () => 1;\n").Functions[0].Name
	result, err := h.Client.Invoke(t.Context(), name, []byte("{}"), false)
	if err != nil {
		t.Fatal(err)
	}
	var failure struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(result.Payload, &failure); err != nil {
		t.Fatal(err)
	}
	if result.FunctionError != "Unhandled" || failure.ErrorType != "Runtime.HandlerNotFound" || failure.ErrorMessage != "hello.handler is undefined or not exported" {
		t.Errorf("%s %+v", result.FunctionError, failure)
	}
	deploy("exports.handler = async () => 1;\n")
	if result, err = h.Client.Invoke(t.Context(), name, []byte("{}"), false); err != nil || string(result.Payload) != "1" {
		t.Errorf("after it was mended: %s, %v", result.Payload, err)
	}
	if err := h.Client.Remove(t.Context(), "other", "dev"); err != nil {
		t.Fatal(err)
	}
	h.unharmed(t)
}
