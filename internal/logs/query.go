package logs

import (
	"bytes"
	"context"
	"iter"
	"strings"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
)

// Query says which lines are wanted. Its zero value wants all.
type Query struct {
	// Functions are those whose lines are wanted; none means all. One with a
	// Qualifier wants that version's lines only.
	Functions []pinfold.FunctionRef
	Since     time.Time // not before; zero for no bound
	Until     time.Time // before; zero for no bound
	Text      string    // a part of the line's text, in exact case
	RequestID string
	Limit     int  // how many lines at most; 0 for no bound
	Tail      bool // the last Limit lines rather than the first
}

// Query returns the lines that are there, merged in the order of their times.
// It sees every line written before the call. An error ends it.
func (s *Store) Query(ctx context.Context, q Query) iter.Seq2[pinfold.LogLine, error] {
	return func(yield func(pinfold.LogLine, error) bool) {
		if err := s.flush(ctx); err != nil {
			yield(pinfold.LogLine{}, err)
			return
		}
		s.files.Lock()
		extents, err := s.extents(q)
		s.files.Unlock()
		if err != nil {
			yield(pinfold.LogLine{}, unreadable(err))
			return
		}
		history(ctx, q, extents, yield)
	}
}

// Follow returns the lines that Query returns, and then those that come, each
// once, until ctx ends or the store is closed. A follower that does not keep up
// gets a line that says how many it has missed. Limit bounds what was there
// before, not what comes; Until is of no use here.
func (s *Store) Follow(ctx context.Context, q Query) iter.Seq2[pinfold.LogLine, error] {
	return func(yield func(pinfold.LogLine, error) bool) {
		q.Until = time.Time{}
		f := &follower{query: q, lines: make(chan pinfold.LogLine, s.config.FollowLines)}
		// From here on lines are kept for followers. What waits may have begun
		// before, so let it be written.
		s.follow(1)
		defer s.follow(-1)
		if err := s.flush(ctx); err != nil {
			return
		}
		// Under the lock that batches are written under: what is on disk now
		// is history, what comes after it goes to the follower.
		s.files.Lock()
		extents, err := s.extents(q)
		s.followers[f] = struct{}{}
		s.files.Unlock()
		defer func() {
			s.files.Lock()
			delete(s.followers, f)
			s.files.Unlock()
		}()
		if err != nil {
			yield(pinfold.LogLine{}, unreadable(err))
			return
		}
		if history(ctx, q, extents, yield) {
			f.follow(ctx, s.done, yield)
		}
	}
}

// follow counts who follows.
func (s *Store) follow(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.following += n
}

func unreadable(err error) error {
	return pinfold.Errorf(pinfold.Unavailable, "reading logs: %w", err)
}

// extents returns what there is to read for a query. The caller holds files.
func (s *Store) extents(q Query) ([]extent, error) {
	var all []extent
	for ref, j := range s.journals {
		if !q.wantsFunction(ref) {
			continue
		}
		e, err := j.extent()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func (q *Query) wantsFunction(unqualified pinfold.FunctionRef) bool {
	for _, ref := range q.Functions {
		if ref.With("") == unqualified {
			return true
		}
	}
	return len(q.Functions) == 0
}

// wants reports whether a line is asked for.
func (q *Query) wants(line *pinfold.LogLine) bool {
	if len(q.Functions) > 0 {
		found := false
		for _, ref := range q.Functions {
			found = found || ref == line.Function || ref == line.Function.With("")
		}
		if !found {
			return false
		}
	}
	return (q.Since.IsZero() || !line.Time.Before(q.Since)) &&
		(q.Until.IsZero() || line.Time.Before(q.Until)) &&
		(q.RequestID == "" || line.RequestID == q.RequestID) &&
		strings.Contains(line.Text, q.Text)
}

// history yields the lines of extents that q wants, within its limit. It
// reports whether the caller wants more.
func history(ctx context.Context, q Query, extents []extent, yield func(pinfold.LogLine, error) bool) (more bool) {
	var tail []pinfold.LogLine // a ring, once it is full
	seen := 0
	for line, err := range merge(ctx, q, extents) {
		switch {
		case err != nil:
			yield(line, err)
			return false
		case q.Limit <= 0 || !q.Tail:
			if !yield(line, nil) {
				return false
			}
			if seen++; seen == q.Limit {
				return true
			}
		case len(tail) < q.Limit:
			tail = append(tail, line)
		default:
			tail[seen%q.Limit] = line
			seen++
		}
	}
	for i := range tail {
		if !yield(tail[(seen+i)%len(tail)], nil) {
			return false
		}
	}
	return true
}

// merge yields the lines of several extents in the order of their times.
func merge(ctx context.Context, q Query, extents []extent) iter.Seq2[pinfold.LogLine, error] {
	return func(yield func(pinfold.LogLine, error) bool) {
		type source struct {
			head pinfold.LogLine
			next func() (pinfold.LogLine, error, bool)
		}
		var sources []*source
		// advance reports whether the source has another line.
		advance := func(src *source) (ok bool, err error) {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			src.head, err, ok = src.next()
			return ok, err
		}
		for _, e := range extents {
			next, stop := iter.Pull2(wanted(e, q))
			defer stop()
			src := &source{next: next}
			ok, err := advance(src)
			if err != nil {
				yield(pinfold.LogLine{}, err)
				return
			}
			if ok {
				sources = append(sources, src)
			}
		}
		for len(sources) > 0 {
			first := 0
			for i, src := range sources {
				if src.head.Time.Before(sources[first].head.Time) {
					first = i
				}
			}
			if !yield(sources[first].head, nil) {
				return
			}
			ok, err := advance(sources[first])
			if err != nil {
				yield(pinfold.LogLine{}, err)
				return
			}
			if !ok {
				sources = append(sources[:first], sources[first+1:]...)
			}
		}
	}
}

// wanted yields the lines of an extent that q wants.
func wanted(e extent, q Query) iter.Seq2[pinfold.LogLine, error] {
	id := []byte(q.RequestID)
	return func(yield func(pinfold.LogLine, error) bool) {
		err := e.lines(q.Since, func(text []byte) bool { return bytes.Contains(text, id) }, func(line pinfold.LogLine) bool {
			return !q.wants(&line) || yield(line, nil)
		})
		if err != nil {
			yield(pinfold.LogLine{}, unreadable(err))
		}
	}
}

// follower is one Follow's place among those that get each line.
type follower struct {
	query Query
	lines chan pinfold.LogLine
	// missed counts the lines that found no room. While it is not zero none is
	// offered, so the gap is in one piece, behind the lines that wait.
	missed atomic.Int64
}

// offer hands over a line, or counts it as missed. It never waits.
func (f *follower) offer(line pinfold.LogLine) {
	line.Function = line.Function.With(line.Version)
	if !f.query.wants(&line) {
		return
	}
	if f.missed.Load() == 0 {
		select {
		case f.lines <- line:
			return
		default:
		}
	}
	f.missed.Add(1)
}

// follow yields what is offered.
func (f *follower) follow(ctx context.Context, done <-chan struct{}, yield func(pinfold.LogLine, error) bool) {
	ended := false
	for {
		select {
		case line := <-f.lines:
			if !yield(line, nil) {
				return
			}
			continue
		default:
		}
		if n := f.missed.Swap(0); n > 0 {
			if !yield(gap(pinfold.FunctionRef{}, int(n), "this reader did not keep up"), nil) {
				return
			}
			continue
		}
		if ended {
			return
		}
		select {
		case line := <-f.lines:
			if !yield(line, nil) {
				return
			}
		case <-done:
			ended = true // once what is left has been read
		case <-ctx.Done():
			return
		}
	}
}
