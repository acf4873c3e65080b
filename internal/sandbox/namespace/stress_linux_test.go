//go:build linux

package namespace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

// sleeper is a command that runs until it is killed.
var sleeper = sandbox.Command{Path: "/bin/sh", Args: []string{"-c", "while :; do sleep 60; done"}, Env: []string{"PATH=/usr/bin:/bin"}}

// watched starts a driver, and looks at the end whether anything of its sandboxes
// is left: descriptors, groups, entries in its books.
func watched(t *testing.T) *Driver {
	t.Helper()
	driver := newDriver(t).(*Driver)
	before := openFiles(t)
	t.Cleanup(func() {
		if n := openFiles(t); n > before {
			t.Errorf("%d files are open, %d were before", n, before)
		}
		if len(driver.boxes) > 0 {
			t.Errorf("%d sandboxes are in the books", len(driver.boxes))
		}
		slices.Sort(driver.hostID.free)
		if free := slices.Compact(driver.hostID.free); len(free) != driver.hostID.next {
			t.Errorf("%d of %d user ids are free", len(free), driver.hostID.next)
		}
	})
	return driver
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// each runs fn for some sandboxes at a time, and for many in all. n is unique.
func each(fn func(n int)) {
	const workers, rounds = 8, 5
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for round := range rounds {
				fn(w*rounds + round)
			}
		})
	}
	group.Wait()
}

func closeBox(t *testing.T, box sandbox.Sandbox) {
	t.Helper()
	if err := box.Close(); err != nil {
		t.Error(err)
	}
}

func TestCreateUntilCancelled(t *testing.T) {
	driver := watched(t)
	each(func(n int) {
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		defer group.Wait()
		if n%4 == 0 {
			cancel()
		} else {
			group.Go(cancel)
		}
		box, err := driver.Create(ctx, sandbox.Spec{ID: fmt.Sprint("cancelled-", n)})
		switch {
		case err == nil:
			closeBox(t, box)
		case pinfold.CodeOf(err) != pinfold.Unavailable:
			t.Errorf("code %s: %v", pinfold.CodeOf(err), err)
		}
	})
}

func TestCloseWhileInUse(t *testing.T) {
	driver := watched(t)
	code := t.TempDir()
	each(func(n int) {
		box, err := driver.Create(t.Context(), sandbox.Spec{ID: fmt.Sprint("busy-", n)})
		if err != nil {
			t.Error(err)
			return
		}
		var group sync.WaitGroup
		defer group.Wait()
		// All of these may fail, but none may hang, or bring anything back to life.
		group.Go(func() {
			_, _ = box.Assign(t.Context(), sandbox.Assignment{Code: code, Limits: sandbox.Limits{MemoryMB: 128, EphemeralMB: 512}})
		})
		group.Go(func() { _ = box.Start(t.Context(), sleeper) })
		group.Go(func() { box.Usage() })
		if f, ok := box.(sandbox.Freezer); ok && driver.can.Freeze && n%2 == 0 {
			group.Go(func() { _ = f.Freeze(t.Context()) })
		}
		for range 3 {
			group.Go(func() { closeBox(t, box) })
		}
		<-box.Done()
	})
}

// TestManySizes makes the keeper run a program of its own while sandboxes end.
func TestManySizes(t *testing.T) {
	driver := watched(t)
	code := t.TempDir()
	each(func(n int) {
		box, err := driver.Create(t.Context(), sandbox.Spec{ID: fmt.Sprint("sized-", n)})
		if err != nil {
			t.Error(err)
			return
		}
		defer closeBox(t, box)
		if _, err := box.Assign(t.Context(), sandbox.Assignment{Code: code, Limits: sandbox.Limits{EphemeralMB: 600 + n}}); err != nil {
			t.Error(err)
		}
	})
}

func TestNothingHoldsAnEndedSandbox(t *testing.T) {
	driver := watched(t)
	box, err := driver.Create(t.Context(), sandbox.Spec{ID: "ended"})
	if err != nil {
		t.Fatal(err)
	}
	defer closeBox(t, box)
	if _, err := box.Assign(t.Context(), sandbox.Assignment{Code: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	inside := namespaces(t, strconv.Itoa(pidOf(box)))
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", driver.keeper.cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		t.Fatal(tasks, err)
	}
	for _, task := range tasks {
		for _, ns := range namespaces(t, task[len("/proc/"):]) {
			if slices.Contains(inside, ns) {
				t.Errorf("%s is in %s of a sandbox", task, ns)
			}
		}
	}
}

func pidOf(s sandbox.Sandbox) int { return s.(*box).pid }

func namespaces(t *testing.T, process string) []string {
	t.Helper()
	var all []string
	for _, name := range []string{"mnt", "net"} {
		link, err := os.Readlink(filepath.Join("/proc", process, "ns", name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		all = append(all, link)
	}
	return all
}

// TestGroupLeftByProof is about a platform that was killed while it proved that
// there can be walls: the next one must not think that there can be none.
func TestGroupLeftByProof(t *testing.T) {
	options := Options{Dir: t.TempDir()}
	first, err := open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if first.groups == nil {
		t.Skip("there are no control groups here: ", first.can.Weak)
	}
	if err := first.keeper.close(); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"proof", "proof-1"} {
		if _, err := first.groups.Create(id); err != nil {
			t.Fatal(err)
		}
	}
	second, err := open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

func TestKeeperKilled(t *testing.T) {
	driver := watched(t)
	survivor, err := driver.Create(t.Context(), sandbox.Spec{ID: "survivor"})
	if err != nil {
		t.Fatal(err)
	}
	defer closeBox(t, survivor)
	cell, err := driver.Create(t.Context(), sandbox.Spec{ID: "cell"})
	if err != nil {
		t.Fatal(err)
	}
	defer closeBox(t, cell)
	if _, err := survivor.Assign(t.Context(), sandbox.Assignment{Code: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	for _, box := range []sandbox.Sandbox{survivor, cell} {
		if err := box.Start(t.Context(), sleeper); err != nil {
			t.Fatal(err)
		}
	}
	each(func(n int) {
		if n%8 == 5 {
			driver.keeping.Lock()
			_ = driver.keeper.cmd.Process.Kill()
			driver.keeping.Unlock()
		}
		box, err := driver.Create(t.Context(), sandbox.Spec{ID: fmt.Sprint("orphan-", n)})
		switch {
		case err == nil:
			closeBox(t, box)
		case pinfold.CodeOf(err) != pinfold.Unavailable:
			t.Errorf("code %s: %v", pinfold.CodeOf(err), err)
		}
	})
	select {
	case <-survivor.Done():
		t.Error("a sandbox ended with its keeper:", survivor.Exit())
	default:
	}
	<-cell.Done() // nobody can make it a function's any more
	if _, err := cell.Assign(t.Context(), sandbox.Assignment{Code: t.TempDir()}); pinfold.CodeOf(err) != pinfold.Unavailable {
		t.Errorf("code %s: %v", pinfold.CodeOf(err), err)
	}
	again(t, driver)
}

// TestKeeperNotMissed leaves it to the end of the test to see that the driver
// ends cleanly.
func TestKeeperNotMissed(t *testing.T) {
	driver := watched(t)
	if err := driver.keeper.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-driver.keeper.done
}

// again makes a sandbox. It may take some attempts to find out that the keeper
// has ended.
func again(t *testing.T, driver *Driver) {
	t.Helper()
	for attempt := 1; ; attempt++ {
		box, err := driver.Create(t.Context(), sandbox.Spec{ID: "again"})
		if err == nil {
			closeBox(t, box)
			return
		}
		if attempt == 3 || pinfold.CodeOf(err) != pinfold.Unavailable {
			t.Fatal(err)
		}
	}
}

func TestKeeperStuck(t *testing.T) {
	driver := watched(t)
	driver.patience = 100 * time.Millisecond
	if err := driver.keeper.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, err := driver.Create(t.Context(), sandbox.Spec{ID: "stuck"}); pinfold.CodeOf(err) != pinfold.Unavailable {
		t.Errorf("a keeper that is stopped: %v", err)
	}
	driver.patience = usualPatience
	again(t, driver)
}

// TestKeeperToldToEnd is about supervisors, which tell every process.
func TestKeeperToldToEnd(t *testing.T) {
	driver := watched(t)
	keeper := driver.keeper
	for _, signal := range []os.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP} {
		if err := keeper.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	again(t, driver)
	if driver.keeper != keeper {
		t.Error("the keeper has ended before the platform")
	}
}

// TestFewFilesAllowed makes a sandbox where the platform itself may open fewer
// files than a function usually may.
func TestFewFilesAllowed(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/bin/sh", "-c", `ulimit -n 256 && exec "$0" -test.run='^TestNothingHoldsAnEndedSandbox$'`, self).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestOutOfFiles receives a message in a process that may open no more files.
func TestOutOfFiles(t *testing.T) {
	ours, theirs, err := message.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	other, err := message.Open(theirs)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, pid := range []int{1, 2} {
		if err := other.Send(message.Reply{PID: pid}, os.Stdin, os.Stdout); err != nil {
			t.Fatal(err)
		}
	}
	restore := forbidFiles(t)
	var got message.Reply
	files, err := ours.Receive(&got)
	restore()
	if !errors.Is(err, message.ErrFiles) || !errors.Is(err, unix.EMFILE) || got.PID != 1 || len(files) != 0 {
		t.Fatalf("got %v with %d files, and %v", got, len(files), err)
	}
	if files, err = ours.Receive(&got); err != nil || got.PID != 2 || len(files) != 2 {
		t.Errorf("then got %v with %d files, and %v", got, len(files), err)
	}
	message.CloseAll(files)
}

// forbidFiles lets this process open no more files until the function that it returns
// is called.
func forbidFiles(t *testing.T) (restore func()) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeeperSurvivesLackOfFiles is about an answer whose files cannot be received.
func TestKeeperSurvivesLackOfFiles(t *testing.T) {
	driver := watched(t)
	keeper := driver.keeper
	control, theirs, err := message.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close() // which ends the init
	defer theirs.Close()
	spawn := message.Spawn{Box: "unheard-of", HostUID: firstHostID, HostGID: firstHostID}
	if driver.rootless {
		spawn.HostUID, spawn.HostGID = 0, 0
	}
	restore := forbidFiles(t)
	if _, err := driver.ask(driver.keeper, message.Request{Spawn: &spawn}, theirs); !errors.Is(err, unix.EMFILE) {
		t.Errorf("an answer with a file came: %v", err)
	}
	restore()
	again(t, driver)
	if driver.keeper != keeper {
		t.Error("the keeper was given up")
	}
}
