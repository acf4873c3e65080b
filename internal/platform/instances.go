package platform

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/code"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/pool"
	"pinfold.dev/pinfold/internal/provision"
	"pinfold.dev/pinfold/internal/runtimes"
	"pinfold.dev/pinfold/internal/wire/lambda"
)

// launcher has the pool's instances made by package runtimes.
type launcher struct {
	*runtimes.Launcher
	platform *Platform
}

func (l launcher) Launch(ctx context.Context, v *pinfold.Version) (pool.Worker, error) {
	// Whoever asks may have looked the version up before a change that was
	// announced before there was anything to drain.
	defer l.platform.drainOld(v.Ref.With(""))
	in, err := l.Launcher.Launch(ctx, v, how(ctx))
	if err != nil {
		return nil, err
	}
	return in, nil
}

func (l launcher) Boot(ctx context.Context, kind string) (pool.Cell, error) {
	c, err := l.Launcher.Boot(ctx, kind)
	if err != nil {
		return nil, err
	}
	return cell{c, l.platform}, nil
}

// cell is one of package runtimes, for the pool.
type cell struct {
	*runtimes.Cell
	platform *Platform
}

func (c cell) Assign(ctx context.Context, v *pinfold.Version) (pool.Worker, error) {
	defer c.platform.drainOld(v.Ref.With(""))
	in, err := c.Cell.Assign(ctx, v, how(ctx))
	if err != nil {
		return nil, err
	}
	return in, nil
}

func how(ctx context.Context) runtimes.How { return runtimes.How{Provisioned: pool.Provisioned(ctx)} }

// codeCache keeps beside code packages what is compiled of them.
type codeCache struct {
	*code.Packages
	log *slog.Logger
}

func (c codeCache) KeepCompiled(v *pinfold.Version, runtime string, next func() (string, []byte, error)) {
	if err := c.Packages.KeepCompiled(v, runtime, next); err != nil && !errors.Is(err, context.Canceled) {
		c.log.Warn("instances of a function compile its code each time they start", "function", v.Ref.ARN(), "why", err)
	}
}

// changed brings a change of a function to its instances.
func (p *Platform) changed(ref pinfold.FunctionRef) {
	p.drainOld(ref)
	p.settle(p.stopping, ref)
	if v, err := p.functions.Resolve(p.stopping, ref); err == nil {
		p.wantCells(v)
	}
}

// wantCells has cells kept that versions can be made of.
func (p *Platform) wantCells(versions ...*pinfold.Version) {
	p.settling.Lock()
	defer p.settling.Unlock()
	known := len(p.kinds)
	for _, v := range versions {
		if runtime := v.Config.Runtime; !slices.Contains(p.prepared, runtime) {
			p.prepared = append(p.prepared, runtime)
			p.launcher.Prepare(runtime)
		}
		if kind := p.launcher.Kind(v); kind != "" && !slices.Contains(p.kinds, kind) {
			p.kinds = append(p.kinds, kind)
		}
	}
	if len(p.kinds) > known {
		p.pool.Want(p.kinds...)
	}
}

// stock has cells made for the functions that there are when the platform starts.
func (p *Platform) stock(ctx context.Context) {
	for page := (function.Page{}); ; {
		versions, next, err := p.functions.List(ctx, false, page)
		if err != nil {
			p.logged("the kinds of cells", err)
			return
		}
		p.wantCells(versions...)
		if page.Marker = next; next == "" {
			return
		}
	}
}

// drainOld retires instances of what a function was before it changed.
func (p *Platform) drainOld(ref pinfold.FunctionRef) {
	latest, err := p.functions.Resolve(p.stopping, ref)
	p.pool.Drain(func(v *pinfold.Version) bool { return v.Ref.With("") == ref && outdated(v, latest, err) })
}

// outdated reports whether instances of v are to go, where the function's $LATEST
// is, or was a moment ago, what latest or the error says.
func outdated(v, latest *pinfold.Version, err error) bool {
	if err != nil {
		return pinfold.CodeOf(err) == pinfold.NotFound
	}
	return v.Ref.Qualifier == pinfold.LatestVersion && v.RevisionID != latest.RevisionID && !v.LastModified.After(latest.LastModified)
}

// settle tells the pool what a function's settings are now, and the timetable
// when to look again.
func (p *Platform) settle(ctx context.Context, ref pinfold.FunctionRef) {
	p.settling.Lock() // or else an older answer may come last
	defer p.settling.Unlock()
	s, err := p.functions.Settings(ctx, ref)
	if err != nil && pinfold.CodeOf(err) != pinfold.NotFound {
		p.logged("the settings of "+ref.Name, err)
		return
	}
	settings, next := pool.Settings{Reserved: s.Reserved, Queue: s.Queue}, time.Time{}
	for _, t := range s.Provisioned {
		count, at := provision.Count(t.Provisioned, time.Now())
		next = provision.Earlier(next, at)
		for _, share := range t.Shares(count) {
			settings.Provisioned = append(settings.Provisioned, pool.Provision{Target: t.Ref.Qualifier, Version: share.Version, Count: share.Count})
		}
	}
	p.pool.Configure(ref, settings)
	p.timetable.Set(ref, next)
}

// settleAll does so for every function that has any settings.
func (p *Platform) settleAll(ctx context.Context) error {
	all, err := p.functions.AllSettings(ctx)
	for _, s := range all {
		p.settle(ctx, s.Ref)
	}
	return err
}

// provisioning is how far the provisioned instances of a target are, for
// Lambda's answers.
func (p *Platform) provisioning(ref pinfold.FunctionRef) lambda.Provisioning {
	s := p.pool.Provisioned(ref.With(""), ref.Qualifier)
	return lambda.Provisioning{Requested: s.Requested, Allocated: s.Allocated, Available: s.Available, Status: string(s.State), Reason: s.Reason}
}

// pool is what the pool gets to know. A 0 that means nothing here would be its
// default there.
func (c *Config) pool(log *slog.Logger) pool.Config {
	return pool.Config{
		Concurrency: c.Concurrency, MemoryMB: c.MemoryMB, IdleTimeout: c.IdleTimeout,
		FreezeAfter: cmp.Or(c.FreezeAfter, time.Nanosecond), MaxCells: cmp.Or(c.Cells, -1), Log: log,
	}
}
