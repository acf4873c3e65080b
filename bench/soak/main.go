//go:build linux

// Command soak loads a platform with everything at once, as bench/mixed has it,
// and fails if anything leaked or did not come out as it must. `make soak` runs
// it for 20 minutes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"pinfold.dev/pinfold/bench/host"
	"pinfold.dev/pinfold/bench/mixed"
)

func main() {
	began := time.Now()
	o := mixed.Options{Say: func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "soak %5.0fs: %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}}
	flag.StringVar(&o.Binary, "pinfold", "bin/pinfold", "the binary to load")
	flag.StringVar(&o.Sandbox, "sandbox", "namespace", "sandbox driver")
	flag.DurationVar(&o.For, "for", 20*time.Minute, "length of the load")
	flag.DurationVar(&o.Rest, "rest", 2*time.Minute, "how long the platform may take to let go of everything afterwards")
	flag.IntVar(&o.Clients, "clients", 8, "clients at the same time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o mixed.Options) (err error) {
	if o.Binary, err = filepath.Abs(o.Binary); err != nil {
		return err
	}
	if o.Dir, err = os.MkdirTemp("", "pinfold-soak-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.RemoveAll(o.Dir)) }()
	r, err := mixed.Run(ctx, o)
	if err != nil {
		return err
	}
	for _, kind := range mixed.Kinds() {
		fmt.Printf("%9d  %s\n", r.Done[kind], kind)
	}
	fmt.Printf("platform: %d MB resident before the load, %d MB after it\n", r.Before>>20, r.After>>20)
	if err := r.Err(); err != nil {
		return err
	}
	fmt.Println("nothing leaked, nothing failed that must not")
	return nil
}
