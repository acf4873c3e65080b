package code

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// these returns files one after the other, then err.
func these(err error, files ...item) func() (string, []byte, error) {
	return func() (string, []byte, error) {
		if len(files) == 0 {
			return "", nil, err
		}
		next := files[0]
		files = files[1:]
		return next.name, []byte(next.content), nil
	}
}

const python = "python-3.11.7"

// compiledVersion returns a version of a function whose package is unpacked.
func (f *fixture) compiledVersion(name string, pkg pinfold.Package, layers ...string) *pinfold.Version {
	f.t.Helper()
	f.dir(pkg)
	v := &pinfold.Version{Ref: pinfold.FunctionRef{Account: "123456789012", Region: "eu-west-1", Name: name, Qualifier: "$LATEST"}, Code: pkg}
	for _, l := range layers {
		v.Config.Layers = append(v.Config.Layers, pinfold.LayerRef{Code: pinfold.Package{SHA256: l}})
	}
	return v
}

func (f *fixture) keep(v *pinfold.Version, content string) {
	f.t.Helper()
	if err := f.KeepCompiled(v, python, these(io.EOF, item{name: "code", content: content})); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) wantCompiled(v *pinfold.Version, runtime, content string) {
	f.t.Helper()
	dir := f.Compiled(v, runtime)
	got, _ := os.ReadFile(filepath.Join(dir, "code"))
	if string(got) != content || (dir == "") != (content == "") {
		f.t.Errorf("%s with layers %v finds %q in %q; want %q", v.Ref.ARN(), v.Config.Layers, got, dir, content)
	}
}

// Who makes compiled code is who gets it, and nobody else.
func TestCompiledIsForOneFunction(t *testing.T) {
	f := newPackages(t)
	pkg := f.add(item{name: "a.py", content: "a"})
	mine := f.compiledVersion("mine", pkg)
	f.wantCompiled(mine, python, "")
	f.keep(mine, "compiled")
	f.keep(mine, "later") // comes too late
	f.wantCompiled(mine, python, "compiled")
	published := f.compiledVersion("mine", pkg)
	published.Ref.Qualifier = "7"
	f.wantCompiled(published, python, "compiled") // the same code

	elsewhere := f.compiledVersion("mine", pkg)
	elsewhere.Ref.Account = "210987654321"
	for name, v := range map[string]*pinfold.Version{
		"another function": f.compiledVersion("theirs", pkg),
		"another account":  elsewhere,
		"other code":       f.compiledVersion("mine", f.add(item{name: "a.py", content: "b"})),
		"a layer":          f.compiledVersion("mine", pkg, "l1"),
		"layers":           f.compiledVersion("mine", pkg, "l1", "l2"),
		"the other order":  f.compiledVersion("mine", pkg, "l2", "l1"),
	} {
		f.wantCompiled(v, python, "")
		f.keep(v, name)
		f.wantCompiled(v, python, name)
	}
	f.wantCompiled(mine, "python-3.11.8", "")
	f.wantCompiled(mine, python, "compiled")
	f.wantClean()
}

func TestCompiledIsReadOnly(t *testing.T) {
	f := newPackages(t)
	v := f.compiledVersion("mine", f.add(item{name: "a.js", content: "a"}))
	if err := f.KeepCompiled(v, "node-22.12.0", these(io.EOF, item{name: "v22/one", content: "1"}, item{name: "v22/two", content: "2"})); err != nil {
		t.Fatal(err)
	}
	wantTree(t, f.Compiled(v, "node-22.12.0"), "drwxr-xr-x .", "dr-xr-xr-x v22", "-r--r--r-- v22/one = 1", "-r--r--r-- v22/two = 2")
}

// What a function sends is not what it should be, or too much, or breaks off.
func TestCompiledRefuses(t *testing.T) {
	brokenOff := errors.New("the instance has ended")
	n := 0
	next := func() (string, []byte, error) { n++; return fmt.Sprint(n), []byte("x"), nil }
	large := func() (string, []byte, error) {
		name, _, _ := next()
		return name, make([]byte, maxCompiled/3), nil
	}
	f := newPackages(t)
	v := f.compiledVersion("mine", f.add(item{name: "a", content: "a"}))
	for name, test := range map[string]struct {
		next func() (string, []byte, error)
		code pinfold.Code
		is   error
	}{
		"above":         {next: these(io.EOF, item{name: "../code", content: "x"}), code: pinfold.Invalid},
		"absolute":      {next: these(io.EOF, item{name: "/etc/passwd", content: "x"}), code: pinfold.Invalid},
		"no name":       {next: these(io.EOF, item{content: "x"}), code: pinfold.Invalid},
		"itself":        {next: these(io.EOF, item{name: ".", content: "x"}), code: pinfold.Invalid},
		"a null":        {next: these(io.EOF, item{name: "a\x00b", content: "x"}), code: pinfold.Invalid},
		"long":          {next: these(io.EOF, item{name: strings.Repeat("x", 256), content: "x"}), code: pinfold.Invalid},
		"deep":          {next: these(io.EOF, item{name: "a/b/c/d/e", content: "x"}), code: pinfold.Invalid},
		"file as dir":   {next: these(io.EOF, item{name: "a", content: "x"}, item{name: "a/b", content: "x"}), code: pinfold.Internal},
		"many":          {next: next, code: pinfold.Invalid},
		"large":         {next: large, code: pinfold.Invalid},
		"broken off":    {next: these(brokenOff, item{name: "code", content: "x"}), is: brokenOff},
		"nothing":       {next: these(io.EOF)},
		"nothing in it": {next: these(io.EOF, item{name: "code"})},
	} {
		t.Run(name, func(t *testing.T) {
			err := f.KeepCompiled(v, python, test.next)
			if test.code != "" && pinfold.CodeOf(err) != test.code || test.is != nil && !errors.Is(err, test.is) || test.code == "" && test.is == nil && err != nil {
				t.Errorf("error: %v", err)
			}
			f.wantCompiled(v, python, "")
			f.wantClean()
		})
	}
}

func TestCompiledOfManyFunctionsIsBounded(t *testing.T) {
	f := newPackages(t)
	pkg := f.add(item{name: "a", content: "a"})
	f.keep(f.compiledVersion("first", pkg), "x")
	code := filepath.Join(f.Compiled(f.compiledVersion("first", pkg), python), "code")
	if err := os.Truncate(code, maxCompiledAll); err != nil { // a hole: it takes no room
		if err = os.Chmod(code, 0o644); err == nil {
			err = os.Truncate(code, maxCompiledAll)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	second := f.compiledVersion("second", pkg)
	if err := f.KeepCompiled(second, python, these(io.EOF, item{name: "code", content: "x"})); pinfold.CodeOf(err) != pinfold.Invalid {
		t.Errorf("error: %v", err)
	}
	f.wantCompiled(second, python, "")
	f.wantClean()
}

// Compiled code lives as long as its package: through a restart, but not through
// Collect.
func TestCompiledGoesWithItsPackage(t *testing.T) {
	f := newPackages(t)
	pkg := f.add(item{name: "a", content: "a"})
	v := f.compiledVersion("mine", pkg)
	f.keep(v, "compiled")
	torn := filepath.Join(f.Packages.dir, unfinishedPrefix+"of-a-killed-platform")
	if err := errors.Join(os.Mkdir(torn, 0o755), os.WriteFile(filepath.Join(torn, "code"), []byte("half"), 0o444)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	f.reopen()
	f.wantCompiled(v, python, "compiled")
	f.swept.Wait()
	f.wantClean()
	for _, inUse := range [][]pinfold.Package{{pkg}, nil} {
		f.now.Add(int64(2 * time.Hour / time.Second))
		if _, err := f.Collect(t.Context(), inUse); err != nil {
			t.Fatal(err)
		}
		if len(inUse) > 0 {
			f.wantCompiled(v, python, "compiled")
		}
	}
	f.wantCompiled(v, python, "")
	if left, err := filepath.Glob(filepath.Join(f.Packages.dir, compiledPrefix+"*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	// An instance that is still there sends what it has too late.
	if err := f.KeepCompiled(v, python, these(io.EOF, item{name: "code", content: "late"})); pinfold.CodeOf(err) != pinfold.NotFound {
		t.Errorf("compiled code of a package that is gone: %v", err)
	}
	f.wantCompiled(v, python, "")
	f.wantClean()
}

func FuzzCompiledNames(f *testing.F) {
	for _, name := range []string{"code", "v22.12.0-x64-abc-993/0a1b2c3d", "", ".", "..", "a/../b", "/a", "a//b", "a\\b", "a\x00", "a/b/c/d/e"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		root := t.TempDir()
		dir := filepath.Join(root, "dir")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := writeCompiled(dir, these(io.EOF, item{name: name, content: "content"}))
		got, _ := os.ReadFile(filepath.Join(dir, name))
		if err == nil && !bytes.Equal(got, []byte("content")) {
			t.Errorf("%q was accepted, and is not there", name)
		}
		if entries, _ := os.ReadDir(root); len(entries) != 1 {
			t.Errorf("%q was written elsewhere: %v", name, entries)
		}
		_ = removeAll(dir)
	})
}
