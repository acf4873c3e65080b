package runtimes

import (
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
)

// call is one invocation in an instance. Its fields are the instance's, and
// guarded by its mutex once it has been entered.
type call struct {
	inv   *pinfold.Invocation
	over  func()
	id    uint32
	arn   string        // by which the function was called
	limit time.Duration // of its time

	at      int64       // where its frame begins in all that is sent to the process
	owed    int         // bytes of its stream that the process has not been told were passed on; the link's
	fetched atomic.Bool // a runtime that asks for its work has got it
	came    time.Time   // if it had to wait behind another: since when
	began   time.Time   // when its time began; zero while it waits
	by      time.Time   // when it must be over
	cold    bool
	final   *outcome    // how it ended; nil until that is known
	told    atomic.Bool // the caller has been, or has left
	counted sync.Once   // sets report
	report  report

	result chan outcome  // has room for the one value that it ever gets
	flow   *flow         // its answer is a stream
	wake   chan struct{} // has a value when something of the stream has come; nil for a caller who wants it whole
	begun  bool          // the caller's: he knows that it is a stream
	tail   []byte        // of its log, where that is wanted; guarded by the output's mutex
}

func newCall(inv *pinfold.Invocation, over func()) *call {
	c := &call{inv: inv, over: over, at: math.MaxInt64, result: make(chan outcome, 1)}
	if inv.Stream != nil {
		c.wake = make(chan struct{}, 1)
	}
	return c
}

// outcome is how a call ended.
type outcome struct {
	payload  []byte
	failure  *failure      // the function or its process failed
	status   string        // as REPORT has it: "", "timeout", "error"
	fatal    bool          // the instance must not be used again
	duration time.Duration // of the handler
	unloaded bool          // it is because the function could not be loaded
	err      error         // the platform's: there is no result
	tail     []byte        // of the log
}

// end sets how a call ends, and when it must have.
func (c *call) end(o *outcome, by time.Time) { c.final, c.by = o, by }

// tell gives the caller what came of it, once.
func (c *call) tell() {
	if c.told.CompareAndSwap(false, true) {
		c.result <- *c.final
	}
}

// refuse tells the caller that the platform has no result or, if he has left, who
// observes the call.
func (c *call) refuse() {
	if c.told.CompareAndSwap(false, true) {
		c.result <- *c.final
	} else if c.inv.Observer != nil {
		c.inv.Observer.Executed(nil)
	}
}

// appendHead appends what a bootstrap needs to know beside the event: see the
// package's documentation.
func (c *call) appendHead(b []byte) []byte {
	b = append(append(b, c.inv.ID...), '\n')
	b = append(strconv.AppendInt(b, c.limit.Milliseconds(), 10), '\n')
	b = append(append(b, c.arn...), '\n')
	b = append(append(b, c.inv.TraceID...), '\n')
	return append(b, c.inv.ClientContext...)
}
