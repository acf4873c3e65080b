package queue_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/queue"
	"pinfold.dev/pinfold/internal/store/log"
	"pinfold.dev/pinfold/internal/store/log/mem"
	"pinfold.dev/pinfold/internal/store/sql"
)

// house is a queue service with all that it stands on.
type house struct {
	*queue.Service
	t     *testing.T
	store *sql.DB
	disk  *mem.Disk
	wrap  func(log.Log) log.Log // what stands before the log; nil: nothing
	stop  func()                // the service and what is below it, but for the store
}

// inHouse runs a test in virtual time.
func inHouse(t *testing.T, test func(*house)) {
	synctest.Test(t, func(t *testing.T) {
		db, err := sql.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		h := &house{t: t, store: db, disk: mem.NewDisk()}
		h.start()
		defer func() { h.stop() }()
		test(h)
	})
}

func (h *house) start() {
	h.t.Helper()
	var events log.Log = h.disk.Open()
	if h.wrap != nil {
		events = h.wrap(events)
	}
	discard := slog.New(slog.DiscardHandler)
	hub, err := backlog.Open(h.t.Context(), backlog.Options{Log: events, Logger: discard})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Service, err = queue.Open(h.t.Context(), queue.Options{
		Store: h.store, Hub: hub, Log: events, Scope: pinfold.Scope{Account: "000000000000", Region: "us-east-1"}, Logger: discard,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error)
	go func() { over <- h.Run(ctx) }()
	h.stop = func() {
		cancel()
		if err := <-over; err != nil {
			h.t.Error(err)
		}
		if err := hub.Close(); err != nil {
			h.t.Error(err)
		}
		_ = events.Close()
	}
}

func (h *house) restart() {
	h.stop()
	h.start()
}

// create creates a queue; attributes are names and values by turns.
func (h *house) create(name string, attributes ...string) queue.Ref {
	h.t.Helper()
	all := map[string]string{}
	for pair := range slices.Chunk(attributes, 2) {
		all[pair[0]] = pair[1]
	}
	if err := h.Create(h.t.Context(), name, all, nil); err != nil {
		h.t.Fatal(err)
	}
	return h.Ref(name)
}

func (h *house) send(ref queue.Ref, m queue.Message) queue.Sent {
	h.t.Helper()
	sent, err := h.Send(h.t.Context(), ref, &m)
	if err != nil {
		h.t.Fatal(err)
	}
	return sent
}

// receive receives what there is, up to ten messages, with all attributes.
func (h *house) receive(ref queue.Ref, o queue.ReceiveOptions) []queue.Received {
	h.t.Helper()
	if o.Max == 0 {
		o.Max = 10
	}
	o.System, o.Attributes = []string{queue.All}, []string{queue.All}
	got, err := h.Receive(h.t.Context(), ref, o)
	if err != nil {
		h.t.Fatal(err)
	}
	return got
}

// want receives, and compares the bodies.
func (h *house) want(ref queue.Ref, bodies ...string) []queue.Received {
	h.t.Helper()
	got := h.receive(ref, queue.ReceiveOptions{})
	var have []string
	for _, r := range got {
		have = append(have, r.Body)
	}
	if !slices.Equal(have, bodies) {
		h.t.Fatalf("received %q, want %q", have, bodies)
	}
	return got
}

func (h *house) remove(ref queue.Ref, got ...queue.Received) {
	h.t.Helper()
	for _, r := range got {
		errs, err := h.Remove(h.t.Context(), ref, r.Handle)
		if err != nil || errs[0] != nil {
			h.t.Fatal(err, errs)
		}
	}
}

// refused holds an error against its name and text.
func (h *house) refused(err error, reason, text string) {
	h.t.Helper()
	if pinfold.ReasonOf(err) != reason || err.Error() != text {
		h.t.Errorf("got %s: %v\nwant %s: %s", pinfold.ReasonOf(err), err, reason, text)
	}
}

func seconds(n pinfold.Seconds) *pinfold.Seconds { return &n }

func after(d time.Duration) {
	time.Sleep(d) // virtual
	synctest.Wait()
}

// wantSent sends a message and receives it.
func (h *house) wantSent(ref queue.Ref, m queue.Message) []queue.Received {
	h.t.Helper()
	h.send(ref, m)
	return h.want(ref, m.Body)
}

// ctx returns a context of the bubble that the test is in.
func (h *house) ctx() context.Context { return h.t.Context() }
