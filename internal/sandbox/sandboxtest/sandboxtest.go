// Package sandboxtest is the conformance suite of [sandbox.Driver]. Every driver
// runs it from its own tests:
//
//	func TestMain(m *testing.M) { sandboxtest.Main(m) }
//
//	func TestConformance(t *testing.T) {
//		sandboxtest.Run(t, func(t *testing.T) sandbox.Driver { ... })
//	}
//
// Promises that only some drivers make are tested against those that make them,
// as [sandbox.Capabilities] says.
package sandboxtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold/internal/sandbox"
)

// helperVar makes a test binary that is started inside a sandbox dial the
// address it holds instead of running tests.
const helperVar = "SANDBOXTEST_DIAL"

// Main runs the tests, or the helper if this process is one that a test started
// inside a sandbox.
func Main(m *testing.M) {
	if addr := os.Getenv(helperVar); addr != "" {
		conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			fmt.Println(err)
			os.Exit(3)
		}
		_, _ = io.WriteString(conn, "from inside\n")
		_ = conn.Close()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for what must happen. It decides only how
// late a broken driver is noticed.
const patience = 20 * time.Second

// Run tests a driver. newDriver returns one that has a place of its own.
func Run(t *testing.T, newDriver func(t *testing.T) sandbox.Driver) {
	tests := map[string]func(*testing.T, sandbox.Driver){
		"AssignThenStart":   assignThenStart,
		"StartThenAssign":   startThenAssign,
		"Cache":             cache,
		"NoCache":           noCache,
		"ExitStatus":        exitStatus,
		"Environment":       environment,
		"Files":             files,
		"ReadOnlyFolders":   readOnlyFolders,
		"OnlyOnce":          onlyOnce,
		"StartFails":        startFails,
		"Listen":            listen,
		"CloseKillsAll":     closeKillsAll,
		"ExitKillsChildren": exitKillsChildren,
		"CloseUnstarted":    closeUnstarted,
		"CloseRemovesTmp":   closeRemovesTmp,
		"Usage":             usage,
		"MemoryNow":         memoryNow,
		"Background":        background,
		"Freeze":            freeze,
		"FreezeAtOnce":      freezeAtOnce,
		"FreezeAndClose":    freezeAndClose,
		"FreezeEnded":       freezeEnded,
		"SweepOfNothing":    sweepOfNothing,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			driver := newDriver(t)
			if err := driver.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			test(t, driver)
		})
	}
}

// create makes a sandbox that the test closes.
func create(t *testing.T, driver sandbox.Driver, readOnly ...string) sandbox.Sandbox {
	t.Helper()
	id := strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))
	box, err := driver.Create(t.Context(), sandbox.Spec{ID: id, ReadOnly: readOnly})
	if err != nil {
		t.Fatal(err)
	}
	if box.ID() != id {
		t.Errorf("the sandbox is called %q, not %q", box.ID(), id)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return box
}

// visible returns a folder that a sandbox can be shown: not below /tmp, so it
// is made beside the test. Everyone may read it.
func visible(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(".", "visible-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if dir, err = filepath.Abs(dir); err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// assign gives the sandbox code that consists of one file, "hello".
func assign(t *testing.T, box sandbox.Sandbox) sandbox.Paths {
	t.Helper()
	code := t.TempDir()
	if err := os.WriteFile(filepath.Join(code, "hello"), []byte("hello from the code\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	paths, err := box.Assign(t.Context(), sandbox.Assignment{Code: code, Limits: sandbox.Limits{MemoryMB: 128, EphemeralMB: 512}})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// sh starts a shell script inside and returns a reader of its output.
func sh(t *testing.T, box sandbox.Sandbox, script string, files ...*os.File) *bufio.Reader {
	t.Helper()
	return start(t, box, sandbox.Command{
		Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Files: files,
	})
}

func start(t *testing.T, box sandbox.Sandbox, cmd sandbox.Command) *bufio.Reader {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	defer w.Close()
	cmd.Output = w
	if err := box.Start(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(r)
}

// line reads one line of output.
func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	s, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("reading output: %v (after %q)", err, s)
	}
	return strings.TrimSuffix(s, "\n")
}

// ended waits for the process to end.
func ended(t *testing.T, box sandbox.Sandbox) sandbox.Exit {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-box.Done():
	case <-ctx.Done():
		t.Fatal("the process does not end")
	}
	return box.Exit()
}

// eof fails unless every process that could write the output has ended.
func eof(t *testing.T, r *bufio.Reader) {
	t.Helper()
	if rest, err := io.ReadAll(r); err != nil {
		t.Fatalf("a process inside is still alive: %v (after %q)", err, rest)
	}
}
