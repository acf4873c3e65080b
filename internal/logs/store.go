package logs

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
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
	BufferLines  int    // how many lines may wait to be written. Default 16,384
	FollowLines  int    // how many lines a follower may be behind. Default 4,096
	Log          *slog.Logger
}

// Store keeps log lines. It implements [pinfold.LogSink].
type Store struct {
	config Config
	wake   chan struct{} // has a value if there is something for the writer
	done   chan struct{} // closed when the writer has written everything

	mu      sync.Mutex // of what is not written yet
	waiting []pinfold.LogLine
	bytes   int
	shares  map[pinfold.FunctionRef]share // of what waits
	lost    map[pinfold.FunctionRef]int
	flushes []chan struct{}
	closing bool

	files     sync.Mutex // of what is; held while a batch is written
	journals  map[pinfold.FunctionRef]*journal
	followers map[*follower]struct{}
	failing   bool // the last write went wrong
}

// maxWaiting bounds the text that may wait to be written, in bytes.
const maxWaiting = 32 << 20

// share is what waits of one function. It may be as much as there is room left:
// one that floods gets half of all, and others find room as if there were none.
type share struct{ lines, bytes int }

// Open returns the store in a folder. Close it.
func Open(c Config) (*Store, error) {
	c.SegmentBytes = cmp.Or(c.SegmentBytes, 8<<20)
	c.KeepBytes = cmp.Or(c.KeepBytes, 64<<20)
	c.BufferLines = cmp.Or(c.BufferLines, 16384)
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
		shares:    map[pinfold.FunctionRef]share{},
		lost:      map[pinfold.FunctionRef]int{},
		journals:  map[pinfold.FunctionRef]*journal{},
		followers: map[*follower]struct{}{},
	}
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
	ref := line.Function.With("")
	s.mu.Lock()
	mine := s.shares[ref]
	switch {
	case s.closing:
	case mine.lines >= s.config.BufferLines-len(s.waiting) || mine.bytes > maxWaiting-s.bytes:
		s.lost[ref]++
	default:
		s.waiting = append(s.waiting, line)
		s.bytes += len(line.Text)
		s.shares[ref] = share{mine.lines + 1, mine.bytes + len(line.Text)}
	}
	s.mu.Unlock()
	s.nudge()
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

// write is the goroutine that owns the files.
func (s *Store) write() {
	defer close(s.done)
	var batch []pinfold.LogLine
	for range s.wake {
		s.mu.Lock()
		batch, s.waiting = s.waiting, batch[:0]
		flushes, closing := s.flushes, s.closing
		s.bytes, s.flushes = 0, nil
		clear(s.shares)
		var lost map[pinfold.FunctionRef]int
		if len(s.lost) > 0 {
			lost, s.lost = s.lost, map[pinfold.FunctionRef]int{}
		}
		s.mu.Unlock()

		for ref, n := range lost {
			batch = append(batch, gap(ref, n, "they came faster than they could be written"))
		}
		s.keep(batch)
		clear(batch) // lets go of the texts
		for _, written := range flushes {
			close(written)
		}
		if closing {
			return
		}
	}
}

// keep appends a batch to its journals and hands it to who follows.
func (s *Store) keep(batch []pinfold.LogLine) {
	if len(batch) == 0 {
		return
	}
	// Instances write at the same time: put in order what came in disorder.
	slices.SortStableFunc(batch, func(a, b pinfold.LogLine) int { return a.Time.Compare(b.Time) })
	s.files.Lock()
	defer s.files.Unlock()
	byFunction := map[pinfold.FunctionRef][]pinfold.LogLine{}
	for _, line := range batch {
		ref := line.Function.With("")
		byFunction[ref] = append(byFunction[ref], line)
	}
	var failed error
	for ref, lines := range byFunction {
		j := s.journals[ref]
		if j == nil {
			j = newJournal(s.config, ref)
			s.journals[ref] = j
		}
		if err := j.append(lines); err != nil {
			failed = err
		}
	}
	if failed != nil && !s.failing {
		s.config.Log.Error("logs cannot be kept; lines are lost until this is mended", "error", failed)
	}
	s.failing = failed != nil
	for f := range s.followers {
		for _, line := range batch {
			f.offer(line)
		}
	}
}

// gap is the line that stands for lines that are missing.
func gap(ref pinfold.FunctionRef, n int, why string) pinfold.LogLine {
	return pinfold.LogLine{
		Time: time.Now(), Function: ref, Name: ref.Name, Version: ref.Qualifier, System: true,
		Text: fmt.Sprintf("PINFOLD %d log lines are missing here: %s", n, why),
	}
}
