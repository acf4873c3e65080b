package queue

import (
	"context"
	"hash/fnv"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/store/log"
)

// Options is what a Service needs. All of it is required.
type Options struct {
	Store store.Control
	Hub   *backlog.Hub
	// Log keeps what FIFO queues were sent lately. It is the one that Hub is over.
	Log    log.Log
	Scope  pinfold.Scope // the account and region whose queues these are
	Logger *slog.Logger
}

// Ref names a queue.
type Ref struct{ Account, Region, Name string }

// ARN returns the queue's.
func (r Ref) ARN() string { return "arn:aws:sqs:" + r.Region + ":" + r.Account + ":" + r.Name }

func (r Ref) key() store.Key { return store.Key{r.Account, r.Region, r.Name} }

// ParseARN reads the ARN of a queue. It reports false if s is none.
func ParseARN(s string) (Ref, bool) {
	arn, ok := pinfold.ParseARN(s)
	if !ok || arn.Service != "sqs" || strings.ContainsAny(arn.Resource, ":/") {
		return Ref{}, false
	}
	return Ref{Account: arn.Account, Region: arn.Region, Name: arn.Resource}, true
}

// Service keeps queues and their messages. It may be used concurrently.
type Service struct {
	store  store.Control
	joined bool // bound to a transaction by Within
	*shared
}

// shared is what a service and those made of it by Within have in common.
type shared struct {
	control store.Control // never one of a transaction
	hub     *backlog.Hub
	scope   pinfold.Scope
	log     *slog.Logger
	recent  log.Stream    // what FIFO queues were sent, see recent.go
	moves   chan struct{} // told when a move task was started or cancelled

	loading sync.Mutex // held while a queue's record is read after it has changed
	mu      sync.RWMutex
	lines   map[Ref]*line
}

// line is a queue as it is now: its record, and the messages of the record's ID.
type line struct {
	ref     Ref
	arn     string
	id      string // the record's
	record  atomic.Pointer[pinfold.MessageQueue]
	backlog *backlog.Backlog
	stamp   stamp  // of its receipt handles
	recent  recent // FIFO
	retries retries

	sending sync.RWMutex  // held by those who send; taken in full to end that
	gone    bool          // guarded by sending: deleted or purged
	held    chan struct{} // likewise; not nil: who wants to send waits until it is closed
	purged  time.Time     // when it took the place of one that was purged
}

const backlogPrefix = "sqs."

// Open opens the queues that there are. Messages of queues that were deleted or
// purged just before the platform was killed are dropped.
func Open(ctx context.Context, o Options) (*Service, error) {
	recent, err := o.Log.Stream(ctx, recentStream, log.Limits{Age: recentFor})
	if err != nil {
		return nil, err
	}
	s := &Service{store: o.Store, shared: &shared{
		control: o.Store, hub: o.Hub, scope: o.Scope, log: o.Logger, recent: recent, moves: make(chan struct{}, 1), lines: map[Ref]*line{},
	}}
	known := map[string]bool{}
	err = o.Store.View(ctx, func(tx store.Tx) error {
		all, err := tx.Queues().List(store.Key{o.Scope.Account, o.Scope.Region}, nil, 0)
		for _, r := range all {
			l := s.open(&r.Value)
			s.lines[l.ref], known[backlogPrefix+l.id] = l, true
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for id := range o.Hub.IDs(backlogPrefix) {
		if !known[id] {
			if err := o.Hub.Drop(ctx, id); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// Within returns the service bound to a transaction: changes of queues become part
// of it and take effect after the commit. Only Create, Set, SetAttributes, Delete,
// Tag, Untag and Record see the transaction; it must not be used after that has
// ended, nor for messages.
func (s *Service) Within(tx store.Tx) *Service {
	return &Service{store: store.Within(tx), joined: true, shared: s.shared}
}

func (s *shared) open(q *pinfold.MessageQueue) *line {
	l := &line{ref: refOf(q), arn: q.ARN(), id: q.ID, backlog: s.hub.Backlog(backlogPrefix+q.ID, backlog.Config{FIFO: q.FIFO})}
	l.stamp = stamp{queue: sum64(l.arn), id: sum64(q.ID)}
	l.record.Store(q)
	return l
}

func refOf(q *pinfold.MessageQueue) Ref { return Ref{q.Account, q.Region, q.Name} }

func sum64(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

// line returns a queue.
func (s *shared) line(ref Ref) (*line, error) {
	s.mu.RLock()
	l := s.lines[ref]
	s.mu.RUnlock()
	if l == nil {
		return nil, missing()
	}
	return l, nil
}

func missing() error {
	return pinfold.Errorf(pinfold.NotFound, "The specified queue does not exist.").WithReason("QueueDoesNotExist")
}

// all returns the queues in the order of their names.
func (s *shared) all() []*line {
	s.mu.RLock()
	all := make([]*line, 0, len(s.lines))
	for _, l := range s.lines {
		all = append(all, l)
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b *line) int { return strings.Compare(a.ref.Name, b.ref.Name) })
	return all
}

// reload takes over what the store has of a queue, after a commit, and drops the
// messages of one that was deleted or purged.
func (s *shared) reload(ref Ref) {
	old := s.replace(ref)
	if old == nil {
		return
	}
	old.sending.Lock() // waits for those who are sending, whose messages go, too
	old.gone = true
	old.sending.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
	defer cancel()
	if err := s.hub.Drop(ctx, backlogPrefix+old.id); err != nil {
		s.log.Error("the messages of a deleted or purged queue could not be removed: the next start of the platform does it", "queue", ref.Name, "error", err)
	}
}

// dropTimeout is how long deleting and purging wait for a log that does not answer.
const dropTimeout = 10 * time.Second

// replace puts the queue that the store has in the place of the one that is known,
// and returns that if its messages are to go. Several may change a queue one after
// the other and get here in another order: who reads last reads the latest.
func (s *shared) replace(ref Ref) (old *line) {
	s.loading.Lock()
	defer s.loading.Unlock()
	var q *pinfold.MessageQueue
	err := s.control.View(context.Background(), func(tx store.Tx) error {
		found, err := tx.Queues().Get(ref.key())
		q = &found
		return err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	old = s.lines[ref]
	switch code := pinfold.CodeOf(err); {
	case code == pinfold.NotFound:
		delete(s.lines, ref)
	case err != nil:
		s.log.Error("a queue was changed and could not be read: it is as before until it changes again", "queue", ref.Name, "error", err)
		return nil
	case old != nil && old.id == q.ID:
		old.record.Store(q)
		return nil
	default:
		l := s.open(q)
		if old != nil {
			l.purged = time.Now()
		}
		s.lines[ref] = l
	}
	return old
}

// sendingTo returns a queue that will not be deleted or purged until done is called.
func (s *shared) sendingTo(ctx context.Context, ref Ref) (l *line, done func(), err error) {
	for {
		if l, err = s.line(ref); err != nil {
			return nil, nil, err
		}
		l.sending.RLock()
		if !l.gone && l.held == nil {
			return l, l.sending.RUnlock, nil
		}
		held := l.held
		l.sending.RUnlock()
		if err := wait(ctx, held); err != nil {
			return nil, nil, err
		}
	}
}

// wait waits until a queue is not held any more; one that is nil was not.
func wait(ctx context.Context, held <-chan struct{}) error {
	if held == nil {
		return nil
	}
	select {
	case <-held:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Hold has who wants to send to a queue wait until release is called, and returns
// when nobody is sending: so that it can be looked whether it has messages before it
// is deleted, and nothing comes in between. Release it when the transaction is over.
func (s *Service) Hold(ctx context.Context, ref Ref) (release func(), err error) {
	for {
		l, err := s.line(ref)
		if err != nil {
			return nil, err
		}
		l.sending.Lock()
		if !l.gone && l.held == nil {
			l.held = make(chan struct{})
			l.sending.Unlock()
			return l.release, nil
		}
		held := l.held
		l.sending.Unlock()
		if err := wait(ctx, held); err != nil {
			return nil, err
		}
	}
}

func (l *line) release() {
	l.sending.Lock()
	defer l.sending.Unlock()
	close(l.held)
	l.held = nil
}

// Record returns what a queue is like.
func (s *Service) Record(ctx context.Context, ref Ref) (pinfold.MessageQueue, error) {
	if !s.joined {
		l, err := s.line(ref)
		if err != nil {
			return pinfold.MessageQueue{}, err
		}
		return *l.record.Load(), nil
	}
	var q pinfold.MessageQueue
	err := s.store.View(ctx, func(tx store.Tx) (err error) {
		q, err = get(tx, ref)
		return err
	})
	return q, err
}

// get reads a queue's record in a transaction.
func get(tx store.Tx, ref Ref) (pinfold.MessageQueue, error) {
	q, err := tx.Queues().Get(ref.key())
	if pinfold.CodeOf(err) == pinfold.NotFound {
		err = missing()
	}
	return q, err
}

// Lookup returns the queue of an ARN.
func (s *Service) Lookup(ctx context.Context, arn string) (pinfold.MessageQueue, error) {
	ref, ok := ParseARN(arn)
	if !ok {
		return pinfold.MessageQueue{}, missing()
	}
	return s.Record(ctx, ref)
}

// Ref returns the queue of the service's own account that has a name.
func (s *Service) Ref(name string) Ref { return Ref{s.scope.Account, s.scope.Region, name} }

// Exists returns an error if there is no such queue.
func (s *Service) Exists(ref Ref) error {
	_, err := s.line(ref)
	return err
}

// Counts returns how many messages a queue has.
func (s *Service) Counts(ref Ref) (backlog.Counts, error) {
	l, err := s.line(ref)
	if err != nil {
		return backlog.Counts{}, err
	}
	return l.backlog.Counts(), nil
}
