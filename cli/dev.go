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
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
)

func (sh *shell) dev() *cobra.Command {
	var server serverFlags
	var flags manifestFlags
	var force bool
	cmd := &cobra.Command{
		Use:   "dev [DIR]",
		Short: "Run the application in a folder while you work on it",
		Long: `Starts the same server as ` + "`pinfold up`" + `, with throwaway data unless told
otherwise (--data, PINFOLD_DATA or a configuration file), accepts any
credentials, deploys the application in DIR (default: this folder), deploys it
again whenever a file changes, and shows the functions' logs as they come.

A mistake is shown, and what ran before runs on until it is mended. What the
manifest asks for and Pinfold does not serve yet is left out.`,
		Example: `  pinfold dev
  pinfold dev my-app --stage test --param table=users
  pinfold dev --data .pinfold --http 127.0.0.1:3000`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.setDir(args)
			_, manifest, err := app.Find(flags.dir)
			if err != nil {
				return err
			}
			cfg, err := server.load(cmd)
			if err != nil {
				return err
			}
			cfg.Dev = true
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			where := cfg.Data
			if cfg.Data == platform.DefaultData() && !cmd.Flag("data").Changed && os.Getenv("PINFOLD_DATA") == "" {
				if cfg.Data, err = throwaway(ctx); err != nil {
					return err
				}
				defer removeAll(cfg.Data)
				where = cfg.Data + " (removed at the end)"
			}
			return sh.serve(ctx, cfg, sh.logger(false), func(ctx context.Context, facts platform.Facts) error {
				sh.printFacts(facts, where)
				return sh.develop(ctx, facts, flags, force, filepath.Dir(manifest))
			})
		},
	}
	server.bind(cmd)
	flags.bind(cmd)
	cmd.Flags().BoolVar(&force, "force", false, forceUsage)
	return cmd
}

// develop deploys, shows logs, and deploys again on every change in the folder,
// until ctx ends.
func (sh *shell) develop(ctx context.Context, facts platform.Facts, flags manifestFlags, force bool, folder string) error {
	c := client.New(facts.Endpoints.API, facts.Region, facts.RootKey)
	d := deployment{sh: sh, client: c, flags: flags, yes: true, dev: true, allowUnserved: true, force: force, cache: filepath.Join(facts.Data, "cache")}
	ctx, cancel := context.WithCancel(ctx)
	changes, err := watch(ctx, folder)
	if err != nil {
		cancel()
		return err
	}
	defer changes.wait()
	var logs sync.WaitGroup
	logs.Go(func() { sh.followLogs(ctx, c) })
	defer logs.Wait()
	defer cancel() // before the two are waited for

	running := false
	for {
		started := time.Now()
		deployed, plan, err := d.run(ctx)
		changes.also(d.manifest)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			// A mistake is mended in the editor, not by starting again.
			sh.fail(err)
			sh.note(map[bool]string{true: "what ran before still runs; ", false: "nothing runs yet; "}[running] + "waiting for a change")
		case !running:
			sh.printReady(deployed)
			running = true
		case sh.json:
			_ = sh.printJSON(deployed)
		case len(plan.Changes) == 0:
			sh.note("nothing to deploy")
		default:
			fmt.Fprintf(sh.out, "%s in %d ms\n", sh.out.green("deployed"), time.Since(started).Milliseconds())
		}
		select {
		case <-ctx.Done():
			return nil
		case changed := <-changes.C:
			if sh.json {
				writeJSON(sh.out, map[string]string{"changed": changed})
			} else {
				fmt.Fprintln(sh.out, sh.out.faint("changed: "+changed))
			}
		}
	}
}

// note says something in passing.
func (sh *shell) note(text string) {
	if !sh.json {
		fmt.Fprintln(sh.err, sh.err.faint(text))
	}
}

func (sh *shell) followLogs(ctx context.Context, c *client.Client) {
	printer := sh.logPrinter(true)
	for line, err := range c.Logs(ctx, client.LogQuery{Follow: true, Since: time.Now()}) {
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				sh.fail(err)
			}
			return
		}
		if sh.json {
			writeJSON(sh.out, map[string]any{"log": line})
		} else {
			printer.print(line)
		}
	}
}

const throwawayPrefix = "pinfold-dev-"

// throwaway makes a folder for data that goes when the server does, and clears
// away those of servers that were killed.
func throwaway(ctx context.Context) (string, error) {
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), throwawayPrefix+"*"))
	for _, dir := range old {
		// One that is just starting may not hold its lock yet.
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > time.Minute && platform.Abandoned(dir) {
			_ = platform.Forget(ctx, dir) // what stays is empty control groups
			removeAll(dir)
		}
	}
	dir, err := os.MkdirTemp("", throwawayPrefix)
	if err != nil {
		return "", pinfold.Errorf(pinfold.Unavailable, "making a folder for throwaway data: %w", err)
	}
	return dir, nil
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
