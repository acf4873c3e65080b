package logs

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"pinfold.dev/pinfold"
)

// MaxText is the length of a line's text in bytes from which on it is cut.
const MaxText = 256 << 10

// Config bounds a store. A zero field but Dir takes its default.
type Config struct {
	Dir          string // the folder that holds the logs; made if missing
	SegmentBytes int64  // size from which on a segment is finished. Default 8 MB
	KeepBytes    int64  // about how much is kept per function. Default 64 MB
	BufferLines  int    // how many lines may wait to be written. Default 65,536
	FollowLines  int    // how many lines a follower may be behind. Default 4,096
	Log          *slog.Logger
}

// Store keeps log lines. It implements [pinfold.LogSink].
type Store struct {
	config Config
	clock  clock
	lines  sync.Pool     // of *[]byte, where lines are put together
	wake   chan struct{} // has a value if the writer shall look what there is
	done   chan struct{} // closed when the writer has written everything

	mu        sync.Mutex // of what is not written yet
	queues    map[pinfold.FunctionRef]*queue
	waiting   []*batch          // those of queues
	followed  []pinfold.LogLine // what waits, for followers; only if there are some
	total     share             // of all that wait
	idle      bool              // the writer sleeps until it is woken
	following int               // how many followers there are
	spare     []*batch          // to be used again
	flushes   []chan struct{}
	closing   bool

	files     sync.Mutex // of what is; held while a batch is written
	journals  map[pinfold.FunctionRef]*journal
	followers map[*follower]struct{}
	sorted    []byte // room for a batch
	failing   bool   // the last write went wrong
}

// Open returns the store in a folder. Close it.
func Open(c Config) (*Store, error) {
	c.SegmentBytes = cmp.Or(c.SegmentBytes, 8<<20)
	c.KeepBytes = cmp.Or(c.KeepBytes, 64<<20)
	c.BufferLines = cmp.Or(c.BufferLines, 1<<16)
	c.FollowLines = cmp.Or(c.FollowLines, 4096)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "opening the log folder: %w", err)
	}
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "opening the log folder: %w", err)
	}
	s := &Store{
		config:    c,
		wake:      make(chan struct{}, 1),
		done:      make(chan struct{}),
		queues:    map[pinfold.FunctionRef]*queue{},
		journals:  map[pinfold.FunctionRef]*journal{},
		followers: map[*follower]struct{}{},
	}
	s.lines.New = func() any { return new([]byte) }
	for _, entry := range entries {
		if ref, ok := folderFunction(entry.Name()); ok && entry.IsDir() {
			s.journals[ref] = newJournal(c, ref)
		}
	}
	go s.write()
	return s, nil
}

// Write keeps a line. It returns at once, even if the disk does not: a line
// that finds no room is dropped, and the log says how many were. A line's Name
// and Version follow from its Function, and a line without a time is of now.
func (s *Store) Write(line pinfold.LogLine) {
	line.Name = cmp.Or(line.Name, line.Function.Name)
	line.Version = cmp.Or(line.Version, line.Function.Qualifier)
	if line.Time.IsZero() {
		line.Time = time.Now()
	}
	if len(line.Text) > MaxText {
		line.Text = strings.ToValidUTF8(line.Text[:MaxText], "") + fmt.Sprintf(" [cut: the line has %d bytes]", len(line.Text))
	}
	text := s.lines.Get().(*[]byte)
	defer s.lines.Put(text)
	var ok bool
	if *text, ok = appendLine((*text)[:0], &s.clock, &line); !ok {
		return // a time outside of the years 0 to 9999
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait(s.queue(line.Function.With("")), line.Time, *text, func() pinfold.LogLine { return line })
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

// gap is the line that stands for lines that are missing.
func gap(ref pinfold.FunctionRef, n int, why string) pinfold.LogLine {
	return pinfold.LogLine{
		Time: time.Now(), Function: ref, Name: ref.Name, Version: ref.Qualifier, System: true,
		Text: fmt.Sprintf("PINFOLD %d log lines are missing here: %s", n, why),
	}
}
