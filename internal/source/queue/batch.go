package queue

import (
	"context"
	"slices"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/eventpattern"
)

const (
	// maxEvent is the most bytes of an event. Source: "Batching behavior", Lambda
	// developer guide: 6 MB.
	maxEvent = pinfold.MaxPayload - 1<<10
	// firstAsk is how many messages are asked for before it is known how large they
	// are, and maxAsk how many at a time at most: what does not fit goes back.
	firstAsk = 10
	maxAsk   = 1000
	// recordSize is about how large a record is without its body and its end.
	recordSize = 512
	// idleWait is how long a receiver asks for messages at a time. Source:
	// WaitTimeSeconds of ReceiveMessage, SQS API reference.
	idleWait = 20 * time.Second
)

// plan is how a mapping is to be polled. It does not change.
type plan struct {
	pinfold.EventSourceMapping
	filters *eventpattern.Filters
	tail    []byte // of its records
	window  time.Duration
}

func newPlan(m pinfold.EventSourceMapping) (*plan, error) {
	filters, err := eventpattern.CompileFilters(eventpattern.SQS, m.Filters)
	if err != nil {
		return nil, err
	}
	arn, _ := pinfold.ParseARN(m.Source)
	return &plan{m, filters, recordTail(m.Source, arn.Region), m.Window.Duration()}, nil
}

// batch is messages that are handled together.
type batch struct {
	plan  *plan
	probe bool
	event []byte // without its tail
	ids   []string
	// handles are of the messages in the event; dropped of those that no filter lets
	// pass; surplus of those for which there was no room.
	handles, dropped, surplus []string
	trace                     string // of the first message
	fresh                     bool   // a message was received for the first time
	full                      bool
}

func newBatch(p *plan, probe bool) *batch {
	return &batch{plan: p, probe: probe, event: []byte(eventHead)}
}

// add puts messages into the batch, those that belong into it and have room.
func (b *batch) add(messages []Message) {
	size := 0
	for i := range messages {
		size += len(messages[i].Body)*9/8 + len(b.plan.tail) + recordSize
	}
	b.event = slices.Grow(b.event, size)
	for i := range messages {
		m := &messages[i]
		if b.full {
			b.surplus = append(b.surplus, m.Handle)
			continue
		}
		before := len(b.event)
		if len(b.ids) > 0 {
			b.event = append(b.event, ',')
		}
		start := len(b.event)
		b.event = appendRecord(b.event, m, b.plan.tail)
		if wanted, err := b.plan.filters.Match(b.event[start:]); err == nil && !wanted { // records are JSON
			b.event = b.event[:before]
			b.dropped = append(b.dropped, m.Handle)
			continue
		}
		if len(b.event)+len(eventTail) > maxEvent && len(b.ids) > 0 {
			b.event, b.full = b.event[:before], true
			b.surplus = append(b.surplus, m.Handle)
			continue
		}
		if len(b.ids) == 0 {
			b.trace = m.System["AWSTraceHeader"]
		}
		b.ids, b.handles = append(b.ids, m.ID), append(b.handles, m.Handle)
		b.fresh = b.fresh || m.System["ApproximateReceiveCount"] == "1"
		b.full = len(b.ids) == b.plan.BatchSize
	}
}

// ask is how many messages more to ask for, so that not many are received for which
// there is no room.
func (b *batch) ask() int {
	left := b.plan.BatchSize - len(b.ids)
	if len(b.ids) == 0 {
		return min(left, firstAsk)
	}
	room := (maxEvent - len(b.event)) / (len(b.event)/len(b.ids) + 1)
	return min(left, max(1, room), maxAsk)
}

// has reports whether a message with that id is in the batch.
func (b *batch) has(id string) bool { return slices.Contains(b.ids, id) }

// gather receives messages until the batch is full or its window over. It returns
// nil if there is nothing to do: none came, all were filtered out, or ctx has ended
// and what had come has gone back.
func (g *group) gather(ctx context.Context, p *plan, probe bool) (*batch, error) {
	b := newBatch(p, probe)
	var end time.Time // of the window
	wait := idleWait
	for {
		messages, err := g.s.o.Queues.Receive(ctx, p.Source, b.ask(), wait, p.window)
		b.add(messages)
		g.clear(b)
		if err != nil || ctx.Err() != nil {
			g.giveBack(p, b.handles)
			if ctx.Err() != nil {
				err = nil // nobody wants more
			}
			return nil, err
		}
		if len(b.ids) > 0 && end.IsZero() {
			end = time.Now().Add(p.window)
		}
		if len(b.ids) > 0 {
			wait = min(time.Until(end), idleWait)
		}
		switch {
		case b.full || len(b.ids) > 0 && wait <= 0:
			return b, nil
		case len(b.ids) == 0: // whatever came is not for this function
			return nil, nil
		}
	}
}

// clear deletes what was filtered out, and gives back what has no room.
func (g *group) clear(b *batch) {
	if len(b.dropped) > 0 {
		g.filtered.Add(uint64(len(b.dropped)))
		if err := g.delete(b.plan, b.dropped); err != nil {
			g.s.o.Log.Warn("messages that no filter lets pass could not be deleted: they come back", "queue", b.plan.Source, "mapping", b.plan.UUID, "error", err)
		}
	}
	g.giveBack(b.plan, b.surplus)
	b.dropped, b.surplus = nil, nil
}
