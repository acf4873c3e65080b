package meter

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
)

// Owner tells whose a function is: the application that it was deployed with and
// its tags. It is asked when usage is read; nobody's is "", nil.
type Owner func(ref pinfold.FunctionRef) (app string, tags map[string]string)

// Config says where a meter keeps what it counts.
type Config struct {
	Dir   string // the folder; made if missing, and used by one meter at a time
	Owner Owner  // may be nil
	Log   *slog.Logger
}

// Meter counts. It implements [pinfold.Observer].
type Meter struct {
	config Config
	today  atomic.Pointer[page] // the day that was last asked for
	stop   context.CancelFunc   // ends keep
	done   chan struct{}        // closed when keep has ended
	step   func(string)         // tells a test how far folding is
	ledger ledger

	folding sync.Mutex // held where slots are freed, or must not be; before mu

	mu       sync.Mutex
	closed   bool
	files    []*file
	last     int // the highest number of a file
	free     []place
	pages    map[Day]*page
	counters map[key]*counter  // that may be added to
	live     map[*counter]bool // these, and what is being folded
	homeless int               // how many of live have no slot in a file
	troubles map[string]error  // what goes wrong at the moment, by what was done
}

// place is a slot in a file, or in memory alone if file is nil.
type place struct {
	file *file
	slot *slot
}

// page finds the counters of a day without a lock.
type page struct {
	day      Day
	counters sync.Map // *pinfold.Version -> *counter
	size     int      // how many versions there are about; guarded by mu
}

// maxVersions is how many versions a page may know. One more and it begins anew:
// a registry may give out the same version anew every now and then.
const maxVersions = 1 << 14

// counter is a slot in use.
type counter struct {
	place
	key    key
	id     [16]byte
	users  atomic.Int64 // who is adding now; sealed and more once nobody may
	broken atomic.Bool  // its file failed
}

const sealed = -1 << 62

// Open returns the meter in a folder. Close it.
func Open(c Config) (*Meter, error) {
	m, err := open(c)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	m.stop, m.done = stop, make(chan struct{})
	go m.keep(ctx)
	return m, nil
}

// open is Open without the goroutine.
func open(c Config) (*Meter, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "opening the folder of counters: %w", err)
	}
	m := &Meter{
		config:   c,
		step:     func(string) {},
		ledger:   ledger{c.Dir},
		pages:    map[Day]*page{},
		counters: map[key]*counter{},
		live:     map[*counter]bool{},
		troubles: map[string]error{},
	}
	numbers, err := namesIn(c.Dir, "counters-", ".map")
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "opening the folder of counters: %w", err)
	}
	for _, number := range numbers {
		name := filepath.Join(c.Dir, "counters-"+number+".map")
		if err := guard(func() error { return m.load(name) }); err != nil {
			return nil, errors.Join(err, m.unmap())
		}
	}
	return m, nil
}

// load maps a file and takes up what it counted.
func (m *Meter) load(name string) error {
	f, damage, err := mapFile(name)
	if err != nil {
		return err
	}
	m.files = append(m.files, f)
	m.last = max(m.last, fileNumber(name))
	if damage != "" {
		m.config.Log.Warn("a file of counters was damaged; what could be read of it is kept", "file", name, "damage", damage)
	}
	for i := range slotsPerFile {
		s := f.slot(i)
		if s.state.Load() == slotFree {
			m.free = append(m.free, place{f, s})
			continue
		}
		k, ok := s.read()
		if !ok {
			m.config.Log.Error("a counter is damaged: what one function used in one day, or a part of it, is not known", "file", name, "slot", i)
			continue
		}
		c := &counter{place: place{f, s}, key: k, id: s.id}
		m.live[c] = true
		if s.state.Load() == slotUsed && m.counters[k] == nil {
			m.counters[k] = c
		} else {
			c.users.Store(sealed)
		}
	}
	return nil
}

// Executed counts an execution. It takes no lock for a function that it knows
// today.
func (m *Meter) Executed(e *pinfold.Execution) {
	d, day := deltaOf(e), DayOf(e.Began)
	for c := m.known(e.Version, day); !c.add(&d); {
		c = m.find(e.Version, day)
	}
}

// known returns the counter of a version on a day.
func (m *Meter) known(v *pinfold.Version, day Day) *counter {
	if p := m.today.Load(); p != nil && p.day == day {
		if c, ok := p.counters.Load(v); ok {
			return c.(*counter)
		}
	}
	return m.find(v, day)
}

// add adds to a counter. It reports false if nobody may any more, and has added
// nothing then: a slot lies in one page, so its file fails at the first touch.
func (c *counter) add(d *delta) (ok bool) {
	if c.users.Add(1) <= 0 {
		c.users.Add(-1)
		return false
	}
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		c.users.Add(-1)
		if !ok && faultOf(recover()) != nil {
			c.broken.Store(true)
		}
	}()
	c.slot.counts.add(d)
	if c.file != nil {
		c.file.touch()
	}
	return true
}

// seal returns when nobody adds any more.
func (c *counter) seal() {
	if c.users.Load() >= 0 {
		c.users.Add(sealed)
	}
	for c.users.Load() != sealed { // for as long as it takes to add
		runtime.Gosched()
	}
}

// find is known for what is not on the page: it makes a counter if there is none.
func (m *Meter) find(v *pinfold.Version, day Day) *counter {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := keyOf(v, day)
	c := m.counters[k]
	if c != nil && c.broken.Load() {
		m.failed(c.file)
		m.retire(c)
		c = nil
	}
	if c == nil {
		c = m.start(k)
	}
	p := m.pages[day]
	if p == nil {
		p = &page{day: day}
		m.pages[day] = p
	}
	if p.size++; p.size > maxVersions {
		p.counters.Clear()
		p.size = 0
	}
	p.counters.Store(v, c)
	m.today.Store(p)
	return c
}

// failed says that a file cannot be touched. mu is held.
func (m *Meter) failed(f *file) {
	m.say("counting", pinfold.Errorf(pinfold.Unavailable, "%s cannot be read or written any more; what it counted is not known until it can: is its disk full or broken, or was the file cut?", f.name))
}

// start returns a new counter: in a file or, where that cannot be, in memory
// until it can. mu is held.
func (m *Meter) start(k key) *counter {
	c := &counter{key: k}
	if !m.house(c) {
		c.slot = new(slot)
		_, _ = rand.Read(c.slot.id[:]) // never fails
		m.homeless++
	}
	c.id = c.slot.id
	m.counters[k] = c
	m.live[c] = true
	return c
}

// retire takes a counter out of use. When it returns its counts are final. mu is
// held.
func (m *Meter) retire(c *counter) {
	if m.counters[c.key] == c {
		delete(m.counters, c.key)
	}
	c.seal()
}

// keep is the goroutine that makes room, syncs and folds.
func (m *Meter) keep(ctx context.Context) {
	defer close(m.done)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var folded time.Time
	for {
		m.ahead(slotsPerFile / 2)
		m.settle()
		// Whoever began before midnight may be at it for a while.
		if now := time.Now(); now.Sub(folded).Abs() >= time.Minute {
			folded = now
			m.note("folding", m.fold(DayOf(now.Add(-time.Hour))))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.note("syncing", m.sync())
		}
	}
}

// sync returns when what was counted before it survives a loss of power.
func (m *Meter) sync() error {
	m.mu.Lock()
	files := slices.Clone(m.files)
	m.mu.Unlock()
	var failed error
	for _, f := range files {
		failed = errors.Join(failed, f.sync())
	}
	return failed
}

// note is say for who does not hold mu.
func (m *Meter) note(doing string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.say(doing, err)
}

// say notes how it goes with something that is done, and logs when that changes.
// mu is held.
func (m *Meter) say(doing string, err error) {
	switch was := m.troubles[doing]; {
	case err != nil && was == nil:
		m.config.Log.Error("metering is in trouble", "while", doing, "error", err)
	case err == nil && was != nil:
		m.config.Log.Info("metering is out of trouble", "while", doing)
	}
	if err == nil {
		delete(m.troubles, doing)
	} else {
		m.troubles[doing] = err
	}
}

// Health returns what goes wrong at the moment, nil if nothing does. Counting
// goes on in any case, in memory where files cannot be had.
func (m *Meter) Health() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.troubles) == 0 {
		return nil
	}
	var all []error
	for _, doing := range slices.Sorted(maps.Keys(m.troubles)) {
		all = append(all, m.troubles[doing])
	}
	return pinfold.Errorf(pinfold.Unavailable, "metering: %w", errors.Join(all...))
}

// Close syncs what was counted. An execution that comes after it is lost: close
// what runs functions first.
func (m *Meter) Close() error {
	if m.stop != nil {
		m.stop()
		<-m.done
	}
	m.settle()
	m.folding.Lock() // who reads usage is at the slots
	defer m.folding.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.today.Store(nil)
	for _, c := range m.counters {
		m.retire(c)
	}
	clear(m.live)
	var failed error
	if m.homeless > 0 {
		failed = pinfold.Errorf(pinfold.Unavailable, "what %d functions used is lost: there was no file to write it to", m.homeless)
	}
	for _, f := range m.files {
		failed = errors.Join(failed, f.sync())
	}
	return errors.Join(failed, m.unmap())
}

func (m *Meter) unmap() error {
	var failed error
	for _, f := range m.files {
		failed = errors.Join(failed, f.unmap())
	}
	m.files, m.free = nil, nil
	return failed
}
