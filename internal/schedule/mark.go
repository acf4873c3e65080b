package schedule

import (
	"context"
	"slices"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// Names among the sequences: the mark, in nanoseconds since 1970; the number of the
// last change of a schedule or rule; and which was the last that had been looked at
// when the mark was written. Rows that have changed since then the mark does not speak
// of: their time may have come in between.
const (
	markName       = "schedule.mark"
	changesName    = "schedule.changes"
	markChangeName = "schedule.mark.change"
)

// The mark is written when nothing is on its way, after some seconds in any case, and
// so often at most. What is sent in between is sent again after a crash, with the same
// ID.
const (
	saveEvery = time.Second
	saveLate  = 5 * time.Second
	saveAgain = 10 * time.Second // after it could not be
)

// readMark returns the mark, and the last change that it speaks of.
func (s *Service) readMark(tx store.Tx) (mark time.Time, change int64, err error) {
	ns, err := s.sequence(tx, markName)
	if err == nil {
		change, err = s.sequence(tx, markChangeName)
	}
	if err != nil || ns == 0 {
		return time.Time{}, 0, err
	}
	return time.Unix(0, ns).UTC(), change, nil
}

// sequence returns a number that is 0 to begin with.
func (s *Service) sequence(tx store.Tx, name string) (int64, error) {
	n, err := tx.Sequences().Get(s.key(name))
	if pinfold.CodeOf(err) == pinfold.NotFound {
		return 0, nil
	}
	return n, err
}

// snapshot is what is written at once: the mark, and what had not been sent by then.
type snapshot struct {
	mark    time.Time
	counted int64 // the last change that had been looked at
	changes []change
	err     error // of writing it
}

// change is what becomes of the row of a series.
type change struct {
	series *series
	ref    ref
	spec   spec
	unsent []pinfold.Unsent
	delete bool
}

// save begins to write the mark, if it is time for that, and returns how long it
// need not be called.
func (k *keeper) save() time.Duration {
	if k.saving || k.news.IsZero() {
		return time.Hour
	}
	at := k.wrote.Add(saveEvery)
	if k.queues.running > 0 {
		at = later(at, k.news.Add(saveLate))
	}
	if wait := time.Until(at); wait > 0 {
		return wait
	}
	k.saving = true
	s := k.snapshot()
	go func() { k.saved <- k.write(k.ctx, s) }()
	return time.Hour
}

func (k *keeper) snapshot() snapshot {
	s := snapshot{mark: k.seen, counted: k.counted}
	for x := range k.touched {
		c := change{series: x, ref: x.ref, spec: x.spec, delete: x.ends && x.ever && x.alarm == nil && len(x.jobs) == 0}
		for _, j := range x.jobs {
			if j.open {
				c.unsent = append(c.unsent, pinfold.Unsent{Due: j.due, Target: j.id, Attempts: j.attempts, First: j.first})
			}
		}
		if c.delete || !slices.EqualFunc(c.unsent, x.noted, sameUnsent) {
			s.changes = append(s.changes, c)
		}
	}
	clear(k.touched)
	k.news = time.Time{}
	return s
}

func sameUnsent(a, b pinfold.Unsent) bool {
	return a.Due.Equal(b.Due) && a.Target == b.Target && a.Attempts == b.Attempts
}

func (k *keeper) write(ctx context.Context, s snapshot) snapshot {
	s.err = k.o.Store.Update(ctx, func(tx store.Tx) error {
		for _, c := range s.changes {
			r, err := k.row(tx, c.ref)
			if pinfold.CodeOf(err) == pinfold.NotFound {
				continue
			} else if err != nil {
				return err
			}
			if err := k.apply(tx, r, c); err != nil {
				return err
			}
		}
		if err := tx.Sequences().Put(k.key(markChangeName), s.counted); err != nil {
			return err
		}
		return tx.Sequences().Put(k.key(markName), s.mark.UnixNano())
	})
	return s
}

func (k *keeper) apply(tx store.Tx, r row, c change) error {
	if c.delete && r.schedule.DeleteAfter && !r.disabled() && r.spec() == c.spec {
		tx.AfterCommit(func() { k.shared.changed(0, []ref{c.ref}) })
		return tx.Schedules().Delete(k.key(c.ref.group, c.ref.name))
	}
	*r.unsent() = c.unsent
	return r.put(k.Service, tx)
}

// settle remembers what was written.
func (k *keeper) settle(s snapshot) {
	k.saving = false
	k.wrote = time.Now()
	for _, c := range s.changes {
		if s.err == nil {
			c.series.noted = c.unsent
		} else if k.series[c.ref] == c.series {
			k.touch(c.series)
		}
	}
	if s.err == nil {
		return
	}
	k.tell()
	k.wrote = k.wrote.Add(saveAgain)
	if k.ctx.Err() == nil {
		k.o.Log.Error("which schedules have been kept cannot be written; it is tried again", "error", s.err)
	}
}
