// Package backlog keeps lines of messages that wait to be handled: what is below
// SQS's queues and below asynchronous invocations.
//
// A message is in the log until its removal is written down, and a little longer
// (removals.go). That it was received, and is out of sight until its visibility timeout
// runs out, is known in memory alone, where only a window of a long backlog is: so a
// crash has everything visible again that was in flight, as an expired timeout would.
// Receive counts and times are written down when a message comes back without having
// been removed, and on a clean stop.
//
// A [Hub] has all backlogs of a platform, in one stream of the log. A message is in its
// backlog because the log has it, in the order of the log (follow.go). The semantics are
// those of SQS ("Amazon SQS visibility timeout" and "FIFO queue delivery logic", SQS
// developer guide); window.go has them. What messages mean, and when there have been
// enough attempts, is for the services above to know.
package backlog

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// The errors about a receipt.
var (
	ErrGone    = errors.New("there is no such message any more")
	ErrVisible = errors.New("the message is not in flight")
	ErrStale   = errors.New("the message was received again since")
)

const (
	// maxWindow is how many messages of a backlog are in memory at most. Source: a
	// FIFO queue looks through the first 120,000 messages for groups to deliver ("Amazon
	// SQS FIFO queue quotas"), and as many may be in flight.
	maxWindow = 120_000
	// maxReceivable is from how many that can be received on none is added until
	// there is need.
	maxReceivable = 4096
	// chunk is how many are read from the log at a time.
	chunk = 256
)

// Config is what kind of backlog it is.
type Config struct {
	FIFO bool // order is kept within a group, and one batch of a group is out at a time
}

// Item is a message to be sent.
type Item struct {
	Data  []byte        // not changed by anyone from now on
	Group string        // FIFO: printable ASCII
	Delay time.Duration // until it is visible
	// ID has a second item with the same one dropped while the first one is there, for
	// at most five minutes; "" is none.
	ID string
}

// Receipt is what somebody who received a message has it by.
type Receipt struct {
	Position uint64 // in the log; of a backlog's messages, a later one has a higher one
	Receive  int    // how often it had been received then: 1 is the first time
}

// Message is a message of a backlog.
type Message struct {
	Receipt
	Sent          time.Time
	FirstReceived time.Time // zero: never
	Group         string
	State         State
	Due           time.Time // Delayed or InFlight: when it is visible
	Data          []byte    // must not be changed
}

// Counts are how many messages a backlog has.
type Counts struct {
	Visible, Delayed, InFlight int
	Oldest                     time.Time // when the oldest was sent; zero: there is none, or it has not been looked at
}

// Backlog is one line of messages. It may be used concurrently.
type Backlog struct {
	hub *Hub
	id  string

	loading sync.Mutex // held while messages are read from the log
	reader  log.Reader // guarded by loading; nil: none is open
	upTo    uint64     // at least up to here the reader reads; likewise

	mu      sync.Mutex
	window  *window // nil: nobody has asked for this backlog yet
	total   int     // messages in the log that are not removed
	counted uint64  // up to which position they are in total
	floor   uint64  // up to which position they are in the window, or were
	seen    uint64  // highest position of a message that the log has shown
	behind  bool    // there may be messages beyond floor that are not in the window
	waiters []chan struct{}
	alarm   *time.Timer // for waiters, when the next message is due
	alarmAt time.Time
	notes   map[uint64]note // of messages that are not in the window yet, by position
	unread  map[uint64]bool // positions beyond floor that were removed already
	dead    []corpse        // removed, and still in the log
	dropped bool
}

// Send stores messages. It returns when all are stored or have failed.
func (b *Backlog) Send(ctx context.Context, items ...Item) []log.Stored {
	entries := make([]log.Entry, len(items))
	for i, it := range items {
		entries[i] = log.Entry{Subject: b.id, Meta: meta(it), Data: it.Data}
		if it.ID != "" {
			entries[i].ID = b.id + "/" + it.ID
		}
	}
	stored := b.hub.stream.Append(ctx, entries...)
	b.hub.stored(entries, stored)
	return stored
}

// Receive takes up to max visible messages out of sight for a time; 0 leaves them
// visible. Where there are none it waits for one for as long as wait says, and
// returns none in the end.
func (b *Backlog) Receive(ctx context.Context, max int, visibility, wait time.Duration) ([]Message, error) {
	until := time.Now().Add(wait)
	looked := false // at what was sent before this call
	for {
		ms, err := b.take(ctx, max, visibility)
		if err != nil && (ctx.Err() != nil || b.hub.ctx.Err() != nil) {
			return nil, nil // who waits is gone, or we are
		}
		if err != nil || len(ms) > 0 {
			return ms, err
		}
		if !looked {
			looked = true
			b.hub.caughtUp(ctx)
			continue
		}
		if wait <= 0 || !b.wait(ctx, time.Until(until)) {
			return nil, nil
		}
	}
}

// take receives what there is, and reads from the log what is needed for that.
func (b *Backlog) take(ctx context.Context, max int, visibility time.Duration) ([]Message, error) {
	for {
		b.mu.Lock()
		if b.dropped {
			b.mu.Unlock()
			return nil, nil
		}
		now := time.Now()
		b.window.wake(now)
		if b.hungry(max) {
			b.mu.Unlock()
			if err := b.load(ctx, max); err != nil {
				return nil, err
			}
			b.mu.Lock()
		}
		taken := b.window.take(now, max, visibility)
		ms := make([]Message, len(taken))
		for i, m := range taken {
			ms[i] = b.show(m)
			b.hub.cached(-len(m.data))
			m.data = nil
		}
		if b.window.receivable() > 0 {
			b.notify(1)
		}
		b.mu.Unlock()
		ms, err := b.fill(ctx, ms)
		if err != nil {
			b.giveBack(ms)
			return nil, err
		}
		if len(taken) == 0 || len(ms) > 0 {
			return ms, nil
		}
	}
}

func (b *Backlog) show(m *message) Message {
	out := Message{Receipt: Receipt{m.position, m.receives}, Sent: m.sent, FirstReceived: m.first, State: m.state, Due: m.due, Data: m.data}
	if m.group != nil {
		out.Group = m.group.name
	}
	return out
}

// fill reads the data of messages that the window has without. Those that are not
// in the log any more are left out.
func (b *Backlog) fill(ctx context.Context, ms []Message) ([]Message, error) {
	lost := false
	for i := range ms {
		if ms[i].Data != nil {
			continue
		}
		e, err := b.hub.stream.Get(ctx, ms[i].Position)
		switch {
		case pinfold.CodeOf(err) == pinfold.NotFound:
			b.forget(false, ms[i].Position)
			ms[i].Position, lost = 0, true
		case err != nil:
			return ms, err
		default:
			ms[i].Data = e.Data
		}
	}
	if lost {
		ms = slices.DeleteFunc(ms, func(m Message) bool { return m.Position == 0 })
	}
	return ms, nil
}

func (b *Backlog) giveBack(ms []Message) {
	for _, m := range ms {
		_ = b.Return(m.Receipt, 0) // gone is as good
	}
}

// Remove removes messages for good; the result has nil for what is removed now or
// was before. Only of a FIFO backlog it matters whether a receipt is the latest and
// the message still in flight: ErrStale.
func (b *Backlog) Remove(ctx context.Context, receipts ...Receipt) []error {
	errs := make([]error, len(receipts))
	positions := make([]uint64, 0, len(receipts))
	b.mu.Lock()
	b.window.wake(time.Now())
	var unknown []int
	for i, r := range receipts {
		m := b.window.messages[r.Position]
		switch {
		case m == nil:
			if r.Position > b.floor && !b.unread[r.Position] {
				unknown = append(unknown, i)
			}
		case b.window.fifo && (m.state != InFlight || m.receives != r.Receive):
			errs[i] = ErrStale
		default:
			positions = append(positions, r.Position)
		}
	}
	b.mu.Unlock()
	for _, i := range unknown { // received before a crash, and not read since; or of another backlog
		e, err := b.hub.stream.Get(ctx, receipts[i].Position)
		switch {
		case pinfold.CodeOf(err) == pinfold.NotFound || err == nil && e.Subject != b.id:
		case err != nil:
			errs[i] = err
		default:
			positions = append(positions, e.Position)
		}
	}
	if len(positions) == 0 {
		return errs
	}
	if err := b.hub.removals.remove(ctx, b, positions); err != nil {
		for i := range errs {
			errs[i] = cmp.Or(errs[i], err)
		}
	}
	return errs
}

// forget takes out what is removed; inLog says whether it is still in the log. It
// returns what has died by that.
func (b *Backlog) forget(inLog bool, positions ...uint64) (died toll) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range positions {
		c := corpse{position: p}
		m := b.window.messages[p]
		switch {
		case m != nil:
			c.bytes = m.bytes
			b.total--
			b.hub.cached(-len(m.data))
			b.hub.journal.forget(m)
			b.window.remove(m)
		case p > b.floor && !b.unread[p] && !b.dropped:
			if p <= b.counted {
				b.total--
			}
			if b.unread == nil {
				b.unread = map[uint64]bool{}
			}
			b.unread[p] = true // it is still to be read, or a reader has it already
		default:
			continue
		}
		if inLog {
			b.dead = append(b.dead, c)
			died.add(toll{1, c.bytes})
		}
	}
	if b.behind || b.window.receivable() > 0 {
		b.notify(1) // there is room, or a group has its turn
	}
	return died
}

// Extend has a message in flight be so for another time, from now; for 0 it is
// visible at once.
func (b *Backlog) Extend(r Receipt, visibility time.Duration) error {
	return b.change(r, func(m *message, now time.Time) { b.window.extend(m, now, visibility) })
}

// Return gives a message back as if it had not been received: that is not counted.
// It is visible after a delay.
func (b *Backlog) Return(r Receipt, delay time.Duration) error {
	return b.change(r, func(m *message, now time.Time) { b.window.untake(m, now, delay) })
}

func (b *Backlog) change(r Receipt, to func(*message, time.Time)) error {
	b.mu.Lock()
	unread := b.behind && r.Position > b.floor
	b.mu.Unlock()
	if unread { // received before a restart: what was in flight comes before what is visible
		if err := b.load(b.hub.ctx, 1); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.window.wake(now)
	m := b.window.messages[r.Position]
	switch {
	case m == nil:
		return ErrGone
	case m.receives != r.Receive:
		return ErrStale
	case m.state != InFlight:
		return ErrVisible
	}
	to(m, now)
	b.notify(b.window.receivable())
	b.setAlarm()
	return nil
}

// Wake has a message that is delayed or in flight visible at once, whoever has it.
// It reports false if there is none at a position.
func (b *Backlog) Wake(position uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.window.messages[position]
	if m == nil {
		return false
	}
	if m.state != Visible {
		b.window.extend(m, time.Now(), 0)
		b.notify(1)
	}
	return true
}

// Peek returns the oldest messages, as they are.
func (b *Backlog) Peek(ctx context.Context, max int) (ms []Message, err error) {
	err = b.Look(ctx, max, func(m Message) error {
		ms = append(ms, m)
		return nil
	})
	return ms, err
}

// Look calls fn for each of the oldest messages, as they are, until it fails. What is
// not in memory is read one by one, and not held: there may be much of it.
func (b *Backlog) Look(ctx context.Context, max int, fn func(Message) error) error {
	b.hub.caughtUp(ctx)
	if err := b.load(ctx, max); err != nil {
		return err
	}
	b.mu.Lock()
	b.window.wake(time.Now())
	var ms []Message
	for _, m := range b.window.order.items[b.window.order.head:] {
		if len(ms) == max {
			break
		}
		if m.state != gone {
			ms = append(ms, b.show(m))
		}
	}
	b.mu.Unlock()
	for i := range ms {
		one, err := b.fill(ctx, ms[i:i+1])
		if err == nil && len(one) > 0 {
			err = fn(one[0])
		}
		ms[i].Data = nil
		if err != nil {
			return err
		}
	}
	return nil
}

// Counts returns how many messages there are. Those that are delayed count as
// visible while they are not in the window.
func (b *Backlog) Counts() Counts {
	b.hub.caughtUp(b.hub.ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window.wake(time.Now())
	c := Counts{Delayed: b.window.delayed(), InFlight: b.window.inFlight}
	c.Visible = max(0, b.total-c.Delayed-c.InFlight)
	if m := b.window.oldest(); m != nil {
		c.Oldest = m.sent
	}
	return c
}

// Expire removes the messages that were sent before a time, in flight or not, and
// returns how many.
func (b *Backlog) Expire(ctx context.Context, before time.Time) (n int, err error) {
	for {
		b.mu.Lock()
		empty := b.total == 0
		b.mu.Unlock()
		if empty {
			return n, nil
		}
		if err := b.load(ctx, 1); err != nil {
			return n, err
		}
		var old []uint64
		b.mu.Lock()
		for _, m := range b.window.order.items[b.window.order.head:] {
			if !m.sent.Before(before) || len(old) == chunk {
				break
			}
			if m.state != gone {
				old = append(old, m.position)
			}
		}
		b.mu.Unlock()
		if len(old) == 0 {
			return n, nil
		}
		if err := b.hub.removals.remove(ctx, b, old); err != nil {
			return n, err
		}
		n += len(old)
	}
}

// meta is what an entry of the log says of a message.
func meta(it Item) string {
	if it.Delay <= 0 && it.Group == "" {
		return ""
	}
	return strings.TrimSuffix(strconv.FormatInt(it.Delay.Milliseconds(), 10)+" "+it.Group, " ")
}

// count counts an entry of the log once: a reader may be ahead of the hub. b.mu is
// held.
func (b *Backlog) count(e *log.Entry) {
	if e.Position > b.counted {
		b.counted = e.Position
		if !b.unread[e.Position] {
			b.total++
		}
	}
}
