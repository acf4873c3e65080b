package cli

import (
	"io"
	"os"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/fatih/color"
	"github.com/mattn/go-isatty"
	"golang.org/x/term"

	"pinfold.dev/pinfold"
)

// screen is a stream that a command writes to and that knows who reads it:
// colours, widths and progress are for people alone.
type screen struct {
	io.Writer
	terminal bool // a person looks at it
	colored  bool
	failed   *atomic.Pointer[error] // what went wrong with writing last; may be nil
}

// newScreen looks at a stream. NO_COLOR (https://no-color.org) and TERM=dumb
// switch colours off.
func newScreen(w io.Writer) screen {
	t := isTerminal(w)
	return screen{w, t, t && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", new(atomic.Pointer[error])}
}

// Write writes, and takes note if that fails: most who print do not look.
func (s screen) Write(b []byte) (int, error) {
	n, err := s.Writer.Write(b)
	if err != nil && s.failed != nil {
		s.failed.Store(&err)
	}
	return n, err
}

// failure returns an error if something could not be written.
func (s screen) failure() error {
	if s.failed == nil || s.failed.Load() == nil {
		return nil
	}
	return pinfold.Errorf(pinfold.Unavailable, "what was to be shown is not complete: %w", *s.failed.Load())
}

func (s screen) paint(text string, how ...color.Attribute) string {
	if !s.colored || text == "" {
		return text
	}
	c := color.New(how...)
	c.EnableColor()
	return c.Sprint(text)
}

func (s screen) bold(text string) string  { return s.paint(text, color.Bold) }
func (s screen) faint(text string) string { return s.paint(text, color.Faint) }
func (s screen) green(text string) string { return s.paint(text, color.FgGreen) }
func (s screen) amber(text string) string { return s.paint(text, color.FgYellow) }
func (s screen) red(text string) string   { return s.paint(text, color.FgRed) }

// width returns the terminal's width in columns, or 0 if it is none.
func (s screen) width() int {
	if f, ok := s.Writer.(*os.File); ok && s.terminal {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 0
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// align pads cells so that columns stand below each other, and returns the
// lines. Paint them afterwards: colours would count as width.
func align(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	lines := make([]string, len(rows))
	for r, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		lines[r] = line.String()
	}
	return lines
}

// table returns the lines of a table whose columns stand in the order of their
// worth: on a narrow terminal the last ones are left out.
func (s screen) table(rows [][]string) []string {
	for {
		lines := align(rows)
		if width := s.width(); width == 0 || len(rows) == 0 || len(rows[0]) == 1 || utf8.RuneCountInString(lines[0]) <= width {
			for i := range lines {
				lines[i] = strings.TrimRight(lines[i], " ")
			}
			return lines
		}
		for i := range rows {
			rows[i] = rows[i][:len(rows[i])-1]
		}
	}
}
