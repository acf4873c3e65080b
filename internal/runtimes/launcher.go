package runtimes

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// initLimit is how long a function may take to load. Source: "Init phase" in
// "Lambda execution environment", Lambda developer guide.
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
}

// Launcher makes instances.
type Launcher struct {
	options    Options
	bootstraps string // as instances see it
	onHost     string // the same folder, as the platform does
	find       finder
	initLimit  time.Duration
}

// NewLauncher returns a launcher. It writes the bootstraps if they are not
// there, and starts nothing.
func NewLauncher(o Options) (*Launcher, error) {
	dir, err := unpackBootstraps(o.RunDir)
	if err != nil {
		return nil, err
	}
	l := &Launcher{options: o, bootstraps: dir, onHost: dir, initLimit: initLimit}
	if o.Driver.Capabilities().Filesystem {
		l.bootstraps = sandbox.RuntimeDir
	}
	return l, nil
}

// Launch returns an instance of v that is ready for its first invocation. A
// function that cannot be loaded is an instance too: its first invocation tells
// the caller why. An error means that the platform could not get that far.
func (l *Launcher) Launch(ctx context.Context, v *pinfold.Version) (*Instance, error) {
	runtime, ok := parse(v.Config.Runtime)
	if !ok {
		return nil, Supported(v.Config.Runtime)
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	in := newInstance(hex.EncodeToString(id), v, runtime)
	if err := l.launch(ctx, in); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	go in.watch()
	return in, nil
}

func (l *Launcher) launch(ctx context.Context, in *Instance) error {
	began := time.Now()
	assignment, err := l.fetch(ctx, in.version)
	if err != nil {
		return err
	}
	in.phases.Fetch = time.Since(began)

	began = time.Now()
	interpreter, spec, err := l.prepare(in)
	if err != nil {
		return err
	}
	if in.box, err = l.options.Driver.Create(ctx, spec); err != nil {
		return err
	}
	paths, err := in.box.Assign(ctx, assignment)
	if err != nil {
		return err
	}
	in.phases.Sandbox = time.Since(began)

	env := l.environment(in, paths, interpreter)
	if in.runtime.family == Custom {
		err = l.launchCustom(ctx, in, assignment, paths, env)
	} else {
		err = l.launchOurs(ctx, in, paths, env, interpreter)
	}
	if err == nil {
		err = in.throttle(ctx, true)
	}
	return err
}

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

// prepare finds what a sandbox for the instance must let it see.
func (l *Launcher) prepare(in *Instance) (interpreter string, spec sandbox.Spec, err error) {
	spec.ID = in.id
	if in.runtime.family == Custom {
		return "", spec, nil
	}
	if interpreter, err = l.find.find(in.runtime); err != nil {
		return "", spec, err
	}
	spec.Runtime = l.onHost
	spec.ReadOnly = prefixes(interpreter)
	return interpreter, spec, nil
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

// launchOurs starts a language runtime under a bootstrap of ours and gives it
// the function.
func (l *Launcher) launchOurs(ctx context.Context, in *Instance, paths sandbox.Paths, env map[string]string, interpreter string) error {
	began := time.Now()
	link, theirs, err := newLink()
	if err != nil {
		return err
	}
	in.worker = link
	cmd := sandbox.Command{Path: interpreter, Env: environ(env), Dir: paths.Task, Files: []*os.File{theirs}}
	switch in.runtime.family {
	case Node:
		cmd.Args = []string{filepath.Join(l.bootstraps, "node", "main.js")}
	case Python:
		cmd.Args = []string{"-s", "-B", filepath.Join(l.bootstraps, "python", "main.py")}
	}
	err = l.start(ctx, in, cmd)
	_ = theirs.Close()
	if err != nil {
		return err
	}
	var version string
	select {
	case version = <-link.hello:
	case <-in.box.Done(): // the function's environment can be the reason: NODE_OPTIONS
		in.failInit(exitFailure(in.box.Exit()))
		return nil
	case <-time.After(initLimit):
		return pinfold.Errorf(pinfold.Internal, "%s at %s does not start within %v", display(in.runtime.family), interpreter, initLimit)
	case <-ctx.Done():
		return gone(ctx.Err())
	}
	in.phases.Boot = time.Since(began)
	in.log.initStart(time.Now(), string(in.runtime.family)+":"+version)
	err = link.initialise(initFrame{Task: paths.Task, Opt: paths.Opt, Handler: in.version.Config.Handler, Env: env})
	if err != nil {
		return pinfold.Errorf(pinfold.Internal, "giving the instance its function: %w", err)
	}
	return in.awaitInit(ctx, l.initLimit)
}

// launchCustom starts the function's own program and serves it the Runtime API.
func (l *Launcher) launchCustom(ctx context.Context, in *Instance, a sandbox.Assignment, paths sandbox.Paths, env map[string]string) error {
	began := time.Now()
	listener, err := in.box.Listen(ctx)
	if err != nil {
		return err
	}
	in.worker = newAPI(listener)
	env["AWS_LAMBDA_RUNTIME_API"] = listener.Addr().String()
	program, failed := entrypoint(in.version, a, paths)
	if failed == nil {
		err = l.start(ctx, in, sandbox.Command{Path: program, Env: environ(env), Dir: paths.Task})
		if notAProgram(err) {
			failed = &failure{kind: "Runtime.InvalidEntrypoint", message: err.Error() +
				": the program must be built for this machine, or be a script whose interpreter exists here"}
			err = nil
		}
	} else {
		err = l.openOutput(in)
	}
	if err != nil {
		return err
	}
	if failed != nil {
		in.failInit(failed)
		return nil
	}
	in.phases.Boot = time.Since(began)
	in.log.initStart(time.Now(), in.version.Config.Runtime)
	return in.awaitInit(ctx, l.initLimit)
}

// entrypoint finds the program of a custom runtime. Source: "Building a custom
// runtime" in the Lambda developer guide; go1.x runs the handler itself.
func entrypoint(v *pinfold.Version, a sandbox.Assignment, paths sandbox.Paths) (string, *failure) {
	type place struct{ host, inside string }
	places := []place{{a.Code + "/bootstrap", paths.Task + "/bootstrap"}}
	names := "/var/task/bootstrap"
	if v.Config.Runtime == "go1.x" && filepath.IsLocal(v.Config.Handler) {
		places = append([]place{{a.Code + "/" + v.Config.Handler, paths.Task + "/" + v.Config.Handler}}, places...)
		names = "/var/task/" + v.Config.Handler + " " + names
	}
	if a.Layers != "" {
		places = append(places, place{a.Layers + "/bootstrap", paths.Opt + "/bootstrap"})
		names += " /opt/bootstrap"
	}
	for _, p := range places {
		info, err := os.Stat(p.host)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if info.Mode()&0o111 == 0 {
			return "", &failure{kind: "Runtime.InvalidEntrypoint", message: "fork/exec " + filepath.Base(p.host) +
				": permission denied: make it executable (chmod +x) before it is packed"}
		}
		return p.inside, nil
	}
	return "", &failure{kind: "Runtime.InvalidEntrypoint", message: "Couldn't find valid bootstrap(s): [" + names +
		"]: put an executable file named bootstrap at the root of the code package"}
}

// notAProgram reports whether a start failed over what was to be started, and
// not because the machine has too little of something.
func notAProgram(err error) bool {
	for _, of := range []error{syscall.ENOEXEC, syscall.ENOENT, syscall.EACCES, syscall.ENOTDIR, syscall.ELOOP, syscall.E2BIG, syscall.EINVAL, syscall.EISDIR, syscall.ETXTBSY} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

// openOutput opens the instance's log for a program that is not started.
func (l *Launcher) openOutput(in *Instance) error {
	theirs, err := in.openOutput(l.options.Logs)
	if err != nil {
		return err
	}
	return theirs.Close()
}

// start runs a command with the instance's log as its output.
func (l *Launcher) start(ctx context.Context, in *Instance, cmd sandbox.Command) error {
	theirs, err := in.openOutput(l.options.Logs)
	if err != nil {
		return err
	}
	defer theirs.Close()
	cmd.Output = theirs
	return in.box.Start(ctx, cmd)
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
