package sandboxtest

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"

	"pinfold.dev/pinfold"
)

var escaping = []attack{
	{name: "mount", on: "go", run: "mount", wants: "to mount, to make its code writable, to uncover what is covered", wall: byFilter + "; " + byNoCaps, stops: "EPERM"},
	{name: "roots", on: "go", run: "roots", wants: "another root: pivot_root, and chroot with its tricks", wall: byFilter + "; " + byNoCaps, stops: "EPERM"},
	{name: "setns", on: "go", run: "setns", wants: "to enter other namespaces", wall: byFilter, stops: "EPERM EACCES"},
	{name: "namespaces by clone", on: "go", run: "namespaces", wants: "to be root in a namespace of its own, where more of the kernel is open", wall: byFilter, stops: "EPERM"},
	{name: "namespaces by unshare", on: "python", run: "unshare", wants: "the same by unshare, clone and clone3", wall: byFilter + " (clone3: as if the kernel had none)", stops: "EPERM ENOSYS"},
	{name: "namespaces by unshare(1)", on: "node", run: "userNamespace", wants: "the same with the tool for it", wall: byRoot + "; " + byFilter, stops: "EPERM ENOENT"},
	{name: "the runtime's program", on: "go", run: "exe", wants: "to overwrite a program that runs outside, by `/proc/self/exe`", wall: "files are not the function's, mounts are read-only, and init is closed to others",
		stops: "EACCES EROFS EPERM"},
	{name: "inherited descriptors", on: "python", run: "descriptors", wants: "a way out by a folder that was left open", wall: "an instance gets its own descriptors only", stops: "own",
		bare: "the process driver leaves none open, either"},
	{name: "capabilities", on: "go", run: "capabilities", wants: "any privilege that was left", wall: byNoCaps, stops: "none"},
	{name: "identity", on: "go", run: "identity", wants: "to be root, have capabilities, more files, or a higher priority", wall: byNoCaps, stops: "EPERM EINVAL EACCES"},
	{name: "setuid programs", on: "node", run: "setuid", wants: "to become root by su, sudo, or a setuid copy of a shell", wall: byNoCaps + "; every mount is `nosuid`", stops: "ENOENT EPERM EINVAL EACCES refused"},
	{name: "device nodes", on: "go", run: "devices", wants: "to make itself a disk to read", wall: byFilter + "; " + byNoCaps, stops: "EPERM", bare: "root of a virtual machine may lack the capability"},
	{name: "handles", on: "go", run: "handles", wants: "to open files by inode, around the root", wall: byFilter, stops: "EPERM"},
	{name: "links", on: "node", run: "links", wants: "out of `/tmp` by links", wall: byRoot + "; process 1 is closed to others", stops: absent + " ELOOP EPERM",
		more: paths("/root", "/proc/1/root/root", "/proc/1/cwd", "../../../../../../root", "/var/task/../../../root", "/etc/shadow", "/dev/vda", "/proc/1/fd/3")},
	{name: "links in a package", on: "node", do: packLinks, wants: "out of `/var/task` by links in the code package", wall: "packages with links that lead out of them are refused", stops: "refused",
		bare: "it is not the driver's wall"},
	{name: "system files", on: "node", run: "write", wants: "to change its code, its runtime, or the system", wall: "read-only mounts", stops: "EROFS EACCES EPERM ENOENT",
		more: paths("/", "/var/task", "/opt", "/usr", "/usr/bin", "/usr/lib", "/etc", "/bin", "/lib", "/var", "/proc", "/dev", "/.pinfold", "/root", "/run")},
	{name: "switches of the kernel", on: "node", run: "switches", wants: "to have the kernel run a program of its own, or do what it says: core_pattern, modprobe, release_agent, sysrq",
		wall: "`/proc` is read-only, or covered; there is no `/sys`", stops: "EROFS EACCES EPERM ENOENT ENOTDIR",
		more: paths("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug", "/proc/sys/vm/drop_caches", "/proc/sys/kernel/randomize_va_space",
			"/proc/sys/net/ipv4/ip_forward", "/proc/sys/fs/binfmt_misc/register", "/proc/sysrq-trigger", "/proc/self/oom_score_adj", "/proc/irq/0/smp_affinity",
			"/sys/kernel/uevent_helper", "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/cgroup.procs", "/sys/power/state")},
	{name: "keyrings", on: "go", run: "keys", wants: "keys of others: keyrings have no namespace", wall: byFilter, stops: "EPERM"},
	{name: "bpf", on: "go", run: "bpf", wants: "programs in the kernel", wall: byFilter, stops: "EPERM"},
	{name: "perf", on: "go", run: "perf", wants: "to watch the processor, and with it others", wall: byFilter, stops: "EPERM"},
	{name: "userfaultfd", on: "go", run: "userfaultfd", wants: "to stop the kernel half-way, as exploits do", wall: byFilter, stops: "EPERM"},
	{name: "io_uring", on: "go", run: "io_uring", wants: "a way around the filter", wall: byFilter, stops: "EPERM"},
	{name: "kexec", on: "go", run: "kexec", wants: "another kernel", wall: byFilter, stops: "EPERM"},
	{name: "modules", on: "go", run: "modules", wants: "code in the kernel", wall: byFilter, stops: "EPERM"},
	{name: "time", on: "go", run: "time", wants: "to set the machine's clock", wall: byFilter, stops: "EPERM", bare: "root of a virtual machine may lack the capability"},
	{name: "reboot", on: "go", run: "reboot", wants: "to stop the machine", wall: byFilter, stops: "EPERM", bare: "root of a virtual machine may lack the capability"},
	{name: "swap, names, accounting", on: "go", run: "machine", wants: "to change what the whole machine shares", wall: byFilter, stops: "EPERM"},
	{name: "input and output", on: "go", run: "ports", wants: "the processor's ports", wall: byFilter, stops: "EPERM ENOSYS", bare: "root of a virtual machine may lack the capability"},
	{name: "other numbers", on: "go", run: "otherNumbers", wants: "to go around the filter by the numbers of x32", wall: byFilter, stops: "EPERM ENOSYS", bare: "few kernels have x32"},
	{name: "other convention", on: "python", run: "other_convention", wants: "to go around the filter by the system calls of 32-bit programs", wall: byFilter + "; another architecture ends the process", stops: "EPERM ENOSYS signal-31"},
	{name: "terminals", on: "python", run: "terminal", wants: "to type into a terminal that it shares (TIOCSTI)", wall: "a session and a `/dev` of its own; " + byFilter, stops: "ENOENT ENXIO EACCES EPERM"},
}

// packLinks uploads code packages with links that lead out of them.
func packLinks(ctx context.Context, h *house) map[string]string {
	answer := map[string]string{}
	for _, target := range []string{"/", "/etc/shadow", "../..", "../../../../etc", "a/../../..", h.facts.Data} {
		var file bytes.Buffer
		z := zip.NewWriter(&file)
		header := &zip.FileHeader{Name: "way/out"}
		header.SetMode(fs.ModeSymlink | 0o777)
		w, err := z.CreateHeader(header)
		if err == nil {
			_, err = w.Write([]byte(target))
		}
		if err == nil {
			err = z.Close()
		}
		if err == nil {
			sum := sha256.Sum256(file.Bytes())
			err = h.client.PutPackage(ctx, pinfold.Package{SHA256: hex.EncodeToString(sum[:]), Size: int64(file.Len())}, bytes.NewReader(file.Bytes()))
		}
		switch {
		case err == nil:
			answer[target] = "got it"
		case pinfold.CodeOf(err) == pinfold.Invalid:
			answer[target] = "refused"
		default:
			answer[target] = err.Error()
		}
	}
	return answer
}
