package backlog_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/store/log"
	"pinfold.dev/pinfold/internal/store/log/mem"
)

func openHub(t *testing.T, l log.Log) *backlog.Hub {
	t.Helper()
	h, err := backlog.Open(t.Context(), backlog.Options{Log: l, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// withHub runs a test in virtual time with a hub over a log of its own.
func withHub(t *testing.T, test func(*testing.T, *backlog.Hub)) {
	synctest.Test(t, func(t *testing.T) {
		l := mem.New()
		defer l.Close()
		h := openHub(t, l)
		defer h.Close()
		test(t, h)
	})
}

func send(t *testing.T, b *backlog.Backlog, items ...backlog.Item) (stored []log.Stored) {
	t.Helper()
	stored = b.Send(t.Context(), items...)
	for _, s := range stored {
		if s.Err != nil {
			t.Fatal(s.Err)
		}
	}
	return stored
}

func receive(t *testing.T, b *backlog.Backlog, max int, visibility, wait time.Duration) []backlog.Message {
	t.Helper()
	ms, err := b.Receive(t.Context(), max, visibility, wait)
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

func texts(ms []backlog.Message) (all []string) {
	for _, m := range ms {
		all = append(all, string(m.Data))
	}
	return all
}

func want(t *testing.T, what string, got []backlog.Message, texts_ ...string) {
	t.Helper()
	if !slices.Equal(texts(got), texts_) {
		t.Errorf("%s: got %q, want %q", what, texts(got), texts_)
	}
}

func TestLongPoll(t *testing.T) {
	withHub(t, func(t *testing.T, h *backlog.Hub) {
		b := h.Backlog("q", backlog.Config{})
		began := time.Now()
		want(t, "an empty one, after 20 s", receive(t, b, 1, time.Minute, 20*time.Second))
		if d := time.Since(began); d != 20*time.Second {
			t.Errorf("waited %v", d)
		}
		var all sync.WaitGroup
		for range 3 { // each gets one, at once
			all.Go(func() {
				began := time.Now()
				if ms := receive(t, b, 1, time.Minute, 20*time.Second); len(ms) != 1 || time.Since(began) != 5*time.Second {
					t.Errorf("got %q after %v", texts(ms), time.Since(began))
				}
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() { // has left before
			if ms, err := b.Receive(ctx, 1, time.Minute, 20*time.Second); len(ms) != 0 || err != nil {
				t.Errorf("got %q, %v though the context was cancelled", texts(ms), err)
			}
		})
		time.Sleep(time.Second)
		cancel()
		time.Sleep(4 * time.Second)
		send(t, b, backlog.Item{Data: []byte("1")}, backlog.Item{Data: []byte("2")}, backlog.Item{Data: []byte("3")})
		all.Wait()
		// What is delayed, or comes back, wakes those that wait when it is due.
		send(t, b, backlog.Item{Data: []byte("4"), Delay: 7 * time.Second})
		began = time.Now()
		want(t, "a delayed one", receive(t, b, 1, 3*time.Second, 20*time.Second), "4")
		want(t, "once more", receive(t, b, 1, 3*time.Second, 20*time.Second), "4")
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("waited %v", d)
		}
	})
}

// More than the window has, in memory that is bounded.
func TestLongBacklog(t *testing.T) {
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprintf("fifo=%v", fifo), func(t *testing.T) {
			withHub(t, func(t *testing.T, h *backlog.Hub) {
				const n = 10_000
				b := h.Backlog("q", backlog.Config{FIFO: fifo})
				for i := 0; i < n; i += 10 {
					items := make([]backlog.Item, 10)
					for j := range items {
						items[j] = backlog.Item{Data: fmt.Append(nil, i+j), Group: fmt.Sprint((i + j) % 5000)}
					}
					send(t, b, items...)
				}
				if c := b.Counts(); c.Visible+c.Delayed != n {
					t.Errorf("Counts: %+v", c)
				}
				got := map[string]int{}
				var all sync.WaitGroup
				var mu sync.Mutex
				for range 8 {
					all.Go(func() {
						for {
							ms := receive(t, b, 10, time.Minute, time.Second)
							if len(ms) == 0 {
								return
							}
							for _, m := range ms {
								mu.Lock()
								got[string(m.Data)]++
								mu.Unlock()
								if err := b.Remove(t.Context(), m.Receipt)[0]; err != nil {
									t.Error(err)
								}
							}
						}
					})
				}
				all.Wait()
				for i := range n {
					if got[fmt.Sprint(i)] != 1 {
						t.Fatalf("message %d was received %d times", i, got[fmt.Sprint(i)])
					}
				}
				if c := b.Counts(); c != (backlog.Counts{}) {
					t.Errorf("Counts at the end: %+v", c)
				}
			})
		})
	}
}

func TestDrop(t *testing.T) {
	withHub(t, func(t *testing.T, h *backlog.Hub) {
		b := h.Backlog("a.1", backlog.Config{})
		send(t, b, backlog.Item{Data: []byte("old")})
		ms := receive(t, b, 1, time.Minute, 0)
		var left sync.WaitGroup
		left.Go(func() { want(t, "a poll of what is dropped", receive(t, b, 1, time.Minute, time.Hour)) })
		time.Sleep(time.Second)
		if err := h.Drop(t.Context(), "a.1"); err != nil {
			t.Fatal(err)
		}
		left.Wait()
		if ids := h.IDs("a."); len(ids) != 0 {
			t.Errorf("IDs: %v", ids)
		}
		again := h.Backlog("a.1", backlog.Config{})
		send(t, again, backlog.Item{Data: []byte("new")})
		want(t, "what was sent since", receive(t, again, 10, time.Minute, 0), "new")
		if err := again.Remove(t.Context(), ms[0].Receipt)[0]; err != nil {
			t.Errorf("removing what was dropped: %v", err)
		}
		if ids := h.IDs("a."); ids["a.1"] != 1 {
			t.Errorf("IDs: %v", ids)
		}
	})
}

func TestExpire(t *testing.T) {
	withHub(t, func(t *testing.T, h *backlog.Hub) {
		b := h.Backlog("q", backlog.Config{})
		for i := range 600 {
			send(t, b, backlog.Item{Data: fmt.Append(nil, i)})
			time.Sleep(time.Second)
		}
		receive(t, b, 5, time.Hour, 0)
		n, err := b.Expire(t.Context(), time.Now().Add(-100*time.Second))
		if n != 500 || err != nil {
			t.Errorf("Expire: %d, %v", n, err)
		}
		want(t, "the oldest", receive(t, b, 1, time.Hour, 0), "500")
		if n, err := b.Expire(t.Context(), time.Now()); n != 100 || err != nil {
			t.Errorf("Expire: %d, %v", n, err)
		}
		if c := b.Counts(); c != (backlog.Counts{}) {
			t.Errorf("Counts: %+v", c)
		}
	})
}

// A receipt is of one backlog: nobody removes another's messages by it.
func TestReceiptOfAnother(t *testing.T) {
	withHub(t, func(t *testing.T, h *backlog.Hub) {
		a, b := h.Backlog("a", backlog.Config{}), h.Backlog("b", backlog.Config{})
		position := send(t, a, backlog.Item{Data: []byte("x")})[0].Position
		if err := b.Remove(t.Context(), backlog.Receipt{Position: position, Receive: 1})[0]; err != nil {
			t.Error(err)
		}
		want(t, "the other's", receive(t, a, 1, time.Minute, 0), "x")
	})
}

func TestIDs(t *testing.T) {
	withHub(t, func(t *testing.T, h *backlog.Hub) {
		a, b := h.Backlog("a", backlog.Config{}), h.Backlog("b", backlog.Config{})
		first := send(t, a, backlog.Item{Data: []byte("x"), ID: "1"})[0]
		if again := send(t, a, backlog.Item{Data: []byte("x"), ID: "1"})[0]; !again.Duplicate || again.Position != first.Position {
			t.Errorf("the same id again: %+v, first %+v", again, first)
		}
		if other := send(t, b, backlog.Item{Data: []byte("x"), ID: "1"})[0]; other.Duplicate {
			t.Errorf("the id of another backlog: %+v", other)
		}
		want(t, "what there is", receive(t, a, 10, time.Minute, 0), "x")
	})
}

// Everything at once, for the race detector: nothing is lost or handed out twice.
func TestConcurrently(t *testing.T) {
	l := mem.New()
	defer l.Close()
	h := openHub(t, l)
	defer h.Close()
	b := h.Backlog("q", backlog.Config{FIFO: true})
	const senders, each = 8, 200
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for i := range each {
				send(t, b, backlog.Item{Data: fmt.Appendf(nil, "%d/%03d", s, i), Group: fmt.Sprint(s)})
			}
		})
	}
	var mu sync.Mutex
	last, n := map[string]string{}, 0
	done := make(chan struct{})
	for range 8 {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, m := range receive(t, b, 10, time.Hour, 50*time.Millisecond) {
					mu.Lock()
					if string(m.Data) <= last[m.Group] {
						t.Errorf("%s after %s", m.Data, last[m.Group])
					}
					last[m.Group] = string(m.Data)
					if n++; n == senders*each {
						close(done)
					}
					mu.Unlock()
					if err := b.Remove(t.Context(), m.Receipt)[0]; err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
}

// TestDelayWithoutGroup: what the log keeps of a message beside its data has to be
// what the log takes.
func TestDelayWithoutGroup(t *testing.T) {
	withHub(t, func(t *testing.T, h *backlog.Hub) {
		b := h.Backlog("a", backlog.Config{})
		send(t, b, backlog.Item{Data: []byte("x"), Delay: time.Second})
		if got := texts(receive(t, b, 1, time.Minute, 2*time.Second)); !slices.Equal(got, []string{"x"}) {
			t.Errorf("received %q", got)
		}
	})
}
