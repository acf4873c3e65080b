package platform

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/runtimes"
)

// TestInterpretersInTheWay: a sandbox has folders of its own over what some paths
// lead to.
func TestInterpretersInTheWay(t *testing.T) {
	dir, err := os.MkdirTemp("/var/tmp", "pinfold-test-")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(dir)
	link, target := filepath.Join(t.TempDir(), "node"), filepath.Join(dir, "node")
	if err := os.WriteFile(target, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/usr/bin/node": "", "/tmp/node/bin/node": "", "/optional/bin/node": "", "/opt/node/bin/node": "functions with layers cannot start", target: "functions cannot start", link: "functions cannot start",
	} {
		if path == link && runtime.GOOS != "linux" {
			continue // /var is a link itself
		}
		d := runtimes.Detected{Name: "Node.js", Path: path, Version: "22.1.0"}
		if c := inspectRuntime(d, true); (c.Status == Good) != (want == "") || !strings.Contains(c.Found, want) {
			t.Errorf("%s: %+v", path, c)
		}
		if c := inspectRuntime(d, false); c.Status != Good {
			t.Errorf("%s without walls: %+v", path, c)
		}
	}
}

func TestInspectAccounts(t *testing.T) {
	for want, h := range map[string]client.Health{
		"ok nothing was lost":                         {},
		"weak metering: the disk is full":             {Metering: "metering: the disk is full"},
		"weak 3 records of invocations were lost":     {RecordsDropped: 3},
		"weak 4 log lines were lost":                  {LogLinesDropped: 4},
		"weak the collector takes no traces: refused": {Collector: "refused"},
		"weak 5 invocations and calls were not sent":  {TracesDropped: 5},
	} {
		checks := InspectAccounts(h)
		if len(checks) != 1 || !strings.HasPrefix(string(checks[0].Status)+" "+checks[0].Found, want) || (checks[0].Advice == "") != (checks[0].Status == Good) {
			t.Errorf("%+v: %+v, want %q", h, checks, want)
		}
	}
	if n := len(InspectAccounts(client.Health{Metering: "x", RecordsDropped: 1, LogLinesDropped: 1, Collector: "x", TracesDropped: 1})); n != 5 {
		t.Errorf("%d checks of all that can go wrong", n)
	}
}
