package cli

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
)

func (sh *shell) remove() *cobra.Command {
	var yes, force bool
	var stage string
	cmd := &cobra.Command{
		Use:     "rm APP[/STAGE]",
		Aliases: []string{"remove"},
		Short:   "Remove an application with everything that it made",
		Example: "  pinfold rm hello --stage prod",
		Long: `Removes the application APP: its functions with all their versions, its layers,
its routes and its keys, its queues and its schedules. The logs that its functions
left stay. While one of its queues has messages, or a function events that wait,
nothing is removed, unless --force says so.`,
		Args:              one("APP", "`pinfold ls` shows them"),
		ValidArgsFunction: sh.completeApp,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := sh.connect()
			if err != nil {
				return err
			}
			apps, err := c.Apps(cmd.Context())
			if err != nil {
				return err
			}
			name, inName, _ := strings.Cut(args[0], "/")
			found, err := pick(apps, name, cmp.Or(stage, inName))
			if err != nil {
				return err
			}
			if !yes {
				fmt.Fprintf(sh.err, "%s (%s): %s\n", found.App, found.Stage, contents(found))
				if err := sh.confirm("Remove it?"); err != nil {
					return err
				}
			}
			if err := c.Remove(cmd.Context(), found.App, found.Stage, forced(force)...); err != nil {
				return err
			}
			if sh.json {
				return sh.printJSON(found)
			}
			fmt.Fprintf(sh.out, "%s %s (%s)\n", sh.out.green("removed"), found.App, found.Stage)
			return nil
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&force, "force", false, forceUsage)
	cmd.Flags().StringVarP(&stage, "stage", "s", "", "`stage` to remove, where there are several")
	return sh.withServer(cmd)
}

// contents says what there is of an application.
func contents(a *app.Deployed) string {
	parts := []string{count(len(a.Functions), "function"), count(len(a.Routes), "route")}
	if n := len(a.Queues); n > 0 {
		parts = append(parts, count(n, "queue"))
	}
	if n := len(a.Schedules); n > 0 {
		parts = append(parts, count(n, "schedule"))
	}
	return strings.Join(parts, ", ")
}

// pick finds the one deployed application that a name, and perhaps a stage, means.
func pick(apps []app.Deployed, name, stage string) (*app.Deployed, error) {
	var found []*app.Deployed
	var stages []string
	for i := range apps {
		if apps[i].App == name && (stage == "" || apps[i].Stage == stage) {
			found = append(found, &apps[i])
			stages = append(stages, apps[i].Stage)
		}
	}
	switch len(found) {
	case 0:
		if stage != "" {
			name += " (" + stage + ")"
		}
		return nil, pinfold.Errorf(pinfold.NotFound, "no application %s is deployed: `pinfold ls` shows what is", name)
	case 1:
		return found[0], nil
	}
	return nil, pinfold.Errorf(pinfold.Invalid, "%s is deployed in the stages %s: say which with --stage", name, strings.Join(stages, ", "))
}
