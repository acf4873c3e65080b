package runtimes

import "time"

// usage is what an instance holds and has used, as it was when somebody looked
// last.
type usage struct {
	peakMB int
	cpu    time.Duration
	looked time.Time
	// Processor time is shared out among the invocations by how long they took.
	worked time.Duration // by invocations since the last look
	rate   float64       // processor time for each of that, as it was then
	left   time.Duration // of what was measured, that no invocation has been given
}

// usageIsStale is how old a look at the instance may be, for an invocation that
// took no longer: to look costs as much as a short one.
const usageIsStale = 50 * time.Millisecond

// spent returns the most memory that the instance has held, in megabytes, and what
// an invocation has of its processor time.
func (in *Instance) spent(took time.Duration) (peakMB int, cpu time.Duration) {
	in.mu.Lock()
	in.usage.worked += took
	fresh := in.usage.peakMB > 0 && took < usageIsStale && time.Since(in.usage.looked) < usageIsStale
	in.mu.Unlock()
	if !fresh {
		in.look(in.body)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.usage.peakMB, in.usage.take(took)
}

// take gives an invocation its share.
func (u *usage) take(took time.Duration) time.Duration {
	share := min(u.left, time.Duration(u.rate*float64(took)))
	u.left -= share
	return share
}

// look measures what a body uses.
func (in *Instance) look(b *body) {
	now := b.box.Usage()
	in.mu.Lock()
	defer in.mu.Unlock()
	u := &in.usage
	u.peakMB, u.looked = max(u.peakMB, now.PeakMemoryMB), time.Now()
	u.share(now.CPU)
}

// share takes in how much processor time was used by now.
func (u *usage) share(cpu time.Duration) {
	if cpu < u.cpu { // of another body
		u.cpu = 0
	}
	u.left += cpu - u.cpu
	u.cpu = cpu
	if u.worked > 0 {
		u.rate = float64(u.left) / float64(u.worked)
	}
	u.worked = 0
}

// baseline has what was used up to now count for no invocation.
func (in *Instance) baseline() {
	in.look(in.body)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.usage.left = 0
}
