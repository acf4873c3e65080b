package blob

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pinfold.dev/pinfold"
)

func newFolder(t *testing.T, dir string) *Folder {
	t.Helper()
	f, err := NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// files lists what is below a folder, without folders.
func files(t *testing.T, dir string) (found []string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// failing is a file on a disk that is full after some bytes, or that fails to sync.
type failing struct {
	file  *os.File // not embedded: io.Copy would find its ReadFrom
	room  int
	onEnd error
}

func (f *failing) Write(p []byte) (int, error) {
	if len(p) > f.room {
		n, _ := f.file.Write(p[:f.room])
		f.room = 0
		return n, &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	f.room -= len(p)
	return f.file.Write(p)
}

func (f *failing) Close() error { return f.file.Close() }
func (f *failing) Name() string { return f.file.Name() }
func (f *failing) Sync() error  { return errors.Join(f.file.Sync(), f.onEnd) }

func TestFullDisk(t *testing.T) {
	for name, make := range map[string]func(*os.File) file{
		"while writing": func(f *os.File) file { return &failing{f, 10, nil} },
		"while syncing": func(f *os.File) file { return &failing{f, 1000, syscall.ENOSPC} },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := newFolder(t, dir)
			if err := f.Put(t.Context(), "k", strings.NewReader("before")); err != nil {
				t.Fatal(err)
			}
			ok := f.create
			f.create = func(dir, pattern string) (file, error) {
				opened, err := os.CreateTemp(dir, pattern)
				return make(opened), err
			}
			err := f.Put(t.Context(), "k", strings.NewReader("more than there is room for"))
			if pinfold.CodeOf(err) != pinfold.Unavailable || !strings.Contains(err.Error(), "the disk is full") {
				t.Errorf("Put = %v; want Unavailable", err)
			}
			if left := files(t, dir); len(left) != 1 || left[0] != filepath.Join(dir, "k") {
				t.Errorf("left behind: %q", left)
			}
			f.create = ok
			if err := f.Put(t.Context(), "k", strings.NewReader("with room again")); err != nil {
				t.Error(err)
			}
		})
	}
	f := newFolder(t, t.TempDir())
	f.create = func(dir, pattern string) (file, error) {
		return nil, &os.PathError{Op: "open", Path: dir, Err: syscall.ENOSPC}
	}
	if err := f.Put(t.Context(), "k", strings.NewReader("x")); pinfold.CodeOf(err) != pinfold.Unavailable {
		t.Errorf("Put without room for a file = %v; want Unavailable", err)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	f := newFolder(t, dir)
	if err := f.Put(t.Context(), "kept", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, unfinished, "12345"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	newFolder(t, dir)
	if left := files(t, dir); len(left) != 1 || left[0] != filepath.Join(dir, "kept") {
		t.Errorf("after opening again: %q", left)
	}
}

func TestKeyBelowAKey(t *testing.T) {
	f := newFolder(t, t.TempDir())
	if err := f.Put(t.Context(), "a/b", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "a/b/c"} {
		if err := f.Put(t.Context(), key, strings.NewReader("x")); pinfold.CodeOf(err) != pinfold.Invalid {
			t.Errorf("Put(%q) beside a/b = %v; want Invalid", key, err)
		}
	}
	if err := f.Delete(t.Context(), "a"); err != nil {
		t.Errorf("Delete of a folder: %v", err)
	}
	if _, err := f.Open(t.Context(), "a/b"); err != nil {
		t.Errorf("a/b is gone: %v", err)
	}
}
