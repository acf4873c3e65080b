// Package draw draws records of invocations for a terminal. It stands beside the
// client, which fetches them, and knows neither it nor a server.
package draw

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"pinfold.dev/pinfold"
)

// The kinds of time that bars are made of.
const (
	waiting  = '░' // for an instance to be free or allowed
	starting = '▒' // a cold start
	running  = '█'
	idling   = '·' // the platform is busy, or the caller is
)

// How wide a terminal is drawn for.
const (
	minWidth = 60
	maxWidth = 400
)

// phase is a part of an invocation's time.
type phase struct {
	name string
	took time.Duration
	kind rune
}

func phases(r *pinfold.Record) []phase {
	return []phase{
		{"queue", r.Queue, waiting}, {"place", r.Place, idling},
		{"fetch", r.Fetch, starting}, {"sandbox", r.Sandbox, starting}, {"boot", r.Boot, starting}, {"init", r.Init, starting},
		{"handler", r.Handler, running}, {"response", r.Response, idling},
	}
}

// total is how long an invocation took for its caller, or a call.
func total(r *pinfold.Record) (d time.Duration) {
	for _, p := range phases(r) {
		d += p.took
	}
	return d
}

// Phases draws where the time of one invocation went, and what it used.
func Phases(w io.Writer, r pinfold.Record, width int) {
	out := bufio.NewWriter(w)
	defer out.Flush()
	whole := total(&r)
	fmt.Fprintf(out, "%s  %s%s\n", label(&r), duration(whole), marks(&r))
	fmt.Fprintf(out, "request %s  trace %s  %s\n\n", clean(r.RequestID), hex.EncodeToString(r.Trace[:]), r.Time.UTC().Format("2006-01-02 15:04:05.000"))

	const left = len("  response  1000.0 ms  ")
	scale := scale{whole: whole, cells: min(max(width, minWidth), maxWidth) - left}
	var from time.Duration
	for _, p := range phases(&r) {
		if p.took > 0 {
			row := scale.row()
			scale.fill(row, from, p.took, p.kind)
			fmt.Fprintf(out, "  %-8s  %9s  %s\n", p.name, duration(p.took), strings.TrimRight(string(row), " "))
		}
		from += p.took
	}
	if r.Instance == "" {
		return
	}
	fmt.Fprintf(out, "\nbilled %s   memory %d of %d MB   processor %s   in %s   out %s   code %s\n",
		duration(r.Billed), r.PeakMB, r.MemoryMB, duration(r.CPU), size(r.BytesIn), size(r.BytesOut), size(r.CodeSize))
}

// Waterfall draws a trace: what caused what, each with a bar to one scale. Records
// may come in any order; those whose cause is not among them stand at the left.
func Waterfall(w io.Writer, records []pinfold.Record, width int) {
	out := bufio.NewWriter(w)
	defer out.Flush()
	if len(records) == 0 {
		fmt.Fprintln(out, "no records")
		return
	}
	rows := tree(records)
	first, last := records[0].Time, records[0].Time
	invocations, wide := 0, 0
	for _, row := range rows {
		if row.Service == "" {
			invocations++
		}
		if row.Time.Before(first) {
			first = row.Time
		}
		if end := row.Time.Add(total(row.Record)); end.After(last) {
			last = end
		}
		wide = max(wide, utf8.RuneCountInString(row.branch+label(row.Record)))
	}
	width = min(max(width, minWidth), maxWidth)
	wide = min(wide, width*2/5)
	fmt.Fprintf(out, "trace %s  %s  %s, %s\n\n", hex.EncodeToString(records[0].Trace[:]), duration(last.Sub(first)),
		count(invocations, "invocation"), count(len(records)-invocations, "call"))

	tail := 0
	for _, row := range rows {
		tail = max(tail, utf8.RuneCountInString(marks(row.Record)))
	}
	tail = min(tail, width/3)
	scale := scale{whole: last.Sub(first), cells: max(10, width-wide-tail-len("  1000.0 ms  "))}
	for _, row := range rows {
		bar := scale.row()
		at := row.Time.Sub(first)
		for _, p := range phases(row.Record) {
			scale.fill(bar, at, p.took, p.kind)
			at += p.took
		}
		line := fmt.Sprintf("%s  %9s  %s%s", pad(row.branch+label(row.Record), wide), duration(total(row.Record)), string(bar), pad(marks(row.Record), tail))
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
	fmt.Fprintf(out, "\n%c waiting  %c cold start  %c running  %c the platform\n", waiting, starting, running, idling)
}

// row is a record with what is drawn of the tree before it.
type row struct {
	*pinfold.Record
	branch string
}

// tree puts records below what caused them, each by its time. Every record comes
// once, whatever they say of each other.
func tree(records []pinfold.Record) []row {
	order := make([]*pinfold.Record, len(records))
	known := make(map[pinfold.SpanID]bool, len(records))
	for i := range records {
		order[i] = &records[i]
		known[records[i].Span] = true
	}
	slices.SortStableFunc(order, func(a, b *pinfold.Record) int { return a.Time.Compare(b.Time) })
	below := make(map[pinfold.SpanID][]*pinfold.Record)
	var roots []*pinfold.Record
	for _, r := range order {
		if known[r.Parent] && r.Parent != r.Span {
			below[r.Parent] = append(below[r.Parent], r)
		} else {
			roots = append(roots, r)
		}
	}
	rows := make([]row, 0, len(records))
	drawn := make(map[*pinfold.Record]bool, len(records))
	var draw func(r *pinfold.Record, branch, indent string)
	draw = func(r *pinfold.Record, branch, indent string) {
		if drawn[r] {
			return
		}
		drawn[r] = true
		rows = append(rows, row{r, branch})
		children := below[r.Span]
		delete(below, r.Span) // of several with one id, the first has them all
		for i, child := range children {
			switch {
			case len(indent) > 200: // it would not be seen
				draw(child, indent, indent)
			case i < len(children)-1:
				draw(child, indent+"├─ ", indent+"│  ")
			default:
				draw(child, indent+"└─ ", indent+"   ")
			}
		}
	}
	for _, r := range append(roots, order...) { // those in a circle have no root
		draw(r, "", "")
	}
	return rows
}

// scale maps time to the cells of a bar.
type scale struct {
	whole time.Duration
	cells int
}

func (s scale) row() []rune { return slices.Repeat([]rune{' '}, s.cells) }

// fill draws a part of a bar. What is too short for a cell gets one, if that is
// free or the part is the function itself.
func (s scale) fill(row []rune, from, took time.Duration, kind rune) {
	if took <= 0 {
		return
	}
	a, b := min(s.cell(from), s.cells-1), s.cell(from+took)
	if b <= a {
		if row[a] != ' ' && kind != running {
			return
		}
		b = a + 1
	}
	for i := a; i < b; i++ {
		row[i] = kind
	}
}

// cell is where on the scale a time is, 0 to cells.
func (s scale) cell(at time.Duration) int {
	if at <= 0 || s.whole <= 0 {
		return 0
	}
	return int(min(1, float64(at)/float64(s.whole)) * float64(s.cells))
}

// label names a record.
func label(r *pinfold.Record) string {
	if r.Service != "" {
		return clean(r.Service + "." + r.Operation)
	}
	switch {
	case r.Alias != "":
		return clean(r.Function + ":" + r.Alias)
	case r.Version != "" && r.Version != pinfold.LatestVersion:
		return clean(r.Function + ":" + r.Version)
	}
	return clean(r.Function)
}

// marks are what is remarkable about a record.
func marks(r *pinfold.Record) string {
	s := ""
	if r.Cold != pinfold.Warm {
		s += "  cold: " + clean(string(r.Cold))
	}
	if r.Status != "ok" && r.Status != "" {
		s += "  " + clean(r.Status)
		if r.ErrorType != "" && !strings.EqualFold(r.ErrorType, r.Status) {
			s += ": " + clean(r.ErrorType)
		}
	}
	return s
}

// clean is Clean for what has a line almost to itself.
func clean(s string) string { return Clean(s, 60) }

// Clean takes out what would move a terminal's cursor, and cuts what has more than
// so many characters: types of errors are the function's to choose.
func Clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s[:min(len(s), 4*most)])
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

// pad makes s as wide as n.
func pad(s string, n int) string {
	runes := []rune(s)
	if len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s + strings.Repeat(" ", n-len(runes))
}

// duration is a duration for people, in nine characters at most.
func duration(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d < 1000*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}

func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
