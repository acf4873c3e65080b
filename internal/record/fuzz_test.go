package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"pinfold.dev/pinfold"
)

// FuzzJournal gives any bytes for a journal: what is good of it is found again
// without the rest.
func FuzzJournal(f *testing.F) {
	whole := appendFrames([]byte(journalMagic), numbered(0, 3))
	f.Add(whole)
	f.Add(appendFrames(whole, numbered(3, 2)))
	f.Add(whole[:len(whole)-5])
	f.Add(append(whole, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	f.Add([]byte(journalMagic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		read := func(data []byte) (records []pinfold.Record, good int64, err error) {
			good, err = readJournal(bytes.NewReader(data), func(r *pinfold.Record) { records = append(records, *r) })
			return records, good, err
		}
		all, good, err := read(data)
		if good < 0 || good > int64(len(data)) || err == nil && good != int64(len(data)) {
			t.Fatalf("%d bytes are good of %d, %v", good, len(data), err)
		}
		if good == 0 || errors.Is(err, errDamaged) { // a frame that is whole may be damaged in its middle
			return
		}
		again, _, err := read(data[:good])
		if err != nil || !slices.Equal(all, again) {
			t.Errorf("the good part of it has %d records, %v; want %d", len(again), err, len(all))
		}
	})
}

// FuzzRecords gives any bytes for records: they decode to what encodes to
// something that decodes to the same, or are an error.
func FuzzRecords(f *testing.F) {
	for _, r := range numbered(0, 2) {
		f.Add(appendRecord(nil, &r))
	}
	f.Add(binary.AppendUvarint(nil, 1<<63))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := decoder{rest: data, words: words{}}
		var once, again pinfold.Record
		if d.next(&once) != nil {
			return
		}
		d.rest = appendRecord(nil, &once)
		if err := d.next(&again); err != nil || once != again {
			t.Errorf("%+v came back as\n%+v, %v", once, again, err)
		}
		var read, put table
		read.empty(1)
		put.empty(1)
		put.put([]pinfold.Record{once})
		if err := read.add(appendRecord(nil, &once)); err != nil || !reflect.DeepEqual(read, put) {
			t.Errorf("%+v is %+v in the journal's table, %v; it was put in as\n%+v", once, read, err, put)
		}
	})
}

// FuzzSegmentName gives any name for a segment's.
func FuzzSegmentName(f *testing.F) {
	f.Add("00000041_20261121T202709.123456789Z_20261121T203012.000000000Z_32768_1a2b3c4d.parquet")
	f.Add("00000041_20261121T202709.123456789Z_20261121T203012.000000000Z_-1_1a2b3c4d.parquet")
	f.Add("____.parquet")
	f.Fuzz(func(t *testing.T, name string) {
		g, ok := parseSegment(name)
		if ok && (g.fileName() != name || g.rows <= 0 || g.rows > maxRows) {
			t.Errorf("%q is taken for %+v", name, g)
		}
	})
}

// FuzzSegment gives any bytes for a segment that has its checksum right, as
// somebody might who means harm: there is an error, no panic, and no end to
// memory or time.
func FuzzSegment(f *testing.F) {
	seal, err := newSealer()
	if err != nil {
		f.Fatal(err)
	}
	seal.table.empty(10)
	for _, r := range numbered(0, 10) {
		if err := seal.table.add(appendRecord(nil, &r)); err != nil {
			f.Fatal(err)
		}
	}
	data, err := seal.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, uint16(10))
	f.Add(data[:len(data)-9], uint16(10))
	f.Add(bytes.Replace(data, []byte("f1"), []byte("f9"), 1), uint16(10))
	f.Fuzz(func(t *testing.T, data []byte, rows uint16) {
		dir := t.TempDir()
		g := &segment{number: 1, max: nanos(noon.AddDate(1, 0, 0)), rows: int(rows), sum: castagnoli(data)}
		if err := os.WriteFile(filepath.Join(dir, g.fileName()), data, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, 0)
		for _, q := range []pinfold.RecordQuery{{}, {Slowest: true, Limit: 2}, {RequestID: "3"}, {Function: "f1", Cold: true}} {
			ids(t, s, q)
		}
	})
}
