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
	probe probe
	event []byte // without its tail
	held  int64  // bytes of it that the source has counted
	ids   []string
	// handles are of the messages in the event; dropped of those that no filter lets
	// pass; surplus of those for which there was no room.
	handles, dropped, surplus []string
	trace                     string // of the first message
	fresh                     bool   // a message was received for the first time
	full                      bool
}

func newBatch(p *plan, what probe) *batch {
	return &batch{plan: p, probe: what, event: []byte(eventHead)}
}

// add puts messages into the batch, those that belong into it and have room.
func (b *batch) add(messages []Message) {
	size := 0
	for i := range messages {
		size += len(messages[i].Body)*9/8 + len(b.plan.tail) + recordSize
	}
	b.event = slices.Grow(b.event, size)
	for i := range messages {
		b.put(&messages[i])
	}
}

func (b *batch) put(m *Message) {
	if b.full {
		b.surplus = append(b.surplus, m.Handle)
		return
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
		return
	}
	if len(b.event)+len(eventTail) > maxEvent && len(b.ids) > 0 {
		b.event, b.full = b.event[:before], true
		b.surplus = append(b.surplus, m.Handle)
		return
	}
	if len(b.ids) == 0 {
		b.trace = m.System["AWSTraceHeader"]
	}
	b.ids, b.handles = append(b.ids, m.ID), append(b.handles, m.Handle)
	b.fresh = b.fresh || isFresh(m)
	b.full = len(b.ids) == b.plan.BatchSize
}

// isFresh reports whether a message was received for the first time.
func isFresh(m *Message) bool { return m.System["ApproximateReceiveCount"] == "1" }

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

// ask is b.ask, or fewer where there is no memory for as many.
func (g *group) ask(b *batch) int {
	room := g.s.o.Memory - g.s.held.Load()
	switch {
	case room <= 0:
		return 1
	case len(b.ids) == 0:
		return b.ask()
	}
	return min(b.ask(), 1+int(room)*len(b.ids)/len(b.event))
}

// has reports whether a message with that id is in the batch.
func (b *batch) has(id string) bool { return slices.Contains(b.ids, id) }

// gather receives messages until the batch is full or its window over. It returns
// nil if there is nothing to do: none came, all were filtered out, or ctx has ended
// and what had come has gone back.
func (g *group) gather(ctx context.Context, p *plan, what probe) (*batch, error) {
	b := newBatch(p, what)
	var end time.Time // of the window
	wait := idleWait
	for {
		messages, err := g.s.o.Queues.Receive(ctx, p.Source, g.ask(b), wait, p.window)
		b.add(messages)
		if !g.s.hold(b) && len(b.ids) > 0 {
			b.full = true
		}
		g.clear(b)
		if err != nil || ctx.Err() != nil {
			g.giveBack(p, b.handles)
			g.s.release(b)
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
			g.s.release(b)
			return nil, nil
		}
	}
}

// clear deletes what was filtered out, and gives back what has no room.
func (g *group) clear(b *batch) {
	g.drop(b)
	g.giveBack(b.plan, b.surplus)
	b.surplus = nil
}

// drop deletes what was filtered out.
func (g *group) drop(b *batch) {
	if len(b.dropped) == 0 {
		return
	}
	g.filtered.Add(uint64(len(b.dropped)))
	if err := g.delete(b.plan, b.dropped); err != nil {
		g.s.o.Log.Warn("messages that no filter lets pass could not be deleted: they come back", "queue", b.plan.Source, "mapping", b.plan.UUID, "error", err)
	}
	b.dropped = nil
}
