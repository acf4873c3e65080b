package pool

import "fmt"

// State is where a cell or an instance is in its life:
//
//	Booting -> Waiting -> Starting -> Ready <-> Busy -> Draining -> Gone
//	                                  Ready -> Freezing -> Frozen -> Thawing -> Busy
//
// An instance that is made from nothing begins with Starting.
type State uint8

// The states of a cell and an instance.
const (
	_        State = iota // zero is no state
	Booting               // a cell that is not up yet
	Waiting               // a cell that waits for a function
	Starting              // being launched, or loading its function; no invocation can have it yet
	Ready                 // waits for an invocation
	Busy                  // runs one or more
	Freezing              // waits for an invocation and is being stopped
	Frozen                // waits for an invocation and is stopped
	Thawing               // has an invocation, for which it is being woken
	Draining              // gets no more invocations and is closed as soon as it has none
	Gone                  // closed; its memory is free
	states
)

func (s State) String() string {
	return [states]string{"", "booting", "waiting", "starting", "ready", "busy", "freezing", "frozen", "thawing", "draining", "gone"}[s]
}

// event is what happens to a cell or an instance.
type event uint8

const (
	booted   event = iota // the cell is up
	assigned              // the cell was taken for an instance
	launched              // the instance is up
	failed                // it did not come up
	acquired              // an invocation got it
	released              // an invocation is over, and others are not
	idled                 // the last invocation is over
	chilled               // it has been idle for a while: its freezing begins
	froze                 // it is stopped
	unfrozen              // it could not be stopped
	thawed                // it runs again
	retired               // idle for too long, evicted, outdated, crashed or used up
	closed                // nothing of it is left
	events
)

func (e event) String() string {
	return [events]string{"booted", "assigned", "launched", "failed", "acquired", "released", "idled", "chilled", "froze", "unfrozen", "thawed", "retired", "closed"}[e]
}

// transitions is the whole life of cells and instances. What is not here cannot
// happen.
var transitions = [states][events]State{
	Booting: {
		booted:  Waiting,
		failed:  Gone,
		retired: Draining, // the pool closes meanwhile
	},
	Waiting: {
		assigned: Starting,
		retired:  Draining,
	},
	Starting: {
		launched: Ready,
		failed:   Gone,
		retired:  Draining, // the pool closes meanwhile
	},
	Ready: {
		acquired: Busy,
		chilled:  Freezing,
		retired:  Draining,
	},
	Busy: {
		acquired: Busy, // it takes several, or one ahead
		released: Busy,
		idled:    Ready,
		retired:  Draining, // it crashed, timed out, or the pool waits no longer
	},
	Freezing: {
		froze:    Frozen,
		unfrozen: Ready,
		acquired: Thawing, // as soon as it is frozen
		retired:  Draining,
	},
	Frozen: {
		acquired: Thawing,
		retired:  Draining,
	},
	Thawing: {
		froze:    Thawing, // it was acquired while freezing
		unfrozen: Thawing,
		thawed:   Busy,
		retired:  Draining,
	},
	Draining: { // what was under way when it was retired comes to its end
		booted:   Draining,
		launched: Draining,
		failed:   Gone,
		released: Draining,
		idled:    Draining,
		froze:    Draining,
		unfrozen: Draining,
		thawed:   Draining,
		retired:  Draining, // retiring has more than one cause at times
		closed:   Gone,
	},
}

// next returns the state after an event. An event that cannot happen in a state
// is a mistake in this package.
func (s State) next(e event) State {
	to := transitions[s][e]
	if to == 0 {
		panic(fmt.Sprintf("pool: what is %s cannot be %s", s, e))
	}
	return to
}
