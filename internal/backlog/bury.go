package backlog

import (
	"context"
	"math"
	"slices"
	"time"

	"pinfold.dev/pinfold/internal/store/log"
)

// grave is what of a backlog is dead.
type grave struct {
	backlog *Backlog
	end     uint64   // all messages of the backlog before it are dead; 0: nothing is known of others
	front   []corpse // that may go
	holes   []corpse // behind messages that are alive
}

// undertake has what is removed leave the log, until ctx ends.
func (r *removals) undertake(ctx context.Context) {
	soon := time.NewTimer(0)
	defer soon.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.died:
		}
		soon.Reset(buryEvery)
		select {
		case <-ctx.Done():
			return
		case <-soon.C:
		case <-r.many:
		}
		if err := r.bury(ctx, false); err != nil && ctx.Err() == nil {
			r.log.Warn("messages that were removed are still in the log: they leave it when that works again", "error", err)
			signal(r.died)
		}
	}
}

// bury has the dead leave the log: those in front of their backlogs, and all if there
// are many or it is asked for; and then the records of them.
func (r *removals) bury(ctx context.Context, all bool) error {
	r.mu.Lock()
	written, pending, graves := r.written, r.pending, r.graves
	r.fresh, r.graves = toll{}, map[*Backlog]bool{}
	r.mu.Unlock()
	if len(graves) == 0 && pending == 0 {
		return nil
	}
	r.hub.mu.Lock()
	progress := r.hub.progress
	r.hub.mu.Unlock()
	var dug []grave
	var left toll
	for b := range graves {
		g := b.dig(progress)
		for _, c := range g.holes {
			left.add(toll{1, c.bytes})
		}
		dug = append(dug, g)
	}
	all = all || pending > r.limits.dead || left.bytes > maxDeadBytes
	err := r.carryOut(ctx, dug, progress, all)
	gone := true
	for _, g := range dug {
		switch {
		case err != nil:
			g.backlog.undig(append(g.front, g.holes...))
		case all || len(g.holes) == 0:
			continue
		default:
			g.backlog.undig(g.holes)
		}
		gone = false
		r.mu.Lock()
		r.graves[g.backlog] = true
		r.mu.Unlock()
	}
	if !gone {
		return err
	}
	if err := r.records.Purge(ctx, recordSubject, written+1); err != nil {
		return err
	}
	r.mu.Lock()
	r.pending -= pending
	r.mu.Unlock()
	return nil
}

// carryOut removes the dead from the log, holes among them if they are to go, too.
func (r *removals) carryOut(ctx context.Context, dug []grave, progress uint64, holes bool) error {
	front := r.front(dug, progress)
	if front > 0 {
		if err := r.hub.stream.Purge(ctx, "", front); err != nil {
			return err
		}
	}
	var single []uint64
	for _, g := range dug {
		left := slices.DeleteFunc(slices.Clone(g.front), func(c corpse) bool { return c.position < front })
		if len(left) < worthPurge || g.end == 0 {
			single = appendPositions(single, left)
		} else if err := r.hub.stream.Purge(ctx, g.backlog.id, g.end); err != nil {
			return err
		}
		if holes {
			single = appendPositions(single, g.holes)
		}
	}
	return removeAll(ctx, r.hub.stream, single)
}

// front returns up to where the front of the log should go at once, whatever backlogs
// that is of: where it costs less than these.
func (r *removals) front(dug []grave, progress uint64) uint64 {
	if len(dug)*worthPurge < r.limits.front {
		return 0
	}
	front, costs := r.hub.front(progress), 0
	for _, g := range dug {
		n := 0
		for _, c := range g.front {
			if c.position < front {
				n++
			}
		}
		costs += min(n, worthPurge)
	}
	if costs < r.limits.front {
		return 0
	}
	return front
}

func appendPositions(positions []uint64, dead []corpse) []uint64 {
	for _, c := range dead {
		positions = append(positions, c.position)
	}
	return positions
}

// removeAll removes entries, not so many at a time that others have to wait.
func removeAll(ctx context.Context, s log.Stream, positions []uint64) error {
	for some := range slices.Chunk(positions, chunk) {
		if err := s.Remove(ctx, some...); err != nil {
			return err
		}
	}
	return nil
}

// dig takes the dead out of a backlog. What the hub has not followed yet it is to see
// before that goes: it counts what it sees.
func (b *Backlog) dig(progress uint64) grave {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := grave{backlog: b, end: min(b.alive(), progress+1)}
	if b.dropped {
		g.end = 0 // beyond may be those of another one with its id
	}
	for _, c := range b.dead {
		if c.position < g.end || b.dropped {
			g.front = append(g.front, c)
		} else {
			g.holes = append(g.holes, c)
		}
	}
	b.dead = nil
	return g
}

// front returns up to where everything in the log is dead, of what the hub has
// followed up to progress.
func (h *Hub) front(progress uint64) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	front := progress + 1
	for _, b := range h.backlogs {
		b.mu.Lock()
		front = min(front, b.alive())
		b.mu.Unlock()
	}
	return front
}

// alive returns the first position at which the backlog may have a message. b.mu is
// held.
func (b *Backlog) alive() uint64 {
	if b.window != nil {
		if m := b.window.oldest(); m != nil {
			return m.position
		}
	}
	if b.behind {
		return b.floor + 1
	}
	return math.MaxUint64
}

// undig gives back what dig took.
func (b *Backlog) undig(dead []corpse) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dead = append(dead, b.dead...)
}
