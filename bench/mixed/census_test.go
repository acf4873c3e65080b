//go:build linux

package mixed

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a platform has more of than before is told, by name and number.
func TestCompareFindsLeaks(t *testing.T) {
	c := newCensus(t.TempDir(), t.TempDir())
	before, err := c.least(t.Context(), os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if leaked, err := c.compare(t.Context(), os.Getpid(), before, 0); err != nil || len(leaked) > 0 {
		t.Fatalf("leaks of one that has done nothing: %v, %v", leaked, err)
	}
	for _, name := range []string{filepath.Join(c.data, "run", "box"), filepath.Join(c.temp, "file")} {
		if err := os.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	child := exec.Command("sleep", "600")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = child.Process.Kill(), child.Wait() }()
	leaked, err := c.compare(t.Context(), os.Getpid(), before, 0)
	if err != nil {
		t.Fatal(err)
	}
	var what []string
	for _, l := range leaked {
		what = append(what, l.What)
	}
	for _, want := range []string{"processes", "descriptors of the platform", "files of sandboxes", "temporary files"} {
		if !slices.Contains(what, want) {
			t.Errorf("%s are not among what leaked: %v", want, leaked)
		}
	}
}

// What a process leaves behind that has ended is found, wherever it went.
func TestLeftFindsOrphans(t *testing.T) {
	adopted, err := adopt()
	if err != nil {
		t.Fatal(err)
	}
	c := newCensus(t.TempDir(), t.TempDir())
	if left := c.left(t.Context(), adopted, 0); len(left) > 0 {
		t.Fatalf("left before anything was started: %q", left)
	}
	out, err := exec.Command("setsid", "sh", "-c", "sleep 601 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(string(out))
	defer func() { _ = exec.Command("kill", pid).Run() }()
	left := c.left(t.Context(), adopted, time.Millisecond)
	if len(left) != 1 || !strings.Contains(left[0], "process "+pid) {
		t.Errorf("left is %q, want process %s", left, pid)
	}
}
