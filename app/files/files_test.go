package files_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold/app/files"
)

// folder makes files of "name: content"; "name -> target" makes a link.
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
		var err error
		if isLink {
			err = os.Symlink(target, full)
		} else {
			err = os.WriteFile(full, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestSelectTreatsLinksSafely(t *testing.T) {
	root := folder(t, "a.js", "lib/b.js", "lib/deep/c.js", "packages/p/index.js",
		"same.js -> a.js",                               // to a file that is in: stays a link
		"node_modules/p -> ../packages/p",               // to a folder that is in: stays a link
		"node_modules/lib -> ../lib",                    // to a folder that is left out: copied under this name
		"copy.js -> lib/b.js",                           // to a file that is left out: copied
		"out -> /etc/passwd",                            // leaves the folder
		"gone -> nowhere",                               // leads nowhere
		"loop/self -> ..",                               // leads to where it is
		"venv/pyvenv.cfg", "venv/bin/python -> /bin/sh", // a virtual environment
	)
	tree, err := files.Scan(t.Context(), root, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, outside, err := tree.Select(t.Context(), func(name string) bool { return !strings.HasPrefix(name, "lib/") }, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a.js", "copy.js", "node_modules/lib/b.js", "node_modules/lib/deep/c.js", "node_modules/p", "packages/p/index.js", "same.js", "venv/pyvenv.cfg"}
	if !slices.Equal(got, want) {
		t.Errorf("selected %q\n    want %q", got, want)
	}
	if len(outside) != 1 || outside[0] != (files.Outside{Name: "out", Target: "/etc/passwd"}) {
		t.Errorf("outside %v", outside)
	}
	if !slices.Equal(tree.VirtualEnvs, []string{"venv"}) {
		t.Errorf("virtual environments %q", tree.VirtualEnvs)
	}
}

func TestScanSkipsAndStops(t *testing.T) {
	root := folder(t, "a", "big/b", "c/big/d")
	tree, err := files.Scan(t.Context(), root, func(dir string) bool { return dir == "big" })
	if err != nil || !slices.Equal(tree.Files, []string{"a", "c/big/d"}) {
		t.Errorf("%q %v", tree.Files, err)
	}
	if _, err := files.Scan(t.Context(), filepath.Join(root, "none"), nil); err == nil {
		t.Error("a folder that is not there was scanned")
	}
}

func TestDevDependencies(t *testing.T) {
	all := []string{"node_modules/express/index.js", "node_modules/jest/index.js", "node_modules/@types/node/x", "node_modules/express/node_modules/qs/index.js",
		"node_modules/jest/node_modules/qs/index.js", "node_modules/both/index.js", "src/a.js"}
	needed := []string{"node_modules/express/index.js", "node_modules/express/node_modules/qs/index.js", "node_modules/both/index.js", "src/a.js"}
	for name, extra := range map[string][]string{
		"npm 7 and later, what is installed": {`node_modules/.package-lock.json: {"packages":{"node_modules/express":{},"node_modules/both":{"devOptional":true},"node_modules/jest":{"dev":true},"node_modules/@types/node":{"dev":true}}}`},
		"npm 7 and later, lock file":         {`package-lock.json: {"lockfileVersion":3,"packages":{"":{},"node_modules/jest":{"dev":true},"node_modules/@types/node":{"dev":true}}}`},
		"npm 6":                              {`package-lock.json: {"dependencies":{"express":{"dependencies":{"qs":{}}},"both":{},"jest":{"dev":true},"@types/node":{"dev":true}}}`},
		"no lock file": {`package.json: {"dependencies":{"express":"1"},"devDependencies":{"jest":"1","@types/node":"1"}}`,
			`node_modules/express/package.json: {"dependencies":{"qs":"1","both":"1"}}`, `node_modules/jest/package.json: {"dependencies":{"qs":"2","both":"1"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			d := files.NewDevDependencies(folder(t, append(slices.Clone(all), extra...)...))
			var got []string
			for _, f := range all {
				if !d.Is(f) {
					got = append(got, f)
				}
			}
			if !slices.Equal(got, needed) {
				t.Errorf("needed %q\n  want %q", got, needed)
			}
		})
	}
	d := files.NewDevDependencies(folder(t, `service/package-lock.json: {"packages":{"node_modules/jest":{"dev":true}}}`))
	if !d.Is("service/node_modules/jest/x.js") || d.Is("node_modules/jest/x.js") {
		t.Error("a package below the folder has its own dependencies")
	}
	broken := files.NewDevDependencies(folder(t, `package-lock.json: {`))
	if broken.Is("node_modules/jest/x.js") {
		t.Error("a broken lock file excludes something")
	}
}
