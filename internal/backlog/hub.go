package backlog

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold/internal/store/log"
)

// maxCached is how many bytes of messages are in memory at most, of all backlogs
// together; what is beyond is read when it is received.
const maxCached = 64 << 20

// dedup is for how long a second message with the same id is dropped. Source:
// "Exactly-once processing in Amazon SQS", SQS developer guide.
const dedup = 5 * time.Minute

// Options is what a Hub needs.
type Options struct {
	Log    log.Log
	Logger *slog.Logger
}

// Hub has all backlogs of a platform.
type Hub struct {
	log      *slog.Logger
	stream   log.Stream
	journal  *journal
	removals *removals
	ctx      context.Context
	cancel   context.CancelFunc
	owned    sync.WaitGroup // of the goroutines
	bytes    atomic.Int64   // of messages in memory
	doubt    chan struct{}  // the log may have what is not known here

	mu       sync.Mutex
	backlogs map[string]*Backlog
	progress uint64               // what the log has is known up to there
	early    map[uint64]log.Entry // what is stored beyond that
	acked    uint64               // highest position that a sender was told of
	unsure   bool                 // whether all is known that is stored
	vain     uint64               // up to there it was waited for long enough
	moved    chan struct{}        // closed when progress moves on; nil: nobody waits for it
}

// Open opens the backlogs that are in a log.
func Open(ctx context.Context, o Options) (*Hub, error) {
	notes, err := o.Log.Stream(ctx, "receives", log.Limits{Age: notesKept, PerSubject: 1})
	if err != nil {
		return nil, err
	}
	h := &Hub{log: o.Logger, journal: newJournal(notes, o.Logger), doubt: make(chan struct{}, 1), backlogs: map[string]*Backlog{}, early: map[uint64]log.Entry{}}
	if h.stream, err = o.Log.Stream(ctx, "messages", log.Limits{Dedup: dedup}); err != nil {
		return nil, err
	}
	records, err := o.Log.Stream(ctx, "removals", log.Limits{})
	if err != nil {
		return nil, err
	}
	h.removals = newRemovals(h, records)
	if err := h.removals.replay(ctx); err != nil {
		return nil, err
	}
	info, err := h.stream.Info(ctx, ">")
	if err != nil {
		return nil, err
	}
	for id, n := range info.Subjects {
		h.backlogs[id] = &Backlog{hub: h, id: id, total: int(n), counted: info.Last, seen: info.Last, behind: true}
	}
	h.progress = info.Last
	h.ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	h.owned.Go(func() { h.follow(h.ctx) })
	h.owned.Go(func() { h.journal.run(h.ctx) })
	h.owned.Go(func() { h.removals.write(h.ctx) })
	h.owned.Go(func() { h.removals.undertake(h.ctx) })
	return h, nil
}

// Close ends all that wait, and writes down what is in flight. The log stays open.
func (h *Hub) Close() error {
	h.cancel()
	h.owned.Wait()
	err := h.removals.close(h.ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range h.backlogs {
		b.close()
	}
	return errors.Join(err, h.journal.flush(h.ctx))
}

func (b *Backlog) close() {
	b.loading.Lock()
	b.closeReader()
	b.loading.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.window == nil {
		return
	}
	for _, m := range b.window.messages {
		if m.state == InFlight {
			b.window.notes.write(m)
		}
	}
	if b.alarm != nil {
		b.alarm.Stop()
	}
}

// Backlog returns the backlog of an id, which is tokens of ASCII letters, digits,
// "-" and "_", joined by dots. It is the same one for the same id until that is
// dropped.
func (h *Hub) Backlog(id string, c Config) *Backlog {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.backlogs[id]
	if b == nil {
		b = &Backlog{hub: h, id: id}
		h.backlogs[id] = b
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.window == nil {
		b.window = newWindow(c.FIFO, notes{h.journal, id})
	}
	return b
}

// IDs returns the ids that begin with a prefix and have messages, with how many.
func (h *Hub) IDs(prefix string) map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := map[string]int{}
	for id, b := range h.backlogs {
		if strings.HasPrefix(id, prefix) {
			b.mu.Lock()
			if b.total > 0 {
				ids[id] = b.total
			}
			b.mu.Unlock()
		}
	}
	return ids
}

// Drop removes all messages of a backlog. Whoever waits for one there gets none;
// its id may be used again.
func (h *Hub) Drop(ctx context.Context, id string) error {
	info, err := h.stream.Info(ctx, "")
	if err != nil {
		return err
	}
	h.mu.Lock()
	last := max(info.Last, h.progress, h.acked)
	old := h.backlogs[id]
	h.backlogs[id] = &Backlog{hub: h, id: id, counted: last, floor: last, seen: last}
	h.mu.Unlock()
	if old != nil {
		old.drop()
	}
	if err := h.stream.Purge(ctx, id, last+1); err != nil {
		return err
	}
	if old != nil {
		old.dig(0) // it is gone
	}
	return h.journal.stream.Purge(ctx, id+".*", 0)
}

func (b *Backlog) drop() {
	b.loading.Lock()
	b.closeReader()
	b.loading.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropped = true
	if b.window != nil {
		for _, m := range b.window.messages {
			b.hub.cached(-len(m.data))
		}
		b.window = newWindow(b.window.fifo, b.window.notes)
	}
	b.total, b.behind = 0, false
	b.notify(len(b.waiters))
}

// cached counts bytes of messages in memory; it reports false, and does not, if
// these are too many.
func (h *Hub) cached(n int) bool {
	if now := h.bytes.Add(int64(n)); n > 0 && now > maxCached {
		h.bytes.Add(-int64(n))
		return false
	}
	return true
}
