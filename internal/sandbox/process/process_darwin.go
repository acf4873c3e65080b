package process

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox"
)

// sysProcAttr puts the process into a group of its own. macOS has no
// parent-death signal: what outlives a killed platform is ended by Sweep.
func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func newSpawner() func(func() error) error {
	return func(run func() error) error { return run() }
}

// waitExited returns when a child has ended, without reaping it.
func waitExited(pid int) {
	queue, err := unix.Kqueue()
	if err != nil {
		return
	}
	defer unix.Close(queue)
	watch := []unix.Kevent_t{{
		Ident: uint64(pid), Filter: unix.EVFILT_PROC, Flags: unix.EV_ADD | unix.EV_ONESHOT, Fflags: unix.NOTE_EXIT,
	}}
	events := make([]unix.Kevent_t, 1)
	for {
		_, err = unix.Kevent(queue, watch, events, nil) // ESRCH: it has ended already
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// usage is not to be had of a running process without the Mach interfaces.
func usage(int) sandbox.Usage { return sandbox.Usage{} }

func peakMB(state *os.ProcessState) int {
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		return int((r.Maxrss + 1<<20 - 1) >> 20) // bytes on macOS
	}
	return 0
}

// startTime returns when a process started, in microseconds.
func startTime(pid int) (uint64, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return 0, err
	}
	const zombie = 5 // SZOMB in sys/proc.h
	if info.Proc.P_stat == zombie {
		return 0, os.ErrProcessDone
	}
	return uint64(info.Proc.P_starttime.Sec)*1e6 + uint64(info.Proc.P_starttime.Usec), nil
}

func survivors(_ string, first identity) []identity {
	if first.alive() {
		return []identity{first}
	}
	return nil
}
