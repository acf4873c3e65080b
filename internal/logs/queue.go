package logs

import (
	"cmp"
	"slices"
	"time"

	"pinfold.dev/pinfold"
)

const (
	maxWaiting = 32 << 20 // how much may wait to be written, in bytes
	maxSpare   = 2 << 20  // how much memory of batches is kept to be used again
	// easy is how much of a function may wait before [Source.Wait] does: 1/easy of
	// all that may wait, or of what room is left.
	easy = 32
	// burst is for how long a function may be above [Config.FunctionRate], after it
	// has been idle.
	burst = time.Second
)

// share is how much waits. That of a function may be as much as there is room
// left: one that floods gets half of all, and others find room as if there were
// none.
type share struct{ lines, bytes int }

// queue is where a function's lines wait. Store.mu guards it.
type queue struct {
	ref   pinfold.FunctionRef // unqualified
	group GroupRef
	batch *batch        // nil if nothing waits
	room  chan struct{} // closed when the batch is taken; nil if nobody waits for it
	until time.Time     // when what it has written is paid for, at FunctionRate
}

// batch is lines of one function, ready to be written. It holds no pointers to
// them: the garbage collector has nothing to do with lines that wait.
type batch struct {
	queue *queue
	text  []byte // records
	lines []entry
	mixed bool // they are not in order
	lost  int  // lines that found no room
}

// entry is one line's place in a batch.
type entry struct {
	at       int64 // in nanoseconds since 1970
	from, to uint32
}

// queueKey is what lines have in common that wait together.
type queueKey struct {
	ref   pinfold.FunctionRef
	group GroupRef
}

// queue returns a function's queue. The caller holds mu.
func (s *Store) queue(ref pinfold.FunctionRef, group GroupRef) *queue {
	key := queueKey{ref, group}
	q := s.queues[key]
	if q == nil {
		q = &queue{ref: ref, group: group}
		s.queues[key] = q
	}
	return q
}

// wait lets a line, encoded as text, wait to be written if there is room. line
// returns it for followers. The caller holds mu.
func (s *Store) wait(q *queue, at time.Time, text []byte, line func() kept) {
	if s.closing {
		return
	}
	b := q.batch
	if b == nil {
		b = s.newBatch(q)
	}
	if len(b.lines) >= s.config.BufferLines-s.total.lines || len(b.text) > maxWaiting-s.total.bytes {
		b.lost++
		s.dropped.Add(1)
	} else {
		b.add(at, text)
		s.total.lines++
		s.total.bytes += len(text)
		if s.following > 0 {
			s.followed = append(s.followed, line())
		}
	}
	if s.idle || s.urgent() {
		s.idle = false
		s.nudge()
	}
}

// room returns nil if a function has room for more, or what is closed when it
// is worth asking again. The caller holds mu.
func (s *Store) room(q *queue) <-chan struct{} {
	b := q.batch
	if b == nil || s.closing {
		return nil
	}
	if len(b.lines) < max(1, (s.config.BufferLines-s.total.lines)/easy) && len(b.text) < max(1, (maxWaiting-s.total.bytes)/easy) {
		return nil
	}
	if q.room == nil {
		q.room = make(chan struct{})
		s.idle = false
		s.nudge()
	}
	return q.room
}

// taken says that a queue's batch is on its way to the disk. The caller holds mu.
func (s *Store) taken(q *queue, now time.Time) {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
	if earliest := now.Add(-burst); q.until.Before(earliest) {
		q.until = earliest
	}
	q.until = q.until.Add(time.Duration(len(q.batch.text)) * time.Second / time.Duration(s.config.FunctionRate))
	q.batch = nil
}

// urgent reports whether so much waits that the writer shall not rest any more.
func (s *Store) urgent() bool {
	lines := s.config.BufferLines
	if s.following > 0 {
		lines = min(lines, s.config.FollowLines)
	}
	return s.total.lines >= lines/4 || s.total.bytes >= maxWaiting/32
}

func (s *Store) newBatch(q *queue) *batch {
	b := new(batch)
	if last := len(s.spare) - 1; last >= 0 {
		b = s.spare[last]
		s.spare = s.spare[:last]
	}
	b.queue, q.batch = q, b
	s.waiting = append(s.waiting, b)
	return b
}

// reuse keeps batches that are written for others, within bounds. The caller
// holds mu.
func (s *Store) reuse(batches []*batch) {
	room := maxSpare
	for _, b := range s.spare {
		room -= cap(b.text)
	}
	for _, b := range batches {
		if cap(b.text) <= room {
			room -= cap(b.text)
			*b = batch{text: b.text[:0], lines: b.lines[:0]}
			s.spare = append(s.spare, b)
		}
	}
}

func (b *batch) add(at time.Time, text []byte) {
	e := entry{at.UnixNano(), uint32(len(b.text)), uint32(len(b.text) + len(text))}
	b.mixed = b.mixed || len(b.lines) > 0 && e.at < b.lines[len(b.lines)-1].at
	b.text = append(b.text, text...)
	b.lines = append(b.lines, e)
}

// ordered returns a batch's text in the order of time, in buf if it has to be
// put in order: instances write at the same time.
func (b *batch) ordered(buf []byte) []byte {
	if !b.mixed {
		return b.text
	}
	slices.SortFunc(b.lines, func(x, y entry) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.from, y.from)) })
	buf = buf[:0]
	for _, e := range b.lines {
		buf = append(buf, b.text[e.from:e.to]...)
	}
	return buf
}
