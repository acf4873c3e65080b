package segment

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// Entry is a record and its number, which is greater than those of all that came
// before it. The record is good until the next one is asked for.
type Entry struct {
	Sequence uint64
	Record   Record
}

// Filter says which records are wanted. Its zero value wants all.
type Filter struct {
	From, To int64  // times, from and before, in nanoseconds since 1970; 0 for no bound
	Request  string // "" for any
	Stream   string // "" for any
	// May reports false if nothing in a block's records is wanted; nil: all may be.
	May func(raw []byte) bool
	// Want reports whether a record is wanted that meets the above; nil: all are.
	Want func(Entry) bool
	// Reverse has the last come first.
	Reverse bool
}

// Extent is what a journal had at one moment. It can be read while the journal
// goes on.
type Extent struct {
	codec    *Codec
	dir      string
	segments []segment
	tail     tail
}

// Extent returns what is there now.
func (j *Journal) Extent() (Extent, error) {
	err := j.open(false)
	return Extent{j.config.Codec, j.dir, slices.Clone(j.segments), j.tail}, err
}

// Span returns times between which all records are.
func (e Extent) Span() (first, last int64) {
	first, last = e.tail.min, e.tail.max
	for _, s := range e.segments {
		if s.broken { // nobody knows
			return math.MinInt64, math.MaxInt64
		}
		first, last = min(first, s.min), max(last, s.max)
	}
	return first, last
}

// Scan returns the wanted records in the order of their times, and of their
// numbers where these are equal. What cannot be read is left out, and is the
// error that comes last. Segments that are deleted meanwhile are passed over. When
// ctx ends so does the search, with its error.
func (e Extent) Scan(ctx context.Context, f Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s := &scan{ctx: ctx, extent: e, filter: f}
		if f.To == 0 {
			s.filter.To = math.MaxInt64
		}
		if f.From == 0 {
			s.filter.From = math.MinInt64
		}
		s.find()
		for {
			c := s.next()
			if c == nil {
				break
			}
			h := c.hits[0]
			record := first(c.raw[h.at:])
			if !yield(Entry{c.sequence + uint64(h.index), record}, nil) {
				return
			}
			if c.hits = c.hits[1:]; len(c.hits) == 0 {
				heap.Pop(&s.open)
				s.spare = append(s.spare, c.raw)
			} else {
				heap.Fix(&s.open, 0)
			}
		}
		if err := errors.Join(s.damage...); err != nil {
			yield(Entry{}, err)
		}
	}
}

// scan is a search under way: blocks that are still to be read, and those among
// whose records the next one is.
type scan struct {
	ctx    context.Context
	extent Extent
	filter Filter
	blocks []header // in order of their first time, or if reversed, of their last
	open   cursors
	spare  [][]byte // memory of blocks that are done
	damage []error
}

// cursor is the wanted records of a block.
type cursor struct {
	raw      []byte
	sequence uint64
	hits     []hit // in the order in which they are wanted
	reverse  bool
}

type hit struct {
	time      int64
	at, index uint32
}

// find looks for blocks that may have what is wanted.
func (s *scan) find() {
	f := &s.filter
	var hashes []uint16
	if f.Request != "" {
		hashes = append(hashes, hash(ofRequest, f.Request))
	}
	if f.Stream != "" {
		hashes = append(hashes, hash(ofStream, f.Stream))
	}
	s.extent.walk(f.From, f.To, func(h header, filter []byte) bool {
		for _, n := range hashes {
			if !has(filter, n) {
				return true
			}
		}
		s.blocks = append(s.blocks, h)
		return true
	}, s.damaged)
	if t := s.extent.tail; t.lines > 0 && t.max >= f.From && t.min < f.To {
		s.blocks = append(s.blocks, header{sequence: t.sequence, min: t.min, max: t.max, lines: uint32(t.lines), raw: uint32(t.size)})
	}
	slices.SortStableFunc(s.blocks, func(a, b header) int {
		if f.Reverse {
			return cmp.Or(cmp.Compare(b.max, a.max), cmp.Compare(b.sequence, a.sequence))
		}
		return cmp.Or(cmp.Compare(a.min, b.min), cmp.Compare(a.sequence, b.sequence))
	})
}

// walk calls yield for each block that has records from and before a time.
func (e Extent) walk(from, to int64, yield func(h header, filter []byte) bool, damaged func(error)) {
	for _, seg := range e.segments {
		if !seg.broken && (seg.max < from || seg.min >= to) {
			continue
		}
		err := e.walkSegment(seg, func(h header, filter []byte) bool {
			h.segment = seg.number
			return h.max < from || h.min >= to || yield(h, filter)
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			damaged(fmt.Errorf("%s: %w", filepath.Join(e.dir, segmentName(seg.number)), err))
		}
	}
}

func (e Extent) walkSegment(seg segment, yield func(h header, filter []byte) bool) error {
	f, err := os.Open(filepath.Join(e.dir, segmentName(seg.number)))
	if err != nil {
		return err
	}
	defer f.Close()
	return walk(f, seg.size, yield)
}

// damaged takes note of what cannot be read, within bounds.
func (s *scan) damaged(err error) {
	if len(s.damage) < 10 {
		s.damage = append(s.damage, err)
	}
}

// next returns the cursor whose first record comes next, or nil.
func (s *scan) next() *cursor {
	for len(s.blocks) > 0 && (len(s.open) == 0 || s.before(s.blocks[0], s.open[0].hits[0].time)) {
		if err := s.ctx.Err(); err != nil {
			s.damage = []error{err}
			return nil
		}
		h := s.blocks[0]
		s.blocks = s.blocks[1:]
		c, err := s.load(h)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.damaged(err)
		}
		if c != nil {
			heap.Push(&s.open, c)
		}
	}
	if len(s.open) == 0 {
		return nil
	}
	return s.open[0]
}

// before reports whether a block may have a record that comes before this time,
// or at it.
func (s *scan) before(h header, time int64) bool {
	if s.filter.Reverse {
		return h.max >= time
	}
	return h.min <= time
}

// load reads a block and picks what is wanted; nil if that is nothing.
func (s *scan) load(h header) (*cursor, error) {
	var buf []byte
	if n := len(s.spare); n > 0 {
		buf, s.spare = s.spare[n-1], s.spare[:n-1]
	}
	raw, err := s.extent.read(h, buf)
	if err != nil {
		return nil, err
	}
	c := &cursor{raw: raw, sequence: h.sequence, reverse: s.filter.Reverse}
	if s.filter.May == nil || s.filter.May(raw) {
		c.hits = s.pick(raw, h.sequence)
	}
	if len(c.hits) == 0 {
		s.spare = append(s.spare, raw)
		return nil, nil
	}
	return c, nil
}

// pick returns where the wanted records of a block are, in order.
func (s *scan) pick(raw []byte, sequence uint64) []hit {
	f := &s.filter
	var hits []hit
	ordered := true
	at, index := 0, 0
	Records(raw, func(r Record) bool {
		t := r.Nano()
		if t >= f.From && t < f.To && (f.Request == "" || string(r.Request()) == f.Request) &&
			(f.Stream == "" || string(r.Stream()) == f.Stream) &&
			(f.Want == nil || f.Want(Entry{sequence + uint64(index), r})) {
			ordered = ordered && (len(hits) == 0 || hits[len(hits)-1].time <= t)
			hits = append(hits, hit{t, uint32(at), uint32(index)})
		}
		at += len(r)
		index++
		return true
	})
	if !ordered {
		slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(a.time, b.time) })
	}
	if f.Reverse {
		slices.Reverse(hits)
	}
	return hits
}

// read returns the records of a block, in buf if they fit. The tail may have
// become a block meanwhile.
func (e Extent) read(h header, buf []byte) ([]byte, error) {
	if h.segment == 0 {
		raw, err := e.readTail(h)
		if !errors.Is(err, fs.ErrNotExist) {
			return raw, err
		}
		if h, err = e.sealed(h.sequence); err != nil {
			return nil, err
		}
		raw, err = e.read(h, buf)
		// There may be more in the block than there was in the tail.
		n, lines := 0, uint64(0)
		Records(raw, func(r Record) bool {
			if lines++; lines <= e.tail.lines {
				n += len(r)
			}
			return lines < e.tail.lines
		})
		return raw[:n], err
	}
	path := filepath.Join(e.dir, segmentName(h.segment))
	data := make([]byte, h.payload)
	err := readAt(path, data, h.offset+h.size()-int64(h.payload))
	if err == nil {
		buf, err = e.codec.records(&h, data, buf)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: the block at byte %d, of %d lines: %w", path, h.offset, h.lines, err)
	}
	return buf, nil
}

func (e Extent) readTail(h header) ([]byte, error) {
	raw := make([]byte, h.raw)
	return raw, readAt(filepath.Join(e.dir, tailName(h.sequence)), raw, 0)
}

// sealed finds the block that begins with a record. It is in the last segment
// that the extent knows, or in one that came after.
func (e Extent) sealed(sequence uint64) (header, error) {
	number := 1
	if n := len(e.segments); n > 0 {
		number = e.segments[n-1].number
	}
	for ; ; number++ {
		info, err := os.Stat(filepath.Join(e.dir, segmentName(number)))
		if err != nil {
			return header{}, err
		}
		var found *header
		err = e.walkSegment(segment{number: number, size: info.Size()}, func(h header, _ []byte) bool {
			if h.sequence == sequence {
				h.segment = number
				found = &h
			}
			return found == nil
		})
		if found != nil {
			return *found, nil
		}
		if err != nil && !errors.Is(err, errTorn) { // one is being written
			return header{}, err
		}
	}
}

// Streams adds what there is of each stream, by its name. What cannot be read is
// left out, and said.
func (e Extent) Streams(stats map[string]*StreamStat) error {
	var damage []error
	e.walk(math.MinInt64, math.MaxInt64, func(h header, _ []byte) bool {
		if err := e.blockStreams(h, stats); err != nil && !errors.Is(err, fs.ErrNotExist) && len(damage) < 10 {
			damage = append(damage, err)
		}
		return true
	}, func(err error) { damage = append(damage, err) })
	if e.tail.lines > 0 {
		h := header{sequence: e.tail.sequence, raw: uint32(e.tail.size)}
		raw, err := e.read(h, nil)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			damage = append(damage, err)
		}
		collect(raw, e.tail.sequence, stats)
	}
	return errors.Join(damage...)
}

// cursors is a heap by the first record of each.
type cursors []*cursor

func (c cursors) Len() int      { return len(c) }
func (c cursors) Swap(i, k int) { c[i], c[k] = c[k], c[i] }
func (c cursors) Less(i, k int) bool {
	a, b := c[i], c[k]
	order := cmp.Or(cmp.Compare(a.hits[0].time, b.hits[0].time), cmp.Compare(a.sequence, b.sequence))
	return order < 0 != a.reverse
}
func (c *cursors) Push(x any) { *c = append(*c, x.(*cursor)) }
func (c *cursors) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}
