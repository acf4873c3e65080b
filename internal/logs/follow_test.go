package logs

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

func TestFollowHistoryThenLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			s.Write(line("a", i, fmt.Sprint("old ", i)))
		}
		s.Write(line("b", 9, "not asked for"))
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		var wg sync.WaitGroup
		wg.Go(func() {
			got = texts(t, s.Follow(ctx, Query{Functions: []pinfold.FunctionRef{function("a")}, Limit: 2, Tail: true}))
		})
		synctest.Wait()
		for i := range 3 {
			s.Write(line("a", 10+i, fmt.Sprint("new ", i)))
			s.Write(line("b", 10+i, "not asked for"))
			synctest.Wait()
		}
		cancel()
		wg.Wait()
		expect(t, "followed", got, "old 3", "old 4", "new 0", "new 1", "new 2")
		if len(s.followers) != 0 {
			t.Error("the follower is still registered")
		}
		s.Close()
	})
}

func TestFollowEndsWithTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		var wg sync.WaitGroup
		wg.Go(func() { got = texts(t, s.Follow(context.Background(), Query{})) })
		synctest.Wait()
		s.Write(line("a", 1, "last words"))
		s.Close()
		wg.Wait()
		expect(t, "followed", got, "last words")
	})
}

// TestFollowWithoutGapOrDuplicate starts followers in the middle of writing;
// each must see every line, once and in order.
func TestFollowWithoutGapOrDuplicate(t *testing.T) {
	const lines = 3000
	s := open(t, Config{Dir: t.TempDir(), SegmentBytes: 20_000, FollowLines: lines, BufferLines: 2 * lines})
	var wg sync.WaitGroup
	for i := range lines {
		s.Write(line("a", i, fmt.Sprint(i)))
		if i%300 != 0 {
			continue
		}
		wg.Go(func() {
			n := 0
			for l, err := range s.Follow(t.Context(), Query{}) {
				if err != nil || l.Text != fmt.Sprint(n) {
					t.Errorf("follower of line %d: line %d is %q, %v", i, n, l.Text, err)
					return
				}
				if n++; n == lines {
					return
				}
			}
			t.Errorf("follower of line %d: only %d lines", i, n)
		})
	}
	wg.Wait()
}

func TestSlowFollowerIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{Dir: t.TempDir(), FollowLines: 4})
		if err != nil {
			t.Fatal(err)
		}
		resume := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		var wg sync.WaitGroup
		wg.Go(func() {
			for l := range s.Follow(ctx, Query{}) {
				got = append(got, l.Text)
				if l.Text == "0" {
					<-resume // it hangs
				}
			}
		})
		synctest.Wait()
		for i := range 10 {
			s.Write(line("a", i, fmt.Sprint(i)))
			synctest.Wait()
		}
		close(resume)
		synctest.Wait()
		s.Write(line("a", 10, "10"))
		synctest.Wait()
		cancel()
		wg.Wait()
		expect(t, "followed", got, "0", "1", "2", "3", "4", "PINFOLD 5 log lines are missing here: this reader did not keep up", "10")
		if kept := texts(t, s.Query(context.Background(), Query{})); strings.Join(kept, " ") != "0 1 2 3 4 5 6 7 8 9 10" {
			t.Errorf("the log itself has %q", kept)
		}
		s.Close()
	})
}

// A reader that hangs holds no more than so many bytes, however long lines are.
func TestSlowFollowerOfLongLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{Dir: t.TempDir(), KeepBytes: 1 << 30})
		must(t, err)
		resume := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		var wg sync.WaitGroup
		wg.Go(func() {
			for l := range s.Follow(ctx, Query{}) {
				if got = append(got, l.Text); l.Text == "first" {
					<-resume
				}
			}
		})
		synctest.Wait()
		s.Write(line("a", 0, "first"))
		long := strings.Repeat("x", MaxText)
		const n = 2 * maxBehind / MaxText
		for i := range n {
			s.Write(line("a", i+1, long))
			time.Sleep(time.Second) // the writer may rest
		}
		close(resume)
		synctest.Wait()
		s.Write(line("a", n+1, "last"))
		time.Sleep(time.Second)
		cancel()
		wg.Wait()
		behind := maxBehind / MaxText
		if len(got) < 3 || len(got) > behind+4 || got[len(got)-1] != "last" {
			t.Errorf("%d lines, the last of them %.100q; at most %d may wait", len(got), got[len(got)-1], behind)
		}
		s.Close()
	})
}
