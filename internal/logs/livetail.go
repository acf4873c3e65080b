package logs

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"pinfold.dev/pinfold/internal/logs/pattern"
)

// Limits on live tails. Source: StartLiveTail in the CloudWatch Logs API
// reference.
const (
	maxTailGroups = 10
	maxTailEvents = 500 // an update
	tailEvery     = time.Second
	// maxTailBytes is how long the events of an update are together at most. Clients
	// refuse a message of over 16 MB, and JSON may make six bytes of one.
	maxTailBytes = 2 << 20
)

// TailQuery says which events of groups are to be seen as they come.
type TailQuery struct {
	Groups   []GroupRef // up to ten
	Streams  []string   // none: all; only with one group
	Prefixes []string   // of streams' names, not together with Streams; only with one group
	Pattern  string     // a filter pattern; "" for all
}

// TailUpdate is what came in a second.
type TailUpdate struct {
	Events  []TailEvent
	Sampled bool // there was more
}

// TailEvent is an event of a live tail.
type TailEvent struct {
	Group GroupRef
	Event // without an ID
}

// LiveTail returns an update every second, with or without events, until ctx ends
// or the store is closed. The first comes at once, without events: nothing that
// is written after it is missed. Limits on how long that may be are the caller's.
func (s *Store) LiveTail(ctx context.Context, q TailQuery) (iter.Seq[TailUpdate], error) {
	if err := s.checkTail(&q); err != nil {
		return nil, err
	}
	wanted, err := pattern.Parse(q.Pattern)
	if err != nil {
		return nil, err
	}
	wants := func(line *kept) bool {
		return slices.Contains(q.Groups, line.group) && inStreams(line.stream, q.Streams, "") &&
			(len(q.Prefixes) == 0 || slices.ContainsFunc(q.Prefixes, func(p string) bool { return strings.HasPrefix(line.stream, p) })) &&
			wanted.Match([]byte(line.Text))
	}
	return func(yield func(TailUpdate) bool) {
		f := &follower{wants: wants, lines: make(chan kept, s.config.FollowLines)}
		s.follow(ctx, f, func() {
			s.followers[f] = struct{}{}
			s.files.Unlock()
			f.updates(ctx, s.done, yield)
		})
	}, nil
}

func (s *Store) checkTail(q *TailQuery) error {
	if len(q.Groups) == 0 || len(q.Groups) > maxTailGroups {
		return invalid("a live tail has 1 to %d log groups, not %d", maxTailGroups, len(q.Groups))
	}
	if len(q.Groups) > 1 && len(q.Streams)+len(q.Prefixes) > 0 || len(q.Streams) > 0 && len(q.Prefixes) > 0 {
		return invalid("a live tail may name streams, or prefixes of their names, of one log group alone")
	}
	s.files.Lock()
	defer s.files.Unlock()
	for _, ref := range q.Groups {
		if _, err := s.known(ref); err != nil {
			return err
		}
	}
	return nil
}

// updates yields nothing, and then what is offered, once a second.
func (f *follower) updates(ctx context.Context, done <-chan struct{}, yield func(TailUpdate) bool) {
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	var update TailUpdate
	size := 0
	if !yield(update) {
		return
	}
	for {
		select {
		case line := <-f.lines:
			f.taken(&line)
			if len(update.Events) == maxTailEvents || size+len(line.Text) > maxTailBytes {
				update.Sampled = true
				continue
			}
			size += len(line.Text)
			update.Events = append(update.Events, TailEvent{line.group, Event{Time: line.Time, Ingested: time.Now(), Stream: line.stream, Message: valid([]byte(line.Text))}})
		case <-tick.C:
			update.Sampled = f.missed.Swap(0) > 0 || update.Sampled
			if !yield(update) {
				return
			}
			update, size = TailUpdate{}, 0
		case <-done:
			return
		case <-ctx.Done():
			return
		}
	}
}
