package jetstream

import (
	"sync"
	"syscall"
	"time"

	"pinfold.dev/pinfold"
)

// room refuses entries while there is still room for what the server itself has to
// write: a file system that is full has it give up.
type room struct {
	dir   string
	space func(dir string) (free, total uint64, err error)

	mu    sync.Mutex
	left  int64 // bytes that may be taken before looking again
	asked time.Time
	err   error // of asking
}

const (
	// lookEvery is how old the knowledge of the free space may be.
	lookEvery = 100 * time.Millisecond
	// maxReserve is kept free on large file systems, minReserve on small ones, and
	// between them a twentieth. What is removed is written, too, and files are
	// written anew without it.
	maxReserve, minReserve = 64 << 20, 24 << 20
	// recordCost is what an entry takes on disk beside its bytes, and then some.
	recordCost = 256
)

func newRoom(dir string, space func(string) (uint64, uint64, error)) *room {
	if space == nil {
		space = diskSpace
	}
	return &room{dir: dir, space: space}
}

// take takes room for an entry of some bytes. Its error has the code Unavailable.
func (r *room) take(bytes int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.asked) >= lookEvery {
		r.asked = now
		var free, total uint64
		if free, total, r.err = r.space(r.dir); r.err == nil {
			r.left = int64(free) - int64(max(min(total/20, maxReserve), minReserve))
		}
	}
	if r.err != nil {
		return pinfold.Errorf(pinfold.Unavailable, "how much space is free for the log in %s is not known: %w", r.dir, r.err)
	}
	if r.left -= int64(bytes) + recordCost; r.left < 0 {
		return pinfold.Errorf(pinfold.Unavailable, "the disk is full: free some space for the log in %s; nothing was stored", r.dir)
	}
	return nil
}

// diskSpace returns what is free for the process on the file system of a folder.
func diskSpace(dir string) (free, total uint64, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, 0, err
	}
	return fs.Bavail * uint64(fs.Bsize), fs.Blocks * uint64(fs.Bsize), nil
}
