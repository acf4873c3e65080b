//go:build linux

package main

import (
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

var kernel = map[string]func(*event) (tries, error){
	"reboot": reboot, "kexec": kexec, "modules": modules, "time": setTime, "machine": machine, "keys": keys, "bpf": bpf, "perf": perf,
	"userfaultfd": userfaultfd, "io_uring": ioUring, "log": kernelLog, "ports": ports, "otherNumbers": otherNumbers,
}

func itoa(n int) string { return strconv.Itoa(n) }

func reboot(*event) (tries, error) {
	t := tries{}
	t.note("reboot", call(unix.SYS_REBOOT, 1, 2, 3)) // wrong magic numbers: else EINVAL
	return t, nil
}

func kexec(*event) (tries, error) {
	const noSuchFlag = 1 << 14 // else EINVAL
	t := tries{}
	t.note("kexec_load", call(unix.SYS_KEXEC_LOAD, 0, 0, 0, noSuchFlag))
	t.note("kexec_file_load", call(unix.SYS_KEXEC_FILE_LOAD, -1, -1, 0, 0, noSuchFlag))
	return t, nil
}

func modules(*event) (tries, error) {
	t := tries{}
	t.note("init_module", call(unix.SYS_INIT_MODULE, 0, 0, ""))                            // of no size: else ENOEXEC
	t.note("finit_module", call(unix.SYS_FINIT_MODULE, -1, "", 0))                         // else EBADF
	t.note("delete_module", call(unix.SYS_DELETE_MODULE, "pinfold_none", unix.O_NONBLOCK)) // else ENOENT
	return t, nil
}

func setTime(*event) (tries, error) {
	t := tries{}
	zone := [2]int32{100_000, 0} // minutes west, checked after permission: else EINVAL
	t.note("settimeofday", call(unix.SYS_SETTIMEOFDAY, 0, unsafe.Pointer(&zone)))
	tick := unix.Timex{Modes: unix.ADJ_TICK, Tick: 1} // too fast, likewise
	_, err := unix.Adjtimex(&tick)
	t.note("adjtimex", err)
	_, err = unix.ClockAdjtime(unix.CLOCK_REALTIME, &tick)
	t.note("clock_adjtime", err)
	return t, nil
}

// machine changes what all share.
func machine(*event) (tries, error) {
	t := tries{}
	t.note("sethostname", call(unix.SYS_SETHOSTNAME, "x", 1000))     // too long: else EINVAL
	t.note("setdomainname", call(unix.SYS_SETDOMAINNAME, "x", 1000)) // likewise
	t.note("swapon", call(unix.SYS_SWAPON, "/pinfold-none", 0))      // else ENOENT
	t.note("swapoff", call(unix.SYS_SWAPOFF, "/pinfold-none"))       // else ENOENT
	t.note("acct", unix.Acct("/pinfold-none"))                       // else ENOENT
	t.note("quotactl", call(unix.SYS_QUOTACTL, 0x80000100, 0, 0, 0)) // Q_SYNC of everything; else done
	return t, nil
}

func keys(*event) (tries, error) {
	t := tries{}
	_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	t.note("keyctl", err)
	_, err = unix.AddKey("user", "pinfold", []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)
	t.note("add_key", err)
	_, err = unix.RequestKey("user", "pinfold-none", "", 0) // else ENOKEY
	t.note("request_key", err)
	return t, nil
}

func bpf(*event) (tries, error) {
	t := tries{}
	var program [128]byte
	program[0] = 1 // BPF_PROG_TYPE_SOCKET_FILTER, of no instructions: else E2BIG
	t.note("load a program", opens(unix.SYS_BPF, unix.BPF_PROG_LOAD, unsafe.Pointer(&program), len(program)))
	array := [128]byte{0: 2, 4: 4, 8: 8, 12: 1} // BPF_MAP_TYPE_ARRAY: key size 4, value size 8, one entry
	t.note("make a map", opens(unix.SYS_BPF, unix.BPF_MAP_CREATE, unsafe.Pointer(&array), len(array)))
	return t, nil
}

func perf(*event) (tries, error) {
	t := tries{}
	self := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Bits: unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv}
	for name, pid := range map[string]int{"its own events": 0, "all events of a processor": -1} {
		fd, err := unix.PerfEventOpen(&self, pid, min(0, -pid-1), -1, unix.PERF_FLAG_FD_CLOEXEC)
		if err == nil {
			_ = unix.Close(fd)
		}
		t.note(name, err)
	}
	return t, nil
}

func userfaultfd(*event) (tries, error) {
	const userModeOnly = 1 // which every user may, without a filter
	t := tries{}
	t.note("userfaultfd", opens(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|userModeOnly))
	return t, nil
}

func ioUring(*event) (tries, error) {
	t := tries{}
	var params [128]byte
	t.note("io_uring_setup", opens(unix.SYS_IO_URING_SETUP, 1, unsafe.Pointer(&params)))
	t.note("io_uring_enter", call(unix.SYS_IO_URING_ENTER, -1, 0, 0, 0))       // else EBADF
	t.note("io_uring_register", call(unix.SYS_IO_URING_REGISTER, -2, 0, 0, 0)) // else EBADF
	return t, nil
}

func kernelLog(*event) (tries, error) {
	t := tries{}
	_, err := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, make([]byte, 4096))
	t.note("syslog", err)
	_, err = unix.Klogctl(10 /* SYSLOG_ACTION_SIZE_BUFFER */, nil)
	t.note("its size", err)
	return t, nil
}
