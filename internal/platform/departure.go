package platform

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// While a handler runs net/http reads one byte ahead, to learn that the client
// has left; it sets a deadline before that, another to end it, and five more in
// the course of a request. For an invocation that is over in a tenth of a
// millisecond that is a system call and some timers for nothing. So such a read
// waits until the handler has run for a while, and a deadline is set when one is
// about to pass and not before.

// departure has reads begin that have waited for a while, on all connections of
// the doors where it matters that a client has left.
type departure struct {
	mu    sync.Mutex
	conns map[*departing]struct{}
	tick  atomic.Int64 // one more every lookOut
	awake atomic.Bool  // somebody waits, or did just now
	bell  chan struct{}
	over  chan struct{}
	ended atomic.Bool
	done  sync.WaitGroup
}

// lookOut is how long a read waits at least, and at most twice that.
const lookOut = 50 * time.Millisecond

func newDeparture() *departure {
	d := &departure{conns: map[*departing]struct{}{}, bell: make(chan struct{}, 1), over: make(chan struct{})}
	d.tick.Store(1)
	d.done.Go(d.run)
	return d
}

// run looks after those who wait, and rests when there have been none for a
// second.
func (d *departure) run() {
	const patience = time.Second / lookOut
	ticker := time.NewTicker(lookOut)
	defer ticker.Stop()
	for quiet := patience; ; {
		if quiet >= patience {
			ticker.Stop()
			d.awake.Store(false)
			if d.wake(d.tick.Load()) == 0 { // nobody began to wait before that
				select {
				case <-d.bell:
				case <-d.over:
					return
				}
			}
			d.awake.Store(true)
			ticker.Reset(lookOut)
			quiet = 0
		}
		select {
		case <-ticker.C:
		case <-d.over:
			return
		}
		if quiet++; d.wake(d.tick.Add(1)-1) > 0 {
			quiet = 0
		}
	}
}

// wake has those read who have waited since before a tick. It returns how many
// wait.
func (d *departure) wake(before int64) (waiting int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		if since := c.since.Load(); since != 0 {
			waiting++
			if since < before {
				c.signal()
			}
		}
	}
	return waiting
}

// close ends the waiting of all, now and later.
func (d *departure) close() {
	d.ended.Store(true)
	close(d.over)
	d.done.Wait()
	d.wake(d.tick.Add(1))
}

// departing is a connection of a departure.
type departing struct {
	net.Conn
	of     *departure    // nil where nobody wants to know whether the client has left
	spared bool          // a read of one byte, since there was something to read
	since  atomic.Int64  // the tick at which a read began to wait; 0: none does
	woken  chan struct{} // has a value when that is to end
	closed atomic.Bool

	mu      sync.Mutex
	want    time.Time // the deadline of reads
	set     time.Time // and the one that the connection has
	reading bool
}

// watch returns c as a connection of d, which may be nil.
func (d *departure) watch(c net.Conn) *departing {
	w := &departing{Conn: c, of: d, woken: make(chan struct{}, 1)}
	if d == nil {
		return w
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns[w] = struct{}{}
	return w
}

func (c *departing) signal() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// Read reads. Who asks for one byte only wants to know whether the client is there:
// where that is nobody's business he learns nothing, and asks no more. Who does ask
// again has a buffer with room for one byte.
func (c *departing) Read(b []byte) (int, error) {
	if len(b) == 1 {
		switch {
		case c.of == nil && !c.spared:
			c.spared = true
			return 0, nil
		case c.of != nil && !c.linger():
			return 0, os.ErrDeadlineExceeded
		}
	}
	for {
		if err := c.begin(); err != nil {
			return 0, err
		}
		n, err := c.Conn.Read(b)
		if late := c.end(err); n > 0 || !late {
			c.spared = false
			return n, err
		}
	}
}

// linger waits for a while, or until the deadline has passed: it reports false then.
func (c *departing) linger() bool {
	c.since.Store(c.of.tick.Load())
	defer c.since.Store(0)
	if c.passed() {
		return false
	}
	if !c.of.awake.Load() {
		select {
		case c.of.bell <- struct{}{}:
		default:
		}
	}
	if !c.of.ended.Load() && !c.closed.Load() {
		<-c.woken
	}
	return !c.passed()
}

func (c *departing) passed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.want.IsZero() && !c.want.After(time.Now())
}

// begin has the connection end a read in time.
func (c *departing) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = true
	if c.want.IsZero() || !c.set.IsZero() && !c.set.After(c.want) {
		return nil
	}
	return c.apply()
}

// apply sets the deadline. The caller holds c.mu.
func (c *departing) apply() error {
	c.set = c.want
	return c.Conn.SetReadDeadline(c.want)
}

// end reports whether a read has ended because of a deadline that is not its own
// but one of before.
func (c *departing) end(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	if !errors.Is(err, os.ErrDeadlineExceeded) || c.set.Equal(c.want) {
		return false
	}
	return c.apply() == nil
}

// SetReadDeadline sets when reads that wait, and later ones, end.
func (c *departing) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.want = t
	var err error
	if c.reading {
		err = c.apply()
	}
	c.mu.Unlock()
	if c.since.Load() != 0 && !t.IsZero() {
		c.signal() // it looks whether the deadline has passed
	}
	return err
}

// SetDeadline sets that of reads and of writes.
func (c *departing) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Close ends reads that wait, too.
func (c *departing) Close() error {
	if c.of != nil {
		c.of.mu.Lock()
		delete(c.of.conns, c)
		c.of.mu.Unlock()
	}
	c.closed.Store(true)
	err := c.Conn.Close()
	c.signal()
	return err
}

// CloseWrite is how net/http lets an answer arrive before it closes.
func (c *departing) CloseWrite() error { return closeWrite(c.Conn) }
