package logs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

// TestFloodWaits has one function write as fast as it can, and others beside it:
// nobody loses a line.
func TestFloodWaits(t *testing.T) {
	const many, few = 200_000, 1000
	s := open(t, Config{Dir: t.TempDir(), BufferLines: 20_000, KeepBytes: 1 << 30, FunctionRate: 1 << 40})
	var wg sync.WaitGroup
	for range 2 { // instances
		wg.Go(func() {
			source := s.Source(line("flood", 0, "")).(*Source)
			for i := range many / 2 {
				if i%500 == 0 {
					if err := source.Wait(t.Context()); err != nil {
						t.Error(err)
					}
				}
				source.Write(begin.Add(time.Duration(i)), "", false, []byte("a line of a flood"))
			}
		})
	}
	for n := range 3 {
		wg.Go(func() {
			source := s.Source(line(fmt.Sprint("calm", n), 0, ""))
			for i := range few {
				source.Write(begin.Add(time.Duration(i)), "", false, []byte("a line"))
			}
		})
	}
	wg.Wait()
	n := map[string]int{}
	for l, err := range s.Query(t.Context(), Query{}) {
		if err != nil || l.System {
			t.Fatal(l.Text, err)
		}
		n[l.Name]++
	}
	if n["flood"] != many || n["calm0"] != few || n["calm1"] != few || n["calm2"] != few {
		t.Errorf("%v", n)
	}
}

// TestWaitIsForOne has a disk that hangs: who has written much waits, who has not
// does not.
func TestWaitIsForOne(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir(), BufferLines: 6400})
	sources := map[string]*Source{}
	for _, fn := range []string{"flood", "calm"} {
		sources[fn] = s.Source(line(fn, 0, "")).(*Source)
	}
	s.files.Lock()
	write := func(fn string, n int) {
		for range n {
			sources[fn].Write(begin, "", false, []byte("x"))
		}
	}
	write("flood", 1000) // of which the writer may have taken some
	write("flood", 1000)
	write("calm", 10)
	ended, end := context.WithCancelCause(t.Context())
	end(errors.New("over"))
	if err := sources["flood"].Wait(ended); err == nil {
		t.Error("who floods need not wait")
	}
	if err := sources["calm"].Wait(ended); err != nil {
		t.Errorf("who is calm must wait: %v", err)
	}
	s.files.Unlock()
	if err := sources["flood"].Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if all := texts(t, s.Query(t.Context(), Query{})); len(all) != 2010 {
		t.Errorf("%d lines", len(all))
	}
}

// TestFunctionRate measures how long somebody takes who writes too fast.
func TestFunctionRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{Dir: t.TempDir(), FunctionRate: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		source := s.Source(line("flood", 0, "")).(*Source)
		text := make([]byte, 1000)
		began := time.Now()
		for range 10 << 20 / 64_000 {
			for range 64 {
				source.Write(time.Now(), "", false, text)
			}
			if err := source.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took < 8*time.Second || took > 12*time.Second {
			t.Errorf("10 MB at 1 MB/s took %v", took)
		}
		if n := len(texts(t, s.Query(t.Context(), Query{Functions: []pinfold.FunctionRef{function("flood")}}))); n != 10<<20/64_000*64 {
			t.Errorf("%d lines", n)
		}
		s.Close()
	})
}
