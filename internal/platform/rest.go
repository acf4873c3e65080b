package platform

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Go keeps the memory that it has once needed for quite a while, and collects
// garbage only when there is as much of it as of all else. Who works needs that; a
// platform that has come to rest gives it back to the machine, which may have
// functions for it.
const (
	restCheck = 30 * time.Second
	// restful is how many bytes are allocated between two checks at most if little is
	// to be done; more would be needed again at once.
	restful = 8 << 20
	// worthwhile is how many must have been since memory was given back: to look for
	// it takes some milliseconds.
	worthwhile = 8 << 20
)

// rest finds out when to give memory back.
type rest struct{ seen, given uint64 } // bytes allocated until the last check, and until memory was given back

// due is asked every [restCheck], with how many bytes were ever allocated.
func (r *rest) due(allocated uint64) bool {
	resting := allocated-r.seen <= restful
	r.seen = allocated
	if !resting || allocated-r.given < worthwhile {
		return false
	}
	r.given = allocated
	return true
}

// giveBack gives memory back whenever the platform has come to rest, until ctx ends.
func (p *Platform) giveBack(ctx context.Context) {
	tick := time.NewTicker(restCheck)
	defer tick.Stop()
	var r rest
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		if r.due(sample[0].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}
