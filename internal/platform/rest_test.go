package platform

import "testing"

func TestRest(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	var r rest
	for i, step := range []struct {
		allocated uint64 // since the last one
		due       bool
	}{
		{5 * mb, false}, // a start that was nothing
		{4 * mb, true},  // but with this it is enough
		{1 * mb, false}, // at rest already
		{100 * mb, false},
		{9 * mb, false}, // still at work
		{1 * mb, true},
		{0, false},
		{7 * mb, false},
		{1 * mb, true}, // little by little
	} {
		if due := r.due(r.seen + step.allocated); due != step.due {
			t.Errorf("step %d: due is %v", i, due)
		}
	}
}
