package runtimes

import (
	"context"
	"errors"
	"sync"

	"pinfold.dev/pinfold"
)

// window is how many bytes of a stream may be on their way to a caller who does
// not read. Bootstraps hold to it, and the Runtime API makes its client wait.
const window = 1 << 20

// flow is an answer that comes in parts.
type flow struct {
	contentType string

	mu      sync.Mutex
	parts   [][]byte // which the caller has not been given yet
	waiting int      // bytes in parts
	total   int64
	nobody  bool          // who asked has gone
	whole   []byte        // for a caller who does not stream
	room    chan struct{} // has a value when parts have been taken
}

// streams says that the answer of c comes in parts.
func (in *Instance) streams(c *call, contentType string) {
	in.mu.Lock()
	if c.flow == nil && c.final == nil {
		c.flow = &flow{contentType: contentType, room: make(chan struct{}, 1)}
	}
	in.mu.Unlock()
	c.rouse()
}

// flowOf returns the stream that the answer of c is, or nil.
func (in *Instance) flowOf(c *call) *flow {
	in.mu.Lock()
	defer in.mu.Unlock()
	return c.flow
}

// size is how many bytes have come.
func (f *flow) size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.total
}

// rouse has the caller look at what has come.
func (c *call) rouse() {
	if c.wake != nil {
		offer(c.wake, struct{}{})
	}
}

// chunk takes in a part of a stream, and returns how many bytes of it nobody waits
// for any more. It is not ok if there are more than may be, in all or on their way.
func (in *Instance) chunk(c *call, part []byte, size int64) (passed int, ok bool) {
	f := in.flowOf(c)
	if f == nil {
		return 0, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total += size
	if f.total > pinfold.MaxStream+window || int64(len(part)) != size {
		return 0, false
	}
	switch {
	case c.wake == nil: // a caller who wants it whole, but not larger than that may be
		if f.total <= pinfold.MaxPayload {
			f.whole = append(f.whole, part...)
		} else {
			f.whole = nil
		}
	case f.nobody:
	default:
		if last := len(f.parts) - 1; last >= 0 && len(f.parts[last])+len(part) <= large {
			f.parts[last] = append(f.parts[last], part...) // or single bytes would take ten times their room
		} else {
			f.parts = append(f.parts, part)
		}
		f.waiting += len(part)
		c.rouse()
		return 0, f.waiting <= window+large
	}
	return len(part), true
}

// awaitRoom waits until the caller has taken so much of a stream that more may
// come.
func (in *Instance) awaitRoom(ctx context.Context, c *call) error {
	f := in.flowOf(c)
	if f == nil {
		return errors.New("the invocation is over")
	}
	for {
		f.mu.Lock()
		full := f.waiting >= window
		f.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-f.room:
		case <-in.done:
			return errors.New("the process has ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hand gives the caller what has come of a stream.
func (in *Instance) hand(c *call) {
	f := in.flowOf(c)
	if f == nil {
		return
	}
	if !c.begun {
		c.begun = true
		c.inv.Stream.Begin(f.contentType)
	}
	for {
		f.mu.Lock()
		parts, n, nobody := f.parts, f.waiting, f.nobody
		f.parts, f.waiting = nil, 0
		f.mu.Unlock()
		if len(parts) == 0 {
			return
		}
		for _, part := range parts {
			if nobody {
				break
			}
			if _, err := c.inv.Stream.Write(part); err != nil {
				nobody = true
				n += f.abandon()
			}
		}
		_ = in.worker.credit(c, n) // of one that is gone nothing more comes
		offer(f.room, struct{}{})
	}
}

// abandon lets the function write on for nobody. It returns how much had come.
func (f *flow) abandon() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.waiting
	f.nobody, f.parts, f.waiting = true, nil, 0
	return n
}

// leave is for a caller who goes away.
func (in *Instance) leave(c *call) {
	in.mu.Lock()
	if c.flow == nil { // it may begin to stream yet
		c.flow = &flow{room: make(chan struct{}, 1)}
	}
	f := c.flow
	in.mu.Unlock()
	if n := f.abandon(); n > 0 {
		_ = in.worker.credit(c, n)
	}
	offer(f.room, struct{}{})
}

// collected returns a stream as one answer, for a caller who does not stream, and
// the size that it has.
func (f *flow) collected() ([]byte, int64) {
	if f == nil { // the invocation is over
		return nil, 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.contentType == pinfold.HTTPIntegration {
		return withPrelude(f.whole), f.total
	}
	return f.whole, f.total
}
