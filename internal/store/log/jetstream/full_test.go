package jetstream

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// Room is taken as the disk was seen last, and looked at again in time.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const mb = 1 << 20
		var free, total uint64
		var broken error
		looked := 0
		r := newRoom("dir", func(string) (uint64, uint64, error) {
			looked++
			return free, total, broken
		})
		for _, test := range []struct {
			name        string
			free, total uint64
			broken      error
			fits        int // of 1 MB
			says        string
		}{
			{"a large disk", 100 * mb, 1000000 * mb, nil, 35, "disk is full"},
			{"a small disk", 100 * mb, 1000 * mb, nil, 49, "disk is full"},
			{"a tiny disk", 100 * mb, 100 * mb, nil, 75, "disk is full"},
			{"at the reserve", 64 * mb, 1000000 * mb, nil, 0, "nothing was stored"},
			{"below the reserve", 1 * mb, 1000000 * mb, nil, 0, "free some space for the log in dir"},
			{"nothing is known", 100 * mb, 1000 * mb, errors.New("no such device"), 0, "no such device"},
			{"and again it is", 70 * mb, 1000000 * mb, nil, 5, "disk is full"},
		} {
			free, total, broken = test.free, test.total, test.broken
			time.Sleep(lookEvery)
			before, fits := looked, 0
			err := r.take(mb)
			for ; err == nil; err = r.take(mb) {
				fits++
			}
			if fits != test.fits || looked != before+1 {
				t.Errorf("%s: %d times 1 MB fit, and it was looked at %d times; want %d, once", test.name, fits, looked-before, test.fits)
			}
			if pinfold.CodeOf(err) != pinfold.Unavailable || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s: %v; want %s", test.name, err, test.says)
			}
		}
	})
}

// Entries are refused before the disk is full, and taken when there is room again.
func TestRefused(t *testing.T) {
	var full atomic.Bool
	_, s := open(t, Options{Dir: t.TempDir(), space: func(string) (uint64, uint64, error) {
		if full.Load() {
			return maxReserve, 1 << 40, nil
		}
		return 1 << 39, 1 << 40, nil
	}})
	until := func(err func(error) bool) {
		for !err(s.Append(t.Context(), log.Entry{Subject: "a"})[0].Err) {
		}
	}
	full.Store(true)
	until(func(err error) bool { return pinfold.CodeOf(err) == pinfold.Unavailable })
	info, err := s.Info(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if stored := s.Append(t.Context(), log.Entry{Subject: "b"}, log.Entry{Subject: "c"}); stored[0].Err == nil || stored[1].Err == nil {
		t.Errorf("on a full disk: %+v", stored)
	}
	if after, err := s.Info(t.Context(), ""); err != nil || after.Last != info.Last {
		t.Errorf("what was refused is there: %+v, %v", after, err)
	}
	full.Store(false)
	until(func(err error) bool { return err == nil })
}
