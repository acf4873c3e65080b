package cli

import (
	"fmt"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/client/draw"
)

// printPlan shows a plan, one line a change.
func (sh *shell) printPlan(plan *app.Plan) {
	fmt.Fprintf(sh.out, "%s %s\n", sh.out.bold(plan.App+" ("+plan.Stage+")"), sh.out.faint(summary(plan)))
	rows := make([][]string, len(plan.Changes))
	for i, c := range plan.Changes {
		rows[i] = []string{string(c.Op) + " " + c.Kind, c.Name, strings.Join(c.Detail, ", ")}
	}
	for i, line := range align(rows) {
		paint := sh.out.green
		switch plan.Changes[i].Op {
		case app.Update:
			paint = sh.out.amber
		case app.Replace, app.Remove:
			paint = sh.out.red
		}
		fmt.Fprintln(sh.out, paint("  "+strings.TrimRight(line, " ")))
	}
	for _, loss := range plan.Losses {
		fmt.Fprintf(sh.out, "  %s\n", sh.out.red("would be lost: "+loss))
	}
	for _, u := range plan.Unserved {
		fmt.Fprintf(sh.out, "  %s\n", sh.out.amber("not served yet: "+u.What+" ("+u.At.FileLine()+")"))
	}
}

func summary(plan *app.Plan) string {
	if len(plan.Changes) == 0 {
		return "nothing to change"
	}
	number := map[app.Op]int{}
	for _, c := range plan.Changes {
		number[c.Op]++
	}
	var parts []string
	for _, p := range []struct {
		op   app.Op
		word string
	}{{app.Add, "to add"}, {app.Update, "to change"}, {app.Replace, "to replace"}, {app.Remove, "to remove"}} {
		if n := number[p.op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, p.word))
		}
	}
	return strings.Join(parts, ", ")
}

// warn shows what a reader noticed, on the side channel.
func (sh *shell) warn(warnings []app.Warning) {
	for _, w := range warnings {
		if sh.json {
			writeJSON(sh.err, map[string]any{"warning": place(w.At, w.Message)})
			continue
		}
		at := ""
		if w.At.File != "" {
			at = w.At.FileLine() + ": "
		}
		fmt.Fprintf(sh.err, "%s %s%s\n", sh.err.amber("warning:"), at, w.Message)
	}
}

// printDeployed shows what is there now and how to call it. mappings say, by UUID, how
// those that it has are, as far as that is known.
func (sh *shell) printDeployed(d *app.Deployed, mappings map[string]pinfold.MappingStatus) {
	var rows [][]string
	var notes []string
	add := func(note string, cells ...string) {
		rows, notes = append(rows, cells), append(notes, sh.out.faint(note))
	}
	now := time.Now()
	for _, r := range d.Routes {
		note := "-> " + r.Function
		if r.Private {
			note += "  (needs x-api-key)"
		}
		add(note, r.Method, r.URL)
	}
	for _, f := range d.Functions {
		if f.URL != "" {
			add("-> "+f.Name, "URL", f.URL)
		}
	}
	for _, q := range d.Queues {
		add(queueState(q), "queue", q.URL)
	}
	for _, m := range d.Mappings {
		s, known := mappings[m.UUID]
		if !known {
			s = pinfold.MappingStatus{UUID: m.UUID, Source: m.Source, Function: m.Function, State: m.State, Result: m.Result}
		}
		add("", "mapping", queueOf(s)+" -> "+s.Function)
		notes[len(notes)-1] = sh.mappingState(s, now)
	}
	for _, s := range d.Schedules {
		add(scheduleState(s), "schedule", s.Name)
	}
	for _, k := range d.APIKeys {
		add(k.Name, "API key", k.Value)
	}
	for _, o := range d.Outputs {
		add("", "output", o.Name+" = "+o.Value)
	}
	for i, line := range align(rows) {
		fmt.Fprintln(sh.out, strings.TrimRight("  "+line+"  "+notes[i], " "))
	}
}

func queueState(q app.DeployedQueue) string {
	state := count(q.Visible, "message")
	if q.InFlight > 0 {
		state += fmt.Sprintf(", %d in flight", q.InFlight)
	}
	if q.Delayed > 0 {
		state += fmt.Sprintf(", %d delayed", q.Delayed)
	}
	return state
}

// queueOf returns the name of the queue that a mapping leads from.
func queueOf(m pinfold.MappingStatus) string {
	return m.Source[strings.LastIndex(m.Source, ":")+1:]
}

// mappingState says how a mapping is, plainly if it is paused.
func (sh *shell) mappingState(m pinfold.MappingStatus, now time.Time) string {
	state := m.State
	if m.InFlight > 0 {
		state += ", " + count(m.InFlight, "batch") + " in flight"
	}
	switch {
	case m.Paused != nil:
		return sh.out.amber(state + ", " + pauseText(m.Paused, now))
	case m.Result != "" && m.Result != "OK":
		state += ": " + m.Result
	}
	return sh.out.faint(state)
}

// pauseText says since when and why there is a pause, and when it is tried to end it.
func pauseText(p *pinfold.EventPause, now time.Time) string {
	next := "being tried again"
	if !p.Next.IsZero() {
		next = "tried again " + ahead(p.Next, now)
	}
	return fmt.Sprintf("paused since %s, %s: %s", ago(p.Since, now), next, draw.Clean(p.Error, maxEventError))
}

func scheduleState(s app.DeployedSchedule) string {
	state := strings.TrimSpace(s.Expression + " " + s.Zone)
	if len(s.Targets) > 0 {
		state += " -> " + strings.Join(s.Targets, ", ")
	}
	if !s.Enabled {
		state += "  (disabled)"
	}
	return state
}

// count returns "1 route" or "2 routes".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "ch") {
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// bytesText returns a size as people read it.
func bytesText(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1000/1000)
}

func ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return t.Format(time.DateOnly)
}
