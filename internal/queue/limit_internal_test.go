package queue

import (
	"testing"

	"pinfold.dev/pinfold"
)

func TestOverLimit(t *testing.T) {
	for _, c := range []struct {
		fifo     bool
		inFlight int
		reason   string
	}{
		{false, 119_999, ""}, {false, 120_000, "OverLimit"}, {true, 120_000, ""},
	} {
		if got := pinfold.ReasonOf(overLimit(c.fifo, c.inFlight)); got != c.reason {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
