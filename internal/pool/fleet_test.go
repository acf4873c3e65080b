package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

// fleet launches fake workers and cells and remembers them.
type fleet struct {
	boot      time.Duration // how long a launch from nothing takes, and the boot of a cell
	assign    time.Duration // how long it takes to make an instance of a cell
	run       time.Duration // how long an invocation takes
	close     time.Duration // how long Close takes
	freeze    time.Duration // how long freezing and thawing take
	fail      func(n int) error
	failBoot  func(n int) error
	failIn    func(c *fakeCell) error   // Assign
	failStill func(w *fakeWorker) error // Freeze
	stuck     bool                      // no Freeze comes to its end
	failThaw  func(w *fakeWorker) error // Thaw
	gone      func(id string) bool      // workers that are gone when they are called
	kind      func(name string) string  // of a function; default: none has cells
	sizeMB    func(name string) int     // default 64
	places    int                       // of a worker
	ahead     bool                      // workers take one ahead
	launches  func(v *pinfold.Version)  // told of each launch, of a cell too
	provision func(v *pinfold.Version)  // told of each that is provisioned
	mistakes  []string                  // what the pool must not do; guarded by mu

	mu       sync.Mutex
	workers  []*fakeWorker // of both origins
	cells    []*fakeCell
	starting int
	booting  int
	mostUp   int // most workers alive at a time
	mostAt   int // most launches at a time
	mostBoot int // most cells booting at a time
}

type fakeWorker struct {
	fleet   *fleet
	id      string
	version *pinfold.Version
	done    chan struct{}
	once    sync.Once
	slots   chan struct{} // as many as may run
	running atomic.Int32  // that were given to it
	served  atomic.Int32
	frozen  atomic.Bool
	freezes atomic.Int32
	doubt   atomic.Bool // a freeze has failed
	spoiled atomic.Bool // not reusable
	closed  atomic.Bool
}

type fakeCell struct {
	fleet  *fleet
	kind   string
	low    bool // booted with low priority
	done   chan struct{}
	once   sync.Once
	used   atomic.Bool
	closed atomic.Bool
}

func (f *fleet) mistake(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mistakes = append(f.mistakes, fmt.Sprintf(format, args...))
}

// wait lets time pass as a launch does.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fleet) Kind(v *pinfold.Version) string {
	if f.kind == nil {
		return ""
	}
	return f.kind(v.Ref.Name)
}

// add registers a worker that is being made.
func (f *fleet) add(ctx context.Context, v *pinfold.Version) (w *fakeWorker, n int) {
	if f.launches != nil {
		f.launches(v)
	}
	if f.provision != nil && Provisioned(ctx) {
		f.provision(v)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n = len(f.workers) + 1
	w = &fakeWorker{fleet: f, id: fmt.Sprint("w", n), version: v, done: make(chan struct{}), slots: make(chan struct{}, max(1, f.places))}
	f.workers = append(f.workers, w)
	f.starting++
	f.mostAt = max(f.mostAt, f.starting)
	up := 0
	for _, w := range f.workers {
		if !w.closed.Load() {
			up++
		}
	}
	f.mostUp = max(f.mostUp, up)
	return w, n
}

func (f *fleet) added(w *fakeWorker, n int, err error) (Worker, error) {
	f.mu.Lock()
	f.starting--
	f.mu.Unlock()
	if f.fail != nil && err == nil {
		err = f.fail(n)
	}
	if err != nil {
		w.closed.Store(true)
		return nil, err
	}
	if f.freeze > 0 {
		return &freezable{w}, nil
	}
	return w, nil
}

func (f *fleet) Launch(ctx context.Context, v *pinfold.Version) (Worker, error) {
	w, n := f.add(ctx, v)
	return f.added(w, n, wait(ctx, f.boot))
}

func (f *fleet) Boot(ctx context.Context, kind string) (Cell, error) {
	f.mu.Lock()
	c := &fakeCell{fleet: f, kind: kind, low: Background(ctx), done: make(chan struct{})}
	f.cells = append(f.cells, c)
	n := len(f.cells)
	f.booting++
	f.mostBoot = max(f.mostBoot, f.booting)
	f.mu.Unlock()
	err := wait(ctx, f.boot)
	f.mu.Lock()
	f.booting--
	f.mu.Unlock()
	if err == nil && f.failBoot != nil {
		err = f.failBoot(n)
	}
	if err != nil {
		c.closed.Store(true)
		return nil, err
	}
	return c, nil
}

func (f *fleet) size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.workers)
}

// booted is how many cells were ever booted.
func (f *fleet) booted() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.cells)
}

func (f *fleet) memory(name string) int {
	if f.sizeMB == nil {
		return 64
	}
	return f.sizeMB(name)
}

func (c *fakeCell) Done() <-chan struct{} { return c.done }
func (c *fakeCell) MemoryMB() int         { return c.fleet.memory(c.kind) }
func (c *fakeCell) crash()                { c.once.Do(func() { close(c.done) }) }
func (c *fakeCell) Close() error {
	time.Sleep(c.fleet.close)
	c.crash()
	if c.closed.Swap(true) {
		c.fleet.mistake("a cell was closed twice")
	}
	return nil
}

func (c *fakeCell) Assign(ctx context.Context, v *pinfold.Version) (Worker, error) {
	if c.used.Swap(true) {
		c.fleet.mistake("a cell was assigned twice")
	}
	if isClosed(c.done) {
		return nil, errors.New("the cell is dead")
	}
	if c.fleet.failIn != nil {
		if err := c.fleet.failIn(c); err != nil {
			return nil, err
		}
	}
	w, n := c.fleet.add(ctx, v)
	worker, err := c.fleet.added(w, n, wait(ctx, c.fleet.assign))
	if err == nil {
		c.closed.Store(true) // it is the worker now
	}
	return worker, err
}

func (w *fakeWorker) ID() string       { return w.id }
func (w *fakeWorker) Concurrency() int { return max(1, w.fleet.places) }
func (w *fakeWorker) Ahead() int {
	if w.fleet.ahead {
		return fakeAhead
	}
	return 0
}
func (w *fakeWorker) Done() <-chan struct{} { return w.done }
func (w *fakeWorker) Reusable() bool        { return !w.spoiled.Load() }
func (w *fakeWorker) MemoryMB() int         { return w.fleet.memory(w.version.Ref.Name) }
func (w *fakeWorker) crash()                { w.once.Do(func() { close(w.done) }) }
func (w *fakeWorker) Close() error {
	time.Sleep(w.fleet.close)
	w.crash()
	if w.closed.Swap(true) {
		w.fleet.mistake("%s was closed twice", w.id)
	}
	return nil
}

type freezable struct{ *fakeWorker }

func (w *freezable) Freeze(ctx context.Context) error {
	if w.running.Load() > 0 {
		w.fleet.mistake("%s was frozen under its invocation", w.id)
	}
	if w.fleet.failStill != nil {
		if err := w.fleet.failStill(w.fakeWorker); err != nil {
			w.doubt.Store(true)
			return err
		}
	}
	if w.fleet.stuck {
		<-ctx.Done()
		w.doubt.Store(true)
		return ctx.Err()
	}
	time.Sleep(w.fleet.freeze)
	if w.closed.Load() {
		w.fleet.mistake("%s was closed while it was being frozen", w.id)
	}
	w.freezes.Add(1)
	w.frozen.Store(true)
	return nil
}

func (w *freezable) Thaw(context.Context) error {
	if w.fleet.failThaw != nil {
		if err := w.fleet.failThaw(w.fakeWorker); err != nil {
			return err
		}
	}
	if !w.frozen.Load() && !w.doubt.Load() {
		w.fleet.mistake("%s was thawed, but is not frozen", w.id)
	}
	time.Sleep(w.fleet.freeze)
	w.frozen.Store(false)
	return nil
}

// fakeAhead is how many invocations a worker takes ahead.
const fakeAhead = 3

// Invoke takes from the payload how long it runs, and what it does at its end:
// "10ms", "crash", "timeout", "linger 1s" (it answers first, and works on).
func (w *fakeWorker) Invoke(ctx context.Context, inv *pinfold.Invocation, over func()) (*pinfold.Result, error) {
	most := w.Concurrency()
	if w.fleet.ahead && most == 1 {
		most += fakeAhead
	}
	if n := int(w.running.Add(1)); n > most {
		w.fleet.mistake("%d invocations at a time in %s", n, w.id)
	}
	if w.frozen.Load() {
		w.fleet.mistake("%s was invoked while frozen", w.id)
	}
	type outcome struct {
		res *pinfold.Result
		err error
	}
	answer := make(chan outcome, 2)
	go func() {
		res, err := w.serve(string(inv.Payload))
		if d, lingers := strings.CutPrefix(string(inv.Payload), "linger "); lingers {
			answer <- outcome{res, err}
			d, _ := time.ParseDuration(d)
			time.Sleep(d)
		}
		w.running.Add(-1)
		over()
		answer <- outcome{res, err}
	}()
	select {
	case o := <-answer:
		return o.res, o.err
	case <-ctx.Done():
		return nil, gaveUp(ctx)
	}
}

func (w *fakeWorker) serve(payload string) (*pinfold.Result, error) {
	lost := pinfold.Errorf(pinfold.Unavailable, "gone").WithReason(InstanceGone)
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	case <-w.done:
		return nil, lost
	}
	if isClosed(w.done) || w.spoiled.Load() {
		return nil, lost
	}
	w.served.Add(1)
	if w.fleet.gone != nil && w.fleet.gone(w.id) {
		w.spoiled.Store(true)
		return nil, lost
	}
	run := w.fleet.run
	if d, err := time.ParseDuration(payload); err == nil {
		run = d
	}
	select {
	case <-time.After(run):
	case <-w.done:
		return &pinfold.Result{FunctionError: "Unhandled", Payload: []byte("killed")}, nil
	}
	switch payload {
	case "crash":
		w.crash()
	case "timeout":
		w.spoiled.Store(true)
	}
	return &pinfold.Result{Payload: []byte(w.id), ExecutedVersion: w.version.RevisionID}, nil
}

func version(name, revision string) *pinfold.Version {
	return &pinfold.Version{
		Ref:        pinfold.FunctionRef{Account: "000000000000", Region: "us-east-1", Name: name, Qualifier: "$LATEST"},
		RevisionID: revision,
		Config:     pinfold.Config{Timeout: 3},
	}
}

// inTime runs a test on synctest's clock with a pool that is closed at its end.
// The machine plays no part, unless c says so.
func inTime(t *testing.T, f *fleet, c Config, test func(t *testing.T, p *Pool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if c.MemoryMB == 0 {
			c.MemoryMB = 1 << 20
		}
		if c.Spare == nil {
			c.Spare = func() bool { return true }
		}
		p := New(f, c)
		test(t, p)
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
		checkClosed(t, f, p)
	})
}

// checkClosed looks for what a closed pool has left behind.
func checkClosed(t *testing.T, f *fleet, p *Pool) {
	t.Helper()
	for _, w := range f.workers {
		if !w.closed.Load() {
			t.Errorf("%s is left behind", w.id)
		}
	}
	for i, c := range f.cells {
		if !c.closed.Load() {
			t.Errorf("cell %d is left behind", i+1)
		}
	}
	for _, m := range f.mistakes {
		t.Error(m)
	}
	for _, n := range []struct {
		what string
		n    int
	}{
		{"sets", len(p.sets)}, {"instances", len(p.instances)}, {"launches", p.launching}, {"waiters", p.waiting},
		{"waiters at a limit", p.queued}, {"functions in the queues", len(p.queues)}, {"invocations", p.inFlight},
		{"shared invocations", p.shared}, {"answered invocations", p.admission.answered}, {"MB", p.usedMB},
		{"MB to be free", p.drainingMB}, {"MB of cells", p.cellsMB}, {"booting cells", p.booting},
		{"idle instances", p.awake.len + p.asleep.len},
	} {
		if n.n != 0 {
			t.Errorf("the closed pool still counts %d %s", n.n, n.what)
		}
	}
	for _, f := range p.functions {
		if f.settings.empty() || f.inFlight != 0 || f.waiting != 0 || f.heldMB != 0 || len(f.sets) != 0 {
			t.Errorf("the closed pool still knows %s: %+v", f.ref.Name, f)
		}
	}
}

// call invokes v and returns the worker's ID.
func call(p *Pool, v *pinfold.Version, payload string) (string, error) {
	res, err := p.Invoke(context.Background(), v, &pinfold.Invocation{Payload: []byte(payload), Deadline: time.Now().Add(13 * time.Second)})
	if err != nil {
		return "", err
	}
	return string(res.Payload), nil
}

// calls invokes v n times at once.
func calls(t *testing.T, p *Pool, v *pinfold.Version, n int, payload string) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := call(p, v, payload); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func anything(*pinfold.Version) bool { return true }
