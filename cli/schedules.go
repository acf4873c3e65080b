package cli

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client/draw"
)

func (sh *shell) schedules() *cobra.Command {
	return sh.withServer(&cobra.Command{
		Use:   "schedules",
		Short: "Show the schedules: when they are due next, and how it went last",
		Long: `Shows every schedule of EventBridge Scheduler, and every rule of EventBridge that has
a schedule: what it is, when it is due next and to whom it sends, and what became of
its last event since the server started. An event that waits to be sent again counts
as unsent.`,
		Example: `  pinfold schedules
  pinfold schedules --json | jq -r '.[] | select(.enabled) | [.next, .name] | @tsv' | sort`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := sh.connect()
			if err != nil {
				return err
			}
			all, err := c.Schedules(cmd.Context())
			if err != nil {
				return err
			}
			if sh.json {
				return sh.printJSON(all)
			}
			sh.printSchedules(all, time.Now())
			return nil
		},
	})
}

func (sh *shell) printSchedules(all []pinfold.ScheduleStatus, now time.Time) {
	if len(all) == 0 {
		fmt.Fprintln(sh.out, "There are no schedules.")
		return
	}
	rows := [][]string{{"SCHEDULE", "EXPRESSION", "NEXT", "TARGET", "STATE", "LAST"}}
	for _, s := range all {
		name, next, state := s.Group+"/"+s.Name, "-", "enabled"
		if s.Kind == "rule" {
			name = "rule " + s.Name
		}
		if !s.Next.IsZero() {
			next = ahead(s.Next, now)
		}
		if !s.Enabled {
			state = "disabled"
		}
		if s.Unsent > 0 {
			state += fmt.Sprintf(", %d unsent", s.Unsent)
		}
		rows = append(rows, []string{name, strings.TrimSpace(s.Expression + " " + s.Zone), next, targetsCell(s.Targets), state, lastCell(s.Last, now)})
	}
	for i, line := range sh.out.table(rows) {
		switch {
		case i == 0:
			line = sh.out.faint(line)
		case all[i-1].Last != nil && all[i-1].Last.Error != "":
			line = sh.out.red(line)
		}
		fmt.Fprintln(sh.out, line)
	}
}

// targetsCell names targets by what is last in their ARNs.
func targetsCell(arns []string) string {
	var names []string
	for _, text := range arns {
		arn, _ := pinfold.ParseARN(text)
		names = append(names, cmp.Or(strings.TrimPrefix(arn.Resource, "function:"), text))
	}
	return cmp.Or(strings.Join(names, ", "), "-")
}

// maxScheduleError is how long the error of a schedule is in a list.
const maxScheduleError = 60

func lastCell(last *pinfold.ScheduleResult, now time.Time) string {
	switch {
	case last == nil:
		return "-"
	case last.Error == "":
		return "sent " + ago(last.At, now)
	}
	return "failed " + ago(last.At, now) + ": " + draw.Clean(last.Error, maxScheduleError)
}
