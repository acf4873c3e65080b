package logs

import (
	"bufio"
	"cmp"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/logs/segment"
)

// Earlier versions kept a folder of JSON lines for each function. What is found
// of it is converted when the store is opened.

// oldFolder is a function's log in the old form.
type oldFolder struct {
	dir string
	ref GroupRef // with the name of the function
}

func oldSegments(dir string) []string {
	files, _ := filepath.Glob(filepath.Join(globSafe(dir), "*.jsonl")) // in order; the pattern is good
	return files
}

// globSafe escapes what Glob takes for a pattern.
func globSafe(dir string) string {
	var b []byte
	for i := range len(dir) {
		if c := dir[i]; c == '*' || c == '?' || c == '[' {
			b = append(b, '\\')
		}
		b = append(b, dir[i])
	}
	return string(b)
}

func isOld(dir string) bool { return len(oldSegments(dir)) > 0 }

// convert moves a function's old log into its group, file by file: if this ends
// early, the next goes on, and at most the lines of one file are there twice.
func (s *Store) convert(o oldFolder) error {
	function := pinfold.FunctionRef{Account: o.ref.Account, Region: o.ref.Region, Name: o.ref.Name}
	g := s.group(GroupRef{o.ref.Account, o.ref.Region, functionGroup + o.ref.Name})
	for _, path := range oldSegments(o.dir) {
		if err := convertFile(g, function, path); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return os.Remove(o.dir)
}

func convertFile(g *group, function pinfold.FunctionRef, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var text []byte
	lines := 0
	flush := func() error {
		if lines == 0 {
			return nil
		}
		err := g.write(function, text, lines)
		text, lines = text[:0], 0
		return err
	}
	err = readLines(f, func(line pinfold.LogLine) error {
		if !keepable(line.Time) {
			return nil
		}
		origin := segment.NewOrigin(streamName(line.Time, line.Version, line.Instance), function.Name)
		text = segment.Append(text, origin, line.Time.UnixNano(), 0, line.RequestID, line.System, line.Text)
		if lines++; len(text) > 1<<20 {
			return flush()
		}
		return nil
	})
	return cmp.Or(err, flush())
}

// maxLine is the longest line that is read: a text of MaxText bytes, each
// escaped to six.
const maxLine = 6*MaxText + 4096

// readLines decodes lines of JSON from r. What is not one, such as the torn end
// of a segment that a crash left, is passed over.
func readLines(r io.Reader, yield func(pinfold.LogLine) error) error {
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
		if !tooLong && len(text) > 0 && json.Unmarshal(text, &line) == nil && !line.Time.IsZero() {
			if err := yield(line); err != nil {
				return err
			}
		}
		long, tooLong = long[:0], false
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
