package runtimes

import "syscall"

// refuseFiles has the kernel refuse open files (SCM_RIGHTS) that the other side
// of a unix socket sends, which Linux can from 6.16 on. Nobody wants them here,
// but whoever reads what they came with closes them: and to close a TCP socket
// that lingers (SO_LINGER), and whose other end was sent as well, takes for ever.
// Before 6.16 that costs a thread for each instance that does it.
func refuseFiles(fd int) {
	const passRights = 83 // SO_PASSRIGHTS of asm-generic/socket.h
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, passRights, 0)
}
