//go:build linux

package namespace

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/namespace/cgroup"
	"pinfold.dev/pinfold/internal/sandbox/namespace/egress"
	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

// Driver makes sandboxes out of namespaces.
type Driver struct {
	options  Options
	rootless bool
	patience time.Duration // with the keeper
	keeping  sync.Mutex    // guards keeper
	keeper   *keeperProcess
	watching sync.WaitGroup // over keepers
	groups   *cgroup.Tree   // nil: there are none for us
	names    *egress.Names  // what the host knows of names, for all sandboxes
	sockets  *egress.Budget
	can      sandbox.Capabilities
	stock    *stock

	mu     sync.Mutex
	boxes  map[string]*box
	hostID ids
}

// New starts a driver. An error says why there can be no walls on this machine,
// and what to do about it. It is found out by building one sandbox.
func New(ctx context.Context, o Options) (sandbox.Driver, error) {
	d, err := open(ctx, o)
	if err != nil {
		return nil, err // and not a nil *Driver
	}
	return d, nil
}

func open(ctx context.Context, o Options) (_ *Driver, err error) {
	if o.Dir, err = filepath.Abs(o.Dir); err == nil {
		err = os.MkdirAll(o.Dir, 0o700)
	}
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Internal, "making the folder of sandboxes: %w", err)
	}
	o.Log = cmp.Or(o.Log, slog.Default())
	d := &Driver{options: o, rootless: !canGiveIDs(), patience: usualPatience, boxes: map[string]*box{}, names: egress.NewNames("", ""), sockets: egress.NewBudget(descriptors() / 2)}
	d.stock = newStock(d)
	d.can = sandbox.Capabilities{Filesystem: true, Processes: true, Network: true}
	if d.groups, err = cgroup.Open(treeName(o.Dir)); err != nil {
		d.weak("no limits on memory, processor and processes: %v", err)
	} else {
		can := d.groups.Can()
		d.can.Memory, d.can.CPU, d.can.Freeze = can.Memory, can.CPU, can.Freeze
		d.can.Weak = append(d.can.Weak, can.Weak...)
	}
	if d.rootless {
		d.weak("sandboxes run as this user (uid %d), not each as one of its own: start Pinfold as the machine's root for that", os.Getuid())
	}
	if _, err := d.keep(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.can.Weak = append(d.can.Weak, d.keeper.weak...)
	d.options.Inside = nil // they may not be ready to serve yet
	if err := d.prove(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.options.Inside = o.Inside
	return d, nil
}

// descriptors is how many files this process may have open, of which sandboxes
// get half: the rest is for the doors and for new sandboxes.
func descriptors() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 // what systems give without asking
	}
	return int(min(limit.Cur, 1<<20))
}

func (d *Driver) setup() message.Setup {
	return message.Setup{Dir: d.options.Dir, Hide: d.options.Hide, Rootless: d.rootless, ResolvConf: egress.ResolvConf}
}

// prove makes a sandbox and lets it go again.
func (d *Driver) prove(ctx context.Context) error {
	// A name of its own, for one that was killed here may have left its group.
	s, err := d.Create(ctx, sandbox.Spec{ID: "proof-" + rand.Text()})
	if err != nil {
		return pinfold.Errorf(pinfold.Unavailable, "this machine does not let Pinfold build walls: %w", err)
	}
	if s.(*box).noTap != "" {
		d.weak("functions reach no network outside, under any policy: %s", s.(*box).noTap)
	}
	return s.Close()
}

func (d *Driver) weak(format string, args ...any) {
	d.can.Weak = append(d.can.Weak, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ")) // a line each
}

// treeName names the cgroups of the platform whose sandboxes' folder is dir.
func treeName(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "pinfold-" + hex.EncodeToString(sum[:4])
}

// Name returns "namespace".
func (d *Driver) Name() string { return "namespace" }

// Capabilities returns which walls this machine lets stand.
func (d *Driver) Capabilities() sandbox.Capabilities { return d.can }

// Sweep removes what sandboxes of an earlier platform left behind: their cgroups
// and every process in them, also those that were frozen. Nothing else outlives
// a platform. Where there are no cgroups nothing can be frozen, either, and inits
// end by themselves.
func (d *Driver) Sweep(ctx context.Context) error {
	if d.groups == nil {
		return nil
	}
	if err := d.groups.Sweep(ctx); err != nil {
		return pinfold.Errorf(pinfold.Internal, "removing sandboxes left behind by an earlier run: %w", err)
	}
	return nil
}

// Clear removes what the sandboxes of a platform that was killed left behind, if
// nobody is going to start a driver in the folder dir again.
func Clear(ctx context.Context, dir string) error { return cgroup.Clear(ctx, treeName(dir)) }

// Close ends the sandboxes that are made ahead, and the keeper.
func (d *Driver) Close() error {
	d.stock.close()
	var errs []error
	if d.keeper != nil {
		select {
		case <-d.keeper.done: // not missed by anybody: no failure to end cleanly
			d.options.Log.Warn("the keeper of sandboxes had ended", "error", d.keeper.close())
		default:
			errs = append(errs, d.keeper.close())
		}
	}
	d.watching.Wait()
	if d.groups != nil {
		errs = append(errs, d.groups.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return pinfold.Errorf(pinfold.Internal, "ending the sandbox driver: %w", err)
	}
	return nil
}

// runtimePort is where the Runtime API listens in every sandbox: on Lambda's
// port, unless a service of ours is there.
func (d *Driver) runtimePort() int {
	port := message.RuntimePort
	for slices.ContainsFunc(d.options.Inside, func(s Service) bool { return s.Port == port }) {
		port++
	}
	return port
}

// ids hands out numbers that no living sandbox has.
type ids struct {
	free []int
	next int
}

// Host uids and gids of sandboxes begin here: above what distributions give to
// users, services, containers (524288-1879048191, systemd) and subordinate ids.
const (
	firstHostID = 0x70000000
	maxHostIDs  = 1 << 16
)

// canGiveIDs reports whether sandboxes can have uids of their own: whether this is
// root, and root of more than a user namespace that lacks them. Source:
// user_namespaces(7), "User and group ID mappings".
func canGiveIDs() bool {
	content, err := os.ReadFile("/proc/self/uid_map")
	if os.Geteuid() != 0 || err != nil {
		return false
	}
	for line := range strings.Lines(string(content)) {
		var inside, outside, length int
		_, err := fmt.Sscan(line, &inside, &outside, &length)
		if err == nil && inside <= firstHostID && inside+length >= firstHostID+maxHostIDs {
			return true
		}
	}
	return false
}

// reserve enters a sandbox into the driver's books.
func (d *Driver) reserve(b *box) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.boxes[b.id] != nil {
		return pinfold.Errorf(pinfold.Internal, "there is a sandbox %s already", b.id)
	}
	switch n := len(d.hostID.free); {
	case d.rootless: // 0: the keeper's own
	case n > 0:
		b.hostID, d.hostID.free = d.hostID.free[n-1], d.hostID.free[:n-1]
	case d.hostID.next == maxHostIDs:
		return pinfold.Errorf(pinfold.Unavailable, "%d sandboxes are as many as can be told apart", maxHostIDs)
	default:
		b.hostID = firstHostID + d.hostID.next
		d.hostID.next++
	}
	d.boxes[b.id] = b
	return nil
}

// rename enters a sandbox under another id into the driver's books. It reports
// false if that is taken.
func (d *Driver) rename(b *box, id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.boxes[id] != nil {
		return false
	}
	delete(d.boxes, b.id)
	b.id = id
	d.boxes[id] = b
	return true
}

func (d *Driver) release(b *box) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.boxes, b.id)
	if !d.rootless {
		d.hostID.free = append(d.hostID.free, b.hostID)
	}
}
