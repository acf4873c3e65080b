package logs

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/logs/pattern"
	"pinfold.dev/pinfold/internal/logs/segment"
)

// Query says which lines of functions are wanted. Its zero value wants all.
type Query struct {
	// Functions are those whose lines are wanted; none means all. One with a
	// Qualifier wants that version's lines only.
	Functions []pinfold.FunctionRef
	Since     time.Time // not before; zero for no bound
	Until     time.Time // before; zero for no bound
	Text      string    // a part of the line's text, in exact case
	Requests  []string  // ids of the requests that lines belong to; none means any
	Pattern   string    // a CloudWatch filter pattern that the line's text matches
	Level     Level     // the least that the line says of itself; zero: it need not say one
	Limit     int       // how many lines at most; 0 for no bound
	Tail      bool      // the last Limit lines rather than the first
}

// search is a query made ready.
type search struct {
	Query
	pattern  *pattern.Pattern
	level    *leveler
	requests map[string]bool
}

func (q Query) parse() (*search, error) {
	p, err := pattern.Parse(q.Pattern)
	s := &search{q, p, &leveler{least: q.Level}, make(map[string]bool, len(q.Requests))}
	for _, id := range q.Requests {
		s.requests[id] = true
	}
	return s, err
}

// Query returns the lines that are there, merged in the order of their times.
// It sees every line written before the call. What cannot be read is left out,
// and is the error that ends it.
func (s *Store) Query(ctx context.Context, query Query) iter.Seq2[pinfold.LogLine, error] {
	return func(yield func(pinfold.LogLine, error) bool) {
		q, err := query.parse()
		if err == nil {
			err = s.flush(ctx)
		}
		if err != nil {
			yield(pinfold.LogLine{}, err)
			return
		}
		s.files.Lock()
		places, err := s.places(q.wantsGroup)
		s.files.Unlock()
		if err != nil {
			yield(pinfold.LogLine{}, unreadable(err))
			return
		}
		history(ctx, q, places, yield)
	}
}

func unreadable(err error) error {
	return pinfold.Errorf(pinfold.Unavailable, "reading logs: %w", err)
}

// wantsGroup reports whether a group may have lines that are asked for.
func (q *search) wantsGroup(g *group) bool {
	if len(q.Functions) == 0 {
		return len(g.Functions) > 0
	}
	return slices.ContainsFunc(q.Functions, func(ref pinfold.FunctionRef) bool {
		return ref.Account == g.ref.Account && ref.Region == g.ref.Region && slices.Contains(g.Functions, ref.Name)
	})
}

// wants reports whether a line is asked for.
func (q *search) wants(line *pinfold.LogLine) bool {
	return line.Function.Name != "" && q.wantsFunction(line.Function) &&
		(q.Since.IsZero() || !line.Time.Before(q.Since)) &&
		(q.Until.IsZero() || line.Time.Before(q.Until)) &&
		(len(q.requests) == 0 || q.requests[line.RequestID]) &&
		strings.Contains(line.Text, q.Text) &&
		q.meets(line.System, []byte(line.Text))
}

// meets reports whether a text has the level and the pattern that are asked for.
func (q *search) meets(system bool, text []byte) bool {
	return q.pattern.Match(text) && q.level.wants(system, text)
}

func (q *search) wantsFunction(version pinfold.FunctionRef) bool {
	return len(q.Functions) == 0 || slices.ContainsFunc(q.Functions, func(ref pinfold.FunctionRef) bool {
		return ref == version || ref == version.With("")
	})
}

// filter says what a query wants of a place.
func (q *search) filter(p *place) segment.Filter {
	f := p.between(q.Since, q.Until)
	if len(q.Requests) == 1 {
		f.Request = q.Requests[0]
	}
	f.Reverse = q.Tail && q.Limit > 0
	text := []byte(q.Text)
	f.May = func(raw []byte) bool {
		return bytes.Contains(raw, text) && q.pattern.May(raw)
	}
	f.Want = func(e segment.Entry) bool {
		r := e.Record
		if len(r.Function()) == 0 || p.hides(e) || len(q.requests) > 0 && !q.requests[string(r.Request())] ||
			!bytes.Contains(r.Text(), text) || !q.meets(r.System(), r.Text()) {
			return false
		}
		if len(q.Functions) == 0 {
			return true
		}
		version, _ := parseStream(string(r.Stream()))
		return q.wantsFunction(pinfold.FunctionRef{Account: p.group.Account, Region: p.group.Region, Name: string(r.Function()), Qualifier: version})
	}
	return f
}

// history yields the lines of places that q wants, within its limit. It reports
// whether the caller wants more.
func history(ctx context.Context, q *search, places []*place, yield func(pinfold.LogLine, error) bool) (more bool) {
	reverse := q.Tail && q.Limit > 0
	var tail []pinfold.LogLine
	var failed error
	n := 0
	for found, err := range merge(ctx, places, q.filter, reverse) {
		if failed = err; err != nil {
			break
		}
		line := decode(found.place.group, found.Record)
		if reverse {
			tail = append(tail, line)
		} else if !yield(line, nil) {
			return false
		}
		if n++; n == q.Limit {
			break
		}
	}
	for _, line := range slices.Backward(tail) {
		if !yield(line, nil) {
			return false
		}
	}
	return failed == nil || yield(pinfold.LogLine{}, failed)
}

// found is a record and where it was found.
type found struct {
	place *place
	segment.Entry
}

// merge yields what is wanted of several places in the order of time, or against
// it. What cannot be read is the error that comes last.
func merge(ctx context.Context, places []*place, filter func(*place) segment.Filter, reverse bool) iter.Seq2[found, error] {
	return func(yield func(found, error) bool) {
		var damage []error
		readers := readers{reverse: reverse}
		defer readers.stop()
		for i, p := range places {
			first, last := p.extent.Span()
			if reverse {
				first = last
			}
			readers.all = append(readers.all, &reader{place: p, index: i, time: first})
		}
		heap.Init(&readers)
		for len(readers.all) > 0 && ctx.Err() == nil {
			r := readers.all[0]
			if r.next == nil { // what it has may be next
				r.next, r.stop = iter.Pull2(r.place.extent.Scan(ctx, filter(r.place)))
			} else if !yield(found{r.place, r.head}, nil) {
				return
			}
			entry, err, ok := r.next()
			if ok && err != nil {
				damage = append(damage, err)
			}
			if !ok || err != nil {
				r.stop()
				heap.Pop(&readers)
				continue
			}
			r.head, r.time = entry, entry.Record.Nano()
			heap.Fix(&readers, 0)
		}
		if err := ctx.Err(); err != nil {
			yield(found{}, err)
		} else if len(damage) > 0 {
			yield(found{}, unreadable(errors.Join(damage...)))
		}
	}
}

// reader reads a place. It opens nothing before it must: there may be thousands
// of them.
type reader struct {
	place *place
	index int   // of the place
	time  int64 // of head, or, before there is one, a bound on it
	head  segment.Entry
	next  func() (segment.Entry, error, bool) // nil until it is opened
	stop  func()
}

// readers is a heap by time. Where times are equal, those that are not open come
// first, and then those of earlier places.
type readers struct {
	all     []*reader
	reverse bool
}

func (h *readers) Len() int      { return len(h.all) }
func (h *readers) Swap(i, k int) { h.all[i], h.all[k] = h.all[k], h.all[i] }
func (h *readers) Less(i, k int) bool {
	a, b := h.all[i], h.all[k]
	switch {
	case a.time != b.time:
		return a.time < b.time != h.reverse
	case (a.next == nil) != (b.next == nil):
		return a.next == nil
	}
	return a.index < b.index
}
func (h *readers) Push(x any) { h.all = append(h.all, x.(*reader)) }
func (h *readers) Pop() any {
	last := h.all[len(h.all)-1]
	h.all = h.all[:len(h.all)-1]
	return last
}

// stop ends those that are open.
func (h *readers) stop() {
	for _, r := range h.all {
		if r.stop != nil {
			r.stop()
		}
	}
}
