package app_test

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
)

// folder makes files of "name: content"; "name -> target" makes a link. They
// look as if they had been left alone for an hour.
func folder(t *testing.T, entries ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, e := range entries {
		name, content, _ := strings.Cut(e, ": ")
		name, target, isLink := strings.Cut(name, " -> ")
		full := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if isLink {
			if err := os.Symlink(target, full); err != nil {
				t.Fatal(err)
			}
			continue
		}
		put(t, full, content)
	}
	return root
}

func put(t *testing.T, full, content string) {
	t.Helper()
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(full, old, old); err != nil {
		t.Fatal(err)
	}
}

func application(s *app.Source) *app.Application {
	return &app.Application{Functions: []app.Function{{Key: "hello", Source: s, At: app.Position{File: "serverless.yml", Line: 3}}}}
}

func build(t *testing.T, s *app.Source, cache string) (pinfold.Package, string) {
	t.Helper()
	a := application(s)
	paths, err := app.Build(t.Context(), a, app.BuildOptions{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	p := a.Functions[0].Code
	path := paths[p.SHA256]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != p.SHA256 || int64(len(b)) != p.Size {
		t.Fatalf("the package is not what %+v says", p)
	}
	return p, path
}

// list returns "name mode content" of a zip's entries.
func list(t *testing.T, path string) []string {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var all []string
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r) // checks the CRC too
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		all = append(all, fmt.Sprintf("%s %v %.20s", f.Name, f.Mode(), b))
	}
	return all
}

func TestBuildIsTheSameEverywhere(t *testing.T) {
	entries := []string{"a.js: exports.a = 1", "bin/run: #!/bin/sh", "lib/ü.txt: " + strings.Repeat("text ", 1000), "node_modules/p -> ../lib", "single.txt -> a.js", "empty: "}
	names := []string{"a.js", "bin/run", "empty", "lib/ü.txt", "node_modules/p", "single.txt"}
	one, two := folder(t, entries...), folder(t, entries...)
	for _, root := range []string{one, two} {
		if err := os.Chmod(filepath.Join(root, "bin/run"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	if err := os.Chtimes(filepath.Join(two, "a.js"), now, now); err != nil {
		t.Fatal(err)
	}
	a, path := build(t, &app.Source{Name: "service", Root: one, Files: names}, t.TempDir())
	b, _ := build(t, &app.Source{Name: "other", Root: two, Files: names}, t.TempDir())
	if a != b {
		t.Errorf("the same files made %v and %v", a, b)
	}
	want := []string{"a.js -rw-r--r-- exports.a = 1", "bin/run -rwxr-xr-x #!/bin/sh", "empty -rw-r--r-- ", "lib/ü.txt -rw-r--r-- text text text text ",
		"node_modules/p Lrwxrwxrwx ../lib", "single.txt Lrwxrwxrwx a.js"}
	if got := list(t, path); !slices.Equal(got, want) {
		t.Errorf("packed %q\n  want %q", got, want)
	}
}

func TestBuildPacksOnlyWhatChanged(t *testing.T) {
	root := folder(t, "a.js: one", "b.js: "+strings.Repeat("b", 5000), "c.js -> a.js")
	s := &app.Source{Name: "service", Root: root, Files: []string{"a.js", "b.js", "c.js"}}
	cache := t.TempDir()
	first, _ := build(t, s, cache)
	again, _ := build(t, s, cache)
	if first != again {
		t.Errorf("nothing changed, yet %v became %v", first, again)
	}
	// The same size and time: only the moment of the change tells.
	put(t, filepath.Join(root, "a.js"), "two")
	second, path := build(t, s, cache)
	if second == first {
		t.Error("a change of the same size and time was not seen")
	}
	fresh, _ := build(t, s, t.TempDir())
	if second != fresh {
		t.Errorf("from the cache %v, from scratch %v", second, fresh)
	}
	if got := list(t, path); got[0] != "a.js -rw-r--r-- two" {
		t.Errorf("packed %q", got)
	}
	s.Files = []string{"a.js", "c.js"}
	third, path := build(t, s, cache)
	if third == second || len(list(t, path)) != 2 {
		t.Error("a file that is left out is still in")
	}
	entries, _ := os.ReadDir(cache)
	if len(entries) != 2 {
		t.Errorf("the cache keeps %d files, want the newest package and its index", len(entries))
	}
}

func TestBuildSurvivesABrokenCache(t *testing.T) {
	root := folder(t, "a.js: one")
	s := &app.Source{Name: "service", Root: root, Files: []string{"a.js"}}
	cache := t.TempDir()
	want, path := build(t, s, cache)
	for _, damage := range []func() error{
		func() error { return os.Remove(path) },
		func() error { return os.Truncate(path, 10) },
		func() error {
			index, _ := filepath.Glob(filepath.Join(cache, "*.index"))
			return os.WriteFile(index[0], []byte("rubbish\nmore"), 0o600)
		},
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if got, _ := build(t, s, cache); got != want {
			t.Errorf("built %v, want %v", got, want)
		}
	}
}

func TestBuildShares(t *testing.T) {
	s := &app.Source{Name: "service", Root: folder(t, "a.js: x"), Files: []string{"a.js"}}
	a := &app.Application{Functions: []app.Function{{Source: s}, {Source: s}}, Layers: []app.Layer{{Source: &app.Source{Name: "layer l", Root: folder(t, "b: y"), Files: []string{"b"}}}}}
	var seen []string
	paths, err := app.Build(t.Context(), a, app.BuildOptions{Cache: t.TempDir(), Fast: true, Progress: func(pkg string, done, total int) {
		seen = append(seen, fmt.Sprintf("%s %d/%d", pkg, done, total))
	}})
	if err != nil || len(paths) != 2 || a.Functions[0].Code != a.Functions[1].Code || a.Layers[0].Code.Size == 0 {
		t.Errorf("%v %v %+v", paths, err, a)
	}
	if !slices.Equal(seen, []string{"service 1/1", "layer l 1/1"}) {
		t.Errorf("progress %q", seen)
	}
}

func TestBuildTakesAnArtifactAsItIs(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.zip")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	if _, err := z.Create("bootstrap"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, path := build(t, &app.Source{Name: "function x", Artifact: name}, t.TempDir()); path != name {
		t.Errorf("the package is at %s", path)
	}
}

func TestBuildProblems(t *testing.T) {
	root := folder(t, "a.js: x", "secret -> /etc/passwd")
	big := filepath.Join(root, "node_modules", "@big", "one")
	if err := os.MkdirAll(big, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(big, "data"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(300<<20), f.Close()); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(root, "a.js")
	for says, s := range map[string]*app.Source{
		"gone.js went away":                 {Root: root, Files: []string{"a.js", "gone.js"}},
		"leads out of the folder":           {Root: root, Files: []string{"secret"}},
		"node_modules/@big/one (300 MB)":    {Root: root, Files: []string{"node_modules/@big/one/data"}},
		"is not a zip file":                 {Artifact: text},
		"there is no file " + text + ".zip": {Artifact: text + ".zip"},
	} {
		s.Name = "function hello"
		_, err := app.Build(t.Context(), application(s), app.BuildOptions{Cache: t.TempDir()})
		problems, ok := errors.AsType[app.Problems](err)
		if !ok || !strings.Contains(err.Error(), says) || problems[0].At.Line != 3 {
			t.Errorf("%v, want a problem in line 3: %s", err, says)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = app.Build(ctx, application(&app.Source{Root: root, Files: []string{"a.js"}}), app.BuildOptions{Cache: t.TempDir()})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestFind(t *testing.T) {
	for _, c := range []struct {
		entries []string
		name    string
		code    pinfold.Code
		says    string
	}{
		{[]string{"serverless.yml: a"}, "serverless.yml", "", ""},
		{[]string{"serverless.json: a", "template.yaml: b"}, "serverless.json", "", ""},
		{[]string{"serverless.ts: a"}, "", pinfold.Unserved, "npx serverless print"},
		{[]string{"template.yaml: a"}, "", pinfold.Unserved, "SAM"},
		{[]string{"serverless-compose.yml: a", "api/serverless.yml: b"}, "", pinfold.Unserved, "deploy the folder of each by itself"},
		{[]string{"api/serverless.yml: a"}, "", pinfold.NotFound, "api does: name the folder that you mean"},
		{nil, "", pinfold.NotFound, "looked for serverless.yml, serverless.yaml, serverless.json"},
	} {
		dir := folder(t, c.entries...)
		format, name, err := app.Find(dir)
		if c.code == "" && (err != nil || format != app.Serverless || name != filepath.Join(dir, c.name)) {
			t.Errorf("%v: %v %v %v", c.entries, format, name, err)
		}
		if c.code != "" && (pinfold.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%v: %v, want %s ... %s", c.entries, err, c.code, c.says)
		}
	}
	dir := folder(t, "serverless.prod.yml: a", "readme.md: b")
	if _, name, err := app.Find(filepath.Join(dir, "serverless.prod.yml")); err != nil || filepath.Base(name) != "serverless.prod.yml" {
		t.Errorf("a manifest by its name: %v %v", name, err)
	}
	if _, _, err := app.Find(filepath.Join(dir, "readme.md")); pinfold.CodeOf(err) != pinfold.Invalid {
		t.Errorf("no manifest: %v", err)
	}
	if _, _, err := app.Find(filepath.Join(dir, "nowhere")); pinfold.CodeOf(err) != pinfold.NotFound {
		t.Errorf("no folder: %v", err)
	}
	t.Chdir(t.TempDir())
	if _, _, err := app.Find("."); err == nil || strings.HasPrefix(err.Error(), ".") {
		t.Errorf("the folder that we are in is not named: %v", err)
	}
}
