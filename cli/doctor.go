package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
)

func (sh *shell) doctor() *cobra.Command {
	var flags serverFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine has, and what to do about what is missing",
		Long: `Looks at the language runtimes, ports and folders that a server with the same
settings would use, builds a sandbox to see which walls stand around functions
here, asks the server that runs on the data folder, if there is one, what it has
lost of its accounts, and says what to do about what is missing. Run it as the user that the
server runs as: root has more than others.

  ok     is there
  weak   costs a feature
  bad    keeps the server from starting; the exit status is then 1`,
		Example: `  pinfold doctor
  pinfold doctor --api 127.0.0.1:4566 --http 0.0.0.0:80 --data /var/lib/pinfold
  pinfold doctor --json | jq '.[] | select(.status != "ok")'`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.load(cmd)
			if err != nil {
				return err
			}
			checks := platform.Inspect(cmd.Context(), cfg)
			if platform.WhoRuns(cfg.Data).Endpoints.API != "" {
				checks = append(checks, sh.inspectAccounts(cmd.Context(), cfg.Data)...)
			}
			if sh.json {
				if err := sh.printJSON(checks); err != nil {
					return err
				}
			} else {
				sh.printChecks(checks)
			}
			for _, c := range checks {
				if c.Status == platform.Bad {
					return errSilent
				}
			}
			return nil
		},
	}
	flags.bind(cmd)
	return cmd
}

// inspectAccounts asks the server that runs on a data folder.
func (sh *shell) inspectAccounts(ctx context.Context, data string) []platform.Check {
	sh.data = data
	c, err := sh.connect()
	if err == nil {
		var health client.Health
		if health, err = c.Health(ctx); err == nil {
			return platform.InspectAccounts(health)
		}
	}
	return []platform.Check{{Name: "accounts", Status: platform.Weak, Found: "the server does not tell: " + err.Error(), Advice: "is it of another version?"}}
}

func (sh *shell) printChecks(checks []platform.Check) {
	for _, c := range checks {
		mark := map[platform.Status]string{
			platform.Good: sh.out.green("ok  "), platform.Weak: sh.out.amber("weak"), platform.Bad: sh.out.red("bad "),
		}[c.Status]
		fmt.Fprintf(sh.out, "%s  %-18s %s\n", mark, c.Name, c.Found)
		if c.Advice != "" {
			fmt.Fprintf(sh.out, "      %-18s %s\n", "", sh.out.faint(c.Advice))
		}
	}
}
