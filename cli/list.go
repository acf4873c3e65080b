package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/client"
)

func (sh *shell) list() *cobra.Command {
	return sh.withServer(&cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "Show the applications, their routes and their functions",
		Args:    cobra.NoArgs,
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
			if sh.json {
				return sh.printJSON(map[string]any{"apps": apps, "functions": functions})
			}
			sh.printOverview(apps, functions)
			return nil
		},
	})
}

func (sh *shell) printOverview(apps []app.Deployed, functions []client.FunctionStatus) {
	if len(apps) == 0 && len(functions) == 0 {
		fmt.Fprintln(sh.out, "Nothing is deployed yet. `pinfold deploy DIR` puts an application here.")
		return
	}
	for _, a := range apps {
		fmt.Fprintf(sh.out, "%s\n", bold(a.App+" ("+a.Stage+")"))
		sh.printDeployed(&a)
	}
	if len(apps) > 0 {
		fmt.Fprintln(sh.out)
	}
	var rows [][]string
	for _, f := range functions {
		owner := f.App
		if owner == "" {
			owner = "-"
		}
		rows = append(rows, []string{f.Name, f.Runtime, fmt.Sprintf("%d MB", f.MemoryMB), ago(f.Modified), instances(f.Instances), owner})
	}
	table(sh.out, []string{"FUNCTION", "RUNTIME", "MEMORY", "CHANGED", "INSTANCES", "APPLICATION"}, rows)
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
