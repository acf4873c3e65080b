package jetstream

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold/internal/store/log"
)

// victimEnv names the folder of a process that is to be killed.
const victimEnv = "PINFOLD_JETSTREAM_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimEnv); dir != "" {
		fmt.Fprintln(os.Stderr, victim(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// victim appends until it is killed, and says what is acknowledged.
func victim(dir string) error {
	ctx := context.Background()
	l, err := Open(ctx, Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	s, err := l.Stream(ctx, "test", log.Limits{})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		entries := make([]log.Entry, 1+i%20)
		for j := range entries {
			entries[j] = log.Entry{Subject: fmt.Sprint("s.", j), Data: make([]byte, rand.IntN(3000))}
			if j%5 == 0 {
				entries[j].At = time.Now().Add(time.Hour)
			}
		}
		var line strings.Builder
		for j, stored := range s.Append(ctx, entries...) {
			if stored.Err != nil {
				return stored.Err
			}
			fmt.Fprintf(&line, "%d %d %d\n", stored.Position, j, len(entries[j].Data))
		}
		fmt.Print(line.String())
		if i%10 == 9 { // removing and storing go together
			if err := s.Purge(ctx, "s.18", 0); err != nil {
				return err
			}
		}
	}
}

// What is acknowledged is there after kill -9, whenever that comes.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[uint64]string{} // subject and size by position
	waiting := 0
	for range 20 {
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
		dies := rand.IntN(1500)
		for lines := bufio.NewScanner(out); lines.Scan(); dies-- {
			var position uint64
			var subject, size int
			if n, err := fmt.Sscan(lines.Text(), &position, &subject, &size); n != 3 { // its last words
				t.Log(lines.Text(), err)
			} else if subject%5 == 0 {
				waiting++
			} else if subject != 18 {
				acknowledged[position] = fmt.Sprint("s.", subject, " ", size)
			}
			if dies == 0 {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
	}
	l, err := Open(t.Context(), Options{Dir: dir, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := l.Stream(t.Context(), "test", log.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Read(t.Context(), log.From{})
	if err != nil {
		t.Fatal(err)
	}
	read := map[uint64]string{}
	for {
		entries, err := r.Next(t.Context(), 1000)
		if err != nil {
			break
		}
		for _, e := range entries {
			read[e.Position] = fmt.Sprint(e.Subject, " ", len(e.Data))
		}
	}
	for position, want := range acknowledged {
		if read[position] != want {
			t.Errorf("%d was acknowledged as %s and is %q", position, want, read[position])
		}
	}
	info, err := s.Info(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d acknowledged, %d read, %d wait, %d in all", len(acknowledged), len(read), waiting, info.Entries)
	if int(info.Entries) < len(read)+waiting || waiting == 0 {
		t.Error("some that waited are lost")
	}
}
