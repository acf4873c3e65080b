package logs

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/logs/segment"
)

// MaxText is the length of a line's text in bytes from which on it is cut.
const MaxText = 256 << 10

// Config bounds a store. A zero field but Dir takes its default.
type Config struct {
	Dir          string // the folder that holds the logs; made if missing
	BlockBytes   int    // how many bytes of lines are compressed together. Default 256 KB
	SegmentBytes int64  // size from which on a segment is finished. Default 8 MB
	KeepBytes    int64  // about how much is kept per group, on disk. Default 64 MB
	KeepAllBytes int64  // about how much is kept in all. Default: no bound
	BufferLines  int    // how many lines may wait to be written. Default 65,536
	FollowLines  int    // how many lines a follower may be behind. Default 4,096
	FunctionRate int    // how many bytes a second a function may write for long. Default 25 MB
	// Wrote is told how long each batch took to be written. It may be nil.
	Wrote func(took time.Duration)
	// Now is the time by which old lines are deleted. Default: the clock's.
	Now func() time.Time
	Log *slog.Logger
}

// Store keeps log lines. It implements [pinfold.LogSink].
type Store struct {
	dropped atomic.Uint64 // lines that found no room, ever
	config  Config
	journal segment.Config
	lines   sync.Pool     // of *[]byte, where lines are put together
	wake    chan struct{} // has a value if the writer shall look what there is
	done    chan struct{} // closed when the writer has written everything
	swept   chan struct{} // closed when the janitor has gone

	mu        sync.Mutex // of what is not written yet
	queues    map[queueKey]*queue
	waiting   []*batch // those of queues
	followed  []kept   // what waits, for followers; only if there are some
	total     share    // of all that wait
	idle      bool     // the writer sleeps until it is woken
	following int      // how many followers there are
	spare     []*batch // to be used again
	flushes   []chan struct{}
	closing   bool

	files     sync.Mutex // of what is; held while a batch is written
	groups    map[GroupRef]*group
	followers map[*follower]struct{}
	sorted    []byte // room for a batch
	failing   bool   // the last write went wrong
}

// Dropped returns how many lines have found no room since the store was opened.
func (s *Store) Dropped() uint64 { return s.dropped.Load() }

// Open returns the store in a folder. Logs that an earlier version has left there
// are converted first. Close it.
func Open(c Config) (*Store, error) {
	c.BlockBytes = cmp.Or(c.BlockBytes, 256<<10)
	c.KeepBytes = cmp.Or(c.KeepBytes, 64<<20)
	c.SegmentBytes = cmp.Or(c.SegmentBytes, min(8<<20, max(c.KeepBytes/8, 64<<10)))
	c.BufferLines = cmp.Or(c.BufferLines, 1<<16)
	c.FollowLines = cmp.Or(c.FollowLines, 4096)
	c.FunctionRate = cmp.Or(c.FunctionRate, 25<<20)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	codec, err := segment.NewCodec()
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Internal, "making ready to compress logs: %w", err)
	}
	s := &Store{
		config:    c,
		journal:   segment.Config{Codec: codec, BlockBytes: c.BlockBytes, SegmentBytes: c.SegmentBytes, KeepBytes: c.KeepBytes},
		wake:      make(chan struct{}, 1),
		done:      make(chan struct{}),
		swept:     make(chan struct{}),
		queues:    map[queueKey]*queue{},
		groups:    map[GroupRef]*group{},
		followers: map[*follower]struct{}{},
	}
	s.lines.New = func() any { return new([]byte) }
	if err := s.load(); err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "opening the log folder: %w", err)
	}
	go s.write()
	go s.janitor()
	return s, nil
}

// Write keeps a line. It returns at once, even if the disk does not: a line
// that finds no room is dropped, and the log says how many were. A line's Name
// and Version follow from its Function, and a line without a time is of now.
func (s *Store) Write(line pinfold.LogLine) {
	at := line.Time
	if at.IsZero() {
		at = time.Now()
	}
	s.source(line, at).Write(at, line.RequestID, line.System, []byte(line.Text))
}

func (s *Store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Close writes what waits to be written and ends every Follow.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.nudge()
	<-s.done
	<-s.swept
	return nil
}

// flush returns when everything written before it can be read.
func (s *Store) flush(ctx context.Context) error {
	written := make(chan struct{})
	s.mu.Lock()
	if s.closing {
		written = s.done
	} else {
		s.flushes = append(s.flushes, written)
	}
	s.mu.Unlock()
	s.nudge()
	select {
	case <-written:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
