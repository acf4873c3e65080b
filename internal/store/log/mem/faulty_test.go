package mem_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
	"pinfold.dev/pinfold/internal/store/log/logtest"
	"pinfold.dev/pinfold/internal/store/log/mem"
)

// A faulty log without a fault is a log.
func TestFaultless(t *testing.T) {
	logtest.Run(t, func(*testing.T) logtest.Place {
		disk := mem.NewDisk()
		return logtest.Place{Open: func() (log.Log, error) { return logtest.NewFaulty(disk.Open()), nil }, Shared: true}
	})
}

func TestFaulty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := logtest.NewFaulty(mem.New())
		defer l.Close()
		s, err := l.Stream(t.Context(), "s", log.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		two := []log.Entry{{Subject: "a"}, {Subject: "b"}}
		entries := func() uint64 {
			info, err := s.Info(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			return info.Entries
		}

		l.Before(logtest.Full())
		for _, stored := range s.Append(t.Context(), two...) {
			if pinfold.CodeOf(stored.Err) != pinfold.Unavailable {
				t.Errorf("on a full disk: %v", stored.Err)
			}
		}
		broken := errors.New("broken")
		l.Before(func(_ context.Context, op logtest.Op) error {
			if op.Subject == "a" {
				return broken
			}
			return nil
		})
		if all := s.Append(t.Context(), two...); all[0].Err != broken || all[1].Err != nil || entries() != 1 {
			t.Errorf("one of two fails: %v, %d entries", all, entries())
		}
		l.Before(nil)
		l.After(logtest.Fail(broken, "Append"))
		if all := s.Append(t.Context(), two...); all[0].Err != broken || all[1].Err != broken || entries() != 3 {
			t.Errorf("stored and not told: %v, %d entries", all, entries())
		}
		l.After(logtest.Slow(time.Minute, "Get"))
		if start := time.Now(); entries() != 3 || time.Since(start) != 0 {
			t.Error("Info is slow, too")
		} else if _, err := s.Get(t.Context(), 1); err != nil || time.Since(start) != time.Minute {
			t.Errorf("a slow Get: %v after %v", err, time.Since(start))
		}
	})
}
