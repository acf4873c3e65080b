package platform

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/runtimes"
	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/namespace"
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
	isolation, walled := inspectIsolation(ctx, cfg)
	for _, d := range runtimes.Detect(ctx) {
		checks = append(checks, inspectRuntime(d, walled))
	}
	checks = append(checks, isolation...)
	running := WhoRuns(cfg.Data)
	checks = append(checks,
		inspectPort("API port", cfg.API, running, "--api"),
		inspectPort("HTTP port", cfg.HTTP, running, "--http"),
		inspectData(cfg.Data))
	return checks
}

// InspectAccounts looks at what a server says of what it keeps of invocations.
func InspectAccounts(h client.Health) (checks []Check) {
	weak := func(bad bool, found, advice string) {
		if bad {
			checks = append(checks, Check{"accounts", Weak, found, advice})
		}
	}
	const disk = "is the disk full, or too slow? The server's log has more"
	weak(h.Metering != "", h.Metering, "what is used is counted in memory until it can be written; "+disk)
	weak(h.RecordsDropped > 0, fmt.Sprintf("%d records of invocations were lost since the server started", h.RecordsDropped), disk)
	weak(h.LogLinesDropped > 0, fmt.Sprintf("%d log lines were lost since the server started", h.LogLinesDropped), disk)
	weak(h.Collector != "", "the collector takes no traces: "+h.Collector, "look at otlpEndpoint and otlpHeaders, and whether the collector runs")
	weak(h.TracesDropped > 0, fmt.Sprintf("%d invocations and calls were not sent to the collector since the server started", h.TracesDropped), "is the collector up, and quick enough? A smaller traceShare sends less")
	if len(checks) == 0 {
		return []Check{{"accounts", Good, "nothing was lost since the server started", ""}}
	}
	return checks
}

// taken is where a sandbox has something of its own over what the machine has
// there, and for whom.
var taken = []struct{ folder, whose string }{{"/var/tmp", "functions"}, {"/opt", "functions with layers"}}

func inspectRuntime(d runtimes.Detected, walled bool) Check {
	if d.Path == "" {
		return Check{d.Name, Weak, "not found", d.Advice}
	}
	found := d.Version + " at " + d.Path
	paths := []string{d.Path}
	if real, err := filepath.EvalSymlinks(d.Path); err == nil {
		paths = append(paths, real)
	}
	for _, t := range taken {
		if walled && slices.ContainsFunc(paths, func(path string) bool { return strings.HasPrefix(path, t.folder+"/") }) {
			return Check{d.Name, Weak, found + ": " + t.whose + " cannot start, because a sandbox has a " + t.folder + " of its own", "install it elsewhere, or let PATH name another one first"}
		}
	}
	return Check{d.Name, Good, found, ""}
}

// inspectIsolation finds out what walls functions would have, by building some,
// and whether there would be any.
func inspectIsolation(ctx context.Context, cfg Config) (checks []Check, walled bool) {
	if version, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		checks = append(checks, Check{"kernel", Good, "Linux " + strings.TrimSpace(string(version)), ""})
	}
	noWalls := Check{"isolation", Weak, "sandbox driver process: no walls around functions", "run only code that you trust"}
	if cfg.Sandbox == "process" {
		return append(checks, noWalls), false
	}
	can, err := tryWalls(ctx)
	switch {
	case err != nil && cfg.Sandbox == "namespace":
		return append(checks, Check{"isolation", Bad, err.Error(), "or let functions run without walls: --sandbox process"}), false
	case err != nil:
		noWalls.Found += ": " + err.Error()
		return append(checks, noWalls), false
	}
	checks = append(checks, Check{"isolation", Good, "sandbox driver namespace: " + strings.Join(walls(can), ", "), ""})
	for _, weak := range can.Weak {
		checks = append(checks, Check{"isolation", Weak, weak, ""})
	}
	return checks, true
}

// tryWalls builds a sandbox and tears it down.
func tryWalls(ctx context.Context) (sandbox.Capabilities, error) {
	dir, err := os.MkdirTemp("", "pinfold-doctor-")
	if err != nil {
		return sandbox.Capabilities{}, fmt.Errorf("walls cannot be tried without a temporary folder, which TMPDIR names: %w", err)
	}
	defer os.RemoveAll(dir)
	driver, err := namespace.New(ctx, namespace.Options{Dir: dir})
	if err != nil {
		return sandbox.Capabilities{}, err
	}
	return driver.Capabilities(), driver.Close()
}

// walls names what a driver holds.
func walls(can sandbox.Capabilities) (names []string) {
	for _, wall := range []struct {
		stands bool
		name   string
	}{{can.Filesystem, "files"}, {can.Processes, "processes"}, {can.Network, "network"}, {can.Memory, "memory"}, {can.CPU, "processor"}} {
		if wall.stands {
			names = append(names, wall.name)
		}
	}
	return names
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

// WhoRuns returns who holds a data folder now; the zero Running if nobody does.
func WhoRuns(data string) Running {
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
