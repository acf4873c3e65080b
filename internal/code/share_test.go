package code

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// sameFile reports whether a file of two packages is one file on disk.
func (f *fixture) sameFile(a pinfold.Package, nameA string, b pinfold.Package, nameB string) bool {
	f.t.Helper()
	first, err := os.Stat(filepath.Join(f.dir(a), nameA))
	if err != nil {
		f.t.Fatal(err)
	}
	second, err := os.Stat(filepath.Join(f.dir(b), nameB))
	if err != nil {
		f.t.Fatal(err)
	}
	return os.SameFile(first, second)
}

// wantShared makes sure of how many files the shared folder has.
func (f *fixture) wantShared(want int) {
	f.t.Helper()
	files, err := os.ReadDir(f.shared)
	if err != nil {
		f.t.Fatal(err)
	}
	if len(files) != want {
		f.t.Errorf("%d files are shared; want %d", len(files), want)
	}
}

func TestPackagesShareFiles(t *testing.T) {
	f := newPackages(t)
	later := func(h *zip.FileHeader) { h.Modified = h.Modified.Add(time.Hour) }
	stored := func(h *zip.FileHeader) { h.Method = zip.Store }
	one := f.add(item{name: "lib/util.js", content: "util"}, item{name: "index.js", content: "one"})
	two := f.add(item{name: "deep/lib/util.js", content: "util"}, item{name: "index.js", content: "two"},
		item{name: "tool", content: "util", mode: 0o755}, item{name: "later", content: "util", header: later}, item{name: "stored", content: "util", header: stored})
	for name, want := range map[string]bool{
		"deep/lib/util.js": true,
		"index.js":         false, // other content
		"tool":             false, // executable
		"later":            false, // Python cares
		"stored":           false, // packed in another way, and so not known to be the same
	} {
		if got := f.sameFile(one, "lib/util.js", two, name); got != want {
			t.Errorf("lib/util.js and %s are one file: %v; want %v", name, got, want)
		}
	}
	wantTree(t, f.dir(two),
		"dr-xr-xr-x .", "dr-xr-xr-x deep", "dr-xr-xr-x deep/lib", "-r--r--r-- deep/lib/util.js = util", "-r--r--r-- index.js = two",
		"-r--r--r-- later = util", "-r--r--r-- stored = util", "-r-xr-xr-x tool = util")
	f.wantShared(6)
	f.wantClean()
}

// What was unpacked before vouches only for an entry that declares the same.
func TestSharedFilesMustBeAsDeclared(t *testing.T) {
	f := newPackages(t)
	plain := zipOf(t, item{name: "a", content: "content"})
	if _, err := f.Add(t.Context(), bytes.NewReader(plain), 0); err != nil {
		t.Fatal(err)
	}
	for what, file := range map[string][]byte{
		"a wrong checksum":   patch(t, plain, central, 16, u32(1)),
		"more than declared": patch(t, plain, central, 24, u32(3)),
		"less than declared": patch(t, plain, central, 24, u32(30)),
	} {
		if _, err := f.Add(t.Context(), bytes.NewReader(file), 0); pinfold.CodeOf(err) != pinfold.Invalid {
			t.Errorf("%s: %v; want Invalid", what, err)
		}
	}
	f.wantShared(1)
}

// A function that is root can write into its code; others get it as it was packed.
func TestASpoiltFileIsNotShared(t *testing.T) {
	f := newPackages(t)
	one := f.add(item{name: "a", content: "good"})
	spoilt := filepath.Join(f.dir(one), "a")
	if err := errors.Join(os.Chmod(spoilt, 0o644), os.WriteFile(spoilt, []byte("evil"), 0o644), os.Chmod(spoilt, 0o444)); err != nil {
		t.Fatal(err)
	}
	two := f.add(item{name: "a", content: "good"}, item{name: "b"})
	three := f.add(item{name: "a", content: "good"}, item{name: "c"})
	wantTree(t, f.dir(two), "dr-xr-xr-x .", "-r--r--r-- a = good", "-r--r--r-- b = ")
	if f.sameFile(one, "a", two, "a") || !f.sameFile(two, "a", three, "a") {
		t.Error("want the new packages to share one file, and not the spoilt one")
	}
}

func TestWithoutHardLinks(t *testing.T) {
	f := newPackages(t)
	if err := os.Remove(f.shared); err != nil { // so that every link fails
		t.Fatal(err)
	}
	one, two := f.add(item{name: "a", content: "x"}), f.add(item{name: "a", content: "x"}, item{name: "b"})
	if f.sameFile(one, "a", two, "a") {
		t.Error("they share a file")
	}
	wantTree(t, f.dir(two), "dr-xr-xr-x .", "-r--r--r-- a = x", "-r--r--r-- b = ")
}

func TestCollectSharedFiles(t *testing.T) {
	f := newPackages(t)
	one, two := f.add(item{name: "both", content: "x"}, item{name: "one", content: "1"}), f.add(item{name: "both", content: "x"}, item{name: "two", content: "2"})
	f.wantShared(3)
	for _, test := range []struct {
		keep   []pinfold.Package
		shared int
	}{
		{[]pinfold.Package{one, two}, 3},
		{[]pinfold.Package{two}, 2},
		{nil, 0},
	} {
		f.now.Add(7200)
		if _, err := f.Collect(t.Context(), test.keep); err != nil {
			t.Error(err)
		}
		f.wantShared(test.shared)
	}
}

// A crash leaves an unfinished folder, whose files may be shared already.
func TestCrashWhileSharing(t *testing.T) {
	f := newPackages(t)
	file := zipOf(t, item{name: "a", content: "x"}, item{name: "b", content: "y"})
	kept := f.add(item{name: "b", content: "y"})
	a, err := inspect(bytes.NewReader(file), int64(len(file)), small, false)
	if err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(f.Packages.dir, unfinishedPrefix+"half")
	if err := os.Mkdir(half, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := a.write(t.Context(), half, f.shared); err != nil {
		t.Fatal(err)
	}
	f.wantShared(2)
	f.reopen()
	f.swept.Wait()
	f.wantClean()
	f.wantShared(1)
	again, err := f.Add(t.Context(), bytes.NewReader(file), 0)
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, f.dir(again), "dr-xr-xr-x .", "-r--r--r-- a = x", "-r--r--r-- b = y")
	if !f.sameFile(kept, "b", again, "b") {
		t.Error("what was shared before is not any more")
	}
}

// What an upload shared before it failed is not kept: it may have filled the disk.
func TestFailedUnpackingSharesNothing(t *testing.T) {
	f := newPackages(t)
	plain := zipOf(t, item{name: "a", content: "fine"}, item{name: "b", content: "damaged"})
	second := plain[bytes.LastIndex(plain, []byte(central)):]
	copy(second[16:], u32(1)) // its checksum
	if _, err := f.Add(t.Context(), bytes.NewReader(plain), 0); pinfold.CodeOf(err) != pinfold.Invalid {
		t.Errorf("Add = %v; want Invalid", err)
	}
	f.wantShared(0)
	cancelled, cancel := context.WithCancel(t.Context())
	last := readFunc(func(p []byte) (int, error) { cancel(); return 0, io.EOF }) // it was received, but then the caller went away
	if _, err := f.Add(cancelled, io.MultiReader(bytes.NewReader(zipOf(t, item{name: "a", content: "fine"})), last), 0); pinfold.CodeOf(err) != pinfold.Timeout {
		t.Errorf("Add = %v; want Timeout", err)
	}
	f.wantShared(0)
	f.wantClean()
}

type readFunc func(p []byte) (int, error)

func (r readFunc) Read(p []byte) (int, error) { return r(p) }

// Packages with the same files come and go at once: each has all of its files.
func TestSharingAtOnce(t *testing.T) {
	f := newPackages(t)
	var all sync.WaitGroup
	for i := range 4 {
		var items []item
		for n := range 3 * batch {
			items = append(items, item{name: fmt.Sprintf("d%d/%d", n%7, n), content: strings.Repeat("x", n)})
		}
		file := zipOf(t, append(items, item{name: "own", content: fmt.Sprint(i)})...)
		all.Go(func() {
			for range 5 {
				pkg, err := f.Add(t.Context(), bytes.NewReader(file), 0)
				if err != nil {
					t.Error(err)
					return
				}
				f.now.Add(1)
				dir, err := f.Dir(t.Context(), pkg)
				if pinfold.CodeOf(err) == pinfold.NotFound {
					continue // collected
				}
				if err != nil {
					t.Error(err)
				}
				for n := range 3 * batch {
					if info, err := os.Stat(filepath.Join(dir, fmt.Sprintf("d%d/%d", n%7, n))); err == nil && info.Size() != int64(n) {
						t.Errorf("file %d has %d bytes", n, info.Size())
					}
				}
			}
		})
		all.Go(func() {
			for range 5 {
				f.now.Add(7200)
				if _, err := f.Collect(t.Context(), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	f.wantClean()
	f.now.Add(7200)
	if _, err := f.Collect(t.Context(), nil); err != nil {
		t.Error(err)
	}
	f.wantShared(0)
}
