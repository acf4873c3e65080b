//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pinfold.dev/pinfold/bench/host"
	"pinfold.dev/pinfold/bench/load"
)

// noCells is the setting of a platform that boots no runtime ahead.
const noCells = "PINFOLD_CELLS=0"

// patience is how long a platform may take to get its cells ready.
const patience = 15 * time.Second

// first is the time that the first request ever to a function takes.
func first(ctx context.Context, p *host.Pinfold, f function) (time.Duration, error) {
	target, err := load.Get(p.URL+f.path()+query, greeting)
	if err != nil {
		return 0, err
	}
	s, err := load.Burst(ctx, target)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", f.name, err)
	}
	return s.Quantile(1), nil
}

// cold measures the first request to small functions, one at a time, with time
// before each in which the platform can boot another cell.
func cold(ctx context.Context, b *bench) error {
	kinds := [][]function{several(b.cold, "js", node, ""), several(b.cold, "py", python, "")}
	dir, err := b.lay(app{name: "cold", files: []string{"hello.js", "hello.py"}, functions: slices.Concat(kinds...)})
	if err != nil {
		return err
	}
	p, err := b.platform(ctx, "cold", nil, dir)
	if err != nil {
		return err
	}
	defer p.Stop()
	if err := host.Settle(ctx, p.PID(), patience); err != nil {
		return err
	}
	t := table{
		title: "Cold, with cells ready: the first request ever to a function",
		note:  fmt.Sprintf("Through the gateway, on a new connection, one after the other, %s between them.", b.pause),
		head:  []string{"function", "functions", "p50", "p90", "p99", "worst"},
	}
	took := make([][]time.Duration, len(kinds))
	tell := b.counter("cold starts", b.cold)
	for i := range b.cold {
		tell(i)
		for k := range kinds {
			if err := host.Pause(ctx, b.pause); err != nil {
				return err
			}
			d, err := first(ctx, p, kinds[k][i])
			if err != nil {
				return err
			}
			took[k] = append(took[k], d)
		}
	}
	for k, name := range []string{"Node.js", "Python"} {
		slices.Sort(took[k])
		q := func(q float64) time.Duration { return load.Quantile(took[k], q) }
		t.row(name, fmt.Sprint(len(took[k])), ms(q(.5)), ms(q(.9)), ms(q(.99)), ms(q(1)))
		b.figure("cold start, small function, "+name+", cells ready: p50 / p99", "5 ms / 25 ms", ms(q(.5))+" / "+ms(q(.99)),
			q(.5) <= 5*time.Millisecond && q(.99) <= 25*time.Millisecond)
	}
	b.tables = append(b.tables, t)
	return nil
}

// heavy measures the first request to functions with 5 MB of dependencies
// beside the bare load of the same code in a Node.js that has booted.
func heavy(ctx context.Context, b *bench) error {
	const name = "cold start with 5 MB of dependencies, cells ready"
	const target = "at most 1.2 x the bare load of that code"
	bundle, err := b.bundle(ctx)
	if err != nil {
		b.lacking(name, target, err.Error())
		return nil
	}
	size, err := os.Stat(bundle)
	if err != nil {
		return err
	}
	fs := several(max(b.cold/4, 5), "heavy", node, "index.handler")
	dir, err := b.lay(app{name: "heavy", files: []string{bundle}, functions: fs})
	if err != nil {
		return err
	}
	p, err := b.platform(ctx, "heavy", nil, dir)
	if err != nil {
		return err
	}
	defer p.Stop()
	if err := host.Settle(ctx, p.PID(), patience); err != nil {
		return err
	}
	var ours, bare []time.Duration
	tell := b.counter("cold starts with dependencies", len(fs))
	for i, f := range fs {
		tell(i)
		if err := host.Pause(ctx, b.pause); err != nil {
			return err
		}
		took, err := first(ctx, p, f)
		if err != nil {
			return err
		}
		ours = append(ours, took)
		if took, err = bareLoad(ctx, bundle); err != nil {
			return err
		}
		bare = append(bare, took)
	}
	x := pairs(ours, bare)
	b.figure(name, target, fmt.Sprintf("%s (%s, bare %s)", times(x), ms(load.Median(ours)), ms(load.Median(bare))), x <= 1.2)
	b.tables = append(b.tables, sideBySide("Cold, with real dependencies, cells ready",
		fmt.Sprintf("Clients of the AWS SDK v3 and Express, bundled by esbuild into one file of %.1f MB (`bench/app/heavy`). The bare load is `require` of the same file, timed "+
			"in a fresh Node.js process after it has booted; without what the platform may have kept of the code's compilation.", float64(size.Size())/1e6),
		"bare load", []string{"Node.js"}, [][]time.Duration{ours}, [][]time.Duration{bare}))
	return nil
}

// bundle fetches the dependencies, once, and makes one file of them.
func (b *bench) bundle(ctx context.Context) (string, error) {
	dir, err := b.npm(ctx, filepath.Join("bench", "app", "heavy"))
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "bundle", "index.js")
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "node_modules", ".bin", "esbuild"), "index.js",
		"--bundle", "--platform=node", "--target=node20", "--log-level=warning", "--outfile="+out)
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("esbuild: %w: %s", err, said)
	}
	return out, nil
}

// bareLoad is the time that a booted Node.js takes to load a file.
func bareLoad(ctx context.Context, file string) (time.Duration, error) {
	out, err := host.Command(ctx, "node", filepath.Join("bench", "app", "load.js"), file).Output()
	if err != nil {
		return 0, fmt.Errorf("bare load of %s: %w", file, err)
	}
	return time.ParseDuration(strings.TrimSpace(string(out)) + "ns")
}

// boot measures the first request where nothing has booted ahead beside the
// bare boot of the runtime.
func boot(ctx context.Context, b *bench) error {
	n := max(b.cold/3, 5)
	kinds := [][]function{several(n, "js", node, ""), several(n, "py", python, "")}
	dir, err := b.lay(app{name: "boot", files: []string{"hello.js", "hello.py"}, functions: slices.Concat(kinds...)})
	if err != nil {
		return err
	}
	p, err := b.platform(ctx, "boot", []string{noCells}, dir)
	if err != nil {
		return err
	}
	defer p.Stop()
	runtimes, err := bareRuntimes(ctx)
	if err != nil {
		return err
	}
	ours, bare := make([][]time.Duration, 2), make([][]time.Duration, 2)
	tell := b.counter("cold starts without cells", n)
	for i := range n {
		tell(i)
		for k := range kinds {
			if err := host.Pause(ctx, b.pause/3); err != nil {
				return err
			}
			took, err := first(ctx, p, kinds[k][i])
			if err != nil {
				return err
			}
			ours[k] = append(ours[k], took)
			if took, err = bareBoot(ctx, runtimes[k]); err != nil {
				return err
			}
			bare[k] = append(bare[k], took)
		}
	}
	names := []string{"Node.js", "Python"}
	for k, name := range names {
		x := pairs(ours[k], bare[k])
		b.figure("cold start with no cell ready, "+name, "at most 1.25 x the bare boot", fmt.Sprintf("%s (%s, bare %s)", times(x), ms(load.Median(ours[k])), ms(load.Median(bare[k]))), x <= 1.25)
	}
	note := "The bare boot is from exec to exit of an empty program, outside of walls, with nothing but PATH and HOME in its environment."
	if unknown := p.Unknown(); len(unknown) > 0 {
		note += " This platform knows no " + strings.Join(unknown, ", ") + ": it is as it is."
	}
	b.tables = append(b.tables, sideBySide("Cold, with no cell ready", note, "bare boot", names, ours, bare))
	return nil
}

// bareRuntimes are commands that boot Node.js and Python and end at once. What
// PATH has may be a script that looks for the interpreter, so each is asked.
func bareRuntimes(ctx context.Context) (commands [][]string, err error) {
	for _, ask := range [][]string{{"node", "-p", "process.execPath"}, {"python3", "-c", "import sys; print(sys.executable)"}} {
		out, err := exec.CommandContext(ctx, ask[0], ask[1:]...).Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ask[0], err)
		}
		commands = append(commands, []string{strings.TrimSpace(string(out)), os.DevNull})
	}
	return commands, nil
}

func bareBoot(ctx context.Context, command []string) (time.Duration, error) {
	began := time.Now()
	err := host.Command(ctx, command[0], command[1:]...).Run()
	return time.Since(began), err
}

// pairs is the median of the ratios of what was measured side by side.
func pairs(ours, bare []time.Duration) float64 {
	var values []float64
	for i := range ours {
		values = append(values, ratio(ours[i], bare[i]))
	}
	return load.Median(values)
}

func sideBySide(title, note, by string, names []string, ours, bare [][]time.Duration) table {
	t := table{title: title, note: note, head: []string{"function", "functions", "p50", "worst", by + ": p50", "worst", "ratio"}}
	for i, name := range names {
		t.row(name, fmt.Sprint(len(ours[i])), ms(load.Median(ours[i])), ms(slices.Max(ours[i])), ms(load.Median(bare[i])), ms(slices.Max(bare[i])), times(pairs(ours[i], bare[i])))
	}
	return t
}
