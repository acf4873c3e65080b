//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"pinfold.dev/pinfold/bench/host"
	"pinfold.dev/pinfold/bench/load"
	"pinfold.dev/pinfold/bench/mixed"
	"pinfold.dev/pinfold/bench/peers"
)

// standing is how one of the peers, or Pinfold, does.
type standing struct {
	name, how         string
	ours, limit       bool
	one, many, cold   string // for people
	p50, rate, answer float64
}

// rivals measures what else runs functions, and Pinfold in the same run. Each
// takes turns with the raw server, with which it is compared.
func rivals(ctx context.Context, b *bench) error {
	raw, err := b.raw(ctx)
	if err != nil {
		return err
	}
	defer raw.Stop()
	all, err := b.ours(ctx, raw)
	if err != nil {
		return err
	}
	app, err := filepath.Abs(filepath.Join("bench", "app"))
	if err != nil {
		return err
	}
	shelf := &peers.Shelf{App: app, Cache: filepath.Join(b.cache, "peers"), Dir: filepath.Join(b.dir, "peers"), First: func(what string) { b.say("%s, once", what) }}
	if err := os.MkdirAll(shelf.Dir, 0o755); err != nil {
		return err
	}
	for _, p := range peers.All() {
		b.say("%s", p.Name)
		s := standing{name: p.Name, how: p.How, limit: p.Limit, one: "-", many: "-", cold: "-"}
		if err := p.Fetch(ctx, shelf); err != nil {
			s.how = oneLine(err.Error())
		} else if err := b.meet(ctx, &s, p, shelf, raw); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		all = append(all, s)
	}
	b.rank(all)
	return nil
}

// ours measures Pinfold: as it is, and where it can with several invocations at
// a time, as the others have it.
func (b *bench) ours(ctx context.Context, raw *host.Server) (all []standing, err error) {
	cold := several(max(b.cold/10, 3), "cold", node, "")
	dir, err := b.lay(app{
		name: "peers", files: []string{"hello.js"}, custom: "functions: {multi: {concurrency: 32}}",
		functions: append(cold, function{"hello", node, ""}, function{"multi", node, ""}),
	})
	if err != nil {
		return nil, err
	}
	p, err := b.platform(ctx, "peers", nil, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	if err := host.Settle(ctx, p.PID(), patience); err != nil {
		return nil, err
	}
	var took []time.Duration
	for _, f := range cold {
		if err := host.Pause(ctx, b.pause); err != nil {
			return nil, err
		}
		d, err := first(ctx, p, f)
		if err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	warm := func(name, how, path string) error {
		s := standing{name: name, how: how, ours: true}
		s.chilled(load.Median(took))
		target, err := load.Get(p.URL+path+query, greeting)
		if err == nil {
			err = b.warmly(ctx, &s, target, raw)
		}
		all = append(all, s)
		return err
	}
	if err := warm("**Pinfold**", "processes behind walls, one invocation at a time in each", "/hello"); err != nil {
		return nil, err
	}
	return all, warm("**Pinfold**, 32 at a time", "a process behind walls, several invocations at a time", "/multi")
}

// meet measures a peer.
func (b *bench) meet(ctx context.Context, s *standing, p *peers.Peer, shelf *peers.Shelf, raw *host.Server) error {
	var took []time.Duration
	for range max(b.rounds, 2) {
		began := time.Now()
		server, target, err := p.Start(ctx, shelf)
		if err != nil {
			return err
		}
		if p.Lazy {
			began = time.Now()
		}
		err = answers(ctx, target)
		took = append(took, time.Since(began))
		if err := errors.Join(err, server.Stop()); err != nil {
			return err
		}
	}
	s.chilled(load.Median(took))
	server, target, err := p.Start(ctx, shelf)
	if err != nil {
		return err
	}
	defer server.Stop()
	if err := answers(ctx, target); err != nil {
		return err
	}
	return b.warmly(ctx, s, target, raw)
}

// answers waits for the first good answer: a server that listens need not have
// what is behind it.
func answers(ctx context.Context, target load.Target) error {
	for end := time.Now().Add(patience); ; {
		_, err := load.Burst(ctx, target)
		if err == nil || time.Now().After(end) {
			return err
		}
		if err := host.Pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

func (s *standing) chilled(took time.Duration) {
	s.cold, s.answer = ms(took), took.Seconds()
}

// warmly measures one connection and 32. What fails under several is told.
func (b *bench) warmly(ctx context.Context, s *standing, target load.Target, raw *host.Server) error {
	sides := func() (*side, *side) {
		ours := &side{name: s.name, client: load.Run, targets: func(int) (load.Target, error) { return target, nil }}
		return ours, at("raw", raw.URL+"/")
	}
	one, r := sides()
	if err := b.turns(ctx, 1, one, r); err != nil {
		return err
	}
	s.p50 = one.beside(r, p50)
	s.one = fmt.Sprintf("%s (%s)", times(s.p50), ms(one.quantile(.5)))
	many, r := sides()
	if err := b.turns(ctx, 32, many, r); err != nil {
		if ctx.Err() != nil {
			return err
		}
		s.many = "fails: " + oneLine(err.Error())
		return nil
	}
	s.rate = many.beside(r, load.Sample.Rate)
	s.many = fmt.Sprintf("%s (%s)", share(s.rate), perSecond(many.rate()))
	return nil
}

// rank makes the table and sees who is first.
func (b *bench) rank(all []standing) {
	t := table{
		title: "Beside others",
		note: "The same function and load generator, each in turns with the raw server of `bench/app/raw.js`. None of the others has walls here. The cold start is the time to the first answer: " +
			"Pinfold's from a request to a function that was never called; the emulator's and serverless-offline's from the first request to a server that is up; of-watchdog's and workerd's from exec.",
		head: []string{"", "1 connection: p50, of raw's", "32 connections: requests, of raw's", "cold start", "what runs the function, or why it could not be measured"},
	}
	ours, first, met, of := all[0], true, 0, 0
	for _, s := range all {
		t.row(s.name, s.one, s.many, s.cold, s.how)
		if s.limit || s.ours {
			continue
		}
		if of++; s.p50 == 0 {
			continue
		}
		met++
		first = first && ours.p50 <= s.p50 && ours.rate >= s.rate && ours.answer <= s.answer
	}
	rank := "first"
	if !first {
		rank = "not first"
	}
	if met == 0 {
		b.lacking("beside others", "first place in every row but workerd's", "none of them could be had: see the table")
	} else {
		b.figure("beside others", "first place in every row but workerd's", fmt.Sprintf("%s; %d of %d could be measured", rank, met, of), first && met == of)
	}
	b.tables = append(b.tables, t)
}

// soak loads a platform with everything at once and looks at what leaks.
func soak(ctx context.Context, b *bench) error {
	r, err := mixed.Run(ctx, mixed.Options{
		Binary: b.pinfold, Dir: filepath.Join(b.dir, "soak"), Sandbox: "namespace", Env: b.env, For: b.soak, Clients: 8, Rest: 2 * time.Minute, Say: b.say,
	})
	if err != nil {
		return err
	}
	leaks := len(r.Leaked) + len(r.Left)
	b.figure(fmt.Sprintf("%s of mixed load: leaked processes, cgroups, mounts, descriptors, files", b.soak), "0",
		fmt.Sprintf("%d kinds; %d of %d did not come out as they must", leaks, r.Failed, r.Failed+r.Total()), leaks == 0 && r.Failed == 0)
	t := table{title: "Mixed load", note: fmt.Sprintf("The platform held %s before and %s after.", megabytes(r.Before), megabytes(r.After)), head: []string{"what", "how often"}}
	for _, name := range mixed.Kinds() {
		t.row(name, fmt.Sprint(r.Done[name]))
	}
	if err := r.Err(); err != nil {
		t.note += "\n\n```\n" + err.Error() + "\n```"
	}
	b.tables = append(b.tables, t)
	return nil
}
