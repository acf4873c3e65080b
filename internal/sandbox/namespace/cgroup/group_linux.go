package cgroup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"pinfold.dev/pinfold"
)

// Limits bounds a group. Zero means no bound; less is an error.
type Limits struct {
	// MemoryMB bounds the memory, with swap, and the processor time in
	// proportion: 1,769 MB are one processor. Source: "Configure Lambda
	// function memory", Lambda developer guide.
	MemoryMB int
	// Unthrottled leaves the processor without a bound, until [Group.Throttle].
	Unthrottled bool
	Pids        int // processes and threads together
}

// Usage is what the processes of a group use. Memory is rounded up.
type Usage struct {
	PeakMemoryMB int // see [Group.Peak]
	MemoryMB     int // now, without the reclaimable cache
	CPU          time.Duration
}

// Group is one sandbox's processes.
type Group struct {
	tree *Tree
	id   string

	freezing sync.Mutex // held by whoever freezes or thaws

	limiting sync.Mutex
	set      map[setting]string // values of files that are not as they were at first

	mu       sync.Mutex
	files    map[string]*os.File // what Usage reads, by path
	buf      [8192]byte          // of the last read
	highest  int64               // the kernel's own peak, bytes, at the last look
	peak     int64               // ours, bytes
	last     Usage
	oomKills int
}

func (g *Group) dir(n *home) string { return filepath.Join(n.dir, g.id) }

// Add moves a process into the group, with all its threads and all children
// that it has from now on.
func (g *Group) Add(pid int) error {
	for _, n := range g.tree.homes {
		err := write(g.dir(n), "cgroup.procs", strconv.Itoa(pid))
		if gone(err) {
			return pinfold.Errorf(pinfold.NotFound, "process %d has ended before it came into its control group: %w", pid, err)
		}
		if err != nil {
			return pinfold.Errorf(pinfold.Internal, "moving process %d into its control group: %w", pid, err)
		}
	}
	return nil
}

// Limit sets the bounds, at any time. Memory that is in use beyond a new, lower
// bound is taken back as far as it can be; if that does not suffice, the bound
// is refused with an error, and nothing is killed.
//
// The bound kills one process, the one that the kernel holds for the worst, not
// the group (memory.oom.group): on Lambda, too, the microVM's kernel picks one,
// and a function whose child was killed goes on.
func (g *Group) Limit(l Limits) error {
	if l.MemoryMB < 0 || l.Pids < 0 {
		return pinfold.Errorf(pinfold.Invalid, "limits of %d MB and %d processes: they cannot be below 0", l.MemoryMB, l.Pids)
	}
	if n := g.tree.memory; n != nil && l.MemoryMB > 0 {
		// Version 2 would kill where version 1 refuses.
		g.mu.Lock()
		used, _, err := g.memory(n)
		g.mu.Unlock()
		if err == nil && used > int64(l.MemoryMB)<<20 {
			return tooLow(l, used)
		}
	}
	return g.apply(l, g.tree.settings(l))
}

// Throttle sets the bound of the processor alone.
func (g *Group) Throttle(l Limits) error {
	return g.apply(l, g.tree.processor(l))
}

// Background lets the processes have what the other groups leave of the
// processor, or gives them their part again.
func (g *Group) Background(on bool) error {
	n := g.tree.cpu
	if n == nil {
		return nil
	}
	s := setting{home: n, file: "cpu.shares", value: "1024", none: "1024"}
	if n.v2 {
		s = setting{home: n, file: "cpu.weight", value: "100", none: "100"}
	}
	if on {
		s.value = "2" // of 2 to 2^18, and of 1 to 10,000
	}
	return g.apply(Limits{}, []setting{s})
}

// apply writes settings that are not so already: each write costs some
// microseconds, and a new group has no bounds.
func (g *Group) apply(l Limits, settings []setting) error {
	g.limiting.Lock()
	defer g.limiting.Unlock()
	for _, s := range settings {
		key := setting{home: s.home, file: s.file}
		if was, ok := g.set[key]; ok && was == s.value || !ok && s.value == s.none {
			continue
		}
		err := write(g.dir(s.home), s.file, s.value)
		if err == nil {
			if g.set == nil {
				g.set = map[setting]string{}
			}
			g.set[key] = s.value
		}
		switch {
		case err == nil || s.accept != 0 && errors.Is(err, s.accept):
		case errors.Is(err, syscall.EBUSY):
			return tooLow(l, 0)
		default:
			return pinfold.Errorf(pinfold.Internal, "setting the limits of a sandbox: %w", err)
		}
	}
	return nil
}

func tooLow(l Limits, used int64) error {
	if used == 0 {
		return pinfold.Errorf(pinfold.Conflict, "a running sandbox uses more than the %d MB that it should be held to: give its function more memory", l.MemoryMB)
	}
	return pinfold.Errorf(pinfold.Conflict, "a running sandbox uses %d MB and cannot be held to %d: give its function more memory", megabytes(used), l.MemoryMB)
}

// period is what processor time is shared out over. The kernel's default of
// 100 ms would let a small function pause for up to 93 ms at a time; below 15,
// the share of 128 MB would be under the kernel's least quota of 1 ms.
const period = 20 * time.Millisecond

// setting is one write into a file of a group.
type setting struct {
	home        *home
	file, value string
	none        string        // what is in the file of a new group, if that is known
	accept      syscall.Errno // an error that is as good as success
}

// bound writes a limit down, or the word for that there is none.
func bound(limit int64, none string) string {
	if limit == 0 {
		return none
	}
	return strconv.FormatInt(limit, 10)
}

// none is the kernel's word for that there is no bound.
func none(n *home) string {
	if n.v2 {
		return "max"
	}
	return "-1"
}

// settings translates limits into what is to be written, in order.
func (t *Tree) settings(l Limits) (s []setting) {
	set := func(n *home, file, value string, accept syscall.Errno) {
		s = append(s, setting{n, file, value, none(n), accept})
	}
	memory := int64(l.MemoryMB) << 20
	switch n := t.memory; {
	case n == nil:
	case n.v2:
		swap := "max"
		if l.MemoryMB > 0 {
			swap = "0"
		}
		set(n, "memory.swap.max", swap, syscall.ENOENT) // no accounting of swap
		set(n, "memory.max", bound(memory, "max"), 0)
	default:
		// memsw is memory and swap together and may never be below memory,
		// so it steps aside first, whichever way the limit goes.
		const memsw = "memory.memsw.limit_in_bytes"
		set(n, memsw, "-1", syscall.ENOENT)
		set(n, "memory.limit_in_bytes", bound(memory, "-1"), 0)
		set(n, memsw, bound(memory, "-1"), syscall.ENOENT)
		// What sockets hold back does not count as memory in version 1, and fills
		// what the kernel has for all TCP of the machine (net.ipv4.tcp_mem).
		set(n, "memory.kmem.tcp.limit_in_bytes", bound(memory, "-1"), syscall.ENOENT)
	}
	s = append(s, t.processor(l)...)
	if t.pids != nil {
		s = append(s, setting{t.pids, "pids.max", bound(int64(l.Pids), "max"), "max", 0})
	}
	return s
}

// processor is the part of settings that is about processor time.
func (t *Tree) processor(l Limits) []setting {
	var quota int64
	if l.MemoryMB > 0 && !l.Unthrottled {
		const least = 1000 // for the kernel
		quota = max(int64(l.MemoryMB)*period.Microseconds()/1769, least)
	}
	us := strconv.FormatInt(period.Microseconds(), 10)
	switch n := t.cpu; {
	case n == nil:
		return nil
	case n.v2:
		return []setting{{n, "cpu.max", bound(quota, "max") + " " + us, "max " + us, 0}}
	case quota == 0:
		return []setting{{n, "cpu.cfs_quota_us", "-1", "-1", 0}}
	default:
		return []setting{
			{n, "cpu.cfs_quota_us", "-1", "-1", 0},
			{n, "cpu.cfs_period_us", us, "", 0},
			// Version 1 refuses more than a group above may have; that one's
			// bound holds then.
			{n, "cpu.cfs_quota_us", bound(quota, "-1"), "-1", syscall.EINVAL},
		}
	}
}

// Usage reports what is used, and what has been; after Remove, what it said last.
func (g *Group) Usage() (Usage, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	u := g.last
	if n := g.tree.memory; n != nil {
		used, err := g.look(n)
		if err != nil {
			return g.ended(err)
		}
		u.MemoryMB, u.PeakMemoryMB = megabytes(used), megabytes(g.peak)
	}
	if n := g.tree.account; n != nil {
		cpu, err := g.cpu(n)
		if err != nil {
			return g.ended(err)
		}
		u.CPU = cpu
	}
	g.last = u
	return u, nil
}

// look raises our peak, and returns the bytes in use.
//
// The kernel's peak, which it tells in version 2 from Linux 5.19 on, counts cached
// files. They would make a function that reads much look large although the cache
// would be given back before anything is killed. There is no peak without it, so it
// is estimated: each look takes what is in use less the reclaimable cache (the
// active and inactive file lists); if the kernel's peak has risen since the last
// one, it takes that peak less the cache instead; and the result is the most that
// any look saw.
func (g *Group) look(n *home) (used int64, err error) {
	highest, err := g.number(n, "memory.peak", "memory.max_usage_in_bytes")
	known := err == nil
	used, cache, err := g.memory(n)
	if err != nil {
		return 0, err
	}
	most := used
	if known && highest > g.highest {
		most = max(used, highest-cache)
		g.highest = highest
	}
	g.peak = max(g.peak, most)
	return used, nil
}

// ended answers for a group that cannot be read, after Remove with what was.
func (g *Group) ended(err error) (Usage, error) {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return g.last, nil
	}
	return g.last, pinfold.Errorf(pinfold.Internal, "reading what a sandbox has used: %w", err)
}

// memory returns the bytes in use without the reclaimable cache, and that.
func (g *Group) memory(n *home) (used, cache int64, err error) {
	current, err := g.number(n, "memory.current", "memory.usage_in_bytes")
	if err != nil {
		return 0, 0, err
	}
	stat, err := g.read(n, "memory.stat")
	if err != nil {
		return 0, 0, err
	}
	cache = value(stat, "inactive_file") + value(stat, "active_file")
	return max(0, current-cache), cache, nil
}

func (g *Group) cpu(n *home) (time.Duration, error) {
	if !n.v2 {
		ns, err := g.number(n, "", "cpuacct.usage")
		return time.Duration(ns), err
	}
	stat, err := g.read(n, "cpu.stat")
	return time.Duration(value(stat, "usage_usec")) * time.Microsecond, err
}

// number reads a file that is a number, by its name in either version.
func (g *Group) number(n *home, v2, v1 string) (int64, error) {
	file := v1
	if n.v2 {
		file = v2
	}
	b, err := g.read(n, file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
}

// read returns what a file says now, until the next read. It keeps the file
// open: to read a group's files so is five times as fast. The caller holds mu.
func (g *Group) read(n *home, name string) ([]byte, error) {
	path := filepath.Join(g.dir(n), name)
	f := g.files[path]
	if f == nil {
		var err error
		if f, err = os.Open(path); err != nil {
			return nil, err
		}
		if g.files == nil {
			g.files = map[string]*os.File{}
		}
		g.files[path] = f
	}
	size, err := f.ReadAt(g.buf[:], 0)
	if err == io.EOF {
		err = nil
	}
	return g.buf[:size], err
}

// OOMKills says how many processes the memory limit has killed; after Remove,
// what it said last.
func (g *Group) OOMKills() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := g.tree.memory; n != nil {
		file := "memory.oom_control"
		if n.v2 {
			file = "memory.events"
		}
		if events, err := os.ReadFile(filepath.Join(g.dir(n), file)); err == nil {
			g.oomKills = int(value(events, "oom_kill"))
		}
	}
	return g.oomKills
}

// patience is how long a group may take to be empty after its last process
// was waited for: the kernel takes it out of the group a moment later.
const patience = time.Second

// Remove removes the group once all its processes are gone. It may be called
// more than once.
func (g *Group) Remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return g.remove(ctx)
}

func (g *Group) remove(ctx context.Context) error {
	g.mu.Lock()
	for _, f := range g.files {
		_ = f.Close() // only read from
	}
	g.files = nil
	g.mu.Unlock()
	for _, n := range g.tree.homes {
		err := poll(ctx, func() (bool, error) {
			err := rmdir(g.dir(n))
			return !errors.Is(err, syscall.EBUSY), err
		})
		if errors.Is(err, syscall.EBUSY) {
			return pinfold.Errorf(pinfold.Conflict, "a control group cannot be removed, it has processes: %w", err)
		}
		if err != nil {
			return pinfold.Errorf(pinfold.Internal, "removing a control group: %w", err)
		}
	}
	return nil
}

// value returns what a line "key number" of a file says, 0 without one.
func value(file []byte, key string) int64 {
	for line := range bytes.Lines(file) {
		if rest, ok := bytes.CutPrefix(line, []byte(key)); ok && bytes.HasPrefix(rest, []byte(" ")) {
			n, _ := strconv.ParseInt(string(bytes.TrimSpace(rest)), 10, 64)
			return n
		}
	}
	return 0
}

// megabytes rounds up.
func megabytes(bytes int64) int { return int((bytes + 1<<20 - 1) >> 20) }
