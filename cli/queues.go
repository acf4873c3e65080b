package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/client/draw"
)

func (sh *shell) queue() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "Look into queues, send to them, redrive and purge them",
		Long: `Looks into the queues that SQS serves, and does to them what is tedious with a client.
A QUEUE is a name, an ARN or a URL.`,
	}
	cmd.AddCommand(sh.listQueues(), sh.peekQueue(), sh.sendToQueue(), sh.redriveQueue(), sh.purgeQueue())
	return cmd
}

// queueHint says where to find what to write.
const queueHint = "`pinfold queue ls` shows them"

func (sh *shell) listQueues() *cobra.Command {
	return sh.withServer(&cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "Show the queues and how many messages they have",
		Example: `  pinfold queue ls
  pinfold queue ls --json | jq -r '.[] | select(.visible > 100) | .name'`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := sh.connect()
			if err != nil {
				return err
			}
			all, err := c.Queues(cmd.Context())
			if err != nil {
				return err
			}
			if sh.json {
				return sh.printJSON(all)
			}
			sh.printQueues(all, time.Now())
			return nil
		},
	})
}

func (sh *shell) printQueues(all []pinfold.QueueStatus, now time.Time) {
	if len(all) == 0 {
		fmt.Fprintln(sh.out, "There are no queues.")
		return
	}
	rows := [][]string{{"QUEUE", "VISIBLE", "IN FLIGHT", "DELAYED", "OLDEST", "DEAD LETTERS", "REDRIVE"}}
	for _, q := range all {
		oldest, dead, move := "-", cmp.Or(q.DeadLetter, "-"), "-"
		if !q.Oldest.IsZero() {
			oldest = ago(q.Oldest, now)
		}
		if len(q.Sources) > 0 {
			dead = "of " + strings.Join(q.Sources, ", ")
		}
		if m := q.Move; m != nil {
			move = fmt.Sprintf("%s, %d of %d", strings.ToLower(m.Status), m.Moved, m.ToMove)
			if m.Failure != "" {
				move += ": " + m.Failure
			}
		}
		rows = append(rows, []string{q.Name, fmt.Sprint(q.Visible), fmt.Sprint(q.InFlight), fmt.Sprint(q.Delayed), oldest, dead, move})
	}
	for i, line := range sh.out.table(rows) {
		switch {
		case i == 0:
			line = sh.out.faint(line)
		case len(all[i-1].Sources) > 0 && all[i-1].Visible+all[i-1].InFlight > 0:
			line = sh.out.amber(line)
		}
		fmt.Fprintln(sh.out, line)
	}
}

func (sh *shell) peekQueue() *cobra.Command {
	most := 10
	cmd := &cobra.Command{
		Use:   "peek QUEUE",
		Short: "Show the oldest messages without receiving them",
		Long: `Shows the oldest messages of QUEUE as they are, those that are delayed or in flight,
too. Nobody notices: they are not received by it.`,
		Example: `  pinfold queue peek jobs -n 3
  pinfold queue peek jobs --json | jq -r '.[].body'`,
		Args:              one("QUEUE", queueHint),
		ValidArgsFunction: sh.completeQueue,
		RunE: func(cmd *cobra.Command, args []string) error {
			if most < 1 {
				return pinfold.Errorf(pinfold.Invalid, "-n %d is not a number of messages", most)
			}
			c, err := sh.connect()
			if err != nil {
				return err
			}
			all, err := c.Messages(cmd.Context(), args[0], most)
			switch {
			case err != nil:
				return meantQueue(cmd.Context(), c, args[0], err)
			case sh.json:
				return sh.printJSON(all)
			}
			sh.printMessages(all, time.Now())
			return nil
		},
	}
	cmd.Flags().IntVarP(&most, "number", "n", most, "show `N` messages at most")
	return sh.withServer(cmd)
}

// maxPeeked is how much of a body is shown in a line.
const maxPeeked = 100

func (sh *shell) printMessages(all []pinfold.QueueMessage, now time.Time) {
	if len(all) == 0 {
		sh.note("no messages")
		return
	}
	rows := [][]string{{"SENT", "STATE", "RECEIVES", "GROUP", "ID", "BODY"}}
	for _, m := range all {
		state := m.State
		if !m.Due.IsZero() {
			state += ", visible " + ahead(m.Due, now)
		}
		rows = append(rows, []string{ago(m.Sent, now), state, fmt.Sprint(m.Receives), cmp.Or(m.Group, "-"), m.ID, draw.Clean(m.Body, maxPeeked)})
	}
	for i, line := range sh.out.table(rows) {
		if i == 0 {
			line = sh.out.faint(line)
		}
		fmt.Fprintln(sh.out, line)
	}
}

func (sh *shell) sendToQueue() *cobra.Command {
	var m pinfold.QueueMessage
	var delay int
	cmd := &cobra.Command{
		Use:   "send QUEUE BODY",
		Short: "Send a message",
		Long: `Sends a message to QUEUE and prints its id. BODY is any text, @FILE what is in a file, and
- what comes on standard input.`,
		Example: `  pinfold queue send jobs '{"work": 1}'
  pinfold queue send orders.fifo @order.json --group customer-7`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return fmt.Errorf("send needs a body, too: a text, @FILE, or - for standard input")
			}
			return one("QUEUE", queueHint)(cmd, slices.Concat(args[:min(len(args), 1)], args[min(len(args), 2):]))
		},
		ValidArgsFunction: sh.completeQueue,
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := sh.readText(args[1])
			if err != nil {
				return pinfold.Errorf(pinfold.Invalid, "reading the body: %w", err)
			}
			m.Body = string(body)
			if cmd.Flags().Changed("delay") {
				m.Delay = new(pinfold.Seconds(delay))
			}
			c, err := sh.connect()
			if err != nil {
				return err
			}
			id, err := c.SendMessage(cmd.Context(), args[0], m)
			switch {
			case err != nil:
				return meantQueue(cmd.Context(), c, args[0], err)
			case sh.json:
				return sh.printJSON(map[string]string{"id": id})
			}
			fmt.Fprintln(sh.out, id)
			return nil
		},
	}
	cmd.Flags().StringVarP(&m.Group, "group", "g", "", "message `group`, which a FIFO queue needs")
	cmd.Flags().StringVar(&m.Dedup, "dedup", "", "deduplication `id`, of a FIFO queue")
	cmd.Flags().IntVar(&delay, "delay", 0, "`seconds` until it is visible (default what the queue says)")
	cmd.Flags().StringToStringVarP(&m.Attributes, "attribute", "a", nil, "message attribute `NAME=TEXT`; may be given again")
	return sh.withServer(cmd)
}

func (sh *shell) redriveQueue() *cobra.Command {
	var to string
	var rate int
	cmd := &cobra.Command{
		Use:   "redrive QUEUE",
		Short: "Move the messages of a dead-letter queue back to where they came from",
		Long: `Has the messages of QUEUE, a dead-letter queue, moved back to the queues that they came
from, or with --to to another one. It goes on by itself; "pinfold queue ls" shows how far it is.`,
		Example: `  pinfold queue redrive jobs-dead
  pinfold queue redrive jobs-dead --to jobs --rate 10`,
		Args:              one("QUEUE", queueHint),
		ValidArgsFunction: sh.completeQueue,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := sh.connect()
			if err != nil {
				return err
			}
			if err := c.Redrive(cmd.Context(), args[0], to, rate); err != nil {
				return meantQueue(cmd.Context(), c, args[0], err)
			}
			if sh.json {
				return sh.printJSON(map[string]any{"queue": args[0], "to": to, "rate": rate})
			}
			fmt.Fprintf(sh.out, "messages of %s are being moved to %s\n", args[0], cmp.Or(to, "where they came from"))
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the `queue` that they go to")
	cmd.Flags().IntVar(&rate, "rate", 0, "at most `N` messages a second, up to 500 (0 is as fast as it goes)")
	return sh.withServer(cmd)
}

func (sh *shell) purgeQueue() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:               "purge QUEUE",
		Short:             "Remove all messages",
		Long:              `Removes all messages of QUEUE for good, those in flight, too.`,
		Example:           "  pinfold queue purge jobs-dead --yes",
		Args:              one("QUEUE", queueHint),
		ValidArgsFunction: sh.completeQueue,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := sh.connect()
			if err != nil {
				return err
			}
			if _, err := c.Messages(cmd.Context(), args[0], 1); err != nil { // before anything is asked
				return meantQueue(cmd.Context(), c, args[0], err)
			}
			if !yes {
				if err := sh.confirm("Remove all messages of " + args[0] + "?"); err != nil {
					return err
				}
			}
			if err := c.Purge(cmd.Context(), args[0]); err != nil {
				return meantQueue(cmd.Context(), c, args[0], err)
			}
			if sh.json {
				return sh.printJSON(map[string]string{"purged": args[0]})
			}
			fmt.Fprintf(sh.out, "%s %s\n", sh.out.green("purged"), args[0])
			return nil
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return sh.withServer(cmd)
}

// meantQueue adds to an error about a queue that is not there what the person may
// have meant.
func meantQueue(ctx context.Context, c *client.Client, name string, err error) error {
	if pinfold.CodeOf(err) != pinfold.NotFound {
		return err
	}
	hint := "`pinfold queue ls` shows the queues"
	all, _ := c.Queues(ctx)
	if i := slices.IndexFunc(all, func(q pinfold.QueueStatus) bool {
		return strings.Contains(strings.ToLower(q.Name), strings.ToLower(name))
	}); i >= 0 {
		hint = "did you mean " + all[i].Name + "?"
	}
	return pinfold.Errorf(pinfold.NotFound, "%w: %s", err, hint).WithReason(pinfold.ReasonOf(err))
}

// completeQueue offers the names of queues for the first argument.
func (sh *shell) completeQueue(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return sh.complete(cmd, begun, func(ctx context.Context, c *client.Client) (names []cobra.Completion) {
		all, _ := c.Queues(ctx)
		for _, q := range all {
			names = append(names, cobra.CompletionWithDesc(q.Name, count(q.Visible, "message")))
		}
		return names
	})
}
