//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"pinfold.dev/pinfold/bench/host"
	"pinfold.dev/pinfold/bench/load"
)

// burst calls many functions at once that nobody has called before, each round
// on a platform that has just started.
func burst(ctx context.Context, b *bench) error {
	fs := several(b.burst, "js", node, "")
	dir, err := b.lay(app{name: "burst", files: []string{"hello.js"}, functions: fs})
	if err != nil {
		return err
	}
	t := table{
		title: fmt.Sprintf("Burst: %d different functions called cold at once", b.burst),
		note: "Cells are the Node.js processes that are there before. The machine's own time is that of as many bare boots of Node.js as were lacking, all started at once, " +
			"until the last has ended.",
		head: []string{"round", "cells", "p50", "last answer", "the machine's own time", "ratio"},
	}
	var last, own []time.Duration
	var ratios []float64
	for round := range max(1, b.rounds/2+1) {
		b.say("burst, round %d", round+1)
		sample, cells, err := b.burstOnce(ctx, fmt.Sprintf("burst-%d", round), dir, fs)
		if err != nil {
			return err
		}
		took, err := bootAll(ctx, max(b.burst-cells, 1))
		if err != nil {
			return err
		}
		x := ratio(sample.Elapsed, took)
		last, own, ratios = append(last, sample.Elapsed), append(own, took), append(ratios, x)
		t.row(fmt.Sprint(round+1), fmt.Sprint(cells), ms(sample.Quantile(.5)), ms(sample.Elapsed), ms(took), times(x))
	}
	x := load.Median(ratios)
	b.figure(fmt.Sprintf("%d different functions called cold at once: last answer", b.burst), "at most 1.5 x the machine's own time for the runtimes that were lacking",
		fmt.Sprintf("%s (%s, machine %s)", times(x), ms(load.Median(last)), ms(load.Median(own))), x <= 1.5)
	b.tables = append(b.tables, t)
	return nil
}

func (b *bench) burstOnce(ctx context.Context, name, dir string, fs []function) (s load.Sample, cells int, err error) {
	p, err := b.platform(ctx, name, nil, dir)
	if err != nil {
		return s, 0, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	if err := host.Settle(ctx, p.PID(), patience); err != nil {
		return s, 0, err
	}
	var all load.Target
	for _, f := range fs {
		t, err := load.Get(p.URL+f.path()+query, greeting)
		if err != nil {
			return s, 0, err
		}
		t.Requests = append(all.Requests, t.Requests...)
		all = t
	}
	cells = host.Running(host.Below(p.PID()), "node")
	s, err = load.Burst(ctx, all)
	return s, cells, err
}

// bootAll is the time that the machine takes to boot n times Node.js at once.
func bootAll(ctx context.Context, n int) (time.Duration, error) {
	runtimes, err := bareRuntimes(ctx)
	if err != nil {
		return 0, err
	}
	var g errgroup.Group
	began := time.Now()
	for range n {
		g.Go(func() error {
			_, err := bareBoot(ctx, runtimes[0])
			return err
		})
	}
	err = g.Wait()
	return time.Since(began), err
}

// start measures the platform itself: how soon it is ready, and what it holds
// while nothing happens.
func start(ctx context.Context, b *bench) error {
	var ready []time.Duration
	for i := range 2 * max(b.rounds, 3) {
		p, err := b.platform(ctx, "empty", nil)
		if err != nil {
			return err
		}
		b.say("start %d: %s", i+1, ms(p.Ready))
		ready = append(ready, p.Ready)
		if err := p.Stop(); err != nil {
			return err
		}
	}
	p, err := b.platform(ctx, "idle", []string{noCells})
	if err != nil {
		return err
	}
	defer p.Stop()
	if err := errors.Join(host.Settle(ctx, p.PID(), patience), host.Pause(ctx, 3*time.Second)); err != nil {
		return err
	}
	below := host.Below(p.PID())
	all := append([]int{p.PID()}, below...)
	rss := host.RSS(all...)
	took := load.Median(ready)
	b.figure("platform: from exec to ready", "0.15 s", fmt.Sprintf("%.3f s", took.Seconds()), took <= 150*time.Millisecond)
	b.figure("platform: idle memory without cells", "60 MB", megabytes(rss), rss <= 60<<20)
	t := table{
		title: "The platform itself",
		note:  fmt.Sprintf("%d starts, the first with an empty data folder. Memory is the resident set, pages of the program that several processes share counted in each.", len(ready)),
		head:  []string{"", "resident", "with what is shared counted once"},
	}
	t.row("platform", megabytes(host.RSS(p.PID())), megabytes(host.PSS(p.PID())))
	t.row(fmt.Sprintf("its %d helper processes", len(below)), megabytes(host.RSS(below...)), megabytes(host.PSS(below...)))
	b.tables = append(b.tables, t)
	return nil
}

// npm installs what a folder's package-lock.json names into the cache, once.
func (b *bench) npm(ctx context.Context, dir string) (string, error) {
	return host.NPM(ctx, dir, filepath.Join(b.cache, filepath.Base(dir)), func() { b.say("npm ci for %s, once", dir) })
}
