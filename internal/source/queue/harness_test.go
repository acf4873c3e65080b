package queue_test

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/mapping"
	"pinfold.dev/pinfold/internal/source/queue"
)

var _ queue.Mappings = (*mapping.Registry)(nil)

const (
	source     = "arn:aws:sqs:eu-central-1:123456789012:jobs"
	visibility = 30 * time.Second
)

var work = pinfold.FunctionRef{Account: "123456789012", Region: "eu-central-1", Name: "work"}

// line is a queue in memory: order (that in which messages became visible), visibility, receive counts, groups and redrive
// are SQS's.
type line struct {
	mu         sync.Mutex
	messages   []*message
	changed    chan struct{} // is closed when something changes
	maxReceive int           // 0: no dead-letter queue
	atMost     int           // messages that a Receive returns; 0: as many as are wanted
	missing    bool
	dead       []string // bodies
	asked      []int    // how many messages each Receive wanted
	deletes    int      // calls
	sent       int
	turns      int
}

type message struct {
	id, body, group string
	handle          string
	receives        int
	due             time.Time // when it is visible
	turn            int       // among those that are from the same moment on
}

func newLine() *line { return &line{changed: make(chan struct{})} }

// change does something and wakes who waits.
func (l *line) change(fn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn()
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *line) send(group string, bodies ...string) {
	l.change(func() {
		for _, body := range bodies {
			l.sent++
			l.messages = append(l.messages, &message{id: "m" + strconv.Itoa(l.sent), body: body, group: group, due: time.Now()})
		}
	})
}

func (l *line) Receive(ctx context.Context, arn string, most int, wait, more time.Duration) ([]queue.Message, error) {
	until := time.After(wait)
	l.mu.Lock()
	l.asked = append(l.asked, most)
	if l.atMost > 0 {
		most = min(most, l.atMost)
	}
	l.mu.Unlock()
	for {
		l.mu.Lock()
		if l.missing || arn != source {
			l.mu.Unlock()
			return nil, pinfold.Errorf(pinfold.NotFound, "The specified queue does not exist.")
		}
		got, next := l.take(most, more)
		changed := l.changed
		l.mu.Unlock()
		if len(got) > 0 || ctx.Err() != nil {
			return got, nil
		}
		var due <-chan time.Time
		if !next.IsZero() {
			due = time.After(time.Until(next))
		}
		select {
		case <-changed:
		case <-due:
		case <-until:
			return nil, nil
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// take receives what is visible. The caller holds the lock.
func (l *line) take(most int, more time.Duration) (got []queue.Message, next time.Time) {
	now := time.Now()
	slices.SortStableFunc(l.messages, func(a, b *message) int { // of a group they stay as they were sent
		if a.group != "" || b.group != "" {
			return 0
		}
		return cmp.Or(a.due.Compare(b.due), a.turn-b.turn)
	})
	busy := map[string]bool{} // groups of which messages are out
	for _, m := range l.messages {
		if m.group != "" && m.receives > 0 && m.due.After(now) {
			busy[m.group] = true
		}
	}
	var dead []string
	defer func() {
		for _, id := range dead {
			l.remove(id)
		}
	}()
	for _, m := range l.messages {
		switch {
		case len(got) == most:
			return got, next
		case m.due.After(now):
			if next.IsZero() || m.due.Before(next) {
				next = m.due
			}
			continue
		case busy[m.group]:
			continue
		case l.maxReceive > 0 && m.receives >= l.maxReceive:
			l.dead, dead = append(l.dead, m.body), append(dead, m.id)
			continue
		}
		m.receives++
		m.due = now.Add(visibility + more)
		l.turns++
		m.turn = l.turns
		m.handle = m.id + "/" + strconv.Itoa(m.receives)
		system := map[string]string{"ApproximateReceiveCount": strconv.Itoa(m.receives), "SentTimestamp": "1545082649183", "SenderId": "AIDAIENQZJOLO23YVJ4VO"}
		if m.group != "" {
			system["MessageGroupId"] = m.group
		}
		got = append(got, queue.Message{ID: m.id, Handle: m.handle, Body: m.body, MD5Body: "md5", System: system})
	}
	return got, next
}

func (l *line) remove(id string) {
	l.messages = slices.DeleteFunc(l.messages, func(m *message) bool { return m.id == id })
}

func (l *line) Delete(_ context.Context, _ string, handles []string) error {
	l.change(func() {
		l.deletes++
		those := set(handles)
		l.messages = slices.DeleteFunc(l.messages, func(m *message) bool { return those[m.handle] })
	})
	return nil
}

func (l *line) Return(_ context.Context, _ string, handles []string) error {
	l.change(func() {
		those := map[string]*message{}
		for _, m := range l.messages {
			those[m.handle] = m
		}
		for _, handle := range handles {
			if m := those[handle]; m != nil {
				l.turns++
				m.receives--
				m.due, m.turn, m.handle = time.Now(), l.turns, ""
			}
		}
	})
	return nil
}

func set(all []string) map[string]bool {
	is := map[string]bool{}
	for _, s := range all {
		is[s] = true
	}
	return is
}

// wanted returns how many messages each Receive so far asked for.
func (l *line) wanted() []int {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.asked)
}

// left returns the bodies of the messages that are there, with their receive counts.
func (l *line) left() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]int{}
	for _, m := range l.messages {
		all[m.body] = m.receives
	}
	return all
}

// registry is one of mappings.
type registry struct {
	mu       sync.Mutex
	mappings map[string]pinfold.EventSourceMapping
	settled  map[string]pinfold.EventSourceMapping
	results  []string
	gone     []string
	tell     func(string)
}

func (r *registry) All(context.Context) ([]pinfold.EventSourceMapping, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.mappings)), nil
}

func (r *registry) OnChange(fn func(string)) { r.tell = fn }

func (r *registry) Settled(m pinfold.EventSourceMapping) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settled[m.UUID] = m
}

func (r *registry) Gone(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = append(r.gone, id)
}

func (r *registry) Processed(_, result string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, result)
}

// told is what a registry was told.
type told struct {
	settled       map[string]pinfold.EventSourceMapping
	results, gone []string
}

// told returns it, when nothing moves any more.
func (r *registry) told() told {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return told{maps.Clone(r.settled), slices.Clone(r.results), slices.Clone(r.gone)}
}

// set stores a mapping, or for nil takes it away, and tells.
func (r *registry) set(id string, m *pinfold.EventSourceMapping) {
	r.mu.Lock()
	if m == nil {
		delete(r.mappings, id)
	} else {
		m.Modified = time.Now()
		r.mappings[id] = *m
	}
	r.mu.Unlock()
	r.tell(id)
}

// call is one invocation.
type call struct {
	at     time.Duration // since the beginning
	bodies []string
	inv    *pinfold.Invocation
}

// bench is a source over a queue, a registry with one mapping "id", and a function,
// in virtual time.
type bench struct {
	*queue.Source
	t        *testing.T
	line     *line
	registry *registry
	mapping  pinfold.EventSourceMapping
	began    time.Time
	options  queue.Options
	function func(ctx context.Context, c call) (*pinfold.Result, error)
	stop     func() // ends Run and waits for it

	mu         sync.Mutex
	calls      []call
	out, peak  int // invocations that run
	throttleAt int // so many at a time may run; 0: any
}

// in runs a test in a bubble of its own, on a bench whose source runs already.
func in(t *testing.T, setup func(b *bench), test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{
			t: t, line: newLine(), began: time.Now(),
			registry: &registry{mappings: map[string]pinfold.EventSourceMapping{}, settled: map[string]pinfold.EventSourceMapping{}},
			mapping:  pinfold.EventSourceMapping{UUID: "id", Source: source, Function: work, Enabled: true, BatchSize: 10},
			function: func(context.Context, call) (*pinfold.Result, error) {
				return &pinfold.Result{Payload: []byte("null")}, nil
			},
		}
		b.options = queue.Options{Account: "123456789012", Queues: b.line, Mappings: b.registry, Invoker: b, Drain: time.Minute, Log: slog.New(slog.DiscardHandler)}
		setup(b)
		b.Source = queue.New(b.options)
		b.registry.set("id", &b.mapping)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); b.Run(ctx) }()
		b.stop = func() { cancel(); <-ended }
		defer b.stop()
		test(b)
	})
}

func (b *bench) Invoke(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
	var event struct {
		Records []struct{ Body string }
	}
	if err := json.Unmarshal(inv.Payload, &event); err != nil {
		b.t.Errorf("the event is no JSON: %v: %s", err, inv.Payload)
	}
	c := call{at: time.Since(b.began), inv: inv}
	for _, r := range event.Records {
		c.bodies = append(c.bodies, r.Body)
	}
	b.mu.Lock()
	b.calls = append(b.calls, c)
	if b.throttleAt > 0 && b.out >= b.throttleAt {
		b.mu.Unlock()
		return nil, throttled()
	}
	b.out++
	b.peak = max(b.peak, b.out)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.out--
		b.mu.Unlock()
	}()
	return b.function(ctx, c)
}

// came returns the invocations so far, when nothing moves any more.
func (b *bench) came() []call {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.calls)
}

func (b *bench) status() queue.Status {
	b.t.Helper()
	synctest.Wait()
	all := b.Statuses()
	if len(all) != 1 {
		b.t.Fatalf("%d statuses", len(all))
	}
	return all[0]
}

func throttled() error {
	return pinfold.Errorf(pinfold.Throttled, "Rate Exceeded.").WithReason("ReservedFunctionConcurrentInvocationLimitExceeded")
}

func fails(context.Context, call) (*pinfold.Result, error) {
	return &pinfold.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"no"}`)}, nil
}

// numbers returns texts that count from from.
func numbers(from, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strconv.Itoa(from + i)
	}
	return all
}
