//go:build linux

package namespace

import (
	"os"
	"syscall"

	"pinfold.dev/pinfold/internal/sandbox/namespace/keeper"
	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

// The keeper is this very program, so that there is one file to install and it
// always fits itself. Any program that has this package in it, tests as well,
// must become one before it does anything of its own, and only an init function
// comes before main. It ends without ceremony: there is nothing to save, and a
// race detector would have callers wait for a second.
func init() {
	if len(os.Args) == 0 {
		return
	}
	if os.Args[0] == message.KeeperName {
		// For ps, and for the kernel's log when it kills: it would be "exe".
		_ = os.WriteFile("/proc/self/comm", []byte(os.Args[0]), 0)
		syscall.Exit(keeper.Main())
	}
}
