package queue

import (
	"sync"
	"time"
)

// retries keeps what requests received that named their attempt, so that who did not
// get the answer may ask for it again. Source: "ReceiveRequestAttemptId" of
// ReceiveMessage, SQS API reference. It is kept for as long as the messages are out
// of sight, at most five minutes, and forgotten when the process ends. Of more than
// maxKept bytes none is kept: who asks again is answered as if it was the first time.
type retries struct {
	mu   sync.Mutex
	kept map[string]attempt
	size int // of all that are kept
}

type attempt struct {
	got   []opened
	size  int
	until time.Time
}

const (
	maxKept     = 16 << 20
	attemptCost = 1 << 10 // of one with messages of no size
)

func (r *retries) keep(id string, got []opened, visibility time.Duration) {
	a := attempt{got, attemptCost, time.Now().Add(min(visibility, recentFor))}
	for i := range got {
		a.size += len(got[i].at.Data)
	}
	r.tidy()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(id)
	if r.size+a.size > maxKept {
		return
	}
	if r.kept == nil {
		r.kept = map[string]attempt{}
	}
	r.kept[id], r.size = a, r.size+a.size
}

// forget forgets an attempt. r.mu is held.
func (r *retries) forget(id string) {
	r.size -= r.kept[id].size
	delete(r.kept, id)
}

// tidy forgets what is too old.
func (r *retries) tidy() {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, a := range r.kept {
		if !a.until.After(now) {
			r.forget(id)
		}
	}
}

// again returns what an attempt received if all of that is still out of sight, and
// has it stay so for another time; else nil.
func (r *retries) again(l *line, id string, visibility time.Duration) []opened {
	r.mu.Lock()
	a, ok := r.kept[id]
	r.forget(id)
	r.mu.Unlock()
	if !ok || !a.until.After(time.Now()) {
		return nil
	}
	for _, o := range a.got {
		if l.backlog.Extend(o.at.Receipt, visibility) != nil {
			return nil
		}
	}
	r.keep(id, a.got, visibility)
	return a.got
}
