package backlog_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/store/log"
	"pinfold.dev/pinfold/internal/store/log/logtest"
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

// slip has a message in the log that no hub knows of.
func slip(t *testing.T, l log.Log, text string) log.Stored {
	t.Helper()
	s, err := l.Stream(t.Context(), "messages", log.Limits{Dedup: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	stored := s.Append(t.Context(), log.Entry{Subject: "q", Data: []byte(text)})[0]
	if stored.Err != nil {
		t.Fatal(stored.Err)
	}
	return stored
}

// TestSlipped: what others have stored is delivered in its place, and looked for now
// and then.
func TestSlipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mem.New()
		defer l.Close()
		h := openHub(t, l)
		defer h.Close()
		b := h.Backlog("q", backlog.Config{FIFO: true})
		send(t, b, backlog.Item{Data: []byte("1")})
		slip(t, l, "2")
		slip(t, l, "3")
		send(t, b, backlog.Item{Data: []byte("4")})
		send(t, b, backlog.Item{Data: []byte("5")})
		visible(t, "all", b, 5)
		want(t, "all", receive(t, b, 10, time.Minute, 0), "1", "2", "3", "4", "5")
		slip(t, l, "6")
		time.Sleep(2 * time.Minute)
		visible(t, "with one at the end", b, 6)
	})
}

// TestUnknownWhetherStored: what may be stored though its sender got an error is
// looked for at once.
func TestUnknownWhetherStored(t *testing.T) {
	withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
		defer h.Close()
		b := h.Backlog("q", backlog.Config{})
		l.After(logtest.Fail(errors.New("the connection was lost"), "Append"))
		if stored := b.Send(t.Context(), backlog.Item{Data: []byte("1")}); stored[0].Err == nil {
			t.Fatal("no error")
		}
		l.After(nil)
		synctest.Wait()
		visible(t, "one that is there", b, 1)
	})
}

// TestLateAnswer: many messages that are stored while one waits for its answer are
// there when it has it.
func TestLateAnswer(t *testing.T) {
	withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
		defer h.Close()
		b := h.Backlog("q", backlog.Config{})
		l.After(logtest.Slow(15*time.Millisecond, "Append"))
		go b.Send(t.Context(), backlog.Item{Data: []byte("x")})
		synctest.Wait()
		l.After(nil)
		for range 999 {
			send(t, b, backlog.Item{Data: []byte("x")})
		}
		began := time.Now()
		visible(t, "all", b, 1000)
		if d := time.Since(began); d > 100*time.Millisecond {
			t.Errorf("it took %v", d)
		}
	})
}

// asked counts how often it is asked for messages of the log, from now on.
func asked(l *logtest.Faulty, fault error) *atomic.Int64 {
	var n atomic.Int64
	l.Before(func(_ context.Context, op logtest.Op) error {
		if op.Stream == "messages" && (op.Name == "Info" || op.Name == "Read") {
			n.Add(1)
			return fault
		}
		return nil
	})
	return &n
}

// TestOutOfOrder: what came by itself is not read, whoever was told first.
func TestOutOfOrder(t *testing.T) {
	withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
		defer h.Close()
		b := h.Backlog("q", backlog.Config{})
		n := asked(l, nil)
		var told atomic.Int64
		l.After(func(_ context.Context, op logtest.Op) error {
			if op.Name == "Append" && told.Add(1)%2 == 1 {
				time.Sleep(time.Millisecond)
			}
			return nil
		})
		var all sync.WaitGroup
		for range 3 {
			for range 2 {
				all.Go(func() { b.Send(t.Context(), backlog.Item{Data: []byte("x")}) })
				synctest.Wait()
			}
			all.Wait()
		}
		time.Sleep(time.Second)
		visible(t, "all", b, 6)
		if n.Load() > 0 {
			t.Errorf("the log was asked %d times", n.Load())
		}
	})
}

// TestUnreadable: a log that cannot be read is not asked again and again.
func TestUnreadable(t *testing.T) {
	withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
		defer h.Close()
		b := h.Backlog("q", backlog.Config{})
		slip(t, l, "0")
		n := asked(l, errors.New("broken"))
		for range 100 {
			send(t, b, backlog.Item{Data: []byte("x")})
			time.Sleep(30 * time.Millisecond)
		}
		if n.Load() > 4 {
			t.Errorf("the log was asked %d times in 3 s", n.Load())
		}
		l.Before(nil)
		time.Sleep(2 * time.Second)
		visible(t, "all", b, 101)
	})
}

// TestLostUnseen: what a sender was told of, and the log has lost before all before it
// was known, is delivered all the same.
func TestLostUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mem.New()
		defer l.Close()
		h := openHub(t, l)
		defer h.Close()
		b := h.Backlog("q", backlog.Config{FIFO: true})
		for i, behind := range []bool{true, false} {
			slip(t, l, "1")
			stored := send(t, b, backlog.Item{Data: []byte("2")})[0]
			if behind {
				slip(t, l, "3")
			}
			s, err := l.Stream(t.Context(), "messages", log.Limits{Dedup: 5 * time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Remove(t.Context(), stored.Position); err != nil {
				t.Fatal(err)
			}
			texts := []string{"1", "2", "3"}[:3-i]
			visible(t, "all", b, len(texts))
			ms := receive(t, b, 10, time.Minute, 0)
			want(t, "all", ms, texts...)
			remove(t, b, ms...)
		}
	})
}

// TestManySenders: whoever is told first, and whatever senders are told, messages are
// in order of their positions.
func TestManySenders(t *testing.T) {
	withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
		defer h.Close()
		b := h.Backlog("q", backlog.Config{FIFO: true})
		var n atomic.Int64
		l.After(func(ctx context.Context, op logtest.Op) error {
			if op.Name != "Append" || op.Stream != "messages" {
				return nil
			}
			time.Sleep(time.Duration(rand.IntN(int(5 * time.Millisecond))))
			if n.Add(1)%7 == 0 {
				return errors.New("the connection was lost")
			}
			return nil
		})
		const senders, each = 16, 50
		var all sync.WaitGroup
		for range senders {
			all.Go(func() {
				for range each {
					b.Send(t.Context(), backlog.Item{Data: []byte("x")})
				}
			})
		}
		var last uint64
		received := 0
		for received < senders*each {
			ms := receive(t, b, 10, time.Hour, time.Minute)
			if len(ms) == 0 {
				t.Fatalf("received %d of %d", received, senders*each)
			}
			for _, m := range ms {
				if m.Position <= last {
					t.Fatalf("%d comes after %d", m.Position, last)
				}
				last = m.Position
			}
			remove(t, b, ms...)
			received += len(ms)
		}
		all.Wait()
		visible(t, "in the end", b, 0)
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
		first := slip(t, late, "1")
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
		slip(t, late, "2")
		ms := receive(t, b, 10, time.Minute, 0)
		want(t, "both", ms, "1", "2")
		b.Remove(t.Context(), ms[0].Receipt, ms[1].Receipt)
		time.Sleep(time.Minute)
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
		slip(t, late, "unseen")
		send(t, b, backlog.Item{Data: []byte("likewise")})
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
