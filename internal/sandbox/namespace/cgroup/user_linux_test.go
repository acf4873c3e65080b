package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestUser starts platforms of an ordinary user, refused in a group that is
// not its own, at work in one that is, and of root in a group of systemd's.
func TestUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become others")
	}
	const nobody = 65534
	as := func(uid uint32, group *os.File) func(*exec.Cmd) {
		return func(c *exec.Cmd) {
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
			if group != nil {
				c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, int(group.Fd())
			}
		}
	}
	name := fmt.Sprintf("pinfold-test-%d", time.Now().UnixNano())
	t.Run("not delegated", func(t *testing.T) {
		c := start(t, "user", name, as(nobody, nil))
		if line := c.act(); !strings.Contains(line, "error: ") || !strings.Contains(line, "systemd-run --user --scope -p Delegate=yes pinfold up") {
			t.Errorf("it said %q", line)
		}
	})
	t.Run("delegated", func(t *testing.T) {
		const root = "/sys/fs/cgroup"
		if !slices.Contains(fields(root, "cgroup.controllers"), "memory") {
			t.Skip("version 2 has no controllers on this machine")
		}
		enable(root)
		scope := filepath.Join(root, name+"-scope")
		t.Cleanup(func() {
			for _, dir := range []string{filepath.Join(scope, leaf), scope} {
				until(t, "the scope is empty", func() bool { return rmdir(dir) == nil })
			}
		})
		if err := mkdir(scope); err != nil {
			t.Fatal(err)
		}
		group, err := os.Open(scope)
		if err != nil {
			t.Fatal(err)
		}
		defer group.Close()
		t.Run("root, in a group that is systemd's", func(t *testing.T) {
			c := start(t, "user", name, as(0, group))
			if line := c.act(); !strings.Contains(line, "Memory:true CPU:true Pids:true Freeze:true") || !strings.Contains(line, "Delegate=yes in the unit") {
				t.Errorf("it said %q", line)
			}
			if isDir(filepath.Join(scope, leaf)) {
				t.Error("it has arranged the group")
			}
			if line, _ := c.out.ReadString('\n'); line != "ready\n" {
				t.Errorf("it said %q", line)
			}
		})
		// As systemd delegates.
		for _, f := range []string{"", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"} {
			if err := os.Chown(filepath.Join(scope, f), nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
		for _, neighbour := range []string{"none", "not ours to move", "ours to move"} {
			t.Run("neighbour: "+neighbour, func(t *testing.T) {
				limited := "Memory:true CPU:true Pids:true Freeze:true"
				switch neighbour {
				case "not ours to move":
					limited = "Memory:false CPU:false Pids:false Freeze:true"
				case "ours to move":
					if err := unix.Setxattr(scope, "user.delegate", []byte("1"), 0); err != nil {
						t.Fatal(err)
					}
				}
				if neighbour != "none" {
					for _, c := range wanted {
						_ = write(scope, "cgroup.subtree_control", "-"+c)
					}
					start(t, "hold", "1", as(nobody, group))
				}
				c := start(t, "user", name, as(nobody, group))
				if line := c.act(); !strings.Contains(line, limited) {
					t.Fatalf("it said %q", line)
				}
				if line, _ := c.out.ReadString('\n'); line != "ready\n" {
					t.Errorf("it said %q", line)
				}
			})
		}
	})
}
