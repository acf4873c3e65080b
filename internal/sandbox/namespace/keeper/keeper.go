//go:build linux

// Package keeper is the process that makes sandboxes. There is one per platform.
// It has a mount namespace of its own, so that nothing it mounts shows on the
// host or outlives it, and where the platform is an ordinary user's, a user
// namespace in which it is root. It spawns the init of each sandbox, furnishes
// the sandbox from outside (listeners, network device, temporary folder), and
// makes code appear in it. It ends with the platform.
package keeper

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox/namespace/initproc"
	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
	"pinfold.dev/pinfold/internal/sandbox/namespace/rootfs"
	"pinfold.dev/pinfold/internal/sandbox/namespace/scratch"
)

// ControlFD is the descriptor that a keeper is started with.
const ControlFD = 3

type keeper struct {
	conn    *message.Conn
	parent  int // a pidfd of the platform
	setup   message.Setup
	scratch *scratch.Store // nil: temporary folders are in memory
	inits   *initproc.Plan
	// One visits mount namespaces, the other network namespaces: that one must
	// find the host's /dev/net/tun.
	mounts, networks *traveller

	mu        sync.Mutex
	templates map[string]*template
	alive     map[int]*rootfs.Root // what inits see, by pid, until they are reaped
}

// Main is the whole life of a keeper. It returns its exit status.
func Main() int {
	// No thread of ours with namespaces of its own must be the process's first:
	// that one shows in /proc/self, and does not end with its goroutine.
	runtime.LockOSThread()
	// What the platform itself was started with, by a supervisor or a shell, must
	// not get into sandboxes: an open folder would be a way out.
	err := unix.CloseRange(ControlFD+1, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err != nil {
		fmt.Fprintln(os.Stderr, message.KeeperName+": closing inherited files:", err)
		return 1
	}
	conn, err := message.Open(os.NewFile(ControlFD, "control"))
	if err != nil {
		fmt.Fprintln(os.Stderr, message.KeeperName+":", err)
		return 1
	}
	parent, err := unix.PidfdOpen(os.Getppid(), 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, message.KeeperName+": watching the platform:", err)
		return 1
	}
	k := &keeper{conn: conn, parent: parent, templates: map[string]*template{}, alive: map[int]*rootfs.Root{}}
	if err := k.run(); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		fmt.Fprintln(os.Stderr, message.KeeperName+":", err)
		return 1
	}
	return 0
}

func (k *keeper) run() error {
	if _, err := k.conn.Receive(&k.setup); err != nil {
		return err
	}
	settled, err := k.settle()
	settled.Failure = message.Fail(err)
	if sendErr := k.conn.Send(settled); err != nil || sendErr != nil {
		return errors.Join(err, sendErr)
	}
	if k.scratch != nil {
		defer k.scratch.Close()
	}
	// A supervisor may tell all processes of the platform to end: when we do is for
	// the platform to say, which lets functions finish.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGTERM)
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	go k.reap(children) // it, and what is under way when the platform goes, ends with the process
	for {
		var r message.Request
		files, err := k.conn.Receive(&r)
		if errors.Is(err, message.ErrFiles) {
			err = k.conn.Send(message.Reply{ID: r.ID, Failure: message.Fail(err)})
			if err == nil {
				continue
			}
		}
		if err != nil {
			k.bereaved()
			return err
		}
		go k.serve(r, files)
	}
}

// mourning is how long it takes to know whether the platform has ended, or has
// only closed its connection. It kills a keeper that takes a second for that.
const mourning = 500 * time.Millisecond

// bereaved kills the inits of a platform that has ended. They notice by
// themselves, but not those that are frozen.
func (k *keeper) bereaved() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for pid := range k.alive {
		k.collect(pid)
	}
	if len(k.alive) == 0 {
		return
	}
	platform := []unix.PollFd{{Fd: int32(k.parent), Events: unix.POLLIN}}
	for deadline := time.Now().Add(mourning); ; {
		n, err := unix.Poll(platform, int(time.Until(deadline).Milliseconds()))
		if errors.Is(err, unix.EINTR) && time.Now().Before(deadline) {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		break
	}
	for pid := range k.alive {
		_ = unix.Kill(pid, unix.SIGKILL) // an error is one that has ended
	}
}

func (k *keeper) settle() (message.Settled, error) {
	var s message.Settled
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return s, fmt.Errorf("keeping mounts to ourselves: %w", err)
	}
	err := errors.New("file systems on disk are for root to mount: start Pinfold as root for that")
	if !k.setup.Rootless {
		k.scratch, err = scratch.Open(k.setup.Dir)
	}
	if err != nil {
		s.Weak = append(s.Weak, "/tmp is in memory and counts as the function's: "+err.Error())
	}
	if k.inits, err = initproc.Prepare(!k.setup.Rootless); err != nil {
		return s, err
	}
	// Whoever changes its mount namespace must not share its root with others. And
	// an ordinary user may not come back into the host's network.
	k.mounts, err = newTraveller("mnt", unix.CLONE_NEWNS, unix.CLONE_FS)
	if err == nil {
		k.networks, err = newTraveller("net", unix.CLONE_NEWNET, unix.CLONE_NEWNET)
	}
	if err != nil {
		return s, fmt.Errorf("preparing a thread to visit sandboxes: %w", err)
	}
	return s, nil
}

func (k *keeper) serve(r message.Request, files []*os.File) {
	reply := message.Reply{ID: r.ID}
	var out []*os.File
	var err error
	switch {
	case r.Spawn != nil && len(files) == 1:
		var process *os.File
		if reply.PID, process, err = k.spawn(r.Spawn, files[0]); err == nil {
			out = append(out, process)
		}
	case r.Furnish != nil:
		out, reply.NoTap, err = k.furnish(r.Furnish)
		reply.Tap = err == nil && reply.NoTap == ""
	case r.Place != nil:
		err = k.place(r.Place)
	case r.Check != nil:
		err = k.check(r.Check.PID)
	default:
		err = errors.New("a request that asks for nothing")
	}
	reply.Failure = message.Fail(err)
	if err := k.conn.Send(reply, out...); err != nil { // the files are the reason, or the platform is gone, and so are we
		_ = k.conn.Send(message.Reply{ID: r.ID, Failure: message.Fail(err)})
	}
	message.CloseAll(append(files, out...))
}

// reap collects inits that have ended. Other children are for those who started
// them.
func (k *keeper) reap(children <-chan os.Signal) {
	for range children {
		k.mu.Lock()
		for pid := range k.alive {
			k.collect(pid)
		}
		k.mu.Unlock()
	}
}

// collect collects an init if it has ended. The caller holds k.mu.
func (k *keeper) collect(pid int) {
	if ended, _ := unix.Wait4(pid, nil, unix.WNOHANG, nil); ended == pid {
		delete(k.alive, pid)
	}
}

// namespace opens one of the namespaces of a sandbox, by its name in /proc/PID/ns,
// and returns what it was planned to see. It fails if the sandbox has ended, so
// that a reused pid misleads nobody.
func (k *keeper) namespace(pid int, name string) (int, *rootfs.Root, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	root := k.alive[pid]
	if root == nil {
		return -1, nil, fmt.Errorf("the sandbox has ended: %w", unix.ESRCH)
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, nil, fmt.Errorf("opening the sandbox's %s namespace: %w", name, err)
	}
	return fd, root, nil
}

// check fails if a sandbox has ended, or if the host's files have changed since
// its root was planned.
func (k *keeper) check(pid int) error {
	k.mu.Lock()
	root := k.alive[pid]
	k.mu.Unlock()
	if root == nil || !root.Current() {
		return fmt.Errorf("the sandbox is out of date: %w", unix.ESTALE)
	}
	return nil
}

// inNetwork runs fn in the network namespace of a sandbox.
func (k *keeper) inNetwork(pid int, fn func() error) error {
	ns, _, err := k.namespace(pid, "net")
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	return k.networks.visit(ns, fn)
}

// over runs mount, which mounts something over a folder of a sandbox, in the
// sandbox's mount namespace.
func (k *keeper) over(pid int, at string, mount func() error) error {
	ns, root, err := k.namespace(pid, "mnt")
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	return k.mounts.visit(ns, func() error { return root.Cover(at, mount) })
}
