package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/client"
)

func (sh *shell) list() *cobra.Command {
	return sh.withServer(&cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "Show the applications, what belongs to them, and the functions",
		Long: `Shows every application with the URLs of its routes, its queues and how many
messages they have, what leads from them to functions and how that goes, and its
schedules; and every function with the instances that it has now: starting, ready,
busy, frozen or draining. Settings of concurrency, what functions may reach, and the
events that wait for them are shown if one of them has any. A function that is
throttled or keeps failing gets no events but one now and then: what is paused for
that is named, with why, since when, and when it is tried again.`,
		Example: `  pinfold ls
  pinfold ls --json | jq -r '.functions[].name'`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := sh.connect()
			if err != nil {
				return err
			}
			apps, err := c.Apps(cmd.Context())
			if err != nil {
				return err
			}
			functions, err := c.Functions(cmd.Context())
			if err != nil {
				return err
			}
			mappings, err := c.Mappings(cmd.Context())
			if err != nil {
				return err
			}
			if sh.json {
				return sh.printJSON(map[string]any{"apps": apps, "functions": functions, "mappings": mappings})
			}
			sh.printOverview(apps, functions, mappings)
			return nil
		},
	})
}

func (sh *shell) printOverview(apps []app.Deployed, functions []client.FunctionStatus, mappings []pinfold.MappingStatus) {
	if len(apps) == 0 && len(functions) == 0 && len(mappings) == 0 {
		fmt.Fprintln(sh.out, "Nothing is deployed yet. `pinfold deploy DIR` puts an application here.")
		return
	}
	byUUID := map[string]pinfold.MappingStatus{}
	for _, m := range mappings {
		byUUID[m.UUID] = m
	}
	for _, a := range apps {
		fmt.Fprintln(sh.out, sh.out.bold(a.App+" ("+a.Stage+")"))
		sh.printDeployed(&a, byUUID)
	}
	if len(apps) > 0 {
		fmt.Fprintln(sh.out)
	}
	rows := [][]string{{"FUNCTION", "RUNTIME", "INSTANCES", "APPLICATION", "CHANGED", "MEMORY", "CODE"}}
	walled := slices.ContainsFunc(functions, func(f client.FunctionStatus) bool { return !isOpen(f.Network) })
	if walled {
		rows[0] = append(rows[0], "NETWORK")
	}
	limited := slices.ContainsFunc(functions, func(f client.FunctionStatus) bool { return concurrencyCell(f) != "-" })
	if limited {
		rows[0] = append(rows[0], "CONCURRENCY")
	}
	eventful := slices.ContainsFunc(functions, func(f client.FunctionStatus) bool { return eventsCell(f) != "-" })
	if eventful {
		rows[0] = append(rows[0], "EVENTS")
	}
	now := time.Now()
	for _, f := range functions {
		row := []string{
			f.Name, f.Runtime, instances(f.Instances), cmp.Or(f.App, "-"), ago(f.Modified, now),
			fmt.Sprintf("%d MB", f.MemoryMB), bytesText(f.CodeSize),
		}
		if walled {
			row = append(row, networkCell(f.Network))
		}
		if limited {
			row = append(row, concurrencyCell(f))
		}
		if eventful {
			row = append(row, eventsCell(f))
		}
		rows = append(rows, row)
	}
	for i, line := range sh.out.table(rows) {
		if i == 0 {
			line = sh.out.faint(line)
		}
		fmt.Fprintln(sh.out, line)
	}
	sh.printUnowned(apps, functions, mappings, now)
}

// printUnowned shows what is about events and stands nowhere else: mappings of no
// application, also of functions that there are not, and what keeps events from a function.
func (sh *shell) printUnowned(apps []app.Deployed, functions []client.FunctionStatus, mappings []pinfold.MappingStatus, now time.Time) {
	shown := map[string]bool{}
	for _, a := range apps {
		for _, m := range a.Mappings {
			shown[m.UUID] = true
		}
	}
	space := "\n"
	line := func(what, state string) {
		fmt.Fprintf(sh.out, "%s%s  %s\n", space, what, state)
		space = ""
	}
	for _, f := range functions {
		if f.Events != nil && f.Events.Paused != nil {
			line("events -> "+f.Name, sh.out.amber(pauseText(f.Events.Paused, now)))
		}
	}
	for _, m := range mappings {
		if !shown[m.UUID] {
			line(queueOf(m)+" -> "+m.Function, sh.mappingState(m, now))
		}
	}
}

func instances(byState map[string]int) string {
	var parts []string
	for state, n := range byState {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// eventsCell says how a function's asynchronous invocations are, and which of its
// queues wait, or "-".
func eventsCell(f client.FunctionStatus) string {
	var parts []string
	e := f.Events
	if e == nil {
		e = new(pinfold.AsyncStatus)
	}
	for _, part := range []struct {
		n    int
		what string
	}{{e.Waiting + e.Delayed, "wait"}, {e.Running, "run"}, {e.Sending, "not sent"}, {e.Failed, "failed"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	if e.Paused != nil {
		parts = append(parts, "paused")
	}
	for _, m := range f.Mappings {
		if m.Paused != nil {
			parts = append(parts, queueOf(m)+" paused")
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}

// concurrencyCell says what is set of a function's concurrency, or "-".
func concurrencyCell(f client.FunctionStatus) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if f.Concurrency > 1 {
		add("%d an instance", f.Concurrency)
	}
	if f.Reserved != nil {
		add("reserved %d", *f.Reserved)
	}
	if f.Queue != nil {
		add("queue %d for %v", f.Queue.Max, f.Queue.Wait.Duration())
	}
	for _, p := range f.Provisioned {
		failed := map[bool]string{true: " (failed)"}[p.Status == "FAILED"]
		add("%s %d of %d ready%s", p.Qualifier, p.Available, p.Requested, failed)
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}
