package backlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"pinfold.dev/pinfold/internal/store/log"
)

// notesKept is for how long notes are kept whose message nobody asks for. A message
// of SQS is kept for 14 days at most.
const notesKept = 15 * 24 * time.Hour

// journal writes down what is not in the log of a message: how often it was
// received, and until when it is out of sight. That is done off the way of those who
// receive, and of messages that come back or are kept for longer; most are
// removed before.
type journal struct {
	stream log.Stream
	log    *slog.Logger

	mu      sync.Mutex
	pending map[*message]note
	stale   []uint64 // positions of notes in the stream whose message was removed
	kick    chan struct{}
}

// note is what is written down of a message.
type note struct {
	subject  string // of the note
	at       uint64 // where it is in the stream
	receives int
	first    time.Time
	due      time.Time // in flight until then, if that is not over
}

// journaled is where a message's note is; guarded by journal.mu.
type journaled struct {
	at      uint64 // in the stream; 0: it is not there yet
	noted   bool   // it is there, or on its way
	removed bool
}

func newJournal(s log.Stream, l *slog.Logger) *journal {
	return &journal{stream: s, log: l, pending: map[*message]note{}, kick: make(chan struct{}, 1)}
}

// notes are the pages of a backlog in the journal. It implements notebook.
type notes struct {
	*journal
	id string
}

func (n notes) write(m *message) {
	n.mu.Lock()
	m.journal.noted = true
	n.pending[m] = note{subject: n.id + "." + strconv.FormatUint(m.position, 10), receives: m.receives, first: m.first, due: m.due}
	n.mu.Unlock()
	n.wake()
}

func (n notes) correct(m *message) {
	n.mu.Lock()
	noted := m.journal.noted
	n.mu.Unlock()
	if noted {
		n.write(m)
	}
}

// forget drops the note of a message that was removed.
func (j *journal) forget(m *message) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.pending, m)
	m.journal.removed = true
	if m.journal.at != 0 {
		j.stale = append(j.stale, m.journal.at)
		j.wake()
	}
}

func (j *journal) wake() {
	select {
	case j.kick <- struct{}{}:
	default:
	}
}

// run writes until ctx ends.
func (j *journal) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.kick:
		}
		if err := j.flush(ctx); err != nil && ctx.Err() == nil {
			j.log.Warn("could not write down how often messages were received: after a crash they are counted from an earlier number", "error", err)
		}
	}
}

// flushTimeout is how long it may take to write notes down.
const flushTimeout = 5 * time.Second

// flush writes what is pending, though ctx may end: also what is in flight at a stop
// is written down. What cannot be written is not tried again.
func (j *journal) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	j.mu.Lock()
	pending, stale := j.pending, j.stale
	j.pending, j.stale = map[*message]note{}, nil
	j.mu.Unlock()
	entries := make([]log.Entry, 0, len(pending))
	of := make([]*message, 0, len(pending))
	for m, n := range pending {
		entries, of = append(entries, log.Entry{Subject: n.subject, Meta: n.String()}), append(of, m)
	}
	var errs []error
	for i, s := range j.stream.Append(ctx, entries...) {
		if s.Err != nil {
			errs = append(errs[:0], s.Err)
			continue
		}
		j.mu.Lock()
		if of[i].journal.at = s.Position; of[i].journal.removed {
			stale = append(stale, s.Position)
		}
		j.mu.Unlock()
	}
	if len(stale) > 0 {
		errs = append(errs, j.stream.Remove(ctx, stale...))
	}
	return errors.Join(errs...)
}

// read returns what was written down of a backlog's messages, by their positions.
func (j *journal) read(ctx context.Context, id string) (map[uint64]note, error) {
	r, err := j.stream.Read(ctx, log.From{Subjects: id + ".*"})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	notes := map[uint64]note{}
	for {
		entries, err := r.Next(ctx, chunk)
		for _, e := range entries {
			position, err := strconv.ParseUint(e.Subject[strings.LastIndexByte(e.Subject, '.')+1:], 10, 64)
			if n, ok := parseNote(e.Meta); ok && err == nil {
				n.at = e.Position
				notes[position] = n
			}
		}
		if errors.Is(err, io.EOF) {
			return notes, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (n note) String() string {
	return fmt.Sprintf("%d %d %d", n.receives, milli(n.first), milli(n.due))
}

func parseNote(s string) (note, bool) {
	var n note
	var first, due int64
	if _, err := fmt.Sscanf(s, "%d %d %d", &n.receives, &first, &due); err != nil || n.receives < 0 {
		return note{}, false
	}
	if first != 0 {
		n.first = time.UnixMilli(first)
	}
	if due != 0 {
		n.due = time.UnixMilli(due)
	}
	return n, true
}

func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// restore gives a message what was written down of it.
func (n note) restore(m *message) {
	m.receives, m.first, m.journal = n.receives, n.first, journaled{at: n.at, noted: true}
	if !n.due.IsZero() {
		m.due = n.due
		if n.receives > 0 {
			m.state = InFlight
		}
	}
}
