package meter

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pinfold.dev/pinfold"
)

// sequence is a series of executions that is the same in every process.
func sequence() func() *pinfold.Execution {
	r := rand.New(rand.NewPCG(3, 4))
	return func() *pinfold.Execution { return random(r) }
}

// victim is this test binary run again, to be killed. It does what it is told in
// PINFOLD_METER_TEST, "count DIR" or "fold STEP DIR".
func victim(do string) {
	words := strings.SplitN(do, " ", 3)
	m, err := open(Config{Dir: words[len(words)-1]})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if words[0] == "count" {
		for next := sequence(); ; {
			m.Executed(next())
			if _, err := os.Stdout.Write([]byte{'.'}); err != nil {
				os.Exit(1)
			}
		}
	}
	m.step = func(step string) {
		if step == words[1] {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	fmt.Fprintln(os.Stderr, "folded to the end:", m.fold(lastDay))
	os.Exit(1)
}

func start(t *testing.T, do string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "PINFOLD_METER_TEST="+do)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// TestKilled kills a process that counts and says so after each. What it said is
// there, and no more than the one that it may have been at.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	var atLeast, atMost Counts
	for round := range 4 { // goes on where it was
		cmd, out := start(t, "count "+dir)
		r := bufio.NewReader(out)
		if _, err := io.CopyN(io.Discard, r, int64(50+round*1000)); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		said, err := io.Copy(io.Discard, r)
		if err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		next := sequence()
		count := func(to *Counts, e *pinfold.Execution) {
			to.Requests++
			to.BilledMS += uint64(e.Billed.Milliseconds())
			to.BytesOut += uint64(e.BytesOut)
		}
		for range int64(50+round*1000) + said {
			e := next()
			count(&atLeast, e)
			count(&atMost, e)
		}
		count(&atMost, next())

		m := quiet(t, Config{Dir: dir})
		got := total(t, m)
		if got.Requests < atLeast.Requests || got.Requests > atMost.Requests || got.BilledMS < atLeast.BilledMS || got.BilledMS > atMost.BilledMS ||
			got.BytesOut < atLeast.BytesOut || got.BytesOut > atMost.BytesOut {
			t.Fatalf("after %d kills there are %d requests, %d ms, %d bytes; want from %d, %d, %d to %d, %d, %d", round+1,
				got.Requests, got.BilledMS, got.BytesOut, atLeast.Requests, atLeast.BilledMS, atLeast.BytesOut, atMost.Requests, atMost.BilledMS, atMost.BytesOut)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// filled fills a folder and returns what is in it.
func filled(t *testing.T, dir string) Counts {
	m := quiet(t, Config{Dir: dir})
	next := sequence()
	for range 500 {
		m.Executed(next())
	}
	want := total(t, m)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return want
}

// whole checks that everything is there once: as it was left, with more counted,
// folded, and after another start.
func whole(t *testing.T, dir string, want Counts) {
	t.Helper()
	for _, folds := range []bool{true, false} {
		m := quiet(t, Config{Dir: dir})
		if got := total(t, m); got != want {
			t.Fatalf("found: %+v\nwant %+v", got, want)
		}
		if !folds {
			return
		}
		e := sequence()()
		m.Executed(e)
		want.add(&Counts{
			Requests: 1, BilledMS: uint64(e.Billed.Milliseconds()), Billed100MS: uint64(e.Billed.Milliseconds()+99) / 100 * 100, BytesOut: uint64(e.BytesOut),
		})
		got := total(t, m)
		if got.Requests != want.Requests || got.BilledMS != want.BilledMS || got.BytesOut != want.BytesOut {
			t.Fatalf("with one more: %+v\nwant %+v", got, want)
		}
		want = got
		if err := m.fold(lastDay); err != nil {
			t.Fatal(err)
		}
		if got := total(t, m); got != want || len(m.live) > 0 {
			t.Fatalf("folded: %+v\nwant %+v; %d slots are in use", got, want, len(m.live))
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFoldKilled kills folding at each step, and when it is done again, at each
// step again.
func TestFoldKilled(t *testing.T) {
	steps := []string{"marked", "appended", "freed"}
	for _, first := range steps {
		for _, second := range append(steps, "") {
			t.Run(first+","+second, func(t *testing.T) {
				dir := t.TempDir()
				want := filled(t, dir)
				for _, step := range []string{first, second} {
					if step == "" {
						continue
					}
					cmd, _ := start(t, "fold "+step+" "+dir)
					if err := cmd.Wait(); cmd.ProcessState.ExitCode() != -1 {
						t.Fatalf("it was not killed at %q: %v", step, err)
					}
				}
				whole(t, dir, want)
			})
		}
	}
}

// TestFoldTorn leaves every length of the lines that folding was at.
func TestFoldTorn(t *testing.T) {
	dir := t.TempDir()
	want := filled(t, dir)
	cmd, _ := start(t, "fold appended "+dir)
	_ = cmd.Wait()
	lines, err := os.ReadFile(ledger{dir}.name("2026-11"))
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{0, 1, bytes.IndexByte(lines, '\n'), bytes.IndexByte(lines, '\n') + 1, len(lines) / 2, len(lines) - 1} {
		torn := t.TempDir()
		if err := os.CopyFS(torn, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(torn, "usage-2026-11.jsonl"), int64(cut)); err != nil {
			t.Fatal(err)
		}
		whole(t, torn, want)
	}
}

// TestFoldFails folds where the ledger cannot be written, and then where it can.
func TestFoldFails(t *testing.T) {
	dir := t.TempDir()
	want := filled(t, dir)
	m := quiet(t, Config{Dir: dir})
	if err := os.Mkdir(m.ledger.name("2026-11"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		m.note("folding", m.fold(lastDay))
		if m.Health() == nil {
			t.Error("it is well")
		}
	}
	if err := os.Remove(m.ledger.name("2026-11")); err != nil {
		t.Fatal(err)
	}
	if got := total(t, m); got != want {
		t.Fatalf("%+v\nwant %+v", got, want)
	}
	m.note("folding", m.fold(lastDay))
	if err := m.Health(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	whole(t, dir, want)
}
