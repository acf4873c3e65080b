package pool

import "testing"

// TestTransitions holds every pair of state and event, so that a change to an
// instance's life is a change here as well.
func TestTransitions(t *testing.T) {
	states := []State{Starting, Ready, Busy, Draining, Gone}
	events := []event{launched, failed, acquired, released, retired, closed}
	want := map[State][6]State{
		//        launched  failed acquired released retired   closed
		Starting: {Ready, Gone, "", "", Draining, ""},
		Ready:    {"", "", Busy, "", Draining, ""},
		Busy:     {"", "", "", Ready, Draining, ""},
		Draining: {Draining, Gone, "", Draining, Draining, Gone},
		Gone:     {"", "", "", "", "", ""},
	}
	for _, s := range states {
		for i, e := range events {
			got := func() (to State) {
				defer func() { recover() }()
				return s.next(e)
			}()
			if got != want[s][i] {
				t.Errorf("%s, %s: becomes %q, want %q", s, e, got, want[s][i])
			}
		}
	}
}
