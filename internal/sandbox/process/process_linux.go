package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/procfs"
)

// sysProcAttr puts the process into a group of its own and has the kernel kill
// it when the thread that started it ends; see newSpawner.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// newSpawner returns a function that runs others on one thread which lives as
// long as the platform. The kernel sends a parent-death signal when the thread
// that forked ends, not the process, so a process must not be started from a
// thread that the Go runtime may let go (prctl(2), PR_SET_PDEATHSIG).
func newSpawner() func(func() error) error {
	type job struct {
		run  func() error
		done chan error
	}
	jobs := make(chan job)
	start := sync.OnceFunc(func() {
		go func() { // owned by the process: its end is the platform's end
			runtime.LockOSThread()
			for j := range jobs {
				j.done <- j.run()
			}
		}()
	})
	return func(run func() error) error {
		start()
		done := make(chan error)
		jobs <- job{run, done}
		return <-done
	}
}

// waitExited returns when a child has ended, without reaping it. It holds no
// thread where the kernel can poll for the end of a process.
func waitExited(pid int) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err == nil {
		file := os.NewFile(uintptr(fd), "pidfd")
		defer file.Close()
		if conn, err := file.SyscallConn(); err == nil {
			ended := false
			err = conn.Read(func(uintptr) bool {
				ended = exited(pid, unix.WNOHANG)
				return ended
			})
			if err == nil && ended {
				return
			}
		}
	}
	for !exited(pid, 0) {
	}
}

// exited reports whether a child is waiting to be reaped, or gone.
func exited(pid, flags int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT|flags, nil)
	return (err == nil && info.Signo != 0) || errors.Is(err, unix.ECHILD)
}

func usage(pid int) sandbox.Usage { return procfs.Usage(pid) }

// peakMB is the peak memory that the kernel reports for an ended process. It is
// never less than the platform's own was when it forked (getrusage(2): ru_maxrss
// is kept over execve), so a figure taken while the process lives is better.
func peakMB(state *os.ProcessState) int {
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		return int((r.Maxrss + 1023) / 1024) // kilobytes on Linux
	}
	return 0
}

// startTime returns when a process started, in clock ticks after boot.
func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may hold anything; the fields follow the last one.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("/proc/%d/stat is cut off", pid)
	}
	if fields[0][0] == 'Z' {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	return strconv.ParseUint(string(fields[19]), 10, 64)
}

// survivors returns the processes that are left of a sandbox: its first one, if
// its start time is the noted one, and every process that carries its mark.
func survivors(sandboxID string, first identity) []identity {
	var all []identity
	if first.alive() {
		all = append(all, first)
	}
	wanted := []byte(mark + "=" + sandboxID)
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, name := range names {
		pid, _ := strconv.Atoi(filepath.Base(name))
		start, err := startTime(pid)
		id := identity{pid, start}
		if err != nil || id == first {
			continue
		}
		if slices.ContainsFunc(environ(id, first.pid), func(kv []byte) bool { return bytes.Equal(kv, wanted) }) {
			all = append(all, id)
		}
	}
	return all
}

// environ returns the environment that a process was started with. It is empty
// for a moment while a process changes its program, so one that is in the group
// is asked again.
func environ(id identity, group int) [][]byte {
	for {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", id.pid))
		if len(data) > 0 || err != nil {
			return bytes.Split(data, []byte{0})
		}
		if of, err := unix.Getpgid(id.pid); err != nil || of != group || !id.alive() {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}
