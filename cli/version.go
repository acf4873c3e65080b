package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold/internal/platform"
)

func (sh *shell) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary",
		Args:  none,
		RunE: func(*cobra.Command, []string) error {
			if sh.json {
				return sh.printJSON(map[string]string{
					"version": platform.Version(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
				})
			}
			_, err := fmt.Fprintf(sh.out, "pinfold %s (%s %s/%s)\n", platform.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
