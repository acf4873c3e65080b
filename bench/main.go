//go:build linux

// Command bench measures Pinfold through its doors beside the machine's own
// limits, such as a plain Node.js HTTP server and the bare boot of a runtime,
// in the same run, and writes RESULTS.md. Machines are noisy, so both sides take
// turns, and what counts are medians and ratios. It knows the platform as the
// program that it is: `pinfold up`, `pinfold deploy`, HTTP.
//
// Each part has a platform and a data folder of its own. See parts for their
// names, which are those of -only and -skip.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"pinfold.dev/pinfold/bench/host"
)

// parts are what can be measured, in the order of the results.
var parts = []struct {
	name string
	run  func(context.Context, *bench) error
}{
	{"warm", warm},
	{"cold", cold},
	{"heavy", heavy},
	{"boot", boot},
	{"burst", burst},
	{"functions", functions},
	{"accounts", accounts},
	{"events", events},
	{"start", start},
	{"walls", walls},
	{"peers", rivals},
	{"soak", soak},
}

// bench is one run.
type bench struct {
	report
	pinfold string
	env     []string // more settings for every platform
	profile string   // folder for profiles of every platform; "": none are made
	cache   string   // what is fetched once
	dir     string   // of this run
	quick   bool
	began   time.Time

	rounds    int           // in which sides take turns
	length    time.Duration // of one load
	cold      int           // cold starts of each kind
	pause     time.Duration // between cold starts, in which a cell gets ready
	burst     int           // functions called at once
	functions int
	soak      time.Duration
}

func main() {
	b := &bench{began: time.Now()}
	out := flag.String("out", "", "file to write the results to, beside standard output")
	only := flag.String("only", "", "parts to measure, with commas: "+names()+" (default: all)")
	skip := flag.String("skip", "", "parts to leave out")
	env := flag.String("env", "", "settings for every platform that is measured, with commas: PINFOLD_NAME=value")
	flag.StringVar(&b.profile, "profile", "", "folder for a CPU profile of every platform, which costs it some of its time")
	flag.StringVar(&b.pinfold, "pinfold", "bin/pinfold", "the binary to measure")
	flag.StringVar(&b.cache, "cache", defaultCache(), "folder for what is fetched once: dependencies, peers")
	flag.BoolVar(&b.quick, "quick", false, "measure little, to see whether all works")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds in which sides take turns")
	flag.DurationVar(&b.length, "length", 2*time.Second, "length of one load")
	flag.IntVar(&b.cold, "cold", 100, "cold starts of each kind")
	flag.DurationVar(&b.pause, "pause", 300*time.Millisecond, "pause before a cold start, in which the platform gets a cell ready")
	flag.IntVar(&b.burst, "burst", 100, "functions that are called cold at once")
	flag.IntVar(&b.functions, "functions", 10_000, "functions that are deployed in the part of that name")
	flag.DurationVar(&b.soak, "soak", 20*time.Minute, "length of the mixed load")
	flag.Parse()
	if b.quick {
		b.rounds, b.length, b.cold, b.burst, b.functions, b.soak = 1, 300*time.Millisecond, 10, 10, 100, 10*time.Second
	}
	b.env = list(*env)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx, list(*only), list(*skip), *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
}

func names() string {
	var all []string
	for _, p := range parts {
		all = append(all, p.name)
	}
	return strings.Join(all, ",")
}

func defaultCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "pinfold-bench")
}

// run measures the chosen parts. One that fails is said in the results, and the
// others are measured all the same.
func (b *bench) run(ctx context.Context, only, skip []string, out string) (err error) {
	for _, name := range slices.Concat(only, skip) {
		if !strings.Contains(","+names()+",", ","+name+",") {
			return fmt.Errorf("there is no part %q: there are %s", name, names())
		}
	}
	if _, err := os.Stat(filepath.Join("bench", "app")); err != nil {
		return fmt.Errorf("run this from the top of the checkout: %w", err)
	}
	if b.pinfold, err = exec.LookPath(b.pinfold); err != nil {
		return fmt.Errorf("make build makes the binary: %w", err)
	}
	if b.pinfold, err = filepath.Abs(b.pinfold); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "pinfold-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.RemoveAll(b.dir)) }()
	b.head = fmt.Sprintf("%s; %s. Load generator, platform, functions and what they are compared with share the machine and take turns on it; "+
		"figures are medians, ratios medians over rounds, so they hold when the machine's speed drifts. Functions are behind walls (the namespace driver) if nothing else is said.",
		time.Now().UTC().Format(time.DateOnly), host.Machine(ctx))
	var failed []error
	for _, p := range parts {
		if len(only) > 0 && !slices.Contains(only, p.name) || slices.Contains(skip, p.name) {
			continue
		}
		b.say("%s", p.name)
		if err := p.run(ctx, b); err != nil {
			if ctx.Err() != nil {
				return errors.New("interrupted: nothing is written")
			}
			failed = append(failed, fmt.Errorf("%s: %w", p.name, err))
			b.say("%v", failed[len(failed)-1])
			b.lacking("all or some of the part "+p.name, "", err.Error())
		}
	}
	return errors.Join(append(failed, b.write(out))...)
}

// say tells whoever waits what is going on.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench %5.0fs: %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// counter tells how far something has got, every few seconds.
func (b *bench) counter(what string, of int) func(i int) {
	said := time.Now()
	return func(i int) {
		if time.Since(said) > 3*time.Second {
			said = time.Now()
			b.say("%s: %d of %d", what, i, of)
		}
	}
}

// platform starts a platform on a data folder of its own and deploys
// applications. Whoever asked for it stops it.
func (b *bench) platform(ctx context.Context, name string, env []string, applications ...string) (*host.Pinfold, error) {
	return b.walled(ctx, "namespace", name, env, applications...)
}

func (b *bench) walled(ctx context.Context, driver, name string, env []string, applications ...string) (*host.Pinfold, error) {
	data := filepath.Join(b.dir, "data-"+name)
	options := host.Options{Binary: b.pinfold, Data: data, Sandbox: driver, Env: slices.Concat(b.env, env)}
	if b.profile != "" {
		options.Profile = filepath.Join(b.profile, name+".pprof")
	}
	p, err := host.StartPinfold(ctx, options)
	if err != nil {
		return nil, err
	}
	for _, dir := range applications {
		if err := p.Deploy(ctx, dir); err != nil {
			return nil, errors.Join(err, p.Stop())
		}
	}
	return p, nil
}
