package cgroup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
)

// Support says what groups can do on this machine.
type Support struct {
	Memory bool   // memory is held to its limit
	CPU    bool   // processor time is
	Pids   bool   // the number of processes and threads is
	Freeze bool   // processes can be stopped as one
	Kind   string // "v1", "v2", or "hybrid": both are in use
	// Weak says for people what is missing, each with what to do about it.
	Weak []string
}

// Tree is the platform's place in the machine's groups.
type Tree struct {
	name    string
	all     []*hierarchy // everything that is mounted, for Sweep
	homes   []*home      // where groups are made
	support Support

	// Where each thing is done: nil if nowhere.
	memory, cpu, pids, account, freezer, killer *home
}

// home is the tree's group in one hierarchy; sandboxes' groups are below it.
type home struct {
	dir string
	v2  bool
}

// Open takes a place for the groups of a platform whose name no other has.
// Where a version 2 hierarchy asks for it, the platform's process moves into
// a leaf of the group that it was started in. An error says why this machine
// has no groups for us at all, and what to do.
func Open(name string) (*Tree, error) {
	return open(name, machine{proc: "/proc/self", uid: os.Geteuid()})
}

func open(name string, m machine) (*Tree, error) {
	all, err := m.discover()
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "looking for control groups: %w", err)
	}
	t := &Tree{name: name, all: all}
	var first, refused error // one is enough to say why there are no groups at all
	// Version 2 first: what it can do, version 1 is not asked for.
	slices.SortStableFunc(all, func(a, b *hierarchy) int { return len(a.controllers) - len(b.controllers) })
	for _, h := range all {
		if err := t.settle(m, h); err != nil {
			first = cmp.Or(first, err)
			refused = errors.Join(refused, err)
		}
	}
	if len(t.homes) == 0 {
		return nil, m.unavailable(all, first)
	}
	t.describe(refused)
	return t, nil
}

// settle makes the tree's home in a hierarchy, if it has something that is
// not served yet.
func (t *Tree) settle(m machine, h *hierarchy) error {
	if h.readOnly {
		return pinfold.Errorf(pinfold.Unavailable, "%s is mounted read-only", h.mount)
	}
	if h.v2 {
		return t.settleV2(m, h)
	}
	n := &home{dir: filepath.Join(h.own, t.name)}
	roles := []struct {
		controller string
		role       **home
	}{{"memory", &t.memory}, {"cpu", &t.cpu}, {"pids", &t.pids}, {"cpuacct", &t.account}, {"freezer", &t.freezer}}
	used := false
	for _, r := range roles {
		if *r.role != nil || !slices.Contains(h.controllers, r.controller) {
			continue
		}
		if !used {
			if err := mkdir(n.dir); err != nil {
				return err
			}
			t.homes = append(t.homes, n)
		}
		used, *r.role = true, n
	}
	if t.cpu == n {
		// Else all functions together weigh as much as one thread of the platform.
		// So they get half of the processors, at least, when all are wanted.
		shares := strconv.Itoa(1024 * runtime.NumCPU())
		if err := write(n.dir, "cpu.shares", shares); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tree) settleV2(m machine, h *hierarchy) error {
	base, ours, weak := m.base(h)
	// Whoever moves processes must be allowed to in what is above both groups.
	if err := syscall.Access(filepath.Join(base, "cgroup.procs"), 2 /* W_OK */); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(base, "cgroup.procs"), err)
	}
	n := &home{dir: filepath.Join(base, t.name), v2: true}
	if err := mkdir(n.dir); err != nil {
		return err
	}
	t.homes = append(t.homes, n)
	t.account = n
	if exists(n.dir, "cgroup.freeze") { // Linux 5.2
		t.freezer = n
	}
	if exists(n.dir, "cgroup.kill") { // Linux 5.14
		t.killer = n
	}
	if weak != "" {
		t.support.Weak = append(t.support.Weak, weak)
	}
	if !slices.ContainsFunc(fields(base, "cgroup.controllers"), func(c string) bool { return slices.Contains(wanted, c) }) {
		return nil
	}
	if err := vacate(base, ours); err != nil {
		return err
	}
	enable(base)
	for _, c := range enable(n.dir) {
		switch c {
		case "memory":
			t.memory = n
		case "cpu":
			t.cpu = n
		case "pids":
			t.pids = n
		}
	}
	return nil
}

// describe fills in what the tree supports.
func (t *Tree) describe(refused error) {
	s := &t.support
	s.Memory, s.CPU, s.Pids, s.Freeze = t.memory != nil, t.cpu != nil, t.pids != nil, t.freezer != nil
	v1 := slices.ContainsFunc(t.homes, func(n *home) bool { return !n.v2 })
	v2 := slices.ContainsFunc(t.homes, func(n *home) bool { return n.v2 })
	switch {
	case v1 && v2:
		s.Kind = "hybrid"
	case v1:
		s.Kind = "v1"
	default:
		s.Kind = "v2"
	}
	for _, missing := range []struct {
		ok         bool
		what, todo string
	}{
		{s.Memory, "memory is not held to its limit", "the memory controller is off; some machines want cgroup_enable=memory on the kernel's command line"},
		{s.CPU, "processor time is not held to its share", "the cpu controller is off"},
		{s.Pids, "the number of processes is not bounded", "the pids controller is off"},
		{s.Freeze, "processes cannot be frozen", "Linux 5.2 or the freezer controller is needed"},
	} {
		if missing.ok {
			continue
		}
		todo := missing.todo
		if refused != nil {
			todo += " (" + strings.ReplaceAll(refused.Error(), "\n", "; ") + ")"
		} else if v2 {
			todo += ": set Delegate=yes in the unit that Pinfold runs in, and in user@.service if it is a user's"
		}
		s.Weak = append(s.Weak, missing.what+": "+todo)
	}
	if s.Memory && t.swaps() {
		s.Weak = append(s.Weak, "a function over its memory is swapped out instead of killed: add swapaccount=1 to the kernel's command line, or turn swap off")
	}
}

// swaps reports whether the machine swaps and groups cannot stop it.
func (t *Tree) swaps() bool {
	file := "memory.memsw.limit_in_bytes"
	if t.memory.v2 {
		file = "memory.swap.max"
	}
	swaps, err := os.ReadFile("/proc/swaps")
	return err == nil && strings.Count(string(swaps), "\n") > 1 && !exists(t.memory.dir, file)
}

// unavailable says why there are no groups at all for us.
func (m machine) unavailable(all []*hierarchy, refused error) error {
	switch {
	case len(all) == 0:
		return pinfold.Errorf(pinfold.Unavailable, "no control groups are mounted: `mount -t cgroup2 none /sys/fs/cgroup`, or start the machine with systemd")
	case !slices.ContainsFunc(all, func(h *hierarchy) bool { return !h.readOnly }):
		return pinfold.Errorf(pinfold.Unavailable, "the control groups at %s are read-only: in a container, start it with `--privileged --cgroupns=private`; else remount them read-write", all[0].mount)
	case m.uid != 0:
		return pinfold.Errorf(pinfold.Unavailable, "an ordinary user may not make control groups here: %s: %w", recipe, refused)
	}
	return pinfold.Errorf(pinfold.Unavailable, "root may not make control groups here, as in a container that was not started with `--privileged --cgroupns=private`: %w", refused)
}

// Can says what groups can do here.
func (t *Tree) Can() Support { return t.support }

// Create makes a group for the sandbox id, unbounded and empty.
func (t *Tree) Create(id string) (*Group, error) {
	g := &Group{tree: t, id: id}
	for i, n := range t.homes {
		if err := os.Mkdir(g.dir(n), 0o755); err != nil {
			for _, made := range t.homes[:i] {
				_ = rmdir(g.dir(made))
			}
			return nil, pinfold.Errorf(pinfold.Internal, "making a control group: %w", err)
		}
	}
	return g, nil
}

// Close removes the tree's own groups, which must be empty by then.
func (t *Tree) Close() error {
	var failed error
	for _, n := range t.homes {
		if err := rmdir(n.dir); err != nil {
			failed = errors.Join(failed, pinfold.Errorf(pinfold.Internal, "removing the platform's control group: %w", err))
		}
	}
	return failed
}

// depth is how far below a hierarchy's root a tree of ours may be: user slices
// and orchestrators' pods are at six at most.
const depth = 10

// Clear does what [Tree.Sweep] does, for a platform that has ended for good.
func Clear(ctx context.Context, name string) error {
	all, err := machine{proc: "/proc/self", uid: os.Geteuid()}.discover()
	if err != nil {
		return pinfold.Errorf(pinfold.Unavailable, "looking for control groups: %w", err)
	}
	return (&Tree{name: name, all: all}).Sweep(ctx)
}

// Sweep kills and removes every group that an earlier process of the platform
// left behind under the tree's name, also where that process had its groups
// elsewhere, as another session of a user does.
func (t *Tree) Sweep(ctx context.Context) error {
	var left []*Group
	old := map[string]*Tree{} // by id: the groups of one sandbox, wherever they are
	var outdated []string
	for _, h := range t.all {
		for _, dir := range find(h.mount, t.name, depth) {
			n := &home{dir: dir, v2: h.v2}
			if !slices.ContainsFunc(t.homes, func(own *home) bool { return own.dir == dir }) {
				outdated = append(outdated, dir)
			}
			for _, id := range folders(dir) {
				if old[id] == nil {
					old[id] = &Tree{}
					left = append(left, &Group{tree: old[id], id: id})
				}
				old[id].add(n, id, h)
			}
		}
	}
	// All at once: one that takes its time to die holds up no other.
	errs := make([]error, len(left))
	var each sync.WaitGroup
	for i, g := range left {
		each.Go(func() { errs[i] = g.end(ctx) })
	}
	each.Wait()
	for _, dir := range outdated {
		errs = append(errs, rmdir(dir))
	}
	if err := errors.Join(errs...); err != nil {
		return pinfold.Errorf(pinfold.Internal, "removing what an earlier process left: %w", err)
	}
	return nil
}

// add makes a home in which Sweep found a group a part of that group's tree.
func (t *Tree) add(n *home, id string, h *hierarchy) {
	t.homes = append(t.homes, n)
	if h.v2 && exists(filepath.Join(n.dir, id), "cgroup.kill") {
		t.killer = n
	}
	if slices.Contains(h.controllers, "freezer") || h.v2 && t.freezer == nil && exists(filepath.Join(n.dir, id), "cgroup.freeze") {
		t.freezer = n
	}
}

// find returns the folders called name at most depth below dir. A start waits for
// it, on a machine that may have thousands of groups: those without any below them
// are not opened, which their count of links tells.
func find(dir, name string, depth int) (found []string) {
	for _, f := range folders(dir) {
		path := filepath.Join(dir, f)
		var stat unix.Stat_t
		if f == name {
			found = append(found, path)
		} else if depth > 1 && unix.Lstat(path, &stat) == nil && stat.Nlink != childless {
			found = append(found, find(path, name, depth-1)...)
		}
	}
	return found
}

// childless is how many links a folder without folders has: from the one that it is
// in, and from itself. File systems that do not count, and not that of groups, say 1.
const childless = 2

// folders returns the names of the folders in dir, none if it is gone.
func folders(dir string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// mkdir makes a group that may be there already.
func mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// rmdir removes a group that may be gone already.
func rmdir(dir string) error {
	if err := syscall.Rmdir(dir); err != nil && err != syscall.ENOENT {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func exists(dir, file string) bool {
	_, err := os.Lstat(filepath.Join(dir, file))
	return err == nil
}

// fields returns the words in a file, none if it cannot be read.
func fields(dir, file string) []string {
	b, _ := os.ReadFile(filepath.Join(dir, file))
	return strings.Fields(string(b))
}

// write sets a file of a group, in the one write that the kernel wants. Neither it
// nor slurp use package os, which would have such files polled like sockets, at
// twice the cost.
func write(dir, file, value string) error {
	_, err := access(filepath.Join(dir, file), unix.O_WRONLY, func(fd int) (int, error) { return unix.Write(fd, []byte(value)) })
	return err
}

// slurp reads a small file of a group.
func slurp(dir, file string) ([]byte, error) {
	b := make([]byte, 512)
	n, err := access(filepath.Join(dir, file), unix.O_RDONLY, func(fd int) (int, error) { return unix.Read(fd, b) })
	return b[:n], err
}

// access opens a file for one system call.
func access(path string, mode int, call func(fd int) (int, error)) (n int, err error) {
	fd, err := retry(func() (int, error) { return unix.Open(path, mode|unix.O_CLOEXEC, 0) })
	if err == nil {
		n, err = retry(func() (int, error) { return call(fd) })
		_ = unix.Close(fd) // all has been said
	}
	if err != nil {
		return 0, &fs.PathError{Op: "accessing", Path: path, Err: err}
	}
	return n, nil
}

// retry makes a system call again if a signal came in between.
func retry(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}

// gone reports whether an error says that the process has ended.
func gone(err error) bool { return errors.Is(err, syscall.ESRCH) }
