package logs

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

func TestSourceWritesAsWriteDoes(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	want := line("a", 1, "")
	want.RequestID, want.System = "r", true
	var followed []pinfold.LogLine
	var wg sync.WaitGroup
	begun := make(chan struct{})
	wg.Go(func() {
		for l, err := range s.Follow(t.Context(), Query{}) {
			if err != nil {
				t.Error(err)
			}
			if followed = append(followed, l); len(followed) == 1 {
				close(begun)
			}
			if len(followed) == 5 {
				return
			}
		}
	})
	source := s.Source(pinfold.LogLine{Function: want.Function, Instance: want.Instance})
	source.Write(want.Time, "", false, []byte("first"))
	<-begun
	text := []byte("<text>\t")
	source.Write(want.Time, want.RequestID, want.System, text)
	want.Text = string(text)
	copy(text, "another")
	s.Write(want)
	source.Write(want.Time.Add(1), "", false, bytes.Repeat([]byte("x"), MaxText+1))
	source.Write(time.Time{}, "", false, []byte("now"))
	wg.Wait()
	var kept []pinfold.LogLine
	for l, err := range s.Query(t.Context(), Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, l)
	}
	want.Name, want.Version = "a", "$LATEST"
	for name, all := range map[string][]pinfold.LogLine{"kept": kept, "followed": followed} {
		if len(all) != 5 {
			t.Fatalf("%s: %d lines", name, len(all))
		}
		if all[1] != want || all[2] != want {
			t.Errorf("%s: %+v and %+v, want twice %+v", name, all[1], all[2], want)
		}
		if !strings.HasSuffix(all[3].Text, fmt.Sprintf("x [cut: the line has %d bytes]", MaxText+1)) {
			t.Errorf("%s: a line of %d bytes", name, len(all[3].Text))
		}
		if all[4].Text != "now" || time.Since(all[4].Time) > time.Hour {
			t.Errorf("%s: %+v", name, all[4])
		}
	}
}

func TestPace(t *testing.T) {
	const ms = time.Millisecond
	now := begin
	var p pace
	// work lasts so long after a pause, and must be followed by a rest.
	work := func(what string, pause, took, want time.Duration) {
		t.Helper()
		now = now.Add(pause + took)
		if got := max(0, p.rest(now.Add(-took), now)); got != want {
			t.Errorf("%s: rests %v, want %v", what, got, want)
		}
	}
	for range 2 {
		work("after a long pause", time.Second, 0, 0)
		for range briskly - 1 {
			work("one of a few", 0, 0, 0)
		}
		work("one more", 0, 0, 10*ms)
		for range 1000 { // somebody queries again and again, and so wakes it
			work("woken", 0, 0, 10*ms)
		}
		work("rested", 10*ms, 0, 10*ms)
		work("rested longer", 13*ms, 0, 7*ms)
		work("harder work", 17*ms, 5*ms, 10*ms)
		work("harder work again", 10*ms, 5*ms, 20*ms)
		work("hard work", 20*ms, 100*ms, 40*ms)
		work("hard work without rest", 0, 100*ms, 40*ms)
	}
}

// TestFollowersSeeLinesSoon writes a line each millisecond: they come in
// batches, but not late.
func TestFollowersSeeLinesSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		const lines = 2000
		moments := map[time.Time]bool{}
		var wg sync.WaitGroup
		wg.Go(func() {
			n := 0
			for l, err := range s.Follow(t.Context(), Query{}) {
				if late := time.Since(l.Time); err != nil || late > maxRest || l.Text != fmt.Sprint(n) {
					t.Errorf("line %q, %v after it was written, %v", l.Text, late, err)
				}
				moments[time.Now()] = true
				if n++; n == lines {
					return
				}
			}
		})
		synctest.Wait()
		for i := range lines {
			s.Write(pinfold.LogLine{Function: function("a"), Text: fmt.Sprint(i)})
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		if most := 2*briskly + lines/10; len(moments) > most {
			t.Errorf("%d batches for %d lines in as many milliseconds, want no more than %d", len(moments), lines, most)
		}
		s.Close()
	})
}

// TestMuchDoesNotWait lets no time pass at all: a buffer that fills up is
// written before the writer has rested.
func TestMuchDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{Dir: t.TempDir(), BufferLines: 100})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for i := range 1000 {
			s.Write(line("a", i, fmt.Sprint(i)))
			if i%10 == 0 {
				synctest.Wait()
			}
		}
		got := texts(t, s.Query(t.Context(), Query{}))
		if len(got) != 1000 || got[999] != "999" {
			t.Errorf("%d lines, the last is %q", len(got), got[len(got)-1])
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("the writer rested for %v", took)
		}
		s.Close()
	})
}

func TestBatchIsPutInOrder(t *testing.T) {
	var b batch
	for _, l := range []struct {
		second int
		text   string
	}{{5, "a"}, {7, "d"}, {5, "b"}, {6, "c"}, {3, ""}, {7, "e"}, {2, "_"}} {
		b.add(begin.Add(time.Duration(l.second)*time.Second), []byte(l.text))
	}
	if got := string(b.ordered(nil)); got != "_abcde" {
		t.Errorf("%q", got)
	}
}

func TestMemoryIsReusedWithinBounds(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	text := strings.Repeat("x", 100_000)
	for i := range 40 { // 4 MB
		s.Write(line("a", i, text))
	}
	for i := range 40 {
		s.Write(line(fmt.Sprint("b", i), i, text))
	}
	for range 2 { // what the first has written is taken back by the second
		if err := s.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	size := 0
	for _, b := range s.spare {
		size += cap(b.text)
	}
	if size == 0 || size > maxSpare {
		t.Errorf("%d bytes are kept", size)
	}
}
