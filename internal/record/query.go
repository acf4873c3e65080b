package record

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"math"
	"slices"

	"pinfold.dev/pinfold"
)

// source is where records are found: a segment, or what the journal had when the
// query began.
type source interface {
	name() string
	// span returns the times of the oldest and the newest record.
	span() (oldest, newest int64)
	// find tells the rows that match, in any order, each with its key.
	find(m *match, found func(key int64, row int32)) error
	// fetch reads rows, which ascend. After an error none of them is whole.
	fetch(rows []int32, into []*pinfold.Record) error
}

// maxPage is how many records a query holds at most. It finds the first so many,
// then the next.
const maxPage = 32 << 10

// Query implements [pinfold.RecordStore]. The slowest are those whose phases take
// longest together. What it finds is what had been stored when it began, but for
// what Trim takes away meanwhile. Between records it holds no lock; it works as
// much as its limit makes necessary, and without one it holds some 30,000 records
// at a time.
func (s *Store) Query(ctx context.Context, q pinfold.RecordQuery) iter.Seq2[pinfold.Record, error] {
	return func(yield func(pinfold.Record, error) bool) {
		search, done, err := s.search(ctx, q)
		if err != nil {
			yield(pinfold.Record{}, err)
			return
		}
		defer done()
		for {
			records, more, err := search.page()
			if err != nil {
				yield(pinfold.Record{}, err)
				return
			}
			for i := range records {
				if !yield(records[i], nil) {
					return
				}
			}
			if !more {
				break
			}
		}
		if err := search.damage(); err != nil {
			yield(pinfold.Record{}, err)
		}
	}
}

// search is a query under way.
type search struct {
	ctx     context.Context
	match   *match
	sources []source  // those with the newest records first
	left    int       // how many records may still come
	last    candidate // the last that came
	failed  map[int32]error
}

// search begins a query. What it returns is to be called at its end.
func (s *Store) search(ctx context.Context, q pinfold.RecordQuery) (*search, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, errClosed()
	}
	left := q.Limit
	if left <= 0 {
		left = math.MaxInt
	}
	search := &search{ctx, newMatch(q, s.floor), nil, left, candidate{key: math.MaxInt64, source: -1}, map[int32]error{}}
	done := func() {}
	if s.journal != nil && s.journal.rows > 0 {
		tail, err := s.journal.tail()
		if err != nil {
			return nil, nil, failed(err, "query the records in %s", s.config.Dir)
		}
		search.sources, done = append(search.sources, tail), func() { tail.file.Close() }
	}
	for _, segment := range slices.Backward(s.segments) {
		search.sources = append(search.sources, segment)
	}
	search.sources = slices.DeleteFunc(search.sources, func(s source) bool { return !search.match.overlaps(s) })
	slices.SortStableFunc(search.sources, func(a, b source) int {
		_, x := a.span()
		_, y := b.span()
		return cmp.Compare(y, x)
	})
	return search, done, nil
}

// candidate is a record that matches, by its place.
type candidate struct {
	key    int64
	source int32
	row    int32
}

// before orders candidates as they come: the largest key first, and of the same
// key, what is stored last.
func (c candidate) before(d candidate) bool { return c.compare(d) < 0 }

func (c candidate) compare(d candidate) int {
	return cmp.Or(cmp.Compare(d.key, c.key), cmp.Compare(c.source, d.source), cmp.Compare(d.row, c.row))
}

// best keeps the first of the candidates that it is given.
type best struct {
	limit int
	all   []candidate
	last  candidate // the last of the first so many, once there are so many
}

func (b *best) add(c candidate) {
	if len(b.all) >= b.limit && !c.before(b.last) {
		return
	}
	b.all = append(b.all, c)
	if n := len(b.all); n == b.limit || n == 2*b.limit {
		b.cut()
	}
}

func (b *best) full() bool {
	if len(b.all) < b.limit {
		return false
	}
	b.cut()
	return true
}

// cut leaves the first candidates, in order.
func (b *best) cut() {
	slices.SortFunc(b.all, candidate.compare)
	b.all = b.all[:min(len(b.all), b.limit)]
	if len(b.all) > 0 {
		b.last = b.all[len(b.all)-1]
	}
}

// page returns the next records, and whether there may be more.
func (s *search) page() (records []pinfold.Record, more bool, err error) {
	if s.left == 0 {
		return nil, false, nil
	}
	found := best{limit: min(s.left, maxPage)}
	for i, source := range s.sources {
		if err := s.ctx.Err(); err != nil {
			return nil, false, failed(err, "query the records")
		}
		if !s.match.Slowest {
			oldest, newest := source.span()
			if found.full() && newest < found.last.key {
				break // this one and all that follow are older
			}
			if oldest > s.last.key {
				continue // all of it has come
			}
		}
		if s.failed[int32(i)] != nil {
			continue
		}
		err := source.find(s.match, func(key int64, row int32) {
			if c := (candidate{key, int32(i), row}); s.last.before(c) {
				found.add(c)
			}
		})
		if err != nil {
			s.failed[int32(i)] = err
		}
	}
	found.cut()
	if len(found.all) == 0 {
		return nil, false, nil
	}
	s.last = found.last
	s.left -= len(found.all)
	return s.fetch(found.all), len(found.all) == found.limit, nil
}

// fetch returns the records of candidates, in order, without those that cannot
// be read.
func (s *search) fetch(found []candidate) []pinfold.Record {
	places := make(map[int32][]int32) // by source, the indexes of candidates
	for i, c := range found {
		places[c.source] = append(places[c.source], int32(i))
	}
	records := make([]pinfold.Record, len(found))
	lost := make(map[int32]bool) // by source
	for source, indexes := range places {
		slices.SortFunc(indexes, func(a, b int32) int { return cmp.Compare(found[a].row, found[b].row) })
		rows := make([]int32, len(indexes))
		into := make([]*pinfold.Record, len(indexes))
		for i, index := range indexes {
			rows[i], into[i] = found[index].row, &records[index]
		}
		if err := s.sources[source].fetch(rows, into); err != nil {
			s.failed[source], lost[source] = err, true
		}
	}
	there := records[:0]
	for i := range records {
		if !lost[found[i].source] {
			there = append(there, records[i])
		}
	}
	return there
}

// damage returns what could not be read. A segment that is not there any more
// has been trimmed.
func (s *search) damage() error {
	var all []error
	for i, err := range s.failed {
		if !errors.Is(err, fs.ErrNotExist) {
			all = append(all, pinfold.Errorf(pinfold.Internal, "%s: %w", s.sources[i].name(), err))
		}
	}
	if len(all) == 0 {
		return nil
	}
	return pinfold.Errorf(pinfold.Internal, "records are missing, because %d files of them cannot be read; restore them from a copy, or delete them to be rid of this message: %w", len(all), errors.Join(all...))
}
