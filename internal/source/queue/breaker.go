package queue

import (
	"math/rand/v2"
	"time"
)

// How a breaker goes about it.
const (
	// badInARow is how many batches of messages that nobody has seen before must fail
	// one after the other to say that the function is broken, not the messages.
	badInARow = 5
	minPause  = time.Second
	maxPause  = time.Minute
	// trial is how long a probe of a function that could not run has to run to say that
	// it can: how it ends may be a quarter of an hour away.
	trial = 5 * time.Second
)

// breaker leaves a function alone that is throttled or keeps failing: a pause, then
// one batch to probe it, then a longer pause or all as before. Whatever it holds back
// is not received, so no receive counts. Its zero value is closed: batches may be
// taken. It has no lock and no clock of its own.
//
// A message that fails again says nothing of the function: it has failed before. So
// only batches with messages that are new count as evidence, and a poison message,
// which comes back again and again, does not have others wait.
type breaker struct {
	state    breakerState
	failures int           // in a row, of batches with new messages
	pause    time.Duration // the last one
	since    time.Time     // when it opened
	probeAt  time.Time     // paused: until when
	why      string
	broken   bool // it failed; else it could not run
	out      bool // probing: a probe is out
}

type breakerState uint8

const (
	closed  breakerState = iota
	paused               // no batch may be taken before probeAt
	probing              // one may
)

// wait returns how long no batch may be taken: 0 is one now, less than 0 is until
// the probe is back.
func (b *breaker) wait(now time.Time) time.Duration {
	switch {
	case b.state == closed:
		return 0
	case b.state == paused:
		return max(0, b.probeAt.Sub(now))
	case b.out:
		return -1
	}
	return 0
}

// take notes that a batch is taken. It reports whether that is a probe.
func (b *breaker) take() (probe bool) {
	if b.state == closed {
		return false
	}
	b.state, b.out = probing, true
	return true
}

// untake notes that no batch came of it.
func (b *breaker) untake(probe bool) {
	if probe && b.state == probing {
		b.out = false
	}
}

// good notes that a function did its work, also in a batch of before the pause.
func (b *breaker) good() { *b = breaker{} }

// lasts notes that a probe has been running for the time of a trial.
func (b *breaker) lasts() {
	if b.state == probing && b.out && !b.broken {
		b.good()
	}
}

// bad notes that a function failed with a batch. fresh says that it had messages
// that were received for the first time.
func (b *breaker) bad(now time.Time, probe, fresh bool, why string) {
	switch {
	case b.state == closed:
		if fresh {
			b.failures++
		}
		if b.failures >= badInARow {
			b.open(now, minPause, why, true)
		}
	case probe && b.state == probing:
		b.open(now, min(2*b.pause, maxPause), why, true)
	}
}

// refuse notes that a batch could not be run, or not even be received.
func (b *breaker) refuse(now time.Time, probe bool, why string) {
	switch {
	case b.state == closed:
		b.open(now, minPause, why, false)
	case probe && b.state == probing:
		b.open(now, min(2*b.pause, maxPause), why, false)
	}
}

// open begins a pause: a fifth shorter at most, so that those that were stopped by
// the same thing do not come back at the same time.
func (b *breaker) open(now time.Time, pause time.Duration, why string, broken bool) {
	if b.state == closed {
		b.since = now
	}
	b.state, b.pause, b.why, b.broken, b.out = paused, pause, why, broken, false
	b.probeAt = now.Add(pause - time.Duration(rand.Int64N(int64(pause)/5)))
}

// hurry ends a pause: what it was for may be over.
func (b *breaker) hurry(now time.Time) {
	if b.state == paused {
		b.probeAt, b.pause = now, minPause
	}
}
