package cli_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// on starts pinfold on a machine, deploys an application there and calls it.
func on(p *place, args ...string) *server {
	p.t.Helper()
	s := p.up(args...)
	person := *p
	person.prelude, person.attr = "", nil
	person.run("deploy", "--yes", greeter(p.t, "hello")).ok()
	s.answers("/hello", `"said":"hello"`)
	if r := person.run("invoke", "greeter-dev-hello", "--log").ok(); !regexp.MustCompile(`Max Memory Used: [1-9]\d* MB`).MatchString(r.out + r.err) {
		p.t.Errorf("the function has used no memory: %s%s", r.out, r.err)
	}
	return s
}

const notIsolated = `sandbox +process: functions are NOT isolated from this machine or each other`

// Who wants no walls is told at every start that there are none.
func TestSandboxProcess(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for range 2 {
		s := p.up("--sandbox", "process")
		s.until(s.out, notIsolated)
		s.stop()
	}
	p.run("up", "--sandbox", "concrete").exits(1).complains(`"concrete"`, "auto", "namespace", "process")
}

// needsWalls skips a test where not even this process could have walls.
func needsWalls(t *testing.T) {
	t.Helper()
	p := newPlace(t)
	if r := p.run("doctor", "--sandbox", "namespace", "--api", "127.0.0.1:0", "--http", "127.0.0.1:0"); r.code != 0 {
		t.Skip("no walls can be built here: ", r.out)
	}
}

// A kernel that gives no user namespaces gives no walls: functions run without
// them, and every start says so and why. Who insists on walls gets no server.
func TestNoUserNamespaces(t *testing.T) {
	t.Parallel()
	needsWalls(t)
	for name, uid := range map[string]int{"root": 0, "an ordinary user": 1000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			// The limit of a user namespace is its own.
			p.prelude = "echo 0 >/proc/sys/user/max_user_namespaces"
			p.attr = &syscall.SysProcAttr{
				Cloneflags:  unix.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getgid(), Size: 1}},
				AmbientCaps: []uintptr{unix.CAP_SYS_RESOURCE},
			}
			const why = "this machine does not let Pinfold build walls"
			for range 2 {
				s := on(p)
				s.until(s.out, notIsolated+`.*\n.*`+why+`.*user\.max_user_namespaces`)
				s.until(s.err, `level=WARN msg="functions are NOT isolated.*why=".*`+why)
				s.stop()
			}
			refused := p.run("up", "--sandbox", "namespace", "--api", "127.0.0.1:0", "--http", "127.0.0.1:0").exits(1)
			refused.complains(why, "user.max_user_namespaces")
			p.run("doctor", "--api", "127.0.0.1:0", "--http", "127.0.0.1:0").ok().says("weak  isolation", why)
			p.run("doctor", "--sandbox", "namespace", "--api", "127.0.0.1:0", "--http", "127.0.0.1:0").exits(1).says("bad   isolation", why, "--sandbox process")
		})
	}
}

// An ordinary user has no control groups of its own, if nobody has given it
// any. There are walls, and every start says what they do not hold.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	needsWalls(t)
	if os.Getuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	const nobody = 65534
	p := newPlace(t)
	for _, dir := range []string{p.data, p.home} {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	p.attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	for _, driver := range []string{"auto", "namespace"} {
		s := on(p, "--sandbox", driver)
		s.until(s.out, `sandbox +namespace\n`)
		s.until(s.out, `no limits on memory, processor and processes: `)
		s.until(s.out, `sandboxes run as this user \(uid 65534\), not each as one of its own: start Pinfold as `)
		s.until(s.out, `/tmp is in memory and counts as the function's: `)
		s.stop()
	}
}

// Control groups that cannot be changed, as in a container, cost the limits and
// nothing else.
func TestReadOnlyControlGroups(t *testing.T) {
	t.Parallel()
	needsWalls(t)
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	p := newPlace(t)
	p.prelude = `mount --make-rprivate /; for m in $(awk '$3 ~ /^cgroup/ { print $2 }' /proc/mounts); do mount -o remount,bind,ro $m; done`
	p.attr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if out, err := p.command("true").CombinedOutput(); err != nil {
		t.Skipf("the control groups cannot be made read-only here: %v: %s", err, out)
	}
	for _, driver := range []string{"auto", "namespace"} {
		s := on(p, "--sandbox", driver)
		s.until(s.out, `sandbox +namespace\n`)
		s.until(s.out, `no limits on memory, processor and processes: .*read-only`)
		s.stop()
	}
	if out, err := exec.Command("mount").Output(); err != nil || strings.Contains(string(out), "cgroup (ro") {
		t.Errorf("the host's own control groups are read-only now: %s", out)
	}
}
