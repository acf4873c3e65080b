package egress

import "testing"

func TestBudget(t *testing.T) {
	b := NewBudget(2)
	for i, want := range []bool{true, true, false, false} {
		if got := b.Take(); got != want {
			t.Errorf("Take %d: %v", i+1, got)
		}
	}
	b.Give()
	if !b.Take() || b.Take() {
		t.Error("one was given back, and one more can be taken")
	}
	var none *Budget
	if none.Give(); !none.Take() {
		t.Error("no budget has no bound")
	}
}
