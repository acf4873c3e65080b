//go:build !linux

package namespace

import (
	"context"
	"runtime"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// New returns an error: the walls are made of what only Linux has.
func New(context.Context, Options) (sandbox.Driver, error) {
	return nil, pinfold.Errorf(pinfold.Unavailable, "the namespace driver needs Linux, and this is %s: functions run as plain processes here", runtime.GOOS)
}

// Clear has nothing to remove.
func Clear(context.Context, string) error { return nil }
