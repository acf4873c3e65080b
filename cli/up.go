package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
)

func (sh *shell) up() *cobra.Command {
	var flags serverFlags
	var deployDir, profile string
	var verbose, force bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a server",
		Long: `Starts a server with everything embedded and runs it until it is told to stop
(Ctrl-C or SIGTERM); then it lets running invocations finish.

Functions run behind walls where this machine lets them stand, and what is weaker
than it could be is said at the start. --sandbox namespace refuses to start
without walls; --sandbox process does without.

The first start makes a root access key in the data folder and says where it is;
PINFOLD_ROOT_ACCESS_KEY_ID and PINFOLD_ROOT_SECRET_ACCESS_KEY give another.
Settings come from flags, PINFOLD_* variables and a configuration file, in that
order; see docs/configuration.md.`,
		Example: `  pinfold up
  pinfold up --data /var/lib/pinfold --http 0.0.0.0:80 --api 127.0.0.1:4566
  pinfold up --deploy examples/hello`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			cfg, err := flags.load(cmd)
			if err != nil {
				return err
			}
			if deployDir != "" {
				if _, _, err := app.Find(deployDir); err != nil {
					return err
				}
			}
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			profiled, err := cpuProfile(profile)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, profiled()) }()
			return sh.serve(ctx, cfg, sh.logger(verbose), func(ctx context.Context, facts platform.Facts) error {
				sh.printFacts(facts, facts.Data)
				if deployDir == "" {
					return nil
				}
				return sh.deployHere(ctx, facts, deployDir, force)
			})
		},
	}
	flags.bind(cmd)
	cmd.Flags().StringVar(&deployDir, "deploy", "", "deploy the application in this `folder` once the server is ready")
	_ = cmd.MarkFlagDirname("deploy")
	cmd.Flags().BoolVar(&force, "force", false, "let --deploy go ahead although messages of queues are lost")
	cmd.Flags().StringVar(&profile, "cpu-profile", "", "record its processor time in this `file`, for pprof")
	_ = cmd.MarkFlagFilename("cpu-profile")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "log every request")
	return cmd
}

// cpuProfile has the processor time of this process recorded in a file until done
// is called. It does nothing if there is no file.
func cpuProfile(file string) (done func() error, err error) {
	if file == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "--cpu-profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

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
	fl.StringVar(&f.override.Region, "region", d.Region, "the `region` that the server says it is")
	fl.StringVar(&f.override.Account, "account", d.Account, "the account `id`, 12 digits")
	fl.StringVar(&f.override.Sandbox, "sandbox", d.Sandbox, "sandbox `driver`: auto, namespace or process")
	fl.StringVar(&f.override.Log, "log", d.Log, "`URL` of a NATS JetStream that keeps events (default: in the data folder)")
	fl.StringVar(&f.override.LogSync, "log-sync", d.LogSync, "`when` events are on disk: interval (1 s) or always")
	_ = cmd.MarkFlagFilename("config", "yml", "yaml")
	_ = cmd.RegisterFlagCompletionFunc("log-sync", cobra.FixedCompletions(platform.LogSyncs, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("sandbox", cobra.FixedCompletions(platform.Sandboxes, cobra.ShellCompDirectiveNoFileComp))
}

// load overlays the defaults with file, environment and the flags that were given.
func (f *serverFlags) load(cmd *cobra.Command) (platform.Config, error) {
	c, err := platform.Load(f.config, os.Environ())
	if err != nil {
		return c, err
	}
	for name, field := range map[string]*string{
		"data": &c.Data, "api": &c.API, "http": &c.HTTP, "region": &c.Region, "account": &c.Account, "sandbox": &c.Sandbox,
		"log": &c.Log, "log-sync": &c.LogSync,
	} {
		if flag := cmd.Flag(name); flag.Changed {
			*field = flag.Value.String()
		}
	}
	return c, nil
}

func (sh *shell) printFacts(f platform.Facts, data string) {
	if sh.json {
		_ = sh.printJSON(f)
		return
	}
	fmt.Fprintf(sh.out, "%s is up in %d ms\n", sh.out.bold("Pinfold "+platform.Version()), max(1, f.Ready.Milliseconds()))
	row := func(name, value string) { fmt.Fprintf(sh.out, "  %-12s %s\n", name, value) }
	row("public door", f.Endpoints.HTTP)
	row("API", f.Endpoints.API+sh.out.faint("   eval $(pinfold env) points AWS tools here"))
	row("data", data)
	switch {
	case f.Dev:
		row("credentials", "any are accepted")
	case f.RootKeyMade:
		row("root key", f.RootKeyFile+" (made now; keep it safe)")
	case f.RootKeyFile != "":
		row("root key", f.RootKeyFile)
	default:
		row("root key", "as configured")
	}
	if f.Contained {
		row("sandbox", f.Sandbox)
	} else {
		row("sandbox", sh.out.amber(f.Sandbox+": functions are NOT isolated from this machine or each other; run only code that you trust"))
	}
	for _, weak := range f.Weak {
		row("", sh.out.amber(weak))
	}
}

// deployHere deploys a folder to the server in this process.
func (sh *shell) deployHere(ctx context.Context, facts platform.Facts, dir string, force bool) error {
	c := client.New(facts.Endpoints.API, facts.Region, facts.RootKey)
	d := deployment{sh: sh, client: c, flags: manifestFlags{dir: dir}, yes: true, force: force}
	deployed, _, err := d.run(ctx)
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
	sh.printDeployed(deployed, nil)
	if line := curlLine(deployed); line != "" {
		fmt.Fprintf(sh.out, "\nTry it:\n  %s\n", sh.out.bold(line))
	}
	fmt.Fprintln(sh.out, sh.out.faint("Ctrl-C stops the server."))
}
