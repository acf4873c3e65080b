package backlog

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"pinfold.dev/pinfold/internal/store/log"
)

const (
	// buryEvery is how long what was removed stays in the log, unless an older message
	// of its backlog is still there.
	buryEvery = time.Second
	// buryAt and buryAtBytes are after how many removed messages, or bytes of them, they
	// go sooner: a step of a purge, and a file of the log.
	buryAt, buryAtBytes = 1024, 8 << 20
	// maxDead and maxDeadBytes are how much of what was removed may stay because older
	// messages are still there. After a crash so many are looked at.
	maxDead, maxDeadBytes = 16 << 10, 64 << 20
	// worthPurge is from how many on messages of a backlog are purged: that costs what
	// removing some one by one does.
	worthPurge = 8
	// worthFront is likewise for the front of the log: what it costs to remove so many.
	worthFront = 128
	// maxGroup is how many positions are written down at once, but for those of one call.
	maxGroup = 4096
)

// removals remove messages. One is removed when that is written down, with all others
// of the moment in one entry of a stream of its own. It leaves the log later, in the
// background, with all up to the oldest message of its backlog at once: removing each
// when it is due costs ten times as much. What a crash leaves is carried out before
// another hub looks at the log.
type removals struct {
	hub     *Hub
	log     *slog.Logger
	records log.Stream
	limits  limits
	kick    chan struct{} // something waits to be written down
	died    chan struct{} // something is dead: removed, and still in the log
	many    chan struct{} // and it is much

	mu      sync.Mutex
	waiting []*removal
	closed  bool
	written uint64 // position of the last record; its messages are in the dead of their backlogs
	pending int    // messages in the records that are there
	fresh   toll   // since the dead were looked at
	graves  map[*Backlog]bool
}

// limits are buryAt, maxDead and worthFront, but for tests.
type limits struct{ bury, dead, front int }

// removal is a call that waits.
type removal struct {
	backlog   *Backlog
	positions []uint64 // ascending
	done      chan error
}

// corpse is a dead message.
type corpse struct {
	position uint64
	bytes    int
}

// toll is how many are dead, and of how many bytes.
type toll struct{ messages, bytes int }

func (t *toll) add(other toll) {
	t.messages += other.messages
	t.bytes += other.bytes
}

func newRemovals(h *Hub, records log.Stream) *removals {
	return &removals{
		hub: h, log: h.log, records: records, limits: limits{buryAt, maxDead, worthFront}, graves: map[*Backlog]bool{},
		kick: make(chan struct{}, 1), died: make(chan struct{}, 1), many: make(chan struct{}, 1),
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// remove removes messages of a backlog for good. Where ctx ends it, it is not known
// whether they are.
func (r *removals) remove(ctx context.Context, b *Backlog, positions []uint64) error {
	slices.Sort(positions)
	w := &removal{b, positions, make(chan error, 1)}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return r.removeNow(ctx, []*removal{w})
	}
	r.waiting = append(r.waiting, w)
	r.mu.Unlock()
	signal(r.kick)
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write writes removals down until ctx ends.
func (r *removals) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.kick:
			r.writeWaiting(ctx)
		}
	}
}

// writeWaiting writes down what waits. What fails because ctx ends waits on.
func (r *removals) writeWaiting(ctx context.Context) {
	for {
		group, record := r.next()
		if len(group) == 0 {
			return
		}
		// What cannot be written down is removed at once: whoever makes room on a full
		// disk must not need some first.
		var err error
		if !record || !r.record(ctx, group) {
			err = r.removeNow(ctx, group)
		}
		if err != nil && ctx.Err() != nil {
			r.mu.Lock()
			r.waiting = append(group, r.waiting...)
			r.mu.Unlock()
			return
		}
		for _, w := range group {
			w.done <- err
		}
	}
}

// next returns calls that wait, and whether they may be written down.
func (r *removals) next() (group []*removal, record bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, positions := 0, 0
	for n < len(r.waiting) && positions < maxGroup {
		positions += len(r.waiting[n].positions)
		n++
	}
	group = r.waiting[:n:n]
	if r.waiting = r.waiting[n:]; len(r.waiting) == 0 {
		r.waiting = nil
	}
	return group, r.pending < 2*r.limits.dead
}

// record writes removals down. It reports whether it could.
func (r *removals) record(ctx context.Context, group []*removal) bool {
	var data []byte
	n := 0
	for _, w := range group {
		data = removed{w.backlog.id, w.positions}.append(data)
		n += len(w.positions)
	}
	stored := r.records.Append(ctx, log.Entry{Subject: recordSubject, Data: data})[0]
	if stored.Err != nil {
		return false
	}
	var fresh toll
	for _, w := range group {
		fresh.add(w.backlog.forget(true, w.positions...))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range group {
		r.graves[w.backlog] = true
	}
	r.written = stored.Position
	r.pending += n
	r.fresh.add(fresh)
	signal(r.died)
	if r.fresh.messages >= r.limits.bury || r.fresh.bytes >= buryAtBytes {
		signal(r.many)
	}
	return true
}

// removeNow removes messages from the log.
func (r *removals) removeNow(ctx context.Context, group []*removal) error {
	var positions []uint64
	for _, w := range group {
		positions = append(positions, w.positions...)
	}
	if err := r.hub.stream.Remove(ctx, positions...); err != nil {
		return err
	}
	for _, w := range group {
		w.backlog.forget(false, w.positions...)
	}
	return nil
}

// close writes down what waits, and has the log rid of all that was removed. What is
// removed from now on is so at once.
func (r *removals) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.writeWaiting(ctx)
	r.mu.Lock()
	for _, w := range r.waiting {
		w.done <- ctx.Err()
	}
	r.waiting = nil
	r.mu.Unlock()
	return r.bury(ctx, true)
}
