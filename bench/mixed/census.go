//go:build linux

package mixed

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/bench/host"
)

// census counts what a platform has.
type census struct {
	data, temp string // its folders

	files map[string]int // what the platform's descriptors were of, before the load

	mu     sync.Mutex
	groups map[string]bool // names of its control groups, such as "pinfold-1a2b3c4d"
}

func newCensus(data, temp string) *census {
	return &census{data: data, temp: temp, groups: map[string]bool{}}
}

var groupName = regexp.MustCompile(`pinfold-[0-9a-f]{8}`)

// note takes down the control groups that the platform's processes are in.
func (c *census) note(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, pid := range host.Below(pid) {
		group, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		for _, name := range groupName.FindAllString(string(group), -1) {
			c.groups[name] = true
		}
	}
}

// what is counted, in the order of reports.
var counted = []string{"processes", "control groups", "mounts", "descriptors of the platform", "descriptors of its helpers", "loop devices", "files of sandboxes", "temporary files"}

// count counts what the platform with this process has.
func (c *census) count(pid int) map[string]int {
	helpers := host.Children(pid)
	n := map[string]int{
		"processes":                   len(host.Below(pid)),
		"control groups":              len(c.controlGroups()),
		"descriptors of the platform": descriptors(pid),
		"loop devices":                len(c.loops()),
		"files of sandboxes":          len(names(filepath.Join(c.data, "run"))),
		"temporary files":             len(names(c.temp)),
	}
	for _, helper := range helpers {
		n["descriptors of its helpers"] += descriptors(helper)
	}
	n["mounts"] = mounts(append(helpers, pid))
	return n
}

// least is the least that the platform has of everything for two seconds, as
// something may be about to go.
func (c *census) least(ctx context.Context, pid int) (map[string]int, error) {
	least := c.count(pid)
	for range 10 {
		if err := host.Pause(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
		for what, n := range c.count(pid) {
			least[what] = min(least[what], n)
		}
	}
	c.files = targets(pid)
	return least, nil
}

// compare waits until the platform has no more of anything than before, and
// says what it has more of when patience ends.
func (c *census) compare(ctx context.Context, pid int, before map[string]int, patience time.Duration) ([]Leak, error) {
	for end := time.Now().Add(patience); ; {
		var leaked []Leak
		after := c.count(pid)
		for _, what := range counted {
			if after[what] > before[what] {
				leak := Leak{What: what, Before: before[what], After: after[what]}
				if what == "descriptors of the platform" {
					leak.More = c.opened(pid)
				}
				leaked = append(leaked, leak)
			}
		}
		if len(leaked) == 0 || time.Now().After(end) {
			return leaked, nil
		}
		if err := host.Pause(ctx, 250*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// left waits until nothing of a platform that has stopped is on the machine, and
// says what is when patience ends.
func (c *census) left(ctx context.Context, adopted func() []string, patience time.Duration) []string {
	for end := time.Now().Add(patience); ; {
		left := adopted()
		for _, path := range c.controlGroups() {
			left = append(left, "control group "+path)
		}
		for _, loop := range c.loops() {
			left = append(left, "loop device "+loop)
		}
		mountinfo, _ := os.ReadFile("/proc/self/mountinfo")
		for line := range strings.Lines(string(mountinfo)) {
			if strings.Contains(line, c.data) {
				left = append(left, "mount "+strings.TrimSpace(line))
			}
		}
		for _, dir := range []string{filepath.Join(c.data, "run"), c.temp} {
			for _, name := range names(dir) {
				left = append(left, "file "+filepath.Join(dir, name))
			}
		}
		if len(left) == 0 || time.Now().After(end) || host.Pause(ctx, 100*time.Millisecond) != nil {
			return left
		}
	}
}

func (c *census) controlGroups() (paths []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && c.groups[groupName.FindString(path)] {
			paths = append(paths, path)
		}
		return nil
	})
	return paths
}

func (c *census) loops() (all []string) {
	files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, name := range files {
		if file, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(file), c.data) {
			all = append(all, name)
		}
	}
	return all
}

func descriptors(pid int) (n int) {
	for _, of := range targets(pid) {
		n += of
	}
	return n
}

var number = regexp.MustCompile(`[0-9]+`)

// targets counts what a process's descriptors are of, whatever their numbers. Those
// of the platform's state are left out: up to eight connections to it are opened as
// they are needed at a time, and stay.
func targets(pid int) map[string]int {
	dir, of := fmt.Sprintf("/proc/%d/fd", pid), map[string]int{}
	for _, name := range names(dir) {
		if target, err := os.Readlink(filepath.Join(dir, name)); err == nil && !strings.Contains(target, "/state.db") {
			of[number.ReplaceAllString(target, "0")]++
		}
	}
	return of
}

// opened says what the platform has more descriptors of than before the load.
func (c *census) opened(pid int) (more []string) {
	for target, n := range targets(pid) {
		if n > c.files[target] {
			more = append(more, fmt.Sprintf("%d x %s", n-c.files[target], target))
		}
	}
	slices.Sort(more)
	return more
}

// mounts counts those in all mount namespaces that threads of some processes are in.
func mounts(pids []int) (n int) {
	seen := map[string]bool{}
	for _, pid := range pids {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		for _, task := range tasks {
			ns, err := os.Readlink(filepath.Join(task, "ns", "mnt"))
			if err != nil || seen[ns] {
				continue
			}
			seen[ns] = true
			mountinfo, _ := os.ReadFile(filepath.Join(task, "mountinfo"))
			n += strings.Count(string(mountinfo), "\n")
		}
	}
	return n
}

func names(dir string) (all []string) {
	entries, _ := os.ReadDir(dir) // one that is not there has none
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// adopt makes this process the one that orphans of its descendants go to, and
// returns what names those that it has got since.
func adopt() (func() []string, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("adopt orphans: %w", err)
	}
	before := host.Below(os.Getpid())
	return func() (all []string) {
		for _, pid := range host.Below(os.Getpid()) {
			if slices.Contains(before, pid) || host.Gone(pid) {
				continue
			}
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			all = append(all, fmt.Sprintf("process %d: %s", pid, strings.ReplaceAll(string(line), "\x00", " ")))
		}
		return all
	}, nil
}
