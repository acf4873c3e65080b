package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/client"
)

func (sh *shell) list() *cobra.Command {
	return sh.withServer(&cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "Show the applications, their routes and their functions",
		Long: `Shows every application with the URLs of its routes, and every function with the
instances that it has now: starting, ready, busy or draining. What functions may
reach is shown if one of them may not reach everything.`,
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
		fmt.Fprintln(sh.out, sh.out.bold(a.App+" ("+a.Stage+")"))
		sh.printDeployed(&a)
	}
	if len(apps) > 0 {
		fmt.Fprintln(sh.out)
	}
	rows := [][]string{{"FUNCTION", "RUNTIME", "INSTANCES", "APPLICATION", "CHANGED", "MEMORY", "CODE"}}
	walled := slices.ContainsFunc(functions, func(f client.FunctionStatus) bool { return !isOpen(f.Network) })
	if walled {
		rows[0] = append(rows[0], "NETWORK")
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
		rows = append(rows, row)
	}
	for i, line := range sh.out.table(rows) {
		if i == 0 {
			line = sh.out.faint(line)
		}
		fmt.Fprintln(sh.out, line)
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
