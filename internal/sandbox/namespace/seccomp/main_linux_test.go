//go:build amd64 || arm64

package seccomp

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// roleVariable makes the test's binary, started again, something else than the
// tests: a filter cannot be taken off, so each needs a process of its own.
const roleVariable = "PINFOLD_SECCOMP_TEST"

var roles = map[string]func() error{
	"attack":            func() error { return attack(Load) },
	"attack unfiltered": func() error { return attack(func() error { return nil }) },
	"threads":           threads,
	"filtered":          filtered,
	"watched":           watched,
	"go program":        goProgram,
	"measure":           measure,
}

func TestMain(m *testing.M) {
	role, ok := roles[os.Getenv(roleVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	os.Unsetenv(roleVariable)
	if err := role(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// in returns this binary in a role, with arguments.
func in(t testing.TB, role string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

// commandOf is a command that is this binary in a role.
func commandOf(t testing.TB, role string) []string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{"/usr/bin/env", roleVariable + "=" + role, binary}
}

// self is the table of this machine's system calls.
func self() *arch.Info { return arches[runtime.GOARCH] }

// filtered becomes the program of its arguments, behind the filter.
func filtered() error {
	if err := Load(); err != nil {
		return err
	}
	return unix.Exec(os.Args[1], os.Args[1:], os.Environ())
}
