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
// read-only already.
var masked = []string{
	// Addresses in the kernel, which exploits need.
	"/proc/kallsyms", "/proc/kcore", "/proc/modules", "/proc/iomem", "/proc/ioports", "/proc/timer_list", "/proc/vmallocinfo", "/proc/slabinfo",
	"/proc/kpagecount", "/proc/kpageflags", "/proc/kpagecgroup", "/proc/config.gz",
	// What others do.
	"/proc/kmsg", "/proc/keys", "/proc/key-users", "/proc/sched_debug", "/proc/latency_stats", "/proc/interrupts", "/proc/softirqs", "/proc/locks",
	"/proc/diskstats", "/proc/partitions", "/proc/swaps", "/proc/mdstat", "/proc/cgroups", "/proc/schedstat", "/proc/pressure",
	// Switches and devices.
	"/proc/sysrq-trigger", "/proc/mtrr", "/proc/acpi", "/proc/asound", "/proc/bus", "/proc/driver", "/proc/fs", "/proc/irq", "/proc/scsi", "/proc/tty",
	"/proc/dynamic_debug", "/proc/sys/fs/binfmt_misc", "/proc/sys/dev",
}

// shmMB bounds /dev/shm. What is in it counts as the function's memory as well.
const shmMB = "256m"

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
		{"tmpfs", "/dev/shm", flags, "mode=1777,size=" + shmMB},
		{"tmpfs", "/.pinfold", flags | unix.MS_RDONLY, "mode=0555,size=4k"}, // nobody needs this program any more
	} {
		if err := unix.Mount(m.kind, m.at, m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("mounting %s: %w", m.at, err)
		}
	}
	for _, path := range masked {
		if err := mask(path); err != nil {
			return fmt.Errorf("hiding %s: %w", path, err)
		}
	}
	if err := unix.Sethostname([]byte(b.Hostname)); err != nil {
		return fmt.Errorf("setting the hostname: %w", err)
	}
	return nil
}

func mask(path string) error {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); errors.Is(err, unix.ENOENT) {
		return nil
	} else if err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		return unix.Mount("tmpfs", path, "tmpfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0555,size=4k")
	}
	return unix.Mount(os.DevNull, path, "", unix.MS_BIND, "")
}
