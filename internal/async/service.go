package async

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
)

// Functions is what the service asks of the registry, from memory.
type Functions interface {
	// Resolve returns the version that a reference runs.
	Resolve(ctx context.Context, ref pinfold.FunctionRef) (*pinfold.Version, error)
	// EventInvoke returns how asynchronous invocations in the name of ref are handled;
	// zero where nothing is said. It is NotFound if there is no such function.
	EventInvoke(ctx context.Context, ref pinfold.FunctionRef) (pinfold.EventInvokeConfig, error)
}

// Invoker runs functions, or only checks that it could.
type Invoker interface {
	pinfold.Invoker
	DryRun(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Version, error)
}

// Options is what the service needs.
type Options struct {
	Hub       *backlog.Hub
	Functions Functions
	Invoker   Invoker
	Sender    pinfold.EventSender // of records and dead letters
	Scope     pinfold.Scope
	// Concurrency is how many events of a function are given to it at a time at most,
	// whatever it could take; 0 is 1,000.
	Concurrency int
	// Waiting tells how many invocations of a function wait for an instance or at a
	// limit. If it is nil nobody knows, and no more events are given to a function at a
	// time before one has ended.
	Waiting func(ref pinfold.FunctionRef) int
	Log     *slog.Logger
}

const (
	defaultConcurrency = 1000
	// maxHeld is from how many bytes of events that are being worked on no function
	// gets more of them at a time than it does to begin with.
	maxHeld = 256 << 20
)

// Service invokes functions asynchronously. It may be used concurrently.
type Service struct {
	o Options
	// receiving ends first when the service closes, then running, of what runs.
	receiving, running         context.Context
	stopReceiving, stopRunning context.CancelFunc
	owned                      sync.WaitGroup // of the goroutines
	trimming                   sync.Mutex     // of failures
	held                       atomic.Int64   // bytes of what is being worked on

	mu     sync.Mutex
	pumps  map[string]*pump  // by the id of their line
	ended  map[string]*ended // by the name of their function
	closed bool
}

// Open starts the service, and goes on with events that are in its lines already.
func Open(o Options) *Service {
	if o.Concurrency == 0 {
		o.Concurrency = defaultConcurrency
	}
	s := &Service{o: o, pumps: map[string]*pump{}, ended: map[string]*ended{}}
	s.receiving, s.stopReceiving = context.WithCancel(context.Background())
	s.running, s.stopRunning = context.WithCancel(context.Background())
	for id := range o.Hub.IDs(prefix) {
		switch kind, ref, ok := parseLine(id); {
		case ok && kind == failures:
			s.owned.Go(func() { s.expireFailures(ref) })
		case ok:
			s.wake(kind, ref)
		}
	}
	return s
}

// Close takes no more events, waits for what runs until ctx ends, and then ends
// it: those events are there again when the service is opened the next time.
func (s *Service) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stopReceiving()
	defer context.AfterFunc(ctx, s.stopRunning)()
	s.owned.Wait()
	s.stopRunning()
	return nil
}

// Enqueue accepts an asynchronous invocation: when it returns nil the event is
// stored. It refuses what a DryRun does, and payloads over MaxAsyncPayload. It sets
// inv.ID where that is empty; every attempt has the same. A client context is not
// passed on, as on AWS (testdata/aws/lambda/event_invocation.json in
// radkawar/stackd).
func (s *Service) Enqueue(ctx context.Context, inv *pinfold.Invocation) error {
	return s.enqueue(ctx, inv, "")
}

// SendEvent accepts an event for a function by its ARN, from a part of the
// platform. A second one with the same m.ID is dropped while the first one waits,
// for at most five minutes.
func (s *Service) SendEvent(ctx context.Context, by pinfold.Principal, to string, m pinfold.EventMessage) error {
	ref, err := pinfold.ParseFunctionRef(to, s.o.Scope)
	if err != nil {
		return err
	}
	return s.enqueue(ctx, &pinfold.Invocation{Principal: by, Function: ref, Trigger: m.Trigger, Payload: m.Body, TraceID: m.TraceID}, m.ID)
}

func (s *Service) enqueue(ctx context.Context, inv *pinfold.Invocation, once string) error {
	if n := len(inv.Payload); n > pinfold.MaxAsyncPayload {
		return pinfold.Errorf(pinfold.TooLarge, "%d byte payload is too large for the Event invocation type (limit %d bytes)", n, pinfold.MaxAsyncPayload).
			WithReason("RequestEntityTooLargeException")
	}
	if _, err := s.o.Invoker.DryRun(ctx, inv); err != nil {
		return err
	}
	if inv.ID == "" {
		inv.ID = uuid.NewString()
	}
	it := item{
		ID: inv.ID, Qualifier: inv.Function.Qualifier, Principal: inv.Principal, Trigger: inv.Trigger,
		TraceID: traced(inv.TraceID, time.Now()), TraceState: inv.TraceState, payload: inv.Payload,
	}
	return s.store(ctx, events, inv.Function, it, once)
}

// store puts an item into a line of a function.
func (s *Service) store(ctx context.Context, kind lineKind, ref pinfold.FunctionRef, it item, once string) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed && kind == events {
		return pinfold.Errorf(pinfold.Unavailable, "the platform is shutting down: try again once it is up")
	}
	stored := s.line(kind, ref).Send(ctx, backlog.Item{Data: it.encode(), ID: once})[0]
	if stored.Err != nil {
		return pinfold.Errorf(pinfold.Unavailable, "the event could not be stored: %w", stored.Err)
	}
	s.wake(kind, ref)
	return nil
}

// Changed says that something about a function has changed: what waits because of
// how it was is tried at once. It does not block.
func (s *Service) Changed(ref pinfold.FunctionRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kind := range []lineKind{events, deliveries} {
		if p := s.pumps[lineID(kind, ref)]; p != nil {
			p.kick()
		}
	}
}

// wake has a line looked after for as long as there is something in it.
func (s *Service) wake(kind lineKind, ref pinfold.FunctionRef) {
	if kind == failures {
		return // until somebody asks for them
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	id := lineID(kind, ref)
	p := s.pumps[id]
	if p == nil {
		p = newPump(s, kind, ref, s.endedOf(ref.Name))
		s.pumps[id] = p
		s.owned.Go(p.run)
	}
	p.woken = true
}

// retire has the service forget a pump that has nothing to do. It reports false if
// there is something again.
func (s *Service) retire(p *pump) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := p.line().Counts()
	if woken := p.woken; woken || c.Visible+c.Delayed+c.InFlight > 0 {
		p.woken = false
		return false
	}
	delete(s.pumps, p.id)
	return true
}

// lineKind is what a line holds.
type lineKind string

// The lines of a function.
const (
	events     lineKind = "event"  // that wait for the function
	deliveries lineKind = "record" // and dead letters, that wait for their destination
	failures   lineKind = "failed" // either of them, after it was given up
)

// prefix is how the ids of all lines begin.
const prefix = "async."

func lineID(kind lineKind, ref pinfold.FunctionRef) string {
	return prefix + string(kind) + "." + ref.Account + "." + ref.Region + "." + ref.Name
}

// parseLine tells whose line it is.
func parseLine(id string) (kind lineKind, ref pinfold.FunctionRef, ok bool) {
	parts := strings.Split(strings.TrimPrefix(id, prefix), ".")
	if len(parts) != 4 {
		return "", ref, false
	}
	return lineKind(parts[0]), pinfold.FunctionRef{Account: parts[1], Region: parts[2], Name: parts[3]}, true
}

// line returns a line of a function. It is another one once it has been dropped.
func (s *Service) line(kind lineKind, ref pinfold.FunctionRef) *backlog.Backlog {
	return s.o.Hub.Backlog(lineID(kind, ref), backlog.Config{})
}

// traced returns an X-Amzn-Trace-Id header that has a trace: all attempts are parts
// of the same one.
func traced(header string, now time.Time) string {
	if strings.Contains(header, "Root=") {
		return header
	}
	var id [12]byte
	_, _ = rand.Read(id[:]) // never fails
	root := fmt.Sprintf("Root=1-%08x-%s", uint32(now.Unix()), hex.EncodeToString(id[:]))
	if header == "" {
		return root
	}
	return root + ";" + header
}
