// Command pinfold is Pinfold: the server and the command line in one binary.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"pinfold.dev/pinfold/cli"
)

func main() {
	// The first signal asks everything to finish; with stop called, a second
	// one ends the process as usual.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() { <-ctx.Done(); stop() }()
	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
