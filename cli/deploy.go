package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold/app"
)

// manifestFlags say which application, in which stage.
type manifestFlags struct {
	dir    string
	stage  string
	params keyValues
}

func (m *manifestFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&m.stage, "stage", "s", "", "`stage` to deploy (default: the manifest's provider.stage, or dev)")
	cmd.Flags().Var(&m.params, "param", "value of ${param:key} in the manifest; may be repeated")
	cmd.ValidArgsFunction = completeDir
}

func (m *manifestFlags) setDir(args []string) {
	m.dir = "."
	if len(args) > 0 {
		m.dir = args[0]
	}
}

func (sh *shell) deploy() *cobra.Command {
	var flags manifestFlags
	var yes, allowUnserved, force bool
	cmd := &cobra.Command{
		Use:   "deploy [DIR]",
		Short: "Put the application in a folder on the server",
		Long: `Reads the application in DIR (default: this folder), shows what would change,
asks, uploads the code that the server does not have yet, and makes the change
in one transaction: all of it happens, or none. What is no longer in the
manifest goes; if that is a queue which has messages, or a function for which
events wait, nothing happens unless --force says so. DIR may also be a manifest:
serverless.prod.yml.`,
		Example: `  pinfold deploy
  pinfold deploy examples/hello --stage prod --param greeting=Ahoy
  pinfold deploy --yes --json | jq -r '.routes[].url'`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.setDir(args)
			c, err := sh.connect()
			if err != nil {
				return err
			}
			d := deployment{sh: sh, client: c, flags: flags, yes: yes, allowUnserved: allowUnserved, force: force}
			deployed, plan, err := d.run(cmd.Context())
			if err != nil {
				return err
			}
			if sh.json {
				return sh.printJSON(deployed)
			}
			done := sh.out.green("deployed")
			if len(plan.Changes) == 0 {
				done = "unchanged"
			}
			fmt.Fprintf(sh.out, "%s %s (%s)\n", done, deployed.App, deployed.Stage)
			sh.printDeployed(deployed, nil)
			return nil
		},
	}
	flags.bind(cmd)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&allowUnserved, "allow-unserved", false, "deploy although the manifest asks for things that are not served yet")
	cmd.Flags().BoolVar(&force, "force", false, forceUsage)
	return sh.withServer(cmd)
}

func (sh *shell) plan() *cobra.Command {
	var flags manifestFlags
	cmd := &cobra.Command{
		Use:   "plan [DIR]",
		Short: "Show what deploy would change, and change nothing",
		Long: `Reads the application in DIR (default: this folder) and shows what deploying it
would change on the server:

  + is made    ~ is changed, and what about it    - is removed
  ± another one is made in its place, because what has changed about it cannot be

and what the manifest asks for and this Pinfold does not serve yet.`,
		Example: `  pinfold plan
  pinfold plan examples/hello --stage prod
  pinfold plan --json | jq '.changes[] | select(.op == "-")'`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.setDir(args)
			c, err := sh.connect()
			if err != nil {
				return err
			}
			d := deployment{sh: sh, client: c, flags: flags}
			p, err := d.prepare(cmd.Context())
			if err != nil {
				return err
			}
			if sh.json {
				if p.plan.Changes == nil {
					p.plan.Changes = []app.Change{}
				}
				return sh.printJSON(p.plan)
			}
			sh.printPlan(p.plan)
			return nil
		},
	}
	flags.bind(cmd)
	return sh.withServer(cmd)
}
