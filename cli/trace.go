package cli

import (
	"cmp"
	"context"
	"strings"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/client/draw"
)

func (sh *shell) invocation() *cobra.Command {
	return sh.withServer(&cobra.Command{
		Use:   "invocation REQUEST",
		Short: "Show where the time of one invocation went",
		Long: `Shows one invocation by its request id: each phase as a bar, what it used, and what
is billed.`,
		Example: `  pinfold invocation 6c25aad9-67c1-4436-8741-5a87321d1c2d`,
		Args:    one("invocation", "`pinfold invocations` lists them"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := sh.connect()
			if err != nil {
				return err
			}
			records, err := all(cmd.Context(), c, pinfold.RecordQuery{RequestID: args[0]})
			if err != nil {
				return err
			}
			if len(records) == 0 {
				return pinfold.Errorf(pinfold.NotFound, "there is no record of an invocation %s: `pinfold invocations` lists what there is", args[0])
			}
			for _, r := range records {
				if sh.json {
					writeJSON(sh.out, r)
				} else {
					draw.Phases(sh.out, r, cmp.Or(sh.out.width(), drawnWidth))
				}
			}
			return nil
		},
	})
}

func (sh *shell) trace() *cobra.Command {
	return sh.withServer(&cobra.Command{
		Use:   "trace ID",
		Short: "Show what one request caused",
		Long: `Shows every invocation of a trace, and the calls that functions made to the platform's
services, each below what caused it, with a bar for its time. ID is that of a trace (32
hexadecimal digits, or X-Ray's 1-67891233-abcdef012345678912345678) or of a request.`,
		Example: `  pinfold trace 4bf92f3577b34da6a3ce929d0e0e4736`,
		Args:    one("trace", "`pinfold invocations --json` has their ids; that of a request will do"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := sh.connect()
			if err != nil {
				return err
			}
			id, err := traceID(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			records, err := all(cmd.Context(), c, pinfold.RecordQuery{Trace: id, Calls: true})
			if err != nil {
				return err
			}
			if len(records) == 0 {
				return pinfold.Errorf(pinfold.NotFound, "there is no record of a trace %s", id)
			}
			if sh.json {
				for _, r := range records {
					writeJSON(sh.out, r)
				}
				return nil
			}
			draw.Waterfall(sh.out, records, cmp.Or(sh.out.width(), drawnWidth))
			return nil
		},
	})
}

// traceID reads the id of a trace, or finds that of a request.
func traceID(ctx context.Context, c *client.Client, text string) (id pinfold.TraceID, err error) {
	digits := text
	if parts := strings.Split(text, "-"); len(parts) == 3 && parts[0] == "1" {
		digits = parts[1] + parts[2]
	}
	if id.UnmarshalText([]byte(digits)) == nil && id != (pinfold.TraceID{}) {
		return id, nil
	}
	records, err := all(ctx, c, pinfold.RecordQuery{RequestID: text, Limit: 1})
	if err != nil {
		return id, err
	}
	if len(records) == 0 {
		return id, pinfold.Errorf(pinfold.NotFound, "%q is neither the id of a trace, which has 32 hexadecimal digits, nor that of a request that there is a record of", text)
	}
	return records[0].Trace, nil
}

// drawnWidth is how many columns a drawing has where nothing says how wide it can be.
const drawnWidth = 110

func all(ctx context.Context, c *client.Client, q pinfold.RecordQuery) (records []pinfold.Record, err error) {
	for r, err := range c.Records(ctx, q) {
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}
