package queue

import (
	"math/rand/v2"
	"time"
)

// How a breaker goes about it.
const (
	// badInARow is how many batches of messages that nobody has seen before must fail
	// one after the other to say that the function is broken, or much of what is to come.
	// Where that was wrong it takes twice as many as were wrong, up to badAtMost, and
	// one less again with every batch that is good.
	badInARow = 5
	badAtMost = 100
	minPause  = time.Second
	maxPause  = time.Minute
	// trial is how long a probe of a function that could not run has to run to say that
	// it can: how it ends may be a quarter of an hour away.
	trial = 5 * time.Second
	// widen is how many times as many batches as before a probe has: 4^6 of them are
	// tried before pauses are a minute long.
	widen    = 4
	maxWidth = 1 << 20
)

// breaker leaves a function alone that is throttled or keeps failing. Whatever it
// holds back is not received, so no receive counts. Its zero value is closed: batches
// may be taken. It has no lock and no clock of its own.
//
//	closed   batches are taken. A refused one, or badInARow fresh ones that fail, pause.
//	paused   nothing is taken until probeAt. Then it probes.
//	probing  a few batches are taken. One that succeeds closes; when all are back and
//	         none did, it is paused, for twice as long.
//
// A batch is fresh if it has messages that were received for the first time. Others
// have failed before and say nothing of the function, so they do not have it paused.
//
// Whether a function is broken, or a great many messages are bad that come one after
// the other, only messages behind them can tell. So the probe of a function that fails
// is of fresh batches, each time of [widen] as many as before: good messages are reached
// soon, and messages that are not bad lose one receive at most to being tried. Where all
// have been tried, a probe is a single batch of those again. One of a function that
// could not run is a single batch, too: who is throttled says nothing of messages.
type breaker struct {
	state    breakerState
	failures int           // in a row, of fresh batches
	patience int           // how many it takes to pause; less than badInARow is that
	pause    time.Duration // the last one
	since    time.Time     // when it opened
	probeAt  time.Time     // paused: until when
	why      string
	broken   bool // it failed; else it could not run
	width    int  // of the next probe of a function that fails: batches; 0 is 1
	turn     int  // number of the latest probe

	// Of the probe under way:
	size, left, out int  // batches: that it may have, that may still be taken, that are out
	spent           bool // there was nothing fresh left
}

type breakerState uint8

const (
	closed breakerState = iota
	paused
	probing
)

// probe is what a batch is taken for.
type probe struct {
	turn int // of the probe that it belongs to; 0: of none
	// Of which messages it is: fresh ones if there are any, or only of those.
	picky, only bool
}

// wait returns how long no batch may be taken, of which places may be out at a time:
// 0 is one now, less than 0 is until the probe is back.
func (b *breaker) wait(now time.Time, places int) time.Duration {
	switch {
	case b.state == closed:
		return 0
	case b.state == paused:
		return max(0, b.probeAt.Sub(now))
	case b.left == 0 || b.out >= places:
		return -1
	}
	return 0
}

// take notes that a batch is taken, and says what for.
func (b *breaker) take() probe {
	if b.state == closed {
		return probe{}
	}
	if b.state == paused {
		b.state, b.size, b.out, b.spent = probing, 1, 0, false
		b.turn++
		if b.broken {
			b.size = max(1, b.width)
		}
		b.left = b.size
	}
	first := b.left == b.size
	b.left--
	b.out++
	return probe{turn: b.turn, picky: b.broken, only: b.broken && !first}
}

// untake notes that no batch came of it.
func (b *breaker) untake(now time.Time, p probe) {
	if !b.awaits(p) {
		return
	}
	b.out--
	if b.left++; b.left < b.size {
		b.spend(now, b.why)
	}
}

// awaits reports whether a batch is one of the probe under way.
func (b *breaker) awaits(p probe) bool { return b.state == probing && p.turn == b.turn }

// spend notes that there is nothing fresh left to probe with.
func (b *breaker) spend(now time.Time, why string) {
	b.left, b.spent = 0, true
	b.back(now, why, true)
}

// back begins the next pause if the last batch of a probe is back.
func (b *breaker) back(now time.Time, why string, broken bool) {
	if b.left > 0 || b.out > 0 {
		return
	}
	switch {
	case b.spent:
		b.width = 1
	case broken:
		b.width = min(widen*max(1, b.width), maxWidth)
	}
	b.open(now, min(2*b.pause, maxPause), why, broken)
}

// good notes that a function did its work, also in a batch of before the pause.
func (b *breaker) good() {
	patience := b.patience - 1
	if b.state != closed { // so the pause was for messages, or is over in time
		patience = max(patience, min(2*b.failures, badAtMost))
	}
	*b = breaker{turn: b.turn, patience: patience}
}

// lasts notes that a probe has been running for the time of a trial.
func (b *breaker) lasts(p probe) {
	if b.awaits(p) && !b.broken {
		b.good()
	}
}

// bad notes that a function failed with a batch.
func (b *breaker) bad(now time.Time, p probe, fresh bool, why string) {
	switch {
	case b.state == closed:
		if fresh {
			b.failures++
		}
		if b.failures >= max(badInARow, b.patience) {
			b.open(now, minPause, why, true)
		}
	case b.awaits(p):
		b.out--
		if !fresh {
			b.spend(now, why)
			return
		}
		b.failures++
		b.back(now, why, true)
	}
}

// refuse notes that a batch could not be run, or not even be received.
func (b *breaker) refuse(now time.Time, p probe, why string) {
	switch {
	case b.state == closed:
		b.open(now, minPause, why, false)
	case b.awaits(p):
		b.out--
		b.left = 0
		b.back(now, why, false)
	}
}

// open begins a pause: a fifth shorter at most, so that those that were stopped by
// the same thing do not come back at the same time.
func (b *breaker) open(now time.Time, pause time.Duration, why string, broken bool) {
	if b.state == closed {
		b.since = now
	}
	b.state, b.pause, b.why, b.broken = paused, pause, why, broken
	b.probeAt = now.Add(pause - time.Duration(rand.Int64N(int64(pause)/5)))
}

// hurry ends a pause: what it was for may be over.
func (b *breaker) hurry(now time.Time) {
	if b.state == paused {
		b.probeAt, b.pause, b.width, b.failures = now, minPause, 0, 0
	}
}
