package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/client"
)

func (sh *shell) network() *cobra.Command {
	return sh.withServer(&cobra.Command{
		Use:   "network FUNCTION [open|none|DESTINATION...]",
		Short: "Show or set what a function may reach outside its sandbox",
		Long: `Shows what FUNCTION (a name or an ARN) may reach outside its sandbox, or sets it:

  open         everything but what no function reaches: this machine's loopback,
               other instances, link-local addresses (default)
  none         nothing
  DESTINATION  only these: a host name, *. and a host name for all names below it,
               an address or a CIDR, each with a :port or without

The platform's own endpoints are reachable under all of them. New instances have
the new network, and the old ones are let go when they have answered. A published
version keeps the network that it was published with.

A function that an application brought gets back what its manifest says with the
next deployment: write it there, below custom.pinfold.`,
		Example: `  pinfold network my-app-dev-fetch
  pinfold network my-app-dev-fetch none
  pinfold network my-app-dev-fetch api.example.com '*.example.org' 10.0.0.0/8 db.internal:5432
  pinfold network my-app-dev-fetch --json | jq -r '.network.allow[]?'`,
		Args: func(cmd *cobra.Command, args []string) error {
			return one("FUNCTION", "`pinfold ls` shows them")(cmd, args[:min(len(args), 1)])
		},
		ValidArgsFunction: sh.completeNetwork,
		RunE: func(cmd *cobra.Command, args []string) error {
			function, words := args[0], args[1:]
			var to pinfold.Network
			if len(words) > 0 {
				var err error
				if to, err = pinfold.ParseNetwork(words); err != nil {
					return err
				}
			}
			c, err := sh.connect()
			if err != nil {
				return err
			}
			var now *client.FunctionNetwork
			if len(words) > 0 {
				now, err = c.SetNetwork(cmd.Context(), function, to)
			} else {
				now, err = c.Network(cmd.Context(), function)
			}
			if pinfold.CodeOf(err) == pinfold.NotFound {
				return didYouMean(cmd.Context(), c, function, err)
			}
			if err != nil {
				return err
			}
			return sh.printNetwork(now, len(words) > 0)
		},
	})
}

// printNetwork prints a network as its command takes it, one word a line, and
// what else a person should know to the standard error.
func (sh *shell) printNetwork(n *client.FunctionNetwork, set bool) error {
	if sh.json {
		return sh.printJSON(n)
	}
	words := n.Network.Allow
	if n.Network.Policy != pinfold.NetworkList {
		words = []string{n.Network.String()}
	}
	for _, w := range words {
		fmt.Fprintln(sh.out, w)
	}
	if set && n.App != "" {
		sh.warn([]app.Warning{{Message: "the next deployment of " + n.App + " sets what its manifest says: write this there, below custom.pinfold"}})
	}
	if !n.Enforced && !isOpen(n.Network) {
		sh.warn([]app.Warning{{Message: notEnforced}})
	}
	return nil
}

const notEnforced = "this server's sandbox does not hold functions to their network: they reach what the machine reaches; `pinfold doctor` tells more"

// unenforced warns of an application that counts on walls that a server does
// not have.
func unenforced(a *app.Application, server client.Info) []app.Warning {
	if server.Contained {
		return nil
	}
	for _, f := range a.Functions {
		if !isOpen(f.Config.Network) {
			return []app.Warning{{At: f.At, Message: "function " + f.Key + " has a network policy, but " + notEnforced}}
		}
	}
	return nil
}

func isOpen(n pinfold.Network) bool {
	return n.Policy == "" || n.Policy == pinfold.NetworkOpen
}

// networkCell is a network in a table.
func networkCell(n pinfold.Network) string {
	if len(n.Allow) > 1 {
		return count(len(n.Allow), "destination")
	}
	return n.String()
}
