//go:build linux

package initproc

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

// The rules of life.go hold here, too.

// start starts the command that the packet is about.
//
//go:norace
//go:nosplit
//go:nocheckptr
func start(files uintptr) (pid uintptr, errno syscall.Errno) {
	words := &after.packet
	if files == 0 {
		return 0, unix.EBADF // a command has an output
	}
	base := uint64(uintptr(unsafe.Pointer(words)))
	for i := uint64(message.StartPath); i < words[message.StartWords]; i++ {
		if words[i] != 0 {
			words[i] += base
		}
	}
	if _, errno = raw(unix.SYS_PIPE2, uintptr(unsafe.Pointer(&after.pipe)), unix.O_CLOEXEC, 0); errno != 0 {
		return 0, errno
	}
	pid, errno = raw4(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0)
	if errno == 0 && pid == 0 {
		after.failed = uint64(execute(files))
		raw(unix.SYS_WRITE, uintptr(after.pipe[1]), uintptr(unsafe.Pointer(&after.failed)), 8)
		end(1)
	}
	raw(unix.SYS_CLOSE, uintptr(after.pipe[1]), 0, 0)
	if errno == 0 {
		// That it runs shows by the pipe's end: it is close-on-exec.
		if n, _ := raw(unix.SYS_READ, uintptr(after.pipe[0]), uintptr(unsafe.Pointer(&after.failed)), 8); n == 8 {
			errno = syscall.Errno(after.failed)
			raw4(unix.SYS_WAIT4, pid, 0, 0, 0)
		}
	}
	raw(unix.SYS_CLOSE, uintptr(after.pipe[0]), 0, 0)
	return pid, errno
}

// execute makes the process the command. It returns if that fails.
//
//go:norace
//go:nosplit
//go:nocheckptr
func execute(files uintptr) syscall.Errno {
	words := &after.packet
	raw(unix.SYS_SETSID, 0, 0, 0)
	if _, errno := raw(unix.SYS_CHDIR, uintptr(words[message.StartDir]), 0, 0); errno != 0 {
		return errno
	}
	// The first file is standard output and error. Each goes to a lower number
	// than it has, so none is in the way of another. And they are blocking, as
	// programs expect their files.
	for i := uintptr(0); i <= files; i++ {
		from := firstFile
		if i > 0 {
			from += i - 1
		}
		if _, errno := raw(unix.SYS_DUP3, from, i+1, 0); errno != 0 {
			return errno
		}
		raw(unix.SYS_FCNTL, i+1, unix.F_SETFL, 0)
	}
	raw4(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&noSignals)), 0, 8)
	arguments := uintptr(unsafe.Pointer(&words[message.StartArguments]))
	environment := arguments + uintptr(words[message.StartCount]+1)*8
	_, errno := raw(unix.SYS_EXECVE, uintptr(words[message.StartPath]), arguments, environment)
	return errno
}

// reap collects what ends until the command does, which is the end of all.
//
//go:norace
//go:nosplit
//go:nocheckptr
func reap(command uintptr) {
	// Children that end are known by a file, as the platform's end is.
	signals, errno := raw4(unix.SYS_SIGNALFD4, ^uintptr(0), uintptr(unsafe.Pointer(&ofChildren)), 8, unix.SFD_CLOEXEC)
	if errno != 0 {
		end(1)
	}
	w := &after.waiting
	w[0].Fd, w[1].Fd = int32(control), int32(signals)
	w[0].Events, w[1].Events = unix.POLLIN, unix.POLLIN
	for {
		for {
			pid, errno := raw4(unix.SYS_WAIT4, ^uintptr(0), uintptr(unsafe.Pointer(&after.status)), unix.WNOHANG, uintptr(unsafe.Pointer(&after.used)))
			if errno != 0 || pid == 0 {
				break
			}
			if pid == command {
				n := &after.news
				n.Ended, n.Status, n.Used = 1, uint64(uint32(after.status)), after.used
				tell()
				end(0)
			}
		}
		syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(w)), 2, 0, 0, 8, 0)
		if w[0].Revents != 0 { // nothing more is to come but the end
			end(1)
		}
		if w[1].Revents != 0 {
			raw(unix.SYS_READ, signals, uintptr(unsafe.Pointer(&after.signals)), uintptr(len(after.signals)))
		}
	}
}
