//go:build linux

// Package initproc is the first process of a sandbox. It finishes the sandbox
// from inside (proc, shared memory, hostname), drops every privilege that it has
// over it, starts the one command that the sandbox is for, collects orphans, and
// tells how the command ended. When it ends, by itself or because the platform
// has gone, the kernel kills everything else inside.
package initproc

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

const controlFD = 3

// Main is the whole life of an init. It returns its exit status.
func Main() int {
	// The command is started from this thread, so what this thread may do is
	// what the command may.
	runtime.LockOSThread()
	// Nobody listens: a signal from inside just must not end this process, and
	// must not be ignored by the command either, as it would if it were here.
	signal.Notify(make(chan os.Signal, 1))
	conn, err := message.Open(os.NewFile(controlFD, "control"))
	if err != nil {
		fmt.Fprintln(os.Stderr, message.InitName+":", err)
		return 1
	}
	var order message.Order
	if _, err := conn.Receive(&order); err != nil || order.Begin == nil {
		return 1
	}
	if err := errors.Join(furnish(order.Begin), quiet(), surrender()); err != nil {
		_ = conn.Send(message.News{Failure: message.Fail(err)})
		return 1
	}
	if conn.Send(message.News{}) != nil {
		return 1
	}
	pid := 0
	for pid == 0 {
		order = message.Order{}
		files, err := conn.Receive(&order)
		if err != nil || order.Start == nil {
			return 1
		}
		pid, err = start(order.Start, files)
		message.CloseAll(files)
		if conn.Send(message.News{Failure: message.Fail(err)}) != nil {
			return 1
		}
	}
	go func() {
		_, _ = conn.Receive(&order) // nothing more is to come but the end
		syscall.Exit(1)
	}()
	exited := reap(pid)
	_ = conn.Send(message.News{Exited: &exited})
	return 0
}

// quiet lets go of the platform's standard error, which is the owner's log: with
// a forged signal a function can make this process crash, and Go then writes
// pages about it.
func quiet() error {
	if err := unix.Dup3(0, 2, 0); err != nil {
		return fmt.Errorf("letting go of the platform's standard error: %w", err)
	}
	return nil
}

// start starts the command.
func start(s *message.Start, files []*os.File) (int, error) {
	if len(files) == 0 {
		return 0, errors.New("a command without output")
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	fds := []uintptr{null.Fd(), files[0].Fd()}
	for _, f := range files {
		// Blocking, as programs expect their files.
		if err := unix.SetNonblock(int(f.Fd()), false); err != nil {
			return 0, err
		}
		fds = append(fds, f.Fd())
	}
	pid, err := syscall.ForkExec(s.Path, append([]string{s.Path}, s.Args...), &syscall.ProcAttr{
		Dir: s.Dir, Env: s.Env, Files: fds, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, &os.PathError{Op: "fork/exec", Path: s.Path, Err: err}
	}
	return pid, nil
}

// reap collects what ends until the command does.
func reap(command int) message.Exited {
	for {
		var status unix.WaitStatus
		var used unix.Rusage
		pid, err := unix.Wait4(-1, &status, 0, &used)
		exited := message.Exited{
			PeakMemoryMB: int(used.Maxrss+1023) / 1024, // from kilobytes
			CPU:          time.Duration(used.Utime.Nano() + used.Stime.Nano()),
		}
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			return message.Exited{Code: -1, Signal: err.Error()}
		case pid != command:
		case status.Signaled():
			exited.Code, exited.Signal = -1, status.Signal().String()
			return exited
		case status.Exited():
			exited.Code = status.ExitStatus()
			return exited
		}
	}
}
