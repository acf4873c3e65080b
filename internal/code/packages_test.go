package code

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/blob"
)

// fixture is a Packages over a new folder, with a clock that a test moves.
type fixture struct {
	*Packages
	t     *testing.T
	root  string
	blobs *spy
	now   atomic.Int64 // Unix seconds
}

// spy is a blob store that counts, and fails when told to.
type spy struct {
	*blob.Folder
	opened, put atomic.Int64
	putError    error
}

func (s *spy) Open(ctx context.Context, key string) (blob.Blob, error) {
	s.opened.Add(1)
	return s.Folder.Open(ctx, key)
}

func (s *spy) Put(ctx context.Context, key string, r io.Reader) error {
	s.put.Add(1)
	if s.putError != nil {
		return s.putError
	}
	return s.Folder.Put(ctx, key, r)
}

func newPackages(t *testing.T) *fixture {
	f := &fixture{t: t, root: t.TempDir()}
	f.now.Store(time.Now().Unix())
	t.Cleanup(func() { removeAll(f.root) }) // TempDir cannot remove read-only folders
	f.reopen()
	return f
}

// reopen starts again with what is on disk.
func (f *fixture) reopen() {
	f.t.Helper()
	folder, err := blob.NewFolder(filepath.Join(f.root, "blobs"))
	if err != nil {
		f.t.Fatal(err)
	}
	f.blobs = &spy{Folder: folder}
	if f.Packages, err = New(Options{Store: f.blobs, Dir: filepath.Join(f.root, "unpacked"), Now: func() time.Time { return time.Unix(f.now.Load(), 0) }}); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { f.Close() })
}

func (f *fixture) add(items ...item) pinfold.Package {
	f.t.Helper()
	pkg, err := f.Add(f.t.Context(), bytes.NewReader(zipOf(f.t, items...)), 0)
	if err != nil {
		f.t.Fatal(err)
	}
	return pkg
}

func (f *fixture) dir(pkg pinfold.Package) string {
	f.t.Helper()
	dir, err := f.Dir(f.t.Context(), pkg)
	if err != nil {
		f.t.Fatal(err)
	}
	return dir
}

// tree lists a folder: each path with its mode and content or target.
func tree(t *testing.T, dir string) (lines []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		line := info.Mode().String() + " " + name
		switch info.Mode().Type() {
		case 0:
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += " = " + string(content)
		case fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line = "link " + name + " -> " + target
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func wantTree(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := tree(t, dir); !slices.Equal(got, want) {
		t.Errorf("in %s:\n got %s\nwant %s", dir, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// wantClean makes sure that nothing unfinished is left.
func (f *fixture) wantClean() {
	f.t.Helper()
	entries, err := os.ReadDir(f.Packages.dir)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinishedPrefix) {
			f.t.Errorf("left behind: %s", e.Name())
		}
	}
}

func TestAddAndUnpack(t *testing.T) {
	f := newPackages(t)
	windows := func(h *zip.FileHeader) { h.CreatorVersion, h.ExternalAttrs = 0x0a<<8, 0x20 } // NTFS, archive bit
	noMode := func(h *zip.FileHeader) { h.ExternalAttrs = 0 }
	file := zipOf(t,
		item{name: "index.js", content: "code", mode: 0o600},
		item{name: "bootstrap", content: "#!/bin/sh", mode: 0o755},
		item{name: "lib/deep/util.py", content: "util"},
		item{name: "bin/"},
		item{name: "bin/util", content: "../lib/deep/../deep/util.py", mode: fs.ModeSymlink | 0o777},
		item{name: "setuid", content: "s", mode: fs.ModeSetuid | 0o4755},
		item{name: "windows.js", content: "w", header: windows},
		item{name: "nomode.js", content: "n", header: noMode},
	)
	pkg, err := f.Add(t.Context(), bytes.NewReader(file), 0)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(file); pkg.SHA256 != hex.EncodeToString(sum[:]) || pkg.Size != int64(len(file)) {
		t.Errorf("Add = %+v", pkg)
	}
	wantTree(t, f.dir(pkg),
		"dr-xr-xr-x .",
		"dr-xr-xr-x bin",
		"link bin/util -> ../lib/deep/util.py",
		"-r-xr-xr-x bootstrap = #!/bin/sh",
		"-r--r--r-- index.js = code",
		"dr-xr-xr-x lib",
		"dr-xr-xr-x lib/deep",
		"-r--r--r-- lib/deep/util.py = util",
		"-r--r--r-- nomode.js = n",
		"-r-xr-xr-x setuid = s",
		"-r--r--r-- windows.js = w",
	)
	if info, err := os.Stat(filepath.Join(f.dir(pkg), "index.js")); err != nil || !info.ModTime().Equal(time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)) {
		t.Errorf("the time of a file is lost: %v, %v", info.ModTime(), err)
	}
	b, err := f.Open(t.Context(), pkg)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, file) {
		t.Errorf("Open gives %d bytes, %v; want the %d that were added", len(got), err, len(file))
	}
	size, err := f.Unpacked(t.Context(), pkg)
	if want := int64(len("code#!/bin/shutilswn")); err != nil || size != want {
		t.Errorf("Unpacked = %d, %v; want %d", size, err, want)
	}
	f.wantClean()
}

func TestAddTwice(t *testing.T) {
	f := newPackages(t)
	first := f.add(item{name: "a", content: "x"})
	if second := f.add(item{name: "a", content: "x"}); second != first || f.blobs.put.Load() != 1 {
		t.Errorf("the same content again: %+v, %d puts; want %+v, 1", second, f.blobs.put.Load(), first)
	}
}

func TestUnknownPackage(t *testing.T) {
	f := newPackages(t)
	for _, hash := range []string{"", "x", "../../etc", strings.Repeat("0", 64), strings.Repeat("A", 64)} {
		pkg := pinfold.Package{SHA256: hash}
		if there, err := f.Has(t.Context(), pkg); there || err != nil {
			t.Errorf("Has(%q) = %v, %v", hash, there, err)
		}
		_, open := f.Open(t.Context(), pkg)
		_, dir := f.Dir(t.Context(), pkg)
		_, layers := f.Layers(t.Context(), []pinfold.Package{pkg})
		_, unpacked := f.Unpacked(t.Context(), pkg)
		for what, err := range map[string]error{"Open": open, "Dir": dir, "Layers": layers, "Unpacked": unpacked} {
			if pinfold.CodeOf(err) != pinfold.NotFound {
				t.Errorf("%s(%q) = %v; want NotFound", what, hash, err)
			}
		}
	}
	if len(f.known) > 0 || len(f.flights) > 0 {
		t.Errorf("unknown packages are remembered: %v, %v", f.known, f.flights)
	}
}

func TestAddRefuses(t *testing.T) {
	f := newPackages(t)
	hungUp := errors.New("the client hung up")
	plain := zipOf(t, item{name: "a", content: "content"})
	damagedBody := bytes.Clone(plain)
	damagedBody[30+len("a")+9] ^= 0xff // behind the local header, the name and the time
	for name, test := range map[string]struct {
		r     io.Reader
		limit int64
		code  pinfold.Code
		want  string
	}{
		"not a zip":           {strings.NewReader("no"), 0, pinfold.Invalid, awsText},
		"over the limit":      {bytes.NewReader(plain), int64(len(plain)) - 1, pinfold.TooLarge, "Zipped size must be smaller than"},
		"cut off on its way":  {io.MultiReader(bytes.NewReader(plain[:20]), iotest.ErrReader(hungUp)), 0, pinfold.Internal, "could not receive the code package"},
		"a damaged body":      {bytes.NewReader(damagedBody), 0, pinfold.Invalid, awsText + `The entry "a" is damaged`},
		"a wrong checksum":    {bytes.NewReader(patch(t, plain, central, 16, u32(1))), 0, pinfold.Invalid, awsText + `The entry "a" is damaged: zip: checksum error`},
		"more than declared":  {bytes.NewReader(patch(t, plain, central, 24, u32(3))), 0, pinfold.Invalid, awsText + `The entry "a" is damaged`},
		"less than declared":  {bytes.NewReader(patch(t, plain, central, 24, u32(30))), 0, pinfold.Invalid, awsText + `The entry "a" is damaged`},
		"a path that escapes": {bytes.NewReader(zipOf(t, item{name: "../x"})), 0, pinfold.Invalid, awsText + `The entry "../x" leaves the package.`},
	} {
		pkg, err := f.Add(t.Context(), test.r, test.limit)
		if pkg != (pinfold.Package{}) || pinfold.CodeOf(err) != test.code || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, %s %v\nwant %s %s", name, pkg, pinfold.CodeOf(err), err, test.code, test.want)
		}
	}
	wantTree(t, filepath.Join(f.root, "unpacked"), "drwxr-xr-x .", "drwxr-xr-x "+boot(), "drwxr-xr-x "+boot()+"/"+sharedDir)
	if f.blobs.put.Load() > 0 {
		t.Error("something was stored")
	}
}

func TestAddToAFullDisk(t *testing.T) {
	f := newPackages(t)
	file := zipOf(t, item{name: "a", content: "x"})
	f.blobs.putError = &fs.PathError{Op: "write", Err: syscall.ENOSPC}
	_, err := f.Add(t.Context(), bytes.NewReader(file), 0)
	if pinfold.CodeOf(err) != pinfold.Unavailable || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("Add = %v; want Unavailable", err)
	}
	wantTree(t, f.Packages.dir, "drwxr-xr-x .", "drwxr-xr-x "+sharedDir)
	f.blobs.putError = nil
	if _, err := f.Add(t.Context(), bytes.NewReader(file), 0); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestConcurrentCallersShareOneUnpacking(t *testing.T) {
	f := newPackages(t)
	pkg := f.add(item{name: "a", content: "x"})
	if err := removeAll(filepath.Join(f.Packages.dir, pkg.SHA256)); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			dir, err := f.Dir(t.Context(), pkg)
			if content, readErr := os.ReadFile(filepath.Join(dir, "a")); err != nil || readErr != nil || string(content) != "x" {
				t.Errorf("Dir = %q, %v; %v", dir, err, readErr)
			}
		})
	}
	all.Wait()
	if n := f.blobs.opened.Load(); n != 1 {
		t.Errorf("the zip file was opened %d times; want once", n)
	}
	f.wantClean()
}

func TestCancelledUnpackingDoesNotHarmOthers(t *testing.T) {
	f := newPackages(t)
	pkg := f.add(item{name: "a", content: "x"})
	removeAll(filepath.Join(f.Packages.dir, pkg.SHA256))
	f.reopen()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Dir(cancelled, pkg); pinfold.CodeOf(err) != pinfold.Timeout {
		t.Errorf("Dir with a cancelled context = %v; want Timeout", err)
	}
	f.wantClean()
	wantTree(t, f.dir(pkg), "dr-xr-xr-x .", "-r--r--r-- a = x")
}

func TestReopen(t *testing.T) {
	f := newPackages(t)
	pkg := f.add(item{name: "a", content: "x"})
	half := filepath.Join(f.Packages.dir, unfinishedPrefix+"half")
	old := filepath.Join(f.root, "unpacked", "boot-before", pkg.SHA256)
	for _, dir := range []string{half, old} {
		if err := os.MkdirAll(filepath.Join(dir, "inner"), 0o755); err != nil {
			t.Fatal(err)
		}
		os.Chmod(filepath.Join(dir, "inner"), 0o555)
	}
	f.reopen()
	f.swept.Wait()
	for _, dir := range []string{half, filepath.Dir(old)} {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there (%v)", dir, err)
		}
	}
	f.dir(pkg)
	if n := f.blobs.opened.Load(); n != 0 {
		t.Errorf("what is unpacked was unpacked again (%d opens)", n)
	}
	if there, err := f.Has(t.Context(), pkg); !there || err != nil {
		t.Errorf("Has = %v, %v", there, err)
	}
}

func TestLayers(t *testing.T) {
	f := newPackages(t)
	one := f.add(item{name: "python/lib.py", content: "one"}, item{name: "bin/tool", content: "tool", mode: 0o755}, item{name: "only-one", content: "1"},
		item{name: "was-file", content: "f"}, item{name: "was-folder/x", content: "x"}, item{name: "was-link", content: "only-one", mode: fs.ModeSymlink | 0o777})
	two := f.add(item{name: "python/lib.py", content: "two"}, item{name: "python/more.py", content: "more"},
		item{name: "was-file/y", content: "y"}, item{name: "was-folder", content: "f"}, item{name: "was-link/z", content: "z"}, item{name: "link", content: "bin/tool", mode: fs.ModeSymlink | 0o777})
	layers := func(packages ...pinfold.Package) string {
		dir, err := f.Layers(t.Context(), packages)
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	if dir := layers(); dir != "" {
		t.Errorf("no layers: %q", dir)
	}
	if dir := layers(one); dir != f.dir(one) {
		t.Errorf("one layer: %q; want its own folder", dir)
	}
	both := layers(one, two)
	wantTree(t, both,
		"dr-xr-xr-x .",
		"dr-xr-xr-x bin",
		"-r-xr-xr-x bin/tool = tool",
		"link link -> bin/tool",
		"-r--r--r-- only-one = 1",
		"dr-xr-xr-x python",
		"-r--r--r-- python/lib.py = two",
		"-r--r--r-- python/more.py = more",
		"dr-xr-xr-x was-file",
		"-r--r--r-- was-file/y = y",
		"-r--r--r-- was-folder = f",
		"dr-xr-xr-x was-link",
		"-r--r--r-- was-link/z = z",
	)
	if again := layers(one, two); again != both {
		t.Errorf("the same list again: %q; want %q", again, both)
	}
	other := layers(two, one)
	if content, err := os.ReadFile(filepath.Join(other, "python/lib.py")); other == both || err != nil || string(content) != "one" {
		t.Errorf("in the other order: %q, %v", content, err)
	}
	// The layers themselves are as they were.
	wantTree(t, filepath.Join(f.dir(one), "python"), "dr-xr-xr-x .", "-r--r--r-- lib.py = one")
	f.wantClean()
}

func TestCollect(t *testing.T) {
	f := newPackages(t)
	kept, unused := f.add(item{name: "kept"}), f.add(item{name: "unused"})
	layer := f.add(item{name: "layer"})
	merged := func(packages ...pinfold.Package) string {
		dir, err := f.Layers(t.Context(), packages)
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	stays, goes := merged(kept, layer), merged(kept, unused)
	collect := func(want int, inUse ...pinfold.Package) {
		t.Helper()
		if n, err := f.Collect(t.Context(), inUse); err != nil || n != want {
			t.Errorf("Collect = %d, %v; want %d", n, err, want)
		}
	}
	collect(0) // everything was just asked for
	f.now.Add(7200)
	collect(1, kept, layer)
	for dir, want := range map[string]bool{stays: true, goes: false, f.dir(kept): true, filepath.Join(f.Packages.dir, unused.SHA256): false} {
		if _, err := os.Lstat(dir); (err == nil) != want {
			t.Errorf("%s: %v; want it there: %v", dir, err, want)
		}
	}
	if there, _ := f.Has(t.Context(), unused); there {
		t.Error("the unused package is still stored")
	}
	if _, err := f.Dir(t.Context(), unused); pinfold.CodeOf(err) != pinfold.NotFound {
		t.Errorf("Dir of a collected package = %v; want NotFound", err)
	}
	f.now.Add(7200)
	if there, err := f.Has(t.Context(), layer); !there || err != nil { // somebody is about to refer to it
		t.Errorf("Has = %v, %v", there, err)
	}
	collect(0, kept)
	f.now.Add(7200)
	collect(1, kept)
	if again := f.add(item{name: "unused"}); again != unused {
		t.Errorf("added again: %v", again)
	}
	f.dir(unused)
	f.wantClean()
}

// What nobody uses is removed while others ask for it: each of them gets all
// of it or none.
func TestCollectWhileOthersAsk(t *testing.T) {
	f := newPackages(t)
	pkg := f.add(item{name: "a", content: "x"})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				f.now.Add(7200)
				if _, err := f.Collect(t.Context(), nil); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range 20 {
				if _, err := f.Add(t.Context(), bytes.NewReader(zipOf(t, item{name: "a", content: "x"})), 0); err != nil {
					t.Error(err)
				}
				if _, err := f.Dir(t.Context(), pkg); err != nil && pinfold.CodeOf(err) != pinfold.NotFound {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	f.wantClean()
}
