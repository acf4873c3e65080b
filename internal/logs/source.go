package logs

import (
	"cmp"
	"time"

	"pinfold.dev/pinfold"
)

// Source writes the lines of one instance. It costs less than [Store.Write]:
// what the lines have in common is encoded once, and their text need not become
// a string. It may be used concurrently and needs no closing.
type Source struct {
	store  *Store
	queue  *queue
	common pinfold.LogLine
	origin []byte
}

// Source returns a source whose lines have Function, Name, Version and Instance
// of common.
func (s *Store) Source(common pinfold.LogLine) pinfold.LogSource {
	common.Name = cmp.Or(common.Name, common.Function.Name)
	common.Version = cmp.Or(common.Version, common.Function.Qualifier)
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Source{
		store: s, queue: s.queue(common.Function.With("")), common: common,
		origin: appendOrigin(nil, common.Name, common.Version, common.Instance),
	}
}

// Write keeps a line as [Store.Write] does. It does not hold on to text.
func (w *Source) Write(at time.Time, requestID string, system bool, text []byte) {
	line := func() pinfold.LogLine {
		line := w.common
		line.Time, line.RequestID, line.System, line.Text = at, requestID, system, string(text)
		return line
	}
	if at.IsZero() || len(text) > MaxText {
		w.store.Write(line())
		return
	}
	s := w.store
	b := s.lines.Get().(*[]byte)
	defer s.lines.Put(b)
	var ok bool
	if *b, ok = appendRest((*b)[:0], &s.clock, at, w.origin, requestID, system, text); !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait(w.queue, at, *b, line)
}
