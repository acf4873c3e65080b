package async

import (
	"context"
	"errors"
	"sync"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
)

const (
	// outOfSight is for how long what is being worked on is in flight. Nobody else
	// receives from the lines, so this is longer than anything can take.
	outOfSight = 24 * time.Hour
	// idle is after how long without anything to do a pump ends.
	idle = 30 * time.Second
	// batch is how many items are received at a time at most: they are in memory.
	batch = 8
	// maxNotes is how many notes a pump keeps.
	maxNotes = 1000
)

// pump takes from a line whatever there is, and has it worked on.
type pump struct {
	s     *Service
	kind  lineKind
	ref   pinfold.FunctionRef // unqualified
	id    string              // of the line
	work  func(context.Context, *pump, *task) verdict
	ended *ended // of the function

	woken   bool          // guarded by Service.mu: there may be something new
	changed chan struct{} // has a value when there may be room

	mu      sync.Mutex
	pace    pace
	full    bool                // there was no room for more when it was looked for
	tasks   map[uint64]struct{} // positions of what is being worked on
	notes   map[uint64]note     // of what waits, by position
	orphans bool                // there were events of a function that is not there
}

// task is an item that is being worked on.
type task struct {
	backlog.Message
	item
	probe bool
	last  note // of the attempt before
}

// note is what is known of the attempts at an item in this process.
type note struct {
	failed   int // attempts in a row that the platform failed or refused
	response response
}

// verdict is what becomes of an item.
type verdict struct {
	then   then
	after  time.Duration // until it is tried again
	ending ending
	note   note // remembered until it is tried again
}

type then int

const (
	remove   then = iota // it is done
	again                // it is tried again, and this attempt counted
	giveBack             // it is tried again, as if it had not been
)

func newPump(s *Service, kind lineKind, ref pinfold.FunctionRef, e *ended) *pump {
	p := &pump{
		s: s, kind: kind, ref: ref.With(""), id: lineID(kind, ref), ended: e, changed: make(chan struct{}, 1),
		pace: pace{most: s.o.Concurrency, limit: min(firstLimit, s.o.Concurrency)}, tasks: map[uint64]struct{}{}, notes: map[uint64]note{},
	}
	p.work = s.invoke
	if kind == deliveries {
		p.work = s.send
	}
	return p
}

func (p *pump) line() *backlog.Backlog { return p.s.line(p.kind, p.ref) }

// run takes from the line until there has been nothing in it for a while, or the
// service closes.
func (p *pump) run() {
	ctx := p.s.receiving
	for ctx.Err() == nil {
		p.mu.Lock()
		n, until := p.room(time.Now())
		p.full = n == 0
		p.mu.Unlock()
		if n == 0 {
			if until.IsZero() {
				until = p.stretch()
			} else {
				until = p.sweep(ctx, until)
			}
			p.pause(ctx, until)
			continue
		}
		ms, err := p.line().Receive(ctx, min(n, batch), outOfSight, idle)
		switch {
		case err != nil && ctx.Err() == nil:
			p.s.o.Log.Error("could not receive events of asynchronous invocations: it is tried again", "function", p.ref.Name, "error", err)
			p.pause(ctx, time.Now().Add(minWait))
		case len(ms) == 0 && p.s.retire(p):
			return
		}
		for _, m := range ms {
			p.begin(m)
		}
	}
}

// room is that of the pace, as far as there is memory for it. p.mu is held.
func (p *pump) room(now time.Time) (n int, until time.Time) {
	n, until = p.pace.room(now)
	if p.s.held.Load() >= maxHeld {
		n = min(n, max(0, firstLimit-len(p.tasks)))
	}
	return n, until
}

// stretch lets more run at a time while those that do take long. It returns when to
// look again; zero: when one ends.
func (p *pump) stretch() time.Time {
	if p.s.held.Load() >= maxHeld { // those of others, perhaps
		return time.Now().Add(slow)
	}
	if p.s.o.Waiting == nil {
		return time.Time{}
	}
	if p.s.o.Waiting(p.ref) > 0 { // more would only wait, too, and others behind them
		return time.Now().Add(slow)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if n, _ := p.room(now); n > 0 { // one has ended since: who takes its place tells nobody
		return now
	}
	return p.pace.stretch(now)
}

// pause waits until a time, zero being for ever, or until there may be room.
func (p *pump) pause(ctx context.Context, until time.Time) {
	var over <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-p.changed:
	case <-ctx.Done():
	}
}

// kick has what waits for better times tried at once.
func (p *pump) kick() {
	p.mu.Lock()
	p.pace.kick(time.Now())
	p.mu.Unlock()
	p.notify()
}

func (p *pump) notify() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// begin has a message worked on, and then whatever there is room for.
func (p *pump) begin(m backlog.Message) {
	if t := p.start(m); t != nil {
		p.s.owned.Go(func() {
			for ; t != nil; t = p.next() {
				p.do(t)
			}
		})
	}
}

// start makes a task of a message, or gives it back if the room for it has gone.
func (p *pump) start(m backlog.Message) *task {
	t := &task{Message: m}
	p.mu.Lock()
	n, _ := p.pace.room(time.Now()) // whatever is held: it is in memory already
	if n > 0 {
		t.probe = p.pace.begin(time.Now())
		t.last = p.notes[m.Position]
		p.tasks[m.Position] = struct{}{}
		p.s.held.Add(int64(len(m.Data)))
	}
	p.mu.Unlock()
	if n == 0 {
		p.settle(m.Receipt, verdict{then: giveBack})
		return nil
	}
	return t
}

// next returns what is to be done in the place of a task that has ended: a pump that
// waits for room need not be woken for it.
func (p *pump) next() *task {
	ctx := p.s.receiving
	p.mu.Lock()
	n, _ := p.room(time.Now())
	mine := n > 0 && p.full && !p.pace.open && ctx.Err() == nil
	p.mu.Unlock()
	if !mine {
		p.notify()
		return nil
	}
	ms, err := p.line().Receive(ctx, 1, outOfSight, 0)
	if n > 1 || err != nil || len(ms) == 0 {
		p.notify() // it sees to that
	}
	if len(ms) == 0 {
		return nil
	}
	return p.start(ms[0])
}

func (p *pump) do(t *task) {
	v := p.attempt(t)
	if v.then == remove { // while it is not, it holds its place
		p.settle(t.Receipt, v)
	}
	p.mu.Lock()
	wasOpen := p.pace.open
	p.pace.end(time.Now(), t.probe, v.ending, v.note.response.err)
	open := p.pace.open
	p.s.held.Add(-int64(len(t.Data)))
	delete(p.tasks, t.Position)
	delete(p.notes, t.Position)
	if v.then != remove && len(p.notes) < maxNotes {
		p.notes[t.Position] = v.note
	}
	p.mu.Unlock()
	if v.then != remove {
		p.settle(t.Receipt, v)
	}
	p.report(wasOpen, open, v.note.response.err)
}

func (p *pump) attempt(t *task) verdict {
	var err error
	if t.item, err = decode(t.Data); err != nil {
		p.s.o.Log.Error("an event cannot be read and is dropped", "function", p.ref.Name, "sent", t.Sent, "error", err)
		return verdict{}
	}
	return p.work(p.s.running, p, t)
}

// report says when events begin to wait, and when they do not any more.
func (p *pump) report(wasOpen, open bool, err error) {
	switch {
	case open && !wasOpen && p.kind == events:
		p.s.o.Log.Warn("asynchronous invocations pause: the function cannot be run", "function", p.ref.Name, "error", err)
	case open && !wasOpen:
		p.s.o.Log.Warn("records of asynchronous invocations wait: the destination does not take them", "function", p.ref.Name, "error", err)
	case wasOpen && !open:
		p.s.o.Log.Info("asynchronous invocations go on", "function", p.ref.Name)
	}
}

// settle does with a message what was decided.
func (p *pump) settle(r backlog.Receipt, v verdict) {
	var err error
	switch v.then {
	case again:
		err = p.line().Extend(r, v.after)
	case giveBack:
		err = p.line().Return(r, v.after)
	default:
		err = p.s.insist(p.s.running, func(ctx context.Context) error { return p.line().Remove(ctx, r)[0] })
	}
	if err != nil && !errors.Is(err, backlog.ErrGone) && p.s.running.Err() == nil { // or else it was dropped meanwhile
		p.s.o.Log.Error("an event may be handled once more", "function", p.ref.Name, "error", err)
	}
}

// insist tries something until it succeeds, or ctx ends: what has happened already
// must not happen again because the disk is full for a while.
func (s *Service) insist(ctx context.Context, try func(context.Context) error) error {
	for n := 1; ; n++ {
		err := try(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if n == 1 {
			s.o.Log.Error("could not go on with an event: it is tried again", "error", err)
		}
		select {
		case <-time.After(min(waitAfter(n), time.Minute)):
		case <-ctx.Done():
		}
	}
}
