package runtimes

import (
	"os"
	"path/filepath"
	"testing"
)

// The bootstraps that a start finds are those that it brings, whatever a power
// cut or a function has left of them.
func TestBootstrapsAreWhole(t *testing.T) {
	dir := t.TempDir()
	first, err := unpackBootstraps(dir)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(first, "node", "main.js")
	want, err := os.ReadFile(file)
	if err != nil || len(want) == 0 {
		t.Fatalf("%d bytes, %v", len(want), err)
	}
	for name, spoil := range map[string]func() error{
		"nothing":       func() error { return nil },
		"an empty file": func() error { return os.Truncate(file, 0) },
		"another file":  func() error { return os.WriteFile(file, []byte("process.exit()"), 0o644) },
		"no file":       func() error { return os.Remove(file) },
		"no folder":     func() error { return os.RemoveAll(filepath.Dir(file)) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		again, err := unpackBootstraps(dir)
		if err != nil || again != first {
			t.Fatalf("after %s: %s, %v", name, again, err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != string(want) {
			t.Errorf("after %s the bootstrap has %d bytes, %v", name, len(got), err)
		}
		if all, _ := os.ReadDir(dir); len(all) != 1 {
			t.Errorf("after %s there is more than the bootstraps: %v", name, all)
		}
	}
}
