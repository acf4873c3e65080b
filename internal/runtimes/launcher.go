package runtimes

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// initLimit is how long a function may take to load that somebody waits for, and
// a language runtime to start.
const initLimit = 10 * time.Second

// Code makes code packages ready for instances to read.
type Code interface {
	// Dir returns the folder with an unpacked code package.
	Dir(ctx context.Context, code pinfold.Package) (string, error)
	// Layers returns the folder with layers laid over each other, later ones on
	// top.
	Layers(ctx context.Context, layers []pinfold.Package) (string, error)
}

// Options is what a [Launcher] works with.
type Options struct {
	Driver sandbox.Driver
	Code   Code
	Logs   pinfold.LogSink // nil: logs are dropped
	// RunDir is a folder for the bootstraps. Instances read it.
	RunDir string
	// Env returns what a version's instances get in their environment beside
	// what Lambda sets, such as credentials. It wins over the function's own.
	Env func(v *pinfold.Version) map[string]string
	// Endpoint is the AWS_ENDPOINT_URL of functions that set none: the address of
	// the platform's API as instances see it. "" sets none.
	Endpoint string
	// Cache keeps what language runtimes compile; nil: nothing is kept.
	Cache CodeCache
}

// Launcher makes instances.
type Launcher struct {
	options    Options
	bootstraps string // as instances see it
	compiled   compiled
	caches     caches
	onHost     string // the same folder, as the platform does
	find       finder
	initLimit  time.Duration

	life      context.Context // of what is prepared
	end       context.CancelFunc
	preparing sync.WaitGroup
}

// NewLauncher returns a launcher. It writes the bootstraps if they are not
// there, and starts nothing.
func NewLauncher(o Options) (*Launcher, error) {
	dir, err := unpackBootstraps(o.RunDir)
	if err != nil {
		return nil, err
	}
	l := &Launcher{options: o, bootstraps: dir, onHost: dir, initLimit: initLimit, compiled: compiled{dir: dir}}
	l.life, l.end = context.WithCancel(context.Background())
	l.caches.kept = o.Cache
	if err := l.compiled.forget(); err != nil {
		return nil, err
	}
	if o.Driver.Capabilities().Filesystem {
		l.bootstraps = sandbox.RuntimeDir
	}
	l.compiled.at = l.bootstraps
	return l, nil
}

// Prepare does, in the background, what all instances of a runtime have in common
// to be started: a sandbox or two are made ahead, and the bootstrap is compiled.
// Nothing depends on it but their time.
func (l *Launcher) Prepare(id string) {
	runtime, ok := parse(id)
	if !ok {
		return
	}
	interpreter, spec, err := l.prepare("", runtime)
	if err != nil {
		return // who starts one is told
	}
	if driver, ok := l.options.Driver.(sandbox.Stocker); ok {
		driver.Stock(spec)
	}
	if runtime.family != Custom {
		l.preparing.Go(func() { l.compiled.by(l.life, runtime.family, interpreter) })
	}
}

// Close ends what Prepare has begun. There is no Prepare after it.
func (l *Launcher) Close() {
	l.end()
	l.preparing.Wait()
}

// How tells about a launch what the function gets to know of it.
type How struct {
	Provisioned bool // ahead of any invocation, because its owner wants it so
}

// Launch returns an instance of v that is ready for its first invocation. A
// function that cannot be loaded is an instance too: its first invocation tries
// once more, and tells the caller why if it fails again. An error means that the
// platform could not get that far.
func (l *Launcher) Launch(ctx context.Context, v *pinfold.Version, how How) (*Instance, error) {
	runtime, ok := parse(v.Config.Runtime)
	if !ok {
		return nil, Supported(v.Config.Runtime)
	}
	in := l.newInstance(newID(), v, runtime, how)
	return l.first(ctx, in, func() (*failure, error) { return in.embody(ctx, l.initLimitOf(how)) })
}

func newID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id)
}

// initLimitOf is how long a function may take to load. Source: "Init phase" in
// "Lambda execution environment", Lambda developer guide.
func (l *Launcher) initLimitOf(how How) time.Duration {
	if how.Provisioned {
		return provisionedInitLimit
	}
	return l.initLimit
}

const provisionedInitLimit = 15 * time.Minute

// fetch makes code and layers ready on disk.
func (l *Launcher) fetch(ctx context.Context, v *pinfold.Version) (a sandbox.Assignment, err error) {
	a.Limits = sandbox.Limits{MemoryMB: v.Config.MemoryMB, EphemeralMB: v.Config.EphemeralMB}
	a.Network = v.Config.Network
	if a.Code, err = l.options.Code.Dir(ctx, v.Code); err != nil {
		return a, lost(err)
	}
	if len(v.Config.Layers) > 0 {
		packages := make([]pinfold.Package, len(v.Config.Layers))
		for i, layer := range v.Config.Layers {
			packages[i] = layer.Code
		}
		a.Layers, err = l.options.Code.Layers(ctx, packages)
	}
	return a, lost(err)
}

// lost makes of a code package that is not there what it is: our loss. The
// caller's function is there.
func lost(err error) error {
	if pinfold.CodeOf(err) == pinfold.NotFound {
		return pinfold.Errorf(pinfold.Internal, "the function's code is lost: %w", err)
	}
	return err
}

// prepare finds what a sandbox for an instance must let it see.
func (l *Launcher) prepare(id string, runtime identifier) (interpreter string, spec sandbox.Spec, err error) {
	spec.ID = id
	if runtime.family == Custom {
		return "", spec, nil
	}
	if interpreter, err = l.find.find(runtime); err != nil {
		return "", spec, err
	}
	return interpreter, l.specOf(id, interpreter), nil
}

// specOf is what a sandbox must let an interpreter see.
func (l *Launcher) specOf(id, interpreter string) sandbox.Spec {
	return sandbox.Spec{ID: id, Runtime: l.onHost, ReadOnly: prefixes(interpreter)}
}

// prefixes returns the folders that an interpreter is installed in: with its
// libraries and, if it is a link from elsewhere, where that leads to.
func prefixes(interpreter string) (dirs []string) {
	paths := []string{interpreter}
	if real, err := filepath.EvalSymlinks(interpreter); err == nil {
		paths = append(paths, real)
	}
	for _, path := range paths {
		prefix := filepath.Dir(filepath.Dir(path))
		if prefix != "/" && prefix != "/usr" && !slices.Contains(dirs, prefix) {
			dirs = append(dirs, prefix)
		}
	}
	return dirs
}

// boot starts a language runtime under a bootstrap of ours, and waits until it is
// up. A process that ends instead is a *failure.
func (l *Launcher) boot(ctx context.Context, b *body, interpreter string, family Family, env []string, dir string, args ...string) error {
	link, theirs, err := newLink()
	if err != nil {
		return err
	}
	b.worker = link
	cmd := sandbox.Command{Path: interpreter, Env: env, Dir: dir, Files: theirs}
	switch family {
	case Node:
		cmd.Args = []string{filepath.Join(l.bootstraps, "node", "index.js")}
	case Python:
		cmd.Args = []string{"-s", "-B", filepath.Join(l.bootstraps, "python", "main.py")}
	}
	cmd.Args = append(cmd.Args, args...)
	err = l.start(ctx, b, cmd)
	for _, f := range theirs {
		_ = f.Close()
	}
	if err != nil {
		return err
	}
	limit := time.NewTimer(initLimit)
	defer limit.Stop()
	select {
	case b.version = <-link.hello:
		return nil
	case <-b.box.Done():
		return exitFailure(b.box.Exit())
	case <-limit.C:
		return pinfold.Errorf(pinfold.Internal, "%s at %s does not start within %v", display(family), interpreter, initLimit)
	case <-ctx.Done():
		return gone(ctx.Err())
	}
}

// openOutput opens the log of a program that is not started.
func (l *Launcher) openOutput(b *body) error {
	out, theirs, err := newOutput(l.options.Logs)
	if err != nil {
		return err
	}
	b.open(out)
	return theirs.Close()
}

// open makes an output the body's, which is complete by that.
func (b *body) open(out *output) {
	b.out = out
	if b.in != nil {
		b.in.take(b)
	}
}

// start runs a command with the body's log as its output.
func (l *Launcher) start(ctx context.Context, b *body, cmd sandbox.Command) error {
	out, theirs, err := newOutput(l.options.Logs)
	if err != nil {
		return err
	}
	defer theirs.Close()
	b.open(out)
	cmd.Output = theirs
	return b.box.Start(ctx, cmd)
}

func exitMessage(e sandbox.Exit) string {
	switch {
	case e.Signal != "":
		return "Runtime exited with error: signal: " + e.Signal
	case e.Code != 0:
		return "Runtime exited with error: exit status " + strconv.Itoa(e.Code)
	}
	return "Runtime exited without providing a reason"
}

// gone is the error of an instance that did not get to run the function, so
// another one may.
func gone(cause error) error {
	message := "the instance is gone before it could run the function"
	if cause != nil {
		return pinfold.Errorf(pinfold.Unavailable, message+": %w", cause).WithReason("InstanceGone")
	}
	return pinfold.Errorf(pinfold.Unavailable, "%s", message).WithReason("InstanceGone")
}
