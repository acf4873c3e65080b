package async

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
)

const (
	// keptFailures is how many events of a function that were given up can be looked
	// at, and keptFor for how long. They are in the log.
	keptFailures = 100
	keptFor      = 14 * 24 * time.Hour
	// maxLook is how many events of a line are looked at, the oldest first.
	maxLook = 1000
)

// keep has something be looked at that was given up.
func (s *Service) keep(ctx context.Context, ref pinfold.FunctionRef, it item, f failure) error {
	it.Failure = &f
	if err := s.insist(ctx, func(ctx context.Context) error { return s.store(ctx, failures, ref, it, "") }); err != nil {
		return err
	}
	s.trimFailures(ctx, ref)
	return nil
}

// trimFailures removes the oldest failures beyond those that are kept. Where it
// cannot, there are a few more until the next one.
func (s *Service) trimFailures(ctx context.Context, ref pinfold.FunctionRef) {
	s.trimming.Lock()
	defer s.trimming.Unlock()
	line := s.line(failures, ref)
	oldest, err := line.Peek(ctx, 1)
	for err == nil && len(oldest) > 0 && line.Counts().Visible > keptFailures {
		if err = line.Remove(ctx, oldest[0].Receipt)[0]; err == nil {
			oldest, err = line.Peek(ctx, 1)
		}
	}
}

func (s *Service) expireFailures(ref pinfold.FunctionRef) {
	if _, err := s.line(failures, ref).Expire(s.receiving, time.Now().Add(-keptFor)); err != nil && s.receiving.Err() == nil {
		s.o.Log.Error("could not remove old failures of asynchronous invocations", "function", ref.Name, "error", err)
	}
}

// functionRef returns the function of that name.
func (s *Service) functionRef(name string) pinfold.FunctionRef {
	return pinfold.FunctionRef{Account: s.o.Scope.Account, Region: s.o.Scope.Region, Name: name}
}

// ended is what has become of the events of a function.
type ended struct{ succeeded, givenUp, undelivered atomic.Uint64 }

// endedOf returns a function's. s.mu is held.
func (s *Service) endedOf(name string) *ended {
	if s.ended[name] == nil {
		s.ended[name] = new(ended)
	}
	return s.ended[name]
}

// forgetEnded drops the counts of a function that is gone, once nobody counts on.
func (s *Service) forgetEnded(name string) {
	ref := s.functionRef(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pumps[lineID(events, ref)] == nil && s.pumps[lineID(deliveries, ref)] == nil {
		delete(s.ended, name)
	}
}

// Statuses tells how the asynchronous invocations are of every function that has
// any, or has had since the service was opened, by the function's name.
func (s *Service) Statuses() []pinfold.AsyncStatus {
	names := map[string]bool{}
	for id := range s.o.Hub.IDs(prefix) {
		if _, ref, ok := parseLine(id); ok {
			names[ref.Name] = true
		}
	}
	s.mu.Lock()
	ended := slices.Collect(maps.Keys(s.ended))
	s.mu.Unlock()
	for _, name := range ended {
		if _, err := s.o.Functions.EventInvoke(s.receiving, s.functionRef(name)); pinfold.CodeOf(err) == pinfold.NotFound {
			s.forgetEnded(name)
			continue
		}
		names[name] = true
	}
	all := make([]pinfold.AsyncStatus, 0, len(names))
	for name := range names {
		all = append(all, s.Status(name))
	}
	slices.SortFunc(all, func(a, b pinfold.AsyncStatus) int { return strings.Compare(a.Function, b.Function) })
	return all
}

// Waiting returns how many events a function has that have not ended.
func (s *Service) Waiting(function string) int {
	ref := s.functionRef(function)
	s.mu.Lock()
	p := s.pumps[lineID(events, ref)]
	s.mu.Unlock()
	if p == nil { // nor anything for one
		return 0
	}
	c := p.line().Counts()
	return c.Visible + c.Delayed + c.InFlight
}

// Status tells how the asynchronous invocations of a function are.
func (s *Service) Status(function string) pinfold.AsyncStatus {
	ref := s.functionRef(function)
	st := pinfold.AsyncStatus{Function: function}
	c := s.line(events, ref).Counts()
	s.mu.Lock()
	p := s.pumps[lineID(events, ref)]
	if e := s.ended[function]; e != nil {
		st.Ended = pinfold.AsyncEnded{Succeeded: e.succeeded.Load(), GivenUp: e.givenUp.Load(), Undelivered: e.undelivered.Load()}
	}
	s.mu.Unlock()
	if p != nil {
		p.mu.Lock()
		st.Running = len(p.tasks)
		if p.pace.open {
			st.Paused = &pinfold.EventPause{Since: p.pace.since, Next: p.pace.probeAt, Error: p.pace.cause.Error()}
		}
		p.mu.Unlock()
	}
	st.Waiting, st.Delayed, st.Oldest = c.Visible, max(0, c.Delayed+c.InFlight-st.Running), c.Oldest
	c = s.line(deliveries, ref).Counts()
	st.Sending = c.Visible + c.Delayed + c.InFlight
	c = s.line(failures, ref).Counts()
	st.Failed = c.Visible + c.InFlight
	return st
}

// Events returns the events of a function that have not ended and those that were
// given up, the oldest of each first, and at most so many of each.
func (s *Service) Events(ctx context.Context, function string, most int) ([]pinfold.AsyncEvent, error) {
	all := []pinfold.AsyncEvent{}
	for _, kind := range []lineKind{events, deliveries, failures} {
		err := s.look(ctx, kind, function, min(most, maxLook), func(m backlog.Message, it item, p *pump) error {
			all = append(all, show(kind, m, it, p))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// look calls fn for the items of a line. The pump is nil if the line has none.
func (s *Service) look(ctx context.Context, kind lineKind, function string, most int, fn func(backlog.Message, item, *pump) error) error {
	ref := s.functionRef(function)
	s.mu.Lock()
	p := s.pumps[lineID(kind, ref)]
	s.mu.Unlock()
	return s.line(kind, ref).Look(ctx, most, func(m backlog.Message) error {
		it, err := decode(m.Data)
		if err != nil {
			return err
		}
		return fn(m, it, p)
	})
}

func show(kind lineKind, m backlog.Message, it item, p *pump) pinfold.AsyncEvent {
	e := pinfold.AsyncEvent{ID: it.ID, Qualifier: it.Qualifier, State: pinfold.AsyncWaiting, Sent: m.Sent, Attempts: m.Receive, Bytes: len(it.payload)}
	if m.State != backlog.Visible {
		e.State, e.Next = pinfold.AsyncDelayed, m.Due
	}
	if p != nil {
		p.mu.Lock()
		last, noted := p.notes[m.Position]
		_, running := p.tasks[m.Position]
		p.mu.Unlock()
		if noted {
			e.Error = last.response.message()
		}
		if running {
			e.State, e.Next = pinfold.AsyncRunning, time.Time{}
		}
	}
	if it.Delivery != nil {
		e.State, e.Target, e.Sent = pinfold.AsyncSending, it.Delivery.To, it.Accepted
	}
	if f := it.Failure; kind == failures && f != nil {
		e.State, e.Sent, e.Next, e.Condition, e.Error, e.Attempts = pinfold.AsyncFailed, it.Accepted, time.Time{}, f.Condition, f.Error, f.Attempts
	}
	return e
}

// Retry has events tried now: those that wait for their time at once, those that
// were given up once more from the beginning. Without ids these are all that can be
// looked at. It returns how many they are.
func (s *Service) Retry(ctx context.Context, function string, ids ...string) (n int, err error) {
	ref := s.functionRef(function)
	for _, kind := range []lineKind{events, deliveries} {
		err := s.look(ctx, kind, function, maxLook, func(m backlog.Message, it item, p *pump) error {
			if wanted(ids, it.ID) && p != nil && p.hurry(m) {
				n++
			}
			return nil
		})
		if err != nil {
			return n, err
		}
	}
	s.Changed(ref)
	err = s.look(ctx, failures, function, maxLook, func(m backlog.Message, it item, _ *pump) error {
		if !wanted(ids, it.ID) {
			return nil
		}
		kind := events
		if it.Delivery != nil {
			kind = deliveries
		}
		it.Failure = nil
		if err := s.store(ctx, kind, ref, it, ""); err != nil {
			return err
		}
		n++
		return s.line(failures, ref).Remove(ctx, m.Receipt)[0]
	})
	return n, err
}

// hurry has what waits in the pump's line tried at once. It reports false for what
// is being worked on.
func (p *pump) hurry(m backlog.Message) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, running := p.tasks[m.Position]; running {
		return false
	}
	return m.State == backlog.Visible || p.line().Wake(m.Position)
}

// Drop forgets events, whatever their state: what runs already runs on, and is not
// tried again. Without ids these are all that the function has. It returns how many
// they are.
func (s *Service) Drop(ctx context.Context, function string, ids ...string) (n int, err error) {
	ref := s.functionRef(function)
	for _, kind := range []lineKind{events, deliveries, failures} {
		for more := true; more; { // one look after the other, if it is all
			more = false
			err := s.look(ctx, kind, function, maxLook, func(m backlog.Message, it item, _ *pump) error {
				if !wanted(ids, it.ID) {
					return nil
				}
				n, more = n+1, len(ids) == 0
				return s.line(kind, ref).Remove(ctx, m.Receipt)[0]
			})
			if err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func wanted(ids []string, id string) bool { return len(ids) == 0 || slices.Contains(ids, id) }
