// Package process is the sandbox driver without walls: an instance is a plain
// process in a group of its own, started with nothing of the platform's
// environment and a folder for its temporary files. It runs on Linux and macOS
// and needs no privileges; it keeps none of the promises in
// [sandbox.Capabilities], so code that is not trusted does not belong in it.
//
// What it does keep: closing a sandbox kills its process group and removes its
// folder; on Linux an instance dies with the platform, even when the platform
// is killed; and what still survives is found and ended by Sweep.
package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// Driver makes sandboxes that are plain processes.
type Driver struct {
	dir   string
	spawn func(func() error) error // runs a function where processes may be started from
}

// New returns a driver that keeps the folders of its sandboxes in dir. No other
// driver and no other platform may use the same folder.
func New(dir string) (*Driver, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, pinfold.Errorf(pinfold.Internal, "making the folder of sandboxes: %w", err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Internal, "finding the folder of sandboxes: %w", err)
	}
	return &Driver{dir: abs, spawn: newSpawner()}, nil
}

// Name returns "process".
func (d *Driver) Name() string { return "process" }

// Capabilities returns that there are no walls.
func (d *Driver) Capabilities() sandbox.Capabilities { return sandbox.Capabilities{} }

// Create makes the sandbox's folder.
func (d *Driver) Create(_ context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	if spec.ID == "" || spec.ID != filepath.Base(spec.ID) || strings.HasPrefix(spec.ID, ".") {
		return nil, pinfold.Errorf(pinfold.Invalid, "%q cannot name a sandbox: it must be usable as the name of a folder", spec.ID)
	}
	s := &box{driver: d, id: spec.ID, dir: filepath.Join(d.dir, spec.ID), done: make(chan struct{})}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, pinfold.Errorf(pinfold.Internal, "making the sandbox's folder: %w", err)
	}
	if err := os.Mkdir(s.tmp(), 0o700); err != nil {
		return nil, errors.Join(pinfold.Errorf(pinfold.Internal, "making the sandbox's temporary folder: %w", err), os.RemoveAll(s.dir))
	}
	return s, nil
}

// Sweep ends the processes that sandboxes of an earlier platform left running
// and removes their folders. A process is ended only if its start time, or the
// mark in its environment, says that it belonged to that sandbox.
func (d *Driver) Sweep(context.Context) error {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return pinfold.Errorf(pinfold.Internal, "looking for sandboxes left behind: %w", err)
	}
	var problems []error
	for _, entry := range entries {
		dir := filepath.Join(d.dir, entry.Name())
		first := readIdentity(filepath.Join(dir, pidFile))
		problems = append(problems, endAll(entry.Name(), first), removeAll(dir))
	}
	return errors.Join(problems...)
}

// Close has nothing to end.
func (d *Driver) Close() error { return nil }

// pidFile, in a sandbox's folder, holds the identity of its process.
const pidFile = "pid"

// mark is the variable in a process's environment that names its sandbox, by
// which Sweep knows the children of a process that is gone itself.
const mark = "PINFOLD_SANDBOX"

// identity tells a process from another one that was given the same number.
type identity struct {
	pid   int
	start uint64 // as the system counts it
}

// readIdentity returns the zero identity, which is nobody's, if there is none to
// read: the platform was killed before it could write it.
func readIdentity(name string) (id identity) {
	data, err := os.ReadFile(name)
	if err != nil {
		return identity{}
	}
	if _, err := fmt.Sscanf(string(data), "%d %d", &id.pid, &id.start); err != nil {
		return identity{}
	}
	return id
}

func (id identity) write(name string) error {
	return os.WriteFile(name, fmt.Appendf(nil, "%d %d\n", id.pid, id.start), 0o600)
}

// alive reports whether the very process still exists.
func (id identity) alive() bool {
	if id.pid == 0 {
		return false
	}
	start, err := startTime(id.pid)
	return err == nil && start == id.start
}

// removeAll removes a folder, also where a function made parts of it unwritable.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	if err := os.RemoveAll(dir); err != nil {
		return pinfold.Errorf(pinfold.Internal, "removing a sandbox's folder: %w", err)
	}
	return nil
}
