package runtimes

import (
	"context"
	"errors"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// Cell is a language runtime that is up, in a sandbox of its own, without a
// function yet.
type Cell struct {
	*body
	launcher *Launcher
	id       string
	kind     kind
}

// kind is what cells can be alike in.
type kind struct {
	family      Family
	interpreter string
}

func (k kind) String() string { return string(k.family) + ":" + k.interpreter }

func parseKind(s string) (kind, bool) {
	family, interpreter, ok := strings.Cut(s, ":")
	return kind{Family(family), interpreter}, ok
}

// Kind names the cells that instances of v can be made of, or is "" if it must be
// started from nothing: a runtime of its own, or one whose environment changes
// how a language runtime starts. Where the driver shows a function the machine's
// own file system its paths must be known first.
func (l *Launcher) Kind(v *pinfold.Version) string {
	runtime, ok := parse(v.Config.Runtime)
	if !ok || runtime.family == Custom || !l.options.Driver.Capabilities().Filesystem || startsOtherwise(v.Config.Environment) {
		return ""
	}
	interpreter, err := l.find.glance(runtime)
	if err != nil {
		return ""
	}
	return kind{runtime.family, interpreter}.String()
}

// startsOtherwise reports whether a variable is among those that a language
// runtime, its libraries or the loader read when they start.
func startsOtherwise(env map[string]string) bool {
	for name := range env {
		switch name {
		case "NODE_PATH", "NODE_ENV", "PYTHONPATH": // read when modules are loaded
			continue
		case "LANG", "LANGUAGE", "OPENSSL_CONF", "SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_LAMBDA_EXEC_WRAPPER":
			return true
		}
		for _, prefix := range []string{"NODE_", "PYTHON", "LD_", "LC_", "UV_", "MALLOC_", "GLIBC_", "V8_"} {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
	}
	return false
}

// Boot starts a cell. Its sandbox runs at low priority until it is assigned.
func (l *Launcher) Boot(ctx context.Context, of string) (*Cell, error) {
	k, ok := parseKind(of)
	if !ok {
		return nil, pinfold.Errorf(pinfold.Internal, "there are no cells of kind %q", of)
	}
	c := &Cell{body: newBody(), launcher: l, id: newID(), kind: k}
	if err := c.boot(ctx); err != nil {
		return nil, errors.Join(pinfold.Errorf(pinfold.CodeOf(err), "booting a %s: %w", display(k.family), err), c.Close())
	}
	return c, nil
}

func (c *Cell) boot(ctx context.Context) (err error) {
	spec := c.launcher.specOf(c.id, c.kind.interpreter)
	spec.Background = true
	if c.box, err = c.launcher.options.Driver.Create(ctx, spec); err != nil {
		return err
	}
	// What the process cannot be told later: its libraries' folders and locale.
	env := c.launcher.startEnvironment(c.kind.interpreter, sandbox.Paths{Task: "/var/task", Opt: "/opt"})
	if c.kind.family == Python { // a cell of Node.js compiles what it needs, and more, before it is one
		c.launcher.compiled.by(ctx, Python, c.kind.interpreter)
	}
	return c.launcher.boot(ctx, c.body, c.kind.interpreter, c.kind.family, environ(env), "/", "ahead")
}

// Done is closed when the cell's process has ended.
func (c *Cell) Done() <-chan struct{} { return c.box.Done() }

// MemoryMB returns how much memory the cell holds now, in megabytes.
func (c *Cell) MemoryMB() int { return c.box.Usage().MemoryMB }

// Close ends the cell and leaves nothing behind.
func (c *Cell) Close() error {
	if err := c.close(); err != nil {
		return pinfold.Errorf(pinfold.Internal, "closing cell %s: %w", c.id, err)
	}
	return nil
}

// Assign makes the cell an instance of v. An error with the reason InstanceGone
// is the cell's; after any the caller closes the cell.
func (c *Cell) Assign(ctx context.Context, v *pinfold.Version, how How) (*Instance, error) {
	runtime, ok := parse(v.Config.Runtime)
	if !ok {
		return nil, Supported(v.Config.Runtime)
	}
	in := c.launcher.newInstance(c.id, v, runtime, how)
	in.take(c.body)
	return c.launcher.first(ctx, in, func() (*failure, error) { return c.give(ctx, in) })
}

func (c *Cell) give(ctx context.Context, in *Instance) (*failure, error) {
	began := time.Now()
	assignment, err := c.launcher.fetch(ctx, in.version)
	if err != nil {
		return nil, err
	}
	in.phases.Fetch = time.Since(began)
	began = time.Now()
	assignment.Cache = c.launcher.caches.of(in.version, runtimeName(in.runtime.family, c.version))
	assigned := make(chan error, 1)
	go func() {
		_, err := c.box.Assign(ctx, assignment)
		assigned <- err
	}()
	err = c.expect(in, assignment.Paths())
	if err = errors.Join(<-assigned, err); err != nil {
		select {
		case <-c.Done():
			err = gone(err)
		default:
		}
		return nil, err
	}
	in.phases.Sandbox = time.Since(began)
	return in.load(ctx, c.launcher.initLimitOf(in.how))
}

// expect has the process wake up and take in what it can before it has its code.
func (c *Cell) expect(in *Instance, paths sandbox.Paths) error {
	if err := in.introduce(paths, c.launcher.environment(in, paths, c.kind.interpreter)); err != nil {
		return err
	}
	return in.worker.(*link).flush()
}
