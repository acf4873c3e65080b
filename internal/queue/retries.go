package queue

import (
	"maps"
	"sync"
	"time"
)

// retries keeps what requests received that named their attempt, so that who did not
// get the answer may ask for it again. Source: "ReceiveRequestAttemptId" of
// ReceiveMessage, SQS API reference. It is kept for as long as the messages are out
// of sight, at most five minutes, and forgotten when the process ends.
type retries struct {
	mu   sync.Mutex
	kept map[string]attempt
}

type attempt struct {
	got   []opened
	until time.Time
}

func (r *retries) keep(id string, got []opened, visibility time.Duration) {
	r.tidy()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		r.kept = map[string]attempt{}
	}
	r.kept[id] = attempt{got, time.Now().Add(min(visibility, recentFor))}
}

// tidy forgets what is too old.
func (r *retries) tidy() {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.kept, func(_ string, a attempt) bool { return !a.until.After(now) })
}

// again returns what an attempt received if all of that is still out of sight, and
// has it stay so for another time; else nil.
func (r *retries) again(l *line, id string, visibility time.Duration) []opened {
	r.mu.Lock()
	a, ok := r.kept[id]
	delete(r.kept, id)
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
