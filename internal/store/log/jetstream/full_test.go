package jetstream

import (
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// Entries are refused before the disk is full, and taken when there is room again.
func TestRoom(t *testing.T) {
	var free atomic.Uint64
	free.Store(100 << 20)
	o := Options{Dir: t.TempDir(), space: func(string) (uint64, uint64, error) {
		if free.Load() == math.MaxUint64 {
			return 0, 0, fmt.Errorf("no such device")
		}
		return free.Load(), 10 << 30, nil
	}}
	l, s := open(t, o)
	look := func(bytes uint64) {
		free.Store(bytes)
		l.server.room.mu.Lock()
		l.server.room.asked = l.server.room.asked.Add(-lookEvery)
		l.server.room.mu.Unlock()
	}
	refused := func(stored log.Stored, words string) {
		t.Helper()
		if pinfold.CodeOf(stored.Err) != pinfold.Unavailable || !strings.Contains(stored.Err.Error(), words) {
			t.Errorf("%+v; want that it is refused", stored)
		}
	}
	big := log.Entry{Subject: "big", Data: make([]byte, 1<<20)}
	small := log.Entry{Subject: "small"}
	if stored := s.Append(t.Context(), big)[0]; stored.Err != nil {
		t.Error(stored.Err)
	}
	look(maxReserve + 3<<20)
	fits := 0
	for _, stored := range s.Append(t.Context(), big, big, big, big) { // faster than the disk is looked at
		if stored.Err == nil {
			fits++
		} else {
			refused(stored, "disk is full")
		}
	}
	if fits != 2 {
		t.Errorf("%d of 1 MB fit into a little less than 3 MB; want 2", fits)
	}
	look(maxReserve)
	refused(s.Append(t.Context(), small)[0], "nothing was stored")
	if info, err := s.Info(t.Context(), ""); err != nil || info.Entries != 3 {
		t.Errorf("%d entries, %v; want 3", info.Entries, err)
	}
	look(math.MaxUint64)
	refused(s.Append(t.Context(), small)[0], "no such device")
	look(maxReserve + 3<<20)
	if stored := s.Append(t.Context(), small)[0]; stored.Err != nil {
		t.Errorf("with room again: %v", stored.Err)
	}
}
