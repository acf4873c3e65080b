package runtimes

import (
	"context"
	"errors"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

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
	launch := in.phases // which its caller waited for; the rest is part of the invocation
	failed, err := in.embody(ctx, in.limit)
	in.phases, in.initTook = launch, 0
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
		// Logs are read in the order of time: this comes before END.
		in.log.initFailed(c, c.began.Add(c.final.duration), time.Since(in.initBegan), failed.initStatus(), failed.initError())
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
	err = l.boot(ctx, b, interpreter, in.runtime.family, environ(env), paths.Task)
	in.phases.Boot = time.Since(began)
	if err != nil {
		if f, ok := errors.AsType[*failure](err); ok { // the function's environment can be the reason: NODE_OPTIONS
			in.out.drain()
			return f, nil
		}
		return nil, err
	}
	if b.version != expected {
		paths.Cache = "" // of another version
		l.caches.saw(interpreter, b.version)
	}
	if err := in.introduce(paths, env); err != nil {
		return nil, err
	}
	return in.load(ctx, limit)
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
	ref := in.version.Ref
	in.out.adopt(pinfold.LogLine{Function: ref, Name: ref.Name, Version: ref.Qualifier, Instance: in.id, Group: in.version.Config.LogGroup})
	in.log = newJournal(in.out, in.version, in.how)
	in.initBegan = time.Now()
}

// introduce tells a language runtime under a bootstrap of ours its function. The
// code may come later.
func (in *Instance) introduce(paths sandbox.Paths, env map[string]string) error {
	frame := initFrame{Task: paths.Task, Opt: paths.Opt, Handler: in.version.Config.Handler, Env: env, Concurrency: in.room, Cache: paths.Cache}
	link := in.worker.(*link)
	if frame.Cache == "" {
		link.cache = in.launcher.caches.ask(in.version, in.runtime.family, in.body.version)
		frame.WantCache = link.cache != nil
	}
	return link.initialise(in, frame)
}

// load has it load the function.
func (in *Instance) load(ctx context.Context, limit time.Duration) (*failure, error) {
	in.initBegan = time.Now()
	in.log.initStart(in.initBegan, string(in.runtime.family)+":"+in.body.version)
	if err := in.worker.(*link).load(); err != nil {
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
	in.baseline()
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
