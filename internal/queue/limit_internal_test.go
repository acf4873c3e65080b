package queue

import (
	"strconv"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
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

// TestAttemptsKept: attempts that nobody asks for again fill no memory.
func TestAttemptsKept(t *testing.T) {
	var r retries
	got := []opened{{at: backlog.Message{Data: make([]byte, MaxMessage)}}}
	for i := range 100 {
		r.keep(strconv.Itoa(i%50), got, time.Hour)
	}
	if n := len(r.kept); n == 0 || n*MaxMessage > maxKept || r.size > maxKept {
		t.Errorf("%d attempts of 1 MiB are kept: %d bytes", n, r.size)
	}
	for id := range r.kept {
		r.keep(id, got, -time.Hour)
	}
	if r.tidy(); len(r.kept) != 0 || r.size != 0 {
		t.Errorf("%d attempts, %d bytes are kept when their time is over", len(r.kept), r.size)
	}
}
