package accounts

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// The functions of the load. They do what the event says; gate is where one waits
// until another lets it go on.
const manifest = `service: load
provider: {name: aws, runtime: nodejs22.x, timeout: 60, memorySize: 128, versionFunctions: false}
functions:
  gate: {handler: gate.handler, timeout: 600}
  node: {handler: node.handler, memorySize: 256}
  python: {handler: snake.handler, runtime: python3.12}
  several: {handler: node.handler}
  brief: {handler: node.handler, timeout: 1, memorySize: 512}
  stream: {handler: stream.handler}
  one: {handler: node.handler, reservedConcurrency: 1}
  none: {handler: node.handler, reservedConcurrency: 0}
custom: {pinfold: {functions: {gate: {concurrency: 50}, several: {concurrency: 4}}}}
`

var functions = map[string]string{
	"serverless.yml": manifest,
	"gate.js": `const places = new Map();
function place(name) {
  if (!places.has(name)) {
    const p = {};
    p.came = new Promise((resolve) => { p.come = resolve; });
    p.opened = new Promise((resolve) => { p.open = resolve; });
    places.set(name, p);
  }
  return places.get(name);
}
exports.handler = async ({ do: what, name }) => {
  const p = place(name);
  if (what === "open") p.open();
  if (what === "came") await p.came;
  if (what === "wait") { p.come(); await p.opened; }
  return "x".repeat(100);
};`,
	"node.js": `exports.handler = async (event) => {
  switch (event.do) {
    case "fail": throw new TypeError("on purpose");
    case "exit": process.exit(1);
    case "never": return new Promise((resolve) => setTimeout(resolve, 3600e3));
  }
  return event;
};`,
	"stream.js": `exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.write("first ");
  switch (event.do) {
    case "fail": throw new TypeError("on purpose");
    case "exit": process.exit(1);
  }
  stream.end("last");
});`,
	"snake.py": `import os
def handler(event, context):
    if event["do"] == "fail": raise TypeError("on purpose")
    if event["do"] == "exit": os._exit(1)
    return event
`,
}

// mix is how often of about a thousand times a function is asked for what.
var mix = []struct {
	function, do string
	times        int
}{
	{"node", "ok", 400}, {"node", "fail", 80}, {"node", "exit", 12}, {"node", "{", 5},
	{"python", "ok", 150}, {"python", "fail", 40}, {"python", "exit", 6},
	{"several", "ok", 130}, {"several", "fail", 40}, {"several", "exit", 4},
	{"brief", "ok", 20}, {"brief", "never", 4},
	{"stream", "ok", 40}, {"stream", "fail", 8}, {"stream", "exit", 3}, {"stream", "leave", 6},
	{"one", "ok", 60}, {"none", "ok", 20}, {"gate", "leave", 5},
}

// tally is how many invocations there are, by "function status".
type tally map[string]int

// load has everything of the mix done n times, by eight at once and in an order of
// its own, and returns what came of it for the callers.
func load(t *testing.T, p *platformtest.Platform, n int) tally {
	type job struct{ function, do string }
	var jobs []job
	for _, m := range mix {
		for range m.times * n {
			jobs = append(jobs, job{m.function, m.do})
		}
	}
	rand.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })

	work := make(chan job)
	var mu sync.Mutex
	var all sync.WaitGroup
	seen := tally{}
	count := func(function, status string) {
		mu.Lock()
		defer mu.Unlock()
		seen[function+" "+status]++
	}
	// While somebody waits at the gate it is one instance, and is not evicted.
	ask := func(do string) []byte { return fmt.Appendf(nil, `{"do":%q,"name":"load"}`, do) }
	count("gate", call(t, p, "gate", ask("none")))
	all.Go(func() { count("gate", call(t, p, "gate", ask("wait"))) })
	count("gate", call(t, p, "gate", ask("came")))
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Go(func() {
			times := 0
			for j := range work {
				switch times++; {
				case j.function == "gate":
					leave(t, p, fmt.Sprint(worker, "-", times), count)
				case j.function == "stream":
					count(j.function, stream(t, p, j.do))
				default:
					count(j.function, call(t, p, j.function, event(j.do)))
				}
			}
		})
	}
	for _, j := range jobs {
		work <- j
	}
	close(work)
	workers.Wait()
	count("gate", call(t, p, "gate", ask("open")))
	all.Wait()
	return seen
}

func event(do string) []byte {
	if do == "{" {
		return []byte(do)
	}
	return fmt.Appendf(nil, `{"do":%q}`, do)
}

// call invokes a function and returns what its record must say that came of it.
func call(t *testing.T, p *platformtest.Platform, function string, event []byte) string {
	res, err := p.Client.Invoke(t.Context(), "load-dev-"+function, event, rand.N(2) == 0)
	return statusOf(t, res, err)
}

func statusOf(t *testing.T, res *pinfold.Result, err error) string {
	switch code := pinfold.CodeOf(err); {
	case code == pinfold.Throttled || code == pinfold.Invalid:
		return strings.ToLower(string(code))
	case err != nil:
		t.Errorf("an invocation ends with %v", err)
		return "?"
	case res.FunctionError == "":
		return "ok"
	case strings.Contains(string(res.Payload), "Sandbox.Timedout"):
		return "timeout"
	}
	return "error"
}

// leave calls a function, and goes away once it runs, which it does to its end.
func leave(t *testing.T, p *platformtest.Platform, name string, count func(function, status string)) {
	ask := func(do string) []byte { return fmt.Appendf(nil, `{"do":%q,"name":%q}`, do, name) }
	ctx, goAway := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := p.Client.Invoke(ctx, "load-dev-gate", ask("wait"), false)
		left <- err
	}()
	count("gate", call(t, p, "gate", ask("came")))
	goAway()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who leaves gets %v", err)
	}
	count("gate", call(t, p, "gate", ask("open")))
	count("gate", "ok")
}

// reader reads a stream, or does not want to.
type reader struct {
	leaves bool
}

var errEnough = errors.New("enough")

func (reader) Begin(string) {}

func (r reader) Write(b []byte) (int, error) {
	if r.leaves {
		return 0, errEnough
	}
	return len(b), nil
}

func stream(t *testing.T, p *platformtest.Platform, do string) string {
	res, err := p.Client.InvokeStream(t.Context(), "load-dev-stream", event(do), false, reader{leaves: do == "leave"})
	if errors.Is(err, errEnough) {
		return "ok"
	}
	return statusOf(t, res, err)
}

// account is what somebody says that a function has used.
type account struct {
	runs, errors, cold, billedMS, mbMillis, bytesOut uint64
}

// TestSumsAgree runs everything that can happen to an invocation, many times, and
// has logs, records, metering and metrics say the same of it.
func TestSumsAgree(t *testing.T) {
	t.Parallel()
	n := 1
	if long() {
		n = 10
	}
	p := platformtest.Start(t, func(c *platform.Config) { c.Metrics = "127.0.0.1:0" })
	p.Deploy(t, platformtest.Files(t, functions))
	seen := load(t, p, n)
	whole := 0
	for _, times := range seen {
		whole += times
	}
	all := records(t, p, pinfold.RecordQuery{}, whole)

	// Every invocation has left one record, which says what its caller was told.
	kept, ids := tally{}, map[string]bool{}
	byRecords, throttled := map[string]account{}, map[string]uint64{}
	byID := map[string]pinfold.Record{} // of those that ran
	for _, r := range all {
		name := strings.TrimPrefix(r.Function, "load-dev-")
		kept[name+" "+r.Status]++
		if r.RequestID == "" || ids[r.RequestID] {
			t.Errorf("two records of one invocation, or one of none: %+v", r)
		}
		ids[r.RequestID] = true
		if r.Status == "throttled" {
			throttled[r.Function]++
		}
		if r.Instance == "" {
			if r.Billed != 0 || r.Handler != 0 || r.Status == "ok" {
				t.Errorf("who was refused is billed: %+v", r)
			}
			continue
		}
		byID[r.RequestID] = r
		a := byRecords[r.Function]
		a.add(r)
		byRecords[r.Function] = a
	}
	if fmt.Sprint(kept) != fmt.Sprint(seen) {
		t.Errorf("the records say     %v\nthe callers were told %v", kept, seen)
	}
	t.Logf("%d invocations: %v", whole, seen)

	reports(t, p, byID)
	metered(t, p, byRecords)
	measured(t, p, byRecords, throttled)
}

func (a *account) add(r pinfold.Record) {
	a.runs++
	if r.Status != "ok" {
		a.errors++
	}
	if r.Cold != pinfold.Warm {
		a.cold++
	}
	ms := uint64(r.Billed.Milliseconds())
	a.billedMS += ms
	a.mbMillis += ms * uint64(r.MemoryMB)
	a.bytesOut += uint64(r.BytesOut)
}

var reportLine = regexp.MustCompile(`^REPORT RequestId: (\S+)\tDuration: [\d.]+ ms\tBilled Duration: (\d+) ms\tMemory Size: (\d+) MB\tMax Memory Used: (\d+) MB\t`)

// reports compares every record with the REPORT line of its invocation.
func reports(t *testing.T, p *platformtest.Platform, byID map[string]pinfold.Record) {
	t.Helper()
	found := map[string]bool{}
	for line, err := range p.Client.Logs(t.Context(), client.LogQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		m := reportLine.FindStringSubmatch(line.Text)
		if m == nil || !line.System {
			continue
		}
		r, ok := byID[m[1]]
		want := fmt.Sprint(r.Billed.Milliseconds(), r.MemoryMB, r.PeakMB)
		if got := strings.Join(m[2:], " "); !ok || found[m[1]] || got != want {
			t.Errorf("the log of %s says %q, the record %+v", line.Name, line.Text, r)
		}
		found[m[1]] = true
	}
	if len(found) != len(byID) {
		t.Errorf("%d REPORT lines, %d records of what ran", len(found), len(byID))
	}
}

// metered compares what the meter says with the records.
func metered(t *testing.T, p *platformtest.Platform, want map[string]account) {
	t.Helper()
	u, err := p.Client.Usage(t.Context(), client.UsageQuery{By: "function"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]account{}
	for _, r := range u.Rows {
		got[r.Name] = account{r.Requests, r.Errors, r.Cold, r.BilledMS, r.MBMilliseconds, r.BytesOut}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("metered is    %v\nrecords say %v", got, want)
	}
}

var sample = regexp.MustCompile(`(?m)^pinfold_function_(\w+)_total\{function="([^"]+)"(?:,(?:status|reason|type)="([^"]+)")?\} (\S+)$`)

// measured compares what Prometheus is told with the records.
func measured(t *testing.T, p *platformtest.Platform, want map[string]account, throttled map[string]uint64) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Metrics+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, text := send(t, req)
	got, refused := map[string]account{}, map[string]uint64{}
	byType := map[string]uint64{}
	for _, m := range sample.FindAllStringSubmatch(text, -1) {
		x, err := strconv.ParseFloat(m[4], 64)
		if err != nil {
			t.Fatal(err)
		}
		a, n := got[m[2]], uint64(x)
		switch m[1] {
		case "invocations":
			if a.runs += n; m[3] != "ok" {
				a.errors += n
			}
		case "errors":
			byType[m[2]] += n
		case "cold_starts":
			a.cold += n
		case "billed_milliseconds":
			a.billedMS += n
		case "response_bytes":
			a.bytesOut += n
		case "throttles":
			if n > 0 {
				refused[m[2]] = n
			}
		}
		got[m[2]] = a
	}
	for name, a := range want {
		a.mbMillis = 0 // is no metric
		if got[name] != a || byType[name] != a.errors {
			t.Errorf("metrics of %s are %+v and %d errors by type, records say %+v", name, got[name], byType[name], a)
		}
	}
	if fmt.Sprint(refused) != fmt.Sprint(throttled) {
		t.Errorf("throttled are %v by the metrics, %v by the records", refused, throttled)
	}
}
