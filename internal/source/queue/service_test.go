package queue_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/mapping"
	sqs "pinfold.dev/pinfold/internal/queue"
	"pinfold.dev/pinfold/internal/source/queue"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/store/log/mem"
	"pinfold.dev/pinfold/internal/store/sql"
)

// house is a source over the queue service and the registry of mappings, with the
// log in memory.
type house struct {
	queues   *sqs.Service
	mappings *mapping.Registry
	source   *queue.Source
	function func(inv *pinfold.Invocation) (*pinfold.Result, error)
	stop     func() // must be called
}

func (h *house) Invoke(_ context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
	return h.function(inv)
}

func newHouse(t testing.TB) *house {
	t.Helper()
	db, err := sql.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	events := mem.NewDisk().Open()
	discard := slog.New(slog.DiscardHandler)
	hub, err := backlog.Open(t.Context(), backlog.Options{Log: events, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	scope := pinfold.Scope{Account: work.Account, Region: work.Region}
	h := &house{}
	if h.queues, err = sqs.Open(t.Context(), sqs.Options{Store: db, Hub: hub, Log: events, Scope: scope, Logger: discard}); err != nil {
		t.Fatal(err)
	}
	h.mappings = mapping.New(mapping.Options{
		Store: db, Scope: scope,
		Function: func(context.Context, store.Tx, pinfold.FunctionRef) (*pinfold.Version, error) {
			return &pinfold.Version{Config: pinfold.Config{Timeout: 3}}, nil
		},
		Queue: func(ctx context.Context, tx store.Tx, arn string) (*pinfold.MessageQueue, error) {
			q, err := h.queues.Within(tx).Lookup(ctx, arn)
			return &q, err
		},
	})
	h.source = queue.New(queue.Options{Account: scope.Account, Queues: queue.Of(h.queues), Mappings: h.mappings, Invoker: h, Drain: time.Minute, Log: discard})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.source.Run(ctx) })
	running.Go(func() { _ = h.queues.Run(ctx) })
	h.stop = func() {
		cancel()
		running.Wait()
		for _, close := range []func() error{hub.Close, events.Close, db.Close} {
			if err := close(); err != nil {
				t.Error(err)
			}
		}
	}
	return h
}

// create makes a queue, and a mapping of it with changes.
func (h *house) create(t testing.TB, name string, attributes map[string]string, change func(m *pinfold.EventSourceMapping)) (sqs.Ref, *mapping.Description) {
	t.Helper()
	if err := h.queues.Create(t.Context(), name, attributes, nil); err != nil {
		t.Fatal(err)
	}
	ref := h.queues.Ref(name)
	m := pinfold.EventSourceMapping{Source: ref.ARN(), Function: work, Enabled: true}
	change(&m)
	d, err := h.mappings.Create(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return ref, d
}

func (h *house) send(t testing.TB, ref sqs.Ref, m *sqs.Message) {
	t.Helper()
	if _, err := h.queues.Send(t.Context(), ref, m); err != nil {
		t.Fatal(err)
	}
}

// TestService: all of it with the services of the house: an event with everything,
// messages that fail to the dead-letter queue, states, and a window of which no whole
// number of seconds is left when the second message comes.
func TestService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		defer h.stop()
		var mu sync.Mutex
		var events []string
		h.function = func(inv *pinfold.Invocation) (*pinfold.Result, error) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, string(inv.Payload))
			if strings.Contains(string(inv.Payload), `"body":"poison"`) {
				return &pinfold.Result{FunctionError: "Unhandled"}, nil
			}
			return &pinfold.Result{}, nil
		}
		if err := h.queues.Create(t.Context(), "dead", nil, nil); err != nil {
			t.Fatal(err)
		}
		ref, d := h.create(t, "jobs", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + h.queues.Ref("dead").ARN() + `","maxReceiveCount":2}`},
			func(m *pinfold.EventSourceMapping) { m.Window = 45 })
		synctest.Wait()
		if d, err := h.mappings.Get(t.Context(), d.UUID); err != nil || d.State != mapping.Enabled {
			t.Errorf("%+v, %v", d, err)
		}
		h.send(t, ref, &sqs.Message{Body: "a", Trace: "Root=1-5759e988-bd862e3fe1be46a994272793", Attributes: map[string]sqs.Attribute{"n": {Type: "Number", Text: "7"}}})
		time.Sleep(700 * time.Millisecond)
		h.send(t, ref, &sqs.Message{Body: "poison"})
		time.Sleep(10 * time.Minute)
		mu.Lock()
		if len(events) != 2 || strings.Count(events[0], "messageId") != 2 || !strings.Contains(events[0], `"ApproximateReceiveCount":"1"`) ||
			!strings.Contains(events[0], `"AWSTraceHeader":"Root=1-5759e988`) || !strings.Contains(events[0], `"n":{"stringValue":"7",`) {
			t.Errorf("%d events: %s", len(events), events)
		}
		mu.Unlock()
		counts, err := h.queues.Counts(h.queues.Ref("dead"))
		if err != nil || counts.Visible != 2 {
			t.Errorf("%+v are dead, %v", counts, err)
		}
		if d, err := h.mappings.Get(t.Context(), d.UUID); err != nil || d.Result != "PROBLEM: Function call failed" {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

// TestServiceOrder: what functions are done with is in order within each group of a
// FIFO queue, however often batches fail, or cannot be run.
func TestServiceOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		defer h.stop()
		const groups, each = 7, 30
		var mu sync.Mutex
		chance := rand.New(rand.NewPCG(1, 2))
		done := map[string]int{}
		record := regexp.MustCompile(`"body":"(g[0-9]) ([0-9]+)"`)
		h.function = func(inv *pinfold.Invocation) (*pinfold.Result, error) {
			mu.Lock()
			defer mu.Unlock()
			switch chance.IntN(8) {
			case 0:
				return &pinfold.Result{FunctionError: "Unhandled"}, nil
			case 1:
				return nil, throttled()
			case 2:
				return nil, pinfold.Errorf(pinfold.Unavailable, "not now")
			}
			for _, m := range record.FindAllStringSubmatch(string(inv.Payload), -1) {
				if n, _ := strconv.Atoi(m[2]); n != done[m[1]] {
					t.Errorf("message %d of group %s is done when %d is next", n, m[1], done[m[1]])
				}
				done[m[1]]++
			}
			return &pinfold.Result{}, nil
		}
		ref, d := h.create(t, "jobs.fifo", map[string]string{"FifoQueue": "true", "VisibilityTimeout": "5"}, func(m *pinfold.EventSourceMapping) { m.BatchSize = 4 })
		for n := range each {
			for g := range groups {
				h.send(t, ref, &sqs.Message{Body: fmt.Sprintf("g%d %d", g, n), Group: strconv.Itoa(g), Deduplication: fmt.Sprintf("%d-%d", g, n)})
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		for group, n := range done {
			if n != each {
				t.Errorf("%d messages of group %s are done", n, group)
			}
		}
		if len(done) != groups {
			t.Errorf("messages of %d groups are done", len(done))
		}
		if _, err := h.mappings.Delete(t.Context(), d.UUID); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if _, err := h.mappings.Get(t.Context(), d.UUID); pinfold.CodeOf(err) != pinfold.NotFound {
			t.Errorf("a deleted mapping: %v", err)
		}
	})
}

// BenchmarkQueueToFunction is from a queue that is full already to the end of a
// function that does nothing, in batches of ten; the log is in memory.
func BenchmarkQueueToFunction(b *testing.B) {
	h := newHouse(b)
	defer h.stop()
	done := make(chan struct{}, 1)
	left := b.N
	var mu sync.Mutex
	h.function = func(inv *pinfold.Invocation) (*pinfold.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		if left -= strings.Count(string(inv.Payload), `"messageId"`); left == 0 {
			done <- struct{}{}
		}
		return &pinfold.Result{}, nil
	}
	ref, d := h.create(b, "jobs", nil, func(m *pinfold.EventSourceMapping) { m.Enabled = false })
	for i := range b.N {
		h.send(b, ref, &sqs.Message{Body: fmt.Sprintf(`{"number":%d,"text":"a body of an ordinary length, a hundred bytes or so, as they are"}`, i)})
	}
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := h.mappings.Update(b.Context(), d.UUID, func(m *pinfold.EventSourceMapping) { m.Enabled = true }); err != nil {
		b.Fatal(err)
	}
	<-done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
