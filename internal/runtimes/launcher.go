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
}

// NewLauncher returns a launcher. It writes the bootstraps if they are not
// there, and starts nothing.
func NewLauncher(o Options) (*Launcher, error) {
	dir, err := unpackBootstraps(o.RunDir)
	if err != nil {
		return nil, err
	}
	l := &Launcher{options: o, bootstraps: dir, onHost: dir, initLimit: initLimit, compiled: compiled{dir: filepath.Join(dir, "python", "pinfold_bootstrap")}}
	l.caches.kept = o.Cache
	if err := l.compiled.forget(); err != nil {
		return nil, err
	}
	if o.Driver.Capabilities().Filesystem {
		l.bootstraps = sandbox.RuntimeDir
	}
	return l, nil
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

// first gives an instance its first body, and sees what came of it.
func (l *Launcher) first(ctx context.Context, in *Instance, load func() (*failure, error)) (*Instance, error) {
	failed, err := load()
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	if failed != nil && in.how.Provisioned {
		return nil, errors.Join(pinfold.Errorf(pinfold.Unavailable, "the function could not be loaded: %s: %s", failed.kind, failed.text()), in.Close())
	}
	if failed != nil {
		in.log.initFailed(nil, time.Now(), in.initTook, failed.initStatus(), failed.initError())
		in.again = true
		if err := in.body.close(); err != nil {
			return nil, errors.Join(err, in.Close())
		}
		return in, nil
	}
	in.watched()
	return in, nil
}

// watched has somebody notice the end of the process.
func (in *Instance) watched() {
	in.lives = true
	go in.body.watch(in) // close waits for it
}

// revive tries once more to load the function, in the time of its first call,
// with a new process. Source: "Init phase" in "Lambda execution environment",
// Lambda developer guide: "Lambda retries the Init phase at the time of the first
// function invocation with the configured function timeout."
func (in *Instance) revive(c *call) {
	defer in.reviving.Done()
	ctx, cancel := context.WithDeadline(in.life, c.by)
	defer cancel()
	in.begin(c)
	in.reviver = c
	failed, err := in.embody(ctx, in.limit)
	in.initTook = 0 // it is part of the invocation
	in.entering.Lock()
	in.mu.Lock()
	c.final = in.unrevived(ctx, c, failed, err)
	waiting := in.ahead
	in.ahead = nil
	if c.final == nil {
		in.again = false
		for _, w := range waiting {
			in.start(w)
		}
		in.mu.Unlock()
		in.revived(append([]*call{c}, waiting...))
		return
	}
	in.broken = true
	delete(in.running, c.id)
	in.mu.Unlock()
	in.entering.Unlock()
	if c.final.unloaded {
		in.log.initFailed(c, time.Now(), time.Since(in.initBegan), failed.initStatus(), failed.initError())
	}
	_ = in.body.close() // again with the instance, which reports it
	in.conclude(c)
	turnAway(waiting)
	in.endDone()
}

// unrevived is what comes of the call for which the function was loaded, or nil
// if it can run. The caller holds in.mu.
func (in *Instance) unrevived(ctx context.Context, c *call, failed *failure, err error) *outcome {
	switch {
	case c.final != nil:
		return c.final
	case in.closing:
		return &outcome{err: pinfold.Errorf(pinfold.Unavailable, "the platform ended the instance while the function was being loaded")}
	case ctx.Err() != nil || failed != nil && failed.timeout:
		return timedOut(c)
	case err != nil:
		return &outcome{err: err}
	case failed != nil:
		return &outcome{failure: failed, status: "error", fatal: true, unloaded: true, duration: time.Since(c.began)}
	}
	return nil
}

// revived has the calls run that the function was loaded for. The caller holds
// in.entering, which is free then.
func (in *Instance) revived(calls []*call) {
	in.watched()
	for i, c := range calls {
		if i == 0 {
			in.out.begin(c, in.room == 1) // its log is under way
		} else {
			in.begin(c)
		}
		in.worker.enqueue(c)
	}
	in.entering.Unlock()
	for _, c := range calls {
		in.deliver(c)
	}
}

// embody makes a process for the instance and has it load the function, which
// may take as long as the limit. A failure is the function's.
func (in *Instance) embody(ctx context.Context, limit time.Duration) (*failure, error) {
	b := newBody()
	b.in = in
	failed, err := in.fill(ctx, b, limit)
	if in.body != b { // it did not get as far as to have a log
		err = errors.Join(err, b.close())
	}
	return failed, err
}

func (in *Instance) fill(ctx context.Context, b *body, limit time.Duration) (*failure, error) {
	l := in.launcher
	began := time.Now()
	assignment, err := l.fetch(ctx, in.version)
	if err != nil {
		return nil, err
	}
	in.phases.Fetch = time.Since(began)

	began = time.Now()
	interpreter, spec, err := l.prepare(in.id, in.runtime)
	if err != nil {
		return nil, err
	}
	expected := l.caches.expect(interpreter) // it says what it is once it has its code
	if expected != "" {
		assignment.Cache = l.caches.of(in.version, runtimeName(in.runtime.family, expected))
	}
	if b.box, err = l.options.Driver.Create(ctx, spec); err != nil {
		return nil, err
	}
	paths, err := b.box.Assign(ctx, assignment)
	if err != nil {
		return nil, err
	}
	in.phases.Sandbox = time.Since(began)

	env := l.environment(in, paths, interpreter)
	if in.runtime.family == Custom {
		return in.loadCustom(ctx, b, assignment, paths, env, limit)
	}
	began = time.Now()
	if err := l.boot(ctx, b, interpreter, in.runtime.family, environ(env), paths.Task); err != nil {
		if f, ok := errors.AsType[*failure](err); ok { // the function's environment can be the reason: NODE_OPTIONS
			in.out.drain()
			return f, nil
		}
		return nil, err
	}
	in.phases.Boot = time.Since(began)
	if b.version != expected {
		paths.Cache = "" // of another version
		l.caches.saw(interpreter, b.version)
	}
	return in.load(ctx, paths, env, limit)
}

// take makes a body that has all its parts the instance's, and its output the
// instance's log.
func (in *Instance) take(b *body) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.body = b
	if in.reviver != nil {
		in.out.load(in.reviver)
	}
	in.out.adopt(pinfold.LogLine{Function: in.version.Ref, Name: in.version.Ref.Name, Version: in.version.Ref.Qualifier, Instance: in.id})
	in.log = newJournal(in.out, in.version)
	in.initBegan = time.Now()
}

// load gives a language runtime under a bootstrap of ours the function.
func (in *Instance) load(ctx context.Context, paths sandbox.Paths, env map[string]string, limit time.Duration) (*failure, error) {
	in.initBegan = time.Now()
	in.log.initStart(in.initBegan, string(in.runtime.family)+":"+in.body.version)
	frame := initFrame{Task: paths.Task, Opt: paths.Opt, Handler: in.version.Config.Handler, Env: env, Concurrency: in.room, Cache: paths.Cache}
	link := in.worker.(*link)
	if frame.Cache == "" {
		link.cache = in.launcher.caches.ask(in.version, in.runtime.family, in.body.version)
		frame.WantCache = link.cache != nil
	}
	if err := link.initialise(in, frame); err != nil {
		return nil, gone(err)
	}
	return in.awaitInit(ctx, limit)
}

// awaitInit waits until the function is loaded, has failed to be, or has taken
// longer than it may.
func (in *Instance) awaitInit(ctx context.Context, within time.Duration) (failed *failure, err error) {
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case result := <-in.worker.inited():
		failed = result.failure
	case <-in.box.Done():
		failed = in.exitedInInit()
	case <-limit.C:
		failed = &failure{kind: "Sandbox.Timedout", message: timeoutMessage(within), timeout: true}
	case <-ctx.Done():
		return nil, gone(ctx.Err())
	}
	in.initTook = time.Since(in.initBegan)
	in.phases.Init = in.initTook
	if failed != nil {
		in.out.drain()
		return failed, nil
	}
	return nil, in.throttle(ctx, true)
}

// exitedInInit tells a process that said why it ended from one that did not.
func (in *Instance) exitedInInit() *failure {
	in.worker.finish()
	select {
	case result := <-in.worker.inited():
		if result.failure != nil {
			return result.failure
		}
	default:
	}
	return exitFailure(in.box.Exit())
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
		cmd.Args = []string{filepath.Join(l.bootstraps, "node", "main.js")}
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

// loadCustom starts the function's own program and serves it the Runtime API.
func (in *Instance) loadCustom(ctx context.Context, b *body, a sandbox.Assignment, paths sandbox.Paths, env map[string]string, limit time.Duration) (*failure, error) {
	l, began := in.launcher, time.Now()
	listener, err := b.box.Listen(ctx)
	if err != nil {
		return nil, err
	}
	b.worker = newAPI(in, listener)
	env["AWS_LAMBDA_RUNTIME_API"] = listener.Addr().String()
	program, failed := entrypoint(in.version, a, paths)
	if failed == nil {
		err = l.start(ctx, b, sandbox.Command{Path: program, Env: environ(env), Dir: paths.Task})
		if notAProgram(err) {
			failed = &failure{kind: "Runtime.InvalidEntrypoint", message: err.Error() +
				": the program must be built for this machine, or be a script whose interpreter exists here"}
			err = nil
		}
	} else {
		err = l.openOutput(b)
	}
	if err != nil {
		return nil, err
	}
	if failed != nil {
		in.initTook = time.Since(began)
		return failed, nil
	}
	in.phases.Boot = time.Since(began)
	in.log.initStart(time.Now(), in.version.Config.Runtime)
	return in.awaitInit(ctx, limit)
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
