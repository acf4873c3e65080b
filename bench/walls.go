//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pinfold.dev/pinfold/bench/load"
	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/namespace"
)

// walls measures what sandboxes cost: by themselves, and warm functions in them.
func walls(ctx context.Context, b *bench) error {
	box, err := b.boxes(ctx)
	if err != nil {
		return err
	}
	dir, err := b.hello()
	if err != nil {
		return err
	}
	walled, err := b.platform(ctx, "walled", nil, dir)
	if err != nil {
		return err
	}
	defer walled.Stop()
	bare, err := b.walled(ctx, "process", "bare", nil, dir)
	if err != nil {
		return err
	}
	defer bare.Stop()
	with, without := at("walled", walled.URL+"/node"), at("bare", bare.URL+"/node")
	if err := b.turns(ctx, 8, with, without); err != nil {
		return err
	}
	x := with.beside(without, load.Sample.Rate)
	b.figure("walls: throughput of a warm function, 8 connections", "0.95 of the same without walls", fmt.Sprintf("%s (%s, without %s)", share(x), perSecond(with.rate()), perSecond(without.rate())), x >= .95)
	made := load.Median(box[0].took)
	b.figure("walls: making a sandbox", "10 ms", ms(made), made <= 10*time.Millisecond)
	t := table{
		title: "Walls: a sandbox without a runtime",
		note:  fmt.Sprintf("%d sandboxes one after the other, each with code, limits and network.", len(box[0].took)),
		head:  []string{"", "p50", "p95"},
	}
	for _, step := range box {
		slices.Sort(step.took)
		t.row(step.name, ms(load.Quantile(step.took, .5)), ms(load.Quantile(step.took, .95)))
	}
	b.tables = append(b.tables, t)
	return nil
}

type step struct {
	name string
	took []time.Duration
}

// boxes makes sandboxes one after the other, as there are on a cold start.
func (b *bench) boxes(ctx context.Context) ([]step, error) {
	steps := []step{
		{name: "make: namespaces, root, /tmp, network, cgroup, filter"},
		{name: "assign: code, layers, limits, policy"},
		{name: "close: kill all, wait, remove"},
	}
	driver, err := namespace.New(ctx, namespace.Options{Dir: filepath.Join(b.dir, "boxes")})
	if err != nil {
		return nil, err
	}
	defer driver.Close()
	code := filepath.Join(b.dir, "boxes-code")
	if err := os.MkdirAll(code, 0o755); err != nil {
		return nil, err
	}
	for i := range 2 * b.cold {
		began := time.Now()
		box, err := driver.Create(ctx, sandbox.Spec{ID: fmt.Sprintf("bench-%d", i)})
		if err != nil {
			return nil, err
		}
		made := time.Now()
		_, err = box.Assign(ctx, sandbox.Assignment{Code: code, Layers: code, Limits: sandbox.Limits{MemoryMB: 128, EphemeralMB: 512}})
		if err != nil {
			return nil, err
		}
		assigned := time.Now()
		if err := box.Close(); err != nil {
			return nil, err
		}
		for i, took := range []time.Duration{made.Sub(began), assigned.Sub(made), time.Since(assigned)} {
			steps[i].took = append(steps[i].took, took)
		}
	}
	return steps, nil
}
