package meter

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pinfold.dev/pinfold"
)

// ledger keeps what is final: a file for each month, with a line for each slot
// that was folded. A line is the CRC-32C of what follows in 8 hexadecimal digits,
// a space, and an entry as JSON.
//
// It is no database because it needs none: lines are appended once a day and read
// a month at a time, and one that is damaged costs no other.
type ledger struct{ dir string }

// entry is a line of the ledger. Only what was counted is in it: the rest of
// [Counts] follows from that.
type entry struct {
	ID string `json:"id"` // of the slot
	key
	Errors      uint64         `json:"errors,omitempty"`
	Cold        uint64         `json:"cold,omitempty"`
	BilledMS    uint64         `json:"billedMS"`
	Billed100MS uint64         `json:"billed100MS"`
	BytesOut    uint64         `json:"bytesOut,omitempty"`
	InitMicros  uint64         `json:"initMicros,omitempty"`
	CPUNanos    uint64         `json:"cpuNanos,omitempty"`
	PeakMB      int            `json:"peakMB"`
	Durations   map[int]uint64 `json:"durations"` // by bucket, without those that are empty
	Peaks       map[int]uint64 `json:"peaks"`
}

// maxLine is longer than any line.
const maxLine = 16 << 10

func newEntry(id [16]byte, k key, c *Counts) entry {
	return entry{
		ID: hex.EncodeToString(id[:]), key: k,
		Errors: c.Errors, Cold: c.Cold, BilledMS: c.BilledMS, Billed100MS: c.Billed100MS, BytesOut: c.BytesOut,
		InitMicros: uint64(c.Init / time.Microsecond), CPUNanos: uint64(c.CPU), PeakMB: c.PeakMB,
		Durations: sparse(c.Durations[:]), Peaks: sparse(c.Peaks[:]),
	}
}

func (e *entry) counts() Counts {
	c := Counts{
		Errors: e.Errors, Cold: e.Cold, BilledMS: e.BilledMS, Billed100MS: e.Billed100MS, BytesOut: e.BytesOut,
		Init: time.Duration(e.InitMicros) * time.Microsecond, CPU: time.Duration(e.CPUNanos), PeakMB: e.PeakMB,
	}
	dense(e.Durations, c.Durations[:])
	dense(e.Peaks, c.Peaks[:])
	c.derive(e.MemoryMB)
	return c
}

func sparse(buckets []uint64) map[int]uint64 {
	m := map[int]uint64{}
	for i, n := range buckets {
		if n > 0 {
			m[i] = n
		}
	}
	return m
}

func dense(m map[int]uint64, buckets []uint64) {
	for i, n := range m {
		if i >= 0 && i < len(buckets) {
			buckets[i] = n
		}
	}
}

// appendEntry appends the line of an entry.
func appendEntry(b []byte, e *entry) []byte {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // it has numbers and strings
	}
	b = fmt.Appendf(b, "%08x ", crc32.Checksum(text, castagnoli()))
	return append(append(b, text...), '\n')
}

// parseEntry reads a line, without its end.
func parseEntry(line []byte) (e entry, err error) {
	sum, text, _ := bytes.Cut(line, []byte(" "))
	if want := fmt.Sprintf("%08x", crc32.Checksum(text, castagnoli())); string(sum) != want {
		return e, pinfold.Errorf(pinfold.Internal, "its checksum is %s and not %.8q", want, sum)
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, pinfold.Errorf(pinfold.Internal, "%w", err)
	}
	if e.Day < 0 || e.Day > lastDay {
		return e, pinfold.Errorf(pinfold.Internal, "there is no day %d", int(e.Day))
	}
	return e, nil
}

func (l ledger) name(month string) string {
	return filepath.Join(l.dir, "usage-"+month+".jsonl")
}

// months returns those that there is something of, in order.
func (l ledger) months() ([]string, error) {
	months, err := namesIn(l.dir, "usage-", ".jsonl")
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "reading usage: %w", err)
	}
	return months, nil
}

// namesIn returns what stands between a beginning and an end in names of a folder, in
// order. The folder may have any name: to filepath.Glob some are patterns.
func namesIn(dir, begin, end string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		name, begins := strings.CutPrefix(entry.Name(), begin)
		if name, ends := strings.CutSuffix(name, end); begins && ends {
			names = append(names, name)
		}
	}
	return names, err
}

// entries reads a month. It ends with an error if a part cannot be read; the
// others come all the same, before it. A last line without an end is what an
// append that was interrupted left: it does not count.
func (l ledger) entries(month string) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		f, err := os.Open(l.name(month))
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(entry{}, pinfold.Errorf(pinfold.Unavailable, "reading usage: %w", err))
			return
		}
		defer f.Close()
		damaged, first := 0, ""
		r := bufio.NewReaderSize(f, maxLine)
		for n := 1; ; n++ {
			line, err := r.ReadSlice('\n')
			for errors.Is(err, bufio.ErrBufferFull) { // damaged; line is none any more
				_, err = r.ReadSlice('\n')
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				yield(entry{}, pinfold.Errorf(pinfold.Unavailable, "reading usage: %w", err))
				return
			}
			e, err := parseEntry(bytes.TrimSuffix(line, []byte("\n")))
			if err != nil {
				if damaged++; damaged == 1 {
					first = fmt.Sprintf("line %d: %v", n, err)
				}
				continue
			}
			if !yield(e, nil) {
				return
			}
		}
		if damaged > 0 {
			yield(entry{}, pinfold.Errorf(pinfold.Internal, "%d lines of %s are damaged, what they counted is not known; %s", damaged, l.name(month), first))
		}
	}
}

// append adds lines to a month. When it returns they survive a loss of power;
// when it fails there may be some of them.
func (l ledger) append(month string, lines []byte) error {
	f, err := os.OpenFile(l.name(month), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return pinfold.Errorf(pinfold.Unavailable, "keeping usage: %w", err)
	}
	defer f.Close()
	end, err := lineEnd(f)
	if err == nil {
		_, err = f.WriteAt(lines, end)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil && end == 0 {
		err = syncDir(l.dir)
	}
	if err != nil {
		return pinfold.Errorf(pinfold.Unavailable, "keeping usage: %w", err)
	}
	return f.Close()
}

// lineEnd cuts a line that was not finished, and returns where the next begins.
func lineEnd(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	tail := make([]byte, min(info.Size(), maxLine))
	from := info.Size() - int64(len(tail))
	if _, err := f.ReadAt(tail, from); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	end := from + int64(bytes.LastIndexByte(tail, '\n')) + 1
	return end, f.Truncate(end)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
