package async

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/store/log/mem"
)

var scope = pinfold.Scope{Account: "123456789012", Region: "us-east-1"}

const queueARN = "arn:aws:sqs:us-east-1:123456789012:"

func refOf(name string) pinfold.FunctionRef {
	name, qualifier, _ := strings.Cut(name, ":")
	return pinfold.FunctionRef{Account: scope.Account, Region: scope.Region, Name: name, Qualifier: qualifier}
}

// attempt is one invocation that the function was asked for.
type attempt struct {
	*pinfold.Invocation
	at time.Duration // since the test began
}

// sent is one message that a destination was sent.
type sent struct {
	to string
	pinfold.EventMessage
	at time.Duration
}

// world is everything around the service: it plays the registry, the invoker and
// those that take messages.
type world struct {
	*Service
	t     *testing.T
	log   *mem.Log
	hub   *backlog.Hub
	began time.Time
	lines *bytes.Buffer // of the log for people

	mu       sync.Mutex
	configs  map[string]pinfold.EventInvokeConfig // by "name" or "name:qualifier"
	versions map[string]*pinfold.Version
	attempts []attempt
	nth      map[string]int // attempts by id
	sent     []sent
	running  int // now
	most     int // at a time
	refusals int
	waiting  atomic.Int64 // for a place
	// does is what a function does with an event; nil: it succeeds.
	does func(ctx context.Context, inv *pinfold.Invocation, nth int) (*pinfold.Result, error)
	// takes is what a destination does; nil: it takes the message.
	takes func(to string) error
}

// inBubble runs a test with a service in virtual time.
func inBubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, log: mem.New(), began: time.Now(), lines: new(bytes.Buffer),
			nth: map[string]int{}, configs: map[string]pinfold.EventInvokeConfig{}, versions: map[string]*pinfold.Version{},
		}
		w.function("hello")
		w.open()
		defer w.log.Close()
		defer func() { w.shut(context.Background()) }()
		test(t, w)
	})
}

// open opens hub and service over the log.
func (w *world) open() {
	w.t.Helper()
	logger := slog.New(slog.NewTextHandler(w.lines, nil))
	var err error
	if w.hub, err = backlog.Open(context.Background(), backlog.Options{Log: w.log, Logger: logger}); err != nil {
		w.t.Fatal(err)
	}
	w.Service = Open(Options{Hub: w.hub, Functions: w, Invoker: w, Sender: w, Scope: scope, Waiting: func(pinfold.FunctionRef) int { return int(w.waiting.Load()) }, Log: logger})
}

// shut closes service and hub.
func (w *world) shut(ctx context.Context) {
	w.t.Helper()
	if err := w.Close(ctx); err != nil {
		w.t.Error(err)
	}
	if err := w.hub.Close(); err != nil {
		w.t.Error(err)
	}
}

// restart closes everything but the log, and opens it again.
func (w *world) restart() {
	w.t.Helper()
	ended, end := context.WithCancel(context.Background())
	end()
	w.shut(ended)
	w.open()
}

func (w *world) function(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.versions[name] = &pinfold.Version{Ref: refOf(name)}
}

func (w *world) configure(name string, c pinfold.EventInvokeConfig) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.configs[name] = c
}

func (w *world) version(ref pinfold.FunctionRef) (*pinfold.Version, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v := w.versions[ref.Name]; v != nil {
		return v, nil
	}
	return nil, pinfold.Errorf(pinfold.NotFound, "Function not found: %s", ref.ARN())
}

func (w *world) Resolve(_ context.Context, ref pinfold.FunctionRef) (*pinfold.Version, error) {
	return w.version(ref)
}

func (w *world) DryRun(_ context.Context, inv *pinfold.Invocation) (*pinfold.Version, error) {
	if len(inv.Payload) == 0 {
		inv.Payload = []byte("{}")
	}
	return w.version(inv.Function)
}

func (w *world) EventInvoke(_ context.Context, ref pinfold.FunctionRef) (pinfold.EventInvokeConfig, error) {
	_, err := w.version(ref)
	w.mu.Lock()
	defer w.mu.Unlock()
	name := ref.Name
	if ref.Qualifier != "" {
		name += ":" + ref.Qualifier
	}
	return w.configs[name], err
}

func (w *world) Invoke(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
	if _, err := w.version(inv.Function); err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.attempts = append(w.attempts, attempt{inv, time.Since(w.began)})
	w.nth[inv.ID]++
	nth := w.nth[inv.ID]
	w.running++
	w.most = max(w.most, w.running)
	does := w.does
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.running--
		w.mu.Unlock()
	}()
	if does == nil {
		return ok(), nil
	}
	return does(ctx, inv, nth)
}

func (w *world) SendEvent(ctx context.Context, by pinfold.Principal, to string, m pinfold.EventMessage) error {
	w.mu.Lock()
	takes := w.takes
	w.mu.Unlock()
	if takes != nil {
		if err := takes(to); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if by.Kind != pinfold.Service || by.ARN != "lambda.amazonaws.com" {
		w.t.Errorf("a message is sent by %+v", by)
	}
	w.sent = append(w.sent, sent{to, m, time.Since(w.began)})
	return nil
}

// enqueue accepts an event, with an id of its own, which it returns.
func (w *world) enqueue(name string, payload string) string {
	w.t.Helper()
	inv := &pinfold.Invocation{
		Principal: pinfold.Principal{Kind: pinfold.Root, Account: scope.Account, ARN: "arn:aws:iam::123456789012:root"},
		Function:  refOf(name), Trigger: pinfold.Trigger{Kind: "async"}, Payload: []byte(payload),
	}
	if err := w.Enqueue(w.t.Context(), inv); err != nil {
		w.t.Fatal(err)
	}
	return inv.ID
}

// all returns all attempts so far.
func (w *world) all() []attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.attempts)
}

// messages returns what was sent to destinations so far.
func (w *world) messages() []sent {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

// counts returns how many attempts ran at a time at most, and how many were refused.
func (w *world) counts() (most, refusals int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most, w.refusals
}

// times returns when there were attempts at an event.
func (w *world) times(id string) (all []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.attempts {
		if a.ID == id {
			all = append(all, a.at)
		}
	}
	return all
}

func (w *world) wantTimes(id string, want ...time.Duration) {
	w.t.Helper()
	if got := w.times(id); !slices.Equal(got, want) {
		w.t.Errorf("attempts at %v, want %v", got, want)
	}
}

// received returns what a destination was sent.
func (w *world) received(to string) (all []sent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.sent {
		if m.to == to {
			all = append(all, m)
		}
	}
	return all
}

// wantNothing checks that no event is left anywhere.
func (w *world) wantNothing() {
	w.t.Helper()
	synctest.Wait()
	if ids := w.hub.IDs(prefix); len(ids) > 0 {
		w.t.Errorf("there is still %v", slices.Sorted(maps.Keys(ids)))
	}
}

// events lists "state attempts error" of every event of a function.
func (w *world) list(name string) (all []string) {
	w.t.Helper()
	found, err := w.Events(w.t.Context(), name, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range found {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %d %s %s", e.State, e.Attempts, e.Condition, e.Error)))
	}
	return all
}

func (w *world) wantList(name string, want ...string) {
	w.t.Helper()
	synctest.Wait()
	if got := w.list(name); !slices.Equal(got, want) {
		w.t.Errorf("events of %s are %q, want %q", name, got, want)
	}
}

func ok() *pinfold.Result {
	return &pinfold.Result{Payload: []byte(`{"answer":42}`), ExecutedVersion: pinfold.LatestVersion}
}

func fails() *pinfold.Result {
	return &pinfold.Result{Payload: []byte(`{"errorMessage":"no","errorType":"Error"}`), FunctionError: "Unhandled", ExecutedVersion: pinfold.LatestVersion}
}

func always(r *pinfold.Result, err error) func(context.Context, *pinfold.Invocation, int) (*pinfold.Result, error) {
	return func(context.Context, *pinfold.Invocation, int) (*pinfold.Result, error) {
		time.Sleep(time.Millisecond) // nothing takes no time at all
		return r, err
	}
}

func limited() error {
	return pinfold.Errorf(pinfold.Throttled, "Rate Exceeded.").WithReason("ReservedFunctionConcurrentInvocationLimitExceeded")
}

func compact(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}
