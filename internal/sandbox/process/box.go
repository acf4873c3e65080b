package process

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// box is one sandbox.
type box struct {
	driver *Driver
	id     string
	dir    string
	done   chan struct{} // closed when the process has been reaped, or will never be

	mu       sync.Mutex
	assigned bool
	proc     *os.Process // nil before Start
	closed   bool
	exit     sandbox.Exit
	final    sandbox.Usage // once done
}

func (s *box) ID() string            { return s.id }
func (s *box) tmp() string           { return filepath.Join(s.dir, "tmp") }
func (s *box) Done() <-chan struct{} { return s.done }

// Assign returns the host's own paths: there is nothing to make appear, and no
// limit that could be held.
func (s *box) Assign(_ context.Context, a sandbox.Assignment) (sandbox.Paths, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.assigned || s.closed {
		return sandbox.Paths{}, pinfold.Errorf(pinfold.Internal, "sandbox %s cannot be assigned: it has been already, or is closed", s.id)
	}
	s.assigned = true
	return sandbox.Paths{Task: a.Code, Opt: a.Layers, Cache: a.Cache, Tmp: s.tmp()}, nil
}

func (s *box) Start(_ context.Context, cmd sandbox.Command) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil || s.closed {
		return pinfold.Errorf(pinfold.Internal, "sandbox %s cannot be started: it has been already, or is closed", s.id)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return pinfold.Errorf(pinfold.Internal, "starting %s: %w", cmd.Path, err)
	}
	defer null.Close()
	dir := cmd.Dir
	if dir == "" {
		dir = s.tmp()
	}
	attr := &os.ProcAttr{
		Dir:   dir,
		Env:   append(slices.Clone(cmd.Env), mark+"="+s.id),
		Files: append([]*os.File{null, cmd.Output, cmd.Output}, cmd.Files...),
		Sys:   sysProcAttr(),
	}
	err = s.driver.spawn(func() (err error) {
		s.proc, err = os.StartProcess(cmd.Path, append([]string{cmd.Path}, cmd.Args...), attr)
		return err
	})
	if err != nil {
		return pinfold.Errorf(pinfold.Internal, "starting the instance: %w", err)
	}
	if start, err := startTime(s.proc.Pid); err == nil {
		err = identity{s.proc.Pid, start}.write(filepath.Join(s.dir, pidFile))
		if err != nil {
			s.killGroup()
			go s.reap(s.proc)
			return pinfold.Errorf(pinfold.Internal, "noting the instance's process: %w", err)
		}
	}
	go s.reap(s.proc)
	return nil
}

// reap waits for the process, ends what it leaves behind in its group, and says
// how it ended. Close waits for it by way of done.
func (s *box) reap(proc *os.Process) {
	waitExited(proc.Pid)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(s.done)
	s.killGroup() // before the number is free to name another group
	state, err := proc.Wait()
	if err != nil {
		s.exit = sandbox.Exit{Code: -1, Signal: err.Error()}
		return
	}
	s.exit = sandbox.Exit{Code: state.ExitCode()}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		s.exit.Signal = status.Signal().String()
	}
	s.final = sandbox.Usage{PeakMemoryMB: peakMB(state), CPU: state.UserTime() + state.SystemTime()}
}

func (s *box) killGroup() { _ = syscall.Kill(-s.proc.Pid, syscall.SIGKILL) }

func (s *box) Exit() sandbox.Exit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exit
}

// Usage reports the peak memory and processor time of the sandbox's first
// process; its children count once it has waited for them. macOS tells it only
// after the process has ended.
func (s *box) Usage() sandbox.Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
		return s.final
	default:
	}
	if s.proc == nil {
		return sandbox.Usage{}
	}
	return usage(s.proc.Pid)
}

func (s *box) Listen(context.Context) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Internal, "opening a listener for the instance: %w", err)
	}
	return l, nil
}

func (s *box) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	started := s.proc != nil
	if first && started {
		select {
		case <-s.done:
		default: // not reaped, so the number is still ours
			s.killGroup()
		}
	}
	if first && !started {
		s.exit = sandbox.Exit{Code: -1, Signal: syscall.SIGKILL.String()}
		close(s.done)
	}
	s.mu.Unlock()
	<-s.done
	return removeAll(s.dir)
}

// endAll ends what is left of a sandbox of an earlier platform. Those processes
// are not our children, so there is nothing to wait on but their disappearance.
func endAll(sandboxID string, first identity) error {
	deadline := time.Now().Add(2 * time.Second)
	for {
		left := survivors(sandboxID, first)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return pinfold.Errorf(pinfold.Internal, "processes left behind by an earlier run do not end: %v", left)
		}
		for _, id := range left {
			if err := syscall.Kill(id.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return pinfold.Errorf(pinfold.Internal, "ending process %d, left behind by an earlier run: %w", id.pid, err)
			}
		}
		for slices.ContainsFunc(left, identity.alive) && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
	}
}
