// Package cli_test uses the pinfold program as a person at a terminal and as
// other programs do: it is built once, started with arguments and an
// environment, and judged by what it prints, how it ends, and what then answers.
package cli_test

import (
	"fmt"
	"os"
	"testing"

	"pinfold.dev/pinfold/platformtest"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pinfold-cli-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // other users start it, too
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if binary, err = platformtest.Program(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
