package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
	"pinfold.dev/pinfold/client"
)

// deployment takes one application from its folder to the server.
type deployment struct {
	sh            *shell
	client        *client.Client
	flags         manifestFlags
	yes           bool // do not ask
	allowUnserved bool
	force         bool   // although messages are lost with it
	dev           bool   // again and again: pack fast, and show what changes alone
	cache         string // folder for built packages; "" is the user's own

	manifest []string             // the files that the application was last read from
	warned   map[app.Warning]bool // what has been said already
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
	a, err := d.read(ctx, info)
	if err != nil {
		return nil, err
	}
	d.manifest = a.Manifest
	d.warn(append(a.Warnings, unenforced(a, info)...))
	bar := d.progress()
	built, err := app.Build(ctx, a, app.BuildOptions{Cache: d.cache, Fast: d.dev, Progress: bar.packed})
	bar.close()
	if err != nil {
		return nil, err
	}
	plan, err := d.client.Plan(ctx, a)
	if err != nil {
		return nil, err
	}
	return &prepared{a, built, plan}, nil
}

// warn shows what the reader noticed, once.
func (d *deployment) warn(warnings []app.Warning) {
	fresh := slices.DeleteFunc(slices.Clone(warnings), func(w app.Warning) bool { return d.warned[w] })
	d.sh.warn(fresh)
	d.warned = map[app.Warning]bool{}
	for _, w := range warnings {
		d.warned[w] = true
	}
}

// read reads whatever manifest is in the folder.
func (d *deployment) read(ctx context.Context, info client.Info) (*app.Application, error) {
	notes := map[string]string{}
	return serverless.Read(ctx, d.flags.dir, serverless.Options{
		Stage: d.flags.stage, Params: d.flags.params, Target: info.Target, Env: os.LookupEnv, MachineMB: info.MachineMB,
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

// run deploys. It returns what is there then, and the plan that led there.
func (d *deployment) run(ctx context.Context) (*app.Deployed, *app.Plan, error) {
	p, err := d.prepare(ctx)
	if err != nil {
		return nil, nil, err
	}
	changes := len(p.plan.Changes) > 0
	if !d.sh.json && (!d.dev || changes) {
		d.sh.printPlan(p.plan)
	}
	if len(p.plan.Unserved) > 0 && !d.allowUnserved {
		return nil, nil, unservedError(p.plan.Unserved)
	}
	if len(p.plan.Losses) > 0 && !d.force {
		return nil, nil, lossError(p.plan.Losses)
	}
	if changes && !d.yes {
		if err := d.sh.confirm("Deploy these changes?"); err != nil {
			return nil, nil, err
		}
	}
	if err := d.upload(ctx, p); err != nil {
		return nil, nil, err
	}
	deployed, err := d.client.Deploy(ctx, p.app, p.plan.Base, forced(d.force)...)
	return deployed, p.plan, err
}

func unservedError(unserved []app.Unserved) error {
	lines := make([]string, len(unserved))
	for i, u := range unserved {
		lines[i] = fmt.Sprintf("  %s (%s)", u.What, u.At.FileLine())
	}
	return pinfold.Errorf(pinfold.Unserved, "the application asks for things that this Pinfold does not serve yet:\n%s\n--allow-unserved deploys the rest without them", strings.Join(lines, "\n"))
}

func lossError(losses []string) error {
	return pinfold.Errorf(pinfold.Conflict, "nothing was changed, because it would throw away what waits: %s; have it handled, move it, purge the queue or drop the events, or give --force", strings.Join(losses, ", "))
}

func forced(force bool) []client.Option {
	if force {
		return []client.Option{client.Force}
	}
	return nil
}

const forceUsage = "go ahead although messages of queues or events of functions are lost"

// upload sends the code packages that the server does not have.
func (d *deployment) upload(ctx context.Context, p *prepared) error {
	var total int64
	for _, pkg := range p.plan.Missing {
		total += pkg.Size
	}
	bar := d.progress()
	defer bar.close()
	for _, pkg := range p.plan.Missing {
		err := d.uploadOne(ctx, pkg, p.built[pkg.SHA256], func(n int) { bar.uploaded(n, total) })
		if err != nil {
			return err
		}
	}
	bar.close()
	if total > 0 && !d.sh.json && !d.dev {
		fmt.Fprintln(d.sh.err, d.sh.err.faint("uploaded "+count(len(p.plan.Missing), "code package")+", "+bytesText(total)))
	}
	return nil
}

func (d *deployment) uploadOne(ctx context.Context, pkg pinfold.Package, path string, sent func(int)) error {
	file, err := os.Open(path)
	if err != nil {
		return pinfold.Errorf(pinfold.Internal, "opening the package that was just built: %w", err)
	}
	defer file.Close()
	return d.client.PutPackage(ctx, pkg, &counted{file, sent})
}

// counted tells how much is read.
type counted struct {
	io.ReadSeeker
	read func(int)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	c.read(n)
	return n, err
}

// confirm asks a person; without one it refuses.
func (sh *shell) confirm(question string) error {
	if !isTerminal(sh.in) || sh.json {
		return pinfold.Errorf(pinfold.Invalid, "nobody is there to ask: give --yes to go ahead")
	}
	fmt.Fprintf(sh.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(sh.in).ReadString('\n')
	if err != nil {
		fmt.Fprintln(sh.err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return pinfold.Errorf(pinfold.Invalid, "nothing was changed")
}
