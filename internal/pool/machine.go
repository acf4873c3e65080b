package pool

import (
	"bytes"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// machineMB is how much memory there is for this process, in megabytes: the
// machine's, or less where a control group limits it. 0 where Linux does not say.
func machineMB() int {
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	groups, _ := os.ReadFile("/proc/self/cgroup") // without it there is no limit
	mb := totalMB(meminfo)
	for _, file := range limitFiles(string(groups)) {
		if data, err := os.ReadFile(file); err == nil {
			if limit := limitMB(data); limit > 0 && limit < mb {
				mb = limit
			}
		}
	}
	return mb
}

// totalMB reads the machine's memory out of /proc/meminfo.
func totalMB(meminfo []byte) int {
	for line := range bytes.Lines(meminfo) {
		if fields := bytes.Fields(line); len(fields) >= 2 && string(fields[0]) == "MemTotal:" {
			kb, _ := strconv.Atoi(string(fields[1]))
			return kb / 1024
		}
	}
	return 0
}

// limitFiles names the files with the memory limits of the control groups that
// /proc/self/cgroup lists, and of all above them: any of them binds. Inside a
// container only the uppermost may be there.
func limitFiles(groups string) (files []string) {
	for line := range strings.Lines(groups) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		root, file := "/sys/fs/cgroup", "memory.max"
		switch fields[1] {
		case "":
		case "memory":
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			files = append(files, path.Join(root, group, file))
			if group == "/" {
				break
			}
		}
	}
	return files
}

// limitMB reads a control group's memory limit; 0 for none.
func limitMB(data []byte) int {
	limit, err := strconv.ParseUint(string(bytes.TrimSpace(data)), 10, 64)
	if err != nil {
		return 0 // "max"
	}
	return int(limit >> 20)
}

// load tells from /proc/stat whether the machine has processor time to spare.
type load struct {
	mu         sync.Mutex
	read       time.Time
	idle, busy uint64 // ticks at that time
	full       bool
}

const (
	loadWindow = 250 * time.Millisecond // the kernel counts in hundredths of a second
	spareShare = 0.1                    // of the machine's processor time
)

func newLoad() *load { return &load{} }

// spare reports whether some of the processor time since the last reading was
// not used. It reads once in a loadWindow.
func (l *load) spare() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.read) < loadWindow {
		return !l.full
	}
	l.read = now
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return true
	}
	l.take(stat)
	return !l.full
}

func (l *load) take(stat []byte) {
	idle, busy := ticks(stat)
	di, db := idle-l.idle, busy-l.busy
	l.idle, l.busy = idle, busy
	if di+db == 0 {
		return // it is as it was
	}
	l.full = float64(di) < spareShare*float64(di+db)
}

// ticks reads from /proc/stat how much processor time the machine has spent idle
// and busy since its start. Waiting for a disk is idle; see proc(5).
func ticks(stat []byte) (idle, busy uint64) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 9 || string(fields[0]) != "cpu" {
		return 0, 0
	}
	for i, field := range fields[1:9] { // user nice system idle iowait irq softirq steal
		n, _ := strconv.ParseUint(string(field), 10, 64)
		if i == 3 || i == 4 {
			idle += n
		} else {
			busy += n
		}
	}
	return idle, busy
}
