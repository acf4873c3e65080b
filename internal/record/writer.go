package record

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
)

// Writer takes records to a store, off the way of the invocations that they are
// of. It is the ring in front of the store: bounded, and never in the way.
type Writer struct {
	store   Appender
	log     *slog.Logger
	room    int // of a shard, in records
	shards  []shard
	spare   [][]pinfold.Record // what the shards had before, for them to have again
	dropped atomic.Uint64
	idle    atomic.Bool   // the goroutine sleeps until it is woken
	wake    chan struct{} // has a value if it shall look what there is
	closing chan struct{} // closed when no more is to come
	close   sync.Once
	ctx     context.Context // ends when what could not be stored is given up
	giveUp  context.CancelFunc
	done    chan struct{} // closed when the goroutine has ended

	told    uint64 // of those dropped, how many the log was told of
	toldAt  time.Time
	failing bool
}

// Appender is what a Writer needs of a store; see [pinfold.RecordStore].
type Appender interface {
	Append(ctx context.Context, records []pinfold.Record) error
}

// shard is one of several places where records wait, so that those who bring
// them seldom meet.
type shard struct {
	mu      sync.Mutex
	records []pinfold.Record
	closed  bool
	_       [64]byte // the next one is in another line of the processor's cache
}

const (
	// rest is how long the writer waits between two batches.
	rest = 10 * time.Millisecond
	// A store that fails is tried again after minWait, then after twice as long
	// each time, up to maxWait.
	minWait, maxWait = 100 * time.Millisecond, 5 * time.Second
	// tellEvery is how often the log is told of dropped records at most.
	tellEvery = time.Second
	// keep is how many records' room is kept between two batches at most: much
	// comes seldom, and memory is for functions.
	keep = 1024
)

// NewWriter returns a Writer for a store. Up to about so many records wait for it
// (0: 16,384), and as many may be on their way to the store. Close it.
func NewWriter(store Appender, waiting int, log *slog.Logger) *Writer {
	waiting = cmp.Or(waiting, 16<<10)
	n := 2 * runtime.GOMAXPROCS(0)
	w := &Writer{
		store: store, log: log, room: (waiting + n - 1) / n, shards: make([]shard, n), spare: make([][]pinfold.Record, n),
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	w.ctx, w.giveUp = context.WithCancel(context.Background())
	go w.run()
	return w
}

// Put takes in a copy of a record. It never waits. A record that finds no room
// is dropped and counted, as are those that come after Close.
func (w *Writer) Put(r *pinfold.Record) {
	n := uint32(len(w.shards))
	first := rand.Uint32N(n)
	for i := range n {
		if w.shards[(first+i)%n].put(r, w.room) {
			if w.idle.Load() {
				w.nudge()
			}
			return
		}
	}
	w.dropped.Add(1)
}

func (s *shard) put(r *pinfold.Record, room int) bool {
	s.mu.Lock()
	fits := !s.closed && len(s.records) < room
	if fits {
		s.records = append(s.records, *r)
	}
	s.mu.Unlock()
	return fits
}

// Dropped returns how many records have been dropped.
func (w *Writer) Dropped() uint64 { return w.dropped.Load() }

// Close stores what waits, and ends the Writer. It returns when that is done, or
// ctx is; then what is left counts as dropped.
func (w *Writer) Close(ctx context.Context) error {
	w.close.Do(func() {
		for i := range w.shards {
			w.shards[i].mu.Lock()
			w.shards[i].closed = true
			w.shards[i].mu.Unlock()
		}
		close(w.closing)
	})
	defer w.giveUp()
	before := w.Dropped()
	select {
	case <-w.done:
	case <-ctx.Done():
		w.giveUp()
		<-w.done
	}
	if lost := w.Dropped() - before; lost > 0 {
		return pinfold.Errorf(pinfold.Unavailable, "%d records of invocations could not be stored before the end", lost)
	}
	return nil
}

func (w *Writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run takes what waits to the store, again and again.
func (w *Writer) run() {
	defer close(w.done)
	var batch []pinfold.Record
	for {
		batch = w.take(batch)
		if len(batch) == 0 {
			if !w.sleep() {
				return
			}
			continue
		}
		if !w.append(batch) {
			w.dropped.Add(uint64(len(w.take(nil))))
			return
		}
		w.tell()
		batch = emptied(batch)
		select {
		case <-time.After(rest):
		case <-w.closing:
		}
	}
}

// take appends what waits to a batch.
func (w *Writer) take(batch []pinfold.Record) []pinfold.Record {
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		s.records, w.spare[i] = w.spare[i], s.records
		s.mu.Unlock()
		batch = append(batch, w.spare[i]...)
		w.spare[i] = emptied(w.spare[i])
	}
	return batch
}

// emptied returns the room that records had, if it is worth being kept.
func emptied(records []pinfold.Record) []pinfold.Record {
	if cap(records) > keep {
		return nil
	}
	clear(records)
	return records[:0]
}

// sleep returns true when there may be something to do, and false if there will
// not be any more.
func (w *Writer) sleep() bool {
	select {
	case <-w.closing:
		return w.waits()
	default:
	}
	w.idle.Store(true)
	defer w.idle.Store(false)
	if w.waits() {
		return true
	}
	var due <-chan time.Time
	if !w.tell() {
		due = time.After(tellEvery)
	}
	select {
	case <-w.wake:
	case <-due:
	case <-w.closing:
	}
	return true
}

// waits reports whether there is something to be taken.
func (w *Writer) waits() bool {
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		n := len(s.records)
		s.mu.Unlock()
		if n > 0 {
			return true
		}
	}
	return false
}

// append stores a batch, however often that takes, and reports false if it was
// given up.
func (w *Writer) append(batch []pinfold.Record) bool {
	closing := w.closing
	for wait := minWait; ; wait = min(2*wait, maxWait) {
		err := w.store.Append(w.ctx, batch)
		if err == nil {
			if w.failing {
				w.log.Info("records of invocations are stored again")
			}
			w.failing = false
			return true
		}
		if !w.failing && w.ctx.Err() == nil {
			w.log.Error("records of invocations cannot be stored; it is tried again", "error", err)
		}
		w.failing = true
		w.tell()
		select {
		case <-time.After(wait):
		case <-closing:
			closing = nil // once more at once, then as before
		case <-w.ctx.Done():
			w.dropped.Add(uint64(len(batch)))
			return false
		}
	}
}

// tell tells the log how many records have been dropped since it was told last,
// and reports false if it is too early to.
func (w *Writer) tell() bool {
	all := w.dropped.Load()
	if all == w.told {
		return true
	}
	if time.Since(w.toldAt) < tellEvery {
		return false
	}
	w.log.Warn("records of invocations were dropped: they came faster than they could be stored", "dropped", all-w.told, "since start", all)
	w.told, w.toldAt = all, time.Now()
	return true
}
