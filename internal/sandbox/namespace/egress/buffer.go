package egress

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
)

// buffer holds the largest packet.
type buffer [64 << 10]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// receive waits for something to read and reads it. While it waits it holds no
// buffer, which is what makes idle links, connections and flows cheap. The
// caller puts the buffer back, unless there is an error.
func receive(raw syscall.RawConn) (b *buffer, n int, err error) {
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		b = buffers.Get().(*buffer)
		for {
			if n, failed = syscall.Read(int(fd), b[:]); failed != syscall.EINTR {
				break
			}
		}
		if failed != nil {
			buffers.Put(b)
			b, n = nil, 0
		}
		return failed != syscall.EAGAIN
	})
	return b, n, errors.Join(err, failed)
}

// rawConn returns what receive reads a connection of package net by.
func rawConn(c net.Conn) (syscall.RawConn, error) {
	source, ok := c.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("a %T is no connection of package net", c)
	}
	return source.SyscallConn()
}
