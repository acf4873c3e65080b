package queue_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/queue"
	"pinfold.dev/pinfold/internal/store/log"
)

// faulty is a log of which one stream can be full, or slow.
type faulty struct {
	log.Log
	name string
	full *atomic.Bool
	slow time.Duration
}

func (f faulty) Stream(ctx context.Context, name string, limits log.Limits) (log.Stream, error) {
	s, err := f.Log.Stream(ctx, name, limits)
	if name != f.name {
		return s, err
	}
	return faultyStream{s, f}, err
}

type faultyStream struct {
	log.Stream
	faulty
}

func (f faultyStream) Append(ctx context.Context, entries ...log.Entry) []log.Stored {
	time.Sleep(f.slow)
	if !f.full.Load() {
		return f.Stream.Append(ctx, entries...)
	}
	all := make([]log.Stored, len(entries))
	for i := range all {
		all[i].Err = pinfold.Errorf(pinfold.Unavailable, "the disk is full")
	}
	return all
}

// TestFullLog: what could not be stored is not acknowledged, and is sent once when
// there is room, however far it had come, also after a restart.
func TestFullLog(t *testing.T) {
	for _, stream := range []string{"messages", "sqs-recent"} {
		for _, removed := range []bool{false, true} {
			inHouse(t, func(h *house) {
				q, full := h.create("q.fifo", "FifoQueue", "true"), new(atomic.Bool)
				h.wrap = func(l log.Log) log.Log { return faulty{Log: l, name: stream, full: full} }
				h.restart()
				m := queue.Message{Body: "x", Group: "g", Deduplication: "d"}
				full.Store(true)
				for range 2 {
					if _, err := h.Send(h.ctx(), q, &m); pinfold.CodeOf(err) != pinfold.Unavailable {
						t.Fatalf("full: %v", err)
					}
				}
				full.Store(false)
				if removed { // what was not acknowledged may have come through all the same
					h.remove(q, h.receive(q, queue.ReceiveOptions{})...)
				} else {
					h.restart()
				}
				first := h.send(q, m)
				if again := h.send(q, m); again != first {
					t.Errorf("sent again: %+v, at first %+v", again, first)
				}
				got := h.receive(q, queue.ReceiveOptions{})
				if want := !removed || stream == "messages"; len(got) == 1 != want {
					t.Errorf("%s full, removed %t: received %+v", stream, removed, got)
				}
				if len(got) == 1 && got[0].ID != first.ID {
					t.Errorf("received %s, sent %s", got[0].ID, first.ID)
				}
			})
		}
	}
}

// TestSentAtTheSameTime: one of several that send the same does, and all are told so.
func TestSentAtTheSameTime(t *testing.T) {
	inHouse(t, func(h *house) {
		h.wrap = func(l log.Log) log.Log {
			return faulty{Log: l, name: "messages", full: new(atomic.Bool), slow: time.Second}
		}
		h.restart()
		q := h.create("q.fifo", "FifoQueue", "true")
		results := make(chan queue.Sent, 5)
		for range cap(results) {
			go func() { results <- h.send(q, queue.Message{Body: "x", Group: "g", Deduplication: "d"}) }()
		}
		synctest.Wait()
		leaving, leave := context.WithCancel(h.ctx())
		leave()
		if _, err := h.Send(leaving, q, &queue.Message{Body: "x", Group: "g", Deduplication: "d"}); err == nil {
			t.Error("one who left was told that it was sent")
		}
		first := <-results
		for range cap(results) - 1 {
			if other := <-results; other != first {
				t.Errorf("%+v and %+v", first, other)
			}
		}
		h.want(q, "x")
	})
}

// TestCrossedBatches: two batches that have the same messages in opposite order do
// not wait for each other.
func TestCrossedBatches(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q.fifo", "FifoQueue", "true")
		for round := range 50 {
			var there []*queue.Message
			for i := range 10 {
				there = append(there, &queue.Message{Body: "x", Group: fmt.Sprint(i), Deduplication: fmt.Sprintf("%d-%d", round, i)})
			}
			back := slices.Clone(there)
			slices.Reverse(back)
			var all sync.WaitGroup
			for _, batch := range [][]*queue.Message{there, back} {
				all.Go(func() {
					results, err := h.SendBatch(h.ctx(), q, batch)
					if err != nil {
						t.Error(err)
					}
					for _, r := range results {
						if r.Err != nil {
							t.Error(r.Err)
						}
					}
				})
			}
			all.Wait()
		}
		if c, _ := h.Counts(q); c.Visible != 500 {
			t.Errorf("%d messages, want 500", c.Visible)
		}
	})
}
