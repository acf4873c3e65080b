//go:build linux

package rootfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shell runs a script in a sandbox and returns what it says.
func shell(t *testing.T, w who, o Options, script string) string {
	t.Helper()
	return run(t, w, order{Options: o, Sandbox: true, Command: []string{"/bin/sh", "-c", script}})
}

// installed skips a test if a program is not where every sandbox sees it.
func installed(t *testing.T, program string) {
	t.Helper()
	path, err := exec.LookPath("/usr/bin/" + program)
	if err != nil {
		path, err = exec.LookPath("/bin/" + program)
	}
	if err != nil {
		t.Skip(program, " is not installed for everybody: ", path)
	}
}

func TestProgramsRun(t *testing.T) {
	for _, test := range []struct{ program, script, want string }{
		{"sh", `echo "$(id -u):$(id -g) $(cat /etc/resolv.conf)"`, "993:990 nameserver 192.0.2.1"},
		{"sed", `echo one | sed s/one/two/`, "two"},
		{"id", `id -un`, "sbx_user1051"},
		{"node", `node -e 'console.log(require("crypto").randomBytes(4).length, new Date(0).toLocaleString("de-DE", {timeZone: "Europe/Berlin"}), require("os").userInfo().username)'`,
			"4 1.1.1970, 01:00:00 sbx_user1051"},
		{"python3", `python3 -c 'import ssl, zoneinfo, sqlite3, ctypes, socket; ssl.create_default_context(); print(zoneinfo.ZoneInfo("Europe/Berlin"), socket.getservbyname("https"), socket.gethostbyname("localhost"))'`,
			"Europe/Berlin 443 127.0.0.1"},
		{"curl", `curl --version >/dev/null && curl -s --max-time 1 https://127.0.0.1:1 || echo $?`, "7"}, // could not connect; 77 would be: no certificates
		{"perl", `perl -MPOSIX -e 'print "perl"'`, "perl"},
		{"openssl", `openssl rand -hex 1 | wc -c`, "3"},
	} {
		t.Run(test.program, func(t *testing.T) {
			installed(t, test.program)
			each(t, func(t *testing.T, w who) {
				got := shell(t, w, Options{ResolvConf: "nameserver 192.0.2.1\n"}, test.script)
				if got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		})
	}
}

// A child that has not yet executed its program keeps the files open that were
// being written when it was forked.
func TestBuildWhileOthersFork(t *testing.T) {
	each(t, func(t *testing.T, w who) {
		if got := run(t, w, order{Times: 300, Forks: true}); got != "" {
			t.Error(got)
		}
	})
}

func TestNotSeen(t *testing.T) {
	each(t, func(t *testing.T, w who) {
		got := shell(t, w, Options{}, `ls -d /etc/shadow* /etc/gshadow* /etc/ssl/private /etc/ssh /etc/machine-id /etc/ld.so.preload /root /home /sys /boot /srv /mnt /media `+
			`/old_root /var/lib/pinfold /var/log /var/lib/dpkg /usr/src /usr/share/doc /usr/local/etc /run/* /tmp/* /opt/* /var/task/* /.pinfold/*/* 2>/dev/null; `+
			`echo $(ls -A /dev); cat /etc/passwd | wc -l; echo $(ls -d /proc/[0-9]* | wc -l)`)
		want := "fd full null random shm stderr stdin stdout urandom zero\n3\n"
		if processes, ok := strings.CutPrefix(got, want); !ok || len(processes) > 1 {
			t.Errorf("seen: %s", got)
		}
	})
}

// Not even root may write anywhere, before a sandbox gives up all it may do.
func TestNothingIsWritable(t *testing.T) {
	app := everybodysDir(t)
	data := filepath.Join(app, "data")
	if err := os.Mkdir(data, 0o777); err != nil {
		t.Fatal(err)
	}
	o := Options{ReadOnly: []string{app}, Hide: []string{data}}
	each(t, func(t *testing.T, w who) {
		got := run(t, w, order{Options: o, Command: []string{"/bin/sh", "-c",
			`for d in $(cut -d' ' -f5 /proc/self/mountinfo | grep -v ^/proc) /etc /var /tmp /run /opt /var/task /dev /dev/shm /usr /usr/share /.pinfold; do
				mkdir $d/pinfold-rootfs-test 2>/dev/null && rmdir $d/pinfold-rootfs-test && echo "writable: $d"
				chmod 755 $d 2>/dev/null && echo "can be changed: $d"
			done; echo done; echo full 2>/dev/null >/dev/full; echo $?; echo x >/dev/null; echo $?`}})
		if got != "done\n1\n0" && got != "done\n2\n0" {
			t.Error(got)
		}
	})
}

func TestMounts(t *testing.T) {
	each(t, func(t *testing.T, w who) {
		got := run(t, w, order{Shared: true, Command: []string{"/bin/sh", "-c", "cat /proc/self/mountinfo"}})
		for _, line := range strings.Split(got, "\n") {
			fields := strings.Fields(line) // see proc_pid_mountinfo(5)
			if len(fields) < 9 {
				t.Fatalf("not a mount: %q", line)
			}
			at, options := fields[4], ","+fields[5]+","
			isDevice := strings.HasPrefix(at, "/dev/")
			switch {
			case fields[6] != "-":
				t.Errorf("%s is not private: %s", at, line)
			case strings.HasPrefix(at, "/proc"):
			case !strings.Contains(options, ",ro,"), !strings.Contains(options, ",nosuid,"),
				!isDevice && !strings.Contains(options, ",nodev,"), isDevice && !strings.Contains(options, ",noexec,"):
				t.Errorf("%s has options%s", at, options)
			}
		}
		t.Logf("%d mounts", strings.Count(got, "\n")+1)
	})
}

// A sandbox's init may mount; what it finds it can neither change nor uncover.
func TestMountsAreLocked(t *testing.T) {
	each(t, func(t *testing.T, w who) {
		got := run(t, w, order{Sandbox: true, Attack: []string{"/", "/usr/bin", "/etc", "/dev/null", "/usr/lib"}})
		if got != "" {
			t.Error(got)
		}
	})
}

func TestAskedForInHidden(t *testing.T) {
	home := everybodysDir(t)
	tools := filepath.Join(home, "tools", "v1")
	for path, content := range map[string]string{
		"secret": "secret", "tools/secret": "secret", "tools/v1/etc/secret": "secret", "tools/v1/lib/word": "works", "tools/v1/lib/data/secret": "secret",
		"tools/v1/bin/tool": "#!/bin/sh\ncat $(dirname $0)/../lib/word\n",
	} {
		path = filepath.Join(home, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("v1", filepath.Join(home, "tools", "current")); err != nil {
		t.Fatal(err)
	}
	o := Options{ReadOnly: []string{filepath.Join(home, "tools", "current")}, Hide: []string{home, filepath.Join(tools, "lib", "data")}}
	script := home + "/tools/current/bin/tool; echo; find " + home + " -name secret; ls " + home + "/tools/v1/lib/data; touch " + home + "/tools/x 2>/dev/null && echo writable"
	each(t, func(t *testing.T, w who) {
		for _, covered := range []bool{false, true} {
			got := run(t, w, order{Options: o, Sandbox: true, Cover: covered, Command: []string{"/bin/sh", "-c", script}})
			if got != "works" {
				t.Errorf("with something over /tmp %v: %s", covered, got)
			}
		}
	})
}

func TestCoverLeavesNothingElse(t *testing.T) {
	each(t, func(t *testing.T, w who) {
		got := run(t, w, order{Sandbox: true, Cover: true, Command: []string{"/bin/sh", "-c", "ls -A /tmp; echo x >/tmp/x && cat /tmp/x"}})
		if got != "x" {
			t.Error(got)
		}
	})
}

func TestNoSetuid(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to make a setuid program")
	}
	id, err := os.ReadFile("/usr/bin/id")
	if err != nil {
		t.Skip(err)
	}
	dir := everybodysDir(t)
	program := filepath.Join(dir, "id")
	if err := os.WriteFile(program, id, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(program, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	outside := exec.Command(program, "-u")
	outside.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := outside.Output(); err != nil || string(out) != "0\n" {
		t.Skipf("%s honours no setuid bit outside either: %s, %v", dir, out, err)
	}
	got := run(t, everybody[0], order{Options: Options{ReadOnly: []string{dir}}, UID: 65534, Command: []string{program, "-u"}})
	if got != "65534" {
		t.Errorf("a setuid program runs as %s", got)
	}
}

// Neither the mounts of the namespace that a root is built from change, though
// they are shared, nor those of the host.
func TestHostIsUnchanged(t *testing.T) {
	before := mountTable(t)
	each(t, func(t *testing.T, w who) {
		if got := run(t, w, order{Times: 3, Shared: true}); got != "" {
			t.Error(got)
		}
	})
	if after := mountTable(t); after != before {
		t.Errorf("mounts of the host were\n%s\nand are\n%s", before, after)
	}
}

func TestBuildFails(t *testing.T) {
	dir := everybodysDir(t)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, w who) {
		gone := filepath.Join(dir, w.name)
		if err := os.Mkdir(gone, 0o755); err != nil {
			t.Fatal(err)
		}
		got := run(t, w, order{Options: Options{ReadOnly: []string{gone}}, Remove: gone, Fails: true, Command: []string{"/bin/true"}})
		if !strings.Contains(got, gone) || !strings.Contains(got, "no such file") {
			t.Error(got)
		}
	})
}

// BenchmarkBuild reports the median, of builds in one process after each other.
func BenchmarkBuild(b *testing.B) {
	for _, w := range everybody {
		b.Run(w.name, func(b *testing.B) {
			if err := w.possible(); err != nil {
				b.Skip(err)
			}
			took := strings.Fields(run(b, w, order{Times: b.N + 1, Report: true}))
			median, err := strconv.Atoi(took[len(took)/2])
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(time.Duration(median)), "ns/build")
		})
	}
}

// everybodysDir is a folder below /tmp to which everybody has access.
func everybodysDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pinfold-rootfs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mountTable(t testing.TB) string {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(table)
}

// attack tries to change and to remove mounts and returns what it managed to.
func attack(paths []string) (done string) {
	for _, path := range paths {
		if err := unix.MountSetattr(unix.AT_FDCWD, path, 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err == nil {
			done += "made writable: " + path + "\n"
		}
		if err := unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_BIND, ""); err == nil {
			done += "remounted: " + path + "\n"
		}
		if err := unix.Unmount(path, unix.MNT_DETACH); err == nil {
			done += "unmounted: " + path + "\n"
		}
	}
	return done
}
