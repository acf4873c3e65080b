package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
)

// serverFlags are the flags of the commands that start a server.
type serverFlags struct {
	config   string
	override platform.Config
}

func (f *serverFlags) bind(cmd *cobra.Command) {
	fl := cmd.Flags()
	d := platform.Defaults()
	fl.StringVarP(&f.config, "config", "c", "", "configuration `file` (YAML)")
	fl.StringVar(&f.override.API, "api", d.API, "`address` of the control and AWS protocols")
	fl.StringVar(&f.override.HTTP, "http", d.HTTP, "`address` of the public door")
	fl.StringVar(&f.override.Region, "region", d.Region, "the region that the platform says it is")
	fl.StringVar(&f.override.Account, "account", d.Account, "the account id, 12 digits")
	fl.StringVar(&f.override.Sandbox, "sandbox", d.Sandbox, "sandbox driver: auto or process")
}

// load overlays the defaults with file, environment and the flags that were given.
func (f *serverFlags) load(cmd *cobra.Command) (platform.Config, error) {
	c, err := platform.Load(f.config, os.Environ())
	if err != nil {
		return c, err
	}
	for name, set := range map[string]func(){
		"data":    func() { c.Data = cmd.Flag("data").Value.String() },
		"api":     func() { c.API = f.override.API },
		"http":    func() { c.HTTP = f.override.HTTP },
		"region":  func() { c.Region = f.override.Region },
		"account": func() { c.Account = f.override.Account },
		"sandbox": func() { c.Sandbox = f.override.Sandbox },
	} {
		if cmd.Flag(name).Changed {
			set()
		}
	}
	return c, nil
}

func (sh *shell) up() *cobra.Command {
	var flags serverFlags
	var deployDir string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a server",
		Long: `Starts a server with everything embedded and runs it until it is told to stop
(Ctrl-C or SIGTERM); then it lets running invocations finish.

Settings come from flags, PINFOLD_* variables and a configuration file, in that
order; see docs/configuration.md.`,
		Example: `  pinfold up
  pinfold up --data /var/lib/pinfold --http 0.0.0.0:80 --api 127.0.0.1:4566
  pinfold up --deploy examples/hello`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.load(cmd)
			if err != nil {
				return err
			}
			return sh.serve(cmd.Context(), cfg, sh.logger(verbose), func(ctx context.Context, facts platform.Facts) error {
				sh.printFacts(facts)
				if deployDir == "" {
					return nil
				}
				return sh.deployHere(ctx, facts, deployDir)
			})
		},
	}
	flags.bind(cmd)
	cmd.Flags().StringVar(&deployDir, "deploy", "", "deploy the application in this `folder` once the server is ready")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "log every request")
	return cmd
}

func (sh *shell) logger(verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	options := &slog.HandlerOptions{Level: level}
	if sh.json {
		return slog.New(slog.NewJSONHandler(sh.err, options))
	}
	return slog.New(slog.NewTextHandler(sh.err, options))
}

// serve runs a server in this process until ctx ends, and once it is ready a
// session beside it. A session that fails ends the server.
func (sh *shell) serve(ctx context.Context, cfg platform.Config, log *slog.Logger, session func(context.Context, platform.Facts) error) error {
	p, err := platform.New(ctx, cfg, log)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		defer stop()
		served <- p.Run(ctx)
	}()
	sessionErr := session(ctx, p.Facts())
	if sessionErr != nil {
		stop()
	}
	if err := <-served; err != nil {
		return err
	}
	if ctx.Err() != nil && sessionErr == context.Canceled {
		return nil
	}
	return sessionErr
}

func (sh *shell) printFacts(f platform.Facts) {
	if sh.json {
		_ = sh.printJSON(f)
		return
	}
	fmt.Fprintf(sh.out, "%s is up in %s\n", bold("Pinfold "+platform.Version()), f.Ready.Round(100*time.Microsecond))
	row := func(name, value string) { fmt.Fprintf(sh.out, "  %-12s %s\n", name, value) }
	row("public door", f.Endpoints.HTTP)
	row("API", f.Endpoints.API+faint("   eval $(pinfold env) points AWS tools here"))
	row("data", f.Data)
	switch {
	case f.RootKeyMade:
		row("root key", f.RootKeyFile+" (made now; keep it safe)")
	case f.RootKeyFile != "":
		row("root key", f.RootKeyFile)
	}
	if !f.Contained {
		fmt.Fprintf(sh.out, "  %-12s %s\n", "sandbox", amber(f.Sandbox+": functions are NOT isolated from this machine or each other; run only code that you trust"))
	} else {
		row("sandbox", f.Sandbox)
	}
}

// deployHere deploys a folder to the server in this process.
func (sh *shell) deployHere(ctx context.Context, facts platform.Facts, dir string) error {
	c := client.New(facts.Endpoints.API, facts.Region, client.Credentials(facts.RootKey))
	d := deployment{sh: sh, client: c, flags: manifestFlags{dir: dir}, yes: true, cache: cacheFolder()}
	deployed, err := d.run(ctx)
	if err != nil {
		return err
	}
	sh.printReady(deployed)
	return nil
}

func (sh *shell) printReady(deployed *app.Deployed) {
	if sh.json {
		_ = sh.printJSON(deployed)
		return
	}
	sh.printDeployed(deployed)
	if line := curlLine(deployed); line != "" {
		fmt.Fprintf(sh.out, "\nTry it:\n  %s\n", bold(line))
	}
	fmt.Fprintln(sh.out, faint("Ctrl-C stops the server."))
}
