//go:build amd64 || arm64

package seccomp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// accepted are the refusals that real programs meet and live with.
var accepted = map[string]string{
	"clone3":                   "libraries fall back to clone",
	"socket 0x2 0x80801 0x106": "Go's listeners ask for MPTCP first, and do without it on any error",
}

// TestRealProgramsWork runs programs twice: behind a filter that reports what
// it refuses, where only accepted refusals may appear; and behind the real one.
func TestRealProgramsWork(t *testing.T) {
	for _, c := range []struct {
		name    string
		program []string
		probe   []string // succeeds where the program can be run; nil: everywhere
		install string
	}{
		{"node", []string{"node", "testdata/need/node.cjs"}, []string{"node", "--version"}, "Node.js"},
		{"python", []string{"python3", "testdata/need/python.py"}, []string{"python3", "--version"}, "Python"},
		{"go", commandOf(t, "go program"), nil, ""},
		{"sharp", []string{"node", "testdata/need/sharp.cjs"}, []string{"node", "-e", "require('./testdata/addons/node_modules/sharp')"}, "testdata/addons with npm ci"},
		{"better-sqlite3", []string{"node", "testdata/need/sqlite.cjs"},
			[]string{"node", "-e", "new (require('./testdata/addons/node_modules/better-sqlite3'))(':memory:')"}, "testdata/addons with npm ci, and npm rebuild there"},
		{"numpy", []string{"/usr/bin/python3", "testdata/need/numeric.py"}, []string{"/usr/bin/python3", "-c", "import numpy"}, "python3-numpy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.probe != nil {
				if out, err := exec.Command(c.probe[0], c.probe[1:]...).CombinedOutput(); err != nil {
					t.Skipf("install %s: %v %.200s", c.install, err, out)
				}
			}
			path, err := exec.LookPath(c.program[0])
			if err != nil {
				t.Fatal(err)
			}
			program := append([]string{path}, c.program[1:]...)
			for _, call := range refusals(t, program) {
				if accepted[call] == "" {
					t.Errorf("refused: %s", call)
				}
			}
			if out, err := in(t, "filtered", program...).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// goProgram does what functions in Go, and the init of a sandbox, do.
func goProgram() error {
	server, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return err
	}
	defer server.Close()
	go http.Serve(server, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	}))
	errs := make([]error, 100)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			r, err := http.Post("http://"+server.Addr().String(), "text/plain", strings.NewReader("hello"))
			if err != nil {
				errs[i] = err
				return
			}
			defer r.Body.Close()
			if body, err := io.ReadAll(r.Body); string(body) != "hello" {
				errs[i] = fmt.Errorf("echo: %q %w", body, err)
			}
			_, errs[i] = exec.Command("/bin/sh", "-c", "echo a | cat").Output()
		})
	}
	group.Wait()

	dir, err := os.MkdirTemp("", "need-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	child := exec.Command("/bin/sh", "-c", "pwd; exit 3")
	child.Dir = dir
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	child.ExtraFiles = []*os.File{os.Stdin}
	out, err := child.Output()
	if child.ProcessState.ExitCode() != 3 || strings.TrimSpace(string(out)) != dir {
		return fmt.Errorf("a command in a folder: %q %w", out, err)
	}
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
	if err != nil {
		return err
	}
	if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
		return err
	}
	if _, err := net.Interfaces(); err != nil {
		return err
	}
	return errors.Join(append(errs, os.CopyFS(filepath.Join(dir, "copy"), os.DirFS("testdata/need")))...)
}
