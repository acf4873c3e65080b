package platform

import (
	"sync"
	"time"
)

// steadyClock is for what deletes by age: what went because a clock was wrong does
// not come back when it is set right.
type steadyClock struct {
	started time.Time

	mu       sync.Mutex
	believed time.Time
	read     time.Duration // when it was, since started
	doubted  time.Duration // since when the clock is ahead of what can be; 0: it is not
}

const (
	// maxGain is how much a clock may gain between two looks at it.
	maxGain = time.Hour
	// disbelief is for how long one that has gained more is not believed.
	disbelief = 24 * time.Hour
)

func newSteadyClock() *steadyClock {
	now := time.Now()
	return &steadyClock{started: now, believed: now.Round(0)}
}

// Now returns what time it is. A clock that was set back is believed at once, one
// that was set ahead, or stood still in between, after a day.
func (c *steadyClock) Now() time.Time {
	now := time.Now()
	return c.at(now.Round(0), now.Sub(c.started))
}

// at is Now where the clock says something, at a time since the start.
func (c *steadyClock) at(says time.Time, up time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	expected := c.believed.Add(up - c.read)
	c.read = up
	switch {
	case says.Sub(expected) <= maxGain:
		c.believed, c.doubted = says, 0
	case c.doubted == 0:
		c.believed, c.doubted = expected, up
	case up-c.doubted >= disbelief:
		c.believed, c.doubted = says, 0
	default:
		c.believed = expected
	}
	return c.believed
}
