package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/namespace"
)

// walls is what a sandbox costs by itself.
type walls struct{ Create, Assign, Close []time.Duration }

// measureWalls makes sandboxes one after the other, as there are on a cold start.
func measureWalls(ctx context.Context, dir string, n int) (w walls, err error) {
	say("making %d sandboxes", n)
	driver, err := namespace.New(ctx, namespace.Options{Dir: dir})
	if err != nil {
		return w, err
	}
	defer driver.Close()
	code, err := os.MkdirTemp("", "pinfold-bench-code-")
	if err != nil {
		return w, err
	}
	defer os.RemoveAll(code)
	for i := range n {
		began := time.Now()
		box, err := driver.Create(ctx, sandbox.Spec{ID: fmt.Sprintf("bench-%d", i)})
		if err != nil {
			return w, err
		}
		made := time.Now()
		_, err = box.Assign(ctx, sandbox.Assignment{Code: code, Layers: code, Limits: sandbox.Limits{MemoryMB: 128, EphemeralMB: 512}})
		if err != nil {
			return w, err
		}
		assigned := time.Now()
		if err := box.Close(); err != nil {
			return w, err
		}
		w.Create = append(w.Create, made.Sub(began))
		w.Assign = append(w.Assign, assigned.Sub(made))
		w.Close = append(w.Close, time.Since(assigned))
	}
	return w, nil
}

func quantile(times []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
