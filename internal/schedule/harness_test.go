package schedule_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/schedule"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/store/sql"
)

const (
	account = "123456789012"
	fn      = "arn:aws:lambda:eu-west-1:" + account + ":function:work"
	line    = "arn:aws:sqs:eu-west-1:" + account + ":line"
	ordered = "arn:aws:sqs:eu-west-1:" + account + ":line.fifo"
	dead    = "arn:aws:sqs:eu-west-1:" + account + ":dead"
	someDay = "2000-01-01" // when virtual time begins
)

var scope = pinfold.Scope{Account: account, Region: "eu-west-1"}

// house is a service with its store and somebody who takes its messages.
type house struct {
	*schedule.Service
	t       *testing.T
	db      *sql.DB
	options schedule.Options
	post    *post
	broken  atomic.Bool // the store takes no changes
	stop    func()
}

// post takes messages.
type post struct {
	mu     sync.Mutex
	got    []got
	answer func(ctx context.Context, to string, m pinfold.EventMessage) error // nil: nil
	inside int                                                                // messages that are being taken
	most   int                                                                // of these at a time
}

type got struct {
	at time.Time
	by pinfold.Principal
	to string
	pinfold.EventMessage
}

func (p *post) SendEvent(ctx context.Context, by pinfold.Principal, to string, m pinfold.EventMessage) error {
	p.mu.Lock()
	p.inside++
	p.most = max(p.most, p.inside)
	answer := p.answer
	p.mu.Unlock()
	var err error
	if answer != nil {
		err = answer(ctx, to, m)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inside--
	if err == nil {
		p.got = append(p.got, got{time.Now().UTC(), by, to, m})
	}
	return err
}

// answer has messages answered in another way.
func (h *house) answer(f func(ctx context.Context, to string, m pinfold.EventMessage) error) {
	h.post.mu.Lock()
	defer h.post.mu.Unlock()
	h.post.answer = f
}

// take returns what has come since it was called last.
func (p *post) take() []got {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.got
	p.got = nil
	return taken
}

// Update fails where the store is broken.
func (h *house) Update(ctx context.Context, f func(store.Tx) error) error {
	if h.broken.Load() {
		return pinfold.Errorf(pinfold.Unavailable, "the disk is full")
	}
	return h.db.Update(ctx, f)
}

func (h *house) View(ctx context.Context, f func(store.Tx) error) error { return h.db.View(ctx, f) }

// inHouse runs a test in virtual time, beside others.
func inHouse(t *testing.T, test func(*house)) {
	t.Parallel()
	inVirtualTime(t, test)
}

func inVirtualTime(t *testing.T, test func(*house)) {
	synctest.Test(t, func(t *testing.T) {
		db, err := sql.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"))
		if err != nil {
			t.Fatal(err)
		}
		h := &house{t: t, db: db, post: &post{}}
		h.start()
		test(h)
		h.stop()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (h *house) start() {
	o := h.options
	o.Store, o.Sender, o.Scope = h, h.post, scope
	h.Service = schedule.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error)
	go func() { over <- h.Run(ctx) }()
	h.stop = func() {
		cancel()
		if err := <-over; err != nil {
			h.t.Error(err)
		}
		h.stop = func() {}
	}
	synctest.Wait()
}

// kill stops the server as a crash does: nothing more is written.
func (h *house) kill() {
	h.broken.Store(true)
	h.stop()
	h.broken.Store(false)
}

// away lets time pass without a server.
func (h *house) away(d time.Duration) {
	h.stop()
	h.pass(d)
	h.start()
}

// pass lets time pass.
func (h *house) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// create makes schedules for a function.
func (h *house) create(schedules ...pinfold.Schedule) {
	h.t.Helper()
	for _, n := range schedules {
		if n.Target.ARN == "" {
			n.Target.ARN = fn
		}
		if _, err := h.CreateSchedule(h.t.Context(), n); err != nil {
			h.t.Fatal(err)
		}
	}
	synctest.Wait()
}

// fill makes many schedules that are due in an hour, in one transaction.
func (h *house) fill(n int) {
	h.do(h.db.Update(h.t.Context(), func(tx store.Tx) error {
		s := h.Within(tx)
		for i := range n {
			at := time.Now().UTC().Add(time.Hour).Format("at(2006-01-02T15:04:05)")
			expression := []string{at, "cron(0 1 * * ? *)", "cron(0 1 ? * MON-SUN *)"}[i%3]
			if _, err := s.CreateSchedule(h.t.Context(), pinfold.Schedule{
				Name: fmt.Sprint("n", i), Expression: expression, Target: pinfold.ScheduleTarget{ARN: fn + fmt.Sprint(i%100), Input: `{"n":1}`},
			}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// rule makes a rule with targets.
func (h *house) rule(name, expression string, targets ...pinfold.ScheduleTarget) {
	h.t.Helper()
	if _, err := h.PutRule(h.t.Context(), pinfold.Rule{Name: name, Expression: expression}, ""); err != nil {
		h.t.Fatal(err)
	}
	if len(targets) > 0 {
		h.do(h.PutTargets(h.t.Context(), "", name, targets))
	}
	synctest.Wait()
}

func (h *house) do(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	synctest.Wait()
}

// came checks what has come since it was called last: the name of what sent it, and
// when, which is a time of someDay, or a date, too.
func (h *house) came(want ...string) {
	h.t.Helper()
	var have []string
	for _, g := range h.post.take() {
		name := g.Trigger.Source[strings.LastIndexByte(g.Trigger.Source, '/')+1:]
		have = append(have, name+" "+strings.TrimPrefix(g.at.Format("2006-01-02 15:04:05"), someDay+" "))
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		h.t.Errorf("at %s there came %q, want %q", time.Now().UTC().Format(time.DateTime), have, want)
	}
}

// mark returns what is written about what was sent.
func (h *house) mark() (ns int64) {
	h.do(h.db.View(h.t.Context(), func(tx store.Tx) error {
		got, err := tx.Sequences().Get(store.Key{account, scope.Region, "schedule.mark"})
		if pinfold.CodeOf(err) == pinfold.NotFound {
			err = nil
		}
		ns = got
		return err
	}))
	return ns
}

func refused(t *testing.T, err error, code pinfold.Code, reason, says string) {
	t.Helper()
	if pinfold.CodeOf(err) != code || pinfold.ReasonOf(err) != reason || !strings.Contains(fmt.Sprint(err), says) {
		t.Errorf("%v (%s, %s); want %s, %s, %q", err, pinfold.CodeOf(err), pinfold.ReasonOf(err), code, reason, says)
	}
}
