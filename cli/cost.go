package cli

import (
	"cmp"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
)

func (sh *shell) cost() *cobra.Command {
	q := client.UsageQuery{By: "function"}
	var month string
	cmd := &cobra.Command{
		Use:   "cost",
		Short: "Show what functions have used, and what that costs",
		Long: `Shows what was used in a month: requests, billed time and GB-seconds, counted exactly and
never sampled, and what that costs by the server's price table (the setting prices), which is
AWS's public list price if there is none.`,
		Example: `  pinfold cost --by app
  pinfold cost --month 2026-10 --by tag:team
  pinfold cost advise`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if month != "" {
				first, err := time.Parse("2006-01", month)
				if err != nil {
					return pinfold.Errorf(pinfold.Invalid, "--month %q is not a month, such as 2026-01", month)
				}
				q.From, q.To = first.Format(time.DateOnly), first.AddDate(0, 1, -1).Format(time.DateOnly)
			}
			c, err := sh.connect()
			if err != nil {
				return err
			}
			u, err := c.Usage(cmd.Context(), q)
			if err != nil {
				return err
			}
			if sh.json {
				return sh.printJSON(u)
			}
			sh.printUsage(u)
			return nil
		},
	}
	cmd.Flags().StringVar(&q.By, "by", q.By, "add up by function, version, app, day or tag:`KEY`")
	cmd.Flags().StringVar(&month, "month", "", "a `month`, such as 2026-01 (default: this one)")
	sh.withServer(cmd)
	cmd.AddCommand(sh.advise())
	return cmd
}

func (sh *shell) printUsage(u *client.Usage) {
	rows := [][]string{{"NAME", "COST " + u.Currency, "REQUESTS", "ERRORS", "COLD", "BILLED", "GB-SECONDS", "OUT"}}
	for _, r := range u.Rows {
		rows = append(rows, []string{
			cmp.Or(r.Name, "-"), r.Cost, fmt.Sprint(r.Requests), fmt.Sprint(r.Errors), fmt.Sprint(r.Cold),
			(time.Duration(r.BilledMS) * time.Millisecond).String(), fmt.Sprintf("%.3f", float64(r.MBMilliseconds)/1024/1000), bytesText(int64(r.BytesOut)),
		})
	}
	for i, line := range sh.out.table(rows) {
		if i == 0 {
			line = sh.out.faint(line)
		}
		fmt.Fprintln(sh.out, line)
	}
	fmt.Fprintf(sh.out, "%s to %s: %s\n", u.From, u.To, sh.out.bold(u.Cost+" "+u.Currency))
}

func (sh *shell) advise() *cobra.Command {
	return sh.withServer(&cobra.Command{
		Use:   "advise",
		Short: "Show how much memory would do",
		Long: `Shows for every version of a function how much memory would do, by the most that its
instances held in the last 30 days and by how much of its time it computed, and what
would have been saved.`,
		Example: `  pinfold cost advise`,
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := sh.connect()
			if err != nil {
				return err
			}
			all, err := c.Advice(cmd.Context())
			if err != nil {
				return err
			}
			if sh.json {
				return sh.printJSON(all)
			}
			rows := [][]string{{"FUNCTION", "MEMORY", "ADVICE", "SAVING", "WHY"}}
			for _, a := range all {
				rows = append(rows, []string{
					a.Function + ":" + a.Version, fmt.Sprintf("%d MB", a.MemoryMB), fmt.Sprintf("%d MB", a.AdviseMB), a.Saving + " " + a.Currency, a.Reason,
				})
			}
			for i, line := range sh.out.table(rows) {
				if i == 0 {
					line = sh.out.faint(line)
				}
				fmt.Fprintln(sh.out, line)
			}
			return nil
		},
	})
}
