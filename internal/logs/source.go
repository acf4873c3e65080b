package logs

import (
	"cmp"
	"context"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/logs/segment"
)

// Source writes the lines of one instance. It costs less than [Store.Write]:
// what the lines have in common is encoded once, and their text need not become
// a string. It may be used concurrently and needs no closing.
type Source struct {
	store  *Store
	queue  *queue
	common pinfold.LogLine
	stream string
	origin *segment.Origin
}

// Source returns a source whose lines have Function, Name, Version, Instance
// and Group of common. It is a *[Source].
func (s *Store) Source(common pinfold.LogLine) pinfold.LogSource { return s.source(common, time.Now()) }

func (s *Store) source(common pinfold.LogLine, began time.Time) *Source {
	common.Name = cmp.Or(common.Name, common.Function.Name)
	common.Version = cmp.Or(common.Version, common.Function.Qualifier)
	group := FunctionGroup(common.Function, common.Group)
	stream := streamName(began, common.Version, common.Instance)
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Source{
		store: s, queue: s.queue(common.Function.With(""), group), common: common,
		stream: stream, origin: segment.NewOrigin(stream, common.Function.Name),
	}
}

// Write keeps a line as [Store.Write] does. It does not hold on to text.
func (w *Source) Write(at time.Time, requestID string, system bool, text []byte) {
	if at.IsZero() {
		at = time.Now()
	}
	if len(text) > MaxText {
		text = []byte(cut(text))
	}
	if !keepable(at) {
		return
	}
	s := w.store
	b := s.lines.Get().(*[]byte)
	defer s.lines.Put(b)
	*b = segment.Append((*b)[:0], w.origin, at.UnixNano(), 0, requestID, system, text)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait(w.queue, at, *b, func() kept {
		line := w.common
		line.Time, line.RequestID, line.System, line.Text = at, requestID, system, string(text)
		return kept{line, w.queue.group, w.stream}
	})
}

// Wait returns when the source may write more without loss: at once, unless its
// function has filled its share of the buffer, or has written more than
// [Config.FunctionRate] allows. Whoever reads what an instance writes shall call
// it before reading on, so that it is the instance that waits. It returns ctx's
// error if that ends first.
func (w *Source) Wait(ctx context.Context) error {
	for {
		s := w.store
		s.mu.Lock()
		room := s.room(w.queue)
		rest := time.Until(w.queue.until)
		s.mu.Unlock()
		switch {
		case room != nil:
			select {
			case <-room:
			case <-ctx.Done():
				return ctx.Err()
			}
		case rest > 0:
			pause := time.NewTimer(rest)
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
				return ctx.Err()
			}
		default:
			return nil
		}
	}
}
