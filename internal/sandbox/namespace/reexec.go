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
	switch os.Args[0] {
	case message.KeeperName:
		syscall.Exit(keeper.Main())
	case message.InitName:
		syscall.Exit(initproc.Main())
	}
}
