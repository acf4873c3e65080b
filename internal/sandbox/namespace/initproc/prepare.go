//go:build linux

package initproc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
	"pinfold.dev/pinfold/internal/sandbox/namespace/rootfs"
	"pinfold.dev/pinfold/internal/sandbox/namespace/seccomp"
)

// masked is what of /proc says something about the machine, or about other
// sandboxes, that is none of a function's business. /proc as a whole is
// read-only already, and what only root may read needs no mask: no sandbox's uid
// is root's.
var masked = []string{
	// Addresses in the kernel, which exploits need.
	"kallsyms", "kcore", "modules", "iomem", "ioports", "timer_list", "vmallocinfo", "slabinfo", "kpagecount", "kpageflags", "kpagecgroup", "config.gz",
	// What others do.
	"kmsg", "keys", "key-users", "sched_debug", "latency_stats", "interrupts", "softirqs", "locks", "diskstats", "partitions", "swaps", "mdstat", "cgroups",
	"schedstat", "pressure",
	// What the machine was started with, passwords of installers included.
	"cmdline",
	// Switches and devices.
	"sysrq-trigger", "mtrr", "acpi", "asound", "bus", "driver", "fs", "irq", "scsi", "tty", "dynamic_debug", "sys/fs/binfmt_misc", "sys/dev",
}

// shmSize bounds /dev/shm. What is in it counts as the function's memory as well.
const shmSize = "256m"

// openFiles is how many files a function may have open, as on Lambda. Source:
// "Lambda quotas", Lambda developer guide.
const openFiles = 1024

// call is a system call to be made after the fork.
type call struct {
	what   string
	number uintptr
	args   [5]uintptr
}

// Plan is the life of an init, ready to be lived any number of times.
type Plan struct {
	calls []call
	keep  []any // what arguments point to, which the collector does not know
	title []byte
	name  string
}

// Prepare makes the plan of inits. Without groups they leave none.
func Prepare(groups bool) (*Plan, error) {
	p := &Plan{name: message.InitName}
	// For ps, where it would be the keeper; its name is in /proc/PID/cmdline, longer.
	p.title = unsafe.Slice(unsafe.StringData(os.Args[0]), len(os.Args[0]))
	after.vector.Base, after.vector.Len = (*byte)(unsafe.Pointer(&after.packet)), uint64(unsafe.Sizeof(after.packet))
	after.header.Iov, after.header.Iovlen, after.header.Control = &after.vector, 1, &after.rights[0]
	p.become(groups)
	if err := p.furnish(); err != nil {
		return nil, err
	}
	return p, p.surrender()
}

func (p *Plan) add(what string, number uintptr, args ...uintptr) {
	c := call{what: what, number: number}
	copy(c.args[:], args)
	p.calls = append(p.calls, c)
}

// text returns the address of a string as C has it.
func (p *Plan) text(s string) uintptr {
	b := append([]byte(s), 0)
	p.keep = append(p.keep, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// keepAt returns the address of what v points to.
func keepAt[T any](p *Plan, v *T) uintptr {
	p.keep = append(p.keep, v)
	return uintptr(unsafe.Pointer(v))
}

// become makes the process the sandbox's user, with all capabilities inside.
func (p *Plan) become(groups bool) {
	if groups {
		p.add("leaving the platform's groups", unix.SYS_SETGROUPS, 0, 0)
	}
	p.add("becoming the sandbox's group", unix.SYS_SETRESGID, message.GID, message.GID, message.GID)
	p.add("becoming the sandbox's user", unix.SYS_SETRESUID, message.UID, message.UID, message.UID)
}

// furnish mounts what can only be mounted from inside the namespaces.
func (p *Plan) furnish() error {
	p.add("making a cgroup namespace", unix.SYS_UNSHARE, unix.CLONE_NEWCGROUP)
	mount := func(what, source, at, kind string, flags uintptr, options string) {
		p.add(what, unix.SYS_MOUNT, p.text(source), p.text(at), p.text(kind), flags, p.text(options))
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	mount("mounting /proc", "proc", "/proc", "proc", flags|unix.MS_RDONLY, "")
	mount("mounting /dev/shm", "tmpfs", "/dev/shm", "tmpfs", flags, "mode=1777,size="+shmSize)
	p.add("opening /dev/null", unix.SYS_OPENAT, 0, p.text(os.DevNull), unix.O_RDWR) // as 0, for nothing is open
	p.add("opening standard output", unix.SYS_DUP, 0)
	p.add("opening standard error", unix.SYS_DUP, 0)
	for _, name := range masked {
		over, err := mask("/proc/" + name)
		if err != nil {
			return fmt.Errorf("hiding /proc/%s: %w", name, err)
		}
		if over != "" {
			mount("hiding /proc/"+name, over, "/proc/"+name, "", unix.MS_BIND, "")
		}
	}
	const host = "pinfold"
	p.add("setting the hostname", unix.SYS_SETHOSTNAME, p.text(host), uintptr(len(host)))
	return nil
}

// mask returns what is to be laid over a path: an empty file or folder over one
// that everybody may read, and nothing over others. What the kernel has in /proc
// is the same in all of them.
func mask(path string) (string, error) {
	info, err := os.Lstat(path)
	switch {
	case os.IsNotExist(err) || err == nil && info.Mode()&0o004 == 0:
		return "", nil
	case err != nil:
		return "", err
	case info.IsDir():
		return rootfs.Empty, nil
	}
	return os.DevNull, nil
}

// surrender gives up every privilege, for good. The order matters: without
// capabilities none of the steps before that could be taken any more.
func (p *Plan) surrender() error {
	for _, limit := range []struct {
		resource int
		value    uint64
	}{
		{unix.RLIMIT_NOFILE, openFiles},
		// 1 is none: with 0 there would still be those that the host's own collector
		// of core dumps gets through a pipe (core(5)), and keeps outside.
		{unix.RLIMIT_CORE, 1},
	} {
		var most unix.Rlimit
		if err := unix.Getrlimit(limit.resource, &most); err != nil {
			return fmt.Errorf("reading the limit of resource %d: %w", limit.resource, err)
		}
		value := min(limit.value, most.Max) // where the platform may have less, so has the function
		p.add(fmt.Sprintf("limiting resource %d to %d", limit.resource, value),
			unix.SYS_PRLIMIT64, 0, uintptr(limit.resource), keepAt(p, &unix.Rlimit{Cur: value, Max: value}))
	}
	// Same uid as the function: it must not look into this process.
	p.add("closing the sandbox's init to others", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE)
	last, err := lastCapability()
	if err != nil {
		return err
	}
	for capability := range last + 1 {
		p.add("dropping a capability", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(capability))
	}
	p.add("dropping ambient capabilities", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL)
	p.add("dropping capabilities", unix.SYS_CAPSET,
		keepAt(p, &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}), keepAt(p, &[2]unix.CapUserData{}))
	// What no_new_privs and the filter are for is in package seccomp.
	p.add("setting no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	filter := seccomp.Filter()
	p.add("loading the system call filter: the kernel needs CONFIG_SECCOMP_FILTER", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0,
		keepAt(p, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}))
	return nil
}

func lastCapability() (int, error) {
	b, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return 0, fmt.Errorf("asking the kernel for its capabilities: %w", err)
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}
