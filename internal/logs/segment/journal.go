// Package segment is the engine under internal/logs: it keeps lines in
// compressed blocks, and finds them again without reading all of them. It knows
// neither functions nor groups, only streams, requests and times.
//
// A journal is a folder. Lines are appended to its tail, a file of plain
// [Record]s, so that they outlive the process that wrote them. When the tail has
// become a block's worth it is compressed, and goes to the end of the last
// segment. Each block is preceded by what is in it: the range of its times, and
// a filter of its requests and streams, so that a search goes from head to head
// and uncompresses only what it must.
//
// Each line has a sequence number. The name of a tail is that of its first line:
// if a process ends between compressing the tail and removing it, the next one
// sees that the blocks have got that far already.
//
// A block that cannot be read costs that block, and a head that cannot be read
// the rest of its segment.
package segment

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Config bounds a journal.
type Config struct {
	Codec        *Codec
	BlockBytes   int   // of lines from which on a block is made of them
	SegmentBytes int64 // from which on a segment is finished
	KeepBytes    int64 // on disk; the oldest segments go
}

// segmentAge is how long a segment, or the tail, takes lines in: what shall be
// deleted some day must not be in one file with what shall not.
const segmentAge = 24 * time.Hour

// Journal is a folder of segments. It is not safe for concurrent use; an
// [Extent] of it may be used beside it.
type Journal struct {
	config   Config
	dir      string
	opened   bool
	segments []segment // in order; blocks are appended to the last one
	number   int       // of the last segment that there was
	tail     tail
}

// segment is one file of blocks.
type segment struct {
	number       int
	size         int64
	min, max     int64 // times of its lines
	began, ended int64 // when its first and last block was written
	broken       bool  // a head cannot be read: nothing is appended
}

// tail is the lines that are in no block yet.
type tail struct {
	sequence uint64 // of the first
	size     int64
	lines    uint64
	min, max int64
}

func (t *tail) reset(sequence uint64) {
	*t = tail{sequence: sequence, min: math.MaxInt64, max: math.MinInt64}
}

// New returns the journal in a folder, which is made and read when it is first
// used.
func New(dir string, c Config) *Journal { return &Journal{config: c, dir: dir} }

// Size returns how many bytes the journal takes on disk.
func (j *Journal) Size() (int64, error) {
	if err := j.open(false); err != nil {
		return 0, err
	}
	size := j.tail.size
	for _, s := range j.segments {
		size += s.size
	}
	return size, nil
}

func segmentName(n int) string     { return fmt.Sprintf("%08d.seg", n) }
func tailName(first uint64) string { return fmt.Sprintf("%020d.tail", first) }
func (j *Journal) segmentPath(n int) string {
	return filepath.Join(j.dir, segmentName(n))
}
func (j *Journal) tailPath() string { return filepath.Join(j.dir, tailName(j.tail.sequence)) }

// open finds out what is there, and takes away what a sudden end has left half
// done. Without make, a folder that is not there stays so.
func (j *Journal) open(make bool) error {
	if j.opened {
		return nil
	}
	if make {
		if err := os.MkdirAll(j.dir, 0o700); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(j.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	j.segments = nil
	var tails []uint64
	for _, entry := range entries { // sorted by name
		var n int
		var first uint64
		if _, err := fmt.Sscanf(entry.Name(), "%08d.seg", &n); err == nil && entry.Name() == segmentName(n) {
			j.segments = append(j.segments, segment{number: n})
		} else if _, err := fmt.Sscanf(entry.Name(), "%020d.tail", &first); err == nil && entry.Name() == tailName(first) {
			tails = append(tails, first)
		}
	}
	var next uint64
	for i := range j.segments {
		n, err := j.measure(&j.segments[i], i == len(j.segments)-1)
		if err != nil {
			return err
		}
		next = max(next, n)
		j.number = j.segments[i].number
	}
	tailed := false
	for _, first := range tails {
		if first >= next {
			next, tailed = first, true
		} else if err := os.Remove(filepath.Join(j.dir, tailName(first))); err != nil { // it is in a block
			return err
		}
	}
	if n := len(j.segments); !tailed && n > 0 && j.segments[n-1].broken {
		next += 1 << 32 // more than can be in what is not readable
	}
	j.tail.reset(next)
	if tailed {
		if err := j.readTail(); err != nil {
			return err
		}
	}
	j.opened = err == nil
	return nil
}

// measure looks what is in a segment, and returns the sequence number that
// follows. The last one may end in a piece of a block.
func (j *Journal) measure(s *segment, last bool) (next uint64, err error) {
	f, err := os.OpenFile(j.segmentPath(s.number), os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	whole := int64(0)
	s.min, s.max = math.MaxInt64, math.MinInt64
	err = walk(f, info.Size(), func(h header, _ []byte) bool {
		s.add(&h)
		whole = h.offset + h.size()
		next = h.sequence + uint64(h.lines)
		return true
	})
	s.size = info.Size()
	switch {
	case err == nil:
	case errors.Is(err, errTorn) && last:
		s.size = whole
		return next, f.Truncate(whole)
	default:
		s.broken = true
	}
	return next, nil
}

// add takes note of a block.
func (s *segment) add(h *header) {
	if s.began == 0 {
		s.began = h.written
	}
	s.ended = h.written
	s.min, s.max = min(s.min, h.min), max(s.max, h.max)
}

// readTail counts the lines of the tail, and cuts off what is not one.
func (j *Journal) readTail() error {
	data, err := os.ReadFile(j.tailPath())
	if err != nil {
		return err
	}
	j.tail.note(data)
	if j.tail.size < int64(len(data)) {
		return os.Truncate(j.tailPath(), j.tail.size)
	}
	return nil
}

// note takes note of lines that are appended.
func (t *tail) note(records []byte) {
	Records(records, func(r Record) bool {
		t.size += int64(len(r))
		t.lines++
		t.min, t.max = min(t.min, r.Nano()), max(t.max, r.Nano())
		return true
	})
}

// Append keeps records, in the order in which they are to be found if their times
// are equal. It returns how many it has kept, which is less than all only with an
// error.
func (j *Journal) Append(records []byte) (kept int, err error) {
	if err := j.open(true); err != nil {
		return 0, err
	}
	if j.tail.size+int64(len(records)) < int64(j.config.BlockBytes) {
		err = j.extend(records)
		if errors.Is(err, fs.ErrNotExist) { // somebody tidied the folder away
			j.opened = false
			if err = j.open(true); err == nil {
				err = j.extend(records)
			}
		}
		if err == nil {
			kept = count(records)
		}
		return kept, err
	}
	return j.compress(records)
}

func count(records []byte) (n int) {
	Records(records, func(Record) bool { n++; return true })
	return n
}

// extend appends to the tail; if it fails, nothing is there.
func (j *Journal) extend(records []byte) error {
	if len(records) == 0 {
		return nil
	}
	flags := os.O_APPEND | os.O_WRONLY
	if j.tail.size == 0 {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(j.tailPath(), flags, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(records); err != nil {
		err = errors.Join(err, f.Truncate(j.tail.size)) // no half lines
	} else {
		j.tail.note(records)
	}
	return errors.Join(err, f.Close())
}

// compress makes blocks of the tail and of records, and a tail of what is left.
// Without records it makes a block of the tail, however little that is.
func (j *Journal) compress(records []byte) (kept int, err error) {
	room := j.config.Codec.room()
	defer j.config.Codec.giveBack(room)
	chunk := slices.Grow((*room)[:0], max(j.config.BlockBytes, int(j.tail.size)))[:j.tail.size]
	if j.tail.size > 0 {
		if err := readAt(j.tailPath(), chunk, 0); err != nil {
			j.opened = false
			return 0, err
		}
	}
	old := j.tailPath()
	next := j.tail.sequence
	before := int(j.tail.lines)
	for flush := len(records) == 0; flush || len(chunk)+len(records) >= j.config.BlockBytes; flush = false {
		n := 0
		Records(records, func(r Record) bool {
			n += len(r)
			return len(chunk)+n < j.config.BlockBytes
		})
		chunk = append(chunk, records[:n]...)
		lines, err := j.writeBlock(chunk, next)
		if err != nil {
			kept = max(0, int(next-j.tail.sequence)-before)
			return kept, j.renew(old, next, err)
		}
		next += uint64(lines)
		*room = chunk
		chunk, records = chunk[:0], records[n:]
	}
	kept = int(next-j.tail.sequence) - before
	if err := j.renew(old, next, nil); err != nil {
		return kept, err
	}
	if err := j.extend(records); err != nil {
		return kept, err
	}
	return kept + count(records), j.bound()
}

// renew begins a new tail if the old one is in a block.
func (j *Journal) renew(old string, next uint64, err error) error {
	if next == j.tail.sequence {
		return err
	}
	had := j.tail.size > 0
	j.tail.reset(next)
	if had {
		err = errors.Join(err, os.Remove(old))
	}
	return err
}

// writeBlock appends a block to the last segment and returns how many lines it
// has.
func (j *Journal) writeBlock(raw []byte, sequence uint64) (lines uint32, err error) {
	h, block, err := j.config.Codec.block(raw, sequence)
	if err != nil {
		return 0, err
	}
	var s *segment
	if n := len(j.segments); n > 0 {
		s = &j.segments[n-1]
	}
	if s == nil || s.broken || s.size > 0 && (s.size+int64(len(block)) > j.config.SegmentBytes || h.written-s.began > int64(segmentAge)) {
		j.number++
		j.segments = append(j.segments, segment{number: j.number, min: math.MaxInt64, max: math.MinInt64})
		s = &j.segments[len(j.segments)-1]
	}
	f, err := os.OpenFile(j.segmentPath(s.number), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		j.opened = false
		return 0, err
	}
	if _, err = f.Write(block); err != nil {
		return 0, errors.Join(err, f.Truncate(s.size), f.Close())
	}
	s.size += int64(len(block))
	s.add(&h)
	return h.lines, f.Close()
}

// bound deletes the oldest segments while there is more than may be kept.
func (j *Journal) bound() error {
	size, err := j.Size()
	for err == nil && size > j.config.KeepBytes && len(j.segments) > 1 {
		size -= j.segments[0].size
		err = j.remove(0)
	}
	return err
}

func (j *Journal) remove(i int) error {
	err := os.Remove(j.segmentPath(j.segments[i].number))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		j.segments = slices.Delete(j.segments, i, i+1)
		return nil
	}
	return err
}

// Trim deletes what is older than before: segments all of whose lines are, and
// whose last came here before then. Young lines in the same segment keep old
// ones alive, for a day at most.
func (j *Journal) Trim(before time.Time) error {
	if err := j.open(false); err != nil || !j.opened {
		return err
	}
	for i := 0; i < len(j.segments); {
		if s := j.segments[i]; s.broken && s.ended == 0 || min(s.max, s.ended) >= before.UnixNano() {
			i++
		} else if err := j.remove(i); err != nil {
			return err
		}
	}
	switch t := &j.tail; {
	case t.lines == 0:
	case t.max < before.UnixNano():
		old := j.tailPath()
		j.tail.reset(t.sequence + t.lines)
		return os.Remove(old)
	case t.min < time.Now().Add(-segmentAge).UnixNano():
		_, err := j.compress(nil)
		return err
	}
	return nil
}

// Oldest returns when the last line of the oldest segment came here, and false if
// there is no segment but the one that grows.
func (j *Journal) Oldest() (time.Time, bool) {
	if err := j.open(false); err != nil || len(j.segments) < 2 {
		return time.Time{}, false
	}
	return time.Unix(0, j.segments[0].ended), true
}

// DropOldest deletes the segment that Oldest speaks of and returns its size.
func (j *Journal) DropOldest() (int64, error) {
	if _, ok := j.Oldest(); !ok {
		return 0, nil
	}
	size := j.segments[0].size
	return size, j.remove(0)
}

// Delete removes the journal and all that it keeps.
func (j *Journal) Delete() error {
	j.opened, j.segments = false, nil
	j.tail.reset(0)
	return os.RemoveAll(j.dir)
}

// readAt reads a part of a segment.
func readAt(path string, buf []byte, offset int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if n, err := f.ReadAt(buf, offset); n < len(buf) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}
