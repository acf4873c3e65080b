package logs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pinfold.dev/pinfold"
)

// journal is one function's log on disk: a folder of segments, 00000001.jsonl
// and on, of which the last one grows. Store.files guards it.
type journal struct {
	config Config
	ref    pinfold.FunctionRef // unqualified
	dir    string
	last   int   // number of the segment that grows; 0 until it is known
	size   int64 // its size
	lost   int   // lines that could not be written
}

func newJournal(c Config, ref pinfold.FunctionRef) *journal {
	return &journal{config: c, ref: ref, dir: filepath.Join(c.Dir, folderName(ref))}
}

// folderName is a name that every file system takes and tells apart, whatever
// the function is called: what is not a lower-case letter, digit, dash or
// underscore is written as %XX.
func folderName(ref pinfold.FunctionRef) string {
	escape := func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			if c := s[i]; 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02x", c)
			}
		}
		return b.String()
	}
	return escape(ref.Account) + "." + escape(ref.Region) + "." + escape(ref.Name)
}

// folderFunction is the way back from folderName.
func folderFunction(name string) (pinfold.FunctionRef, bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 3 {
		return pinfold.FunctionRef{}, false
	}
	for i, part := range parts {
		plain, err := url.PathUnescape(part)
		if err != nil {
			return pinfold.FunctionRef{}, false
		}
		parts[i] = plain
	}
	ref := pinfold.FunctionRef{Account: parts[0], Region: parts[1], Name: parts[2]}
	return ref, folderName(ref) == name
}

// append writes so many lines of this function, in order. If it fails, none of
// them is there, and the next that succeeds says how many are missing.
func (j *journal) append(text []byte, lines int) error {
	if j.lost > 0 {
		line := gap(j.ref, j.lost, "the disk did not take them")
		missing, _ := appendLine(nil, new(clock), &line)
		text = append(missing, text...)
	}
	if err := j.write(text); err != nil {
		j.lost += lines
		return fmt.Errorf("log of %s: %w", j.ref.Name, err)
	}
	j.lost = 0
	return nil
}

func (j *journal) write(data []byte) error {
	if j.last == 0 {
		if err := j.open(); err != nil {
			return err
		}
	}
	if j.size > 0 && j.size+int64(len(data)) > j.config.SegmentBytes {
		j.last, j.size = j.last+1, 0
		if err := j.prune(); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(j.segment(j.last), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrNotExist) { // somebody tidied the folder away
		if err = j.open(); err == nil {
			f, err = os.OpenFile(j.segment(j.last), os.O_APPEND|os.O_WRONLY, 0o600)
		}
	}
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err != nil {
		err = errors.Join(err, f.Truncate(j.size)) // no half lines
		j.last = 0                                 // and look again before going on
	}
	j.size += int64(len(data))
	return errors.Join(err, f.Close())
}

// open finds the segment to go on with, and takes away the piece of a line that
// a sudden end may have left at its end.
func (j *journal) open() error {
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		return err
	}
	numbers, err := j.segments()
	if err != nil {
		return err
	}
	last := 1
	if len(numbers) > 0 {
		last = numbers[len(numbers)-1]
	}
	f, err := os.OpenFile(j.segment(last), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := wholeLines(f)
	if err != nil {
		return err
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	j.last, j.size = last, size
	return nil
}

// wholeLines returns the offset behind the last line end in f.
func wholeLines(f *os.File) (int64, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	chunk := make([]byte, 4096)
	for end > 0 {
		n := min(end, int64(len(chunk)))
		if _, err := f.ReadAt(chunk[:n], end-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(chunk[:n], '\n'); i >= 0 {
			return end - n + int64(i) + 1, nil
		}
		end -= n
	}
	return 0, nil
}

// prune deletes the oldest segments until there is room for another.
func (j *journal) prune() error {
	numbers, err := j.segments()
	if err != nil {
		return err
	}
	total := j.config.SegmentBytes
	for i := len(numbers) - 1; i >= 0; i-- {
		info, err := os.Stat(j.segment(numbers[i]))
		if err != nil {
			return err
		}
		if total += info.Size(); total > j.config.KeepBytes {
			if err := os.Remove(j.segment(numbers[i])); err != nil {
				return err
			}
		}
	}
	return nil
}

// segments returns the numbers of the segments that are there, in order.
func (j *journal) segments() ([]int, error) {
	entries, err := os.ReadDir(j.dir) // sorted by name
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var numbers []int
	for _, entry := range entries {
		var n int
		if _, err := fmt.Sscanf(entry.Name(), "%08d.jsonl", &n); err == nil && filepath.Base(j.segment(n)) == entry.Name() {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

func (j *journal) segment(n int) string { return filepath.Join(j.dir, fmt.Sprintf("%08d.jsonl", n)) }

// extent is how much of a journal there was at one moment. It can be read while
// the journal goes on.
type extent struct {
	journal journal // a copy
	none    bool    // nothing was there
}

// extent returns what is there now. The caller holds Store.files.
func (j *journal) extent() (extent, error) {
	if j.last == 0 {
		numbers, err := j.segments()
		if err != nil || len(numbers) == 0 {
			return extent{none: true}, err
		}
		if err := j.open(); err != nil {
			return extent{none: true}, err
		}
	}
	return extent{journal: *j}, nil
}

// lines calls yield with the lines of an extent, in order, until that returns
// false. It leaves out segments that ended before since. Segments that are
// deleted meanwhile are the oldest, and are passed over.
func (e extent) lines(since time.Time, want func([]byte) bool, yield func(pinfold.LogLine) bool) error {
	if e.none {
		return nil
	}
	numbers, err := e.journal.segments()
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n > e.journal.last {
			break
		}
		more, err := e.segmentLines(n, since, want, yield)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (e extent) segmentLines(n int, since time.Time, want func([]byte) bool, yield func(pinfold.LogLine) bool) (more bool, err error) {
	f, err := os.Open(e.journal.segment(n))
	if err != nil {
		return true, err
	}
	defer f.Close()
	// The clock that stamps files is the one that stamps lines, but coarser.
	if info, err := f.Stat(); err == nil && info.ModTime().Add(time.Second).Before(since) {
		return true, nil
	}
	var r io.Reader = f
	if n == e.journal.last {
		r = io.LimitReader(f, e.journal.size)
	}
	return readLines(r, want, func(line pinfold.LogLine) bool {
		line.Function = e.journal.ref.With(line.Version)
		line.Name = e.journal.ref.Name
		return yield(line)
	})
}

// maxLine is the longest line that is read: a text of MaxText bytes, each
// escaped to six.
const maxLine = 6*MaxText + 4096

// readLines decodes lines of JSON from r. What is not one, such as the torn end
// of a segment that a crash left, is passed over. want says, of the bytes of a
// line, whether it may be of interest.
func readLines(r io.Reader, want func([]byte) bool, yield func(pinfold.LogLine) bool) (more bool, err error) {
	br := bufio.NewReaderSize(r, 64<<10)
	var long []byte // a line that does not fit the reader's buffer
	tooLong := false
	for {
		piece, err := br.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			if tooLong = tooLong || len(long)+len(piece) > maxLine; !tooLong {
				long = append(long, piece...)
			}
			continue
		}
		text := piece
		if len(long) > 0 {
			long = append(long, piece...)
			text = long
		}
		var line pinfold.LogLine
		if !tooLong && len(text) > 0 && want(text) && json.Unmarshal(text, &line) == nil && !line.Time.IsZero() {
			if !yield(line) {
				return false, nil
			}
		}
		long, tooLong = long[:0], false
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}
