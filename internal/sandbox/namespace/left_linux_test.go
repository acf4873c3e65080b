package namespace

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

// doomedVar makes this test binary a platform that makes sandboxes with their
// folder where it says, and then is killed. What runs in them has tokenVar in
// its environment.
const (
	doomedVar = "NAMESPACE_TEST_DOOMED"
	tokenVar  = "NAMESPACE_TEST_TOKEN"
)

func doomed(dir string) {
	ctx := context.Background()
	driver, err := New(ctx, Options{Dir: dir})
	if err != nil {
		panic(err)
	}
	for _, id := range []string{"running", "frozen"} {
		box, err := driver.Create(ctx, sandbox.Spec{ID: id})
		if err != nil {
			panic(err)
		}
		err = box.Start(ctx, sandbox.Command{
			Path: "/bin/sh", Args: []string{"-c", "trap '' TERM INT HUP; setsid sleep 600 & sleep 600"},
			Env: []string{"PATH=/usr/bin:/bin", tokenVar + "=" + os.Getenv(tokenVar)}, Output: os.Stderr,
		})
		if err != nil {
			panic(err)
		}
		if id == "frozen" && driver.Capabilities().Freeze {
			if err := box.(sandbox.Freezer).Freeze(ctx); err != nil {
				panic(err)
			}
		}
	}
	fmt.Println("ready")
	os.Stdout.Close()
	select {}
}

// carrying lists the processes that carry a token in their environment.
func carrying(token string) (found []string) {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environs {
		environ, _ := os.ReadFile(path) // empty if it has ended
		if bytes.Contains(environ, []byte(tokenVar+"="+token+"\x00")) && !bytes.Contains(environ, []byte(doomedVar)) {
			found = append(found, path)
		}
	}
	return found
}

// groupsOf lists the control groups of a platform.
func groupsOf(dir string) (found []string) {
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), treeName(dir)) {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// killed starts a platform in dir with a sandbox that runs and one that is
// frozen, and kills it the hard way. Its processes carry the token.
func killed(t *testing.T, driver sandbox.Driver, dir, token string, before ...func()) {
	t.Helper()
	platform := exec.Command("/proc/self/exe")
	platform.Env = append(os.Environ(), doomedVar+"="+dir, tokenVar+"="+token)
	platform.Stderr = os.Stderr
	out, err := platform.StdoutPipe()
	if err == nil {
		err = platform.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = platform.Process.Kill(); _ = platform.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the platform says %q: %v", line, err)
	}
	if n := len(carrying(token)); n < 2 {
		t.Fatalf("%d processes run in its sandboxes", n)
	}
	if n := len(groupsOf(dir)); n == 0 && driver.Capabilities().Memory {
		t.Fatal("its sandboxes have no control groups")
	}
	for _, do := range before {
		do()
	}
	if err := platform.Process.Kill(); err != nil {
		t.Fatal(err)
	}
}

// Sandboxes whose inits cannot notice the end of the platform, because they are
// stopped or frozen, end all the same. Version 1 of control groups has no death for
// what it has frozen.
func TestStoppedEndsWithPlatform(t *testing.T) {
	driver := newDriver(t)
	dir, token := t.TempDir(), rand.Text()
	defer func() {
		if err := Clear(context.Background(), dir); err != nil {
			t.Error(err)
		}
	}()
	killed(t, driver, dir, token, func() {
		for _, path := range carrying(token) {
			status, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "stat"))
			parent := bytes.Fields(status[bytes.LastIndexByte(status, ')')+1:])[1]
			if name, _ := os.ReadFile("/proc/" + string(parent) + "/comm"); string(name) == message.InitName+"\n" {
				pid, _ := strconv.Atoi(string(parent))
				if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
					t.Error(err)
				}
			}
		}
	})
	running := func() (found []string) {
		for _, path := range carrying(token) {
			if group, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cgroup")); !bytes.Contains(group, []byte("freezer:/pinfold-")) {
				found = append(found, path)
			}
		}
		return found
	}
	for deadline := time.Now().Add(10 * time.Second); len(running()) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("these live on: %v", running())
		}
	}
}

// A platform that was killed and will not be started again leaves nothing, once
// somebody has said so.
func TestClear(t *testing.T) {
	driver := newDriver(t) // or there is nothing to test here
	if !driver.Capabilities().Freeze {
		t.Skip("without control groups there is nothing to clear")
	}
	dir, token := t.TempDir(), rand.Text()
	killed(t, driver, dir, token)
	if err := Clear(t.Context(), dir); err != nil {
		t.Error(err)
	}
	if groups, processes := groupsOf(dir), carrying(token); len(groups)+len(processes) > 0 {
		t.Errorf("left behind: %v %v", groups, processes)
	}
}

// TestSweepAfterKill: the next platform leaves nothing of one that was killed.
func TestSweepAfterKill(t *testing.T) {
	driver := newDriver(t) // or there is nothing to test here
	dir, token := t.TempDir(), rand.Text()
	killed(t, driver, dir, token)
	next, err := New(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if left := groupsOf(dir); len(left) > 1 && driver.Capabilities().Freeze {
		for _, group := range left {
			if base := filepath.Base(group); base == "running" || base == "frozen" {
				t.Errorf("after the sweep there is %s", group)
			}
		}
	}
	if driver.Capabilities().Freeze {
		if left := carrying(token); len(left) > 0 {
			t.Errorf("after the sweep these are alive: %v", left)
		}
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		left := append(carrying(token), groupsOf(dir)...)
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %v", left)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in its folder: %v, %v", left, err)
	}
}

// TestNothingLeaks makes many sandboxes, one after the other and in every state
// that they can be closed in.
func TestNothingLeaks(t *testing.T) {
	driver := watched(t)
	before := runtime.NumGoroutine()
	for n := range 50 {
		s, err := driver.Create(t.Context(), sandbox.Spec{ID: fmt.Sprint("leak-", n)})
		if err != nil {
			t.Fatal(err)
		}
		b := s.(*box)
		if n%2 > 0 {
			assign(t, b, 128)
		}
		if n%3 > 0 {
			if err := b.Start(t.Context(), sleeper); err != nil {
				t.Fatal(err)
			}
		}
		closeBox(t, b)
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines run, %d did before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
	if left := groupsOf(driver.options.Dir); len(left) > 0 {
		for _, group := range left {
			if strings.HasPrefix(filepath.Base(group), "leak-") {
				t.Errorf("there still is %s", group)
			}
		}
	}
}

// TestAsOrdinaryUser runs this suite once more as a user who has nothing, in a
// folder of its own.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("these tests run as an ordinary user already")
	}
	const nobody = 65534
	dir, err := os.MkdirTemp(".", "nobody-") // sandboxes have a /tmp of their own
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	dir, err = filepath.Abs(dir)
	if err == nil {
		err = os.Chown(dir, nobody, nobody)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "program")
	if content, err := os.ReadFile("/proc/self/exe"); err != nil || os.WriteFile(program, content, 0o755) != nil || os.Chmod(program, 0o755) != nil {
		t.Fatalf("copying this program to %s: %v", program, err)
	}
	again := exec.CommandContext(t.Context(), program, "-test.run", "^(TestConformance|TestLimits|TestSweepAfterKill|TestNothingLeaks)$", "-test.v", "-test.timeout", "3m")
	again.Dir = dir
	again.Env = append(os.Environ(), "HOME="+dir, "TMPDIR=/tmp")
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := again.CombinedOutput()
	switch {
	case strings.Contains(string(out), "an ordinary user needs user namespaces"):
		t.Skip("an ordinary user cannot have walls here")
	case err != nil || !bytes.Contains(out, []byte("--- PASS: TestConformance")):
		t.Errorf("as uid %d: %v\n%s", nobody, err, out)
	}
}

// TestNextAfterKeeperKilled: whoever asks for a sandbox at the moment at which
// the keeper is killed gets one, from the next keeper.
func TestNextAfterKeeperKilled(t *testing.T) {
	driver := watched(t)
	for n := range 10 {
		if err := driver.keeper.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		s, err := driver.Create(t.Context(), sandbox.Spec{ID: fmt.Sprint("next-", n)})
		if err != nil {
			t.Fatal(err)
		}
		closeBox(t, s)
	}
}
