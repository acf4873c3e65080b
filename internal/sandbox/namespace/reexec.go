//go:build linux

package namespace

import (
	"os"
	"syscall"

	"pinfold.dev/pinfold/internal/sandbox/namespace/initproc"
	"pinfold.dev/pinfold/internal/sandbox/namespace/keeper"
	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

// The keeper and the inits are this very program, so that there is one file to
// install and it always fits itself. Any program that has this package in it,
// tests as well, must become one of them before it does anything of its own,
// and only an init function comes before main. They end without ceremony: there
// is nothing to save, and a race detector would have callers wait for a second.
func init() {
	if len(os.Args) == 0 {
		return
	}
	roles := map[string]func() int{message.KeeperName: keeper.Main, message.InitName: initproc.Main}
	if role := roles[os.Args[0]]; role != nil {
		// For ps, and for the kernel's log when it kills: they would be "exe" and "init".
		_ = os.WriteFile("/proc/self/comm", []byte(os.Args[0]), 0)
		syscall.Exit(role())
	}
}
