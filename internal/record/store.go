package record

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"pinfold.dev/pinfold"
)

// Config bounds a store. A zero field but Dir takes its default.
type Config struct {
	Dir         string // the folder that holds the records; made if missing
	SegmentRows int    // from how many records on a journal is sealed. Default 32,768
	Log         *slog.Logger
}

// sealBytes is from which size on a journal is sealed, however few records it has.
const sealBytes = 32 << 20

// sealerIdle is for how long the room is kept that sealing took: some 12 MB,
// wherever so many records come that it is used again soon.
const sealerIdle = time.Minute

// Store keeps records in a folder. It implements [pinfold.RecordStore].
type Store struct {
	config Config
	create func(path string) (file, error) // makes a file; a test makes it fail

	writing    sync.Mutex  // held by what changes the store
	buf        []byte      // room for what goes to the journal
	sealer     *sealer     // nil if nothing has been sealed for a while
	forgetting *time.Timer // when that is

	mu       sync.Mutex // of what follows; held for moments
	journal  *journal   // nil until something is appended
	segments []*segment // as they were sealed
	floor    int64      // what is older has been trimmed, even if it is still there
	closed   bool
}

var _ pinfold.RecordStore = (*Store)(nil)

const journalEnd = ".journal"

// unfinishedEnd is that of a segment that is being written.
const unfinishedEnd = ".unfinished"

// Open returns the store in a folder. Close it. No other process may have the
// folder open.
func Open(c Config) (*Store, error) {
	c.SegmentRows = min(cmp.Or(c.SegmentRows, 32<<10), maxRows/2)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{config: c, create: createFile, floor: math.MinInt64}
	if err := s.open(); err != nil {
		return nil, failed(err, "open the records in %s", c.Dir)
	}
	return s, nil
}

func (s *Store) open() error {
	if err := os.MkdirAll(s.config.Dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.config.Dir)
	if err != nil {
		return err
	}
	var journals []uint64
	for _, entry := range entries {
		path := filepath.Join(s.config.Dir, entry.Name())
		if segment, ok := parseSegment(entry.Name()); ok {
			info, err := entry.Info()
			if err != nil {
				return err
			}
			segment.path, segment.size = path, info.Size()
			s.segments = append(s.segments, segment)
		} else if number, ok := s.parseJournal(entry.Name()); ok {
			journals = append(journals, number)
		} else if strings.HasSuffix(entry.Name(), unfinishedEnd) {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(s.segments, func(a, b *segment) int { return cmp.Compare(a.number, b.number) })
	slices.Sort(journals)
	for _, number := range journals {
		if err := s.resume(number); err != nil {
			return err
		}
	}
	return nil
}

// resume goes on with a journal, unless it has been sealed: then a sudden end
// has come between that and its removal.
func (s *Store) resume(number uint64) error {
	path := s.journalPath(number)
	if slices.ContainsFunc(s.segments, func(g *segment) bool { return g.number == number }) {
		return os.Remove(path)
	}
	if err := s.seal(); err != nil { // there is another, which is older
		return err
	}
	j, damaged, err := recoverJournal(path, number)
	if err != nil {
		return err
	}
	if damaged > 0 {
		s.config.Log.Error("a journal of invocation records is damaged; what follows the damage is lost", "file", path, "bytes", damaged)
	}
	s.journal = j
	return nil
}

func (s *Store) journalPath(number uint64) string {
	name := strconv.FormatUint(number, 10)
	return filepath.Join(s.config.Dir, strings.Repeat("0", max(0, 8-len(name)))+name+journalEnd)
}

// parseJournal is the way back from journalPath.
func (s *Store) parseJournal(name string) (uint64, bool) {
	number, err := strconv.ParseUint(strings.TrimSuffix(name, journalEnd), 10, 64)
	return number, err == nil && filepath.Base(s.journalPath(number)) == name
}

// Append implements [pinfold.RecordStore]. All of the records are stored, or
// none, unless there are more than fit a journal. Texts are cut at 2,048 bytes, and times are between the years 1677 and
// 2262. What is stored survives the end of the process at once, and that of the
// machine when its journal has been sealed, or the system has written it.
func (s *Store) Append(ctx context.Context, records []pinfold.Record) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed {
		return errClosed()
	}
	for piece := range slices.Chunk(records, s.config.SegmentRows) {
		err := ctx.Err()
		if err == nil {
			err = s.append(piece)
		}
		if err != nil {
			return failed(err, "store %d records in %s", len(records), s.config.Dir)
		}
	}
	return nil
}

func (s *Store) append(records []pinfold.Record) error {
	if j := s.journal; j != nil && (j.rows >= s.config.SegmentRows || j.size >= sealBytes) {
		if err := s.seal(); err != nil {
			return err
		}
	}
	if s.journal == nil {
		var number uint64 = 1
		if n := len(s.segments); n > 0 {
			number = s.segments[n-1].number + 1
		}
		j, err := newJournal(s.journalPath(number), number, s.create)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.journal = j
		s.mu.Unlock()
	}
	buf, err := s.journal.append(records, s.buf)
	if cap(buf) <= 1<<20 {
		s.buf = buf
	}
	if err != nil {
		return err
	}
	if s.sealer != nil && s.sealer.rows() == s.journal.rows {
		s.sealer.table.put(records) // so that they need not be read again
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.size += int64(len(buf))
	for i := range records {
		s.journal.note(&records[i])
	}
	return nil
}

// seal makes a segment of the journal, if there is something in it. The caller
// holds writing.
func (s *Store) seal() error {
	j := s.journal
	if j == nil || j.rows == 0 {
		return nil
	}
	segment, err := s.writeSegment(j)
	if err != nil {
		return err
	}
	s.sealer.table.empty(j.rows)
	s.mu.Lock()
	s.segments = append(s.segments, segment)
	s.journal = nil
	s.mu.Unlock()
	return errors.Join(j.file.Close(), os.Remove(j.path))
}

// writeSegment writes what a journal has to a segment, which is there as a whole
// or not at all.
func (s *Store) writeSegment(j *journal) (*segment, error) {
	if err := s.gather(j); err != nil {
		return nil, err
	}
	data, err := s.sealer.encode()
	if err != nil {
		return nil, err
	}
	g := &segment{number: j.number, min: j.min, max: j.max, rows: s.sealer.rows(), sum: castagnoli(data), size: int64(len(data))}
	g.path = filepath.Join(s.config.Dir, g.fileName())
	g.checked.Store(true)
	unfinished := g.path + unfinishedEnd
	f, err := s.create(unfinished)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(unfinished, g.path)
	}
	if err == nil {
		err = syncDir(s.config.Dir)
	}
	if err != nil { // a segment that is there would stand for its journal at the next start
		os.Remove(g.path)
		os.Remove(unfinished)
		return nil, err
	}
	return g, nil
}

// gather has a sealer have the records of a journal.
func (s *Store) gather(j *journal) (err error) {
	if s.sealer == nil {
		if s.sealer, err = newSealer(); err != nil {
			return err
		}
		s.forgetting = time.AfterFunc(sealerIdle, s.forget)
	}
	s.forgetting.Reset(sealerIdle)
	if s.sealer.rows() == j.rows {
		return nil
	}
	tail, err := j.tail()
	if err != nil {
		return err
	}
	defer tail.file.Close()
	return tail.read(&s.sealer.table, j.rows)
}

// forget gives back the room of a sealer that is not used any more.
func (s *Store) forget() {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.sealer = nil
}

// syncDir makes the entries of a folder last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Close closes the store. Queries that are under way go on.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.forgetting != nil {
		s.forgetting.Stop()
	}
	if s.journal == nil {
		return nil
	}
	return failed(s.journal.file.Close(), "close the records in %s", s.config.Dir)
}

func errClosed() error {
	return pinfold.Errorf(pinfold.Unavailable, "the store of invocation records is closed")
}

// failed wraps an error with what was being done. It returns nil for nil.
func failed(err error, doing string, args ...any) error {
	if err == nil {
		return nil
	}
	doing = pinfold.Errorf(pinfold.Internal, doing, args...).Message
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return pinfold.Errorf(pinfold.Timeout, "could not %s: %w", doing, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return pinfold.Errorf(pinfold.Unavailable, "could not %s: the disk is full; free some space: %w", doing, err)
	case errors.Is(err, fs.ErrPermission):
		return pinfold.Errorf(pinfold.Unavailable, "could not %s: give Pinfold's user the right to: %w", doing, err)
	}
	return pinfold.Errorf(pinfold.Internal, "could not %s: %w", doing, err)
}
