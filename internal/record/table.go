package record

import (
	"cmp"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
)

// table is the records of a journal by columns, on their way to a segment: that
// is less than half of what the records themselves take, and nothing in it but
// the words has pointers.
type table struct {
	times    []int64
	requests []byte   // one after the other
	ends     []uint32 // where each of them ends
	ids      []byte   // trace, span and parent of each
	words    [textCount - 1]wordColumn
	numbers  [numberCount + 2][]int64 // and the megabytes, configured and used

	keys []key // room for order
	rows []int32
}

const idSize = 16 + 8 + 8 // of the three of a record

// empty makes room for so many records in a table, and takes out what it had.
func (t *table) empty(rows int) {
	t.times, t.ends = slices.Grow(t.times[:0], rows), slices.Grow(t.ends[:0], rows)
	t.requests, t.ids = t.requests[:0], slices.Grow(t.ids[:0], idSize*rows)
	for i := range t.words {
		c := &t.words[i]
		*c = wordColumn{known: map[string]uint32{}, index: slices.Grow(c.index[:0], rows)}
	}
	for i, numbers := range t.numbers {
		t.numbers[i] = slices.Grow(numbers[:0], rows)
	}
}

// put adds records.
func (t *table) put(records []pinfold.Record) {
	for i := range records {
		r := &records[i]
		t.times = append(t.times, nanos(r.Time))
		t.ids = append(append(append(t.ids, r.Trace[:]...), r.Span[:]...), r.Parent[:]...)
		all := texts(r)
		t.requests = append(t.requests, cut(*all[0])...)
		t.ends = append(t.ends, uint32(len(t.requests)))
		for i, text := range all[1:] {
			add(&t.words[i], cut(*text))
		}
		for i, n := range numbers(r) {
			t.numbers[i] = append(t.numbers[i], *n)
		}
		t.numbers[numberCount] = append(t.numbers[numberCount], int64(r.MemoryMB))
		t.numbers[numberCount+1] = append(t.numbers[numberCount+1], int64(r.PeakMB))
	}
}

// add adds the records of a frame.
func (t *table) add(payload []byte) error {
	for d := (decoder{rest: payload}); len(d.rest) > 0; {
		t.times = append(t.times, d.number())
		t.ids = append(t.ids, d.bytes(idSize)...)
		t.requests = append(t.requests, d.text()...)
		t.ends = append(t.ends, uint32(len(t.requests)))
		for i := range t.words {
			add(&t.words[i], d.text())
		}
		for i := range t.numbers {
			t.numbers[i] = append(t.numbers[i], d.number())
		}
		if d.bad {
			return errNoRecord
		}
	}
	return nil
}

func (t *table) trace(row int32) []byte  { return t.ids[idSize*row:][:16] }
func (t *table) span(row int32) []byte   { return t.ids[idSize*row+16:][:8] }
func (t *table) parent(row int32) []byte { return t.ids[idSize*row+24:][:8] }

func (t *table) request(row int32) []byte {
	if row == 0 {
		return t.requests[:t.ends[0]]
	}
	return t.requests[t.ends[row-1]:t.ends[row]]
}

// order returns the rows by function and time, and those of one moment as they
// came.
func (t *table) order() []int32 {
	functions := &t.words[functionColumn]
	byName := make([]uint32, len(functions.words))
	for i := range byName {
		byName[i] = uint32(i)
	}
	slices.SortFunc(byName, func(a, b uint32) int { return cmp.Compare(functions.words[a], functions.words[b]) })
	rank := make([]uint32, len(byName))
	for i, word := range byName {
		rank[word] = uint32(i)
	}
	t.keys = t.keys[:0]
	for i, at := range t.times {
		t.keys = append(t.keys, key{rank[functions.index[i]], int32(i), at})
	}
	slices.SortFunc(t.keys, func(a, b key) int {
		if a.function != b.function {
			return cmp.Compare(a.function, b.function)
		}
		if a.time != b.time {
			return cmp.Compare(a.time, b.time)
		}
		return cmp.Compare(a.row, b.row)
	})
	t.rows = t.rows[:0]
	for i := range t.keys {
		t.rows = append(t.rows, t.keys[i].row)
	}
	return t.rows
}

// key is what rows are ordered by.
type key struct {
	function uint32 // the how many-th by name
	row      int32
	time     int64
}

// wordColumn is a column of texts that many records have: each is there once.
type wordColumn struct {
	words []string
	known map[string]uint32 // their places in words
	last  uint32            // the one added last, which comes again more often than not
	index []uint32          // of each row
}

func add[Text string | []byte](c *wordColumn, text Text) {
	if len(c.words) == 0 || string(text) != c.words[c.last] {
		n, ok := c.known[string(text)]
		if !ok {
			n = uint32(len(c.words))
			word := strings.Clone(string(text)) // or it may keep more alive than itself
			c.words = append(c.words, word)
			c.known[word] = n
		}
		c.last = n
	}
	c.index = append(c.index, c.last)
}
