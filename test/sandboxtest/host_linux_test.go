package sandboxtest

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pinfold.dev/pinfold/bench/host"
)

// traces is what a platform's sandboxes are known by on the host, so that what
// is left of them is found, and that of others is not taken for it.
type traces struct {
	root int // the platform's process

	mu         sync.Mutex
	namespaces map[string]*os.File // of processes, by name: "pid:[4026532561]"; while one is open no other gets its name
	groups     map[string]bool     // names of cgroups: "pinfold-1a2b3c4d"
}

var groupName = regexp.MustCompile(`pinfold-[0-9a-f]{8}`)

// note takes down what the platform's processes are in by now.
func (tr *traces) note() {
	own, _ := os.Readlink("/proc/self/ns/pid")
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.namespaces == nil {
		tr.namespaces, tr.groups = map[string]*os.File{}, map[string]bool{}
	}
	for _, pid := range host.Below(tr.root) {
		path := fmt.Sprintf("/proc/%d/ns/pid", pid)
		if ns, err := os.Readlink(path); err == nil && ns != own && tr.namespaces[ns] == nil {
			if file, err := os.Open(path); err == nil {
				tr.namespaces[ns] = file
			}
		}
		group, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		for _, name := range groupName.FindAllString(string(group), -1) {
			tr.groups[name] = true
		}
	}
}

// close lets go of the names.
func (tr *traces) close() {
	for _, file := range tr.namespaces {
		_ = file.Close()
	}
}

// ticks is the processor time that a process has used.
func ticks(pid int) uint64 {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseUint(fields[11], 10, 64)
	system, _ := strconv.ParseUint(fields[12], 10, 64)
	return user + system
}

func pids() (all []int) {
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, name := range names {
		if pid, err := strconv.Atoi(filepath.Base(name)); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// sight is what a host shows of sandboxes, whosever they are.
type sight struct{ links []string }

func look(t *testing.T) sight {
	t.Helper()
	links, err := filepath.Glob("/sys/class/net/*")
	if err != nil {
		t.Fatal(err)
	}
	return sight{links}
}

// gone checks that nothing is left on the host: no process, control group,
// mount, loop device or network device, and nothing in the folder of sandboxes.
func (tr *traces) gone(t *testing.T, data string, before sight) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond) // the kernel takes a namespace's mounts down when it finds the time
	defer again.Stop()
	for {
		left := tr.left(t, data, before)
		if len(left) == 0 {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Errorf("left on the host:\n%s", strings.Join(left, "\n"))
			return
		}
	}
}

func (tr *traces) left(t *testing.T, data string, before sight) (left []string) {
	t.Helper()
	for _, pid := range tr.processes() {
		left = append(left, fmt.Sprintf("process %d", pid))
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	groups := slices.Collect(maps.Keys(tr.groups))
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains(groups, groupName.FindString(d.Name())) {
			left = append(left, "control group "+path)
			return fs.SkipDir
		}
		return nil
	})
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, data) {
			left = append(left, "mount "+strings.TrimSpace(line))
		}
	}
	loops, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, loop := range loops {
		if file, err := os.ReadFile(loop); err == nil && strings.HasPrefix(string(file), data) {
			left = append(left, "loop device "+loop+" of "+strings.TrimSpace(string(file)))
		}
	}
	for _, link := range look(t).links {
		if !slices.Contains(before.links, link) {
			left = append(left, "network device "+link)
		}
	}
	entries, _ := os.ReadDir(filepath.Join(data, "run"))
	for _, entry := range entries {
		left = append(left, "in the folder of sandboxes: "+entry.Name())
	}
	return left
}

// processes lists what lives in the sandboxes that were noted. What has died is
// the host's process 1's to bury, which may take its time.
func (tr *traces) processes() (all []int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, pid := range pids() {
		ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
		if err == nil && tr.namespaces[ns] != nil && !host.Gone(pid) {
			all = append(all, pid)
		}
	}
	return all
}

// runs lists the processes whose command line has a text in it.
func runs(text string) (all []int) {
	for _, pid := range pids() {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(line), text) {
			all = append(all, pid)
		}
	}
	return all
}
