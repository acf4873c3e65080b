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
		Long: `Looks at the language runtimes, kernel features, ports and folders that a server
with the same settings would use. The exit status is 1 if one could not start.`,
		Args: cobra.NoArgs,
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
			platform.Good: green("ok  "), platform.Weak: amber("weak"), platform.Bad: red("bad "),
		}[c.Status]
		fmt.Fprintf(sh.out, "%s  %-18s %s\n", mark, c.Name, c.Found)
		if c.Advice != "" {
			fmt.Fprintf(sh.out, "      %-18s %s\n", "", faint(c.Advice))
		}
	}
}
