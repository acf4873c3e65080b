package draw

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"pinfold.dev/pinfold"
)

// nodes numbers the nodes of edges in the order in which they come.
func nodes(edges []pinfold.CallEdge) (all []pinfold.CallNode, number map[pinfold.CallNode]int) {
	number = make(map[pinfold.CallNode]int)
	for _, e := range edges {
		for _, n := range []pinfold.CallNode{e.From, e.To} {
			if _, known := number[n]; !known {
				number[n] = len(all)
				all = append(all, n)
			}
		}
	}
	return all, number
}

// label says in a few lines what is remarkable about an edge.
func (e edge) label() (lines []string) {
	lines = append(lines, fmt.Sprintf("%d, %s/min", e.Calls, rate(e.PerMinute)), "p50 "+duration(e.P50)+", p99 "+duration(e.P99))
	if e.Via != "" && e.Via != "lambda.Invoke" {
		lines = append(lines, "by "+clean(e.Via))
	}
	if e.Errors > 0 {
		lines = append(lines, errors(&e.CallEdge)+" failed")
	}
	if e.Throttles > 0 {
		lines = append(lines, fmt.Sprint(e.Throttles, " throttled"))
	}
	if e.Cold > 0 {
		lines = append(lines, fmt.Sprint(e.Cold, " cold"))
	}
	return lines
}

// color is how an edge stands out, "" if it does not.
func (e edge) color() string {
	switch {
	case e.ErrorShare() >= failing:
		return "red"
	case e.Errors > 0 || e.P99 >= slow:
		return "orange"
	}
	return ""
}

type edge struct{ pinfold.CallEdge }

// mermaidText writes what Mermaid would take for its own or HTML's as entity codes.
// Source: "Entity codes to escape characters", Mermaid's documentation of flowcharts.
var mermaidText = strings.NewReplacer("#", "#35;", "&", "#38;", `"`, "#34;", "<", "#60;", ">", "#62;", "`", "#96;", `\`, "#92;")

// Mermaid writes who calls what as a Mermaid flowchart.
func Mermaid(w io.Writer, edges []pinfold.CallEdge) {
	out := bufio.NewWriter(w)
	defer out.Flush()
	fmt.Fprintln(out, "flowchart LR")
	all, number := nodes(edges)
	for i, n := range all {
		open, end := `(["`, `"])` // who calls from outside
		switch n.Kind {
		case pinfold.CallFunction:
			open, end = `["`, `"]`
		case pinfold.CallService:
			open, end = `[("`, `")]`
		}
		fmt.Fprintf(out, "  n%d%s%s%s\n", i, open, mermaidText.Replace(named(n)), end)
	}
	for i := range edges {
		e := edge{edges[i]}
		fmt.Fprintf(out, "  n%d -->|\"%s\"| n%d\n", number[e.From], strings.Join(escaped(e.label(), mermaidText), "<br/>"), number[e.To])
	}
	for i := range edges {
		if color := (edge{edges[i]}).color(); color != "" {
			fmt.Fprintf(out, "  linkStyle %d stroke:%s\n", i, color)
		}
	}
}

// dotText writes a text as Graphviz's quoted strings have it, where a backslash
// begins what labels say of themselves.
var dotText = strings.NewReplacer(`"`, `\"`, `\`, `\\`)

// DOT writes who calls what as a graph of Graphviz.
func DOT(w io.Writer, edges []pinfold.CallEdge) {
	out := bufio.NewWriter(w)
	defer out.Flush()
	fmt.Fprint(out, "digraph calls {\n  rankdir=LR\n  node [shape=box]\n")
	all, number := nodes(edges)
	for i, n := range all {
		shape := ` shape=ellipse`
		switch n.Kind {
		case pinfold.CallFunction:
			shape = ""
		case pinfold.CallService:
			shape = ` shape=cylinder`
		}
		fmt.Fprintf(out, "  n%d [label=\"%s\"%s]\n", i, dotText.Replace(named(n)), shape)
	}
	for i := range edges {
		e, color := edge{edges[i]}, ""
		if c := e.color(); c != "" {
			color = " color=" + c
		}
		fmt.Fprintf(out, "  n%d -> n%d [label=\"%s\"%s]\n", number[e.From], number[e.To], strings.Join(escaped(e.label(), dotText), `\n`), color)
	}
	fmt.Fprintln(out, "}")
}

func escaped(lines []string, how *strings.Replacer) []string {
	for i, line := range lines {
		lines[i] = how.Replace(line)
	}
	return lines
}
