package logs

import (
	"context"
	"iter"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
)

// Follow returns the lines that Query returns, and then those that come, each
// once, until ctx ends or the store is closed. A follower that does not keep up
// gets a line that says how many it has missed, and one that says what could not
// be read. Limit bounds what was there before, not what comes; Until is of no use
// here.
func (s *Store) Follow(ctx context.Context, query Query) iter.Seq2[pinfold.LogLine, error] {
	return func(yield func(pinfold.LogLine, error) bool) {
		query.Until = time.Time{}
		q, err := query.parse()
		if err != nil {
			yield(pinfold.LogLine{}, err)
			return
		}
		f := &follower{wants: func(line *kept) bool { return q.wants(&line.LogLine) }, lines: make(chan kept, s.config.FollowLines)}
		s.follow(ctx, f, func() {
			places, err := s.places(q.wantsGroup)
			s.followers[f] = struct{}{}
			s.files.Unlock()
			if err != nil {
				yield(pinfold.LogLine{}, unreadable(err))
				return
			}
			more := history(ctx, q, places, func(line pinfold.LogLine, err error) bool {
				if err != nil && ctx.Err() == nil {
					line = pinfold.LogLine{Time: time.Now(), System: true, Text: "PINFOLD some log lines are missing: " + err.Error()}
					err = nil
				}
				return yield(line, err)
			})
			if more {
				f.follow(ctx, s.done, func(line kept) bool { return yield(line.LogLine, nil) })
			}
		})
	}
}

// follow calls fn with files locked, which fn unlocks: it sees on disk all that
// was written before, and gets what comes if it registers f before it unlocks. f
// is gone when follow returns.
func (s *Store) follow(ctx context.Context, f *follower, fn func()) {
	count := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.following += n
	}
	// From here on lines are kept for followers. What waits may have begun before,
	// so let it be written.
	count(1)
	defer count(-1)
	if err := s.flush(ctx); err != nil {
		return
	}
	defer func() {
		s.files.Lock()
		defer s.files.Unlock()
		delete(s.followers, f)
	}()
	s.files.Lock()
	fn()
}

// maxBehind is how many bytes of lines a follower may be behind, in any case.
const maxBehind = 16 << 20

// follower is one Follow's place among those that get each line.
type follower struct {
	wants func(*kept) bool
	lines chan kept
	bytes atomic.Int64 // of the texts in lines
	// missed counts the lines that found no room. While it is not zero none is
	// offered, so the gap is in one piece, behind the lines that wait.
	missed atomic.Int64
}

// offer hands over a line, or counts it as missed. It never waits.
func (f *follower) offer(line *kept) {
	line.Function = line.Function.With(line.Version)
	if !f.wants(line) {
		return
	}
	size := int64(len(line.Text))
	if f.missed.Load() == 0 && f.bytes.Load() < maxBehind {
		f.bytes.Add(size) // before it can be taken
		select {
		case f.lines <- *line:
			return
		default:
			f.bytes.Add(-size)
		}
	}
	f.missed.Add(1)
}

// taken is to be told of every line that is taken from lines.
func (f *follower) taken(line *kept) { f.bytes.Add(-int64(len(line.Text))) }

// follow yields what is offered.
func (f *follower) follow(ctx context.Context, done <-chan struct{}, yield func(kept) bool) {
	ended := false
	for {
		select {
		case line := <-f.lines:
			f.taken(&line)
			if !yield(line) {
				return
			}
			continue
		default:
		}
		if n := f.missed.Swap(0); n > 0 {
			if !yield(kept{LogLine: gap(pinfold.FunctionRef{}, int(n), "this reader did not keep up")}) {
				return
			}
			continue
		}
		if ended {
			return
		}
		select {
		case line := <-f.lines:
			f.taken(&line)
			if !yield(line) {
				return
			}
		case <-done:
			ended = true // once what is left has been read
		case <-ctx.Done():
			return
		}
	}
}
