package jetstream

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

const (
	// fetchWait is how long the server keeps a request for entries that are to come.
	fetchWait = 10 * time.Second
	// restWait is how long it keeps one for those that are there.
	restWait = 20 * time.Millisecond
)

// Consumer implements log.Stream.
func (s *stream) Consumer(ctx context.Context, name string, cfg log.ConsumerConfig) (log.Consumer, error) {
	if err := log.CheckName(name); err != nil {
		return nil, err
	}
	if err := log.CheckPattern(cfg.Subjects); err != nil {
		return nil, err
	}
	if err := s.up(ctx); err != nil {
		return nil, err
	}
	config := jetstream.ConsumerConfig{
		Durable:       name,
		FilterSubject: s.consumerFilter(cfg.Subjects),
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       cmp.Or(cfg.AckWait, 30*time.Second),
		MaxAckPending: cmp.Or(cfg.MaxPending, 1000),
	}
	if cfg.New {
		config.DeliverPolicy = jetstream.DeliverNewPolicy
	}
	consumer, err := s.js.Consumer(ctx, name)
	if err == nil { // where it began is not to be changed
		config.DeliverPolicy = consumer.CachedInfo().Config.DeliverPolicy
	}
	if err == nil || errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = s.js.CreateOrUpdateConsumer(ctx, config)
	}
	if err != nil {
		return nil, s.log.failed(ctx, err, "open consumer %s of stream %s of the log", name, s.name)
	}
	return &durable{s: s, name: name, consumer: consumer}, nil
}

// DeleteConsumer implements log.Stream.
func (s *stream) DeleteConsumer(ctx context.Context, name string) error {
	if err := log.CheckName(name); err != nil {
		return err
	}
	if err := s.up(ctx); err != nil {
		return err
	}
	if err := s.js.DeleteConsumer(ctx, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return s.log.failed(ctx, err, "delete consumer %s of stream %s of the log", name, s.name)
	}
	return nil
}

// durable implements log.Consumer.
type durable struct {
	s        *stream
	name     string
	consumer jetstream.Consumer
}

// Fetch implements log.Consumer.
func (c *durable) Fetch(ctx context.Context, max int) ([]log.Delivery, error) {
	for {
		if err := c.s.up(ctx); pinfold.CodeOf(err) == pinfold.Unavailable && c.s.log.closed.Err() == nil {
			continue // it waits for entries, so it may wait for servers
		} else if err != nil {
			return nil, err
		}
		all, err := c.first(ctx)
		if len(all) == 1 && max > 1 && all[0].(*delivery).more > 0 {
			// They are there, unless another one has taken them, or too many are out.
			n := min(max-1, int(all[0].(*delivery).more))
			rest, _ := c.collect(c.consumer.Fetch(n, jetstream.FetchMaxWait(restWait)))
			all = append(all, rest...)
		}
		if len(all) > 0 {
			return all, nil
		}
		if err == nil {
			continue
		}
		// A consumer that is gone looks like one that does not answer.
		if _, gone := c.consumer.Info(ctx); errors.Is(gone, jetstream.ErrConsumerNotFound) || errors.Is(gone, jetstream.ErrStreamNotFound) {
			return nil, pinfold.Errorf(pinfold.NotFound, "stream %s has no consumer %s any more", c.s.name, c.name)
		}
		if err := c.pause(ctx); err != nil {
			return nil, err
		}
	}
}

// first waits for one delivery.
func (c *durable) first(ctx context.Context) ([]log.Delivery, error) {
	wait, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	defer context.AfterFunc(c.s.log.closed, cancel)()
	return c.collect(c.consumer.Fetch(1, jetstream.FetchContext(wait)))
}

// collect takes what a request has brought.
func (c *durable) collect(batch jetstream.MessageBatch, err error) (all []log.Delivery, _ error) {
	if err != nil {
		return nil, err
	}
	for m := range batch.Messages() {
		about, err := m.Metadata()
		if err != nil {
			return all, err
		}
		entry, is := c.s.entry(m.Subject(), m.Headers(), m.Data(), about.Sequence.Stream, about.Timestamp)
		if !is {
			_ = m.Ack() // or it comes again
			continue
		}
		all = append(all, &delivery{s: c.s, m: m, entry: entry, attempt: int(about.NumDelivered), more: about.NumPending})
	}
	if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return all, err
	}
	return all, nil
}

// pause waits before what failed is tried again: the servers may be away, or
// starting.
func (c *durable) pause(ctx context.Context) error {
	select {
	case <-time.After(retryEvery):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.s.log.closed.Done():
		return log.Closed()
	}
}

// delivery implements log.Delivery.
type delivery struct {
	s       *stream
	m       jetstream.Msg
	entry   log.Entry
	attempt int
	more    uint64 // how many are behind it
}

// Entry implements log.Delivery.
func (d *delivery) Entry() log.Entry { return d.entry }

// Attempt implements log.Delivery.
func (d *delivery) Attempt() int { return d.attempt }

// Ack implements log.Delivery.
func (d *delivery) Ack(ctx context.Context) error {
	err := d.m.DoubleAck(ctx)
	if errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
		return nil
	}
	return d.s.log.failed(ctx, err, "acknowledge entry %d of stream %s of the log", d.entry.Position, d.s.name)
}

// Delay implements log.Delivery.
func (d *delivery) Delay(after time.Duration) error {
	var err error
	if after > 0 {
		err = d.m.NakWithDelay(after)
	} else {
		err = d.m.Nak()
	}
	return d.s.log.failed(context.Background(), err, "delay entry %d of stream %s of the log", d.entry.Position, d.s.name)
}

// InProgress implements log.Delivery.
func (d *delivery) InProgress() error {
	return d.s.log.failed(context.Background(), d.m.InProgress(), "keep entry %d of stream %s of the log", d.entry.Position, d.s.name)
}
