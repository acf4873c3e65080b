package serverless_test

import (
	"archive/zip"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
)

var project = map[string]string{
	"src/a.js": "", "src/b.ts": "", "src/deep/c.js": "", "README.md": "", ".env": "A=1", ".git/config": "", ".gitignore": "", ".serverless/x.zip": "",
	"node_modules/express/index.js": "", "node_modules/jest/index.js": "",
	"package-lock.json": `{"packages":{"node_modules/express":{},"node_modules/jest":{"dev":true}}}`,
}

func TestPackagePatterns(t *testing.T) {
	always := []string{"README.md", "hello.js", "node_modules/express/index.js", "package-lock.json", "src/a.js", "src/b.ts", "src/deep/c.js"}
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"everything but what never belongs in": {"", append([]string{".env"}, always...)},
		"useDotenv keeps secrets out":          {"useDotenv: true\n", always},
		"development dependencies on demand": {"package: {excludeDevDependencies: false}\n",
			[]string{".env", "README.md", "hello.js", "node_modules/express/index.js", "node_modules/jest/index.js", "package-lock.json", "src/a.js", "src/b.ts", "src/deep/c.js"}},
		"only these":             {"package: {patterns: ['!**', 'src/**/*.js', hello.js]}\n", []string{"hello.js", "src/a.js", "src/deep/c.js"}},
		"the last pattern wins":  {"package: {patterns: ['!**', 'src/**', '!src/deep/**', '!**/*.ts', ./hello.js]}\n", []string{"hello.js", "src/a.js"}},
		"what is left out, back": {"package: {patterns: ['!**', hello.js, .git/config]}\n", []string{".git/config", "hello.js"}},
		"deprecated lists":       {"package: {exclude: ['**'], include: [hello.js, 'src/?.js']}\n", []string{"hello.js", "src/a.js"}},
		"braces and classes":     {"package: {patterns: ['!**', '{hello,none}.js', 'src/[a-b].{js,ts}']}\n", []string{"hello.js", "src/a.js", "src/b.ts"}},
		"local plugins":          {"plugins: {localPath: ./src/deep, modules: []}\npackage: {patterns: ['!node_modules/**', '!.env', '!*.json', '!README.md']}\n", []string{"hello.js", "src/a.js", "src/b.ts"}},
	} {
		a := ok(t, c.text, project, serverless.Options{})
		if got := a.Functions[0].Source.Files; !slices.Equal(got, c.want) {
			t.Errorf("%s: packed %q\n want %q", name, got, c.want)
		}
	}
}

func TestPackageIndividually(t *testing.T) {
	a := ok(t, `
package: {individually: true, patterns: ['!**', hello.js]}
functions:
  a: {handler: hello.handler, package: {patterns: [src/a.js]}}
  b: {handler: hello.handler}
  c: {handler: hello.handler}
  d: {handler: hello.handler, package: {artifact: d.zip}}
`, map[string]string{"src/a.js": "", "d.zip": zipped(t, "hello.js")}, serverless.Options{})
	sources := map[string]*app.Source{}
	for _, f := range a.Functions {
		sources[f.Key] = f.Source
	}
	if got := sources["a"].Files; !slices.Equal(got, []string{"hello.js", "src/a.js"}) {
		t.Errorf("a holds %q", got)
	}
	if sources["b"] != sources["c"] || sources["b"] == sources["a"] || sources["a"].Name != "function a" {
		t.Error("what holds the same must be shared, and nothing else")
	}
	if filepath.Base(sources["d"].Artifact) != "d.zip" {
		t.Errorf("d is %+v", sources["d"])
	}
	a = ok(t, "functions:\n  a: {handler: hello.handler, package: {patterns: ['!**']}}\n", nil, serverless.Options{})
	if !strings.Contains(warnings(a), "individually: true") || len(a.Functions[0].Source.Files) == 0 {
		t.Errorf("patterns of a function that is not packed on its own: %s", warnings(a))
	}
}

func zipped(t *testing.T, names ...string) string {
	t.Helper()
	var b strings.Builder
	z := zip.NewWriter(&b)
	for _, name := range names {
		if _, err := z.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHandlers(t *testing.T) {
	files := map[string]string{
		"src/ts.ts": "", "src/es.mjs": "", "src/py.py": "", "pkg/__init__.py": "", "bootstrap": "", "out.js": "", "x.zip": zipped(t, "in/zip.js"), "broken.zip": "no",
	}
	for f, says := range map[string]string{
		"handler: hello.handler":                                      "",
		"handler: ./hello.handler":                                    "",
		"handler: src/es.a.b":                                         "",
		"{handler: src/py.f, runtime: python3.12}":                    "",
		"{handler: src.py.f, runtime: python3.12}":                    "",
		"{handler: pkg.f, runtime: python3.12}":                       "",
		"{handler: any, runtime: provided.al2023}":                    "",
		"{handler: in/zip.f, package: {artifact: x.zip}}":             "",
		"{handler: /opt/x.f}":                                         "",
		"{handler: gone.f, layers: ['arn:aws:lambda:a:1:layer:x:1']}": "",
		"handler: helo.handler":                                       "serverless.yml:5:14: the file of the handler helo.handler of function f is missing: there is no helo.js, helo.mjs or helo.cjs; did you mean hello.js?",
		"handler: src/ts.handler":                                     "is written in src/ts.ts, which must be built first (serverless-esbuild does that in Serverless Framework): build the code",
		"handler: out.handler":                                        "out.js is there, add it to package.patterns",
		"handler: hello":                                              "does not name a file and an export: write FILE.EXPORT",
		"handler: ../x.handler":                                       "outside of the application's folder",
		"{handler: src/pi.f, runtime: python3.12}":                    "there is no src/pi.py, src/pi/__init__.py or src/pi.so; did you mean src/py.py",
		"{handler: gone, runtime: go1.x, package: {artifact: x.zip}}": "there is no bootstrap or gone in",
		"{handler: no/zip.f, package: {artifact: x.zip}}":             "there is no no/zip.js, no/zip.mjs or no/zip.cjs in",
		"{handler: a.f, package: {artifact: gone.zip}}":               "build it first",
		"{handler: a.f, package: {artifact: broken.zip}}":             "cannot read the package",
		"{handler: a.f, package: {artifact: 's3://b/k'}}":             "is in S3",
		"{handler: py.f, runtime: python3.12}":                        "there is no py.py, py/__init__.py or py.so; did you mean src/py.py?",
		"handler: src.es.f":                                           "there is no src.js, src.mjs or src.cjs; write src/es.f",
		"{handler: .//etc/x.f}":                                       "outside of the application's folder",
		"{handler: ..py.f, runtime: python3.12}":                      "outside of the application's folder",
		"handlr: a.f":                                                 "has no handler",
	} {
		text := "plugins: [serverless-esbuild]\npackage: {patterns: ['!out.js']}\nfunctions:\n  f: " + f + "\n"
		if !strings.HasPrefix(f, "{") {
			text = "plugins: [serverless-esbuild]\npackage: {patterns: ['!out.js']}\nfunctions:\n  f: {" + f + "}\n"
		}
		text = strings.ReplaceAll(text, "functions:\n  f: {handler: helo.handler}", "functions:\n  f:\n    handler: helo.handler")
		all := map[string]string{"serverless.yml": "service: shop\nprovider: {name: aws, runtime: nodejs20.x}\n" + text}
		for k, v := range files {
			all[k] = v
		}
		_, err := read(t, all, serverless.Options{})
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), strings.Replace(says, ":5:14", ":7:14", 1))) {
			t.Errorf("%s:\n got %v\nwant %s", f, err, says)
		}
	}
}

func TestPackageProblems(t *testing.T) {
	for text, says := range map[string]string{
		"package: {patterns: ['../x/**']}":                               "reaches out of the application's folder",
		"package: {patterns: ['src/!(a)/**']}":                           "are not understood",
		"package: {patterns: ['[']}":                                     "is not a pattern",
		"package: {patterns: ['!**']}":                                   "serverless.yml:6:1: the package of service is empty",
		"package: {artifact: gone.zip}":                                  "serverless.yml:6:21: there is no file gone.zip: build it first",
		"package: {artifact: hello.js}":                                  "cannot read the package hello.js (zip: not a valid zip file): build it again",
		"package: {patterns: ['!**', hello.js]}\nlayers: {l: {path: l}}": "the patterns of the service count for layers too",
		"layers: {l: {}}":                                                "the layer l has no content",
		"layers: {l: {path: gone}}":                                      "there is no folder gone for the layer l: build it first",
		"layers: {l: {path: ../x}}":                                      "outside of the application's folder",
		"layers: {l: {path: /tmp}}":                                      "outside of the application's folder",
		"layers: {l: {package: {artifact: g.zip}}}":                      "there is no file g.zip",
	} {
		_, err := read(t, map[string]string{"serverless.yml": manifest(text + "\n"), "l/a.js": ""}, serverless.Options{})
		problems, isProblems := errors.AsType[app.Problems](err)
		if !isProblems || !strings.Contains(err.Error(), says) || problems[0].At.File == "" {
			t.Errorf("%s: %v, want %s", text, err, says)
		}
	}
}

func TestLinksOutOfTheFolder(t *testing.T) {
	dir := folder(t, map[string]string{"serverless.yml": manifest(""), "venv/pyvenv.cfg": ""})
	for name, target := range map[string]string{"passwd": "/etc/passwd", "venv/python": "/bin/sh", "inside.js": "hello.js"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := serverless.Read(t.Context(), dir, serverless.Options{Target: target})
	if err == nil || !strings.Contains(err.Error(), "the link passwd leads out of the folder, to /etc/passwd") {
		t.Errorf("%v", err)
	}
	if err := os.Remove(filepath.Join(dir, "passwd")); err != nil {
		t.Fatal(err)
	}
	a, err := serverless.Read(t.Context(), dir, serverless.Options{Target: target})
	if err != nil || !slices.Equal(a.Functions[0].Source.Files, []string{"hello.js", "inside.js", "venv/pyvenv.cfg"}) || !strings.Contains(warnings(a), "virtual environment venv is packed") {
		t.Errorf("%v %v", a, err)
	}
}
