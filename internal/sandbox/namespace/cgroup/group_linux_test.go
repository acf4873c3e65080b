package cgroup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
)

// TestMain is also what runs inside the groups: the test binary starts itself
// in a role, which waits for a line on its standard input before it acts.
func TestMain(m *testing.M) {
	role := os.Getenv("CGROUP_TEST_ROLE")
	if role == "" {
		os.Exit(m.Run())
	}
	in := bufio.NewReader(os.Stdin)
	_, _ = in.ReadString('\n')
	if err := roles[role](os.Getenv("CGROUP_TEST_ARG")); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("ready")
	_, _ = in.ReadString('\n')
}

var roles = map[string]func(arg string) error{
	"hold": func(mb string) error { // memory
		n, _ := strconv.Atoi(mb)
		held, err := unix.Mmap(-1, 0, n<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		for i := 0; i < len(held); i += 4096 {
			held[i] = 1
		}
		return err
	},
	"cache": func(file string) error { // 100 MB of it
		f, err := os.Create(file)
		for i := 0; err == nil && i < 100; i++ {
			_, err = f.Write(make([]byte, 1<<20))
		}
		return errors.Join(err, f.Sync())
	},
	"spin": func(file string) error { // and count, where others can see it
		counter, err := mapCounter(file)
		for err == nil {
			counter[0]++
			counter[1+counter[0]%8] += counter[0]
		}
		return err
	},
	"bomb": func(string) error { // every copy goes on in this loop
		for {
			_, _, _ = syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		}
	},
	// platform is one that dies without a chance to clean up.
	"platform": func(arg string) error {
		name, own, _ := strings.Cut(arg, " ")
		if own != "" {
			if err := write(own, "cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
				return err
			}
		}
		tree, err := Open(name)
		if err != nil {
			return err
		}
		g, err := tree.Create("left")
		if err != nil {
			return err
		}
		sleep := exec.Command("sleep", "1000")
		if err := errors.Join(sleep.Start(), g.Add(sleep.Process.Pid)); err != nil {
			return err
		}
		if tree.freezer == nil {
			return nil
		}
		return g.Freeze(context.Background())
	},
	// user is a platform of an ordinary user.
	"user": func(name string) error {
		tree, err := Open(name)
		if err != nil {
			return err
		}
		fmt.Printf("can %+v\n", tree.Can())
		g, err := tree.Create("sb")
		if err != nil {
			return err
		}
		sleep := exec.Command("sleep", "1000")
		if err := errors.Join(sleep.Start(), g.Add(sleep.Process.Pid), g.Limit(Limits{MemoryMB: 128, Pids: 10}), g.Kill()); err != nil {
			return err
		}
		_ = sleep.Wait()
		return errors.Join(g.Remove(), tree.Close())
	},
}

func mapCounter(file string) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(4096); err != nil {
		return nil, err
	}
	return unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// child is a process in a role.
type child struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(t testing.TB, role, arg string, with func(*exec.Cmd)) *child {
	t.Helper()
	c := &child{Cmd: exec.Command("/proc/self/exe")}
	c.Env = append(os.Environ(), "CGROUP_TEST_ROLE="+role, "CGROUP_TEST_ARG="+arg)
	c.in, _ = c.StdinPipe()
	out, _ := c.StdoutPipe()
	c.out = bufio.NewReader(out)
	c.Stderr = os.Stderr
	if with != nil {
		with(c.Cmd)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Process.Kill(), c.Wait() })
	return c
}

// act lets the role begin, and returns the line that it ends with.
func (c *child) act() string {
	fmt.Fprintln(c.in)
	line, _ := c.out.ReadString('\n')
	return strings.TrimSpace(line)
}

func (c *child) signal() syscall.Signal {
	_ = c.Wait()
	return c.ProcessState.Sys().(syscall.WaitStatus).Signal()
}

// run starts a role in a group of its own.
func run(t *testing.T, tree *Tree, role, arg string, l Limits) (*Group, *child) {
	t.Helper()
	g, err := tree.Create(fmt.Sprintf("%s-%d", role, time.Now().UnixNano()))
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, role, arg, nil)
	t.Cleanup(func() { // comes before start's
		_ = g.Kill()
		_ = c.Wait()
		if err := g.Remove(); err != nil {
			t.Error(err)
		}
		if err := g.Remove(); err != nil {
			t.Errorf("removing again: %v", err)
		}
	})
	if err := g.Add(c.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := g.Limit(l); err != nil {
		t.Fatal(err)
	}
	return g, c
}

// until polls for what the kernel will do, however long it takes.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if poll(ctx, func() (bool, error) { return done(), nil }) != nil {
		t.Fatalf("%s: not in a minute", what)
	}
}

// each runs a test on the groups that this machine has, and again with version
// 1 alone where it has both.
func each(t *testing.T, test func(t *testing.T, tree *Tree)) {
	this := machine{proc: "/proc/self", uid: os.Geteuid()}
	with := func(kind string, m machine) {
		t.Run(kind, func(t *testing.T) {
			name := fmt.Sprintf("pinfold-test-%d", time.Now().UnixNano())
			tree, err := open(name, m)
			if err != nil {
				t.Skipf("no groups here: %v", err)
			}
			t.Cleanup(func() {
				if err := tree.Close(); err != nil {
					t.Error(err)
				}
				for _, h := range tree.all {
					if left := find(h.mount, name, depth); left != nil {
						t.Errorf("left: %v", left)
					}
				}
			})
			test(t, tree)
		})
	}
	with("machine", this)
	mountinfo, _ := os.ReadFile("/proc/self/mountinfo")
	cgroup, _ := os.ReadFile("/proc/self/cgroup")
	all := parseMounts(mountinfo)
	if slices.ContainsFunc(all, func(m mount) bool { return m.v2 }) && slices.ContainsFunc(all, func(m mount) bool { return !m.v2 }) {
		m := fake(t, this.uid, strings.ReplaceAll(string(mountinfo), "- cgroup2 ", "- hidden "), string(cgroup))
		m.root = ""
		with("version 1 alone", m)
	}
}

func need(t *testing.T, what string, has bool) {
	t.Helper()
	if !has {
		t.Skipf("this machine's groups cannot hold %s", what)
	}
}

func TestMemory(t *testing.T) {
	each(t, func(t *testing.T, tree *Tree) {
		need(t, "memory", tree.Can().Memory)
		t.Run("over the limit", func(t *testing.T) {
			g, c := run(t, tree, "hold", "400", Limits{MemoryMB: 64})
			if line := c.act(); line != "" {
				t.Errorf("it said %q", line)
			}
			if s := c.signal(); s != syscall.SIGKILL || g.OOMKills() < 1 {
				t.Errorf("ended by %v after %d kills", s, g.OOMKills())
			}
			// The kernel lets itself pass a limit by a little.
			if u, err := g.Usage(); err != nil || u.PeakMemoryMB < 32 || u.PeakMemoryMB > 70 {
				t.Errorf("used %+v, %v", u, err)
			}
		})
		t.Run("a living group's limits", func(t *testing.T) {
			g, c := run(t, tree, "hold", "100", Limits{MemoryMB: 50})
			if err := g.Limit(Limits{MemoryMB: 300}); err != nil {
				t.Fatal(err)
			}
			if line := c.act(); line != "ready" {
				t.Fatalf("it said %q", line)
			}
			if err := g.Limit(Limits{MemoryMB: 50}); pinfold.CodeOf(err) != pinfold.Conflict {
				t.Errorf("lowered below what is held: %v", err)
			}
			if err := g.Limit(Limits{MemoryMB: 200}); err != nil {
				t.Error(err)
			}
			if err := g.Limit(Limits{}); err != nil {
				t.Error(err)
			}
			if err := g.Limit(Limits{MemoryMB: -1}); pinfold.CodeOf(err) != pinfold.Invalid {
				t.Errorf("a limit of -1: %v", err)
			}
			if n := g.OOMKills(); n != 0 {
				t.Errorf("%d were killed", n)
			}
			u, err := g.Usage()
			if err != nil || u.PeakMemoryMB < 100 || u.MemoryMB < 100 || u.MemoryMB > u.PeakMemoryMB || u.CPU <= 0 {
				t.Errorf("used %+v, %v", u, err)
			}
			if err := g.Kill(); err != nil {
				t.Error(err)
			}
			_ = c.Wait()
			if err := g.Remove(); err != nil {
				t.Error(err)
			}
			if last, err := g.Usage(); err != nil || last != u {
				t.Errorf("after its end %+v, %v; before %+v", last, err, u)
			}
		})
		t.Run("cached files", func(t *testing.T) {
			dir := t.TempDir()
			var fs unix.Statfs_t
			if err := unix.Statfs(dir, &fs); err != nil || fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC {
				t.Skipf("%s is not on a disk: %v", dir, err)
			}
			g, c := run(t, tree, "cache", filepath.Join(dir, "file"), Limits{MemoryMB: 400})
			if line := c.act(); line != "ready" {
				t.Fatalf("it said %q", line)
			}
			if u, err := g.Usage(); err != nil || u.PeakMemoryMB > 90 {
				t.Errorf("used %+v, %v: cache was counted", u, err)
			}
			if err := g.Limit(Limits{MemoryMB: 90}); err != nil {
				t.Errorf("cache was not given back: %v", err)
			}
		})
	})
}

// TestBackground reads what the kernel was told, and that it is told once.
func TestBackground(t *testing.T) {
	each(t, func(t *testing.T, tree *Tree) {
		need(t, "the cpu controller", tree.Can().CPU)
		g, err := tree.Create("background")
		if err != nil {
			t.Fatal(err)
		}
		defer g.Remove()
		file := "cpu.shares"
		if tree.cpu.v2 {
			file = "cpu.weight"
		}
		weights := []string{strings.Join(fields(g.dir(tree.cpu), file), "")}
		for _, on := range []bool{false, true, true, false} {
			if err := g.Background(on); err != nil {
				t.Fatal(err)
			}
			weights = append(weights, strings.Join(fields(g.dir(tree.cpu), file), ""))
		}
		if usual := weights[0]; usual == "2" || !slices.Equal(weights, []string{usual, usual, "2", "2", usual}) {
			t.Errorf("weights: %v", weights)
		}
	})
}

func TestPidsAndKill(t *testing.T) {
	each(t, func(t *testing.T, tree *Tree) {
		need(t, "processes", tree.Can().Pids)
		g, c := run(t, tree, "bomb", "", Limits{Pids: 100})
		fmt.Fprintln(c.in)
		until(t, "the bound is hit", func() bool {
			b, _ := os.ReadFile(filepath.Join(g.dir(tree.pids), "pids.events"))
			return value(b, "max") > 100
		})
		if n := len(fields(g.dir(tree.pids), "cgroup.procs")); n > 100 {
			t.Errorf("%d processes", n)
		}
		if err := g.Kill(); err != nil {
			t.Error(err)
		}
		_ = c.Wait()
		until(t, "all have ended", func() bool { return len(fields(g.dir(tree.pids), "cgroup.procs")) == 0 })
	})
}

// TestKillUnaided kills a bomb without the kernel's cgroup.kill, and bare of
// any freezer.
func TestKillUnaided(t *testing.T) {
	each(t, func(t *testing.T, tree *Tree) {
		need(t, "processes", tree.Can().Pids)
		for _, freezer := range []*home{tree.freezer, nil} {
			g, c := run(t, &Tree{homes: tree.homes, pids: tree.pids, freezer: freezer}, "bomb", "", Limits{Pids: 100})
			fmt.Fprintln(c.in)
			until(t, "it has forked", func() bool { return len(fields(g.dir(tree.pids), "cgroup.procs")) > 50 })
			if err := g.Kill(); err != nil {
				t.Error(err)
			}
			_ = c.Wait()
			until(t, "all have ended", func() bool { return len(fields(g.dir(tree.pids), "cgroup.procs")) == 0 })
		}
	})
}

func TestCPU(t *testing.T) {
	each(t, func(t *testing.T, tree *Tree) {
		need(t, "processor time", tree.Can().CPU)
		g, c := run(t, tree, "spin", filepath.Join(t.TempDir(), "counter"), Limits{MemoryMB: 128})
		fmt.Fprintln(c.in)
		until(t, "it was throttled", func() bool {
			b, _ := os.ReadFile(filepath.Join(g.dir(tree.cpu), "cpu.stat"))
			return value(b, "nr_throttled") > 2
		})
		if u, err := g.Usage(); err != nil || u.CPU <= 0 {
			t.Errorf("used %+v, %v", u, err)
		}
	})
}

func TestFreeze(t *testing.T) {
	each(t, func(t *testing.T, tree *Tree) {
		need(t, "a freezer", tree.Can().Freeze)
		file := filepath.Join(t.TempDir(), "counter")
		counter, err := mapCounter(file)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Munmap(counter)
		g, c := run(t, tree, "spin", file, Limits{})
		fmt.Fprintln(c.in)
		counts := func() bool {
			before := string(counter)
			for range 1000 {
				runtime.Gosched()
				if string(counter) != before {
					return true
				}
			}
			return false
		}
		for range 20 {
			until(t, "it counts", counts)
			if err := g.Freeze(t.Context()); err != nil {
				t.Fatal(err)
			}
			if counts() {
				t.Error("it counts while it is frozen")
			}
			if err := g.Thaw(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.Freeze(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := g.Kill(); err != nil {
			t.Error(err)
		}
		if s := c.signal(); s != syscall.SIGKILL {
			t.Errorf("the frozen one ended by %v", s)
		}
	})
}

func TestEnded(t *testing.T) {
	each(t, func(t *testing.T, tree *Tree) {
		g, c := run(t, tree, "spin", "/nowhere/to/be/found", Limits{})
		c.act()
		_ = c.Wait()
		if err := g.Add(c.Process.Pid); pinfold.CodeOf(err) != pinfold.NotFound {
			t.Errorf("adding a process that has ended: %v", err)
		}
	})
}

// TestSweep removes what a killed platform left in its own group, and what it
// left elsewhere when it was started in another one.
func TestSweep(t *testing.T) {
	for _, moved := range []bool{false, true} {
		t.Run(fmt.Sprintf("from another group: %t", moved), func(t *testing.T) {
			name := fmt.Sprintf("pinfold-test-%d", time.Now().UnixNano())
			tree, err := Open(name)
			if err != nil {
				t.Skipf("no groups here: %v", err)
			}
			arg := name
			if moved {
				elsewhere := filepath.Join(filepath.Dir(tree.homes[len(tree.homes)-1].dir), "elsewhere-"+name)
				if err := mkdir(elsewhere); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					until(t, "the other group is empty", func() bool { return rmdir(elsewhere) == nil })
				})
				arg += " " + elsewhere
			}
			if err := tree.Close(); err != nil {
				t.Fatal(err)
			}
			c := start(t, "platform", arg, nil)
			if line := c.act(); line != "ready" {
				t.Fatalf("it said %q", line)
			}
			_ = c.Process.Kill()
			_ = c.Wait()

			if tree, err = Open(name); err != nil {
				t.Fatal(err)
			}
			for _, n := range tree.homes {
				if !moved && !isDir(filepath.Join(n.dir, "left")) {
					t.Errorf("the killed platform left nothing in %s", n.dir)
				}
			}
			if err := tree.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := tree.Sweep(t.Context()); err != nil {
				t.Errorf("again: %v", err)
			}
			if err := tree.Close(); err != nil {
				t.Error(err)
			}
			for _, h := range tree.all {
				if left := find(h.mount, name, depth); left != nil {
					t.Errorf("left: %v", left)
				}
			}
		})
	}
}

func BenchmarkGroup(b *testing.B) {
	tree, err := Open(fmt.Sprintf("pinfold-bench-%d", time.Now().UnixNano()))
	if err != nil {
		b.Skip(err)
	}
	defer tree.Close()
	b.Run("life", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			c := start(b, "hold", "1", nil)
			b.StartTimer()
			g, err := tree.Create("bench")
			if err = errors.Join(err, g.Add(c.Process.Pid), g.Limit(Limits{MemoryMB: 128, Pids: 1024})); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			_ = c.Process.Kill()
			_ = c.Wait()
			b.StartTimer()
			if err := g.Remove(); err != nil {
				b.Fatal(err)
			}
		}
	})
	c := start(b, "hold", "1", nil)
	g, err := tree.Create("bench")
	if err = errors.Join(err, g.Add(c.Process.Pid)); err != nil {
		b.Fatal(err)
	}
	b.Run("usage", func(b *testing.B) {
		for b.Loop() {
			if _, err := g.Usage(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("background and back", func(b *testing.B) {
		for b.Loop() {
			if err := errors.Join(g.Background(true), g.Background(false)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("freeze and thaw", func(b *testing.B) {
		for b.Loop() {
			if err := errors.Join(g.Freeze(b.Context()), g.Thaw(b.Context())); err != nil {
				b.Fatal(err)
			}
		}
	})
	_, _ = c.Process.Kill(), c.Wait()
	if err := g.Remove(); err != nil {
		b.Fatal(err)
	}
}
