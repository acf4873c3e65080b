package cgroup

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strconv"
	"syscall"
	"time"

	"pinfold.dev/pinfold"
)

// Freeze stops all processes. It returns when they have stopped, or with an
// error, and then they run. It and Thaw wait for each other.
func (g *Group) Freeze(ctx context.Context) error {
	g.freezing.Lock()
	defer g.freezing.Unlock()
	return g.freeze(ctx)
}

// Thaw lets stopped processes go on. Whether any are is not asked.
func (g *Group) Thaw(context.Context) error {
	g.freezing.Lock()
	defer g.freezing.Unlock()
	n := g.tree.freezer
	if n == nil {
		return cannotFreeze()
	}
	if err := g.order(n, false); err != nil {
		return pinfold.Errorf(pinfold.Internal, "thawing a sandbox: %w", err)
	}
	return nil
}

func cannotFreeze() error {
	return pinfold.Errorf(pinfold.Unserved, "this machine cannot freeze processes: it has no freezer controller")
}

func (g *Group) freeze(ctx context.Context) error {
	n := g.tree.freezer
	if n == nil {
		return cannotFreeze()
	}
	passes := 0
	err := poll(ctx, func() (bool, error) {
		// Version 1 misses children that are born while it freezes: it is
		// told again until it has them all, and now and then to let go,
		// for one that waits for another that has stopped already.
		if passes++; !n.v2 && passes%50 == 0 {
			_ = g.order(n, false)
		}
		if passes == 1 || !n.v2 {
			if err := g.order(n, true); err != nil {
				return true, err
			}
		}
		return g.stopped(n)
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		_ = g.order(n, false)
		return pinfold.Errorf(pinfold.Timeout, "the processes of a sandbox did not stop in time: %w", err)
	}
	return pinfold.Errorf(pinfold.Internal, "freezing a sandbox: %w", err)
}

// order tells the kernel to stop the group or let it go on.
func (g *Group) order(n *home, stop bool) error {
	switch {
	case n.v2 && stop:
		return write(g.dir(n), "cgroup.freeze", "1")
	case n.v2:
		return write(g.dir(n), "cgroup.freeze", "0")
	case stop:
		return write(g.dir(n), "freezer.state", "FROZEN")
	}
	return write(g.dir(n), "freezer.state", "THAWED")
}

// stopped reports whether all have stopped.
func (g *Group) stopped(n *home) (bool, error) {
	if n.v2 {
		b, err := slurp(g.dir(n), "cgroup.events")
		return err != nil || value(b, "frozen") == 1, err
	}
	b, err := slurp(g.dir(n), "freezer.state")
	return err != nil || string(bytes.TrimSpace(b)) == "FROZEN", err
}

// Kill sends SIGKILL to every process, frozen ones included, also while they
// fork. It does not wait until they have ended.
func (g *Group) Kill() error {
	n := g.tree.killer
	if n == nil {
		return g.killEach()
	}
	err := write(g.dir(n), "cgroup.kill", "1")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return pinfold.Errorf(pinfold.Internal, "killing a sandbox: %w", err)
	}
	return nil
}

// killEach is Kill without the kernel's own. What is frozen cannot fork, so
// one pass over a group that is frozen as a whole gets everyone; where it does
// not freeze in time, passes go on until nobody is left.
func (g *Group) killEach() error {
	if n := g.tree.pids; n != nil {
		_ = write(g.dir(n), "pids.max", "0") // nobody forks any more; those under way finish
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := poll(ctx, func() (bool, error) {
		frozen := false
		if n := g.tree.freezer; n != nil {
			ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			frozen = g.freeze(ctx) == nil
			defer g.order(n, false) // what is frozen does not die in version 1
		}
		return g.signal() == 0 || frozen, nil
	})
	if err != nil {
		return pinfold.Errorf(pinfold.Internal, "a sandbox's processes do not die, or multiply faster than they can be killed: %w", err)
	}
	return nil
}

// signal kills each process of the group and returns how many there were.
func (g *Group) signal() (n int) {
	home := g.tree.freezer
	if home == nil {
		home = g.tree.homes[0]
	}
	for _, field := range fields(g.dir(home), "cgroup.procs") {
		// 0 is a process of a pid namespace that is not below ours; to kill
		// it would kill the platform.
		if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL) // an error is one that has ended
			n++
		}
	}
	return n
}

// end kills what is left in a group and removes it.
func (g *Group) end(ctx context.Context) error {
	if err := g.Kill(); err != nil {
		return err
	}
	if n := g.tree.freezer; n != nil && !n.v2 {
		_ = g.order(n, false) // it may have been frozen when its platform died
	}
	return g.remove(ctx)
}

// poll calls try until it says that it is done or the context ends, ever less
// often. It returns try's last error, or else the context's.
func poll(ctx context.Context, try func() (done bool, err error)) error {
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		done, err := try()
		if done {
			return err
		}
		select {
		case <-ctx.Done():
			if err != nil {
				return err
			}
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
