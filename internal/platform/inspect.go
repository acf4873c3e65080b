package platform

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"pinfold.dev/pinfold/internal/runtimes"
)

// Check is one thing that doctor looked at.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"` // what to do, unless Good
}

// Status is how a check came out.
type Status string

// A Weak check costs a feature; a Bad one keeps the server from starting.
const (
	Good Status = "ok"
	Weak Status = "weak"
	Bad  Status = "bad"
)

// Inspect looks at what a platform with this configuration needs of the machine.
func Inspect(ctx context.Context, cfg Config) []Check {
	var checks []Check
	if err := cfg.Validate(); err != nil {
		checks = append(checks, Check{"configuration", Bad, err.Error(), "correct these settings"})
	} else {
		checks = append(checks, Check{"configuration", Good, "valid", ""})
	}
	checks = append(checks, inspectRuntimes(ctx)...)
	checks = append(checks, inspectKernel()...)
	running := whoRuns(cfg.Data)
	checks = append(checks,
		inspectPort("API port", cfg.API, running, "--api"),
		inspectPort("HTTP port", cfg.HTTP, running, "--http"),
		inspectData(cfg.Data))
	return checks
}

func inspectRuntimes(ctx context.Context) []Check {
	var checks []Check
	for _, d := range runtimes.Detect(ctx) {
		if d.Path == "" {
			checks = append(checks, Check{d.Name, Weak, "not found", d.Advice})
			continue
		}
		checks = append(checks, Check{d.Name, Good, d.Version + " at " + d.Path, ""})
	}
	return checks
}

// inspectKernel looks at what isolation is made of.
func inspectKernel() []Check {
	if runtime.GOOS != "linux" {
		return []Check{{"isolation", Weak, "not available on " + runtime.GOOS, "functions run as plain processes; use Linux for isolation"}}
	}
	version, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	checks := []Check{{"kernel", Good, "Linux " + strings.TrimSpace(string(version)), ""}}

	if _, err := os.Stat("/proc/self/ns/user"); err != nil {
		checks = append(checks, Check{"user namespaces", Weak, "missing", "use a kernel with CONFIG_USER_NS"})
	} else if limit, _ := os.ReadFile("/proc/sys/user/max_user_namespaces"); strings.TrimSpace(string(limit)) == "0" {
		checks = append(checks, Check{"user namespaces", Weak, "switched off", "sysctl user.max_user_namespaces=10000"})
	} else {
		checks = append(checks, Check{"user namespaces", Good, "available", ""})
	}

	switch {
	case exists("/sys/fs/cgroup/cgroup.controllers"):
		checks = append(checks, Check{"cgroups", Good, "version 2", ""})
	case exists("/sys/fs/cgroup/memory"):
		checks = append(checks, Check{"cgroups", Good, "version 1", ""})
	default:
		checks = append(checks, Check{"cgroups", Weak, "not mounted", "mount -t cgroup2 none /sys/fs/cgroup"})
	}

	status, _ := os.ReadFile("/proc/self/status")
	if strings.Contains(string(status), "\nSeccomp:") {
		checks = append(checks, Check{"seccomp", Good, "available", ""})
	} else {
		checks = append(checks, Check{"seccomp", Weak, "missing", "use a kernel with CONFIG_SECCOMP_FILTER"})
	}
	return append(checks, Check{"isolation", Weak, "sandbox driver process: no walls", "run only code that you trust; the namespace driver is not in this version yet"})
}

func inspectPort(name, addr string, running Running, flag string) Check {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		l.Close()
		return Check{name, Good, addr + " is free", ""}
	}
	if tcp, err := net.ResolveTCPAddr("tcp", addr); err == nil && slices.Contains([]string{running.Endpoints.API, running.Endpoints.HTTP}, "http://"+reachable(tcp)) {
		return Check{name, Good, fmt.Sprintf("%s is used by the Pinfold that runs on this data folder (process %d)", addr, running.PID), ""}
	}
	return Check{name, Bad, err.Error(), "stop what uses it (`ss -ltnp` shows it), or choose another with " + flag}
}

// whoRuns returns who holds the data folder now; the zero Running if nobody does.
func whoRuns(data string) Running {
	if !exists(filepath.Join(data, lockFile)) || Abandoned(data) {
		return Running{} // what a killed server wrote is no longer true
	}
	running, _ := ReadRunning(data)
	return running
}

func inspectData(dir string) Check {
	probe := dir
	for !exists(probe) && filepath.Dir(probe) != probe {
		probe = filepath.Dir(probe)
	}
	f, err := os.CreateTemp(probe, ".pinfold-doctor-")
	if err != nil {
		return Check{"data folder", Bad, err.Error(), "make it writable, or name another with --data"}
	}
	f.Close()
	os.Remove(f.Name())
	return Check{"data folder", Good, dir + " is writable", ""}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
