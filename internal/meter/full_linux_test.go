package meter

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk counts, and folds, on a small file system of its own that is full.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounting needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	m := quiet(t, Config{Dir: dir})
	m.Executed(execution(function("a", "1", 128), noon, 1))
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	if _, err := io.Copy(filler, neverEnding{}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	// There is room for a part of a file of counters, or for one with holes.
	if info, err := filler.Stat(); err != nil || filler.Truncate(info.Size()-16<<10) != nil {
		t.Fatal(err)
	}
	const n = 2 * slotsPerFile
	for i := range n {
		m.Executed(execution(function(fmt.Sprint("f", i), "1", 128), noon, 1))
	}
	m.note("folding", m.fold(lastDay))
	if err := m.Health(); err == nil || !strings.Contains(err.Error(), "opening counters") || !strings.Contains(err.Error(), "keeping usage") || m.troubles["counting"] != nil {
		t.Errorf("health is %v", err)
	}
	if got := total(t, m).Requests; got != n+1 {
		t.Errorf("%d requests, want %d", got, n+1)
	}
	if err := os.Remove(filler.Name()); err != nil {
		t.Fatal(err)
	}
	filler.Close()
	m.settle()
	m.note("folding", m.fold(lastDay))
	if err := m.Health(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = quiet(t, Config{Dir: dir})
	defer m.Close()
	if got := total(t, m).Requests; got != n+1 {
		t.Errorf("%d requests after a restart, want %d", got, n+1)
	}
}

type neverEnding struct{}

func (neverEnding) Read(b []byte) (int, error) { return len(b), nil }
