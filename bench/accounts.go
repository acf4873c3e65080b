//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pinfold.dev/pinfold/bench/host"
	"pinfold.dev/pinfold/bench/load"
)

// accounts measures what it costs to keep accounts of every invocation, and how
// fast they and logs are found again.
func accounts(ctx context.Context, b *bench) error {
	if err := b.kept(ctx); err != nil {
		return err
	}
	return b.searched(ctx)
}

// metricsAddress is where the platform that keeps accounts shows its metrics.
const metricsAddress = "127.0.0.1:19102"

// kept compares a platform that does all with one that does as little as it can be
// told to: metering and logs cannot be turned off.
func (b *bench) kept(ctx context.Context) error {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer collector.Close()
	dir, err := b.hello()
	if err != nil {
		return err
	}
	on, err := b.platform(ctx, "accounts", []string{"PINFOLD_METRICS=" + metricsAddress, "PINFOLD_OTLP_ENDPOINT=" + collector.URL}, dir)
	if err != nil {
		return err
	}
	defer on.Stop()
	off, err := b.platform(ctx, "no-accounts", []string{"PINFOLD_RECORD_DAYS=0"}, dir)
	if err != nil {
		return err
	}
	defer off.Stop()
	ctx, cancel := context.WithCancel(ctx)
	scraped := make(chan struct{})
	go func() {
		defer close(scraped)
		for host.Pause(ctx, time.Second) == nil {
			_, _ = invocations(ctx) // as Prometheus does
		}
	}()
	defer func() { cancel(); <-scraped }()
	t := table{
		title: "Accounts of every invocation, kept and not",
		note: "32 connections. With: records, traces sent to a collector that takes them (failed, cold and slow ones, and 5% of the rest), metrics read every second. " +
			"Without: `recordDays: 0`, no collector, no metrics listener; metering and logs cannot be turned off.",
		head: []string{"function", "with", "without", "ratio", "p50", "p50"},
	}
	for _, f := range []struct{ name, path string }{{"Node.js", "/node"}, {"Node.js, 32 at a time", "/multi"}} {
		b.say("accounts, %s", f.name)
		with, without := at("with", on.URL+f.path), at("without", off.URL+f.path)
		if err := b.turns(ctx, 32, without, with); err != nil {
			return err
		}
		x := with.beside(without, load.Sample.Rate)
		t.row(f.name, perSecond(with.rate()), perSecond(without.rate()), share(x), ms(with.quantile(.5)), ms(without.quantile(.5)))
		b.figure("accounts: warm throughput with all of them, "+f.name, "0.95 of without", share(x), x >= .95)
	}
	n, err := invocations(ctx)
	if err != nil {
		return err
	}
	if err := on.Stop(); err != nil {
		return err
	}
	b.tables = append(b.tables, t, b.onDisk(n))
	return nil
}

// invocations is how many there were, by the metrics.
func invocations(ctx context.Context) (n float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+metricsAddress+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok && strings.HasPrefix(name, "pinfold_function_invocations_total{") {
			one, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, err
			}
			n += one
		}
	}
	return n, nil
}

// onDisk says what is on the disk of n invocations.
func (b *bench) onDisk(n float64) table {
	t := table{title: "Disk for a million invocations", head: []string{"", "megabytes"}}
	for _, part := range []struct{ name, dir string }{{"records", "records"}, {"START, END and REPORT lines in the log", "logs"}, {"metering", "metering"}} {
		var size int64
		_ = filepath.WalkDir(filepath.Join(b.dir, "data-accounts", part.dir), func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				if info, err := d.Info(); err == nil {
					size += info.Size()
				}
			}
			return nil
		})
		each := fmt.Sprintf("%.0f", float64(size)/n)
		if part.dir == "metering" {
			each = fmt.Sprintf("%.2f in all, for however many", float64(size)/1e6)
		}
		t.row(part.name, each)
	}
	t.note = fmt.Sprintf("After %.0f invocations; what is not sealed yet takes three times as much as it will, and logs are bounded by `logMB`, which may have taken some away.", n)
	return t
}

// searched runs the benchmarks of the parts themselves.
func (b *bench) searched(ctx context.Context) error {
	many, short := "10000000", "-short=false"
	if b.quick {
		many, short = "100000", "-short"
	}
	gigabyte := map[bool]string{true: "100 MB", false: "1 GB"}[b.quick]
	b.say("accounts, 10,000 records a second")
	paced, err := b.gobench(ctx, "./internal/record", "BenchmarkPaced", "-benchtime=50000x")
	if err != nil {
		return err
	}
	cpu := paced.of["Paced/store"]["%cpu"] - paced.of["Paced/nothing"]["%cpu"]
	b.figure("accounts: 10,000 records/s, of one processor", "under 10%", fmt.Sprintf("%.1f%%", cpu), cpu < 10 && cpu > 0)
	b.say("accounts, searching %s records", many)
	found, err := b.gobench(ctx, "./internal/record", "BenchmarkSearch", "-benchtime=3x", "PINFOLD_RECORDS="+many)
	if err != nil {
		return err
	}
	t := table{title: "Finding records, of " + many, note: "`go test -run - -bench Search ./internal/record`", head: []string{"asked for", "found", "time", "processor"}}
	var slowest time.Duration
	for _, name := range found.names {
		took := time.Duration(found.of[name]["ns/op"])
		if strings.HasPrefix(name, "Search/function") {
			slowest = max(slowest, took)
		}
		t.row(strings.ReplaceAll(strings.TrimPrefix(name, "Search/"), "_", " "), fmt.Sprintf("%.0f", found.of[name]["found"]), ms(took), fmt.Sprintf("%.1f ms", found.of[name]["cpu-ms/op"]))
	}
	b.tables = append(b.tables, t)
	b.figure("accounts: "+many+" records searched by function and time, slowest question", "1 s", ms(slowest), slowest > 0 && slowest < time.Second)
	b.say("accounts, logs")
	in, err := b.gobench(ctx, "./internal/logs", "BenchmarkIngest", "-benchtime=3s")
	if err != nil {
		return err
	}
	for _, sources := range []string{"1", "8"} {
		rate := in.of["Ingest/sources="+sources]["MB/s"]
		b.figure("logs: taken in, instances that write: "+sources, "50 MB/s", fmt.Sprintf("%.0f MB/s", rate), rate >= 50)
	}
	logs, err := b.gobench(ctx, "./internal/logs", "BenchmarkSearch", "-benchtime=1x", short)
	if err != nil {
		return err
	}
	t = table{title: "Filters over " + gigabyte + " of logs", note: "`go test -run - -bench Search ./internal/logs`, which says what each asks for", head: []string{"filter", "found", "MB/s", "MB for a second of a processor"}}
	for _, name := range logs.names {
		m := logs.of[name]
		t.row(strings.TrimPrefix(name, "Search/"), fmt.Sprintf("%.0f", m["lines"]), fmt.Sprintf("%.0f", m["MB/s"]), fmt.Sprintf("%.0f", m["MB/cpu-s"]))
	}
	b.tables = append(b.tables, t)
	rate := logs.of["Search/term"]["MB/s"]
	b.figure("logs: a filter over "+gigabyte, "200 MB/s", fmt.Sprintf("%.0f MB/s", rate), rate >= 200)
	return nil
}

// measured is what benchmarks of Go reported: their names in order, and the value
// of each unit.
type measured struct {
	names []string
	of    map[string]map[string]float64
}

// gobench runs benchmarks of a package. Arguments with a name and "=" in capitals
// are its environment.
func (b *bench) gobench(ctx context.Context, pkg, pattern string, args ...string) (measured, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "-", "-timeout", "30m", "-bench", "^"+pattern+"$")
	cmd.Env = os.Environ()
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			cmd.Args = append(cmd.Args, arg)
		} else {
			cmd.Env = append(cmd.Env, arg)
		}
	}
	cmd.Args = append(cmd.Args, pkg)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return measured{}, fmt.Errorf("%s: %w: %s %s", strings.Join(cmd.Args, " "), err, out, errs.String())
	}
	m := measured{of: map[string]map[string]float64{}}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i] // how many processors there are
		}
		m.names = append(m.names, name)
		m.of[name] = map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return m, fmt.Errorf("%s says %q: %w", pkg, line, err)
			}
			m.of[name][fields[i+1]] = value
		}
	}
	return m, nil
}
