//go:build linux

package initproc

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

// The rules of life.go hold here, too.

// start forks for the command that the packet is about: it returns twice, with 0
// in the new process.
//
//go:norace
//go:nosplit
//go:nocheckptr
func start(files uintptr) (pid uintptr, errno syscall.Errno) {
	if files == 0 {
		return 0, unix.EBADF // a command has an output
	}
	words := &after.packet
	base := uint64(uintptr(unsafe.Pointer(words)))
	for i := uint64(message.StartPath); i < words[message.StartWords]; i++ {
		if words[i] != 0 {
			words[i] += base
		}
	}
	if _, errno = sys(unix.SYS_PIPE2, uintptr(unsafe.Pointer(&after.pipe)), unix.O_CLOEXEC, 0, 0, 0); errno != 0 {
		return 0, errno
	}
	pid, errno = sys(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0)
	if errno != 0 {
		sys(unix.SYS_CLOSE, uintptr(after.pipe[0]), 0, 0, 0, 0)
		sys(unix.SYS_CLOSE, uintptr(after.pipe[1]), 0, 0, 0, 0)
	}
	return pid, errno
}

// started waits until the process is the command, or has failed to become it.
//
//go:norace
//go:nosplit
//go:nocheckptr
func started(pid uintptr) (uintptr, syscall.Errno) {
	sys(unix.SYS_CLOSE, uintptr(after.pipe[1]), 0, 0, 0, 0)
	after.failed = 0
	// That it runs shows by the pipe's end: it is close-on-exec.
	n, _ := sys(unix.SYS_READ, uintptr(after.pipe[0]), uintptr(unsafe.Pointer(&after.failed)), 8, 0, 0)
	sys(unix.SYS_CLOSE, uintptr(after.pipe[0]), 0, 0, 0, 0)
	if n == 8 {
		sys(unix.SYS_WAIT4, pid, 0, 0, 0, 0)
	}
	return pid, syscall.Errno(after.failed)
}

// execute makes the process the command.
//
//go:norace
//go:nosplit
//go:nocheckptr
func execute(files uintptr) {
	words := &after.packet
	sys(unix.SYS_SETSID, 0, 0, 0, 0, 0)
	_, errno := sys(unix.SYS_CHDIR, uintptr(words[message.StartDir]), 0, 0, 0, 0)
	// The first file is standard output and error. Each goes to a lower number
	// than it has, so none is in the way of another. And they are blocking, as
	// programs expect their files.
	for i := uintptr(0); i <= files && errno == 0; i++ {
		_, errno = sys(unix.SYS_DUP3, firstFile+max(i, 1)-1, i+1, 0, 0, 0)
		sys(unix.SYS_FCNTL, i+1, unix.F_SETFL, 0, 0, 0)
	}
	if errno == 0 {
		sys(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&noSignals)), 0, 8, 0)
		arguments := uintptr(unsafe.Pointer(&words[message.StartArguments]))
		environment := arguments + uintptr(words[message.StartCount]+1)*8
		_, errno = sys(unix.SYS_EXECVE, uintptr(words[message.StartPath]), arguments, environment, 0, 0)
	}
	after.failed = uint64(errno)
	sys(unix.SYS_WRITE, uintptr(after.pipe[1]), uintptr(unsafe.Pointer(&after.failed)), 8, 0, 0)
	end(1)
}

// reap collects what ends until the command does, which is the end of all.
//
//go:norace
//go:nosplit
//go:nocheckptr
func reap(command uintptr) {
	// Children that end are known by a file, as the platform's end is.
	signals, errno := sys(unix.SYS_SIGNALFD4, ^uintptr(0), uintptr(unsafe.Pointer(&ofChildren)), 8, unix.SFD_CLOEXEC, 0)
	if errno != 0 {
		end(1)
	}
	after.waiting[0] = unix.PollFd{Fd: int32(control), Events: unix.POLLIN}
	after.waiting[1] = unix.PollFd{Fd: int32(signals), Events: unix.POLLIN}
	for {
		collect(command)
		sys(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&after.waiting)), uintptr(len(after.waiting)), 0, 0, 8)
		if after.waiting[0].Revents != 0 { // nothing more is to come but the end
			end(1)
		}
		if after.waiting[1].Revents != 0 {
			sys(unix.SYS_READ, signals, uintptr(unsafe.Pointer(&after.signals)), unsafe.Sizeof(after.signals), 0, 0)
		}
	}
}

// collect collects all that have ended.
//
//go:norace
//go:nosplit
//go:nocheckptr
func collect(command uintptr) {
	for {
		pid, errno := sys(unix.SYS_WAIT4, ^uintptr(0), uintptr(unsafe.Pointer(&after.news.Status)), unix.WNOHANG, uintptr(unsafe.Pointer(&after.news.Used)), 0)
		switch {
		case errno != 0 || pid == 0:
			return
		case pid == command:
			after.news.Ended = 1
			tell()
			end(0)
		}
	}
}
