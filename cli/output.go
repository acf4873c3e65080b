package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fatih/color"

	"pinfold.dev/pinfold/app"
)

var (
	bold  = color.New(color.Bold).SprintFunc()
	faint = color.New(color.Faint).SprintFunc()
	green = color.New(color.FgGreen).SprintFunc()
	amber = color.New(color.FgYellow).SprintFunc()
	red   = color.New(color.FgRed).SprintFunc()
)

// table prints rows in aligned columns, the first row being their heading.
// Colour codes count as width in tabwriter, so cells come plain and only whole
// lines are coloured.
func table(w io.Writer, heading []string, rows [][]string) {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(heading, "\t"))
	for _, row := range rows {
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	_ = tw.Flush()
}

// printPlan shows a plan, one line a change.
func (sh *shell) printPlan(plan *app.Plan) {
	fmt.Fprintf(sh.out, "%s %s\n", bold(plan.App+" ("+plan.Stage+")"), faint(summary(plan)))
	for _, c := range plan.Changes {
		paint := map[app.Op]func(...any) string{app.Add: green, app.Update: amber, app.Remove: red}[c.Op]
		line := fmt.Sprintf("  %s %-8s %s", c.Op, c.Kind, c.Name)
		if len(c.Detail) > 0 {
			line += "  (" + strings.Join(c.Detail, ", ") + ")"
		}
		fmt.Fprintln(sh.out, paint(line))
	}
	for _, u := range plan.Unserved {
		fmt.Fprintf(sh.out, "  %s\n", amber("not served yet: "+u.What+" ("+u.At.FileLine()+")"))
	}
}

func summary(plan *app.Plan) string {
	if len(plan.Changes) == 0 {
		return "nothing to change"
	}
	count := map[app.Op]int{}
	for _, c := range plan.Changes {
		count[c.Op]++
	}
	var parts []string
	for _, p := range []struct {
		op   app.Op
		word string
	}{{app.Add, "to add"}, {app.Update, "to change"}, {app.Remove, "to remove"}} {
		if n := count[p.op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, p.word))
		}
	}
	return strings.Join(parts, ", ")
}

// warn shows what a reader noticed, on the side channel.
func (sh *shell) warn(warnings []app.Warning) {
	for _, w := range warnings {
		at := ""
		if w.At.File != "" {
			at = w.At.FileLine() + ": "
		}
		fmt.Fprintf(sh.err, "%s %s%s\n", amber("warning:"), at, w.Message)
	}
}

// printDeployed shows what is there now and how to call it.
func (sh *shell) printDeployed(d *app.Deployed) {
	for _, r := range d.Routes {
		note := ""
		if r.Private {
			note = faint("  (x-api-key)")
		}
		fmt.Fprintf(sh.out, "  %-7s %s  %s%s\n", r.Method, r.URL, faint("-> "+r.Function), note)
	}
	for _, f := range d.Functions {
		if f.URL != "" {
			fmt.Fprintf(sh.out, "  %-7s %s  %s\n", "URL", f.URL, faint("-> "+f.Name))
		}
	}
	for _, k := range d.APIKeys {
		fmt.Fprintf(sh.out, "  key     %s  %s\n", k.Name, k.Value)
	}
	for _, o := range d.Outputs {
		fmt.Fprintf(sh.out, "  output  %s = %s\n", o.Name, o.Value)
	}
}

// curlLine suggests a first call: the first GET route without parameters, or
// else the first route.
func curlLine(d *app.Deployed) string {
	best := ""
	for _, r := range d.Routes {
		if strings.HasSuffix(r.URL, "$default") {
			continue
		}
		method := r.Method
		flag := ""
		if method != "GET" && method != "ANY" {
			flag = "-X " + method + " "
		}
		line := "curl " + flag + strings.NewReplacer("{proxy+}", "anything", "{", "", "+}", "", "}", "").Replace(r.URL)
		if best == "" || (flag == "" && !strings.Contains(r.Path, "{")) {
			best = line
			if flag == "" && !strings.Contains(r.Path, "{") {
				break
			}
		}
	}
	return best
}

func ago(t time.Time) string {
	d := time.Since(t)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return t.Format(time.DateOnly)
}
