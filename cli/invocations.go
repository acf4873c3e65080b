package cli

import (
	"cmp"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client/draw"
)

func (sh *shell) invocations() *cobra.Command {
	q := pinfold.RecordQuery{Limit: 20}
	var since string
	cmd := &cobra.Command{
		Use:   "invocations [FUNCTION]",
		Short: "Show how functions ran",
		Long: `Shows the newest invocations of FUNCTION, or of all functions: what came of each, how
long the function ran and the caller waited, what is billed, and whether and why it
began with a cold start:

  first      there had been no instance of the version
  scale-out  those that there were had no place
  deploy     they ran older code, or with another configuration
  evicted    the last one was not used for long, or gave its memory to others
  failed     the last one crashed, or was killed`,
		Example: `  pinfold invocations hello-dev-hello --errors
  pinfold invocations --cold --since 1h
  pinfold invocations --slowest -n 5`,
		Args:              atMostOne,
		ValidArgsFunction: sh.completeFunction,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if len(args) > 0 {
				q.Function = args[0]
			}
			if q.Limit < 0 {
				return pinfold.Errorf(pinfold.Invalid, "-n %d is not a number of invocations", q.Limit)
			}
			if q.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
			c, err := sh.connect()
			if err != nil {
				return err
			}
			var records []pinfold.Record
			defer func() {
				if !sh.json && (len(records) > 0 || err == nil) { // what came before an error is shown, too
					sh.printRecords(records)
				}
			}()
			for r, err := range c.Records(cmd.Context(), q) {
				if pinfold.CodeOf(err) == pinfold.NotFound {
					return didYouMean(cmd.Context(), c, q.Function, err)
				}
				if err != nil {
					return err
				}
				if sh.json {
					writeJSON(sh.out, r)
					continue
				}
				records = append(records, r)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&q.Cold, "cold", false, "only cold starts")
	cmd.Flags().BoolVar(&q.Errors, "errors", false, "only what did not succeed")
	cmd.Flags().BoolVar(&q.Slowest, "slowest", false, "the slowest first")
	cmd.Flags().StringVar(&since, "since", "", "only those younger than a `duration` (5m, 2h) or a time (RFC 3339)")
	cmd.Flags().IntVarP(&q.Limit, "number", "n", q.Limit, "show `N` at most (0 is all)")
	return sh.withServer(cmd)
}

// maxErrorType is how long the type of an error is in a list. Where one is longer,
// no column has room behind it.
const maxErrorType = 32

func (sh *shell) printRecords(records []pinfold.Record) {
	if len(records) == 0 {
		sh.note("no such invocations")
		return
	}
	rows := [][]string{{"TIME", "FUNCTION", "STATUS", "COLD", "WHOLE", "REQUEST", "HANDLER", "BILLED", "MEMORY"}}
	for _, r := range records {
		status := r.Status
		if r.ErrorType != "" {
			status += " " + draw.Clean(r.ErrorType, maxErrorType)
		}
		rows = append(rows, []string{
			r.Time.Local().Format("01-02 15:04:05.000"), r.Function, status, cmp.Or(string(r.Cold), "-"), millis(r.Whole()), r.RequestID,
			millis(r.Handler), fmt.Sprintf("%d ms", r.Billed.Milliseconds()), fmt.Sprintf("%d of %d MB", r.PeakMB, r.MemoryMB),
		})
	}
	for i, line := range sh.out.table(rows) {
		switch {
		case i == 0:
			line = sh.out.faint(line)
		case records[i-1].Status != "ok":
			line = sh.out.red(line)
		}
		fmt.Fprintln(sh.out, line)
	}
}

// millis returns a duration as people compare them.
func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms < 10 {
		return fmt.Sprintf("%.2f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}
