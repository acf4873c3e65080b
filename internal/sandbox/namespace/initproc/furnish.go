//go:build linux

package initproc

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
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

// furnish mounts what can only be mounted from inside the namespaces.
func furnish(b *message.Begin) error {
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("making a cgroup namespace: %w", err)
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	for _, m := range []struct {
		kind, at string
		flags    uintptr
		options  string
	}{
		{"proc", "/proc", flags | unix.MS_RDONLY, ""},
		{"tmpfs", "/dev/shm", flags, "mode=1777,size=" + shmSize},
		{"tmpfs", "/.pinfold", flags | unix.MS_RDONLY, "mode=0555,size=4k"}, // nobody needs this program any more
	} {
		if err := unix.Mount(m.kind, m.at, m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("mounting %s: %w", m.at, err)
		}
	}
	for _, name := range masked {
		if err := mask("/proc/" + name); err != nil {
			return fmt.Errorf("hiding /proc/%s: %w", name, err)
		}
	}
	if err := unix.Sethostname([]byte(b.Hostname)); err != nil {
		return fmt.Errorf("setting the hostname: %w", err)
	}
	return nil
}

// mask lays an empty file or folder over one that everybody may read.
func mask(path string) error {
	var stat unix.Stat_t
	err := unix.Lstat(path, &stat)
	switch {
	case errors.Is(err, unix.ENOENT) || err == nil && stat.Mode&0o004 == 0:
		return nil
	case err != nil:
		return err
	case stat.Mode&unix.S_IFMT == unix.S_IFDIR:
		return unix.Mount("/.pinfold", path, "", unix.MS_BIND, "")
	}
	return unix.Mount(os.DevNull, path, "", unix.MS_BIND, "")
}
