package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
)

// fake makes a machine of plain folders. Each folder that is to be a group is
// named; those of version 2 that are not the true root have a cgroup.type.
func fake(t *testing.T, uid int, mountinfo, cgroup string, groups ...string) machine {
	t.Helper()
	m := machine{proc: t.TempDir(), root: t.TempDir(), uid: uid}
	for name, text := range map[string]string{"mountinfo": mountinfo, "cgroup": cgroup} {
		if err := os.WriteFile(filepath.Join(m.proc, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, g := range groups {
		if err := os.MkdirAll(filepath.Join(m.root, g), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

const (
	debianMounts = `25 30 0:23 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
29 25 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
`
	hybridMounts = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`
	dockerV1Mounts = `680 676 0:118 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755
681 680 0:29 /docker/4f2a /sys/fs/cgroup/systemd ro,nosuid,nodev,noexec,relatime master:11 - cgroup cgroup rw,xattr,name=systemd
684 680 0:33 /docker/4f2a /sys/fs/cgroup/cpu,cpuacct ro,nosuid,nodev,noexec,relatime master:16 - cgroup cgroup rw,cpu,cpuacct
685 680 0:34 /docker/4f2a /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:17 - cgroup cgroup rw,memory
`
	dockerV2Mounts = `1000 995 0:27 / /sys/fs/cgroup %s,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot
`
	session = "/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope"
	scope   = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1f.scope"
	service = "/sys/fs/cgroup/system.slice/pinfold.service"
)

func path(group string) string { return "0::" + strings.TrimPrefix(group, "/sys/fs/cgroup") + "\n" }

// TestDiscover reads what typical machines say of themselves.
func TestDiscover(t *testing.T) {
	const top = "/sys/fs/cgroup"
	for _, c := range []struct {
		name              string
		uid               int
		mountinfo, cgroup string
		groups            []string
		delegated         string
		want              []string // hierarchies: version, mount, own group, controllers
		base              string   // of version 2
		ours, weak        bool
	}{
		{name: "Debian 12, root in a login session", mountinfo: debianMounts, cgroup: path(session), groups: []string{session},
			want: []string{"2 " + top + " " + session}, base: top, weak: true},
		{name: "Debian 12, root in a unit with Delegate=yes", mountinfo: debianMounts, cgroup: path(service), groups: []string{service}, delegated: service,
			want: []string{"2 " + top + " " + service}, base: service, ours: true},
		{name: "an ordinary user's session", uid: 1000, mountinfo: debianMounts, cgroup: path(session), groups: []string{session},
			want: []string{"2 " + top + " " + session}, base: session},
		{name: "an ordinary user's delegated scope", uid: 1000, mountinfo: debianMounts, cgroup: path(scope), groups: []string{scope}, delegated: scope,
			want: []string{"2 " + top + " " + scope}, base: scope, ours: true},
		{name: "started again out of the leaf", uid: 1000, mountinfo: debianMounts, cgroup: path(scope + "/" + leaf), groups: []string{scope + "/" + leaf}, delegated: scope,
			want: []string{"2 " + top + " " + scope + "/" + leaf}, base: scope, ours: true},
		{name: "Docker, version 1", mountinfo: dockerV1Mounts, cgroup: "12:memory:/docker/4f2a\n3:cpu,cpuacct:/docker/4f2a\n1:name=systemd:/docker/4f2a\n", groups: []string{top + "/memory", top + "/cpu,cpuacct"},
			want: []string{"1 " + top + "/cpu,cpuacct " + top + "/cpu,cpuacct cpu cpuacct read-only", "1 " + top + "/memory " + top + "/memory memory read-only"}},
		{name: "Docker, version 2, a cgroup namespace of its own", mountinfo: fmt.Sprintf(dockerV2Mounts, "ro"), cgroup: path("/"), groups: []string{top},
			want: []string{"2 " + top + " " + top + " read-only"}, base: top, ours: true},
		{name: "Docker, version 2, privileged", mountinfo: fmt.Sprintf(dockerV2Mounts, "rw"), cgroup: path("/"), groups: []string{top},
			want: []string{"2 " + top + " " + top}, base: top, ours: true},
		{name: "a group outside the namespace", mountinfo: debianMounts, cgroup: path("/../other"), groups: []string{top, "/sys/fs/other"},
			want: []string{"2 " + top + " " + top}, base: top, ours: true},
		{name: "a group that was deleted", mountinfo: debianMounts, cgroup: path(service + " (deleted)"), groups: []string{top},
			want: []string{"2 " + top + " " + top}, base: top, ours: true},
		{name: "hybrid without controllers in version 2", mountinfo: hybridMounts, cgroup: "8:pids:/\n6:freezer:/\n4:memory:/a/b\n2:cpuacct:/\n1:cpu:/\n0::/\n",
			groups: []string{top + "/memory/a/b", top + "/unified"},
			want: []string{"1 " + top + "/cpu " + top + "/cpu cpu", "1 " + top + "/cpuacct " + top + "/cpuacct cpuacct", "1 " + top + "/memory " + top + "/memory/a/b memory",
				"1 " + top + "/freezer " + top + "/freezer freezer", "1 " + top + "/pids " + top + "/pids pids", "2 " + top + "/unified " + top + "/unified"},
			base: top + "/unified", ours: true},
		{name: "a writable mount beside a read-only one", mountinfo: fmt.Sprintf(dockerV2Mounts, "ro") + `1001 995 0:27 / /mnt/my\040groups rw - cgroup2 cgroup rw` + "\n", cgroup: path("/"),
			groups: []string{"/mnt/my groups"}, want: []string{"2 /mnt/my groups /mnt/my groups"}, base: "/mnt/my groups", ours: true},
		{name: "nothing is mounted", mountinfo: "25 30 0:23 / /sys rw - sysfs sysfs rw\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := fake(t, c.uid, c.mountinfo, c.cgroup, c.groups...)
			if c.delegated != "" {
				if err := unix.Setxattr(filepath.Join(m.root, c.delegated), "user.delegate", []byte("1"), 0); err != nil {
					t.Skipf("the test's folder takes no extended attributes: %v", err)
				}
			}
			found, err := m.discover()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, h := range found {
				s := fmt.Sprintf("1 %s %s %s", h.mount, h.own, strings.Join(h.controllers, " "))
				if h.v2 {
					s = fmt.Sprintf("2 %s %s", h.mount, h.own)
					dir, ours, weak := m.base(h)
					if dir != m.root+c.base || ours != c.ours || (weak != "") != c.weak {
						t.Errorf("the tree would be below %s, ours: %t, weak: %q; want %s, %t, %t", dir, ours, weak, c.base, c.ours, c.weak)
					}
				}
				if h.readOnly {
					s += " read-only"
				}
				got = append(got, strings.ReplaceAll(s, m.root, ""))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestOpenRefuses is what people read where there are no groups for us.
func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct{ name, mountinfo, want string }{
		{"nothing is mounted", "", "mount -t cgroup2"},
		{"read-only", fmt.Sprintf(dockerV2Mounts, "ro"), "--privileged"},
		{"an ordinary user", debianMounts, "systemd-run --user --scope -p Delegate=yes pinfold up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The session's group has no cgroup.procs, so nobody may write it.
			m := fake(t, 1000, c.mountinfo, path(session), session)
			_, err := open("pinfold-test", m)
			if pinfold.CodeOf(err) != pinfold.Unavailable || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v; want it to say %q", err, c.want)
			}
		})
	}
}

// TestPartly has a machine with a memory controller and no more.
func TestPartly(t *testing.T) {
	const memory = "/sys/fs/cgroup/memory"
	m := fake(t, 0, "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "4:memory:/a\n", memory+"/a")
	tree, err := open("pinfold-test", m)
	if err != nil {
		t.Fatal(err)
	}
	can := tree.Can()
	if !can.Memory || can.CPU || can.Pids || can.Freeze || can.Kind != "v1" || len(can.Weak) < 3 {
		t.Errorf("it can %+v", can)
	}
	if _, err := os.Stat(m.root + memory + "/a/pinfold-test"); err != nil {
		t.Error(err)
	}
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
}

// TestSettings is what limits become, version by version.
func TestSettings(t *testing.T) {
	v1, v2 := &home{}, &home{v2: true}
	for _, c := range []struct {
		home *home
		l    Limits
		want string
	}{
		{v1, Limits{MemoryMB: 1769, Pids: 1024}, "memory.memsw.limit_in_bytes=-1 memory.limit_in_bytes=1854930944 memory.memsw.limit_in_bytes=1854930944 memory.kmem.tcp.limit_in_bytes=1854930944 cpu.cfs_quota_us=-1 cpu.cfs_period_us=20000 cpu.cfs_quota_us=20000 pids.max=1024"},
		{v2, Limits{MemoryMB: 128, Pids: 64}, "memory.swap.max=0 memory.max=134217728 cpu.max=1447 20000 pids.max=64"},
		{v2, Limits{MemoryMB: 128, Unthrottled: true}, "memory.swap.max=0 memory.max=134217728 cpu.max=max 20000 pids.max=max"},
		{v2, Limits{MemoryMB: 10240}, "memory.swap.max=0 memory.max=10737418240 cpu.max=115771 20000 pids.max=max"},
		{v2, Limits{MemoryMB: 1}, "memory.swap.max=0 memory.max=1048576 cpu.max=1000 20000 pids.max=max"},
		{v1, Limits{}, "memory.memsw.limit_in_bytes=-1 memory.limit_in_bytes=-1 memory.memsw.limit_in_bytes=-1 memory.kmem.tcp.limit_in_bytes=-1 cpu.cfs_quota_us=-1 pids.max=max"},
		{v2, Limits{}, "memory.swap.max=max memory.max=max cpu.max=max 20000 pids.max=max"},
	} {
		var got []string
		for _, s := range (&Tree{memory: c.home, cpu: c.home, pids: c.home}).settings(c.l) {
			got = append(got, s.file+"="+s.value)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: got\n%s\nwant\n%s", c.l, strings.Join(got, " "), c.want)
		}
	}
	if got := (&Tree{}).settings(Limits{MemoryMB: 128}); got != nil {
		t.Errorf("without controllers: %v", got)
	}
}

// FuzzParse feeds all readers of what the kernel says: none may panic, and no
// path may lead out of a mount.
func FuzzParse(f *testing.F) {
	f.Add(debianMounts, path(scope), "usage_usec 12\nuser_usec 7\n")
	f.Add(hybridMounts, "8:pids:/\n4:memory:/a/b\n0::/\n", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
	f.Add(dockerV1Mounts, "3:cpu,cpuacct:/docker/4f2a\n", "oom_kill 9999999999999999999\n")
	f.Add(`1 2 0:1 /.. /a\040b\9\ ro - cgroup2 x ro`, "0::/../../x\n::\n", "oom_kill\nx")
	f.Fuzz(func(t *testing.T, mountinfo, cgroup, stat string) {
		own := parseOwn([]byte(cgroup))
		points := map[string]bool{}
		for _, m := range parseMounts([]byte(mountinfo)) {
			if !m.v2 && len(m.controllers) == 0 || points[m.point] {
				t.Errorf("a mount without use, or twice: %+v", m)
			}
			points[m.point] = true
			for _, group := range own {
				if rest, ok := below(m.root, group); ok && !strings.HasPrefix(filepath.Join("/mount", rest)+"/", "/mount/") {
					t.Errorf("the group %q in the mount of %q leads to %q", group, m.root, rest)
				}
			}
		}
		value([]byte(stat), "oom_kill")
	})
}
