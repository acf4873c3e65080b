package backlog

import (
	"context"
	"errors"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"pinfold.dev/pinfold/internal/store/log"
)

const (
	// patience is how long a receive waits at most for what was stored just before it.
	patience = time.Second
	// gapWait is how long what was stored waits for what is to be stored before it.
	gapWait = 20 * time.Millisecond
	// maxEarly is how much of that waits; what is more is read from the log.
	maxEarly = 256
	// lookEvery is how often the log is asked whether it has more than is known here: what
	// a process stored in its last moment that owned the log before.
	lookEvery = 5 * time.Second
	// lookAgain is how long a log is left alone that could not be read.
	lookAgain = time.Second
)

// stored takes in what was sent, as far as all before it is here: positions follow
// one another, and who owns the log is alone in sending. So hardly anything is read
// back from the log. What has failed may be stored all the same.
func (h *Hub) stored(entries []log.Entry, stored []log.Stored) {
	now := time.Now()
	h.mu.Lock()
	for i, s := range stored {
		if s.Err != nil {
			h.unsure = true
			continue
		}
		h.acked = max(h.acked, s.Position)
		if s.Position > h.progress && !s.Duplicate && len(h.early) < maxEarly {
			entries[i].Position, entries[i].Time = s.Position, now
			h.early[s.Position] = entries[i]
		}
	}
	h.takeEarly(now)
	if h.acked > h.progress || h.unsure {
		signal(h.doubt)
	}
	h.mu.Unlock()
}

// takeEarly takes in what comes next. h.mu is held.
func (h *Hub) takeEarly(now time.Time) {
	before := h.progress
	for len(h.early) > 0 {
		e, ok := h.early[h.progress+1]
		if !ok {
			break
		}
		delete(h.early, e.Position)
		h.take(&e, now)
	}
	if h.progress > before {
		h.tell()
	}
}

// take takes in an entry. h.mu is held.
func (h *Hub) take(e *log.Entry, now time.Time) {
	b := h.backlogs[e.Subject]
	if b == nil {
		b = &Backlog{hub: h, id: e.Subject}
		h.backlogs[e.Subject] = b
	}
	b.follow(e, now)
	h.progress = e.Position
}

// tell wakes those that wait for progress. h.mu is held.
func (h *Hub) tell() {
	if h.moved != nil {
		close(h.moved)
		h.moved = nil
	}
}

// follow reads what is not known here, until ctx ends.
func (h *Hub) follow(ctx context.Context) {
	look, doubt := time.NewTimer(lookEvery), h.doubt
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		case <-doubt:
			if h.comes(ctx) {
				continue
			}
		}
		again := lookEvery
		doubt = h.doubt
		if err := h.catchUp(ctx); err != nil && ctx.Err() == nil {
			h.log.Error("could not read the log: messages are delivered when it can be read again", "error", err)
			again, doubt = lookAgain, nil
		}
		look.Reset(again)
	}
}

// comes waits for what is to be stored before something that is, as long as more and
// more of it comes. It reports whether all that is known to be stored is here.
func (h *Hub) comes(ctx context.Context) bool {
	pause := time.NewTicker(gapWait)
	defer pause.Stop()
	for last := uint64(math.MaxUint64); ; {
		h.mu.Lock()
		progress, all, unsure := h.progress, h.progress >= h.acked, h.unsure
		h.mu.Unlock()
		if all || unsure || progress == last {
			return all && !unsure
		}
		last = progress
		select {
		case <-pause.C:
		case <-ctx.Done():
			return false
		}
	}
}

// catchUp reads what the log has beyond what is known.
func (h *Hub) catchUp(ctx context.Context) error {
	h.mu.Lock()
	h.unsure = false
	h.mu.Unlock()
	info, err := h.stream.Info(ctx, "")
	if err != nil {
		return err
	}
	h.mu.Lock()
	from := h.progress + 1
	h.mu.Unlock()
	if info.Last < from {
		return nil
	}
	r, err := h.stream.Read(ctx, log.From{Position: from})
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		entries, err := r.Next(ctx, chunk)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		now := time.Now()
		h.mu.Lock()
		for i := range entries {
			h.takeRead(&entries[i], now)
		}
		if err != nil { // all is read: what there is between was removed
			h.pass(info.Last, now)
		}
		h.takeEarly(now)
		h.tell()
		h.mu.Unlock()
		if err != nil {
			return nil
		}
	}
}

// takeRead takes in an entry that was read, unless its sender was faster. h.mu is
// held.
func (h *Hub) takeRead(e *log.Entry, now time.Time) {
	if e.Position <= h.progress {
		return
	}
	h.pass(e.Position-1, now)
	delete(h.early, e.Position)
	h.take(e, now)
}

// pass goes on to a position up to which the log has nothing more. What it had, as
// a sender was told, and has lost since, is here. h.mu is held.
func (h *Hub) pass(position uint64, now time.Time) {
	if position <= h.progress {
		return
	}
	for _, p := range slices.Sorted(maps.Keys(h.early)) {
		if p <= position {
			e := h.early[p]
			delete(h.early, p)
			h.take(&e, now)
		}
	}
	h.progress = position
}

// caughtUp waits until everything is in its backlog that a sender knows to be
// stored by now.
func (h *Hub) caughtUp(ctx context.Context) {
	h.mu.Lock()
	wanted := h.acked
	h.mu.Unlock()
	var late <-chan time.Time // what was removed in between is never seen: once is enough
	for {
		h.mu.Lock()
		if max(h.progress, h.vain) >= wanted {
			h.mu.Unlock()
			return
		}
		if h.moved == nil {
			h.moved = make(chan struct{})
		}
		moved := h.moved
		h.mu.Unlock()
		if late == nil {
			timer := time.NewTimer(patience)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-moved:
		case <-late:
			h.mu.Lock()
			h.vain = max(h.vain, wanted)
			h.mu.Unlock()
			return
		case <-ctx.Done():
			return
		case <-h.ctx.Done():
			return
		}
	}
}
