package queue

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"sync"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// What a FIFO queue was sent is remembered for five minutes, also after it has been
// removed, and across restarts: in a stream of the log, which has an entry for every
// message. It is appended once the message is stored and before that is acknowledged.
// Who is told nothing in between, because the platform is killed, sends again; then
// the log itself drops the message, by the id of its entry.
const (
	recentStream = "sqs-recent"
	// Source: "Exactly-once processing in Amazon SQS", SQS developer guide.
	recentFor = 5 * time.Minute
)

// recentKey is a deduplication id in its scope, hashed.
type recentKey [16]byte

func (k recentKey) String() string { return hex.EncodeToString(k[:]) }

// keyOf returns what a message of a FIFO queue is deduplicated by.
func keyOf(q *pinfold.MessageQueue, m *Message) recentKey {
	scope := ""
	if q.DeduplicationScope == scopeGroup {
		scope = m.Group
	}
	sum := sha256.Sum256([]byte(scope + "\x00" + m.Deduplication))
	return recentKey(sum[:16])
}

// recent is what a queue was sent in the last five minutes. The zero value is one
// that is not loaded.
type recent struct {
	mu      sync.Mutex
	known   map[recentKey]sending // nil: not loaded
	expires []expiry              // the oldest first
}

// sending is a message that is, or is being, sent.
type sending struct {
	position uint64
	done     chan struct{} // not nil: closed when it is stored, or has failed and is forgotten
}

type expiry struct {
	key recentKey
	at  time.Time
}

// begin notes that a message is being sent. If it was sent before it returns where
// that is, and the caller shall not send it. While somebody else is sending it,
// begin waits.
func (r *recent) begin(ctx context.Context, key recentKey, load func() ([]log.Entry, error)) (position uint64, duplicate bool, err error) {
	for {
		r.mu.Lock()
		if r.known == nil {
			if err := r.load(load); err != nil {
				r.mu.Unlock()
				return 0, false, err
			}
		}
		r.expire(time.Now())
		s, known := r.known[key]
		if !known {
			r.known[key] = sending{done: make(chan struct{})}
			r.mu.Unlock()
			return 0, false, nil
		}
		r.mu.Unlock()
		if s.done == nil {
			return s.position, true, nil
		}
		select {
		case <-s.done:
		case <-ctx.Done():
			return 0, false, ctx.Err()
		}
	}
}

// end notes how sending went. A message that is not remembered may be sent again.
func (r *recent) end(key recentKey, position uint64, remember bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.known[key].done)
	if !remember {
		delete(r.known, key)
		return
	}
	r.known[key] = sending{position: position}
	r.expires = append(r.expires, expiry{key, time.Now().Add(recentFor)})
}

// expire forgets what is too old. r.mu is held.
func (r *recent) expire(now time.Time) {
	n := 0
	for n < len(r.expires) && !r.expires[n].at.After(now) {
		delete(r.known, r.expires[n].key)
		n++
	}
	if r.expires = r.expires[n:]; len(r.expires) == 0 {
		r.expires = nil
		if n > 0 && len(r.known) == 0 {
			r.known = map[recentKey]sending{} // a map keeps the room that it once needed
		}
	}
}

// tidy forgets what is too old of a queue that is not sent to any more.
func (r *recent) tidy() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(time.Now())
}

// load takes over what the log remembers.
func (r *recent) load(read func() ([]log.Entry, error)) error {
	entries, err := read()
	if err != nil {
		return err
	}
	r.known = map[recentKey]sending{}
	for _, e := range entries {
		if len(e.Data) != len(recentKey{})+8 {
			continue // not of this version
		}
		key := recentKey(e.Data)
		r.known[key] = sending{position: binary.BigEndian.Uint64(e.Data[len(key):])}
		r.expires = append(r.expires, expiry{key, e.Time.Add(recentFor)})
	}
	return nil
}

// readRecent reads what the log remembers of a queue.
func (s *shared) readRecent(ctx context.Context, queueID string) (all []log.Entry, err error) {
	r, err := s.recent.Read(ctx, log.From{Subjects: queueID})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		entries, err := r.Next(ctx, 1000)
		all = append(all, entries...)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// recentEntry is the entry of the log for a message that is stored.
func recentEntry(queueID string, key recentKey, position uint64) log.Entry {
	return log.Entry{Subject: queueID, Data: binary.BigEndian.AppendUint64(key[:], position)}
}
