package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
)

// patience is how long completion waits for the server: a person has pressed a
// key and expects something at once, or nothing.
const patience = time.Second

// completeFunction offers the names of the server's functions for the first
// argument, and nothing at all if there is no server.
func (sh *shell) completeFunction(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return sh.completeFunctions(cmd, args, begun)
}

// completeFunctions offers the names of functions that are not there yet, for
// every argument.
func (sh *shell) completeFunctions(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return sh.complete(cmd, begun, func(ctx context.Context, c *client.Client) (names []cobra.Completion) {
		all, _ := c.Functions(ctx)
		for _, f := range all {
			if !slices.Contains(args, f.Name) {
				names = append(names, cobra.CompletionWithDesc(f.Name, f.Runtime))
			}
		}
		return names
	})
}

// completeNetwork offers the names of functions, and after one the words that
// are no destinations.
func (sh *shell) completeNetwork(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return sh.completeFunction(cmd, args, begun)
	}
	return []cobra.Completion{
		cobra.CompletionWithDesc(string(pinfold.NetworkOpen), "everything but what no function reaches"),
		cobra.CompletionWithDesc(string(pinfold.NetworkNone), "nothing outside"),
	}, cobra.ShellCompDirectiveNoFileComp
}

// completeApp offers the names of the deployed applications.
func (sh *shell) completeApp(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return sh.complete(cmd, begun, func(ctx context.Context, c *client.Client) (names []cobra.Completion) {
		apps, _ := c.Apps(ctx)
		stages := map[string][]string{}
		for _, a := range apps {
			stages[a.App] = append(stages[a.App], a.Stage)
		}
		for name, list := range stages {
			names = append(names, cobra.CompletionWithDesc(name, "deployed as "+strings.Join(list, ", ")))
		}
		return names
	})
}

func (sh *shell) complete(cmd *cobra.Command, begun string, names func(context.Context, *client.Client) []cobra.Completion) ([]cobra.Completion, cobra.ShellCompDirective) {
	c, err := sh.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), patience)
	defer cancel()
	fits := slices.DeleteFunc(names(ctx, c), func(name string) bool { return !strings.HasPrefix(name, begun) })
	return fits, cobra.ShellCompDirectiveNoFileComp
}

// completeDir offers folders for the first argument.
func completeDir(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}
