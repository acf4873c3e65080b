package cli

import (
	"time"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/client/draw"
)

func (sh *shell) callMap() *cobra.Command {
	var q client.MapQuery
	since, format := "24h", "text"
	formats := []string{"text", "mermaid", "dot", "json"}
	cmd := &cobra.Command{
		Use:   "map [FUNCTION]",
		Short: "Show who calls what",
		Long: `Shows who calls what, by the records of invocations: how often, how much of it fails, and
how long callers wait. Below each caller stands what it calls: routes, function URLs and
clients come first, then functions with the functions and services that they call.

On a terminal what fails for one call of a hundred or more is red; what fails at times, or
takes a second for one call of a hundred, is yellow. With FUNCTION it is what calls it and
what it calls; --depth goes further.`,
		Example: `  pinfold map
  pinfold map shop-dev-order --depth 2 --since 1h
  pinfold map --format dot | dot -Tsvg > map.svg`,
		Args:              atMostOne,
		ValidArgsFunction: sh.completeFunction,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if len(args) > 0 {
				q.Function = args[0]
			}
			if q.Depth < 1 {
				return pinfold.Errorf(pinfold.Invalid, "--depth %d is not a number of calls", q.Depth)
			}
			if sh.json {
				format = "json"
			}
			print := sh.mapPrinter(format)
			if print == nil {
				return pinfold.Errorf(pinfold.Invalid, "--format %q is none of text, mermaid, dot and json", format)
			}
			if q.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
			c, err := sh.connect()
			if err != nil {
				return err
			}
			var edges []pinfold.CallEdge
			for e, failed := range c.Map(cmd.Context(), q) {
				if pinfold.CodeOf(failed) == pinfold.NotFound {
					return didYouMean(cmd.Context(), c, q.Function, failed)
				}
				if failed != nil {
					err = failed // what came before it is shown, too
					break
				}
				edges = append(edges, e)
			}
			if len(edges) > 0 || err == nil {
				print(edges)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&since, "since", since, "only calls younger than a `duration` or a time (RFC 3339)")
	cmd.Flags().IntVar(&q.Depth, "depth", 1, "how many calls away from FUNCTION, `N`")
	cmd.Flags().StringVar(&format, "format", format, "write it as `text`, mermaid, dot or json")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return sh.withServer(cmd)
}

// mapPrinter returns what prints a map in a format; nil if there is none such.
func (sh *shell) mapPrinter(format string) func([]pinfold.CallEdge) {
	switch format {
	case "text":
		return func(edges []pinfold.CallEdge) {
			if len(edges) == 0 {
				sh.note("nobody has called anything")
				return
			}
			draw.Map(sh.out, edges, sh.out.width(), draw.Inks{Head: sh.out.faint, Caller: sh.out.bold, Failing: sh.out.red, Worry: sh.out.amber})
		}
	case "mermaid":
		return func(edges []pinfold.CallEdge) { draw.Mermaid(sh.out, edges) }
	case "dot":
		return func(edges []pinfold.CallEdge) { draw.DOT(sh.out, edges) }
	case "json":
		return func(edges []pinfold.CallEdge) {
			for _, e := range edges {
				writeJSON(sh.out, e)
			}
		}
	}
	return nil
}
