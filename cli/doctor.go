package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold/internal/platform"
)

func (sh *shell) doctor() *cobra.Command {
	var flags serverFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine has, and what to do about what is missing",
		Long: `Looks at the language runtimes, ports and folders that a server with the same
settings would use, builds a sandbox to see which walls stand around functions
here, and says what to do about what is missing. Run it as the user that the
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
