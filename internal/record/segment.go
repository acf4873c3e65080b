package record

import (
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parquet-go/parquet-go"

	"pinfold.dev/pinfold"
)

// row is a record as it is written to Parquet. Its fields are those of
// [pinfold.Record], so that one converts to the other, or the compiler says what
// is missing. It is the schema: what writes is in parquet.go, what reads in columns.go.
type row struct {
	Time        time.Time          `parquet:"time,timestamp(nanosecond),delta"`
	RequestID   string             `parquet:"request_id,zstd"`
	Trace       pinfold.TraceID    `parquet:"trace_id"`
	Span        pinfold.SpanID     `parquet:"span_id"`
	Parent      pinfold.SpanID     `parquet:"parent_id,zstd"`
	TraceState  string             `parquet:"-"`
	Service     string             `parquet:"service,dict,zstd"`
	Operation   string             `parquet:"operation,dict,zstd"`
	Function    string             `parquet:"function,dict,zstd"`
	Version     string             `parquet:"version,dict,zstd"`
	Alias       string             `parquet:"alias,dict,zstd"`
	Trigger     string             `parquet:"trigger,dict,zstd"`
	Source      string             `parquet:"source,dict,zstd"`
	Caller      string             `parquet:"caller,dict,zstd"`
	Status      string             `parquet:"status,dict,zstd"`
	ErrorType   string             `parquet:"error_type,dict,zstd"`
	Fingerprint string             `parquet:"fingerprint,dict,zstd"`
	Queue       time.Duration      `parquet:"queue_ns,delta"`
	Place       time.Duration      `parquet:"place_ns,delta"`
	Fetch       time.Duration      `parquet:"fetch_ns,delta"`
	Sandbox     time.Duration      `parquet:"sandbox_ns,delta"`
	Boot        time.Duration      `parquet:"boot_ns,delta"`
	Init        time.Duration      `parquet:"init_ns,delta"`
	Handler     time.Duration      `parquet:"handler_ns,delta"`
	Response    time.Duration      `parquet:"response_ns,delta"`
	Billed      time.Duration      `parquet:"billed_ns,delta"`
	MemoryMB    int                `parquet:"memory_mb,delta"`
	PeakMB      int                `parquet:"peak_mb,delta"`
	CPU         time.Duration      `parquet:"cpu_ns,delta"`
	BytesIn     int64              `parquet:"bytes_in,delta"`
	BytesOut    int64              `parquet:"bytes_out,delta"`
	CodeSize    int64              `parquet:"code_size,delta"`
	Cold        pinfold.ColdReason `parquet:"cold,dict,zstd"`
	Instance    string             `parquet:"instance,dict,zstd"`
}

// maxRows is how many rows a segment has at most.
const maxRows = 1 << 20

// segment is a sealed journal. All of it that changes is whether its checksum
// has been looked at.
type segment struct {
	path     string
	number   uint64 // of the journal that it was
	min, max int64  // times of its oldest and newest record
	rows     int
	sum      uint32 // CRC-32C of the file
	size     int64
	checked  atomic.Bool
}

// stamp is how times are written in names.
const stamp = "20060102T150405.000000000Z"

const segmentEnd = ".parquet"

func (s *segment) fileName() string {
	return fmt.Sprintf("%08d_%s_%s_%d_%08x%s", s.number, moment(s.min).Format(stamp), moment(s.max).Format(stamp), s.rows, s.sum, segmentEnd)
}

// parseSegment is the way back from fileName.
func parseSegment(name string) (*segment, bool) {
	parts := strings.Split(strings.TrimSuffix(name, segmentEnd), "_")
	if len(parts) != 5 {
		return nil, false
	}
	number, err1 := strconv.ParseUint(parts[0], 10, 64)
	from, err2 := time.Parse(stamp, parts[1])
	to, err3 := time.Parse(stamp, parts[2])
	rows, err4 := strconv.ParseInt(parts[3], 10, 32)
	sum, err5 := strconv.ParseUint(parts[4], 16, 32)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return nil, false
		}
	}
	s := &segment{number: number, min: nanos(from), max: nanos(to), rows: int(rows), sum: uint32(sum)}
	return s, s.fileName() == name && 0 < rows && rows <= maxRows
}

func (s *segment) name() string         { return filepath.Base(s.path) }
func (s *segment) span() (int64, int64) { return s.min, s.max }

// check reads all of a segment once and compares it with its checksum: what
// comes after may rely on its being what was written.
func (s *segment) check(f *os.File) error {
	if info, err := f.Stat(); err != nil {
		return err
	} else if info.Size() != s.size {
		return fmt.Errorf("it has %d bytes and should have %d", info.Size(), s.size)
	}
	if s.checked.Load() {
		return nil
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.CopyBuffer(sum, io.NewSectionReader(f, 0, s.size), make([]byte, 256<<10)); err != nil {
		return err
	}
	if sum.Sum32() != s.sum {
		return errDamaged
	}
	s.checked.Store(true)
	return nil
}

// use calls do with the opened file of a segment. What the library makes of a
// file that changed after it was checked may be a panic; it is an error here.
func (s *segment) use(do func(*parquet.File) error, options ...parquet.FileOption) (err error) {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := s.check(f); err != nil {
		return err
	}
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("it cannot be read: %v", problem)
		}
	}()
	file, err := parquet.OpenFile(f, s.size, options...)
	if err != nil {
		return err
	}
	if file.NumRows() != int64(s.rows) || len(file.RowGroups()) != 1 {
		return errDamaged
	}
	return do(file)
}
