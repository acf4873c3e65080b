package process

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

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
	os.Stdout.Close()
	select {}
}

// TestSweepAfterKill kills a platform the hard way and has the next one clean
// up, while a stranger that was given a noted number stays alone.
func TestSweepAfterKill(t *testing.T) {
	dir := t.TempDir()
	platform := exec.Command(os.Args[0])
	platform.Env = append(os.Environ(), doomedVar+"="+dir)
	out, err := platform.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := platform.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	pids, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_ = platform.Process.Kill()

	stranger := exec.Command("/bin/sleep", "300")
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
	for i, word := range strings.Fields(pids) {
		if i == 1 && runtime.GOOS != "linux" {
			continue // the marks of children can be read on Linux only
		}
		pid, _ := strconv.Atoi(word)
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
	platform := exec.Command(os.Args[0])
	platform.Env = append(os.Environ(), doomedVar+"="+dir)
	out, err := platform.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := platform.Start(); err != nil {
		t.Fatal(err)
	}
	pids, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.Fields(pids)[0])
	proc, err := os.FindProcess(pid) // by pidfd: not another one of the same number
	if err != nil {
		t.Fatal(err)
	}
	_ = platform.Process.Kill()
	_, _ = platform.Process.Wait()
	for n := 0; proc.Signal(syscall.Signal(0)) == nil; n++ {
		if _, err := startTime(pid); err != nil {
			break // a zombie that nobody has reaped yet
		}
		if n > 1e6 {
			t.Fatalf("process %d outlives the platform", pid)
		}
		runtime.Gosched()
	}
	if err := (&Driver{dir: dir}).Sweep(t.Context()); err != nil { // its child
		t.Error(err)
	}
}
