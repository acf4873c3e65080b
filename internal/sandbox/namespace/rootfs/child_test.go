//go:build linux

package rootfs

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// order tells a child what root to build and what to do there. The test's own
// program is the child: what it does to itself cannot be undone in a process.
type order struct {
	Options Options
	Remove  string // a folder that goes between planning and building
	Shared  bool   // the mounts are shared with the thread that builds
	Times   int    // how often it builds just for that
	Report  bool   // the nanoseconds of each
	Forks   bool   // other threads start programs meanwhile
	Fails   bool   // it is expected to

	Cover   bool     // mount something over /tmp of the sandbox
	UID     int      // who runs the command, if not who builds
	Command []string // what runs inside in the end
	Sandbox bool     // it runs in namespaces of its own, as in a sandbox
	Attack  []string // mounts to change from there
}

// selfFD is a sandbox's descriptor of this program.
const selfFD = 4

const (
	orderVariable = "PINFOLD_ROOTFS_TEST"
	innerVariable = "PINFOLD_ROOTFS_TEST_INNER"
	noDelay       = "GORACE=atexit_sleep_ms=0" // or each child takes a second longer under the race detector
)

func TestMain(m *testing.M) {
	role := child
	text, ok := os.LookupEnv(orderVariable)
	if !ok {
		if text, ok = os.LookupEnv(innerVariable); !ok {
			os.Exit(m.Run())
		}
		role = inner
	}
	var o order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = role(o)
	}
	if err != nil {
		fmt.Println("child:", err)
		os.Exit(1)
	}
}

// child is what the keeper does: it builds a root and starts something in it.
func child(o order) error {
	runtime.LockOSThread()
	root, err := Plan(o.Options)
	if err == nil && o.Remove != "" {
		err = os.Remove(o.Remove)
	}
	if err == nil && o.Shared {
		// Private first: or else they are the host's, which shares its mounts as well.
		err = errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""))
	}
	if err != nil {
		return err
	}
	before, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return err
	}
	quiet := func() error { return nil }
	if o.Forks {
		quiet = fork()
	}
	took, err := buildTimes(root, o.Times)
	if err := errors.Join(err, quiet()); err != nil {
		return err
	}
	if after, err := os.ReadFile("/proc/thread-self/mountinfo"); err != nil || string(after) != string(before) {
		return fmt.Errorf("the mounts were\n%s\nand are\n%s (%v)", before, after, err)
	}
	if o.Report {
		fmt.Println(took)
	}
	if o.Command == nil && !o.Sandbox {
		return nil
	}
	self, err := os.Open("/proc/self/exe") // which is not inside
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), root.Build()); err != nil {
		return err
	}
	return root.start(o, self)
}

// fork starts programs as the keeper starts sandboxes, again and again until its result is called.
func fork() (end func() error) {
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			cmd := exec.Command("/bin/true")
			// With a user namespace, whose maps the parent writes: the child waits for them with all files of the parent open.
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Cloneflags:  unix.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
			}
			if err := cmd.Run(); err != nil {
				done <- err
				return
			}
		}
	}()
	return func() error { close(stop); return <-done }
}

// buildTimes builds a root in threads of its own and returns how long each took, sorted.
func buildTimes(root *Root, times int) (string, error) {
	var all []time.Duration
	for range times {
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // the thread ends with the goroutine
			err := unix.Unshare(unix.CLONE_NEWNS)
			began := time.Now()
			if err == nil {
				err = root.Build()
			}
			all = append(all, time.Since(began))
			done <- err
		}()
		if err := <-done; err != nil {
			return "", err
		}
	}
	slices.Sort(all)
	var text strings.Builder
	for _, d := range all {
		fmt.Fprintln(&text, int64(d))
	}
	return text.String(), nil
}

// start runs the command from the thread that has built the root.
func (r *Root) start(o order, self *os.File) error {
	cmd := &exec.Cmd{Stdout: os.Stdout, Stderr: os.Stderr, Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/run/current-system/sw/bin"}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Args = o.Command
	if len(o.Command) > 0 {
		cmd.Path = o.Command[0]
	}
	if o.UID != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(o.UID), Gid: uint32(o.UID)}
	}
	if o.Sandbox {
		text, err := json.Marshal(o)
		if err != nil {
			return err
		}
		cmd.Path, cmd.Args, cmd.Env = fmt.Sprintf("/proc/self/fd/%d", selfFD), []string{"init"}, append(cmd.Env, innerVariable+"="+string(text), noDelay)
		hostID := 0
		if !isUser() {
			hostID = 0x70000000
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 993, HostID: hostID, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 990, HostID: hostID, Size: 1}},
			Credential:  &syscall.Credential{Uid: 993, Gid: 990, NoSetGroups: true},
			AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN},
			Pdeathsig:   syscall.SIGKILL,
		}
	}
	wait, begin, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.ExtraFiles = []*os.File{wait, self}
	if err := cmd.Start(); err != nil {
		return err
	}
	if o.Cover {
		if err := r.visit(cmd.Process.Pid); err != nil {
			return err
		}
	}
	_ = begin.Close()
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil // it has said why
	}
	return err
}

// visit mounts something over /tmp of a sandbox, from outside.
func (r *Root) visit(pid int) error {
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	if err != nil {
		return err
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		err := errors.Join(unix.Unshare(unix.CLONE_FS), unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS))
		if err == nil {
			err = r.Cover("/tmp", func() error { return unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777") })
		}
		done <- err
	}()
	return <-done
}

// isUser reports whether we are root in a user namespace of one user only.
func isUser() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	fields := strings.Fields(string(text))
	return err == nil && len(fields) == 3 && fields[2] == "1"
}

// inner is what the init of a sandbox does: it mounts what is left, and starts
// the command, which has no rights.
func inner(o order) error {
	runtime.LockOSThread()
	_, _ = os.NewFile(3, "begin").Read(make([]byte, 1)) // until it is closed
	unix.CloseOnExec(selfFD)
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("proc", "/proc", "proc", flags|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("mounting a proc of its own: %w", err)
	}
	if err := unix.Mount("tmpfs", "/dev/shm", "tmpfs", flags, ""); err != nil {
		return err
	}
	fmt.Print(attack(o.Attack))
	if o.Command == nil {
		return nil
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	return syscall.Exec(o.Command[0], o.Command, []string{os.Environ()[0]})
}

// who is a kind of user that builds roots.
type who struct {
	name string
	sys  func() *syscall.SysProcAttr
}

var everybody = []who{
	{"root", func() *syscall.SysProcAttr { return &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS} }},
	{"user", func() *syscall.SysProcAttr {
		sys := &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
		if os.Getuid() == 0 {
			sys.UidMappings[0].HostID, sys.GidMappings[0].HostID = 65534, 65534
			sys.Credential = &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true}
		}
		return sys
	}},
}

// possible returns why this machine does not let such a user build roots.
func (w who) possible() error {
	if w.name == "root" && os.Getuid() != 0 {
		return errors.New("needs root")
	}
	probe := exec.Command("/proc/self/exe", "-test.run=^$")
	probe.Env = []string{noDelay}
	probe.SysProcAttr = w.sys()
	if err := probe.Run(); err != nil {
		return fmt.Errorf("this machine grants %s no namespaces: %w", w.name, err)
	}
	return nil
}

// each runs a test for each kind of user that this machine allows.
func each(t *testing.T, test func(t *testing.T, w who)) {
	for _, w := range everybody {
		t.Run(w.name, func(t *testing.T) {
			if err := w.possible(); err != nil {
				t.Skip(err)
			}
			test(t, w)
		})
	}
}

// run has a child carry out an order and returns what it and the command say.
func run(t testing.TB, w who, o order) string {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe") // wherever the path of it may lead a user
	cmd.Env = []string{orderVariable + "=" + string(text), noDelay}
	cmd.SysProcAttr = w.sys()
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	out, err := cmd.CombinedOutput()
	said := strings.TrimSpace(string(out))
	if strings.Contains(said, "child:") != o.Fails {
		t.Fatalf("%v: %s", err, said)
	}
	return said
}
