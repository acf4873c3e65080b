package platform

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

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
