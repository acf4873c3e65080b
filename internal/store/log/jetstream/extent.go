package jetstream

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// extent is how far a stream is known to have come. Servers may lose its end, such as
// by a power cut between two syncs, and give the same positions again. But those who
// read have positions in memory, and have given them to others as names of what was
// there. So none is used twice: what is lost becomes a gap.
type extent struct {
	last    atomic.Uint64 // the highest position that was acknowledged, or read
	trusted atomic.Uint64 // which of Log.doubts was the last to be cleared
	cleared event         // there is no doubt any more

	mu       sync.Mutex
	from, to uint64 // the positions that were given again; 0: none
}

// reach notes that a position is in use.
func (e *extent) reach(position uint64) {
	for {
		last := e.last.Load()
		if position <= last || e.last.CompareAndSwap(last, position) {
			return
		}
	}
}

// again notes that positions from one on, up to another one, are given again.
func (e *extent) again(from, to uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.to == 0 || from < e.from {
		e.from = from
	}
	e.to = max(e.to, to)
}

// twice returns which positions were given again; to is 0 where none were.
func (e *extent) twice() (from, to uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.from, e.to
}

// mended notes that these are in use no more.
func (e *extent) mended(from, to uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.from == from && e.to == to {
		e.from, e.to = 0, 0
	}
}

// extent returns that of a stream, which was looked at under a doubt.
func (l *Log) extent(name string, doubt uint64) *extent {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.extents[name]
	if e == nil {
		e = &extent{}
		e.trusted.Store(doubt)
		l.extents[name] = e
	}
	return e
}

// up waits until there is a connection and the stream is known to have what it had,
// for a while.
func (s *stream) up(ctx context.Context) error {
	return s.log.await(ctx, s.ready, &s.extent.cleared)
}

func (s *stream) ready() bool { return s.log.nc.IsConnected() && !s.log.doubted(s.extent) }

func (l *Log) doubted(e *extent) bool { return e.trusted.Load() != l.doubts.Load() }

// believe looks at an acknowledgement of an entry that was sent when last was the
// highest position.
func (s *stream) believe(stored log.Stored, last uint64) log.Stored {
	if stored.Err != nil || stored.Duplicate {
		return stored
	}
	if stored.Position > last {
		s.extent.reach(stored.Position)
		return stored
	}
	s.extent.again(stored.Position, last)
	s.log.doubts.Add(1)
	s.log.look()
	return log.Stored{Err: pinfold.Errorf(pinfold.Unavailable, "store in stream %s of the log: its servers have lost entries; it is not known whether this one was stored", s.name)}
}

// look has clear look for doubts.
func (l *Log) look() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// clear clears doubts until the log is closed.
func (l *Log) clear() {
	defer close(l.ended)
	for {
		select {
		case <-l.closed.Done():
			return
		case <-l.kick:
		}
		for said := false; l.nc.IsConnected(); {
			err := l.mend()
			if err == nil || l.closed.Err() != nil {
				break
			}
			if !said && l.nc.IsConnected() {
				said = true
				l.opts.Logger.Warn("could not ask the log whether it has lost something: nothing is stored in that stream before", "servers", l.where(), "error", err)
			}
			select {
			case <-time.After(retryEvery):
			case <-l.closed.Done():
			}
		}
	}
}

// mend looks whether all streams that are in doubt have come as far as they had, and
// has them go on from there. One that cannot be asked does not hold up the others.
func (l *Log) mend() (err error) {
	l.mu.Lock()
	extents := maps.Clone(l.extents)
	l.mu.Unlock()
	for name, e := range extents {
		for l.doubted(e) {
			s := l.newStream(name)
			s.extent, s.doubt = e, l.doubts.Load()
			if one := s.mend(l.closed); one != nil {
				err = l.failed(l.closed, one, "look at stream %s of the log", name)
				break
			}
			e.trusted.Store(s.doubt)
			e.cleared.happen()
		}
	}
	return err
}

func (s *stream) mend(ctx context.Context) error {
	last := s.extent.last.Load()
	err := s.log.askOnce(ctx, askWait, func(ctx context.Context) (err error) {
		s.js, err = s.log.js.Stream(ctx, s.log.streamName(s.name))
		return err
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s.log.opts.Logger.Error("a stream of the log is gone, with everything in it: start Pinfold anew", "stream", s.name, "servers", s.log.where())
		return nil
	}
	if err == nil && s.js.CachedInfo().State.LastSeq < last {
		err = s.skip(ctx, last)
	}
	from, to := s.extent.twice()
	if err != nil || to == 0 {
		return err
	}
	moved, err := s.move(ctx, from, to)
	if err != nil {
		return err
	}
	s.extent.mended(from, to)
	s.log.opts.Logger.Error("the servers of the log have lost entries that they had acknowledged: what of those is in memory is worked off, the others are gone; look at sync_interval in their configuration",
		"stream", s.name, "servers", s.log.where(), "from", from, "to", to, "moved", moved)
	return nil
}

// skipStep is how many positions are skipped at once.
const skipStep = 4000

// skip has no entry at the stream's next positions, up to one.
func (s *stream) skip(ctx context.Context, to uint64) error {
	subject := s.subject + "s.gap.gap" // nothing reads those that wait
	for next, n := uint64(0), uint64(1); next <= to; n = min(to+1-next, skipStep) {
		b := s.batch(int(n))
		for i := range b.errs {
			s.log.pipeline.send(ctx, b, i, &nats.Msg{Subject: subject})
		}
		s.log.pipeline.wait(ctx, b)
		for i := range b.errs {
			stored := s.stored(ctx, b.answers[i], b.errs[i])
			if stored.Err != nil {
				return stored.Err
			}
			if next == 0 && stored.Position <= to { // or the one that said where the end is was behind
				s.extent.again(stored.Position, to)
			}
			next = max(next, stored.Position+1)
		}
		if _, err := s.purge(ctx, subject, 0); err != nil {
			return err
		}
	}
	return nil
}

// move moves the entries between two positions to the end. It is known of none that
// it was stored, or it came by itself.
func (s *stream) move(ctx context.Context, from, to uint64) (n int, err error) {
	for {
		var m *jetstream.RawStreamMsg
		err := s.log.ask(ctx, func(ctx context.Context) (err error) {
			m, err = s.fromLeader(ctx, wanted{Position: from, Next: s.filter("")})
			return err
		})
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && m.Sequence > to {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		e, _ := s.entry(m.Subject, m.Header, nil, m.Sequence, m.Time)
		moved := &nats.Msg{Subject: m.Subject, Data: m.Data, Header: nats.Header{}}
		if e.Meta != "" {
			moved.Header[metaHeader] = []string{e.Meta}
		}
		if e.ID != "" {
			moved.Header[idHeader] = []string{e.ID} // by the server's own, it would be the second one
		}
		b := s.batch(1)
		s.log.pipeline.send(ctx, b, 0, moved)
		s.log.pipeline.wait(ctx, b)
		if stored := s.stored(ctx, b.answers[0], b.errs[0]); stored.Err != nil {
			return n, stored.Err
		}
		if err := s.remove(ctx, m.Sequence); err != nil {
			return n, err
		}
		n++
		from = m.Sequence + 1
	}
}
