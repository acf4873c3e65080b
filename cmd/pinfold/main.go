// Command pinfold is Pinfold: the server and the command line in one binary.
package main

import (
	"context"
	"os"

	"pinfold.dev/pinfold/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
