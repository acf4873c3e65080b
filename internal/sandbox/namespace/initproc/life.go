//go:build linux

package initproc

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

// The rules of what runs after a fork, as package syscall has them for the few
// steps before it executes a program: no memory is allocated, no stack grows
// (nosplit, which the linker checks), no pointer is stored where the collector
// would want to know of it, nothing of the runtime is called. What is needed is
// in variables that the keeper itself never touches.

const (
	control   uintptr = 128 // the control socket, above all files that a message may bring
	firstFile uintptr = 3
)

// after is an init's memory.
var after struct {
	packet  [message.MaxPacket / 8]uint64 // the last message from the platform
	vector  unix.Iovec
	header  unix.Msghdr
	rights  [512]byte
	news    message.News
	waiting [2]unix.PollFd
	signals [128]byte // a signalfd_siginfo
	status  int32
	used    unix.Rusage
	pipe    [2]int32
	failed  uint64 // errno of execve
}

var (
	allSignals = ^uint64(0)
	noSignals  = uint64(0)
	ofChildren = uint64(1) << (unix.SIGCHLD - 1)
)

// fork is the fork: it returns in the keeper only. Signals are held back
// meanwhile, so that no handler of Go's ever runs in the new process.
//
//go:norace
//go:nosplit
//go:nocheckptr
func (p *Plan) fork(args *cloneArgs, socket uintptr) (int, syscall.Errno) {
	var before uint64
	raw4(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&allSignals)), uintptr(unsafe.Pointer(&before)), 8)
	pid, errno := raw(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	if errno == 0 && pid == 0 {
		p.live(socket)
	}
	raw4(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&before)), 0, 8)
	return int(pid), errno
}

//go:norace
//go:nosplit
func raw(number, a, b, c uintptr) (uintptr, syscall.Errno) {
	r, _, errno := syscall.RawSyscall(number, a, b, c)
	return r, errno
}

//go:norace
//go:nosplit
func raw4(number, a, b, c, d uintptr) (uintptr, syscall.Errno) {
	r, _, errno := syscall.RawSyscall6(number, a, b, c, d, 0, 0)
	return r, errno
}

// end ends the process and with it all others inside.
//
//go:norace
//go:nosplit
func end(status uintptr) {
	for {
		raw(unix.SYS_EXIT_GROUP, status, 0, 0)
	}
}

// live is the whole life of an init.
//
//go:norace
//go:nosplit
//go:nocheckptr
func (p *Plan) live(socket uintptr) {
	// Of the keeper's files it has its socket alone.
	if _, errno := raw(unix.SYS_DUP3, socket, control, unix.O_CLOEXEC); errno != 0 && socket != control {
		end(1)
	}
	raw(unix.SYS_CLOSE_RANGE, 0, control-1, 0)
	raw(unix.SYS_CLOSE_RANGE, control+1, 1<<31, 0)
	raw(unix.SYS_FCNTL, control, unix.F_SETFL, 0) // blocking
	raw(unix.SYS_SETSID, 0, 0, 0)
	for i := range p.title {
		p.title[i] = 0
		if i < len(p.name) && i < len(p.title)-1 {
			p.title[i] = p.name[i]
		}
	}
	raw(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(&p.title[0])), 0)
	receive() // it is in its control group, and its user is known
	for i := range p.calls {
		c := &p.calls[i]
		if _, _, errno := syscall.RawSyscall6(c.number, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], 0); errno != 0 {
			say(errno, c.what)
			end(1)
		}
	}
	say(0, "")
	for {
		files := receive()
		pid, errno := start(files)
		for i := range files {
			raw(unix.SYS_CLOSE, firstFile+i, 0, 0)
		}
		say(errno, "fork/exec")
		if errno == 0 {
			reap(pid)
		}
	}
}

// receive waits for a message and returns how many files came with it: they are
// those from firstFile on, the lowest free.
//
//go:norace
//go:nosplit
//go:nocheckptr
func receive() (files uintptr) {
	after.header.SetControllen(len(after.rights))
	n, errno := raw(unix.SYS_RECVMSG, control, uintptr(unsafe.Pointer(&after.header)), unix.MSG_CMSG_CLOEXEC)
	if errno != 0 || n == 0 { // the platform has ended
		end(1)
	}
	if got := uintptr(after.header.Controllen); got > unix.SizeofCmsghdr {
		return (uintptr((*unix.Cmsghdr)(unsafe.Pointer(&after.rights)).Len) - unix.SizeofCmsghdr) / 4
	}
	return 0
}

// say tells the platform that something has been done, or why not.
//
//go:norace
//go:nosplit
//go:nocheckptr
func say(errno syscall.Errno, what string) {
	n := &after.news
	n.Errno = uint64(errno)
	length := 0
	for ; length < len(what) && length < len(n.What); length++ {
		n.What[length] = what[length]
	}
	n.Length = uint64(length)
	tell()
}

//go:norace
//go:nosplit
//go:nocheckptr
func tell() {
	_, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, control, uintptr(unsafe.Pointer(&after.news)), unsafe.Sizeof(after.news), unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		end(1)
	}
}
