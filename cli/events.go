package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/client/draw"
)

func (sh *shell) events() *cobra.Command {
	most := 20
	cmd := &cobra.Command{
		Use:   "events FUNCTION",
		Short: "Show the events that wait for a function, and those that failed",
		Long: `Shows the events of FUNCTION's asynchronous invocations that have not ended:

  waiting  for their turn
  running
  delayed  until they are tried again
  sending  the function is done with them, their destination does not take the record
  failed   given up, and there was nowhere to send them; the last 100 are kept for 14 days

The oldest of each come first.`,
		Example: `  pinfold events my-app-dev-import
  pinfold events retry my-app-dev-import
  pinfold events --json my-app-dev-import | jq -r '.events[] | select(.state == "failed") | .id'`,
		Args:              one("FUNCTION", "`pinfold ls` shows them"),
		ValidArgsFunction: sh.completeFunction,
		RunE: func(cmd *cobra.Command, args []string) error {
			if most < 1 {
				return pinfold.Errorf(pinfold.Invalid, "-n %d is not a number of events", most)
			}
			c, err := sh.connect()
			if err != nil {
				return err
			}
			found, err := c.Events(cmd.Context(), args[0], most)
			if pinfold.CodeOf(err) == pinfold.NotFound {
				return didYouMean(cmd.Context(), c, args[0], err)
			}
			if err != nil {
				return err
			}
			if sh.json {
				return sh.printJSON(found)
			}
			sh.printEvents(found)
			return nil
		},
	}
	cmd.Flags().IntVarP(&most, "number", "n", most, "show `N` of each kind at most")
	cmd.AddCommand(sh.retryEvents(), sh.dropEvents())
	return sh.withServer(cmd)
}

func (sh *shell) retryEvents() *cobra.Command {
	return sh.withServer(&cobra.Command{
		Use:   "retry FUNCTION [ID...]",
		Short: "Try events now instead of later",
		Long: `Has events of FUNCTION tried now that wait for their time: those with the IDs, or all.
Those that failed begin once more, with all their attempts. What is running is left alone.`,
		Example:           "  pinfold events retry my-app-dev-import\n  pinfold events retry my-app-dev-import 8d5f6a0e-7d1c-4f0e-9d53-0f3b8b4c1d2e",
		Args:              functionAndIDs,
		ValidArgsFunction: sh.completeFunction,
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.onEvents(cmd, args, "tried now", (*client.Client).RetryEvents)
		},
	})
}

func (sh *shell) dropEvents() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "drop FUNCTION [ID...|--all]",
		Short: "Forget events",
		Long: `Forgets events of FUNCTION: those with the IDs, or all, failed ones too. What is running
runs to its end, and is not tried again.`,
		Example: "  pinfold events drop my-app-dev-import --all",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := functionAndIDs(cmd, args); err != nil {
				return err
			}
			if all == (len(args) > 1) {
				return errors.New("drop needs to know which events: write their IDs, or --all")
			}
			return nil
		},
		ValidArgsFunction: sh.completeFunction,
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.onEvents(cmd, args, "forgotten", (*client.Client).DropEvents)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all of them")
	return sh.withServer(cmd)
}

// functionAndIDs wants a function and takes ids of events.
func functionAndIDs(cmd *cobra.Command, args []string) error {
	if err := one("FUNCTION", "`pinfold ls` shows them")(cmd, args[:min(len(args), 1)]); err != nil {
		return err
	}
	return notEmpty(args)
}

// onEvents has something done with events of a function, and says with how many.
func (sh *shell) onEvents(cmd *cobra.Command, args []string, done string, do func(c *client.Client, ctx context.Context, function string, ids ...string) (int, error)) error {
	c, err := sh.connect()
	if err != nil {
		return err
	}
	n, err := do(c, cmd.Context(), args[0], args[1:]...)
	if pinfold.CodeOf(err) == pinfold.NotFound {
		return didYouMean(cmd.Context(), c, args[0], err)
	}
	if err != nil {
		return err
	}
	if sh.json {
		return sh.printJSON(map[string]int{"events": n})
	}
	fmt.Fprintf(sh.out, "%s %s\n", count(n, "event"), done)
	return nil
}

// maxEventError is how long the error of an event is in a list.
const maxEventError = 60

func (sh *shell) printEvents(e *pinfold.AsyncEvents) {
	now := time.Now()
	fmt.Fprintf(sh.out, "%s %d waiting, %d running, %d delayed, %d sending, %d failed\n", sh.out.bold(e.Function), e.Waiting, e.Running, e.Delayed, e.Sending, e.Failed)
	if p := e.Paused; p != nil {
		fmt.Fprintln(sh.out, sh.out.amber(pauseText(p, now)))
	}
	if len(e.Events) == 0 {
		return
	}
	rows := [][]string{{"SENT", "STATE", "ATTEMPTS", "NEXT", "ID", "VERSION", "SIZE", "ERROR"}}
	for _, v := range e.Events {
		next := "-"
		if !v.Next.IsZero() {
			next = ahead(v.Next, now)
		}
		what := v.Error
		if v.Condition != "" {
			what = v.Condition + ": " + v.Error
		}
		rows = append(rows, []string{
			ago(v.Sent, now), string(v.State), fmt.Sprint(v.Attempts), next, v.ID, cmp.Or(v.Qualifier, "-"), bytesText(int64(v.Bytes)),
			cmp.Or(draw.Clean(what, maxEventError), "-"),
		})
	}
	for i, line := range sh.out.table(rows) {
		switch {
		case i == 0:
			line = sh.out.faint(line)
		case e.Events[i-1].State == pinfold.AsyncFailed:
			line = sh.out.red(line)
		}
		fmt.Fprintln(sh.out, line)
	}
}

// ahead returns how far away a time is.
func ahead(t, now time.Time) string {
	d := t.Sub(now)
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("in %d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("in %d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("in %d h", int(d.Hours()))
	}
	return t.Local().Format(time.DateOnly)
}
