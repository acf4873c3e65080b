package sandboxtest

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	byRoot    = "a root of its own, which has only what runtimes need"
	byPids    = "pid namespace, and a `/proc` of it"
	byFilter  = "seccomp: not on the list"
	byNoCaps  = "no capabilities, and none to be had (`no_new_privs`, a user namespace with one uid)"
	byNetwork = "network namespace"
	byEgress  = "the platform's own network stack behind the sandbox's only device"
	byGroup   = "cgroup"
)

// fixed tells an attack the same whatever house it is in.
func fixed(o order) func(context.Context, *house) (order, error) {
	return func(context.Context, *house) (order, error) { return o, nil }
}

func paths(all ...string) func(context.Context, *house) (order, error) {
	return fixed(order{"paths": all})
}

// kept tells an attack what is in a part of the data folder.
func kept(parts ...string) func(context.Context, *house) (order, error) {
	return func(_ context.Context, h *house) (order, error) {
		var all []string
		for _, part := range parts {
			err := filepath.WalkDir(filepath.Join(h.facts.Data, part), func(path string, _ fs.DirEntry, err error) error {
				if err == nil && len(all) < 200 {
					all = append(all, path)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
		return order{"paths": all}, nil
	}
}

// wholeFolder tells an attack everything at the top of the data folder but what
// instances must read.
func wholeFolder(_ context.Context, h *house) (order, error) {
	entries, err := os.ReadDir(h.facts.Data)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, entry := range entries {
		if entry.Name() != "bootstraps" {
			all = append(all, filepath.Join(h.facts.Data, entry.Name()))
		}
	}
	return order{"paths": all}, nil
}

// absent is where things are not there for the function, or are and are closed.
const absent = "ENOENT EACCES ENOTDIR"

var reading = []attack{
	{name: "passwords", on: "node", run: "open", wants: "to read the host's passwords and keys", wall: byRoot, stops: absent,
		more: paths("/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh", "/root", "/root/.ssh", "/home", "/boot", "/var/log", "/var/lib", "/run/secrets")},
	{name: "data folder", on: "node", run: "open", wants: "to read the platform's data", wall: byRoot, stops: absent, more: wholeFolder},
	{name: "root key", on: "node", run: "open", wants: "to become the owner of the platform", wall: byRoot, stops: absent, more: kept("root-key.json")},
	{name: "code of others", on: "node", run: "open", wants: "to read another function's code", wall: byRoot, stops: absent, more: kept("code", "packages")},
	{name: "temporary files of others", on: "node", run: "open", wants: "to read another function's `/tmp`, and the host's", wall: "a `/tmp` of its own",
		stops: absent, more: func(ctx context.Context, h *house) (order, error) {
			o, err := kept("run")(ctx, h)
			if err == nil {
				o["paths"] = append(o["paths"].([]string), h.bait.file, filepath.Dir(h.bait.file))
			}
			return o, err
		}},
	{name: "logs", on: "node", run: "open", wants: "to read what other functions and the host have logged", wall: byRoot, stops: absent, more: func(ctx context.Context, h *house) (order, error) {
		o, err := kept("logs")(ctx, h)
		if err == nil {
			o["paths"] = append(o["paths"].([]string), "/var/log/syslog", "/var/log/journal", "/run/log", "/dev/log", "/dev/kmsg")
		}
		return o, err
	}},
	{name: "hunt", on: "python", run: "hunt", wants: "to find any secret in any file that it can read", wall: byRoot, stops: "none"},
	{name: "processes", on: "python", run: "processes", wants: "to see who else runs", wall: byPids, stops: "none"},
	{name: "environments", on: "python", run: "environments", wants: "to read the environment and memory maps of other processes", wall: byPids + "; process 1 is closed to others",
		stops: "none EACCES EPERM"},
	{name: "end of process 1", on: "python", run: "process_one_dies", wants: "to end the sandbox's init, or to keep it from its work, by signals, limits and priorities", wall: "init gets no signals, and needs nothing that limits take",
		stops: "survived EPERM EACCES", bare: "it harms only its own"},
	{name: "process 1", on: "python", run: "process_one", wants: "to go by the sandbox's init to what it sees", wall: "init is not dumpable and gives up its capabilities", stops: "EACCES EPERM",
		bare: "process 1 is the host's"},
	{name: "memory of others", on: "go", run: "ptrace", wants: "to read or take over another process: its memory, its files", wall: byPids + "; " + byFilter, stops: "ESRCH EPERM ENOENT EACCES"},
	{name: "kernel pointers", on: "node", run: "content", wants: "to learn where the kernel is in memory", wall: "covered by empty files in `/proc`", stops: "empty zeros " + absent + " EPERM EIO",
		more: paths("/proc/kallsyms", "/proc/modules", "/proc/iomem", "/proc/ioports", "/proc/timer_list", "/proc/vmallocinfo", "/proc/slabinfo", "/proc/kcore",
			"/proc/kmsg", "/proc/keys", "/proc/key-users", "/proc/sched_debug", "/proc/interrupts", "/proc/partitions", "/proc/diskstats", "/proc/config.gz")},
	{name: "kernel log", on: "go", run: "log", wants: "to read the kernel's messages", wall: byFilter, stops: "EPERM"},
	{name: "devices", on: "node", run: "list", wants: "to find devices: disks, memory, terminals", wall: "a `/dev` of its own", stops: "none",
		more: fixed(order{"paths": []string{"/dev"}, "names": strings.Fields("null zero full random urandom fd shm stdin stdout stderr")})},
	{name: "block devices", on: "node", run: "open", wants: "to read disks around their file systems", wall: "a `/dev` of its own; every mount is `nodev`", stops: absent,
		more: paths("/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/loop0", "/dev/loop-control", "/dev/mem", "/dev/port", "/dev/kvm", "/dev/fuse", "/dev/disk", "/dev/mapper")},
	{name: "the machine", on: "node", run: "list", wants: "to learn about the machine and its control groups", wall: "no `/sys`", stops: "none ENOENT",
		more: fixed(order{"paths": []string{"/sys", "/sys/fs/cgroup", "/sys/kernel"}, "names": []string{}})},
	{name: "shared memory of the host", on: "go", run: "sysv", wants: "to read the host's System V shared memory", wall: "ipc namespace", stops: "ENOENT"},
}
