package pool

import "testing"

// TestTransitions holds every pair of state and event, so that a change to an
// instance's life is a change here as well.
func TestTransitions(t *testing.T) {
	events := []event{booted, assigned, launched, failed, acquired, released, idled, chilled, froze, unfrozen, thawed, retired, closed}
	const no = states // it cannot happen
	want := [states][]State{
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
	for s := range states {
		names[s.String()] = true
		for i, e := range events {
			got := func() (to State) {
				defer func() {
					if recover() != nil {
						to = no
					}
				}()
				return s.next(e)
			}()
			if got != want[s][i] {
				t.Errorf("%s, %s: becomes state %d, want %d", s, e, got, want[s][i])
			}
		}
		for e := range transitions[s] {
			known := false
			for _, other := range events {
				known = known || e == other
			}
			if !known {
				t.Errorf("%s: the table above lacks the event %s", s, e)
			}
		}
	}
	if len(names) != int(states) {
		t.Errorf("%d states have %d names", states, len(names))
	}
}
