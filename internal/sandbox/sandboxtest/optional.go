package sandboxtest

import (
	"bufio"
	"io"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"pinfold.dev/pinfold/internal/sandbox"
)

// echo starts a process that says each line it is told.
func echo(t *testing.T, box sandbox.Sandbox) (say func(string), out *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	out = sh(t, box, `while read line <&3; do echo "$line"; done`, r)
	r.Close()
	return func(s string) {
		t.Helper()
		if _, err := io.WriteString(w, s+"\n"); err != nil {
			t.Fatal(err)
		}
		if got := line(t, out); got != s {
			t.Errorf("it answers %q to %q", got, s)
		}
	}, out
}

func memoryNow(t *testing.T, driver sandbox.Driver) {
	if runtime.GOOS != "linux" {
		t.Skip("the system does not say what a running process uses")
	}
	box := create(t, driver)
	assign(t, box)
	say, _ := echo(t, box)
	say("hello")
	u := box.Usage()
	if u.MemoryMB <= 0 || u.MemoryMB > u.PeakMemoryMB {
		t.Errorf("while it runs the sandbox uses %+v", u)
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	if now := box.Usage(); now.MemoryMB != 0 {
		t.Errorf("after its end the sandbox uses %+v", now)
	}
}

func background(t *testing.T, driver sandbox.Driver) {
	box, err := driver.Create(t.Context(), sandbox.Spec{ID: "background", Background: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	say, _ := echo(t, box)
	say("a cell")
	assign(t, box)
	say("a function")
}

// freezer returns what freezes the sandbox, if the driver says that it can.
func freezer(t *testing.T, driver sandbox.Driver, box sandbox.Sandbox) sandbox.Freezer {
	t.Helper()
	if !driver.Capabilities().Freeze {
		t.Skip("the driver cannot freeze here")
	}
	f, ok := box.(sandbox.Freezer)
	if !ok {
		t.Fatal("the driver says that it can freeze, but the sandbox is no Freezer")
	}
	return f
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// frozenFor is for how long it is seen that a frozen sandbox uses nothing.
const frozenFor = 20 * time.Millisecond

func freeze(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	f := freezer(t, driver, box)
	assign(t, box)
	out := sh(t, box, "echo up; while :; do :; done")
	line(t, out)
	for range 5 {
		must(t, f.Freeze(t.Context()), f.Freeze(t.Context()))
		before := box.Usage().CPU
		for began := time.Now(); time.Since(began) < frozenFor; runtime.Gosched() {
		}
		// What a process did on its way into the freezer may be counted afterwards: some
		// microseconds, where a loop that goes on would use all of the time.
		if after := box.Usage().CPU; after-before > frozenFor/20 {
			t.Errorf("a frozen sandbox has used %v of the processor", after-before)
		}
		must(t, f.Thaw(t.Context()), f.Thaw(t.Context()))
		for deadline := time.Now().Add(patience); box.Usage().CPU == before; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatal("a thawed sandbox does not go on")
			}
		}
	}
}

func freezeAtOnce(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	f := freezer(t, driver, box)
	assign(t, box)
	say, _ := echo(t, box)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 10 {
				if err := f.Freeze(t.Context()); err != nil {
					t.Error(err)
				}
				if err := f.Thaw(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	say("still here") // the last word was Thaw's
}

func freezeAndClose(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	f := freezer(t, driver, box)
	assign(t, box)
	say, out := echo(t, box)
	say("hello")
	must(t, f.Freeze(t.Context()), box.Close())
	eof(t, out)
	must(t, f.Freeze(t.Context()), f.Thaw(t.Context()))
	if exit := box.Exit(); exit.Signal != "killed" {
		t.Errorf("exit: %+v", exit)
	}
}

func freezeEnded(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	f := freezer(t, driver, box)
	must(t, f.Freeze(t.Context()), f.Thaw(t.Context())) // not started yet
	assign(t, box)
	sh(t, box, "exit 3")
	ended(t, box)
	must(t, f.Freeze(t.Context()), f.Thaw(t.Context()), f.Freeze(t.Context()))
}
