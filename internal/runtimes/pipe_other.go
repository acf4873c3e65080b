//go:build !linux

package runtimes

import (
	"errors"
	"os"
)

// inPipe would tell what is in a pipe; only Linux does from the writing end.
func inPipe(*os.File) (int, error) { return 0, errors.ErrUnsupported }
