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
	pipe    [2]int32
	failed  uint64 // errno of execve
}

var (
	allSignals = ^uint64(0)
	noSignals  = uint64(0)
	ofChildren = uint64(1) << (unix.SIGCHLD - 1)
)

// sys makes a system call. It is syscall.RawSyscall6 with less of a stack, which is
// what a debugger's build, where nothing is inlined, has too little of.
//
//go:noescape
func sys(number, a, b, c, d, e uintptr) (result uintptr, errno syscall.Errno)

// fork is the fork: it returns in the keeper only. Signals are held back
// meanwhile, so that no handler of Go's ever runs in the new process.
//
//go:norace
//go:nosplit
//go:nocheckptr
func (p *Plan) fork(args *cloneArgs, socket uintptr) (int, syscall.Errno) {
	var before uint64
	sys(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&allSignals)), uintptr(unsafe.Pointer(&before)), 8, 0)
	pid, errno := sys(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0, 0, 0)
	if errno == 0 && pid == 0 {
		p.settle(socket)
		p.carryOut()
		for {
			if command := serve(); command != 0 {
				reap(command)
			}
		}
	}
	sys(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&before)), 0, 8, 0)
	return int(pid), errno
}

// end ends the process and with it all others inside.
//
//go:norace
//go:nosplit
func end(status uintptr) {
	for {
		sys(unix.SYS_EXIT_GROUP, status, 0, 0, 0, 0)
	}
}

// settle lets go of all that is the keeper's but the socket, and of its name.
//
//go:norace
//go:nosplit
//go:nocheckptr
func (p *Plan) settle(socket uintptr) {
	if _, errno := sys(unix.SYS_DUP3, socket, control, unix.O_CLOEXEC, 0, 0); errno != 0 && socket != control {
		end(1)
	}
	sys(unix.SYS_CLOSE_RANGE, 0, control-1, 0, 0, 0)
	sys(unix.SYS_CLOSE_RANGE, control+1, 1<<31, 0, 0, 0)
	sys(unix.SYS_FCNTL, control, unix.F_SETFL, 0, 0, 0) // blocking
	sys(unix.SYS_SETSID, 0, 0, 0, 0, 0)
	for i := range p.title {
		p.title[i] = 0
		if i < len(p.name) && i < len(p.title)-1 {
			p.title[i] = p.name[i]
		}
	}
	sys(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(&p.title[0])), 0, 0, 0)
}

// carryOut makes the calls of the plan, once it may.
//
//go:norace
//go:nosplit
//go:nocheckptr
func (p *Plan) carryOut() {
	receive() // it is in its control group, and its user is known
	for i := range p.calls {
		c := &p.calls[i]
		if _, errno := sys(c.number, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4]); errno != 0 {
			say(errno, c.what)
			end(1)
		}
	}
	say(0, "")
}

// serve starts the command that the platform sends. It returns 0 if it has told
// it why not.
//
//go:norace
//go:nosplit
//go:nocheckptr
func serve() (command uintptr) {
	files := receive()
	pid, errno := start(files)
	if errno == 0 && pid == 0 {
		execute(files)
	}
	if errno == 0 {
		pid, errno = started(pid)
	}
	for i := range files {
		sys(unix.SYS_CLOSE, firstFile+i, 0, 0, 0, 0)
	}
	say(errno, "fork/exec")
	if errno != 0 {
		return 0
	}
	return pid
}

// receive waits for a message and returns how many files came with it: they are
// those from firstFile on, the lowest free.
//
//go:norace
//go:nosplit
//go:nocheckptr
func receive() (files uintptr) {
	after.header.SetControllen(len(after.rights))
	n, errno := sys(unix.SYS_RECVMSG, control, uintptr(unsafe.Pointer(&after.header)), unix.MSG_CMSG_CLOEXEC, 0, 0)
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
	_, errno := sys(unix.SYS_SENDTO, control, uintptr(unsafe.Pointer(&after.news)), unsafe.Sizeof(after.news), unix.MSG_NOSIGNAL, 0)
	if errno != 0 {
		end(1)
	}
}
