package draw

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"pinfold.dev/pinfold"
)

// From where on an edge of a map stands out.
const (
	failing = 0.01        // the share of calls that fail
	slow    = time.Second // P99
)

// Inks paint texts for a terminal. None of them may be nil.
type Inks struct {
	Head, Caller   func(string) string // the line above all, and who calls
	Failing, Worry func(string) string // many calls fail; some do, or they are slow
}

// Plain paints nothing.
func Plain() Inks {
	same := func(s string) string { return s }
	return Inks{same, same, same, same}
}

// Map draws who calls what as a table by caller. On a narrow terminal the last
// columns are left out. Width 0 is any.
func Map(w io.Writer, edges []pinfold.CallEdge, width int, inks Inks) {
	out := bufio.NewWriter(w)
	defer out.Flush()
	rows := [][]string{{"CALLER", "CALLS", "ERRORS", "P50", "P99", "A MINUTE", "COLD", "THROTTLED"}}
	paint := []func(string) string{inks.Head}
	for i := range edges {
		e := &edges[i]
		if i == 0 || edges[i-1].From != e.From {
			rows, paint = append(rows, []string{named(e.From)}), append(paint, inks.Caller)
		}
		branch := "├─ "
		if i == len(edges)-1 || edges[i+1].From != e.From {
			branch = "└─ "
		}
		rows = append(rows, append([]string{branch + callee(e)}, figures(e)...))
		switch {
		case e.ErrorShare() >= failing:
			paint = append(paint, inks.Failing)
		case e.Errors > 0 || e.P99 >= slow:
			paint = append(paint, inks.Worry)
		default:
			paint = append(paint, func(s string) string { return s })
		}
	}
	for i, line := range table(rows, width) {
		fmt.Fprintln(out, paint[i](line))
	}
}

func figures(e *pinfold.CallEdge) []string {
	return []string{
		fmt.Sprint(e.Calls), errors(e), duration(e.P50), duration(e.P99), rate(e.PerMinute), some(e.Cold), some(e.Throttles),
	}
}

func errors(e *pinfold.CallEdge) string {
	if e.Errors == 0 {
		return "-"
	}
	return fmt.Sprintf("%d (%s)", e.Errors, percent(e.ErrorShare()))
}

func percent(share float64) string {
	if share < 0.001 {
		return "<0.1%"
	}
	return fmt.Sprintf("%.3g%%", 100*share)
}

func rate(perMinute float64) string {
	if perMinute < 0.01 {
		return "<0.01"
	}
	if perMinute < 99.5 { // "%.2g" of more is 1e+02
		return fmt.Sprintf("%.2g", perMinute)
	}
	return fmt.Sprintf("%.0f", perMinute)
}

func some(n uint64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// named names a node.
func named(n pinfold.CallNode) string {
	name := clean(n.Name)
	switch n.Kind {
	case pinfold.CallFunction, pinfold.CallService:
		return name
	case pinfold.CallHTTP:
		return "HTTP API " + name
	case pinfold.CallREST:
		return "REST API " + name
	case pinfold.CallURL:
		return "URL of " + name
	case pinfold.CallOther:
		return strings.TrimSpace("others " + name)
	}
	return strings.TrimSpace(clean(string(n.Kind)) + " " + name)
}

// callee names what is called, and how if that does not go without saying.
func callee(e *pinfold.CallEdge) string {
	if e.Via == "" || e.Via == "lambda.Invoke" {
		return named(e.To)
	}
	return named(e.To) + " by " + clean(e.Via)
}

// table makes columns of rows, numbers at the right. It leaves out the last ones
// that find no room.
func table(rows [][]string, width int) []string {
	var wide []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(wide) {
				wide = append(wide, 0)
			}
			wide[i] = max(wide[i], utf8.RuneCountInString(cell))
		}
	}
	columns, room := 1, cmp.Or(width, 1<<30)-wide[0]
	for columns < len(wide) && room >= wide[columns]+2 {
		room -= wide[columns] + 2
		columns++
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		line := pad(row[0], wide[0])
		for j := 1; j < min(columns, len(row)); j++ {
			line += fmt.Sprintf("  %*s", wide[j], row[j])
		}
		lines[i] = strings.TrimRight(line, " ")
	}
	return lines
}
