package code

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

// FuzzZip unpacks whatever is accepted, and looks for anything outside of the
// folder, for links that lead out of it, and for more bytes than were promised.
// Unpacked a second time, with shared files, it must be the same.
func FuzzZip(f *testing.F) {
	for _, test := range refused(f) {
		f.Add(test.file)
	}
	f.Add(zipOf(f, item{name: "a/b/c", content: "x"}, item{name: "a/l", content: "b/c", mode: fs.ModeSymlink | 0o777}, item{name: "d/"}, item{name: "x", mode: 0o755}))
	f.Fuzz(func(t *testing.T, file []byte) {
		a, err := inspect(bytes.NewReader(file), int64(len(file)), small, false)
		if err != nil {
			if code := pinfold.CodeOf(err); code != pinfold.Invalid && code != pinfold.TooLarge {
				t.Fatalf("a bad zip file is the caller's fault, but: %s %v", code, err)
			}
			return
		}
		outside := t.TempDir()
		dir := filepath.Join(outside, "package")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		defer removeAll(dir)
		shared := t.TempDir()
		if err = a.write(t.Context(), dir, shared); err != nil && pinfold.CodeOf(err) != pinfold.Invalid {
			t.Fatalf("what was accepted could not be written: %v", err)
		}
		second := t.TempDir()
		defer removeAll(second)
		if again := a.write(t.Context(), second, shared); (again == nil) != (err == nil) {
			t.Fatalf("the second time: %v; the first: %v", again, err)
		} else if err == nil {
			wantTree(t, second, tree(t, dir)...)
		}
		if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
			t.Fatalf("outside of the folder: %v, %v", entries, err)
		}
		var size int64
		if err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.Type() == fs.ModeSymlink {
				target, err := os.Readlink(path)
				if err != nil {
					return err
				}
				if led := filepath.Join(filepath.Dir(path), target); filepath.IsAbs(target) || led != dir && !strings.HasPrefix(led, dir+"/") {
					t.Errorf("the link %s leads out to %s", path, target)
				}
				return nil
			}
			info, err := entry.Info()
			if err == nil && info.Mode().IsRegular() {
				size += info.Size()
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if size > a.unpacked || size >= small.Unpacked {
			t.Errorf("%d bytes were written; %d were declared", size, a.unpacked)
		}
	})
}
