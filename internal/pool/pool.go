package pool

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
)

// key tells instances of different content apart. It is equal where
// [pinfold.Version.Key] is, and costs no allocation.
type key struct {
	ref      pinfold.FunctionRef
	revision string
}

func keyOf(v *pinfold.Version) key { return key{v.Ref, v.RevisionID} }

// Pool lends instances to invocations.
type Pool struct {
	launcher Launcher
	config   Config
	epoch    time.Time // times within the pool are counted from here

	life context.Context // of launches and of the pool's own goroutines
	end  context.CancelFunc
	wg   sync.WaitGroup // every goroutine of the pool

	idleWaiters sync.Pool // *waiter, for the next that has to wait
	scaler      bell
	janitor     bell
	keeper      bell

	callers atomic.Int64 // of Invoke
	drains  atomic.Bool  // like closing, without the lock

	mu        sync.Mutex
	settled   *sync.Cond // signalled, once closing, when an invocation or a wait is over
	closing   bool       // it takes no more invocations
	closed    bool       // it serves none any more
	sets      map[key]*set
	functions map[pinfold.FunctionRef]*function // by unqualified reference
	instances map[*instance]struct{}            // all that are not Gone
	launching int                               // instances that are Starting
	waiting   int                               // invocations that wait, for whatever

	admission
	turns
	memory
	measures
	stock
	duties
}

// function is what versions of one function have in common. It is there while
// there is something to know about it.
type function struct {
	ref      pinfold.FunctionRef // unqualified
	settings Settings
	sets     []*set
	claim
	turn
}

// set is all the instances of one key, and who waits for one.
type set struct {
	key      key
	version  *pinfold.Version
	function *function
	kind     string // of the cells that its instances can be made of, or ""
	count    [states]int
	live     int           // instances that are not Gone
	ready    []*instance   // Ready, least recently used first
	cold     []*instance   // Freezing and Frozen, likewise
	active   []*instance   // Busy and Thawing
	waiters  list[*waiter] // longest waiting first
	kept     int           // instances that are provisioned, and not on their way out
	known    figures
	queue    queueWatch
	outdated bool // it serves who waits, but keeps nothing
}

// New returns a pool whose instances come from launcher. Close it.
func New(launcher Launcher, config Config) *Pool {
	p := &Pool{
		launcher:  launcher,
		config:    config.withDefaults(),
		epoch:     time.Now(),
		scaler:    newBell(),
		janitor:   newBell(),
		keeper:    newBell(),
		sets:      map[key]*set{},
		functions: map[pinfold.FunctionRef]*function{},
		instances: map[*instance]struct{}{},
	}
	p.idleWaiters.New = func() any { return newWaiter() }
	p.settled = sync.NewCond(&p.mu)
	p.admission.open(p.config.Concurrency)
	p.turns.queues = map[*function]struct{}{}
	p.measures.open()
	p.stock.kinds = map[string]*kind{}
	p.duties.all = map[key]*duty{}
	p.life, p.end = context.WithCancel(context.Background())
	p.wg.Go(p.scale)
	p.wg.Go(p.tidy)
	p.wg.Go(p.replenish)
	return p
}

// now is the time since the pool began. It is cheaper than a time of day.
func (p *Pool) now() time.Duration { return time.Since(p.epoch) }

// setOf returns the instances of v's content, of which there may be none yet.
func (p *Pool) setOf(v *pinfold.Version) *set {
	k := keyOf(v)
	if s := p.sets[k]; s != nil {
		return s
	}
	f := p.functionOf(v.Ref.With(""))
	s := &set{key: k, version: v, function: f, kind: p.launcher.Kind(v), known: p.recall(k)}
	p.sets[k] = s
	f.sets = append(f.sets, s)
	return s
}

func (p *Pool) functionOf(ref pinfold.FunctionRef) *function {
	f := p.functions[ref]
	if f == nil {
		f = &function{ref: ref}
		p.functions[ref] = f
	}
	return f
}

// forget drops a set that has no instances and that nobody waits for.
func (p *Pool) forget(s *set) {
	if s.live > 0 || s.waiters.len > 0 || p.sets[s.key] != s {
		return
	}
	delete(p.sets, s.key)
	if !s.outdated {
		p.remember(s)
	}
	f := s.function
	for i, other := range f.sets {
		if other == s {
			f.sets = append(f.sets[:i], f.sets[i+1:]...)
			break
		}
	}
	p.forgetFunction(f)
}

// forgetFunction drops a function of which nothing is known any more.
func (p *Pool) forgetFunction(f *function) {
	if len(f.sets) == 0 && f.inFlight == 0 && f.waiting == 0 && f.settings.empty() {
		delete(p.functions, f.ref)
		delete(p.limited, f)
	}
}

// Drain makes the instances of every version that match reports true for go,
// each as soon as it is idle. Invocations of such a version that run or wait are
// served first, and later ones too. Nothing of such a version is provisioned any
// more, until [Pool.Configure] says so again. match must not call the pool.
func (p *Pool) Drain(match func(*pinfold.Version) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sets {
		if match(s.version) {
			s.outdated = true
			p.retireIdle(s)
		}
	}
	for k, d := range p.duties.all {
		if match(d.version) {
			p.dropDuty(k)
		}
	}
}

func (p *Pool) retireIdle(s *set) {
	for len(s.ready) > 0 {
		p.retire(s.ready[len(s.ready)-1])
	}
	for len(s.cold) > 0 {
		p.retire(s.cold[len(s.cold)-1])
	}
}

// Close stops taking invocations, waits until those under way are over or ctx
// ends, kills what is left, and waits until every instance and cell is gone. Its
// error says how many invocations were cut off.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closing = true
	p.drains.Store(true)
	for _, s := range p.sets {
		p.retireIdle(s)
	}
	p.closeStock()
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.settled.Broadcast()
	})
	// What a worker does after its answer nobody waits for.
	for p.inFlight-p.admission.answered+p.queued+int(p.callers.Load()) > 0 && ctx.Err() == nil {
		p.settled.Wait()
	}
	stop()
	cut := p.inFlight - p.admission.answered + p.queued
	p.closed = true
	for f := range p.queues {
		for w := f.newest(); w != nil; w = f.newest() {
			p.turnAway(w, shuttingDown())
		}
	}
	for in := range p.instances {
		p.retire(in)
	}
	p.mu.Unlock()
	p.end()
	p.wg.Wait()
	if cut > 0 {
		return pinfold.Errorf(pinfold.Timeout, "%d invocations were cut off: they were not over in the time to drain", cut)
	}
	return nil
}

// check wakes Close when something is over that it waits for.
func (p *Pool) check() {
	if p.closing {
		p.settled.Broadcast()
	}
}

// log is where the pool reports what no invocation hears of.
func (p *Pool) log() *slog.Logger { return p.config.Log }

// bell wakes a goroutine of the pool. Ringing twice is ringing once.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// rest waits until b rings or, if that is positive, for d. It reports false
// when the pool closes.
func (p *Pool) rest(b bell, timer *time.Timer, d time.Duration) bool {
	var due <-chan time.Time
	if d > 0 {
		timer.Reset(d)
		due = timer.C
	}
	select {
	case <-p.life.Done():
		return false
	case <-b:
	case <-due:
	}
	timer.Stop()
	return true
}
