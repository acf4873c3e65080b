package backlog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"pgregory.net/rapid"

	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/store/log/jetstream"
	"pinfold.dev/pinfold/internal/store/log/logtest"
	"pinfold.dev/pinfold/internal/store/log/mem"
)

// A model of a backlog, as simple as can be: what was sent and not removed, in
// order. The real one must never hand out what the model has out of sight, nor keep
// back what it has in sight.
type model struct {
	fifo     bool
	messages []*sent // the oldest first
}

type sent struct {
	backlog.Receipt
	text, group string
	due         time.Time // delayed or in flight until then
	inFlight    bool
}

func (m *model) wake() {
	for _, s := range m.messages {
		if s.due.After(time.Now()) {
			continue
		}
		s.inFlight = false
	}
}

// receivable returns what may be received now, all in all.
func (m *model) receivable() (all []*sent) {
	m.wake()
	blocked := map[string]bool{}
	if m.fifo {
		for _, s := range m.messages {
			if s.inFlight {
				blocked[s.group] = true
			}
		}
	}
	for _, s := range m.messages {
		hidden := s.due.After(time.Now())
		if m.fifo && hidden {
			blocked[s.group] = true // what comes behind it must wait
		}
		if !hidden && !(m.fifo && blocked[s.group]) {
			all = append(all, s)
		}
	}
	return all
}

type machine struct {
	model
	times
	t       *testing.T
	log     *logtest.Faulty
	hub     *backlog.Hub
	backlog *backlog.Backlog
	n       int
}

// times are how long what is drawn takes.
type times struct {
	visibilities, delays, waits []time.Duration
	virtual                     bool
}

// virtual is for bubbles. In real time nothing comes back by itself, so that the
// model knows what is in sight at every moment.
var (
	virtual = times{
		visibilities: []time.Duration{0, time.Second, 5 * time.Second, time.Minute}, delays: []time.Duration{0, 0, 0, 2 * time.Second, time.Minute},
		waits: []time.Duration{0, 0, 3 * time.Second}, virtual: true,
	}
	real = times{visibilities: []time.Duration{0, time.Hour}, delays: []time.Duration{0, 0, 0, time.Hour}, waits: []time.Duration{0}}
)

func (m *machine) open(r *rapid.T) {
	hub, err := backlog.Open(m.t.Context(), backlog.Options{Log: m.log, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		m.t.Fatal(err)
	}
	hub.Hurry(rapid.IntRange(1, 10).Draw(r, "bury"), rapid.IntRange(1, 20).Draw(r, "dead"), rapid.IntRange(1, 20).Draw(r, "front"))
	m.hub, m.backlog = hub, hub.Backlog("q.1", backlog.Config{FIFO: m.fifo})
}

// run does whatever comes to rapid's mind, over a log of its own.
func (m *machine) run(r *rapid.T) {
	m.open(r)
	defer func() { m.hub.Crash(); m.log.Close() }()
	actions := map[string]func(*rapid.T){
		"send": m.send, "receive": m.receive, "remove": m.remove, "extend": m.extend, "return": m.giveBack,
		"restart": m.restart, "crash": m.crash, "break": m.breakDown, "": m.check,
	}
	if m.virtual {
		actions["wait"] = m.wait
	}
	r.Repeat(actions)
}

func TestModel(t *testing.T) {
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprintf("fifo=%v", fifo), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rapid.Check(timeless{t}, func(r *rapid.T) {
					(&machine{model: model{fifo: fifo}, times: virtual, t: t, log: logtest.NewFaulty(mem.New())}).run(r)
				})
			})
		})
	}
}

// timeless is a test in a bubble, where it may not be asked for its deadline.
type timeless struct{ *testing.T }

// The same on JetStream, in the process and in a server of its own.
func TestModelOnJetStream(t *testing.T) {
	servers, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), MaxPayload: 4 << 20, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	go servers.Start()
	defer func() { servers.Shutdown(); servers.WaitForShutdown() }()
	if !servers.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	n := 0
	for name, options := range map[string]func() jetstream.Options{
		"embedded": func() jetstream.Options { return jetstream.Options{Dir: t.TempDir()} },
		"external": func() jetstream.Options {
			n++
			return jetstream.Options{URL: servers.ClientURL(), Prefix: fmt.Sprint("p", n)}
		},
	} {
		for _, fifo := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, fifo=%v", name, fifo), func(t *testing.T) {
				runs := 0
				rapid.Check(t, func(r *rapid.T) {
					if runs++; runs > 8 { // each has a log of its own, on disk
						return
					}
					o := options()
					o.Logger = slog.New(slog.DiscardHandler)
					l, err := jetstream.Open(t.Context(), o)
					if err != nil {
						t.Fatal(err)
					}
					(&machine{model: model{fifo: fifo}, times: real, t: t, log: logtest.NewFaulty(l)}).run(r)
				})
			})
		}
	}
}

func (m *machine) send(r *rapid.T) {
	n := rapid.IntRange(1, 20).Draw(r, "n")
	var items []backlog.Item
	for range n {
		it := backlog.Item{Data: fmt.Append(nil, "message ", m.n)}
		if m.fifo {
			it.Group = rapid.SampledFrom([]string{"a", "b", "c!%~"}).Draw(r, "group")
		}
		it.Delay = rapid.SampledFrom(m.delays).Draw(r, "delay")
		m.n++
		items = append(items, it)
	}
	now := time.Now()
	for i, s := range m.backlog.Send(m.t.Context(), items...) {
		if s.Err != nil || s.Duplicate {
			r.Fatalf("Send: %+v", s)
		}
		m.messages = append(m.messages, &sent{Receipt: backlog.Receipt{Position: s.Position}, text: string(items[i].Data), group: items[i].Group, due: now.Add(items[i].Delay)})
	}
}

func (m *machine) receive(r *rapid.T) {
	n := rapid.IntRange(1, 10).Draw(r, "max")
	visibility := rapid.SampledFrom(m.visibilities).Draw(r, "visibility")
	wait := rapid.SampledFrom(m.waits).Draw(r, "wait")
	before := m.receivable()
	began := time.Now()
	got, err := m.backlog.Receive(m.t.Context(), n, visibility, wait)
	if err != nil {
		r.Fatal(err)
	}
	if m.virtual && len(before) > 0 && time.Since(began) > 0 {
		r.Fatalf("Receive waited %v though there were %d messages", time.Since(began), len(before))
	}
	may := m.receivable() // time may have passed
	next := map[string]int{}
	for _, g := range got {
		i := slices.IndexFunc(may, func(s *sent) bool { return s.Position == g.Position })
		if i < 0 {
			r.Fatalf("received %s, which is out of sight, or removed, or behind another one of its group", g.Data)
		}
		s := may[i]
		if m.fifo {
			var ofGroup []*sent
			for _, o := range may {
				if o.group == s.group {
					ofGroup = append(ofGroup, o)
				}
			}
			if ofGroup[next[s.group]] != s {
				r.Fatalf("received %s of group %s out of order", g.Data, s.group)
			}
			next[s.group]++
		}
		if string(g.Data) != s.text || g.Group != s.group {
			r.Fatalf("received %q of %q, sent %q of %q", g.Data, g.Group, s.text, s.group)
		}
		if g.Receive != s.Receive+1 {
			r.Fatalf("%s: received %d times, want %d", g.Data, g.Receive, s.Receive+1)
		}
		s.Receive++
		if visibility > 0 {
			s.due, s.inFlight = time.Now().Add(visibility), true
		}
	}
	if len(got) < n {
		if visibility > 0 {
			may = m.receivable()
		} else {
			may = slices.DeleteFunc(may, func(s *sent) bool {
				return slices.ContainsFunc(got, func(g backlog.Message) bool { return g.Position == s.Position })
			})
		}
		if len(may) > 0 {
			r.Fatalf("received %d of at most %d, though there was %s", len(got), n, may[0].text)
		}
	}
}

func (m *machine) any(r *rapid.T) *sent {
	m.wake()
	if len(m.messages) == 0 {
		r.Skip("no messages")
	}
	return m.messages[rapid.IntRange(0, len(m.messages)-1).Draw(r, "message")]
}

func (m *machine) remove(r *rapid.T) {
	s := m.any(r)
	err := m.backlog.Remove(m.t.Context(), s.Receipt)[0]
	if m.fifo && !s.inFlight {
		if err != backlog.ErrStale {
			r.Fatalf("removing %s of a FIFO backlog, which is not in flight: %v", s.text, err)
		}
		return
	}
	if errors.Is(err, errBroken) {
		return
	}
	if err != nil {
		r.Fatal(err)
	}
	if err := m.backlog.Remove(m.t.Context(), s.Receipt)[0]; err != nil {
		r.Fatalf("removing it again: %v", err)
	}
	m.messages = slices.DeleteFunc(m.messages, func(o *sent) bool { return o == s })
}

func (m *machine) extend(r *rapid.T) {
	s := m.any(r)
	d := rapid.SampledFrom(m.visibilities).Draw(r, "visibility")
	m.changed(r, s, m.backlog.Extend(s.Receipt, d))
	if s.inFlight {
		s.due, s.inFlight = time.Now().Add(d), d > 0
	}
}

func (m *machine) giveBack(r *rapid.T) {
	s := m.any(r)
	d := rapid.SampledFrom(m.delays).Draw(r, "delay")
	m.changed(r, s, m.backlog.Return(s.Receipt, d))
	if s.inFlight {
		s.due, s.inFlight = time.Now().Add(d), false
		s.Receive--
	}
}

func (m *machine) changed(r *rapid.T, s *sent, err error) {
	if s.inFlight != (err == nil) || err != nil && !errors.Is(err, backlog.ErrVisible) && !errors.Is(err, backlog.ErrGone) {
		r.Fatalf("changing %s, in flight %v: %v", s.text, s.inFlight, err)
	}
}

func (m *machine) wait(r *rapid.T) {
	time.Sleep(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 10 * time.Second, 2 * time.Minute}).Draw(r, "time"))
}

var errBroken = errors.New("broken")

// breakDown has what was removed stay in the log, in whole or in part, until the next
// start; or has nothing written down.
func (m *machine) breakDown(r *rapid.T) {
	if rapid.Bool().Draw(r, "full") {
		m.log.Before(func(ctx context.Context, op logtest.Op) error {
			if op.Stream == "removals" && op.Name == "Append" {
				return errBroken
			}
			return nil
		})
		return
	}
	var left atomic.Int64
	left.Store(int64(rapid.IntRange(0, 3).Draw(r, "steps")))
	m.log.Before(func(ctx context.Context, op logtest.Op) error {
		if (op.Name == "Remove" || op.Name == "Purge") && left.Add(-1) < 0 {
			return errBroken
		}
		return nil
	})
}

// restart keeps counts, and what is in flight.
func (m *machine) restart(r *rapid.T) {
	m.check(r)
	m.log.Before(nil)
	if err := m.hub.Close(); err != nil {
		r.Fatal(err)
	}
	m.open(r)
	m.compare(r, func(s *sent, g backlog.Message) bool {
		return g.Receive == s.Receive && (!s.inFlight || g.State == backlog.InFlight && g.Due.Sub(s.due).Abs() < time.Second)
	})
}

// crash shows what was in flight; counts are those of when messages came back.
func (m *machine) crash(r *rapid.T) {
	if m.virtual {
		synctest.Wait() // notes are written at once, but behind the back
	}
	m.hub.Crash()
	m.log.Before(nil)
	m.open(r)
	m.compare(r, func(s *sent, g backlog.Message) bool { return !m.virtual || g.Receive <= s.Receive })
}

func (m *machine) compare(r *rapid.T, same func(*sent, backlog.Message) bool) {
	m.wake()
	got, err := m.backlog.Peek(m.t.Context(), len(m.messages)+1)
	if err != nil || len(got) != len(m.messages) {
		r.Fatalf("there are %d messages of %d: %v", len(got), len(m.messages), err)
	}
	for i, g := range got {
		s := m.messages[i]
		if g.Position != s.Position || !same(s, g) {
			r.Fatalf("%s came back as %+v, was %+v", g.Data, g, *s)
		}
		s.Receive, s.inFlight, s.due = g.Receive, g.State == backlog.InFlight, g.Due
	}
}

func (m *machine) check(r *rapid.T) {
	m.wake()
	got, want := m.backlog.Counts(), backlog.Counts{}
	for _, s := range m.messages {
		switch {
		case s.inFlight:
			want.InFlight++
		default:
			want.Visible++
		}
	}
	got.Visible += got.Delayed // known only of those in the window
	got.Delayed, got.Oldest = 0, time.Time{}
	if got != want {
		r.Fatalf("Counts: %+v, want %+v", got, want)
	}
}
