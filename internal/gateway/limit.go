package gateway

import (
	"context"
	"sync"
	"time"
)

// limit is the context of an invocation at a door with a time limit. It has the
// request's values and ends at that time, but not with the request. Unlike one of
// [context.WithDeadline] it sets no timer before somebody waits for its end:
// whoever goes by its deadline, which is [pinfold.Invocation.Deadline] too, pays
// for none.
type limit struct {
	context.Context // of the request
	at              time.Time

	mu    sync.Mutex
	done  chan struct{} // nil until somebody waits
	timer *time.Timer
	err   error
}

func (l *limit) Deadline() (time.Time, bool) { return l.at, true }

func (l *limit) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.done != nil:
	case l.err != nil:
		l.done = make(chan struct{})
		close(l.done)
	default:
		l.done = make(chan struct{})
		l.timer = time.AfterFunc(time.Until(l.at), func() { l.end(context.DeadlineExceeded) })
	}
	return l.done
}

func (l *limit) Err() error {
	if !time.Now().Before(l.at) {
		l.end(context.DeadlineExceeded)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// end ends the context, unless it has ended already.
func (l *limit) end(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = why
	if l.done != nil {
		l.timer.Stop()
		close(l.done)
	}
}
