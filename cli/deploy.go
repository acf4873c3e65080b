package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
	"pinfold.dev/pinfold/client"
)

// manifestFlags say which application, in which stage.
type manifestFlags struct {
	dir    string
	stage  string
	params map[string]string
}

func (m *manifestFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&m.stage, "stage", "s", "", "stage to deploy (default: the manifest's provider.stage, or dev)")
	cmd.Flags().StringToStringVar(&m.params, "param", nil, "value for ${param:`key`}, as key=value; may be repeated")
}

func (m *manifestFlags) setDir(args []string) {
	m.dir = "."
	if len(args) > 0 {
		m.dir = args[0]
	}
}

func (sh *shell) deploy() *cobra.Command {
	var flags manifestFlags
	var yes, allowUnserved bool
	cmd := &cobra.Command{
		Use:   "deploy [DIR]",
		Short: "Put the application in a folder on the server",
		Long: `Reads the application in DIR (default: this folder), shows what would change,
asks, uploads the code that the server does not have yet, and makes the change
in one transaction: all of it happens, or none.`,
		Example: `  pinfold deploy
  pinfold deploy examples/hello --stage prod --param table=users --yes`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.setDir(args)
			c, err := sh.connect()
			if err != nil {
				return err
			}
			d := deployment{sh: sh, client: c, flags: flags, yes: yes, allowUnserved: allowUnserved, cache: cacheFolder()}
			deployed, err := d.run(cmd.Context())
			if err != nil {
				return err
			}
			if sh.json {
				return sh.printJSON(deployed)
			}
			fmt.Fprintf(sh.out, "%s %s (%s)\n", green("deployed"), deployed.App, deployed.Stage)
			sh.printDeployed(deployed)
			return nil
		},
	}
	flags.bind(cmd)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&allowUnserved, "allow-unserved", false, "deploy although the manifest asks for things that are not served yet")
	return sh.withServer(cmd)
}

func (sh *shell) plan() *cobra.Command {
	var flags manifestFlags
	cmd := &cobra.Command{
		Use:   "plan [DIR]",
		Short: "Show what deploy would change, and change nothing",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.setDir(args)
			c, err := sh.connect()
			if err != nil {
				return err
			}
			d := deployment{sh: sh, client: c, flags: flags, cache: cacheFolder()}
			p, err := d.prepare(cmd.Context())
			if err != nil {
				return err
			}
			if sh.json {
				return sh.printJSON(p.plan)
			}
			sh.printPlan(p.plan)
			return nil
		},
	}
	flags.bind(cmd)
	return sh.withServer(cmd)
}

// deployment takes one application from its folder to the server.
type deployment struct {
	sh            *shell
	client        *client.Client
	flags         manifestFlags
	yes           bool // do not ask
	quiet         bool // show the plan only if something changes, and no progress
	allowUnserved bool
	cache         string // folder for built packages
}

// prepared is an application, read and built, and what deploying it would change.
type prepared struct {
	app   *app.Application
	built map[string]string // file of each package, by hash
	plan  *app.Plan
}

func (d *deployment) prepare(ctx context.Context) (*prepared, error) {
	info, err := d.client.Info(ctx)
	if err != nil {
		return nil, err
	}
	a, err := d.read(ctx, info.Target)
	if err != nil {
		return nil, err
	}
	if !d.sh.json {
		d.sh.warn(a.Warnings)
	}
	built, err := app.Build(ctx, a, app.BuildOptions{Cache: d.cache})
	if err != nil {
		return nil, err
	}
	plan, err := d.client.Plan(ctx, a)
	if err != nil {
		return nil, err
	}
	return &prepared{a, built, plan}, nil
}

func (d *deployment) run(ctx context.Context) (*app.Deployed, error) {
	p, err := d.prepare(ctx)
	if err != nil {
		return nil, err
	}
	if !d.sh.json && (!d.quiet || len(p.plan.Changes) > 0) {
		d.sh.printPlan(p.plan)
	}
	if len(p.plan.Unserved) > 0 && !d.allowUnserved {
		return nil, unservedError(p.plan.Unserved)
	}
	if len(p.plan.Changes) > 0 && !d.yes {
		if err := d.sh.confirm("Deploy these changes?"); err != nil {
			return nil, err
		}
	}
	if err := d.upload(ctx, p); err != nil {
		return nil, err
	}
	return d.client.Deploy(ctx, p.app, p.plan.Base)
}

func unservedError(unserved []app.Unserved) error {
	lines := make([]string, len(unserved))
	for i, u := range unserved {
		lines[i] = fmt.Sprintf("  %s (%s)", u.What, u.At.FileLine())
	}
	return pinfold.Errorf(pinfold.Unserved, "the application asks for things that this Pinfold does not serve yet:\n%s\n--allow-unserved deploys the rest without them", strings.Join(lines, "\n"))
}

// upload sends the code packages that the server does not have.
func (d *deployment) upload(ctx context.Context, p *prepared) error {
	var total int64
	for _, pkg := range p.plan.Missing {
		total += pkg.Size
	}
	if total == 0 {
		return nil
	}
	var bar io.Writer = io.Discard
	if d.sh.terminal && !d.sh.json && !d.quiet {
		progress := progressbar.NewOptions64(total, progressbar.OptionSetWriter(d.sh.err), progressbar.OptionSetDescription("uploading"),
			progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(50*time.Millisecond))
		defer progress.Close()
		bar = progress
	}
	for _, pkg := range p.plan.Missing {
		if err := d.uploadOne(ctx, pkg, p.built[pkg.SHA256], bar); err != nil {
			return p.app.Blame(pkg, err)
		}
	}
	return nil
}

func (d *deployment) uploadOne(ctx context.Context, pkg pinfold.Package, path string, bar io.Writer) error {
	file, err := os.Open(path)
	if err != nil {
		return pinfold.Errorf(pinfold.Internal, "opening the package that was just built: %w", err)
	}
	defer file.Close()
	return d.client.PutPackage(ctx, pkg, &counted{file, bar})
}

// counted tells a progress bar what is read.
type counted struct {
	io.ReadSeeker
	bar io.Writer
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	_, _ = c.bar.Write(p[:n])
	return n, err
}

// confirm asks a person; without one it refuses.
func (sh *shell) confirm(question string) error {
	if !isTerminal(sh.in) || sh.json {
		return pinfold.Errorf(pinfold.Invalid, "nobody is there to ask: give --yes to go ahead")
	}
	fmt.Fprintf(sh.err, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(sh.in).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return pinfold.Errorf(pinfold.Invalid, "nothing was changed")
}

// read reads whatever manifest is in the folder.
func (d *deployment) read(ctx context.Context, target app.Target) (*app.Application, error) {
	notes := map[string]string{}
	return serverless.Read(ctx, d.flags.dir, serverless.Options{
		Stage: d.flags.stage, Params: d.flags.params, Target: target, Env: os.LookupEnv,
		RuntimeNote: func(id string) string {
			note, known := notes[id]
			if !known {
				note, _ = d.client.RuntimeNote(ctx, id) // a note that cannot be had stops nothing
				notes[id] = note
			}
			return note
		},
	})
}

// cacheFolder is where built packages are kept between deployments.
func cacheFolder() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "pinfold", "packages")
}
