//go:build linux

package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Machine says in one line what figures were taken on.
func Machine(ctx context.Context) string {
	version := func(name string, args ...string) string {
		out, err := exec.CommandContext(ctx, name, args...).Output()
		if err != nil {
			return name + " missing"
		}
		return strings.TrimSpace(string(out))
	}
	return fmt.Sprintf("%d cores, %s/%s, Linux %s, %s, Node.js %s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH,
		version("uname", "-r"), runtime.Version(), version("node", "--version"), version("python3", "--version"))
}

// Below lists the descendants of a process.
func Below(root int) (all []int) {
	children := families()
	for next := children[root]; len(next) > 0; next = next[1:] {
		all = append(all, next[0])
		next = append(next, children[next[0]]...)
	}
	return all
}

// Children lists the children of a process.
func Children(pid int) []int { return families()[pid] }

func families() map[int][]int {
	children := map[int][]int{}
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, name := range names {
		if pid, err := strconv.Atoi(filepath.Base(name)); err == nil {
			if _, parent, ok := status(pid); ok {
				children[parent] = append(children[parent], pid)
			}
		}
	}
	return children
}

// status is the state of a process, such as "S", and its parent.
func status(pid int) (state string, parent int, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, false
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	parent, err = strconv.Atoi(fields[1])
	return fields[0], parent, err == nil
}

// Gone reports whether a process has ended, be it that nobody has waited for it yet.
func Gone(pid int) bool {
	state, _, ok := status(pid)
	return !ok || state == "Z"
}

// Running counts the processes among some that run a program, such as "node".
func Running(pids []int, program string) (n int) {
	for _, pid := range pids {
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err == nil && strings.HasPrefix(filepath.Base(exe), program) {
			n++
		}
	}
	return n
}

// RSS is the resident memory of processes in bytes, and PSS that of each with
// what several share counted once.
func RSS(pids ...int) int64 { return memory("Rss:", pids) }

// PSS: see [RSS].
func PSS(pids ...int) int64 { return memory("Pss:", pids) }

func memory(field string, pids []int) (sum int64) {
	for _, pid := range pids {
		rollup, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)) // the process may have ended
		for line := range strings.Lines(string(rollup)) {
			if value, ok := strings.CutPrefix(line, field); ok {
				kb, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
				sum += kb << 10
			}
		}
	}
	return sum
}

// Settle waits until a process has had the same number of descendants for a
// second, so that what it starts ahead is there; it gives up after patience.
func Settle(ctx context.Context, pid int, patience time.Duration) error {
	since, count := time.Now(), -1
	for end := time.Now().Add(patience); time.Now().Before(end) && time.Since(since) < time.Second; {
		if n := len(Below(pid)); n != count {
			since, count = time.Now(), n
		}
		if err := Pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Pause does nothing for a time.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// RemoveAll removes a folder with the data of platforms in it, where unpacked
// code may be read-only.
func RemoveAll(dir string) error {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// CPU is the processor time that a process has taken so far, in steps of 10 ms.
func CPU(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}
