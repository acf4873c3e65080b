package pool

import "fmt"

// State is where an instance is in its life:
//
//	Starting -> Ready <-> Busy -> Draining -> Gone
type State string

// The states of an instance.
const (
	Starting State = "starting" // being launched; no one can have it yet
	Ready    State = "ready"    // waits for an invocation
	Busy     State = "busy"     // runs one
	Draining State = "draining" // gets no more invocations and is being closed
	Gone     State = "gone"     // closed; its place is free
)

// event is what happens to an instance.
type event string

const (
	launched event = "launched" // it is up
	failed   event = "failed"   // it did not come up
	acquired event = "acquired" // an invocation got it
	released event = "released" // the invocation is over, and it can take another
	retired  event = "retired"  // idle for too long, evicted, outdated, crashed or used up
	closed   event = "closed"   // nothing of it is left
)

// transitions is the whole life of an instance. What is not here cannot happen.
var transitions = map[State]map[event]State{
	Starting: {
		launched: Ready,
		failed:   Gone,
		retired:  Draining, // the pool closes during the launch
	},
	Ready: {
		acquired: Busy,
		retired:  Draining,
	},
	Busy: {
		released: Ready,
		retired:  Draining, // it crashed, timed out, or the pool waits no longer
	},
	Draining: {
		launched: Draining, // retired during its launch: up, only to be closed
		failed:   Gone,
		released: Draining, // killed under its invocation, which has ended by that
		retired:  Draining, // retiring has more than one cause at times
		closed:   Gone,
	},
}

// next returns the state after an event. An event that cannot happen in a state
// is a mistake in this package.
func (s State) next(e event) State {
	to, ok := transitions[s][e]
	if !ok {
		panic(fmt.Sprintf("pool: an instance that is %s cannot be %s", s, e))
	}
	return to
}
