package backlog_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/store/log"
	"pinfold.dev/pinfold/internal/store/log/mem"
)

// reads is a log that counts what is read one by one.
type reads struct {
	log.Log
	n *int
}

func (r reads) Stream(ctx context.Context, name string, l log.Limits) (log.Stream, error) {
	s, err := r.Log.Stream(ctx, name, l)
	return readsOf{s, r.n}, err
}

type readsOf struct {
	log.Stream
	n *int
}

func (r readsOf) Get(ctx context.Context, position uint64) (log.Entry, error) {
	*r.n++
	return r.Stream.Get(ctx, position)
}

// Look has no more of what is in flight in memory than the message it shows.
func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mem.New()
		defer l.Close()
		n := 0
		h := openHub(t, reads{l, &n})
		defer h.Close()
		b := h.Backlog("a", backlog.Config{})
		send(t, b, backlog.Item{Data: []byte("1")}, backlog.Item{Data: []byte("2")}, backlog.Item{Data: []byte("3")})
		receive(t, b, 3, time.Hour, 0)
		enough := errors.New("enough")
		var seen []string
		err := b.Look(t.Context(), 3, func(m backlog.Message) error {
			seen = append(seen, string(m.Data))
			if n != len(seen) {
				t.Errorf("%d messages are read when the %dth is shown", n, len(seen))
			}
			if len(seen) == 2 {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) || len(seen) != 2 || seen[0] != "1" || seen[1] != "2" {
			t.Errorf("saw %v, %v", seen, err)
		}
	})
}
