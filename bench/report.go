//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// report is what RESULTS.md says.
type report struct {
	head    string
	figures []figure
	tables  []table
}

// figure is a line of the table of what is to be reached.
type figure struct{ name, target, measured, verdict string }

// table is one part's account of its own.
type table struct {
	title string
	note  string // what was measured, and how
	head  []string
	rows  [][]string
}

const (
	met     = "yes"
	missed  = "**no**"
	unknown = "not measured"
)

func verdict(ok bool) string {
	if ok {
		return met
	}
	return missed
}

func (r *report) figure(name, target, measured string, ok bool) {
	r.figures = append(r.figures, figure{name, target, measured, verdict(ok)})
}

// lacking is a figure that could not be taken.
func (r *report) lacking(name, target, why string) {
	r.figures = append(r.figures, figure{name, target, why, unknown})
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t table) print(w io.Writer) {
	if t.title != "" {
		fmt.Fprintf(w, "\n## %s\n\n", t.title)
	}
	if t.note != "" {
		fmt.Fprintf(w, "%s\n\n", t.note)
	}
	if len(t.head) == 0 {
		return
	}
	line := func(cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }
	rule := make([]string, len(t.head))
	for i := range rule {
		rule[i] = "---:"
	}
	rule[0] = "---"
	line(t.head)
	fmt.Fprintf(w, "|%s|\n", strings.Join(rule, "|"))
	for _, row := range t.rows {
		line(row)
	}
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "# Results of the last `make bench`\n\n%s\n\n", r.head)
	figures := table{head: []string{"figure", "target", "measured", "met"}}
	for _, f := range r.figures {
		figures.row(f.name, f.target, oneLine(f.measured), f.verdict)
	}
	figures.print(w)
	for _, t := range r.tables {
		t.print(w)
	}
}

// Between these lines of the file stands what was measured last. What stands
// below, such as what each change gave, is people's and stays.
const (
	begins = "<!-- written by make bench: what stands between these two lines is measured anew -->\n"
	ends   = "<!-- end of what make bench writes -->\n"
)

func (r *report) write(file string) error {
	var b bytes.Buffer
	r.print(&b)
	if _, err := os.Stdout.Write(b.Bytes()); err != nil || file == "" {
		return err
	}
	old, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(file, splice(old, b.Bytes()), 0o644)
}

// splice puts what was measured into the file's content. One without the lines
// is replaced as a whole.
func splice(old, measured []byte) []byte {
	before, rest, found := strings.Cut(string(old), begins)
	_, after, ended := strings.Cut(rest, ends)
	if !found || !ended {
		before, after = "", ""
	}
	return []byte(before + begins + string(measured) + ends + after)
}

// oneLine makes a text fit into a cell.
func oneLine(s string) string {
	s = strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", "/")
	if runes := []rune(s); len(runes) > 300 {
		s = string(runes[:300]) + " …"
	}
	return s
}

func ms(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

func perSecond(f float64) string { return fmt.Sprintf("%.0f/s", f) }
func times(f float64) string     { return fmt.Sprintf("%.2f x", f) }
func share(f float64) string     { return fmt.Sprintf("%.2f", f) }
func megabytes(n int64) string   { return fmt.Sprintf("%.1f MB", float64(n)/(1<<20)) }

func ratio(a, b time.Duration) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
