package record

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"
)

// Trim implements [pinfold.RecordStore]. No record older than before is found any
// more, until a Trim with an earlier one; a segment goes from the disk when all of it is older. Then the oldest
// segments go, in the order in which they came, until no more than so many bytes
// are there; 0 and less is no bound. What is old and still there is found again
// after a restart, until the next Trim: begin with one.
func (s *Store) Trim(ctx context.Context, before time.Time, bytes int64) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed {
		return errClosed()
	}
	err := s.trimAge(ctx, nanos(before))
	if bytes > 0 {
		err = cmp.Or(err, s.trimSize(ctx, bytes))
	}
	return failed(err, "trim the records in %s", s.config.Dir)
}

// trimAge seals a journal that has something old in it, so that no segment spans
// much more than what is kept, and removes what is old as a whole.
func (s *Store) trimAge(ctx context.Context, before int64) error {
	s.mu.Lock()
	s.floor = before
	s.mu.Unlock()
	var unsealed error // on a disk that is full: what follows makes room
	if j := s.journal; j != nil && j.rows > 0 && j.min < before {
		unsealed = s.seal()
	}
	ages := s.ages(nanos(time.Now()))
	for i, g := range slices.Clone(s.segments) {
		if ages[i] >= before {
			continue
		}
		if err := errors.Join(ctx.Err(), s.remove(g)); err != nil {
			return err
		}
	}
	return unsealed
}

// ages returns for each segment when its newest record came. If that is still to
// be, the clock was wrong, and it is taken to have come right after those before
// it.
func (s *Store) ages(now int64) []int64 {
	ages := make([]int64, len(s.segments))
	last := now
	for _, g := range s.segments {
		if g.max <= now {
			last = g.min
			break
		}
	}
	for i, g := range s.segments {
		if g.max <= now {
			last = g.max
		} else if g.min <= now {
			last = max(last, g.min)
		}
		ages[i] = last
	}
	return ages
}

func (s *Store) trimSize(ctx context.Context, bytes int64) error {
	for s.size() > bytes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(s.segments) > 0 {
			if err := s.remove(s.segments[0]); err != nil {
				return err
			}
		} else if s.journal.rows == 0 {
			return nil
		} else if err := s.seal(); err != nil {
			return err
		}
	}
	return nil
}

// size returns how many bytes the store has on disk.
func (s *Store) size() (sum int64) {
	if s.journal != nil {
		sum = s.journal.size
	}
	for _, g := range s.segments {
		sum += g.size
	}
	return sum
}

// remove deletes a segment.
func (s *Store) remove(g *segment) error {
	if err := os.Remove(g.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = slices.DeleteFunc(slices.Clone(s.segments), func(other *segment) bool { return other == g })
	return nil
}
