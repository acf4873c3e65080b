package queue

import (
	"context"
	"time"

	"pinfold.dev/pinfold/internal/backlog"
)

// sweepEvery is how often messages are looked for that are too old. Nobody receives
// one in between.
const sweepEvery = time.Minute

// Run removes messages that are older than their queues keep them, and carries out
// move tasks, those of before included. It blocks until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	m := &movers{shared: s.shared, running: map[string]context.CancelFunc{}}
	defer m.owned.Wait()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	m.moved()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.moves:
			if err := m.look(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("move tasks could not be read: they are looked at again in a minute", "error", err)
			}
		case <-tick.C:
			s.sweep(ctx)
			m.moved()
		}
	}
}

// sweep removes what is too old.
func (s *shared) sweep(ctx context.Context) {
	all := s.all()
	buried := map[string]bool{} // ARNs of dead-letter queues
	for _, l := range all {
		if r := l.record.Load().Redrive; r != nil {
			buried[r.DeadLetter] = true
		}
	}
	for _, l := range all {
		l.recent.tidy()
		l.retries.tidy()
		q := l.record.Load()
		_, err := l.backlog.Expire(ctx, time.Now().Add(-q.Retention.Duration()))
		if err == nil && buried[l.arn] && !q.FIFO {
			err = l.expireBuried(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.log.Error("messages that are too old could not be removed: trying again in a minute", "queue", l.ref.Name, "error", err)
		}
	}
}

// maxBuried is how many messages of a dead-letter queue are looked at in one sweep.
const maxBuried = 1000

// expireBuried removes messages from a dead-letter queue that were moved there and
// are too old since they were sent first.
func (l *line) expireBuried(ctx context.Context) error {
	ms, err := l.backlog.Peek(ctx, maxBuried)
	if err != nil {
		return err
	}
	q, now := l.record.Load(), time.Now()
	var old []backlog.Receipt
	for _, m := range ms {
		if o, err := open(m); err == nil && o.expired(q, now) {
			old = append(old, m.Receipt)
		}
	}
	for _, err := range l.backlog.Remove(ctx, old...) {
		if err != nil {
			return err
		}
	}
	return nil
}
