package record

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"pinfold.dev/pinfold"
)

// maxText is how much of a text is kept, in bytes. The longest that is meant to
// be there is an ARN.
const maxText = 2048

// How many texts and numbers a record has, and which of the texts after the
// first is the function.
const (
	textCount, numberCount = 14, 13
	functionColumn         = 2
)

// texts returns the fields of a record that are text, in the order of the journal.
func texts(r *pinfold.Record) [textCount]*string {
	return [...]*string{
		&r.RequestID, &r.Service, &r.Operation, &r.Function, &r.Version, &r.Alias, &r.Trigger, &r.Source, &r.Caller,
		&r.Status, &r.ErrorType, &r.Fingerprint, (*string)(&r.Cold), &r.Instance,
	}
}

// numbers returns the fields of a record that are numbers of 64 bits.
func numbers(r *pinfold.Record) [numberCount]*int64 {
	return [...]*int64{
		(*int64)(&r.Queue), (*int64)(&r.Place), (*int64)(&r.Fetch), (*int64)(&r.Sandbox), (*int64)(&r.Boot), (*int64)(&r.Init),
		(*int64)(&r.Handler), (*int64)(&r.Response), (*int64)(&r.Billed), (*int64)(&r.CPU), &r.BytesIn, &r.BytesOut, &r.CodeSize,
	}
}

// appendRecord appends a record as it stands in a journal.
func appendRecord(b []byte, r *pinfold.Record) []byte {
	b = binary.AppendVarint(b, nanos(r.Time))
	b = append(b, r.Trace[:]...)
	b = append(b, r.Span[:]...)
	b = append(b, r.Parent[:]...)
	for _, text := range texts(r) {
		text := cut(*text)
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	for _, n := range numbers(r) {
		b = binary.AppendVarint(b, *n)
	}
	b = binary.AppendVarint(b, int64(r.MemoryMB))
	return binary.AppendVarint(b, int64(r.PeakMB))
}

// cut returns what is kept of a text.
func cut(text string) string { return text[:min(len(text), maxText)] }

// decoder takes records off the front of what a journal holds.
type decoder struct {
	rest  []byte
	bad   bool
	words words
	last  [textCount]string // texts of the record before, which this one has again more often than not
}

var errNoRecord = errors.New("this is not a record")

// next decodes the next record into r.
func (d *decoder) next(r *pinfold.Record) error {
	r.Time = moment(d.number())
	copy(r.Trace[:], d.bytes(len(r.Trace)))
	copy(r.Span[:], d.bytes(len(r.Span)))
	copy(r.Parent[:], d.bytes(len(r.Parent)))
	for i, text := range texts(r) {
		switch piece := d.text(); {
		case i == 0:
			*text = string(piece) // the request: no other record has it
		case string(piece) == d.last[i]:
			*text = d.last[i]
		default:
			*text = d.words.of(piece)
			d.last[i] = *text
		}
	}
	for _, n := range numbers(r) {
		*n = d.number()
	}
	r.MemoryMB, r.PeakMB = int(d.number()), int(d.number())
	if d.bad {
		return errNoRecord
	}
	return nil
}

func (d *decoder) text() []byte {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > maxText {
		d.bad = true
		return nil
	}
	d.rest = d.rest[size:]
	return d.bytes(int(n))
}

func (d *decoder) number() int64 {
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.bad = true
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) bytes(n int) []byte {
	if n > len(d.rest) {
		d.bad = true
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// words keeps one copy of each text that many records have: names, versions,
// states.
type words map[string]string

// maxWords bounds how many are remembered.
const maxWords = 4096

func (w words) of(b []byte) string {
	if known, ok := w[string(b)]; ok {
		return known
	}
	word := string(b)
	if len(w) < maxWords {
		w[word] = word
	}
	return word
}

// nanos is a time as it is kept: nanoseconds since 1970, which reach from 1677
// to 2262. Times beyond are kept as the last one there.
func nanos(t time.Time) int64 {
	switch {
	case t.Before(moment(math.MinInt64)):
		return math.MinInt64
	case t.After(moment(math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

func moment(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }
