// Command bench measures Pinfold through its public door beside the raw limit, a
// plain Node.js HTTP server, in the same run, and writes the table in
// RESULTS.md. Machines are noisy, so the two take turns and what counts are
// medians and ratios.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"
	"time"
)

type options struct {
	pinfold string
	out     string
	rounds  int
	length  time.Duration
	cold    int
	starts  int
	boxes   int
}

func main() {
	var o options
	flag.StringVar(&o.pinfold, "pinfold", "bin/pinfold", "the binary to measure")
	flag.StringVar(&o.out, "out", "", "file to write the results to (default: standard output)")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of warm load, in which the two take turns")
	flag.DurationVar(&o.length, "length", 2*time.Second, "length of one load")
	flag.IntVar(&o.cold, "cold", 20, "cold starts per runtime")
	flag.IntVar(&o.boxes, "boxes", 200, "sandboxes to make without a runtime")
	flag.IntVar(&o.starts, "starts", 10, "starts of the platform itself")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "pinfold-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	application := filepath.Join(dir, "app")
	if err := writeApplication(application, o.cold); err != nil {
		return err
	}
	r := results{Options: o, Machine: machine(ctx), Date: time.Now().UTC().Format(time.DateOnly)}

	say("starting the platform %d times", o.starts)
	for range o.starts {
		s, err := startPinfold(ctx, o.pinfold, "auto", filepath.Join(dir, "empty"), "")
		if err != nil {
			return err
		}
		r.starts = append(r.starts, s.ready)
		if err := s.stop(); err != nil {
			return err
		}
	}

	if r.Walls, err = measureWalls(ctx, filepath.Join(dir, "walls"), o.boxes); err != nil {
		return err
	}
	p, err := startPinfold(ctx, o.pinfold, "namespace", filepath.Join(dir, "data"), application)
	if err != nil {
		return err
	}
	defer p.stop()
	plain, err := startPinfold(ctx, o.pinfold, "process", filepath.Join(dir, "plain"), application)
	if err != nil {
		return err
	}
	defer plain.stop()
	raw, err := startRaw(ctx)
	if err != nil {
		return err
	}
	defer raw.stop()

	for _, rt := range []string{"node", "python"} {
		say("%d cold starts of %s", o.cold, rt)
		c := cold{Runtime: rt}
		for i := range o.cold {
			took, err := get(ctx, http.DefaultClient, fmt.Sprintf("%s/cold-%s-%d", p.url, rt, i))
			if err != nil {
				return err
			}
			c.times = append(c.times, took)
			if took, err = get(ctx, http.DefaultClient, fmt.Sprintf("%s/cold-%s-%d", plain.url, rt, i)); err != nil {
				return err
			}
			c.plain = append(c.plain, took)
		}
		r.Cold = append(r.Cold, c)
	}
	for _, clients := range []int{1, 8, 32} {
		w := warm{Clients: clients, Runtime: "node"}
		say("warm, %d clients", clients)
		if err := w.measure(ctx, o, p.url+"/node?name=Ada", plain.url+"/node?name=Ada", raw.url+"/node?name=Ada"); err != nil {
			return err
		}
		r.Warm = append(r.Warm, w)
	}
	w := warm{Clients: 8, Runtime: "python"}
	say("warm, python, 8 clients")
	if err := w.measure(ctx, o, p.url+"/python?name=Ada", plain.url+"/python?name=Ada", raw.url+"/python?name=Ada"); err != nil {
		return err
	}
	r.Warm = append(r.Warm, w)
	return r.write(o.out)
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }

// writeApplication makes an application of two warm functions and as many cold
// ones as are wanted: each cold start needs a function that nobody has called.
func writeApplication(dir string, cold int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"hello.js", "hello.py"} {
		content, err := os.ReadFile(filepath.Join("bench", "app", name))
		if err != nil {
			return fmt.Errorf("run this from the top of the checkout: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	var b strings.Builder
	// The memory that is worth one processor: a share of one is what walls hold a
	// function to on purpose.
	b.WriteString("service: bench\nprovider: {name: aws, memorySize: 1769}\nfunctions:\n")
	function := func(name, runtime string) {
		fmt.Fprintf(&b, "  %s: {handler: hello.handler, runtime: %s, events: [{httpApi: GET /%s}]}\n", name, runtime, name)
	}
	function("node", "nodejs20.x")
	function("python", "python3.12")
	for i := range cold {
		function(fmt.Sprintf("cold-node-%d", i), "nodejs20.x")
		function(fmt.Sprintf("cold-python-%d", i), "python3.12")
	}
	return os.WriteFile(filepath.Join(dir, "serverless.yml"), []byte(b.String()), 0o600)
}

// server is a process under measurement.
type server struct {
	cmd   *exec.Cmd
	url   string
	ready time.Duration // from exec until it said that it was ready
}

func (s *server) stop() error {
	_ = s.cmd.Process.Signal(os.Interrupt)
	err := s.cmd.Wait()
	if _, exited := errors.AsType[*exec.ExitError](err); exited {
		return nil
	}
	return err
}

// startPinfold starts a platform and, if application is not empty, has it
// deployed. Ports are the machine's choice.
func startPinfold(ctx context.Context, binary, sandbox, data, application string) (*server, error) {
	args := []string{"up", "--json", "--sandbox", sandbox, "--data", data, "--api", "127.0.0.1:0", "--http", "127.0.0.1:0"}
	if application != "" {
		args = append(args, "--deploy", application)
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd}
	dec := json.NewDecoder(out)
	var facts struct {
		Endpoints struct{ HTTP string }
	}
	if err := dec.Decode(&facts); err != nil {
		return nil, fmt.Errorf("pinfold did not start: %w\n%s", err, &stderr)
	}
	s.ready, s.url = time.Since(started), facts.Endpoints.HTTP
	if application != "" {
		var deployed json.RawMessage
		if err := dec.Decode(&deployed); err != nil {
			return nil, fmt.Errorf("pinfold did not deploy: %w\n%s", err, &stderr)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
	return s, nil
}

func startRaw(ctx context.Context) (*server, error) {
	cmd := exec.CommandContext(ctx, "node", filepath.Join("bench", "app", "raw.js"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the raw server did not start: %w", err)
	}
	return &server{cmd: cmd, url: "http://127.0.0.1:" + strings.TrimSpace(port)}, nil
}

func machine(ctx context.Context) string {
	version := func(name string, args ...string) string {
		out, err := exec.CommandContext(ctx, name, args...).Output()
		if err != nil {
			return name + " missing"
		}
		return strings.TrimSpace(string(out))
	}
	return fmt.Sprintf("%d cores, %s/%s, %s, Node.js %s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH,
		runtime.Version(), version("node", "--version"), version("python3", "--version"))
}

// warm is a load on an instance that is up, beside the same load on one without
// walls and on the raw server.
type warm struct {
	Runtime string
	Clients int
	ours    []sample
	plains  []sample // the same platform with the process driver
	raws    []sample
}

func (w *warm) measure(ctx context.Context, o options, ours, plain, raw string) error {
	urls := []string{ours, plain, raw}
	for _, url := range urls { // not counted: instances come up, and compile what is hot
		if _, err := load(ctx, url, w.Clients, 2*o.length); err != nil {
			return err
		}
	}
	for range o.rounds {
		for i, samples := range []*[]sample{&w.ours, &w.plains, &w.raws} {
			s, err := load(ctx, urls[i], w.Clients, o.length)
			if err != nil {
				return err
			}
			*samples = append(*samples, s)
		}
	}
	return nil
}

func over[T ~int64 | ~float64](samples []sample, f func(sample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = f(s)
	}
	return median(values)
}

// Rate, P50 and P99 are medians over the rounds.
func (w warm) Rate() float64    { return over(w.ours, sample.perSecond) }
func (w warm) RawRate() float64 { return over(w.raws, sample.perSecond) }
func (w warm) P50() time.Duration {
	return over(w.ours, func(s sample) time.Duration { return s.quantile(.5) })
}
func (w warm) RawP50() time.Duration {
	return over(w.raws, func(s sample) time.Duration { return s.quantile(.5) })
}
func (w warm) P99() time.Duration {
	return over(w.ours, func(s sample) time.Duration { return s.quantile(.99) })
}
func (w warm) RawP99() time.Duration {
	return over(w.raws, func(s sample) time.Duration { return s.quantile(.99) })
}

// Share is the median over the rounds of our rate as a share of the raw one.
func (w warm) Share() float64 { return share(w.ours, w.raws) }

// Walls is the same as a share of what there is without walls.
func (w warm) Walls() float64 { return share(w.ours, w.plains) }

func share(of, by []sample) float64 {
	var ratios []float64
	for i := range of {
		ratios = append(ratios, of[i].perSecond()/by[i].perSecond())
	}
	return median(ratios)
}

type cold struct {
	Runtime string
	times   []time.Duration
	plain   []time.Duration // without walls
}

func (c cold) P50() time.Duration   { return median(c.times) }
func (c cold) Plain() time.Duration { return median(c.plain) }
func (c cold) Max() time.Duration {
	var worst time.Duration
	for _, t := range c.times {
		worst = max(worst, t)
	}
	return worst
}

type results struct {
	Options options
	Machine string
	Date    string
	starts  []time.Duration
	Walls   walls
	Warm    []warm
	Cold    []cold
}

// Boxes is how many sandboxes were made without a runtime.
func (o options) Boxes() int { return o.boxes }

// Start is the median time from exec to ready.
func (r results) Start() time.Duration { return median(r.starts) }

var page = template.Must(template.New("results").Funcs(template.FuncMap{
	"ms":       func(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond)) },
	"rate":     func(f float64) string { return fmt.Sprintf("%.0f/s", f) },
	"quantile": quantile,
	"frac":     func(f float64) string { return fmt.Sprintf("%.2f", f) },
}).Parse(`# Results of the last ` + "`make bench`" + `

{{.Date}}; {{.Machine}}. Load generator, platform, functions and the raw server share the machine. Figures are medians; "share" is the
median over rounds in which all took turns, so it holds when the machine's speed drifts. Functions are behind walls (the namespace driver) if nothing else is said;
"walls" is the rate as a share of the same platform's with the process driver, which has none (target: 0.95).

## Warm, through the gateway, beside a plain Node.js HTTP server

| function | clients | requests | walls | raw | share | p50 | raw p50 | p99 | raw p99 |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
{{- range .Warm}}
| {{.Runtime}} | {{.Clients}} | {{rate .Rate}} | {{frac .Walls}} | {{rate .RawRate}} | {{frac .Share}} | {{ms .P50}} | {{ms .RawP50}} | {{ms .P99}} | {{ms .RawP99}} |
{{- end}}

## Cold: the first request ever to a function

| function | p50 | worst | p50 without walls |
|---|---:|---:|---:|
{{- range .Cold}}
| {{.Runtime}} | {{ms .P50}} | {{ms .Max}} | {{ms .Plain}} |
{{- end}}

## Walls: a sandbox without a runtime

{{.Options.Boxes}} sandboxes one after the other, each with code, limits and network (target for making one: 10 ms, median).

| | p50 | p95 |
|---|---:|---:|
| make: namespaces, root, /tmp, network, cgroup, filter | {{ms (quantile .Walls.Create .5)}} | {{ms (quantile .Walls.Create .95)}} |
| assign: code, layers, limits, policy | {{ms (quantile .Walls.Assign .5)}} | {{ms (quantile .Walls.Assign .95)}} |
| close: kill all, wait, remove | {{ms (quantile .Walls.Close .5)}} | {{ms (quantile .Walls.Close .95)}} |

## The platform itself

From exec to ready, with an empty data folder at first and the same one later: {{ms .Start}}.
`))

func (r results) write(file string) error {
	var b bytes.Buffer
	if err := page.Execute(&b, r); err != nil {
		return err
	}
	_, _ = os.Stdout.Write(b.Bytes())
	if file == "" {
		return nil
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}
