package logs

import (
	"slices"
	"time"
)

const (
	// The writer rests between batches, for a wake-up costs more than to write a
	// few lines. It rests for four times as long as it worked, within these
	// bounds: a follower does not notice the longest.
	minRest, maxRest = 10 * time.Millisecond, 40 * time.Millisecond
	// briskly is how many batches may go without a rest when little was to be
	// done before.
	briskly = 32
)

// round is what the writer takes over at once.
type round struct {
	batches  []*batch
	followed []kept
	flushes  []chan struct{}
	closing  bool
}

// write is the goroutine that owns the files.
func (s *Store) write() {
	defer close(s.done)
	var r round
	var pace pace
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		if !s.take(&r) {
			<-s.wake
			continue
		}
		began := time.Now()
		s.keep(&r)
		if s.config.Wrote != nil && len(r.batches) > 0 {
			s.config.Wrote(time.Since(began))
		}
		for _, written := range r.flushes {
			close(written)
		}
		if r.closing {
			return
		}
		if d := pace.rest(began, time.Now()); d > 0 {
			rest.Reset(d)
			select {
			case <-rest.C:
			case <-s.wake: // much has come, or somebody waits
			}
		}
	}
}

// take moves what waits to r, and takes back what r had. It reports false if
// there was nothing: then the next line wakes the writer.
func (s *Store) take(r *round) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reuse(r.batches)
	clear(r.batches)
	clear(r.followed)
	s.waiting, r.batches = r.batches[:0], s.waiting
	s.followed, r.followed = r.followed[:0], s.followed
	r.flushes, s.flushes = s.flushes, nil
	if s.following == 0 {
		s.followed = nil
	}
	r.closing = s.closing
	now := time.Now()
	for _, b := range r.batches {
		s.taken(b.queue, now)
	}
	s.total = share{}
	s.idle = len(r.batches) == 0 && len(r.flushes) == 0 && !r.closing
	return !s.idle
}

// pace says how long the writer rests. Rest that it did not take is saved up,
// for [briskly] batches.
type pace struct{ due time.Time }

// rest returns how long to rest after work that began and ended then.
func (p *pace) rest(began, ended time.Time) time.Duration {
	worked := ended.Sub(began)
	each := min(max(4*worked, minRest), maxRest)
	p.due = p.due.Add(worked + each)
	if earliest := ended.Add(-(briskly - 1) * each); p.due.Before(earliest) {
		p.due = earliest
	}
	if latest := ended.Add(each); p.due.After(latest) {
		p.due = latest
	}
	return p.due.Sub(ended)
}

// keep appends what was taken to its groups and hands it to who follows.
func (s *Store) keep(r *round) {
	s.files.Lock()
	defer s.files.Unlock()
	var failed error
	for _, b := range r.batches {
		if b.lost > 0 {
			line := gap(b.queue.ref, b.lost, "they came faster than they could be written")
			b.add(line.Time, encodeGap(&line))
			r.followed = append(r.followed, kept{line, b.queue.group, ""})
		}
		text := b.ordered(s.sorted)
		if b.mixed && cap(text) <= maxSpare {
			s.sorted = text
		}
		if err := s.group(b.queue.group).write(b.queue.ref, text, len(b.lines)); err != nil {
			failed = err
		}
	}
	if failed != nil && !s.failing {
		s.config.Log.Error("logs cannot be kept; lines are lost until this is mended", "error", failed)
	}
	s.failing = failed != nil
	slices.SortStableFunc(r.followed, func(a, b kept) int { return a.Time.Compare(b.Time) })
	for i := range r.followed {
		s.offer(&r.followed[i])
	}
}

// offer hands a line to everybody who follows. The caller holds files.
func (s *Store) offer(line *kept) {
	for f := range s.followers {
		f.offer(line)
	}
}
