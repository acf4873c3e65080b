package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
)

func (sh *shell) dev() *cobra.Command {
	var server serverFlags
	var flags manifestFlags
	cmd := &cobra.Command{
		Use:   "dev [DIR]",
		Short: "Run the application in a folder while you work on it",
		Long: `Starts the same server as ` + "`pinfold up`" + `, with throwaway data unless --data is
given, accepts any credentials, deploys the application in DIR (default: this
folder), deploys it again whenever a file changes, and shows the functions' logs.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.setDir(args)
			cfg, err := server.load(cmd)
			if err != nil {
				return err
			}
			cfg.Dev = true
			if !cmd.Flag("data").Changed && os.Getenv("PINFOLD_DATA") == "" {
				temp, err := os.MkdirTemp("", "pinfold-dev-")
				if err != nil {
					return pinfold.Errorf(pinfold.Unavailable, "making a folder for throwaway data: %w", err)
				}
				defer removeAll(temp)
				cfg.Data = temp
			}
			return sh.serve(cmd.Context(), cfg, sh.logger(false), func(ctx context.Context, facts platform.Facts) error {
				sh.printFacts(facts)
				return sh.develop(ctx, facts, flags)
			})
		},
	}
	server.bind(cmd)
	flags.bind(cmd)
	return cmd
}

// develop deploys, shows logs, and deploys again on every change, until ctx ends.
func (sh *shell) develop(ctx context.Context, facts platform.Facts, flags manifestFlags) error {
	c := client.New(facts.Endpoints.API, facts.Region, client.Credentials(facts.RootKey))
	d := deployment{sh: sh, client: c, flags: flags, yes: true, quiet: true, allowUnserved: true, cache: filepath.Join(facts.Data, "cache")}
	changes, err := watch(ctx, flags.dir, 30*time.Millisecond)
	if err != nil {
		return err
	}
	var logs sync.WaitGroup
	logs.Go(func() { sh.followLogs(ctx, c) })
	defer logs.Wait()

	first := true
	for {
		started := time.Now()
		deployed, err := d.run(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			// A mistake in the manifest is mended in the editor, not by starting again.
			sh.fail(err)
			fmt.Fprintln(sh.err, faint("what ran before still runs; waiting for a change"))
		case first:
			sh.printReady(deployed)
			first = false
		default:
			fmt.Fprintf(sh.out, "%s in %s\n", green("deployed"), time.Since(started).Round(time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return nil
		case changed, ok := <-changes:
			if !ok {
				return nil
			}
			fmt.Fprintln(sh.out, faint("changed: "+changed))
		}
	}
}

func (sh *shell) followLogs(ctx context.Context, c *client.Client) {
	print := sh.linePrinter(true)
	for line, err := range c.Logs(ctx, client.LogQuery{Follow: true}) {
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				sh.fail(err)
			}
			return
		}
		print(line)
	}
}

// removeAll removes a tree although its code folders are read-only.
func removeAll(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(dir)
}
