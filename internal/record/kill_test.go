//go:build unix

package record

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"pinfold.dev/pinfold"
)

// victimEnv names the folder of a process that is to be killed.
const victimEnv = "PINFOLD_RECORD_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimEnv); dir != "" {
		fmt.Fprintln(os.Stderr, victim(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// says is a store that prints how many records it has stored.
type says struct {
	*Store
	stored int
}

func (s *says) Append(ctx context.Context, records []pinfold.Record) error {
	err := s.Store.Append(ctx, records)
	if err == nil {
		s.stored += len(records)
		fmt.Println(s.stored)
	}
	return err
}

// victim stores records until it is killed.
func victim(dir string) error {
	s, err := Open(Config{Dir: dir, SegmentRows: 500})
	if err != nil {
		return err
	}
	w := NewWriter(&says{Store: s}, 0, quiet())
	for i := 0; ; i++ {
		for _, r := range numbered(i*100, 100) {
			w.Put(&r)
		}
		for w.waits() {
			runtime.Gosched()
		}
	}
}

// What a store has said to be stored is there after kill -9, whenever that comes;
// what is not is in the Writer, which holds nothing for longer than a second
// (TestMuchIsStoredInBatches).
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	total := 0
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victimEnv+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stored := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if stored, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatalf("it says %q", lines.Text())
			}
			if stored > 300+round*333 { // it goes on to write while it is killed
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		total += stored
		s := open(t, dir, 500)
		got, err := ids(t, s, pinfold.RecordQuery{})
		if err != nil || len(got) < total {
			t.Fatalf("round %d: %d records are there, %v; %d had been stored", round, len(got), err, total)
		}
		total = len(got)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
