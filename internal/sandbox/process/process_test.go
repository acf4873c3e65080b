package process

import (
	"bufio"
	"context"
	"fmt"
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
	"pinfold.dev/pinfold/internal/sandbox/sandboxtest"
)

// doomedVar makes this test binary a platform that starts a sandbox in the
// folder it names, with one process in it and one child of that, and then is killed.
const doomedVar = "PROCESS_TEST_DOOMED"

func TestMain(m *testing.M) {
	if dir := os.Getenv(doomedVar); dir != "" {
		doomed(dir)
	}
	sandboxtest.Main(m)
}

func newDriver(t *testing.T) sandbox.Driver {
	driver, err := New(filepath.Join(t.TempDir(), "sandboxes"))
	if err != nil {
		t.Fatal(err)
	}
	return driver
}

func TestConformance(t *testing.T) { sandboxtest.Run(t, newDriver) }

func TestNamesThatAreNoFolder(t *testing.T) {
	driver := newDriver(t)
	for _, id := range []string{"", ".", "..", "a/b", "../x", ".hidden"} {
		if _, err := driver.Create(t.Context(), sandbox.Spec{ID: id}); err == nil {
			t.Errorf("a sandbox can be called %q", id)
		}
	}
}

func doomed(dir string) {
	driver, err := New(dir)
	if err != nil {
		panic(err)
	}
	box, err := driver.Create(context.Background(), sandbox.Spec{ID: "left-behind"})
	if err != nil {
		panic(err)
	}
	err = box.Start(context.Background(), sandbox.Command{
		Path: "/bin/sh", Args: []string{"-c", "sleep 60 & echo $$ $!; sleep 60"},
		Env: []string{"PATH=/usr/bin:/bin"}, Output: os.Stdout,
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("started")
	os.Stdout.Close()
	select {}
}

// startDoomed starts a platform and returns the processes in its sandbox.
func startDoomed(t *testing.T, dir string) (platform *exec.Cmd, pids []int) {
	t.Helper()
	platform = exec.Command(os.Args[0])
	platform.Env = append(os.Environ(), doomedVar+"="+dir)
	out, err := platform.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := platform.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for range 2 {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "started\n" {
			continue
		}
		for _, word := range strings.Fields(line) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return platform, pids
}

// TestSweepAfterKill kills a platform the hard way and has the next one clean
// up, while a stranger that was given a noted number stays alone.
func TestSweepAfterKill(t *testing.T) {
	dir := t.TempDir()
	platform, pids := startDoomed(t, dir)
	_ = platform.Process.Kill()

	stranger := exec.Command("/bin/sleep", "60")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
	if err := os.Mkdir(filepath.Join(dir, "reused"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := (identity{stranger.Process.Pid, 1}).write(filepath.Join(dir, "reused", pidFile)); err != nil {
		t.Fatal(err)
	}

	driver, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left after the sweep: %v", entries)
	}
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the sweep killed a stranger: %v", err)
	}
	for i, pid := range pids {
		if i == 1 && runtime.GOOS != "linux" {
			continue // the marks of children can be read on Linux only
		}
		if _, err := startTime(pid); err == nil {
			t.Errorf("process %d of the killed platform lives on", pid)
		}
	}
	_, _ = platform.Process.Wait()
}

// TestDiesWithThePlatform needs no sweep: the kernel ends the instance.
func TestDiesWithThePlatform(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has a parent-death signal")
	}
	dir := t.TempDir()
	platform, pids := startDoomed(t, dir)
	_ = platform.Process.Kill()
	_, _ = platform.Process.Wait()
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		if _, err := startTime(pids[0]); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d outlives the platform", pids[0])
		}
	}
	if err := (&Driver{dir: dir}).Sweep(t.Context()); err != nil { // its child
		t.Error(err)
	}
}
