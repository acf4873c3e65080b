//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pinfold.dev/pinfold/bench/host"
	"pinfold.dev/pinfold/bench/load"
)

const (
	greeting = "Hello, Ada!"
	query    = "?name=Ada"
)

// side is one of those that take turns under a load.
type side struct {
	name    string
	client  func(context.Context, load.Target, int, time.Duration) (load.Sample, error)
	targets func(expected int) (load.Target, error) // for a load of about so many requests
	samples []load.Sample
}

// at is the side of a plain URL.
func at(name, url string) *side {
	return &side{name: name, client: load.Run, targets: func(int) (load.Target, error) { return load.Get(url+query, greeting) }}
}

// turns loads all sides in turn, round after round.
func (b *bench) turns(ctx context.Context, connections int, sides ...*side) error {
	rate := map[*side]float64{}
	for round := -1; round < b.rounds; round++ {
		for _, s := range sides {
			length := b.length
			if round < 0 { // not counted: instances come up, and compile what is hot
				length *= 2
			}
			target, err := s.targets(int(rate[s] * length.Seconds()))
			if err != nil {
				return err
			}
			sample, err := s.client(ctx, target, connections, length)
			if err != nil {
				return fmt.Errorf("%s, %d connections: %w", s.name, connections, err)
			}
			if rate[s] = sample.Rate(); round >= 0 {
				s.samples = append(s.samples, sample)
			}
		}
	}
	return nil
}

func (s *side) rate() float64 { return s.median(load.Sample.Rate) }

func (s *side) quantile(q float64) time.Duration {
	return time.Duration(s.median(func(x load.Sample) float64 { return float64(x.Quantile(q)) }))
}

// cost is the generator's processor time for one request.
func (s *side) cost() time.Duration {
	return time.Duration(s.median(func(x load.Sample) float64 { return float64(x.CPU) / float64(x.Requests()) }))
}

// served is the processor time for one request of whoever answered.
func (s *side) served() time.Duration {
	return time.Duration(s.median(func(x load.Sample) float64 { return float64(x.Served) / float64(x.Requests()) }))
}

func (s *side) median(f func(load.Sample) float64) float64 {
	var values []float64
	for _, x := range s.samples {
		values = append(values, f(x))
	}
	return load.Median(values)
}

// beside is the median over the rounds of a figure as a multiple of another side's.
func (s *side) beside(by *side, f func(load.Sample) float64) float64 {
	var values []float64
	for i := range s.samples {
		values = append(values, f(s.samples[i])/f(by.samples[i]))
	}
	return load.Median(values)
}

func p50(x load.Sample) float64 { return float64(x.Quantile(.5)) }

func (b *bench) raw(ctx context.Context) (*host.Server, error) {
	return host.Start(ctx, "node", filepath.Join("bench", "app", "raw.js"))
}

// warm measures functions whose instances are up.
func warm(ctx context.Context, b *bench) error {
	dir, err := b.hello()
	if err != nil {
		return err
	}
	p, err := b.platform(ctx, "warm", nil, dir)
	if err != nil {
		return err
	}
	defer p.Stop()
	raw, err := b.raw(ctx)
	if err != nil {
		return err
	}
	defer raw.Stop()
	t := table{
		title: "Warm, beside a plain Node.js HTTP server",
		head:  []string{"function", "connections", "requests", "of raw", "p50", "of raw's", "p99", "raw: requests", "p50", "p99", "generator, a request"},
	}
	for _, connections := range []int{1, 8, 32} {
		b.say("warm, %d connections", connections)
		r := at("raw", raw.URL+"/")
		sides := []*side{at("Node.js", p.URL+"/node"), at("Python", p.URL+"/python"), at("Node.js, 32 at a time", p.URL+"/multi")}
		if connections == 32 {
			sides = append(sides, &side{name: "Node.js, Invoke with SigV4", client: load.Run, targets: func(expected int) (load.Target, error) {
				return invokes(ctx, p, "hello-dev-node", max(expected*5/4, 1000))
			}})
		}
		heavyRaw, heavyOne := at("raw", raw.URL+"/"), at("Node.js, called with net/http", p.URL+"/node")
		heavyRaw.client, heavyOne.client = load.Ordinary, load.Ordinary
		if err := b.turns(ctx, connections, slices.Concat([]*side{r}, sides, []*side{heavyRaw, heavyOne})...); err != nil {
			return err
		}
		row := func(s, r *side) {
			t.row(s.name, fmt.Sprint(connections), perSecond(s.rate()), share(s.beside(r, load.Sample.Rate)), ms(s.quantile(.5)), times(s.beside(r, p50)),
				ms(s.quantile(.99)), perSecond(r.rate()), ms(r.quantile(.5)), ms(r.quantile(.99)), fmt.Sprintf("%.1f us", float64(s.cost())/1e3))
		}
		for _, s := range sides {
			row(s, r)
		}
		row(heavyOne, heavyRaw)
		b.warmFigures(connections, r, sides)
	}
	const signatures = 2000
	began := time.Now()
	if _, err := invokes(ctx, p, "hello-dev-node", signatures); err != nil {
		return err
	}
	signing := time.Since(began) / signatures
	t.note = fmt.Sprintf("The load generator is one thread with epoll (`bench/load`), the same for all; its processor time for a request is in the last column. "+
		"One row a number of connections has Go's net/http on both sides instead: such a client takes more of the machine, which costs the platform throughput and flatters its latency. "+
		"Requests of the Lambda API are signed before each load, every one with a signature of its own (they hold for 5 minutes): making one with the signer of the AWS SDK takes %.0f us, "+
		"which a client spends on its own machine.", float64(signing)/1e3)
	b.tables = append(b.tables, t)
	return nil
}

func (b *bench) warmFigures(connections int, raw *side, sides []*side) {
	one := sides[0]
	switch connections {
	case 1:
		x := one.beside(raw, p50)
		b.figure("warm, 1 connection: p50", "at most 2.2 x raw Node.js", fmt.Sprintf("%s (%s, raw %s)", times(x), ms(one.quantile(.5)), ms(raw.quantile(.5))), x <= 2.2)
	case 32:
		rate := func(name, target string, least float64, s *side) {
			x := s.beside(raw, load.Sample.Rate)
			b.figure("warm, 32 connections: "+name, target+" of raw Node.js", fmt.Sprintf("%s (%s, raw %s)", share(x), perSecond(s.rate()), perSecond(raw.rate())), x >= least)
		}
		rate("throughput, one invocation at a time", "0.5", .5, one)
		rate("throughput, several per instance", "0.65", .65, sides[2])
		rate("Invoke through the Lambda API with SigV4", "0.4", .4, sides[len(sides)-1])
	}
}

// invokes makes n requests of Lambda's Invoke, each with a signature of its own.
func invokes(ctx context.Context, p *host.Pinfold, function string, n int) (load.Target, error) {
	t := load.Target{Addr: strings.TrimPrefix(p.API, "http://"), Want: "Hello, Ada "}
	err := sign(ctx, &t, p.Signer("lambda", nil), host.InvokePath(function), n, greet)
	return t, err
}

// greet is the event of an invocation.
func greet(i int) string { return fmt.Sprintf(`{"queryStringParameters":{"name":"Ada %d"}}`, i) }

// sign gives a target n requests.
func sign(ctx context.Context, t *load.Target, by host.Signer, path string, n int, body func(i int) string) error {
	for i := range n {
		req, err := by(ctx, http.MethodPost, path, body(i))
		if err != nil {
			return err
		}
		raw, err := load.Raw(req)
		if err != nil {
			return err
		}
		t.Requests = append(t.Requests, raw)
	}
	return nil
}
