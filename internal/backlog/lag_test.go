package backlog_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/store/log"
	"pinfold.dev/pinfold/internal/store/log/mem"
)

// lateLog is a log whose readers keep back for once what they have read.
type lateLog struct {
	log.Log
	gate *atomic.Pointer[chan struct{}]
}

type lateStream struct {
	log.Stream
	lateLog
}

type lateReader struct {
	log.Reader
	lateLog
}

func newLateLog(l log.Log) lateLog { return lateLog{l, new(atomic.Pointer[chan struct{}])} }

// hold holds the next call until it is let go.
func (l lateLog) hold() (letGo func()) {
	gate := make(chan struct{})
	l.gate.Store(&gate)
	return func() { close(gate) }
}

func (l lateLog) Stream(ctx context.Context, name string, limits log.Limits) (log.Stream, error) {
	s, err := l.Log.Stream(ctx, name, limits)
	if name != "messages" {
		return s, err
	}
	return lateStream{s, l}, err
}

func (s lateStream) Read(ctx context.Context, from log.From) (log.Reader, error) {
	r, err := s.Stream.Read(ctx, from)
	return lateReader{r, s.lateLog}, err
}

func (r lateReader) Next(ctx context.Context, max int) ([]log.Entry, error) {
	entries, err := r.Reader.Next(ctx, max)
	if gate := r.gate.Swap(nil); gate != nil {
		<-*gate
	}
	return entries, err
}

func visible(t *testing.T, what string, b *backlog.Backlog, want int) {
	t.Helper()
	if c := b.Counts(); c.Visible != want {
		t.Errorf("%s: %d messages are visible, want %d", what, c.Visible, want)
	}
}

// TestCountsOfTheUnseen: what is removed before it was read from the log, or before
// the hub saw it there, is counted off, and does not turn up.
func TestCountsOfTheUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := mem.NewDisk()
		l := disk.Open()
		defer l.Close()
		h := openHub(t, l)
		b := h.Backlog("q", backlog.Config{})
		send(t, b, backlog.Item{Data: []byte("1")}, backlog.Item{Data: []byte("2")}, backlog.Item{Data: []byte("3")})
		old := receive(t, b, 2, time.Minute, 0)
		h.Crash()

		late := newLateLog(l)
		h = openHub(t, late)
		defer h.Close()
		b = h.Backlog("q", backlog.Config{})
		for range 2 { // the second time it is gone
			if errs := b.Remove(t.Context(), old[0].Receipt); errs[0] != nil {
				t.Fatal(errs[0])
			}
		}
		visible(t, "one removed that was not read", b, 2)

		letGo := late.hold()
		got := make(chan []backlog.Message)
		go func() { got <- receive(t, b, 10, time.Minute, 0) }()
		synctest.Wait()
		if errs := b.Remove(t.Context(), old[1].Receipt); errs[0] != nil {
			t.Fatal(errs[0])
		}
		letGo()
		ms := <-got
		want(t, "one removed while it was read", ms, "3")
		b.Remove(t.Context(), ms[0].Receipt)
		visible(t, "all removed", b, 0)
	})
}

// TestRemovedUnseen: so is what is removed before the hub saw it, and it stays in the log
// until the hub has.
func TestRemovedUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := newLateLog(mem.New())
		defer late.Close()
		h := openHub(t, late)
		defer h.Close()
		b := h.Backlog("q", backlog.Config{})
		letGo := late.hold()
		first := send(t, b, backlog.Item{Data: []byte("1")})[0] // the hub has read it, and not seen it
		synctest.Wait()
		second := send(t, b, backlog.Item{Data: []byte("2")})[0]
		for range 2 {
			if errs := b.Remove(t.Context(), backlog.Receipt{Position: first.Position}, backlog.Receipt{Position: second.Position}); errs[0] != nil || errs[1] != nil {
				t.Fatal(errs)
			}
		}
		time.Sleep(time.Minute)
		wantStored(t, "unseen", late, 2, 1)
		letGo()
		send(t, b, backlog.Item{Data: []byte("3")})
		visible(t, "all seen", b, 1)
		want(t, "what there is", receive(t, b, 10, time.Hour, 0), "3")
		remove(t, b, backlog.Message{Receipt: backlog.Receipt{Position: second.Position + 1, Receive: 1}})
		time.Sleep(2 * time.Second)
		wantStored(t, "in the end", late, 0, 0)
	})
}

// TestCountsOfTheLost: what servers have lost before it was read does not count.
func TestCountsOfTheLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mem.New()
		defer l.Close()
		h := openHub(t, l)
		stored := send(t, h.Backlog("q", backlog.Config{}), backlog.Item{Data: []byte("1")}, backlog.Item{Data: []byte("2")}, backlog.Item{Data: []byte("3")})
		h.Crash()
		h = openHub(t, l)
		defer h.Close()
		s, err := l.Stream(t.Context(), "messages", log.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Remove(t.Context(), stored[1].Position); err != nil {
			t.Fatal(err)
		}
		b := h.Backlog("q", backlog.Config{})
		want(t, "what is left", receive(t, b, 10, 0, 0), "1", "3")
		visible(t, "what is left", b, 2)
	})
}

// TestReadBeforeFollowed: a backlog that is read from the log may be ahead of the
// hub that follows it.
func TestReadBeforeFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := newLateLog(mem.New())
		defer late.Close()
		h := openHub(t, late)
		send(t, h.Backlog("q", backlog.Config{}), backlog.Item{Data: []byte("1")})
		h.Crash()
		h = openHub(t, late)
		defer h.Close()
		b := h.Backlog("q", backlog.Config{})
		letGo := late.hold()
		send(t, b, backlog.Item{Data: []byte("2")})
		synctest.Wait()
		ms := receive(t, b, 10, time.Minute, 0)
		want(t, "both", ms, "1", "2")
		b.Remove(t.Context(), ms[0].Receipt, ms[1].Receipt)
		letGo()
		synctest.Wait()
		visible(t, "all removed", b, 0)
	})
}

// TestPurgedUnseen: nobody waits again and again for what was sent and removed
// before the hub saw it.
func TestPurgedUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := newLateLog(mem.New())
		defer late.Close()
		h := openHub(t, late)
		defer h.Close()
		letGo := late.hold()
		b := h.Backlog("q", backlog.Config{})
		send(t, b, backlog.Item{Data: []byte("seen")})
		synctest.Wait()
		send(t, b, backlog.Item{Data: []byte("unseen")})
		if err := h.Drop(t.Context(), "q"); err != nil {
			t.Fatal(err)
		}
		letGo()
		b = h.Backlog("other", backlog.Config{})
		receive(t, b, 1, time.Minute, 0)
		began := time.Now()
		receive(t, b, 1, time.Minute, 0)
		if d := time.Since(began); d != 0 {
			t.Errorf("a receive that shall not wait took %v", d)
		}
	})
}

// TestKeepAfterRestart: what was in flight at a clean stop may be kept so, and given
// back, before anyone has received.
func TestKeepAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mem.New()
		defer l.Close()
		h := openHub(t, l)
		b := h.Backlog("q", backlog.Config{})
		send(t, b, backlog.Item{Data: []byte("1")}, backlog.Item{Data: []byte("2")})
		ms := receive(t, b, 1, time.Minute, 0)
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		h = openHub(t, l)
		defer h.Close()
		b = h.Backlog("q", backlog.Config{})
		if err := b.Extend(ms[0].Receipt, time.Hour); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		want(t, "one is still in flight", receive(t, b, 10, time.Minute, 0), "2")
	})
}
