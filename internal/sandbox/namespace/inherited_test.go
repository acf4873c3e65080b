//go:build linux

package namespace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox"
)

// TestInheritedFiles starts the driver with a folder open that nobody marked as
// close-on-exec, as what starts a platform may leave it one.
func TestInheritedFiles(t *testing.T) {
	dir, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	leak, err := unix.FcntlInt(dir.Fd(), unix.F_DUPFD, 100) // without close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leak)

	box, err := newDriver(t).Create(t.Context(), sandbox.Spec{ID: "inherited"})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	if _, err := box.Assign(t.Context(), sandbox.Assignment{Code: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	script := fmt.Sprintf("test -e /proc/$$/fd/%d && echo it has the folder", leak)
	err = box.Start(t.Context(), sandbox.Command{Path: "/bin/sh", Args: []string{"-c", script}, Output: w})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := io.ReadAll(r); err != nil || len(out) > 0 {
		t.Errorf("a process inside says %q, %v", out, err)
	}
}

// TestInitIsQuiet looks at where an init's standard error goes.
func TestInitIsQuiet(t *testing.T) {
	made, err := newDriver(t).Create(t.Context(), sandbox.Spec{ID: "quiet"})
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/2", made.(*box).pid))
	if errors.Is(err, os.ErrPermission) {
		t.Skip("only root may look into an init")
	}
	if err != nil || path != os.DevNull {
		t.Errorf("a sandbox's init writes its errors to %q, %v", path, err)
	}
}
