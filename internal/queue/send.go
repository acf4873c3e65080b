package queue

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/store/log"
)

// Result is what became of one message of a batch.
type Result struct {
	Sent
	Err error
}

// Send stores a message. When it returns without an error, the message survives the
// end of the process.
func (s *Service) Send(ctx context.Context, ref Ref, m *Message) (Sent, error) {
	results, err := s.SendBatch(ctx, ref, []*Message{m})
	if err != nil {
		return Sent{}, err
	}
	return results[0].Sent, results[0].Err
}

// SendBatch stores messages in their order. It has a result for each; its own error
// is for a batch of which none is sent.
func (s *Service) SendBatch(ctx context.Context, ref Ref, ms []*Message) ([]Result, error) {
	l, done, err := s.sendingTo(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer done()
	q := l.record.Load()
	results := make([]Result, len(ms))
	out := make([]*outgoing, 0, len(ms))
	for i, m := range ms {
		if err := m.checkOrder(q); err != nil {
			return nil, err
		}
		if err := m.check(q); err != nil {
			results[i].Err = err
			continue
		}
		out = append(out, prepare(q, m, &results[i]))
	}
	if q.FIFO {
		s.sendOnce(ctx, l, out)
	} else {
		l.store(ctx, out)
	}
	for _, o := range out {
		o.result.ID = messageID(l.id, o.stored.Position)
		if o.result.Err = o.stored.Err; o.result.Err != nil {
			o.result.Sent = Sent{}
		} else if q.FIFO {
			o.result.Sequence = sequence(o.stored.Position)
		}
	}
	return results, nil
}

// outgoing is a message on its way into a backlog.
type outgoing struct {
	item   backlog.Item
	key    recentKey // FIFO
	first  *outgoing // the same message earlier in the batch
	stored log.Stored
	result *Result
}

func prepare(q *pinfold.MessageQueue, m *Message, r *Result) *outgoing {
	e := envelope{Message: *m, MD5Body: digest(m.Body)}
	delay := q.Delay
	if m.Delay != nil && !q.FIFO {
		delay = *m.Delay
	}
	o := &outgoing{result: r, item: backlog.Item{Delay: delay.Duration()}}
	if q.FIFO {
		if e.Deduplication == "" {
			sum := sha256.Sum256([]byte(m.Body))
			e.Deduplication = hex.EncodeToString(sum[:])
		}
		o.key = keyOf(q, &e.Message)
		o.item.Group, o.item.ID = m.Group, o.key.String()
	} else {
		o.item.ID = m.once
	}
	o.item.Data = e.encode()
	r.Sent = Sent{MD5Body: e.MD5Body, MD5Attributes: digestAttributes(m.Attributes), MD5System: digestTrace(m.Trace)}
	return o
}

// store sends messages.
func (l *line) store(ctx context.Context, out []*outgoing) {
	if len(out) == 0 {
		return
	}
	items := make([]backlog.Item, len(out))
	for i, o := range out {
		items[i] = o.item
	}
	for i, stored := range l.backlog.Send(ctx, items...) {
		out[i].stored = stored
	}
}

// sendOnce sends those messages to a FIFO queue that it was not sent in the last
// five minutes. The others have where they were stored then.
func (s *shared) sendOnce(ctx context.Context, l *line, out []*outgoing) {
	// All begin in the order of their keys, so that no two batches wait for each other.
	ordered := slices.SortedStableFunc(slices.Values(out), func(a, b *outgoing) int { return bytes.Compare(a.key[:], b.key[:]) })
	begun := make(map[recentKey]*outgoing, len(out))
	for _, o := range ordered {
		if o.first = begun[o.key]; o.first != nil {
			continue
		}
		position, duplicate, err := l.recent.begin(ctx, o.key, func() ([]log.Entry, error) { return s.readRecent(ctx, l.id) })
		o.stored = log.Stored{Position: position, Err: err}
		if err == nil && !duplicate {
			begun[o.key] = o
		}
	}
	fresh := slices.DeleteFunc(slices.Clone(out), func(o *outgoing) bool { return begun[o.key] != o })
	l.store(ctx, fresh)
	s.remember(ctx, l, fresh)
	for _, o := range out {
		if o.first != nil {
			o.stored = o.first.stored
		}
	}
}

// remember writes down that messages were sent. One that cannot be written down
// counts as not sent: the log knows it by its id when it is sent again.
func (s *shared) remember(ctx context.Context, l *line, fresh []*outgoing) {
	entries := make([]log.Entry, 0, len(fresh))
	for _, o := range fresh {
		if o.stored.Err == nil {
			entries = append(entries, recentEntry(l.id, o.key, o.stored.Position))
		}
	}
	var written []log.Stored
	if len(entries) > 0 {
		written = s.recent.Append(ctx, entries...)
	}
	for _, o := range fresh {
		if o.stored.Err == nil {
			o.stored.Err, written = written[0].Err, written[1:]
		}
		l.recent.end(o.key, o.stored.Position, o.stored.Err == nil)
	}
}

// SendEvent sends a message from a part of the platform to the queue of an ARN, for
// pinfold.EventSender. That by may do so has been found out before.
func (s *Service) SendEvent(ctx context.Context, by pinfold.Principal, to string, m pinfold.EventMessage) error {
	ref, ok := ParseARN(to)
	if !ok {
		return missing()
	}
	l, err := s.line(ref)
	if err != nil {
		return err
	}
	out := &Message{Body: string(m.Body), Trace: m.TraceID, Group: m.Group, Sender: by.UserID, once: m.ID}
	if l.record.Load().FIFO {
		out.Deduplication = m.ID
	}
	if len(m.Attributes)+len(m.Numbers) > 0 {
		out.Attributes = map[string]Attribute{}
	}
	for name, text := range m.Attributes {
		out.Attributes[name] = Attribute{Type: "String", Text: text}
	}
	for name, text := range m.Numbers {
		out.Attributes[name] = Attribute{Type: "Number", Text: text}
	}
	_, err = s.Send(ctx, ref, out)
	return err
}
