package pool

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestMachineMB(t *testing.T) {
	if got := totalMB([]byte("MemFree: 5 kB\nMemTotal:       16384000 kB\n")); got != 16000 {
		t.Errorf("the machine has %d MB", got)
	}
	if got := totalMB([]byte("MemTotal:\n")); got != 0 {
		t.Errorf("no number is %d MB", got)
	}
	for data, want := range map[string]int{"max\n": 0, "1073741824\n": 1024, "9223372036854771712\n": 1<<43 - 1, "": 0} {
		if got := limitMB([]byte(data)); got != want {
			t.Errorf("a limit of %q is %d MB", data, got)
		}
	}
	for groups, want := range map[string]string{
		"0::/a/b\n":                       "/sys/fs/cgroup/a/b/memory.max /sys/fs/cgroup/a/memory.max /sys/fs/cgroup/memory.max",
		"4:memory:/a\n3:cpu,cpuacct:/a\n": "/sys/fs/cgroup/memory/a/memory.limit_in_bytes /sys/fs/cgroup/memory/memory.limit_in_bytes",
		"0::/\n":                          "/sys/fs/cgroup/memory.max",
		"0::/../../outside\n":             "/sys/fs/cgroup/outside/memory.max /sys/fs/cgroup/memory.max",
		"nonsense\n":                      "",
	} {
		if got := strings.Join(limitFiles(groups), " "); got != want {
			t.Errorf("%q: %s", groups, got)
		}
	}
	if _, err := os.Stat("/proc/meminfo"); err == nil && machineMB() <= 0 {
		t.Error("this machine has no memory")
	}
}

func TestSpare(t *testing.T) {
	stat := func(user, idle, iowait int) []byte {
		return fmt.Appendf(nil, "cpu  %d 0 0 %d %d 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n", user, idle, iowait)
	}
	l := &load{}
	for _, step := range []struct {
		user, idle, iowait int
		full               bool
	}{
		{1000, 100000, 0, false}, {1050, 100000, 0, true}, {1100, 100004, 0, true}, {1105, 100004, 45, false}, {1105, 100004, 45, false},
	} {
		if l.take(stat(step.user, step.idle, step.iowait)); l.full != step.full {
			t.Errorf("%+v: full is %v", step, l.full)
		}
	}
	if idle, busy := ticks([]byte("intr 5\n")); idle+busy != 0 {
		t.Error("no line of the processor")
	}
	newLoad().spare()
}

func TestDefaults(t *testing.T) {
	c := Config{}.withDefaults()
	if c.Concurrency != 1000 || c.MemoryMB <= 0 || c.MaxLaunches != 4*runtime.GOMAXPROCS(0) || c.MinCells != 1 || c.Spare == nil || c.Log == nil {
		t.Errorf("%+v", c)
	}
	if c := (Config{MaxCells: -1}).withDefaults(); c.MaxCells != 0 || c.MinCells != 0 {
		t.Errorf("%+v", c)
	}
}

// FuzzMachine feeds the readers of /proc and of control groups.
func FuzzMachine(f *testing.F) {
	f.Add("MemTotal: 1 kB\n")
	f.Add("cpu  1 2 3 4 5 6 7 8 9 10\n")
	f.Add("0::/user.slice/a\n4:memory:/b\n")
	f.Fuzz(func(t *testing.T, data string) {
		if totalMB([]byte(data)) < 0 && !strings.Contains(data, "-") {
			t.Error("less than no memory")
		}
		if limitMB([]byte(data)) < 0 {
			t.Error("a limit below zero")
		}
		ticks([]byte(data))
		for _, file := range limitFiles(data) {
			if !strings.HasPrefix(file, "/sys/fs/cgroup/") {
				t.Errorf("reads %s", file)
			}
		}
	})
}
