package namespace

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// make makes a sandbox that the test closes.
func makeBox(t *testing.T, driver sandbox.Driver, id string) *box {
	t.Helper()
	s, err := driver.Create(t.Context(), sandbox.Spec{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBox(t, s) })
	return s.(*box)
}

func assign(t *testing.T, b *box, memoryMB int) {
	t.Helper()
	if _, err := b.Assign(t.Context(), sandbox.Assignment{Code: t.TempDir(), Limits: sandbox.Limits{MemoryMB: memoryMB, EphemeralMB: usualTmpMB}}); err != nil {
		t.Fatal(err)
	}
}

// run starts a shell script whose standard input is descriptor 3, and returns
// the lines that it says and what it can be told by.
func run(t *testing.T, b *box, script string) (says *bufio.Scanner, tell *os.File) {
	t.Helper()
	said, output, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	input, tell, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { said.Close(); tell.Close() })
	defer output.Close()
	defer input.Close()
	if err := said.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	err = b.Start(t.Context(), sandbox.Command{
		Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Output: output, Files: []*os.File{input},
	})
	if err != nil {
		t.Fatal(err)
	}
	return bufio.NewScanner(said), tell
}

func tellLine(t *testing.T, tell *os.File, line string) {
	t.Helper()
	if _, err := tell.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
}

func wantLine(t *testing.T, says *bufio.Scanner, want string) {
	t.Helper()
	if !says.Scan() || says.Text() != want {
		t.Fatalf("it says %q, want %q: %v", says.Text(), want, says.Err())
	}
}

// bounded returns a driver, or skips the test where one of its bounds does not hold.
func bounded(t *testing.T, holds func(sandbox.Capabilities) bool) sandbox.Driver {
	t.Helper()
	driver := newDriver(t)
	if can := driver.Capabilities(); !holds(can) {
		t.Skip("this machine cannot do that: ", can.Weak)
	}
	return driver
}

// greedy is a script that takes more memory than any function of 128 MB has.
const greedy = `x=x; while :; do x=$x$x; done`

func TestOutOfMemory(t *testing.T) {
	driver := bounded(t, func(c sandbox.Capabilities) bool { return c.Memory })
	neighbour := makeBox(t, driver, "neighbour")
	assign(t, neighbour, 128)
	says, tell := run(t, neighbour, `while read line; do echo "$line"; done <&3`)
	for _, c := range []struct {
		name, script string
		exit         sandbox.Exit
	}{
		{"the command", greedy, sandbox.Exit{Code: -1, Signal: "killed", OutOfMemory: true}},
		{"a child of it", `sh -c '` + greedy + `'; exit 3`, sandbox.Exit{Code: 3}},
		{"killed by itself", `kill -9 $$`, sandbox.Exit{Code: -1, Signal: "killed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := makeBox(t, driver, "greedy")
			assign(t, b, 128)
			run(t, b, c.script)
			<-b.Done()
			if exit := b.Exit(); exit != c.exit {
				t.Errorf("it ends with %+v, want %+v", exit, c.exit)
			}
			if peak := b.Usage().PeakMemoryMB; peak > 128 {
				t.Errorf("it has used %d MB of 128", peak)
			}
		})
	}
	tellLine(t, tell, "well")
	wantLine(t, says, "well")
}

// Limits that nobody can have are refused; those beyond the machine are none.
func TestLimits(t *testing.T) {
	driver := newDriver(t)
	for name, c := range map[string]struct {
		limits sandbox.Limits
		code   pinfold.Code // "" if they are fine
	}{
		"none":                {sandbox.Limits{}, ""},
		"memory below 0":      {sandbox.Limits{MemoryMB: -1}, pinfold.Invalid},
		"/tmp below 0":        {sandbox.Limits{EphemeralMB: -1}, pinfold.Invalid},
		"memory of 1 TB":      {sandbox.Limits{MemoryMB: 1 << 20, EphemeralMB: 512}, ""},
		"/tmp of 10 GB":       {sandbox.Limits{MemoryMB: 128, EphemeralMB: 10240}, ""},
		"/tmp of 4 exabytes":  {sandbox.Limits{MemoryMB: 128, EphemeralMB: 1 << 42}, pinfold.Internal},
		"memory of exabytes":  {sandbox.Limits{MemoryMB: 1 << 42}, ""},
		"everything past int": {sandbox.Limits{MemoryMB: -1 << 62, EphemeralMB: -1 << 62}, pinfold.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			if c.code == pinfold.Internal && strings.Contains(strings.Join(driver.Capabilities().Weak, "\n"), "/tmp is in memory") {
				t.Skip("memory is not set aside for it")
			}
			b := makeBox(t, driver, "limited")
			_, err := b.Assign(t.Context(), sandbox.Assignment{Code: t.TempDir(), Limits: c.limits})
			if err != nil && pinfold.CodeOf(err) != c.code || err == nil && c.code != "" {
				t.Errorf("%+v: %v, want %q", c.limits, err, c.code)
			}
			if c.code != "" {
				return
			}
			says, _ := run(t, b, "echo fine")
			wantLine(t, says, "fine")
		})
	}
}

func TestFreeze(t *testing.T) {
	driver := bounded(t, func(c sandbox.Capabilities) bool { return c.Freeze })
	b := makeBox(t, driver, "frozen")
	assign(t, b, 128)
	says, tell := run(t, b, `while read line; do echo "$line"; done <&3`)
	for range 3 {
		if err := b.Freeze(t.Context()); err != nil {
			t.Fatal(err)
		}
		tellLine(t, tell, "thawed")
		before := b.Usage().CPU
		if after := b.Usage().CPU; after != before {
			t.Errorf("a frozen sandbox has used %v more", after-before)
		}
		if err := b.Thaw(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantLine(t, says, "thawed")
	}
	if err := b.Freeze(t.Context()); err != nil { // closing does not need it thawed
		t.Fatal(err)
	}
	closeBox(t, b)
	if exit := b.Exit(); exit.Signal != "killed" || exit.OutOfMemory {
		t.Errorf("it ended with %+v", exit)
	}
}

// throttled says how often a sandbox's processes had to wait for their share.
func throttled(t *testing.T, b *box) int {
	t.Helper()
	groups, err := os.ReadFile("/proc/" + strconv.Itoa(b.pid) + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		files, _ := filepath.Glob("/sys/fs/cgroup/*" + parts[2] + "/cpu.stat")
		if len(files) == 0 {
			files = []string{"/sys/fs/cgroup" + parts[2] + "/cpu.stat"}
		}
		stat, _ := os.ReadFile(files[0])
		if _, rest, ok := strings.Cut(string(stat), "nr_throttled "); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Skip("the kernel does not tell: ", string(groups))
	return 0
}

// A sandbox has the processor to itself until it is held to its share, and again
// when it is let off.
func TestThrottle(t *testing.T) {
	driver := bounded(t, func(c sandbox.Capabilities) bool { return c.CPU })
	b := makeBox(t, driver, "busy")
	assign(t, b, 128)
	says, tell := run(t, b, `while read line; do i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo worked; done <&3`)
	tellLine(t, tell, "work")
	wantLine(t, says, "worked")
	if n := throttled(t, b); n != 0 {
		t.Errorf("before it is held to its share it had to wait %d times", n)
	}
	if err := b.Throttle(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	tellLine(t, tell, "work")
	wantLine(t, says, "worked")
	if n := throttled(t, b); n == 0 {
		t.Error("with 128 of 1,769 MB it never had to wait for the processor")
	}
	if err := b.Throttle(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	before := throttled(t, b)
	tellLine(t, tell, "work")
	wantLine(t, says, "worked")
	if n := throttled(t, b) - before; n > 1 { // the one that it was in
		t.Errorf("once it is let off it had to wait %d times", n)
	}
}
