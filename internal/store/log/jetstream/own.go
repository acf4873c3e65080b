package jetstream

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"pinfold.dev/pinfold/internal/store/log"
)

// Names of a log in the process are owned in memory: no other process has its
// folder. Those of an external one are keys of a bucket whose values live for a
// lease, and are written anew every renewal. Who could not do that for a while says
// that it lost the name: well before another one has it.
const (
	defaultLease = 10 * time.Second
	// askEvery is how often one that waits looks whether the name is free.
	askEvery = time.Second
)

func (l *Log) renewal() time.Duration { return l.opts.lease / 5 }
func (l *Log) givenUp() time.Duration { return l.opts.lease * 7 / 10 }

// owners are who owns what within this log.
type owners struct {
	mu     sync.Mutex
	byName map[string]*owner
	ended  sync.WaitGroup
}

type owner struct {
	holder string
	lose   context.CancelFunc
	free   chan struct{} // closed when the name is given back
}

// Own implements log.Log.
func (l *Log) Own(ctx context.Context, name, holder string, waiting func(string)) (context.Context, func(), error) {
	if err := log.CheckSubject(name); err != nil {
		return nil, nil, err
	}
	if waiting == nil {
		waiting = func(string) {}
	}
	o, owned, err := l.ownHere(ctx, name, holder, waiting)
	if err != nil {
		return nil, nil, err
	}
	release := sync.OnceFunc(func() { l.owners.release(name, o) })
	if l.server != nil {
		return owned, release, nil
	}
	key, err := l.ownThere(ctx, name, holder, waiting)
	if err != nil {
		release()
		return nil, nil, err
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	l.owners.ended.Go(func() {
		defer close(stopped)
		key.keep(o.lose, stop)
	})
	return owned, sync.OnceFunc(func() {
		close(stop)
		<-stopped
		release()
	}), nil
}

// ownHere waits until nobody of this log owns a name, and then owns it.
func (l *Log) ownHere(ctx context.Context, name, holder string, waiting func(string)) (*owner, context.Context, error) {
	for told := ""; ; {
		if err := l.up(ctx); err != nil {
			return nil, nil, err
		}
		other, o, owned := l.owners.claim(ctx, name, holder)
		if o != nil {
			return o, owned, nil
		}
		if told != other.holder {
			told = other.holder
			waiting(told)
		}
		select {
		case <-other.free:
		case <-ctx.Done():
		case <-l.closed.Done():
		}
	}
}

func (s *owners) claim(ctx context.Context, name, holder string) (other, mine *owner, owned context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.byName[name]; o != nil {
		return o, nil, nil
	}
	if s.byName == nil {
		s.byName = map[string]*owner{}
	}
	mine = &owner{holder: holder, free: make(chan struct{})}
	owned, mine.lose = context.WithCancel(ctx)
	s.byName[name] = mine
	return nil, mine, owned
}

func (s *owners) release(name string, o *owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName[name] == o {
		delete(s.byName, name)
	}
	o.lose()
	close(o.free)
}

// close has everything lost, and waits until it is given back.
func (s *owners) close() {
	s.mu.Lock()
	for _, o := range s.byName {
		o.lose()
	}
	s.mu.Unlock()
	s.ended.Wait()
}

// key is a name that is owned in a bucket.
type key struct {
	log      *Log
	bucket   jetstream.KeyValue
	name     string
	value    string // the holder, and what tells this one from its earlier ones
	revision uint64
	since    time.Time // when it was last known to be ours
}

// bucket returns the bucket of names, which is made if there is none.
func (l *Log) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	name := l.opts.Prefix + "_owners"
	bucket, err := l.js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		bucket, err = l.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:      name,
			Description: "Which process of Pinfold owns what",
			TTL:         l.opts.lease,
			Replicas:    max(l.opts.Replicas, 1),
		})
	}
	return bucket, err
}

// ownThere waits until nobody owns a name in the bucket, and then owns it.
func (l *Log) ownThere(ctx context.Context, name, holder string, waiting func(string)) (*key, error) {
	bucket, err := l.bucket(ctx)
	if err != nil {
		return nil, l.failed(ctx, err, "own %s in the log", name)
	}
	k := &key{log: l, bucket: bucket, name: name, value: holder + "\n" + nuid.Next()}
	told := ""
	for {
		k.since = time.Now()
		if k.revision, err = bucket.Create(ctx, name, []byte(k.value)); err == nil {
			return k, nil
		}
		if errors.Is(err, jetstream.ErrKeyExists) {
			if entry, err := bucket.Get(ctx, name); err == nil && string(entry.Value()) != told {
				told = string(entry.Value())
				holder, _, _ := strings.Cut(told, "\n")
				waiting(holder)
			}
		} else if ctx.Err() == nil && l.closed.Err() == nil {
			l.opts.Logger.Warn("own a name in the log: will be tried again", "name", name, "error", err)
		}
		select {
		case <-time.After(askEvery):
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.closed.Done():
			return nil, log.Closed()
		}
	}
}

// keep renews the key until stop, or the log, is closed, and gives it back then. If
// it cannot, it has it lost.
func (k *key) keep(lose context.CancelFunc, stop <-chan struct{}) {
	every := time.NewTicker(k.log.renewal())
	defer every.Stop()
	lost := time.AfterFunc(time.Until(k.since.Add(k.log.givenUp())), lose)
	defer lost.Stop()
	for {
		select {
		case <-every.C:
			if !k.renew(lost) {
				lose()
				return
			}
		case <-stop:
			k.giveBack()
			return
		case <-k.log.closed.Done():
			k.giveBack()
			return
		}
	}
}

// renew reports whether the key may still be ours.
func (k *key) renew(lost *time.Timer) bool {
	now := time.Now()
	ctx, cancel := context.WithTimeout(k.log.closed, k.log.renewal())
	defer cancel()
	revision, err := k.bucket.Update(ctx, k.name, []byte(k.value), k.revision)
	if errors.Is(err, jetstream.ErrKeyExists) { // changed, maybe by an Update of ours whose answer was lost
		entry, err := k.bucket.Get(ctx, k.name)
		if err == nil && string(entry.Value()) != k.value || errors.Is(err, jetstream.ErrKeyNotFound) {
			return false
		}
		if err == nil {
			k.revision = entry.Revision()
		}
		return true
	}
	if err == nil {
		k.revision = revision
		lost.Reset(time.Until(now.Add(k.log.givenUp())))
	}
	return true
}

func (k *key) giveBack() {
	ctx, cancel := context.WithTimeout(context.Background(), k.log.renewal())
	defer cancel()
	if err := k.bucket.Delete(ctx, k.name, jetstream.LastRevision(k.revision)); err != nil {
		k.log.opts.Logger.Debug("give a name of the log back: it runs out", "name", k.name, "error", err)
	}
}
