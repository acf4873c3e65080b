//go:build linux

package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var exhausting = map[string]func(*event) (tries, error){
	"anonymous": anonymous, "memfd": memfd, "sharedMemory": sharedMemory, "connections": connections, "logFlood": logFlood, "trickle": trickle,
	"queues": queues,
}

// touch writes to every page, so that the memory is really taken.
func touch(memory []byte) {
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
}

// anonymous takes e.Size megabytes of memory.
func anonymous(e *event) (tries, error) {
	memory, err := unix.Mmap(-1, 0, e.Size<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err == nil {
		touch(memory)
		err = unix.Munmap(memory)
	}
	return tries{"memory": outcome(err)}, nil
}

// memfd takes e.Size megabytes as a file that is in memory only.
func memfd(e *event) (tries, error) {
	fd, err := unix.MemfdCreate("bomb", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	piece := make([]byte, 1<<20)
	for range e.Size {
		if _, err := unix.Write(fd, piece); err != nil {
			return tries{"memory": outcome(err)}, nil
		}
	}
	return tries{"memory": got}, nil
}

// sharedMemory takes e.Size megabytes of System V shared memory.
func sharedMemory(e *event) (tries, error) {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, e.Size<<20, unix.IPC_CREAT|0o600)
	if err != nil {
		return tries{"memory": outcome(err)}, nil
	}
	memory, err := unix.SysvShmAttach(id, 0, 0)
	_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil) // goes with its last user
	if err == nil {
		touch(memory)
		err = unix.SysvShmDetach(memory)
	}
	return tries{"memory": outcome(err)}, nil
}

// queues opens as many epoll instances and event descriptors as it can, each of
// which is memory of the kernel.
func queues(e *event) (tries, error) {
	var fds []int
	defer func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}()
	for i := range e.Size {
		fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return tries{"queues": fmt.Sprintf("%s after %d", outcome(err), i)}, nil
		}
		fds = append(fds, fd)
	}
	return tries{"queues": got}, nil
}

// connections holds as many as it can to everything that listens, with half a
// request on each.
func connections(e *event) (tries, error) {
	var held []net.Conn
	defer func() {
		for _, conn := range held {
			_ = conn.Close()
		}
	}()
	defer time.Sleep(time.Second)
	own := ownPorts(e)
	for i := range e.Size {
		port := own[i%len(own)]
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, 2*time.Second)
		if err != nil {
			return tries{"connections": fmt.Sprintf("%s after %d", outcome(err), i)}, nil
		}
		held = append(held, conn)
		_, _ = fmt.Fprint(conn, "POST /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\nContent-Le")
	}
	return tries{"connections": got}, nil
}

// logFlood writes e.Size megabytes to the log.
func logFlood(e *event) (tries, error) {
	line := strings.Repeat("flood ", 170) + "\n"
	w := bufio.NewWriterSize(os.Stdout, 1<<20)
	for written := 0; written < e.Size<<20; written += len(line) {
		if _, err := w.WriteString(line); err != nil {
			return tries{"log": outcome(err)}, nil
		}
	}
	if err := w.Flush(); err != nil {
		return tries{"log": outcome(err)}, nil
	}
	return tries{"log": "written"}, nil
}

// trickle answers its own invocation, byte by byte, for longer than it may.
func trickle(e *event) (tries, error) {
	conn, err := net.Dial("tcp", os.Getenv("AWS_LAMBDA_RUNTIME_API"))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nContent-Length: 6000000\r\n\r\n", e.own)
	for i := 0; err == nil && i < 3000; i++ {
		_, err = conn.Write([]byte("1"))
		time.Sleep(10 * time.Millisecond)
	}
	return tries{"answer": outcome(err)}, nil
}
