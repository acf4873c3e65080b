//go:build linux

package namespace

import (
	"context"
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/namespace/cgroup"
	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

// Assign makes code and layers appear where Lambda has them, and limits hold.
func (b *box) Assign(_ context.Context, a sandbox.Assignment) (sandbox.Paths, error) {
	if a.Limits.MemoryMB < 0 || a.Limits.EphemeralMB < 0 {
		return sandbox.Paths{}, pinfold.Errorf(pinfold.Invalid, "limits of %d MB of memory and %d MB of /tmp: neither can be negative", a.Limits.MemoryMB, a.Limits.EphemeralMB)
	}
	b.mu.Lock()
	if b.assigned || b.closing {
		b.mu.Unlock()
		return sandbox.Paths{}, pinfold.Errorf(pinfold.Internal, "sandbox %s cannot be assigned: it has been already, or is closed", b.id)
	}
	b.assigned = true
	b.limits = cgroup.Limits{MemoryMB: a.Limits.MemoryMB, Pids: processes, Unthrottled: true}
	limits := b.limits
	b.mu.Unlock()
	if err := b.assign(a, limits); err != nil {
		return sandbox.Paths{}, pinfold.Errorf(blame(err), "giving a sandbox its function: %w", err)
	}
	return a.Paths(), nil
}

func (b *box) assign(a sandbox.Assignment, limits cgroup.Limits) error {
	if b.group != nil {
		if err := errors.Join(b.group.Background(false), b.group.Limit(limits)); err != nil {
			return err
		}
	}
	if b.link != nil {
		if err := b.link.SetNetwork(a.Network); err != nil {
			return err
		}
	}
	place := message.Place{PID: b.pid, Code: a.Code, Layers: a.Layers, Cache: a.Cache}
	if a.Limits.EphemeralMB != usualTmpMB {
		place.EphemeralMB = a.Limits.EphemeralMB
	}
	_, err := b.driver.ask(b.keeper, message.Request{Place: &place})
	return err
}

// Throttle holds the sandbox to its share of the processor, or lets it off.
func (b *box) Throttle(_ context.Context, on bool) error {
	if b.group == nil {
		return nil
	}
	b.mu.Lock()
	l := b.limits
	b.mu.Unlock()
	l.Unthrottled = !on
	if err := b.group.Throttle(l); err != nil {
		return pinfold.Errorf(blame(err), "holding a sandbox to its share of the processor: %w", err)
	}
	return nil
}

func (b *box) Start(ctx context.Context, cmd sandbox.Command) error {
	b.mu.Lock()
	if b.started || b.closing {
		b.mu.Unlock()
		return pinfold.Errorf(pinfold.Internal, "sandbox %s cannot be started: it has been already, or is closed", b.id)
	}
	b.started = true
	b.mu.Unlock()
	dir := cmd.Dir
	if dir == "" {
		dir = "/tmp"
	}
	output := cmd.Output
	if output == nil {
		var err error
		if output, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil {
			return pinfold.Errorf(pinfold.Internal, "starting the instance: %w", err)
		}
		defer output.Close()
	}
	start := message.Start{Path: cmd.Path, Args: cmd.Args, Env: cmd.Env, Dir: dir}
	order, err := start.Encode()
	if err == nil {
		err = b.order(ctx, order, append([]*os.File{output}, cmd.Files...)...)
	}
	if err != nil {
		return pinfold.Errorf(blame(err), "starting the instance: %s: %w", cmd.Path, err)
	}
	return nil
}

// Close kills everything inside, waits until it is gone, and removes what of the
// sandbox is outside.
func (b *box) Close() error {
	b.mu.Lock()
	b.closing = true
	b.mu.Unlock()
	return b.cleanup()
}

func (b *box) remove() error {
	var errs []error
	if b.process == nil { // it never came to be
		b.exit = sandbox.Exit{Code: -1, Signal: unix.SIGKILL.String()}
		close(b.done)
	} else {
		errs = append(errs, b.kill())
		<-b.done
		errs = append(errs, b.init.Close(), b.process.Close())
	}
	for _, c := range b.closers {
		if err := c(); !errors.Is(err, net.ErrClosed) { // whoever had the listener may have closed it
			errs = append(errs, err)
		}
	}
	b.inside.Wait()
	if b.group != nil {
		errs = append(errs, b.group.Remove())
	}
	b.driver.release(b)
	if err := errors.Join(errs...); err != nil {
		return pinfold.Errorf(pinfold.Internal, "closing sandbox %s: %w", b.id, err)
	}
	return nil
}

// kill ends the init, whose end is that of all. A frozen one must be woken up
// for that, which is what the cgroup's own kill is for.
func (b *box) kill() error {
	raw, err := b.process.SyscallConn()
	if err != nil {
		return err
	}
	var killErr error
	err = raw.Control(func(fd uintptr) { killErr = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) })
	if errors.Is(killErr, unix.ESRCH) {
		killErr = nil
	}
	if b.group != nil {
		killErr = errors.Join(killErr, b.group.Kill(), b.Throttle(context.Background(), false))
	}
	return errors.Join(err, killErr)
}
