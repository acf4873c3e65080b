//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

var escaping = map[string]func(*event) (tries, error){
	"mount": mount, "roots": roots, "setns": setns, "namespaces": namespaces, "exe": exe, "capabilities": capabilities,
	"identity": identity, "devices": devices, "handles": handles,
}

func mount(*event) (tries, error) {
	t, tmp := tries{}, os.TempDir()
	t.note("mount a file system that does not exist", unix.Mount("none", tmp, "pinfold-none", 0, ""))                     // else ENODEV
	t.note("bind a folder that does not exist", unix.Mount("/pinfold-none", tmp, "", unix.MS_BIND, ""))                   // else ENOENT
	t.note("make the code writable", unix.Mount("", os.Getenv("LAMBDA_TASK_ROOT"), "", unix.MS_REMOUNT|unix.MS_BIND, "")) // else EINVAL
	t.note("uncover what a mount hides", unix.Unmount("/proc/kallsyms", 0))                                               // else EINVAL
	t.note("fsopen", opens(unix.SYS_FSOPEN, "tmpfs", 0))
	t.note("open_tree", opens(unix.SYS_OPEN_TREE, unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE))
	t.note("move_mount", unix.MoveMount(-1, "", -1, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)) // else EBADF
	t.note("mount_setattr", unix.MountSetattr(unix.AT_FDCWD, "/pinfold-none", 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}))
	return t, nil
}

func roots(*event) (tries, error) {
	t := tries{}
	t.note("pivot_root", unix.PivotRoot("/pinfold-none", "/pinfold-none")) // else ENOENT
	t.note("chroot", unix.Chroot("/"))
	return t, nil
}

// setns enters namespaces: its own, which would do no harm, and those of
// process 1.
func setns(e *event) (tries, error) {
	t := tries{}
	enter := func(path string) {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, 0)
			_ = unix.Close(fd)
		}
		t.note(path, err)
	}
	for _, kind := range []string{"net", "uts", "ipc", "cgroup", "pid"} {
		enter("/proc/self/ns/" + kind)
	}
	for _, kind := range []string{"mnt", "user", "net", "pid"} {
		enter("/proc/1/ns/" + kind)
	}
	fd, err := unix.PidfdOpen(1, 0)
	if err == nil {
		err = unix.Setns(fd, unix.CLONE_NEWNS|unix.CLONE_NEWNET)
		_ = unix.Close(fd)
	}
	t.note("the namespaces of process 1 by its pidfd", err)
	return t, nil
}

// namespaces starts a child of its own in new ones.
func namespaces(*event) (tries, error) {
	t := tries{}
	for name, flags := range map[string]uintptr{
		"user": unix.CLONE_NEWUSER, "user and mount": unix.CLONE_NEWUSER | unix.CLONE_NEWNS, "user and net": unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		"mount": unix.CLONE_NEWNS, "pid": unix.CLONE_NEWPID, "cgroup": unix.CLONE_NEWCGROUP, "net": unix.CLONE_NEWNET,
	} {
		child := exec.Command("/proc/self/exe", "exit")
		child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		t.note("clone: "+name, child.Run())
	}
	return t, nil
}

// exe writes to programs that run outside, as CVE-2019-5736 did.
func exe(*event) (tries, error) {
	t := tries{}
	for _, path := range []string{"/proc/self/exe", "/proc/1/exe"} {
		t.note("write to "+path, opens(unix.SYS_OPENAT, unix.AT_FDCWD, path, unix.O_WRONLY|unix.O_APPEND))
	}
	fd, err := unix.Open("/proc/self/exe", unix.O_PATH, 0)
	if err == nil {
		t.note("reopen a descriptor of it", opens(unix.SYS_OPENAT, unix.AT_FDCWD, "/proc/self/fd/"+itoa(fd), unix.O_WRONLY))
		_ = unix.Close(fd)
	}
	t.note("look for process 1's program", opens(unix.SYS_OPENAT, unix.AT_FDCWD, "/proc/1/exe", unix.O_RDONLY))
	t.note("replace the code", os.WriteFile(filepath.Join(os.Getenv("LAMBDA_TASK_ROOT"), "bootstrap2"), nil, 0o755))
	return t, nil
}

// capabilities looks for any privilege that is left.
func capabilities(*event) (tries, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	t := tries{}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch name {
		case "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
			t[name] = none(strings.Trim(value, "0") == "", value)
		case "NoNewPrivs":
			t["new privileges"] = none(value == "1", value)
		case "Seccomp":
			t["unfiltered system calls"] = none(value == "2", value)
		}
	}
	return t, nil
}

func none(yes bool, else_ string) string {
	if yes {
		return "none"
	}
	return got + ": " + else_
}

// identity becomes somebody else, or more than it is.
func identity(*event) (tries, error) {
	runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
	t := tries{}
	t.note("be root", call(unix.SYS_SETUID, 0))
	t.note("be in root's group", call(unix.SYS_SETGID, 0))
	zero := uint32(0)
	t.note("be in more groups", call(unix.SYS_SETGROUPS, 1, unsafe.Pointer(&zero)))
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	all := [2]unix.CapUserData{{Effective: 1 << unix.CAP_SYS_ADMIN, Permitted: 1 << unix.CAP_SYS_ADMIN}}
	t.note("take a capability", unix.Capset(&header, &all[0]))
	t.note("open more files", unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1 << 19, Max: 1 << 19}, nil))
	t.note("be scheduled before others", unix.Setpriority(unix.PRIO_PROCESS, 0, -20))
	priority := int32(1)
	t.note("be scheduled in real time", call(unix.SYS_SCHED_SETSCHEDULER, 0, 1, unsafe.Pointer(&priority)))
	file := filepath.Join(os.TempDir(), "mine")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		return nil, err
	}
	defer os.Remove(file)
	t.note("give a file to root", os.Chown(file, 0, 0))
	capability := []byte{1, 0, 0, 2, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} // VFS_CAP_REVISION_2, CAP_SYS_ADMIN
	t.note("give a file capabilities", unix.Setxattr(file, "security.capability", capability, 0))
	return t, nil
}

// devices makes and opens device nodes.
func devices(*event) (tries, error) {
	t := tries{}
	for name, mode := range map[string]uint32{"block": unix.S_IFBLK, "character": unix.S_IFCHR} {
		path := filepath.Join(os.TempDir(), name)
		t.note("make a "+name+" device", unix.Mknod(path, mode|0o600, int(unix.Mkdev(7, 0))))
		_ = os.Remove(path)
	}
	return t, nil
}

// handles opens files by their inode, around every path, as "shocker" did.
func handles(*event) (tries, error) {
	t := tries{}
	root, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(root)
	_, err = unix.OpenByHandleAt(root, unix.NewFileHandle(1, make([]byte, 8)), unix.O_RDONLY) // else ESTALE
	t.note("open_by_handle_at", err)
	t.note("fanotify_init", opens(unix.SYS_FANOTIFY_INIT, unix.FAN_CLASS_CONTENT, unix.O_RDONLY))
	return t, nil
}
