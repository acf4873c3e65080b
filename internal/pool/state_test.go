package pool

import "testing"

// TestTransitions holds every pair of state and event, so that a change to an
// instance's life is a change here as well.
func TestTransitions(t *testing.T) {
	const no = State(0) // it cannot happen
	want := [states][events]State{
		//         booted assigned launched failed acquired released idled chilled froze unfrozen thawed retired closed
		Booting:  {Waiting, no, no, Gone, no, no, no, no, no, no, no, Draining, no},
		Waiting:  {no, Starting, no, no, no, no, no, no, no, no, no, Draining, no},
		Starting: {no, no, Ready, Gone, no, no, no, no, no, no, no, Draining, no},
		Ready:    {no, no, no, no, Busy, no, no, Freezing, no, no, no, Draining, no},
		Busy:     {no, no, no, no, Busy, Busy, Ready, no, no, no, no, Draining, no},
		Freezing: {no, no, no, no, Thawing, no, no, no, Frozen, Ready, no, Draining, no},
		Frozen:   {no, no, no, no, Thawing, no, no, no, no, no, no, Draining, no},
		Thawing:  {no, no, no, no, no, no, no, no, Thawing, Thawing, Busy, Draining, no},
		Draining: {Draining, no, Draining, Gone, no, Draining, Draining, no, Draining, Draining, Draining, Draining, Gone},
		Gone:     {no, no, no, no, no, no, no, no, no, no, no, no, no},
	}
	names := map[string]bool{}
	for s := Booting; s < states; s++ {
		names[s.String()] = true
		for e := range events {
			got := func() (to State) {
				defer func() { recover() }()
				return s.next(e)
			}()
			if got != want[s][e] {
				t.Errorf("%s, %s: becomes state %d, want %d", s, e, got, want[s][e])
			}
		}
	}
	if len(names) != int(states)-1 {
		t.Errorf("%d states have %d names", states-1, len(names))
	}
}
