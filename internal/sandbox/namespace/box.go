//go:build linux

package namespace

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/namespace/cgroup"
	"pinfold.dev/pinfold/internal/sandbox/namespace/egress"
	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

// processes bounds the processes and threads of a sandbox, as on Lambda. Source:
// "Lambda quotas", Lambda developer guide.
const processes = 1024

// usualTmpMB is the size of the temporary folder that a sandbox begins with.
const usualTmpMB = 512

// box is one sandbox.
type box struct {
	driver  *Driver
	id      string
	hostID  int
	group   *cgroup.Group // nil: no limits here
	init    *message.Conn
	pid     int
	process *os.File // pidfd of the init
	keeper  *keeperProcess
	runtime net.Listener
	link    *egress.Link // nil: no network device
	noTap   string       // why

	inside  sync.WaitGroup // services on its loopback
	closers []func() error
	answers chan *message.Failure // of init to Begin and Start
	done    chan struct{}         // closed when nothing lives in there any more

	mu       sync.Mutex
	assigned bool
	limits   cgroup.Limits // since then
	started  bool
	closing  bool
	exit     sandbox.Exit
	usage    sandbox.Usage
	cleanup  func() error
}

// Create returns a sandbox with an init in it that waits for its command: one that
// was made ahead, if there is one.
func (d *Driver) Create(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	if b := d.stock.take(spec); b != nil {
		return b, nil
	}
	b, err := d.make(ctx, spec)
	if err != nil {
		return nil, err // and not a nil *box
	}
	return b, nil
}

// make makes a sandbox.
func (d *Driver) make(ctx context.Context, spec sandbox.Spec) (*box, error) {
	b, err := d.create(ctx, spec)
	if errors.Is(err, errKeeperGone) { // while it made this one: there will be another
		return d.create(ctx, spec)
	}
	return b, err
}

func (d *Driver) create(ctx context.Context, spec sandbox.Spec) (*box, error) {
	b := &box{driver: d, id: spec.ID, answers: make(chan *message.Failure, 1), done: make(chan struct{})}
	b.cleanup = sync.OnceValue(b.remove)
	if err := d.reserve(b); err != nil {
		return nil, err
	}
	if err := b.build(ctx, spec); err != nil {
		return nil, errors.Join(pinfold.Errorf(blame(err), "making a sandbox: %w", err), b.Close())
	}
	return b, nil
}

// blame tells an error of ours from a machine that has too little of something,
// which may be otherwise the next time.
func blame(err error) pinfold.Code {
	for _, lack := range []error{errKeeperGone, errKeeperStuck, errInitGone, unix.ESRCH, unix.EMFILE, unix.ENFILE, unix.EAGAIN, unix.ENOMEM, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, lack) {
			return pinfold.Unavailable
		}
	}
	return pinfold.Internal
}

func (b *box) build(ctx context.Context, spec sandbox.Spec) (err error) {
	if b.driver.groups != nil {
		if b.group, err = b.driver.groups.Create(b.id); err != nil {
			return err
		}
		if err := b.group.Limit(cgroup.Limits{Pids: processes}); err != nil {
			return err
		}
		if spec.Background {
			if err := b.group.Background(true); err != nil {
				return err
			}
		}
	}
	if err := b.spawn(ctx, spec); err != nil {
		return err
	}
	var group errgroup.Group
	group.Go(func() error { return b.begin(ctx) })
	group.Go(func() error { return b.furnish(spec.Runtime) })
	return group.Wait()
}

// spawn starts the init and waits for its end in the background.
func (b *box) spawn(ctx context.Context, spec sandbox.Spec) error {
	conn, theirs, err := message.Pair()
	if err != nil {
		return err
	}
	keeper, err := b.driver.keep(ctx)
	if err != nil {
		_, _ = conn.Close(), theirs.Close()
		return err
	}
	a, err := b.driver.ask(keeper, message.Request{Spawn: &message.Spawn{
		Box: b.id, HostUID: b.hostID, HostGID: b.hostID, ReadOnly: spec.ReadOnly,
	}}, theirs)
	_ = theirs.Close()
	if err != nil {
		_ = conn.Close()
		return err
	}
	b.mu.Lock()
	b.keeper, b.init, b.pid, b.process = keeper, conn, a.reply.PID, a.files[0]
	b.mu.Unlock()
	go b.watch()
	return nil
}

// begin puts the init into its cgroup and lets it furnish the sandbox.
func (b *box) begin(ctx context.Context) error {
	if b.group != nil {
		if err := b.group.Add(b.pid); err != nil {
			return err
		}
	}
	return b.order(ctx, []byte("begin"))
}

// errInitGone is of an init that somebody has killed, or the lack of memory.
var errInitGone = errors.New("the sandbox's init has ended")

// order tells the init something and waits until it has been done.
func (b *box) order(ctx context.Context, o []byte, files ...*os.File) error {
	if err := b.init.Write(o, files...); err != nil {
		if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, net.ErrClosed) {
			err = errInitGone
		}
		return fmt.Errorf("speaking to the sandbox's init: %w", err)
	}
	select {
	case failure := <-b.answers:
		return failure.Err()
	case <-b.done:
		select {
		case failure := <-b.answers: // its last words
			return failure.Err()
		default:
			return errInitGone
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// furnish receives the sandbox's listeners and network device.
func (b *box) furnish(runtimeDir string) error {
	services := b.driver.options.Inside
	ports := []int{b.driver.runtimePort()}
	for _, s := range services {
		ports = append(ports, s.Port)
	}
	a, err := b.driver.ask(b.keeper, message.Request{Furnish: &message.Furnish{
		PID: b.pid, Ports: ports, Runtime: runtimeDir, EphemeralMB: usualTmpMB,
	}})
	if err != nil {
		return err
	}
	b.noTap = a.reply.NoTap
	files := a.files
	if a.reply.Tap {
		tap := files[len(files)-1]
		files = files[:len(files)-1]
		b.link = egress.Attach(tap, egress.Options{Names: b.driver.names, Sockets: b.driver.sockets})
		b.closers = append(b.closers, b.link.Close)
	}
	for i, file := range files {
		l, err := net.FileListener(file)
		_ = file.Close()
		if err != nil {
			message.CloseAll(files[i+1:])
			return err
		}
		v := newVisitors(l, b.driver.sockets)
		b.closers = append(b.closers, v.Close)
		if i == 0 {
			b.runtime = v
			continue
		}
		b.inside.Go(func() { _ = services[i-1].Serve(v) }) // it ends because we close the listener
	}
	return nil
}

// watch hears what the init says, and waits until it and everything inside has
// ended.
func (b *box) watch() {
	var exited *message.Exited
	for {
		news, err := b.init.News()
		if err != nil {
			break
		}
		if exited = news.Exited(); exited != nil {
			break // these were its last words
		}
		b.answers <- news.Failure()
	}
	waitEnded(b.process)
	exit := sandbox.Exit{Code: -1, Signal: syscall.SIGKILL.String()}
	if exited != nil {
		exit = sandbox.Exit{Code: exited.Code, Signal: exited.Signal}
	}
	usage := b.measure()
	usage.MemoryMB = 0
	if b.group == nil && exited != nil {
		usage = sandbox.Usage{PeakMemoryMB: exited.PeakMemoryMB, CPU: exited.CPU}
	}
	b.mu.Lock()
	if b.group != nil && exit.Signal == syscall.SIGKILL.String() {
		exit.OutOfMemory = b.group.OOMKills() > 0
	}
	b.exit, b.usage = exit, usage
	b.mu.Unlock()
	close(b.done)
}

// waitEnded returns when the process behind a pidfd has ended.
func waitEnded(process *os.File) {
	raw, err := process.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
}

func (b *box) ID() string            { return b.id }
func (b *box) Done() <-chan struct{} { return b.done }

func (b *box) Exit() sandbox.Exit {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.exit
}

// Usage reports what all processes of the sandbox use together.
func (b *box) Usage() sandbox.Usage {
	select {
	case <-b.done:
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.usage
	default:
		return b.measure()
	}
}

func (b *box) measure() sandbox.Usage {
	if b.group == nil {
		return measureCommand(b.pid)
	}
	u, err := b.group.Usage()
	if err != nil {
		return sandbox.Usage{} // it is being removed
	}
	return sandbox.Usage(u)
}

// Listen returns the listener of the Runtime API, which there is one of.
func (b *box) Listen(context.Context) (net.Listener, error) { return b.runtime, nil }

// Freeze stops every process inside until Thaw.
func (b *box) Freeze(ctx context.Context) error { return b.whileAlive(ctx, (*cgroup.Group).Freeze) }

// Thaw lets them go on.
func (b *box) Thaw(ctx context.Context) error { return b.whileAlive(ctx, (*cgroup.Group).Thaw) }

// whileAlive does something with the group that is moot once the sandbox has ended.
func (b *box) whileAlive(ctx context.Context, do func(*cgroup.Group, context.Context) error) error {
	if b.group == nil {
		return pinfold.Errorf(pinfold.Unserved, "sandbox %s cannot be frozen: there are no control groups", b.id)
	}
	err := do(b.group, ctx)
	select {
	case <-b.done:
		return nil
	default:
		return err
	}
}
