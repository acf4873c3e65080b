package backlog

import (
	"context"
	"errors"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"pinfold.dev/pinfold/internal/store/log"
)

// arrive takes an entry of the log into the window: from the hub, or from a reader.
// b.mu is held.
func (b *Backlog) arrive(e *log.Entry, now time.Time) {
	b.count(e)
	b.floor = e.Position
	if b.unread[e.Position] {
		delete(b.unread, e.Position)
		return
	}
	m := &message{position: e.Position, sent: e.Time, bytes: len(e.Data)}
	delay, group, _ := strings.Cut(e.Meta, " ")
	if ms, err := strconv.ParseInt(delay, 10, 64); err == nil {
		m.due = e.Time.Add(time.Duration(ms) * time.Millisecond)
	}
	if n, ok := b.notes[e.Position]; ok {
		delete(b.notes, e.Position)
		n.restore(m)
	}
	if b.hub.cached(len(e.Data)) {
		m.data = e.Data
	}
	b.window.add(m, group, now)
}

// follow takes an entry from the hub.
func (b *Backlog) follow(e *log.Entry, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = e.Position
	b.count(e)
	if b.behind || e.Position <= b.floor {
		return
	}
	if b.window == nil || b.dropped || b.window.receivable() >= maxReceivable || len(b.window.messages) >= maxWindow {
		b.behind = true // from floor on, which stays
		return
	}
	b.arrive(e, now)
	b.notify(1)
	b.setAlarm()
}

// hungry reports whether more should be read from the log for a receive of up to
// max. b.mu is held.
func (b *Backlog) hungry(max int) bool {
	return b.behind && (b.window.receivable() == 0 || b.window.visible < max) && len(b.window.messages) < maxWindow
}

// load reads from the log until there is something to be had for a receive of as
// many as are wanted, or nothing more to be read.
func (b *Backlog) load(ctx context.Context, wanted int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.hub.ctx, cancel)()
	b.loading.Lock()
	defer b.loading.Unlock()
	for {
		b.mu.Lock()
		hungry, floor, seen := b.hungry(wanted), b.floor, b.seen
		b.mu.Unlock()
		if !hungry {
			return nil
		}
		if b.reader == nil {
			if err := b.open(ctx, floor, seen); err != nil {
				return err
			}
		}
		entries, err := b.reader.Next(ctx, chunk)
		if err != nil {
			b.closeReader()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		b.mu.Lock()
		now := time.Now()
		for i := range entries {
			b.arrive(&entries[i], now)
		}
		if err != nil {
			b.floor = max(b.floor, b.upTo)
			if b.behind = b.seen > b.floor; !b.behind {
				b.total = len(b.window.messages) // servers may have lost some that were counted
				b.notes = nil
				maps.DeleteFunc(b.unread, func(p uint64, _ bool) bool { return p <= b.floor })
			}
		}
		b.setAlarm()
		b.mu.Unlock()
	}
}

// open opens a reader behind floor, and finds what was written down of messages.
func (b *Backlog) open(ctx context.Context, floor, seen uint64) (err error) {
	if floor == 0 && b.notes == nil {
		if b.notes, err = b.hub.journal.read(ctx, b.id); err != nil {
			return err
		}
	}
	b.upTo = seen
	b.reader, err = b.hub.stream.Read(ctx, log.From{Position: floor + 1, Subjects: b.id})
	return err
}

func (b *Backlog) closeReader() {
	if b.reader != nil {
		_ = b.reader.Close() // it has been read
		b.reader = nil
	}
}
