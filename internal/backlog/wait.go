package backlog

import (
	"context"
	"slices"
	"time"
)

// wait waits until there may be something to receive. It reports false when that is
// in vain.
func (b *Backlog) wait(ctx context.Context, d time.Duration) (last bool) {
	if d <= 0 || ctx.Err() != nil {
		return false
	}
	b.mu.Lock()
	b.window.wake(time.Now())
	if b.window.receivable() > 0 || b.hungry(1) {
		b.mu.Unlock()
		return true
	}
	if b.dropped {
		b.mu.Unlock()
		return false
	}
	woken := make(chan struct{}, 1)
	b.waiters = append(b.waiters, woken)
	b.setAlarm()
	b.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-woken:
		return true
	case <-timer.C:
		last = true // what is due at this very moment
	case <-ctx.Done():
	case <-b.hub.ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiters, woken); i >= 0 {
		b.waiters = slices.Delete(b.waiters, i, i+1)
	} else {
		b.notify(1) // it was this one's turn: somebody else's now
	}
	return last
}

// notify wakes up to n of those that wait. b.mu is held.
func (b *Backlog) notify(n int) {
	for ; n > 0 && len(b.waiters) > 0; n-- {
		b.waiters[0] <- struct{}{}
		b.waiters[0] = nil
		b.waiters = b.waiters[1:]
	}
}

// setAlarm has those that wait woken when the next message is due. b.mu is held.
func (b *Backlog) setAlarm() {
	if b.window == nil || len(b.waiters) == 0 {
		return
	}
	due, ok := b.window.nextDue()
	if !ok || due.Equal(b.alarmAt) {
		return
	}
	b.alarmAt = due
	if b.alarm == nil {
		b.alarm = time.AfterFunc(time.Until(due), b.ring)
		return
	}
	b.alarm.Reset(time.Until(due))
}

func (b *Backlog) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.alarmAt = time.Time{}
	b.window.wake(time.Now())
	b.notify(b.window.receivable())
	b.setAlarm()
}
