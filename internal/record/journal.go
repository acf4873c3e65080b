package record

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"

	"pinfold.dev/pinfold"
)

// journal is where records go first: a file that grows. After journalMagic it
// has frames: the length of the payload and its CRC-32C, four bytes each, lowest
// first, and the payload, which is whole records one after the other. Store.writing
// guards it, and Store.mu where it changes.
type journal struct {
	number   uint64
	path     string
	file     file
	size     int64 // of what is good
	rows     int
	min, max int64 // times of its oldest and newest record
}

// journalMagic begins a journal. Its last byte is the version of the form.
const journalMagic = "pinfrec\x01"

const (
	frameHead = 8
	fullFrame = 256 << 10 // a frame takes no more records from here on
	maxFrame  = 512 << 10 // no frame is longer
)

// file is what is needed of a file that is written; a test makes it fail.
type file interface {
	io.Writer
	io.WriterAt
	Sync() error
	Close() error
}

// createFile makes a file, or empties it.
func createFile(path string) (file, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
}

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// newJournal makes an empty journal.
func newJournal(path string, number uint64, create func(string) (file, error)) (*journal, error) {
	f, err := create(path)
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt([]byte(journalMagic), 0); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return &journal{number: number, path: path, file: f, size: int64(len(journalMagic)), min: math.MaxInt64, max: math.MinInt64}, nil
}

// recoverJournal opens a journal that is there, and cuts off what is not whole.
// It returns how many bytes that were which are not explained by a sudden end.
func recoverJournal(path string, number uint64) (j *journal, damaged int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	j = &journal{number: number, path: path, file: f, min: math.MaxInt64, max: math.MinInt64}
	good, reading := readJournal(f, func(r *pinfold.Record) { j.note(r) })
	if errors.Is(reading, errOtherForm) {
		return nil, 0, reading
	}
	if reading != nil && !errors.Is(reading, io.ErrUnexpectedEOF) {
		damaged = info.Size() - good
	}
	if good == 0 { // not even the beginning
		if _, err := f.WriteAt([]byte(journalMagic), 0); err != nil {
			return nil, 0, err
		}
		good = int64(len(journalMagic))
	}
	j.size = good
	return j, damaged, f.Truncate(good)
}

// note counts a record that the journal has.
func (j *journal) note(r *pinfold.Record) {
	at := nanos(r.Time)
	j.rows++
	j.min, j.max = min(j.min, at), max(j.max, at)
}

// appendFrames appends records in frames.
func appendFrames(b []byte, records []pinfold.Record) []byte {
	for i := 0; i < len(records); {
		head := len(b)
		b = append(b, make([]byte, frameHead)...)
		for ; i < len(records) && len(b)-head < fullFrame; i++ {
			b = appendRecord(b, &records[i])
		}
		payload := b[head+frameHead:]
		binary.LittleEndian.PutUint32(b[head:], uint32(len(payload)))
		binary.LittleEndian.PutUint32(b[head+4:], castagnoli(payload))
	}
	return b
}

var (
	errOtherForm = errors.New("it is of another version of Pinfold")
	errDamaged   = errors.New("it is damaged")
)

// readJournal calls each with the records of a journal, in order. The record is
// only lent. It returns how many bytes were good, and io.ErrUnexpectedEOF if
// there is half a frame after them.
func readJournal(r io.Reader, each func(*pinfold.Record)) (good int64, err error) {
	var record pinfold.Record
	d := decoder{words: words{}}
	return readFrames(r, func(payload []byte) error {
		for d.rest = payload; len(d.rest) > 0; {
			if err := d.next(&record); err != nil {
				return err
			}
			each(&record)
		}
		return nil
	})
}

// readFrames does what readJournal does with frames. Where each fails the journal
// is damaged.
func readFrames(r io.Reader, each func(payload []byte) error) (good int64, err error) {
	br := bufio.NewReaderSize(r, 64<<10)
	magic := make([]byte, len(journalMagic))
	if _, err := io.ReadFull(br, magic); err != nil {
		return 0, io.ErrUnexpectedEOF
	}
	if string(magic) != journalMagic {
		if bytes.HasPrefix(magic, []byte(journalMagic[:len(journalMagic)-1])) {
			return 0, errOtherForm
		}
		return 0, errDamaged
	}
	good = int64(len(magic))
	head := make([]byte, frameHead)
	var payload []byte
	for {
		if _, err := io.ReadFull(br, head); err != nil {
			if err == io.EOF {
				return good, nil
			}
			return good, err
		}
		n := binary.LittleEndian.Uint32(head)
		if n == 0 { // what a file system leaves that had not written it yet
			return good, io.ErrUnexpectedEOF
		}
		if n > maxFrame {
			return good, errDamaged
		}
		payload = append(payload[:0], make([]byte, n)...)
		if _, err := io.ReadFull(br, payload); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return good, err
		}
		if castagnoli(payload) != binary.LittleEndian.Uint32(head[4:]) {
			return good, errDamaged
		}
		if each(payload) != nil {
			return good, errDamaged
		}
		good += int64(frameHead + len(payload))
	}
}

// append writes records, all or none. buf is room for them.
func (j *journal) append(records []pinfold.Record, buf []byte) ([]byte, error) {
	buf = appendFrames(buf[:0], records)
	// After a failure, what is there of it is overwritten by the next.
	if _, err := j.file.WriteAt(buf, j.size); err != nil {
		return buf, err
	}
	return buf, nil
}

// tail is what a journal had at one moment: a source of queries.
type tail struct {
	path     string
	file     *os.File
	size     int64
	min, max int64
}

func (j *journal) tail() (*tail, error) {
	f, err := os.Open(j.path)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return &tail{j.path, f, j.size, j.min, j.max}, nil
}

func (t *tail) name() string         { return filepath.Base(t.path) }
func (t *tail) span() (int64, int64) { return t.min, t.max }

// read puts the records, of which there are so many, into a table: all or none.
func (t *tail) read(into *table, rows int) error {
	into.empty(rows)
	_, err := readFrames(io.NewSectionReader(t.file, 0, t.size), into.add)
	if err != nil {
		into.empty(0)
	}
	return err
}

func (t *tail) each(do func(row int32, r *pinfold.Record)) error {
	row := int32(-1)
	_, err := readJournal(io.NewSectionReader(t.file, 0, t.size), func(r *pinfold.Record) {
		row++
		do(row, r)
	})
	return err
}

// find implements source.
func (t *tail) find(m *match, found func(key int64, row int32)) error {
	return t.each(func(row int32, r *pinfold.Record) {
		if m.takes(r) {
			found(m.key(r), row)
		}
	})
}

// fetch implements source.
func (t *tail) fetch(rows []int32, into []*pinfold.Record) error {
	i := 0
	err := t.each(func(row int32, r *pinfold.Record) {
		if i < len(rows) && rows[i] == row {
			*into[i] = *r
			i++
		}
	})
	if i == len(rows) { // what is damaged comes after them
		return nil
	}
	return err
}
