package logs

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/logs/pattern"
	"pinfold.dev/pinfold/internal/logs/segment"
)

// Limits on events. Source: PutLogEvents, GetLogEvents and FilterLogEvents in the
// CloudWatch Logs API reference, and its quotas.
const (
	maxEvents     = 10_000
	maxBatch      = 1_048_576 // bytes, with eventOverhead for each event
	eventOverhead = 26
	maxEvent      = 1_048_576 - eventOverhead
	maxSpan       = 24 * time.Hour
	tooOld        = 14 * 24 * time.Hour
	tooNew        = 2 * time.Hour
)

// InputEvent is an event that somebody puts into a stream.
type InputEvent struct {
	Time    time.Time
	Message string
}

// Event is an event as it is found.
type Event struct {
	ID       string // of 56 digits, in the order of events
	Time     time.Time
	Ingested time.Time
	Stream   string
	Message  string
}

// Rejected says which events of a batch were not taken: those from TooNew on, and
// those before TooOld and Expired. -1 is none. AWS: RejectedLogEventsInfo.
type Rejected struct{ TooNew, TooOld, Expired int }

var noneRejected = Rejected{-1, -1, -1}

// Any reports whether any event was not taken.
func (r Rejected) Any() bool { return r != noneRejected }

// PutEvents puts events into a stream that is there. Those whose time cannot be
// taken are left out, and told. When it returns the rest can be found.
func (s *Store) PutEvents(ref GroupRef, stream string, events []InputEvent) (Rejected, error) {
	rejected := noneRejected
	if err := checkBatch(events); err != nil {
		return rejected, err
	}
	if err := s.hasStream(ref, stream); err != nil {
		return rejected, err
	}
	s.files.Lock()
	defer s.files.Unlock()
	g, err := s.known(ref)
	if err != nil {
		return rejected, err
	}
	now := time.Now()
	cutoff := g.cutoff(now)
	origin := segment.NewOrigin(stream, "")
	var text []byte
	var taken []InputEvent
	for i, e := range events {
		switch {
		case e.Time.After(now.Add(tooNew)):
			if rejected.TooNew < 0 {
				rejected.TooNew = i
			}
		case e.Time.Before(now.Add(-tooOld)):
			rejected.TooOld = i + 1
		case e.Time.Before(cutoff):
			rejected.Expired = i + 1
		default:
			text = segment.Append(text, origin, e.Time.UnixNano(), now.Sub(e.Time), "", false, e.Message)
			taken = append(taken, e)
		}
	}
	if len(taken) == 0 {
		return rejected, nil
	}
	if taken[len(taken)-1].Time.Sub(taken[0].Time) > maxSpan {
		return noneRejected, invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	if _, err := g.journal.Append(text); err != nil {
		return rejected, failed(err)
	}
	for _, e := range taken {
		s.offer(&kept{pinfold.LogLine{Time: e.Time, Text: e.Message}, ref, stream})
	}
	return rejected, nil
}

// hasStream returns an error if a stream is not there.
func (s *Store) hasStream(ref GroupRef, stream string) error {
	s.files.Lock()
	g, err := s.known(ref)
	made := false
	if err == nil {
		_, made = g.Streams[stream]
	}
	s.files.Unlock()
	if err != nil || made {
		return err
	}
	streams, _, err := s.streams(ref) // it may be a function's
	if err != nil {
		return err
	}
	if _, ok := streams[stream]; !ok {
		return missing("The specified log stream does not exist.")
	}
	return nil
}

func checkBatch(events []InputEvent) error {
	if len(events) == 0 || len(events) > maxEvents {
		return invalid("a batch has 1 to %d log events, not %d", maxEvents, len(events))
	}
	size := 0
	for i, e := range events {
		if e.Message == "" {
			return invalid("log event %d has no message", i)
		}
		if len(e.Message) > maxEvent {
			return invalid("Log event too large: %d bytes exceeds limit of %d", len(e.Message)+eventOverhead, maxBatch)
		}
		size += len(e.Message) + eventOverhead
		if i > 0 && e.Time.Before(events[i-1].Time) {
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
	}
	if size > maxBatch {
		return invalid("Upload too large: %d bytes exceeds limit of %d", size, maxBatch)
	}
	return nil
}

// position is where an event is among those of its group.
type position struct {
	nano     int64
	sequence uint64
}

func at(e segment.Entry) position { return position{e.Record.Nano(), e.Sequence} }

// after reports whether an entry comes after a position.
func (p position) after(e segment.Entry) bool {
	t := e.Record.Nano()
	return t > p.nano || t == p.nano && e.Sequence > p.sequence
}

func (p position) token(kind byte) string { return fmt.Sprintf("%c/%d/%d", kind, p.nano, p.sequence) }

func parseToken(token, kinds string) (kind byte, p position, err error) {
	n, err := fmt.Sscanf(token, "%c/%d/%d", &kind, &p.nano, &p.sequence)
	if err != nil || n != 3 || !strings.ContainsRune(kinds, rune(kind)) || p.token(kind) != token {
		return 0, p, invalid("The specified nextToken is invalid.")
	}
	return kind, p, nil
}

func event(e segment.Entry) Event {
	r := e.Record
	return Event{
		ID:   fmt.Sprintf("%020d%036d", uint64(r.Nano()-math.MinInt64), e.Sequence),
		Time: r.Time(), Ingested: r.Ingested(), Stream: string(r.Stream()), Message: valid(r.Text()),
	}
}

// EventQuery says which events of a stream are wanted.
type EventQuery struct {
	Group    GroupRef
	Stream   string
	From, To time.Time // from and before; zero for no bound
	FromHead bool      // the first ones rather than the last
	Limit    int       // at most 10,000, which is the default
	Token    string    // that an earlier page had for the next, or for the one before
}

// EventPage is events in the order of time, and the tokens for the pages around
// them. At an end there are no events, and the token is the one that was given.
type EventPage struct {
	Events            []Event
	Forward, Backward string
}

// Events returns a page of a stream's events, of a megabyte at most.
func (s *Store) Events(ctx context.Context, q EventQuery) (EventPage, error) {
	limit, err := pageSize(q.Limit, maxEvents)
	if err != nil {
		return EventPage{}, err
	}
	reverse, pos, given := !q.FromHead, position{}, q.Token != ""
	if given {
		kind, p, err := parseToken(q.Token, "fb")
		if err != nil {
			return EventPage{}, err
		}
		reverse, pos = kind == 'b', p
	}
	p, err := s.place(ctx, q.Group)
	if err != nil {
		return EventPage{}, err
	}
	f := p.between(q.From, q.To)
	f.Stream, f.Reverse = q.Stream, reverse
	if given && reverse && pos.nano < math.MaxInt64 {
		f.To = min(f.To, pos.nano+1)
	} else if given {
		f.From = max(f.From, pos.nano)
	}
	f.Want = func(e segment.Entry) bool {
		return !p.hides(e) && (!given || at(e) != pos && pos.after(e) != reverse)
	}
	found, _, err := s.page(ctx, p, f, limit)
	if err != nil {
		return EventPage{}, err
	}
	if len(found) == 0 {
		if err := s.hasStream(q.Group, q.Stream); err != nil {
			return EventPage{}, err
		}
		if !given { // the stream is empty: what comes, comes after it
			pos.nano = math.MinInt64
		}
		return EventPage{Forward: pos.token('f'), Backward: pos.token('b')}, nil
	}
	if reverse {
		slices.Reverse(found)
	}
	page := EventPage{Forward: found[len(found)-1].pos.token('f'), Backward: found[0].pos.token('b')}
	for _, e := range found {
		page.Events = append(page.Events, e.Event)
	}
	return page, nil
}

// placed is an event and its place.
type placed struct {
	Event
	pos position
}

// page returns what a filter wants, as much as a page may have of it, and whether
// there is more.
func (s *Store) page(ctx context.Context, p *place, f segment.Filter, limit int) (found []placed, more bool, err error) {
	size := 0
	for e, err := range p.extent.Scan(ctx, f) {
		if err != nil {
			return found, false, s.damaged(ctx, p.group, err)
		}
		if size += len(e.Record.Text()) + eventOverhead; size > maxBatch && len(found) > 0 || len(found) == limit {
			return found, true, nil
		}
		found = append(found, placed{event(e), at(e)})
	}
	return found, false, nil
}

// place returns what can be read of a group, with all that was written before.
func (s *Store) place(ctx context.Context, ref GroupRef) (*place, error) {
	if err := s.flush(ctx); err != nil {
		return nil, err
	}
	s.files.Lock()
	defer s.files.Unlock()
	g, err := s.known(ref)
	if err != nil {
		return nil, err
	}
	p, err := g.place()
	if err != nil {
		return nil, unreadable(err)
	}
	return p, nil
}

// damaged logs what could not be read of a group: a page has no place for it, and
// shall not be without the rest. It returns ctx's error if that was all.
func (s *Store) damaged(ctx context.Context, ref GroupRef, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.config.Log.Warn("a part of a log group cannot be read", "group", ref.Name, "error", err)
	return nil
}

// FilterQuery says which events of a group are wanted.
type FilterQuery struct {
	Group    GroupRef
	Streams  []string  // none: all
	Prefix   string    // of streams' names; not together with Streams
	From, To time.Time // from and until, both included; zero for no bound
	Pattern  string    // a filter pattern; "" for all
	Limit    int       // at most 10,000, which is the default
	Token    string
}

// Filter returns events of several streams in the order of time, a megabyte of
// them at most, and the token of the next page if there may be more.
func (s *Store) Filter(ctx context.Context, q FilterQuery) (events []Event, token string, err error) {
	if len(q.Streams) > 0 && q.Prefix != "" {
		return nil, "", invalid("logStreamNames and logStreamNamePrefix cannot be given together")
	}
	limit, err := pageSize(q.Limit, maxEvents)
	if err != nil {
		return nil, "", err
	}
	wanted, err := pattern.Parse(q.Pattern)
	if err != nil {
		return nil, "", err
	}
	given, pos := q.Token != "", position{}
	if given {
		if _, pos, err = parseToken(q.Token, "n"); err != nil {
			return nil, "", err
		}
	}
	p, err := s.place(ctx, q.Group)
	if err != nil {
		return nil, "", err
	}
	to := q.To
	if !to.IsZero() {
		to = to.Add(time.Millisecond) // the API's times are in milliseconds
	}
	f := p.between(q.From, to)
	if given {
		f.From = max(f.From, pos.nano)
	}
	if len(q.Streams) == 1 {
		f.Stream = q.Streams[0]
	}
	f.May = wanted.May
	f.Want = func(e segment.Entry) bool {
		r := e.Record
		return (!given || pos.after(e)) && !p.hides(e) && inStreams(string(r.Stream()), q.Streams, q.Prefix) && wanted.Match(r.Text())
	}
	found, more, err := s.page(ctx, p, f, limit)
	for _, e := range found {
		events, pos = append(events, e.Event), e.pos
	}
	if more {
		token = pos.token('n')
	}
	return events, token, err
}

func inStreams(stream string, streams []string, prefix string) bool {
	return (len(streams) == 0 || slices.Contains(streams, stream)) && strings.HasPrefix(stream, prefix)
}
