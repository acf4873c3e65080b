//go:build amd64 || arm64

package seccomp

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Arguments. What they point to is global, for it to stay where it is; the path has no parent, so nothing is made there.
var (
	nowhereText  = []byte("/nonexistent/file\x00")
	nowhere      = uintptr(unsafe.Pointer(&nowhereText[0]))
	tooManyNanos = [2]int64{0, 2e9}
	badTime      = uintptr(unsafe.Pointer(&tooManyNanos))
)

const (
	bad  = ^uintptr(0)
	here = ^uintptr(99) // AT_FDCWD
)

// attackCall is one system call and the error it must get.
type attackCall struct {
	call string // "x32 " in front makes it one of that ABI
	args [6]uintptr
	want unix.Errno
}

// attacks are calls that harm nobody even if the filter lets them through: as
// root too, their arguments fail, or they ask for little.
var attacks = []attackCall{
	{"mount", [6]uintptr{nowhere, nowhere, nowhere}, unix.EPERM},
	{"umount2", [6]uintptr{nowhere}, unix.EPERM},
	{"pivot_root", [6]uintptr{nowhere, nowhere}, unix.EPERM},
	{"chroot", [6]uintptr{nowhere}, unix.EPERM},
	{"open_tree", [6]uintptr{here, nowhere, unix.OPEN_TREE_CLONE}, unix.EPERM},
	{"open_tree_attr", [6]uintptr{here, nowhere, unix.OPEN_TREE_CLONE}, unix.EPERM},
	{"move_mount", [6]uintptr{bad, nowhere, bad, nowhere}, unix.EPERM},
	{"fsopen", [6]uintptr{nowhere}, unix.EPERM},
	{"fsconfig", [6]uintptr{bad}, unix.EPERM},
	{"fsmount", [6]uintptr{bad}, unix.EPERM},
	{"fspick", [6]uintptr{here, nowhere}, unix.EPERM},
	{"mount_setattr", [6]uintptr{here, nowhere}, unix.EPERM},
	{"setns", [6]uintptr{bad}, unix.EPERM},
	{"unshare", [6]uintptr{unix.CLONE_NEWUSER | 1}, unix.EPERM},
	{"unshare", [6]uintptr{unix.CLONE_NEWNS | 1}, unix.EPERM},
	// CLONE_SIGHAND without CLONE_VM is refused, so no child can come of it.
	{"clone", [6]uintptr{unix.CLONE_NEWUSER | unix.CLONE_SIGHAND}, unix.EPERM},
	{"clone", [6]uintptr{unix.CLONE_NEWNS | unix.CLONE_SIGHAND}, unix.EPERM},
	{"clone", [6]uintptr{unix.CLONE_NEWPID | unix.CLONE_SIGHAND}, unix.EPERM},
	{"clone", [6]uintptr{unix.CLONE_NEWNET | unix.CLONE_SIGHAND}, unix.EPERM},
	{"clone", [6]uintptr{unix.CLONE_SIGHAND}, unix.EINVAL}, // passes the filter
	{"clone3", [6]uintptr{}, unix.ENOSYS},

	{"ptrace", [6]uintptr{unix.PTRACE_ATTACH, 1 << 30}, unix.EPERM},
	{"process_vm_readv", [6]uintptr{1 << 30, 0, 0, 0, 0, 1}, unix.EPERM},
	{"process_vm_writev", [6]uintptr{1 << 30, 0, 0, 0, 0, 1}, unix.EPERM},
	{"kcmp", [6]uintptr{1 << 30, 1 << 30}, unix.EPERM},
	{"pidfd_getfd", [6]uintptr{bad}, unix.EPERM},
	{"get_robust_list", [6]uintptr{1 << 30}, unix.EPERM},
	{"move_pages", [6]uintptr{1 << 30}, unix.EPERM},
	{"migrate_pages", [6]uintptr{1 << 30}, unix.EPERM},
	{"process_madvise", [6]uintptr{bad}, unix.ENOSYS},

	{"mknodat", [6]uintptr{here, nowhere, unix.S_IFCHR | 0o600, 0x103}, unix.EPERM},
	{"mknodat", [6]uintptr{here, nowhere, unix.S_IFBLK | 0o600, 0x700}, unix.EPERM},
	{"open_by_handle_at", [6]uintptr{bad}, unix.EPERM},
	{"name_to_handle_at", [6]uintptr{bad}, unix.EPERM},
	{"fanotify_init", [6]uintptr{bad}, unix.EPERM},
	{"fanotify_mark", [6]uintptr{bad}, unix.EPERM},
	{"quotactl", [6]uintptr{bad}, unix.EPERM},
	{"swapon", [6]uintptr{nowhere}, unix.EPERM},
	{"swapoff", [6]uintptr{nowhere}, unix.EPERM},
	{"acct", [6]uintptr{nowhere}, unix.EPERM},
	{"syncfs", [6]uintptr{bad}, unix.EPERM},
	{"sync", [6]uintptr{}, unix.EPERM},

	{"keyctl", [6]uintptr{9999}, unix.EPERM},
	{"add_key", [6]uintptr{}, unix.EPERM},
	{"request_key", [6]uintptr{}, unix.EPERM},
	{"bpf", [6]uintptr{9999}, unix.EPERM},
	{"perf_event_open", [6]uintptr{}, unix.EPERM},
	{"userfaultfd", [6]uintptr{bad}, unix.EPERM},
	{"io_uring_setup", [6]uintptr{}, unix.EPERM},
	{"io_uring_enter", [6]uintptr{bad}, unix.EPERM},
	{"io_uring_register", [6]uintptr{bad}, unix.EPERM},
	{"io_setup", [6]uintptr{}, unix.ENOSYS},

	{"kexec_load", [6]uintptr{0, 17, 0, bad}, unix.EPERM},
	{"kexec_file_load", [6]uintptr{bad, bad, 0, 0, bad}, unix.EPERM},
	{"init_module", [6]uintptr{}, unix.EPERM},
	{"finit_module", [6]uintptr{bad, 0, bad}, unix.EPERM},
	{"delete_module", [6]uintptr{}, unix.EPERM},
	{"reboot", [6]uintptr{}, unix.EPERM},
	{"syslog", [6]uintptr{9999}, unix.EPERM},
	{"iopl", [6]uintptr{9}, unix.EPERM},
	{"ioperm", [6]uintptr{bad, 1}, unix.EPERM},
	{"modify_ldt", [6]uintptr{9999}, unix.EPERM},
	{"settimeofday", [6]uintptr{badTime}, unix.EPERM},
	{"clock_settime", [6]uintptr{unix.CLOCK_REALTIME, badTime}, unix.EPERM},
	{"adjtimex", [6]uintptr{}, unix.EPERM},
	{"clock_adjtime", [6]uintptr{unix.CLOCK_REALTIME}, unix.EPERM},
	{"sethostname", [6]uintptr{0, bad}, unix.EPERM},
	{"setdomainname", [6]uintptr{0, bad}, unix.EPERM},

	{"socket", [6]uintptr{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP}, unix.EPERM},
	{"socket", [6]uintptr{unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_RAW}, unix.EPERM},
	{"socket", [6]uintptr{unix.AF_PACKET, unix.SOCK_RAW, 0x300}, unix.EPERM},
	{"socket", [6]uintptr{unix.AF_INET, unix.SOCK_PACKET, 0x300}, unix.EPERM},
	{"socket", [6]uintptr{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT}, unix.EPERM},
	{"socket", [6]uintptr{unix.AF_VSOCK, unix.SOCK_STREAM}, unix.EPERM},
	{"socket", [6]uintptr{unix.AF_ALG, unix.SOCK_SEQPACKET}, unix.EPERM},
	{"ioctl", [6]uintptr{bad, unix.TIOCSTI}, unix.EPERM},
	{"ioctl", [6]uintptr{bad, 1<<32 | unix.TIOCSTI}, unix.EPERM},
	{"personality", [6]uintptr{0x400000}, unix.EPERM}, // READ_IMPLIES_EXEC
	{"setsockopt", [6]uintptr{bad, unix.SOL_TCP, unix.TCP_ULP}, unix.EPERM},
	{"prctl", [6]uintptr{unix.PR_SCHED_CORE, 9999}, unix.EPERM},
	{"setrlimit", [6]uintptr{unix.RLIMIT_CORE, bad}, 0},
	{"prlimit64", [6]uintptr{0, unix.RLIMIT_CORE, 1 << 32}, 0},
	{"x32 getpid", [6]uintptr{}, unix.ENOSYS},
	{"statmount", [6]uintptr{}, unix.ENOSYS},
}

func (a attackCall) number() (uintptr, bool) {
	name, x32 := strings.CutPrefix(a.call, "x32 ")
	number, ok := self().SyscallNames[name]
	if x32 {
		return uintptr(number | 1<<30), runtime.GOARCH == "amd64"
	}
	return uintptr(number), ok
}

// attack runs all attacks and writes their errnos, as numbers, to stdout.
func attack(load func() error) error {
	if err := load(); err != nil {
		return err
	}
	got := make([]unix.Errno, len(attacks))
	for i, a := range attacks {
		if number, ok := a.number(); ok {
			_, _, got[i] = unix.RawSyscall6(number, a.args[0], a.args[1], a.args[2], a.args[3], a.args[4], a.args[5])
		}
	}
	return json.NewEncoder(os.Stdout).Encode(got)
}

// TestAttacks looks at the errors behind the filter, and makes sure by the
// reporting one that they are the filter's answers, not the kernel's own.
func TestAttacks(t *testing.T) {
	out, err := in(t, "attack").Output()
	var got []unix.Errno
	if err := errors.Join(err, json.Unmarshal(out, &got)); err != nil {
		t.Fatal(err)
	}
	refused := refusals(t, commandOf(t, "attack unfiltered"))
	for i, a := range attacks {
		number, ok := a.number()
		if !ok {
			continue
		}
		if got[i] != a.want {
			t.Errorf("%s%#x: %v, want %v", a.call, a.args, got[i], a.want)
		}
		asked := notification{Number: int32(number)}
		for j, v := range a.args {
			asked.Args[j] = uint64(v)
		}
		if call := describe(asked); slices.Contains(refused, call) != (a.want != unix.EINVAL) {
			t.Errorf("%s: not the filter's answer", call)
		}
	}
}

// TestForeignProgramsEnd runs a program of 32-bit calls.
func TestForeignProgramsEnd(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the program is for amd64 machines")
	}
	code := []byte{0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80} // mov eax, 1 (exit); xor ebx, ebx; int 0x80
	const at = 0x8048000
	header := struct {
		ident                  [16]byte
		kind, machine          uint16
		version, entry, ph, sh uint32
		flags                  uint32
		ehsize, phsize, phnum  uint16
		shsize, shnum, shstr   uint16

		ptype, offset, vaddr, paddr, filesz, memsz, pflags, align uint32
	}{
		ident: [16]byte{0x7f, 'E', 'L', 'F', 1, 1, 1}, kind: 2, machine: 3, version: 1, entry: at + 84, ph: 52,
		ehsize: 52, phsize: 32, phnum: 1,
		ptype: 1, vaddr: at, paddr: at, filesz: uint32(84 + len(code)), memsz: uint32(84 + len(code)), pflags: 5, align: 4096,
	}
	program := filepath.Join(t.TempDir(), "i386")
	elf, err := binary.Append(nil, binary.LittleEndian, header)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, append(elf, code...), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command(program).Run(); err != nil {
		t.Skip("this machine runs no 32-bit programs: " + err.Error())
	}
	err = in(t, "filtered", program).Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGSYS {
		t.Errorf("a program of 32-bit calls: %v, want SIGSYS", err)
	}
}

// threads loads the filter while other threads run, and looks at all of them.
func threads() error {
	for range 4 {
		ready := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(ready)
			select {}
		}()
		<-ready
	}
	if err := Load(); err != nil {
		return err
	}
	files, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(files) < 5 {
		return fmt.Errorf("threads: %v %w", files, err)
	}
	for _, f := range files {
		status, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		for _, want := range []string{"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"} {
			if !strings.Contains(string(status), want) {
				return fmt.Errorf("%s does not say %q", f, want)
			}
		}
	}
	return nil
}

func TestLoadIsForAllThreads(t *testing.T) {
	if err := in(t, "threads").Run(); err != nil {
		t.Error(err)
	}
}
