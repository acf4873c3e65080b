package accounts

import (
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// shop is an application whose order asks the stock, with the SDK for Python that
// this machine has. The stock fails at the first time and at every other one, and
// is asked again.
func shop(t *testing.T, p *platformtest.Platform) *app.Deployed {
	t.Helper()
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("no boto3 for python3: run test/setup.sh")
	}
	return p.Deploy(t, platformtest.Files(t, map[string]string{
		"serverless.yml": `service: shop
provider: {name: aws, runtime: python3.12, timeout: 60, memorySize: 1769}
functions:
  order: {handler: shop.order, url: true}
  stock: {handler: shop.stock, reservedConcurrency: 1}
`,
		"shop.py": `import json, os
import boto3

def order(event, context):
    api = boto3.client("lambda")
    for times in (1, 2):
        answer = api.invoke(FunctionName="shop-dev-stock", Payload=json.dumps({}))
        if "FunctionError" not in answer: return {"asked": times, "trace": os.environ["_X_AMZN_TRACE_ID"]}

asked = 0
def stock(event, context):
    global asked
    asked += 1
    if asked % 2: raise LookupError("not on its shelf")
    return "there"
`,
	}))
}

// TestOneTrace has a function call another one that fails at first: that is one
// trace, whoever began it, in which everything has its cause.
func TestOneTrace(t *testing.T) {
	t.Parallel()
	p := platformtest.Start(t)
	d := shop(t, p)
	const (
		w3c  = "4bf92f3577b34da6a3ce929d0e0e4736"
		xray = "1-67891233-abcdef012345678912345678"
	)
	for _, tc := range []struct {
		name, header, value string
		trace, parent       string // "": of the platform's making, and none
	}{
		{"traceparent", "traceparent", "00-" + w3c + "-00f067aa0ba902b7-01", w3c, "00f067aa0ba902b7"},
		{"x-ray", "X-Amzn-Trace-Id", "Root=" + xray + ";Parent=463ac35c9f6413ad;Sampled=1", "67891233abcdef012345678912345678", "463ac35c9f6413ad"},
		{"none", "", "", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var trace pinfold.TraceID
			if tc.trace == "" {
				trace = newest(t, p, func() { ask(t, p, d, "X-None", "") })
			} else {
				ask(t, p, d, tc.header, tc.value)
				if err := trace.UnmarshalText([]byte(tc.trace)); err != nil {
					t.Fatal(err)
				}
			}
			all := records(t, p, pinfold.RecordQuery{Trace: trace, Calls: true}, 5)
			slices.Reverse(all) // the oldest first
			slices.SortStableFunc(all, func(a, b pinfold.Record) int { return a.Time.Compare(b.Time) })
			names, parents := make([]string, 5), map[pinfold.SpanID]string{}
			for i, r := range all {
				names[i] = r.Function
				if r.Service != "" {
					names[i] += " " + r.Service + "." + r.Operation
				}
				names[i] += " " + r.Status + r.ErrorType
				parents[r.Span] = fmt.Sprint(i)
			}
			want := []string{
				"shop-dev-order ok", "shop-dev-order lambda.Invoke ok", "shop-dev-stock errorLookupError",
				"shop-dev-order lambda.Invoke ok", "shop-dev-stock ok",
			}
			if !slices.Equal(names, want) {
				t.Fatalf("the trace has %q, want %q", names, want)
			}
			causes := ""
			for _, r := range all[1:] {
				causes += parents[r.Parent]
			}
			if causes != "0103" || len(parents) != 5 {
				t.Errorf("they were caused by %s, want 0103: %+v", causes, all)
			}
			if got := all[0].Parent; tc.parent == "" && got != (pinfold.SpanID{}) || tc.parent != "" && got.String() != tc.parent {
				t.Errorf("the first was caused by %s, want %q", got, tc.parent)
			}
		})
	}
}

// ask has an order done by a request with a header.
func ask(t *testing.T, p *platformtest.Platform, d *app.Deployed, name, value string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, urlOf(t, p, d, "shop-dev-order"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(name, value)
	if status, body := send(t, req); status != 200 || !strings.Contains(body, `"asked": 2`) {
		t.Fatalf("%s: %.100s is answered with %d %s", name, value, status, body)
	}
}

// newest returns the trace that what do does begins.
func newest(t *testing.T, p *platformtest.Platform, do func()) pinfold.TraceID {
	t.Helper()
	before := map[pinfold.TraceID]bool{}
	n := 0
	for r, err := range p.Client.Records(t.Context(), pinfold.RecordQuery{Function: "shop-dev-order"}) {
		if err != nil {
			t.Fatal(err)
		}
		before[r.Trace], n = true, n+1
	}
	do()
	trace := records(t, p, pinfold.RecordQuery{Function: "shop-dev-order"}, n+1)[0].Trace
	if before[trace] || trace == (pinfold.TraceID{}) {
		t.Fatalf("%s is no new trace", trace)
	}
	return trace
}

// TestBadTraceHeaders sends what names no trace, at both doors: the function runs,
// in a trace of its own.
func TestBadTraceHeaders(t *testing.T) {
	t.Parallel()
	p := platformtest.Start(t, func(c *platform.Config) { c.Dev = true })
	d := p.Deploy(t, platformtest.Files(t, map[string]string{
		"serverless.yml": "service: bad\nprovider: {name: aws, runtime: nodejs22.x}\nfunctions:\n  echo: {handler: index.handler, url: true}\n",
		"index.js":       `exports.handler = async () => process.env._X_AMZN_TRACE_ID;`,
	}))
	long := strings.Repeat("a", 10<<10)
	values := []string{
		"", "nonsense", long, "Root=", "Root=1-00000000-000000000000000000000000", "Root=1-6789123g-abcdef012345678912345678", "Root=" + long,
		"Parent=463ac35c9f6413ad", strings.Repeat("Root=1-67891233-abcdef012345678912345678;", 300), "Lineage=" + long, ";;;===;;",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "00-" + long, "\xff\xfe\x80",
	}
	n := 0
	doors := []string{urlOf(t, p, d, "bad-dev-echo"), p.Endpoints.API + "/2015-03-31/functions/bad-dev-echo/invocations"}
	for _, url := range doors {
		for _, header := range []string{"X-Amzn-Trace-Id", "Traceparent"} {
			for _, value := range values {
				n++
				if status, body := send(t, at(t, url, header, value)); status != 200 || !strings.Contains(body, "Root=1-") || len(body) > 400 {
					t.Errorf("%s: %.60q at %s is answered with %d %.500s", header, value, url, status, body)
				}
			}
		}
	}
	for _, url := range doors { // a tracestate alone changes nothing, and spoils nothing
		for _, value := range []string{long, "a=1,a=2", "\xff", strings.Repeat("a=1,", 3000)} {
			n++
			if status, body := send(t, at(t, url, "Tracestate", value)); status != 200 || !strings.Contains(body, "Root=1-") {
				t.Errorf("a tracestate %.60q at %s is answered with %d %.500s", value, url, status, body)
			}
		}
	}
	traces := map[pinfold.TraceID]bool{}
	for _, r := range records(t, p, pinfold.RecordQuery{}, n) {
		if r.Parent != (pinfold.SpanID{}) || r.Trace == (pinfold.TraceID{}) || r.Status != "ok" {
			t.Errorf("the record is %+v", r)
		}
		traces[r.Trace] = true
	}
	if len(traces) != n {
		t.Errorf("%d requests without a trace have %d", n, len(traces))
	}
}

// at is a request with a header.
func at(t *testing.T, url, name, value string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(name, value)
	return req
}

// TestBothDoorsReadBothHeaders has the same trace named in either way, at either
// door.
func TestBothDoorsReadBothHeaders(t *testing.T) {
	t.Parallel()
	p := platformtest.Start(t, func(c *platform.Config) { c.Dev = true })
	d := p.Deploy(t, platformtest.Files(t, map[string]string{
		"serverless.yml": "service: good\nprovider: {name: aws, runtime: nodejs22.x}\nfunctions:\n  echo: {handler: index.handler, url: true}\n",
		"index.js":       `exports.handler = async () => process.env._X_AMZN_TRACE_ID;`,
	}))
	n := 0
	for _, url := range []string{urlOf(t, p, d, "good-dev-echo"), p.Endpoints.API + "/2015-03-31/functions/good-dev-echo/invocations"} {
		for header, value := range map[string]string{
			"X-Amzn-Trace-Id": "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1",
			"Traceparent":     "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		} {
			n++
			if status, body := send(t, at(t, url, header, value)); status != 200 || !strings.Contains(body, "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=") {
				t.Errorf("%s at %s is answered with %d %s", header, url, status, body)
			}
		}
	}
	for _, r := range records(t, p, pinfold.RecordQuery{}, n) {
		if r.Trace.String() != "4bf92f3577b34da6a3ce929d0e0e4736" || r.Parent.String() != "00f067aa0ba902b7" {
			t.Errorf("the record is %+v", r)
		}
	}
}
