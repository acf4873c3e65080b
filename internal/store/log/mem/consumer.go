package mem

import (
	"context"
	"maps"
	"slices"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// progress is how far a durable consumer is.
type progress struct {
	cfg     log.ConsumerConfig
	next    uint64 // what is there from here on was never delivered
	pending map[uint64]*pending
	gone    bool
}

// pending is an entry that was delivered and not acknowledged.
type pending struct {
	attempt int
	due     time.Time // when it is delivered again
}

// Consumer implements log.Stream.
func (s *stream) Consumer(ctx context.Context, name string, cfg log.ConsumerConfig) (log.Consumer, error) {
	if err := log.CheckName(name); err != nil {
		return nil, err
	}
	if err := log.CheckPattern(cfg.Subjects); err != nil {
		return nil, err
	}
	if err := s.use(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if cfg.AckWait == 0 {
		cfg.AckWait = 30 * time.Second
	}
	if cfg.MaxPending == 0 {
		cfg.MaxPending = 1000
	}
	p := s.consumers[name]
	if p == nil {
		p = &progress{pending: map[uint64]*pending{}, next: 1}
		if cfg.New {
			p.next = s.last + 1
		}
		s.consumers[name] = p
	}
	p.cfg = cfg
	return &consumer{s, name, p}, nil
}

// DeleteConsumer implements log.Stream.
func (s *stream) DeleteConsumer(ctx context.Context, name string) error {
	if err := log.CheckName(name); err != nil {
		return err
	}
	if err := s.use(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if p := s.consumers[name]; p != nil {
		p.gone = true
		delete(s.consumers, name)
		s.wake()
	}
	return nil
}

type consumer struct {
	*stream
	name string
	p    *progress
}

// Fetch implements log.Consumer.
func (c *consumer) Fetch(ctx context.Context, max int) ([]log.Delivery, error) {
	if err := c.use(ctx); err != nil {
		return nil, err
	}
	for {
		if c.p.gone {
			c.mu.Unlock()
			return nil, pinfold.Errorf(pinfold.NotFound, "stream %s has no consumer %s any more", c.data.name, c.name)
		}
		now := time.Now()
		all, due := c.again(now, max)
		all = append(all, c.fresh(now, max-len(all))...)
		if len(all) > 0 {
			c.mu.Unlock()
			return all, nil
		}
		if err := c.wait(ctx, due); err != nil {
			return nil, err
		}
	}
}

// again delivers what was delivered before and is due, and returns when the next
// one is.
func (c *consumer) again(now time.Time, max int) (all []log.Delivery, due time.Time) {
	for _, position := range slices.Sorted(maps.Keys(c.p.pending)) {
		i, found := c.index(position)
		switch p := c.p.pending[position]; {
		case !found:
			delete(c.p.pending, position)
		case p.due.After(now):
			if due.IsZero() || p.due.Before(due) {
				due = p.due
			}
		case len(all) < max:
			p.attempt++
			p.due = now.Add(c.p.cfg.AckWait)
			all = append(all, &delivery{c, *c.entries[i], p.attempt})
		}
	}
	return all, due
}

// fresh delivers what was never delivered.
func (c *consumer) fresh(now time.Time, max int) (all []log.Delivery) {
	i, _ := c.index(c.p.next)
	for ; i < len(c.entries) && len(all) < max && len(c.p.pending) < c.p.cfg.MaxPending; i++ {
		e := c.entries[i]
		if c.p.next = e.Position + 1; log.Match(c.p.cfg.Subjects, e.Subject) {
			c.p.pending[e.Position] = &pending{attempt: 1, due: now.Add(c.p.cfg.AckWait)}
			all = append(all, &delivery{c, *e, 1})
		}
	}
	return all
}

type delivery struct {
	c       *consumer
	entry   log.Entry
	attempt int
}

// Entry implements log.Delivery.
func (d *delivery) Entry() log.Entry { return d.entry }

// Attempt implements log.Delivery.
func (d *delivery) Attempt() int { return d.attempt }

// Ack implements log.Delivery.
func (d *delivery) Ack(ctx context.Context) error {
	if err := d.c.use(ctx); err != nil {
		return err
	}
	defer d.c.mu.Unlock()
	delete(d.c.p.pending, d.entry.Position)
	d.c.wake()
	return nil
}

// Delay implements log.Delivery.
func (d *delivery) Delay(after time.Duration) error { return d.due(after) }

// InProgress implements log.Delivery.
func (d *delivery) InProgress() error { return d.due(ackWait) }

// ackWait stands for the time that the consumer's configuration gives.
const ackWait = -1

func (d *delivery) due(after time.Duration) error {
	if err := d.c.use(context.Background()); err != nil {
		return err
	}
	defer d.c.mu.Unlock()
	if after == ackWait {
		after = d.c.p.cfg.AckWait
	}
	if p := d.c.p.pending[d.entry.Position]; p != nil {
		p.due = time.Now().Add(after)
		d.c.wake()
	}
	return nil
}
