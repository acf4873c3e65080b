package logtest

import (
	"context"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// Op is a call that a Faulty log is asked to make.
type Op struct {
	// Name is the method's: "Stream", "Delete", "Own", "Append" (of each entry on its
	// own), "Get", "Read", "Next", "Remove", "Purge", "Info", "Consumer",
	// "DeleteConsumer", "Fetch", "Ack", "Delay", "InProgress".
	Name    string
	Stream  string
	Subject string // of Append: the entry's; of Read, Purge and Info: the pattern
}

// Fault decides what happens to a call before it is made: an error is its result. It
// may take its time.
type Fault func(ctx context.Context, op Op) error

// Faulty is a log in which calls fail as it is told, at any time, even while they
// run. Without a fault it is the log that it wraps.
type Faulty struct {
	log.Log
	before, after atomic.Pointer[Fault]
}

// NewFaulty wraps a log.
func NewFaulty(l log.Log) *Faulty { return &Faulty{Log: l} }

// Before has a fault decide about each call before it is made; nil is none.
func (f *Faulty) Before(fault Fault) { set(&f.before, fault) }

// After has a fault decide about each call that went well: it is made, and what was
// stored is stored, but the caller may be told otherwise. nil is none.
func (f *Faulty) After(fault Fault) { set(&f.after, fault) }

func set(p *atomic.Pointer[Fault], fault Fault) {
	if fault == nil {
		p.Store(nil)
	} else {
		p.Store(&fault)
	}
}

// Fail has calls of these names fail with an error; of all if none is named.
func Fail(err error, names ...string) Fault {
	return func(_ context.Context, op Op) error {
		if named(op, names) {
			return err
		}
		return nil
	}
}

// Slow has calls of these names take longer.
func Slow(d time.Duration, names ...string) Fault {
	return func(ctx context.Context, op Op) error {
		if !named(op, names) {
			return nil
		}
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Full has the log store nothing, as on a disk that is full.
func Full() Fault {
	return Fail(pinfold.Errorf(pinfold.Unavailable, "the disk is full: free some space for the log; nothing was stored"), "Append")
}

func named(op Op, names []string) bool {
	for _, name := range names {
		if name == op.Name {
			return true
		}
	}
	return len(names) == 0
}

// do makes a call, or has it fail.
func (f *Faulty) do(ctx context.Context, op Op, call func() error) error {
	if fault := f.before.Load(); fault != nil {
		if err := (*fault)(ctx, op); err != nil {
			return err
		}
	}
	if err := call(); err != nil {
		return err
	}
	if fault := f.after.Load(); fault != nil {
		return (*fault)(ctx, op)
	}
	return nil
}

// Stream implements log.Log.
func (f *Faulty) Stream(ctx context.Context, name string, limits log.Limits) (s log.Stream, err error) {
	err = f.do(ctx, Op{Name: "Stream", Stream: name}, func() error {
		stream, err := f.Log.Stream(ctx, name, limits)
		s = &faultyStream{stream, f, name}
		return err
	})
	return s, err
}

// Delete implements log.Log.
func (f *Faulty) Delete(ctx context.Context, name string) error {
	return f.do(ctx, Op{Name: "Delete", Stream: name}, func() error { return f.Log.Delete(ctx, name) })
}

// Own implements log.Log.
func (f *Faulty) Own(ctx context.Context, name, holder string, waiting func(string)) (owned context.Context, release func(), err error) {
	err = f.do(ctx, Op{Name: "Own"}, func() (err error) {
		owned, release, err = f.Log.Own(ctx, name, holder, waiting)
		return err
	})
	return owned, release, err
}

type faultyStream struct {
	log.Stream
	f    *Faulty
	name string
}

func (s *faultyStream) do(ctx context.Context, name, subject string, call func() error) error {
	return s.f.do(ctx, Op{Name: name, Stream: s.name, Subject: subject}, call)
}

func (s *faultyStream) Append(ctx context.Context, entries ...log.Entry) []log.Stored {
	all := make([]log.Stored, len(entries))
	var left []log.Entry
	var at []int
	for i, e := range entries {
		if fault := s.f.before.Load(); fault != nil {
			all[i].Err = (*fault)(ctx, Op{Name: "Append", Stream: s.name, Subject: e.Subject})
		}
		if all[i].Err == nil {
			left, at = append(left, e), append(at, i)
		}
	}
	for i, stored := range s.Stream.Append(ctx, left...) {
		if fault := s.f.after.Load(); fault != nil && stored.Err == nil {
			if err := (*fault)(ctx, Op{Name: "Append", Stream: s.name, Subject: left[i].Subject}); err != nil {
				stored = log.Stored{Err: err}
			}
		}
		all[at[i]] = stored
	}
	return all
}

func (s *faultyStream) Get(ctx context.Context, position uint64) (e log.Entry, err error) {
	err = s.do(ctx, "Get", "", func() (err error) {
		e, err = s.Stream.Get(ctx, position)
		return err
	})
	return e, err
}

func (s *faultyStream) Read(ctx context.Context, from log.From) (r log.Reader, err error) {
	err = s.do(ctx, "Read", from.Subjects, func() error {
		reader, err := s.Stream.Read(ctx, from)
		r = &faultyReader{reader, s}
		return err
	})
	return r, err
}

func (s *faultyStream) Remove(ctx context.Context, positions ...uint64) error {
	return s.do(ctx, "Remove", "", func() error { return s.Stream.Remove(ctx, positions...) })
}

func (s *faultyStream) Purge(ctx context.Context, subjects string, before uint64) error {
	return s.do(ctx, "Purge", subjects, func() error { return s.Stream.Purge(ctx, subjects, before) })
}

func (s *faultyStream) Info(ctx context.Context, subjects string) (info log.Info, err error) {
	err = s.do(ctx, "Info", subjects, func() (err error) {
		info, err = s.Stream.Info(ctx, subjects)
		return err
	})
	return info, err
}

func (s *faultyStream) Consumer(ctx context.Context, name string, cfg log.ConsumerConfig) (c log.Consumer, err error) {
	err = s.do(ctx, "Consumer", cfg.Subjects, func() error {
		consumer, err := s.Stream.Consumer(ctx, name, cfg)
		c = &faultyConsumer{consumer, s}
		return err
	})
	return c, err
}

func (s *faultyStream) DeleteConsumer(ctx context.Context, name string) error {
	return s.do(ctx, "DeleteConsumer", "", func() error { return s.Stream.DeleteConsumer(ctx, name) })
}

type faultyReader struct {
	log.Reader
	s *faultyStream
}

// Next loses nothing: what it cannot return after a fault would be skipped, so only
// faults before it count.
func (r *faultyReader) Next(ctx context.Context, max int) ([]log.Entry, error) {
	if fault := r.s.f.before.Load(); fault != nil {
		if err := (*fault)(ctx, Op{Name: "Next", Stream: r.s.name}); err != nil {
			return nil, err
		}
	}
	return r.Reader.Next(ctx, max)
}

type faultyConsumer struct {
	log.Consumer
	s *faultyStream
}

func (c *faultyConsumer) Fetch(ctx context.Context, max int) (all []log.Delivery, err error) {
	err = c.s.do(ctx, "Fetch", "", func() error {
		some, err := c.Consumer.Fetch(ctx, max)
		for _, d := range some {
			all = append(all, &faultyDelivery{d, c.s})
		}
		return err
	})
	return all, err
}

type faultyDelivery struct {
	log.Delivery
	s *faultyStream
}

func (d *faultyDelivery) do(ctx context.Context, name string, call func() error) error {
	return d.s.do(ctx, name, d.Entry().Subject, call)
}

func (d *faultyDelivery) Ack(ctx context.Context) error {
	return d.do(ctx, "Ack", func() error { return d.Delivery.Ack(ctx) })
}

func (d *faultyDelivery) Delay(after time.Duration) error {
	return d.do(context.Background(), "Delay", func() error { return d.Delivery.Delay(after) })
}

func (d *faultyDelivery) InProgress() error {
	return d.do(context.Background(), "InProgress", d.Delivery.InProgress)
}
