package record

import (
	"errors"
	"io"

	"github.com/parquet-go/parquet-go"

	"pinfold.dev/pinfold"
)

// textColumns are the columns of what texts returns, numberColumns those of what
// numbers does.
var (
	textColumns = [...]string{
		"request_id", "service", "operation", "function", "version", "alias", "trigger", "source", "caller",
		"status", "error_type", "fingerprint", "cold", "instance",
	}
	numberColumns = [...]string{
		"queue_ns", "place_ns", "fetch_ns", "sandbox_ns", "boot_ns", "init_ns",
		"handler_ns", "response_ns", "billed_ns", "cpu_ns", "bytes_in", "bytes_out", "code_size",
	}
)

// group is the rows of a segment, by columns.
type group struct {
	parquet.RowGroup
	schema *parquet.Schema
}

// column returns a column, or nil if a segment has none of this name.
func (g group) column(name string) parquet.ColumnChunk {
	leaf, ok := g.schema.Lookup(name)
	if !ok {
		return nil
	}
	return g.ColumnChunks()[leaf.ColumnIndex]
}

// read calls do with pieces of a column, from a row on until the end: the row
// that a piece begins with, and its values. do returns the row from which on it
// wants more; pages before that are not read.
func (g group) read(name string, from, end int, do func(first int, page parquet.Page) (next int)) error {
	column := g.column(name)
	if column == nil {
		return errDamaged
	}
	pages := column.Pages()
	defer pages.Close()
	for at := -1; from < end; {
		if at != from {
			if err := pages.SeekToRow(int64(from)); err != nil {
				return err
			}
		}
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			err = errDamaged
		}
		if err != nil {
			return err
		}
		at = from + int(page.NumValues())
		next := do(from, page)
		parquet.Release(page)
		if next <= from {
			return errDamaged
		}
		from = next
	}
	return nil
}

// bytesOf returns the values of a page without a dictionary that are bytes.
func bytesOf(page parquet.Page) func(i int) []byte {
	data := page.Data()
	if page.Type().Kind() == parquet.FixedLenByteArray {
		all, size := data.FixedLenByteArray()
		return func(i int) []byte { return all[i*size : (i+1)*size] }
	}
	all, offsets := data.ByteArray()
	return func(i int) []byte { return all[offsets[i]:offsets[i+1]] }
}

// keep clears what in says of rows, from a first one on, whose value is not to
// be kept.
func (g group) keep(name string, from int, in []bool, keep func([]byte) bool) error {
	return g.read(name, from, from+len(in), func(first int, page parquet.Page) int {
		in := in[first-from:]
		n := min(len(in), int(page.NumValues()))
		if words := page.Dictionary(); words != nil {
			good := make([]bool, words.Len())
			for i := range good {
				good[i] = keep(words.Index(int32(i)).ByteArray())
			}
			data := page.Data()
			for i, word := range data.Int32()[:n] {
				in[i] = in[i] && good[word]
			}
			return first + n
		}
		value := bytesOf(page)
		for i := range n {
			in[i] = in[i] && keep(value(i))
		}
		return first + n
	})
}

// add adds the numbers of a column, from a row on, to sums.
func (g group) add(name string, from int, sums []int64) error {
	return g.read(name, from, from+len(sums), func(first int, page parquet.Page) int {
		sums := sums[first-from:]
		data := page.Data()
		numbers := data.Int64()
		for i := range min(len(sums), len(numbers)) {
			sums[i] += numbers[i]
		}
		return first + len(numbers)
	})
}

// pick calls do with the pages of a column that have some of rows, which ascend:
// with each row's index in rows and in the page. What a column that is not there
// would say is left as it is: another version of Pinfold did not know it.
func (g group) pick(name string, rows []int32, do func(page parquet.Page) (one func(i, at int))) error {
	if len(rows) == 0 || g.column(name) == nil {
		return nil
	}
	i := 0
	return g.read(name, int(rows[0]), int(rows[len(rows)-1])+1, func(first int, page parquet.Page) int {
		one, end := do(page), first+int(page.NumValues())
		for ; i < len(rows) && int(rows[i]) < end; i++ {
			one(i, int(rows[i])-first)
		}
		if i == len(rows) {
			return end
		}
		return int(rows[i])
	})
}

// pickBytes calls do with the values of rows in a column of ids.
func (g group) pickBytes(name string, rows []int32, do func(i int, value []byte)) error {
	return g.pick(name, rows, func(page parquet.Page) func(i, at int) {
		value := bytesOf(page)
		return func(i, at int) { do(i, value(at)) }
	})
}

// pickTexts calls do with the values of rows in a column of texts. What a
// dictionary has is the same string wherever it is.
func (g group) pickTexts(name string, rows []int32, do func(i int, text string)) error {
	var known []string
	return g.pick(name, rows, func(page parquet.Page) func(i, at int) {
		words := page.Dictionary()
		if words == nil {
			value := bytesOf(page)
			return func(i, at int) { do(i, string(value(at))) }
		}
		if known == nil {
			known = make([]string, words.Len())
		}
		data := page.Data()
		indexes := data.Int32()
		return func(i, at int) {
			word := indexes[at]
			if known[word] == "" {
				known[word] = string(words.Index(word).ByteArray())
			}
			do(i, known[word])
		}
	})
}

// pickNumbers calls do with the values of rows in a column of numbers.
func (g group) pickNumbers(name string, rows []int32, do func(i int, n int64)) error {
	return g.pick(name, rows, func(page parquet.Page) func(i, at int) {
		data := page.Data()
		numbers := data.Int64()
		return func(i, at int) { do(i, numbers[at]) }
	})
}

// fetch implements source.
func (s *segment) fetch(rows []int32, into []*pinfold.Record) error {
	return s.use(func(file *parquet.File) error {
		g := group{file.RowGroups()[0], file.Schema()}
		for k, name := range textColumns {
			if err := g.pickTexts(name, rows, func(i int, text string) { *texts(into[i])[k] = text }); err != nil {
				return err
			}
		}
		for k, name := range numberColumns {
			if err := g.pickNumbers(name, rows, func(i int, n int64) { *numbers(into[i])[k] = n }); err != nil {
				return err
			}
		}
		return errors.Join(
			g.pickNumbers("time", rows, func(i int, n int64) { into[i].Time = moment(n) }),
			g.pickNumbers("memory_mb", rows, func(i int, n int64) { into[i].MemoryMB = int(n) }),
			g.pickNumbers("peak_mb", rows, func(i int, n int64) { into[i].PeakMB = int(n) }),
			g.pickBytes("trace_id", rows, func(i int, id []byte) { copy(into[i].Trace[:], id) }),
			g.pickBytes("span_id", rows, func(i int, id []byte) { copy(into[i].Span[:], id) }),
			g.pickBytes("parent_id", rows, func(i int, id []byte) { copy(into[i].Parent[:], id) }),
		)
	}, parquet.SkipBloomFilters(true))
}
