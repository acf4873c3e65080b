//go:build linux

package namespace

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

// keeperProcess is the platform's end of its keeper.
type keeperProcess struct {
	cmd  *exec.Cmd
	conn *message.Conn
	weak []string
	done chan struct{} // closed when no more replies come
	exit chan error    // how it ended, once it has

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan answer // nil: the keeper has ended
}

type answer struct {
	reply message.Reply
	files []*os.File
}

// startKeeper starts a keeper and waits until it is ready.
func startKeeper(ctx context.Context, setup message.Setup) (*keeperProcess, error) {
	conn, theirs, err := message.Pair()
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Internal, "starting the keeper of sandboxes: %w", err)
	}
	defer theirs.Close()
	k := &keeperProcess{conn: conn, done: make(chan struct{}), exit: make(chan error, 1), waiting: map[uint64]chan answer{}}
	k.cmd = &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{message.KeeperName}, Env: []string{"PATH=" + os.Getenv("PATH")},
		Stderr: os.Stderr, ExtraFiles: []*os.File{theirs},
		// A session of its own: an interrupt at the terminal is for the platform,
		// which lets functions finish.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_NEWNS},
	}
	if setup.Rootless {
		attr := k.cmd.SysProcAttr
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := k.cmd.Start(); err != nil {
		_ = conn.Close()
		return nil, cannotStart(setup.Rootless, err)
	}
	go func() { k.exit <- k.cmd.Wait() }() // close waits
	if err := k.settle(ctx, setup); err != nil {
		close(k.done)
		return nil, errors.Join(err, k.close())
	}
	go k.receive() // ends with the connection; close waits
	return k, nil
}

// cannotStart says what of the kernel is missing for a keeper.
func cannotStart(rootless bool, err error) error {
	advice := "the kernel must have mount namespaces, and CAP_SYS_ADMIN must not have been taken from root"
	if rootless {
		advice = "an ordinary user needs user namespaces: sysctl user.max_user_namespaces must not be 0, kernel.unprivileged_userns_clone must be 1 where it exists, " +
			"and kernel.apparmor_restrict_unprivileged_userns 0; or start Pinfold as root"
	}
	return pinfold.Errorf(pinfold.Unavailable, "this machine does not let Pinfold build walls: starting the keeper of sandboxes: %w: %s", err, advice)
}

func (k *keeperProcess) settle(ctx context.Context, setup message.Setup) error {
	stop := context.AfterFunc(ctx, func() { _ = k.conn.Close() })
	defer stop()
	var settled message.Settled
	err := k.conn.Send(setup)
	if err == nil {
		_, err = k.conn.Receive(&settled)
	}
	if err == nil {
		err = settled.Failure.Err()
	}
	if err != nil {
		return pinfold.Errorf(pinfold.Unavailable, "this machine does not let Pinfold build walls: %w", errors.Join(err, ctx.Err()))
	}
	k.weak = settled.Weak
	return nil
}

// errKeeperGone is the error of whoever speaks to a keeper that has ended.
var errKeeperGone = errors.New("the keeper of sandboxes has ended")

// errKeeperStuck is the error of whoever has waited too long for one.
var errKeeperStuck = errors.New("the keeper of sandboxes does not answer")

// usualPatience is how long the keeper may take for an answer. All that it does
// takes milliseconds, unless a file system hangs that it looks at.
const usualPatience = time.Minute

// keep returns the keeper for a new sandbox. One that has ended, which only the
// machine's lack of memory or somebody's kill makes it do, is replaced.
func (d *Driver) keep(ctx context.Context) (*keeperProcess, error) {
	d.keeping.Lock()
	defer d.keeping.Unlock()
	if d.keeper != nil {
		select {
		case <-d.keeper.done:
		default:
			return d.keeper, nil
		}
	}
	fresh, err := startKeeper(ctx, d.setup())
	if err != nil {
		return nil, err
	}
	if d.keeper != nil {
		d.options.Log.Warn("the keeper of sandboxes had ended; there is a new one", "error", d.keeper.close())
	}
	d.keeper = fresh
	d.watching.Go(func() { // until the keeper ends; Close waits
		<-fresh.done
		d.abandon(fresh)
	})
	return fresh, nil
}

// abandon ends the sandboxes of a keeper that has ended, as far as they are
// nobody's yet: no other can make code appear in them. The rest lives on.
func (d *Driver) abandon(k *keeperProcess) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.boxes {
		b.mu.Lock()
		unused := b.keeper == k && !b.assigned
		b.mu.Unlock()
		if unused {
			_ = b.kill() // an error is of one that is being closed
		}
	}
}

// ask asks a keeper.
func (d *Driver) ask(k *keeperProcess, r message.Request, files ...*os.File) (answer, error) {
	a, err := k.ask(r, d.patience, files...)
	if errors.Is(err, errKeeperGone) {
		<-k.done // so that who asks again is not sent to it once more
	}
	if errors.Is(err, errKeeperStuck) {
		d.options.Log.Error("ending the keeper of sandboxes, for it does not answer", "patience", d.patience)
	}
	return a, err
}

// ask sends a request and waits for its answer. Files in it are the caller's.
// It does not end with a context: what the keeper has begun must be known.
func (k *keeperProcess) ask(r message.Request, patience time.Duration, files ...*os.File) (answer, error) {
	k.mu.Lock()
	if k.waiting == nil {
		k.mu.Unlock()
		return answer{}, errKeeperGone
	}
	k.last++
	r.ID = k.last
	reply := make(chan answer, 1)
	k.waiting[r.ID] = reply
	k.mu.Unlock()
	if err := k.conn.Send(r, files...); err != nil {
		k.mu.Lock()
		delete(k.waiting, r.ID)
		k.mu.Unlock()
		if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, net.ErrClosed) {
			err = errKeeperGone
		}
		return answer{}, fmt.Errorf("asking the keeper of sandboxes: %w", err)
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	var a answer
	ok := false
	select {
	case a, ok = <-reply:
	case <-late.C:
		_ = k.conn.Close() // who else waits is told that it has gone
		return answer{}, errKeeperStuck
	}
	if !ok {
		return answer{}, errKeeperGone
	}
	if err := a.reply.Failure.Err(); err != nil {
		message.CloseAll(a.files)
		return answer{}, err
	}
	return a, nil
}

func (k *keeperProcess) receive() {
	defer close(k.done)
	for {
		var a answer
		var err error
		a.files, err = k.conn.Receive(&a.reply)
		if errors.Is(err, message.ErrFiles) {
			a.reply.Failure, err = message.Fail(err), nil
		}
		k.mu.Lock()
		if err != nil {
			for _, reply := range k.waiting {
				close(reply)
			}
			k.waiting = nil
			k.mu.Unlock()
			return
		}
		reply := k.waiting[a.reply.ID]
		delete(k.waiting, a.reply.ID)
		k.mu.Unlock()
		if reply == nil {
			message.CloseAll(a.files)
			continue
		}
		reply <- a
	}
}

// close ends the keeper and waits for it, but not for one that even SIGKILL does
// not end: it waits for a disk that does not answer, and may do so for ever.
func (k *keeperProcess) close() error {
	err := k.conn.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	<-k.done
	end := time.AfterFunc(time.Second, func() { _ = k.cmd.Process.Kill() })
	defer end.Stop()
	select {
	case exit := <-k.exit:
		if exit != nil {
			err = errors.Join(err, fmt.Errorf("the keeper of sandboxes: %w", exit))
		}
		return err
	case <-time.After(5 * time.Second):
		return errors.Join(err, errors.New("the keeper of sandboxes does not end"))
	}
}
