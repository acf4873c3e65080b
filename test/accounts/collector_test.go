package accounts

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/cli"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// span is one of OpenTelemetry's, as its collector has received it.
type span struct {
	TraceID      string `json:"traceId"`
	SpanID       string `json:"spanId"`
	ParentSpanID string `json:"parentSpanId"`
	TraceState   string `json:"traceState"`
	Name         string
	Kind         int
	Start        string `json:"startTimeUnixNano"`
	End          string `json:"endTimeUnixNano"`
	Attributes   attributes
	Status       struct{ Code int }
	resource     attributes
}

// The kinds and codes of spans. Source: trace.proto, OTLP.
const (
	internalSpan = 1
	serverSpan   = 2
	clientSpan   = 3
	failedStatus = 2
)

type attributes []struct {
	Key   string
	Value struct {
		StringValue *string
		IntValue    *string
		BoolValue   *bool
	}
}

// text returns the attributes that have these names: "name=value name=value".
func (a attributes) text(names ...string) string {
	var found []string
	for _, name := range names {
		for _, at := range a {
			switch v := at.Value; {
			case at.Key != name:
			case v.StringValue != nil:
				found = append(found, name+"="+*v.StringValue)
			case v.IntValue != nil:
				found = append(found, name+"="+*v.IntValue)
			case v.BoolValue != nil:
				found = append(found, fmt.Sprint(name, "=", *v.BoolValue))
			}
		}
	}
	return strings.Join(found, " ")
}

func (s *span) took(t *testing.T) time.Duration {
	t.Helper()
	start, err := strconv.ParseInt(s.Start, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	end, err := strconv.ParseInt(s.End, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(end - start)
}

// collector is OpenTelemetry's own, as a program beside the platform.
type collector struct {
	Endpoint map[string]string // by protocol
	spans    chan span
}

// buildCollector builds the program. It is a module of its own, so that what it
// needs does not become Pinfold's.
func buildCollector(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "collector")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir, build.Env = "collector", append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building OpenTelemetry's collector: %v\n%s", err, out)
	}
	return program
}

func startCollector(t *testing.T, program string) *collector {
	t.Helper()
	cmd := exec.Command(program)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &collector{spans: make(chan span, 1000)}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	done := make(chan struct{})
	t.Cleanup(func() {
		in.Close()
		<-done
		if err := cmd.Wait(); err != nil {
			t.Errorf("the collector ends with %v", err)
		}
	})
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &c.Endpoint) != nil {
		close(done)
		t.Fatalf("the collector begins with %q", lines.Text())
	}
	go func() {
		defer close(done)
		for lines.Scan() {
			c.take(t, lines.Bytes())
		}
	}()
	return c
}

func (c *collector) take(t *testing.T, line []byte) {
	var request struct {
		ResourceSpans []struct {
			Resource   struct{ Attributes attributes }
			ScopeSpans []struct{ Spans []span }
		}
	}
	if err := json.Unmarshal(line, &request); err != nil {
		t.Errorf("the collector says %q: %v", line, err)
	}
	for _, r := range request.ResourceSpans {
		for _, scope := range r.ScopeSpans {
			for _, s := range scope.Spans {
				s.resource = r.Resource.Attributes
				c.spans <- s
			}
		}
	}
}

// await returns the spans of a trace by their ids, when there are n of them.
func (c *collector) await(t *testing.T, trace pinfold.TraceID, n int) map[string]span {
	t.Helper()
	found := map[string]span{}
	patience := time.After(time.Minute)
	for len(found) < n {
		select {
		case s := <-c.spans:
			if s.TraceID != trace.String() {
				t.Errorf("a span of another trace: %+v", s)
			} else if _, twice := found[s.SpanID]; twice {
				t.Errorf("a span came twice: %+v", s)
			}
			found[s.SpanID] = s
		case <-patience:
			t.Fatalf("the collector has received %d spans, want %d: %+v", len(found), n, found)
		}
	}
	return found
}

// orders is an application in Node.js whose order asks the stock with AWS's SDK,
// version 3. The stock may not run at first, which the SDK tries again, and fails
// at the first time that it does, which the order does.
func orders(t *testing.T) string {
	t.Helper()
	const packages = "../apps/sdk/node_modules"
	if _, err := os.Stat(packages); err != nil {
		t.Skip("test/apps/sdk has no node_modules: run test/setup.sh")
	}
	dir := platformtest.Files(t, map[string]string{
		"serverless.yml": `service: orders
provider: {name: aws, runtime: nodejs22.x, timeout: 60, memorySize: 1769}
functions:
  order: {handler: order.handler, url: true}
  stock: {handler: stock.handler, reservedConcurrency: 0}
`,
		"order.mjs": `import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
const lambda = new LambdaClient({ maxAttempts: 100 });
export async function handler() {
  const attempts = [];
  for (;;) {
    const answer = await lambda.send(new InvokeCommand({ FunctionName: "orders-dev-stock", Payload: "{}" }));
    attempts.push(answer.$metadata.attempts);
    if (!answer.FunctionError) return attempts;
  }
}
`,
		"stock.mjs": `let times = 0;
export async function handler() {
  if (times++ === 0) throw new RangeError("not on its shelf");
  return "there";
}
`,
	})
	if err := os.CopyFS(filepath.Join(dir, "node_modules"), os.DirFS(packages)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestCollector is one trace of a call that is retried, by the SDK and by the
// function, as OpenTelemetry's own collector receives it.
func TestCollector(t *testing.T) {
	t.Parallel()
	program, dir := buildCollector(t), orders(t)
	for _, tc := range []struct {
		protocol string
		cells    int // with none, starts are from nothing and have every phase
	}{{"grpc", 16}, {"http", 0}} {
		t.Run(tc.protocol, func(t *testing.T) {
			t.Parallel()
			c, data := startCollector(t, program), ""
			p := platformtest.Start(t, func(config *platform.Config) {
				config.OTLPEndpoint = tc.protocol + "://" + c.Endpoint[tc.protocol]
				config.Metrics, config.Cells, config.TraceShare = "127.0.0.1:0", tc.cells, 0
				data = config.Data
			})
			trace, calls := order(t, p, dir)
			all := records(t, p, pinfold.RecordQuery{Trace: trace, Calls: true}, 1+2*calls)
			found := c.await(t, trace, spansOf(all))
			for _, r := range all {
				if r.Service != "" {
					checkCall(t, found, r)
				} else {
					checkInvocation(t, p, found, r)
				}
			}
			drawn(t, data, trace, calls)
		})
	}
}

// order has an order done, in the trace of a request, and returns how many calls
// that took. The stock may run once it has been refused.
func order(t *testing.T, p *platformtest.Platform, dir string) (trace pinfold.TraceID, calls int) {
	t.Helper()
	const header = "4bf92f3577b34da6a3ce929d0e0e4736"
	if err := trace.UnmarshalText([]byte(header)); err != nil {
		t.Fatal(err)
	}
	d := p.Deploy(t, dir)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, urlOf(t, p, d, "orders-dev-order"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", "00-"+header+"-"+outside+"-01")
	req.Header.Set("Tracestate", state)
	var answer string
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, answer = send(t, req)
	}()
	until(t, p, `pinfold_function_throttles_total{function="orders-dev-stock"} 1`)
	api := lambda.New(lambda.Options{
		BaseEndpoint: &p.Endpoints.API, Region: p.Region,
		Credentials: credentials.NewStaticCredentialsProvider(p.RootKey.AccessKeyID, p.RootKey.SecretAccessKey, ""),
	})
	if _, err := api.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{
		FunctionName: aws.String("orders-dev-stock"), ReservedConcurrentExecutions: aws.Int32(1),
	}); err != nil {
		t.Fatal(err)
	}
	<-done
	var attempts []int
	if err := json.Unmarshal([]byte(answer), &attempts); err != nil || len(attempts) != 2 || attempts[0] < 2 || attempts[1] != 1 {
		t.Fatalf("the answer is %s, want the attempts of two calls, of which the first was tried again", answer)
	}
	return trace, attempts[0] + attempts[1]
}

// outside is the span that a request belongs to, and state what others have said
// of its trace.
const (
	outside = "00f067aa0ba902b7"
	state   = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
)

// phasesOf are the spans that a record's phases are.
func phasesOf(r pinfold.Record) map[string]time.Duration {
	all := map[string]time.Duration{"queue": r.Queue, "fetch": r.Fetch, "sandbox": r.Sandbox, "boot": r.Boot, "init": r.Init}
	if r.Place >= time.Millisecond {
		all["place"] = r.Place
	}
	maps.DeleteFunc(all, func(_ string, took time.Duration) bool { return took == 0 })
	if r.Instance != "" {
		all["handler"] = r.Handler
	}
	return all
}

// spansOf is how many spans records are.
func spansOf(all []pinfold.Record) int {
	n := len(all)
	for _, r := range all {
		if r.Service == "" {
			n += len(phasesOf(r))
		}
	}
	return n
}

func failed(r pinfold.Record) int {
	if r.Status == "ok" {
		return 0
	}
	return failedStatus
}

// above is the id of a span's parent: "" for none.
func above(id pinfold.SpanID) string {
	if id == (pinfold.SpanID{}) {
		return ""
	}
	return id.String()
}

func checkCall(t *testing.T, found map[string]span, r pinfold.Record) {
	t.Helper()
	s := found[r.Span.String()]
	if s.Name != "lambda.Invoke" || s.Kind != clientSpan || s.ParentSpanID != r.Parent.String() || s.Status.Code != failed(r) {
		t.Errorf("the call %+v is the span %+v", r, s)
	}
	if caller := found[s.ParentSpanID]; caller.Name != "handler" || caller.resource.text("faas.name") != "faas.name=orders-dev-order" {
		t.Errorf("the call is below %+v", caller)
	}
}

func checkInvocation(t *testing.T, p *platformtest.Platform, found map[string]span, r pinfold.Record) {
	t.Helper()
	var whole span
	below := map[string]time.Duration{}
	for _, s := range found {
		if s.Kind == serverSpan && strings.Contains(s.Attributes.text("faas.invocation_id"), r.RequestID) {
			whole = s
		}
	}
	for _, s := range found {
		if s.ParentSpanID != whole.SpanID {
			continue
		}
		below[s.Name] = s.took(t)
		if s.Kind != internalSpan || s.Name == "handler" && (s.SpanID != r.Span.String() || s.Status.Code != failed(r)) {
			t.Errorf("of %+v, %s is the span %+v", r, s.Name, s)
		}
	}
	want := phasesOf(r)
	for name, took := range want {
		if got, there := below[name]; !there || (got-took).Abs() > time.Microsecond { // records have microseconds
			t.Errorf("%s of %+v took %v by its span", name, r, got)
		}
	}
	if len(below) != len(want) {
		t.Errorf("below %+v are %v, want %v", r, below, want)
	}
	if got := whole.took(t); whole.Name != r.Function || whole.ParentSpanID != above(r.Parent) || whole.Status.Code != failed(r) || (got-r.Whole()).Abs() > 10*time.Microsecond {
		t.Errorf("%+v is the span %+v, which took %v", r, whole, got)
	}

	trigger, parent, said := "other", found[whole.ParentSpanID].Kind, ""
	if r.Function == "orders-dev-order" {
		trigger, parent, said = "http", 0, state // which has no place in the header that a function passes on
		if whole.ParentSpanID != outside {
			t.Errorf("the first is below %s, want %s", whole.ParentSpanID, outside)
		}
	} else if parent != clientSpan {
		t.Errorf("%+v is below a span of kind %d", r, parent)
	}
	if whole.TraceState != said || found[r.Span.String()].TraceState != said && r.Instance != "" {
		t.Errorf("the tracestate of %+v is %q, want %q", r, whole.TraceState, said)
	}
	arn := fmt.Sprintf("cloud.resource_id=arn:aws:lambda:%s:%s:function:%s:%s", p.Region, p.Account, r.Function, r.Version)
	wantAttributes := fmt.Sprintf("faas.trigger=%s faas.invocation_id=%s faas.coldstart=%v %s", trigger, r.RequestID, r.Cold != pinfold.Warm, arn)
	if r.ErrorType != "" {
		wantAttributes += " error.type=" + r.ErrorType
	}
	if got := whole.Attributes.text("faas.trigger", "faas.invocation_id", "faas.coldstart", "cloud.resource_id", "error.type"); got != wantAttributes {
		t.Errorf("an invocation has the attributes\n%s, want\n%s", got, wantAttributes)
	}
	wantResource := fmt.Sprintf("service.name=%s service.version=%s faas.name=%[1]s faas.version=%[2]s cloud.provider=pinfold cloud.region=%s cloud.account.id=%s %s",
		r.Function, r.Version, p.Region, p.Account, arn)
	if r.Instance != "" {
		wantResource += fmt.Sprintf(" faas.instance=%s faas.max_memory=%d", r.Instance, r.MemoryMB<<20)
	}
	if got := whole.resource.text("service.name", "service.version", "faas.name", "faas.version", "cloud.provider", "cloud.region", "cloud.account.id",
		"cloud.resource_id", "faas.instance", "faas.max_memory"); got != wantResource {
		t.Errorf("its resource has\n%s, want\n%s", got, wantResource)
	}
}

// drawn has pinfold trace draw the trace.
func drawn(t *testing.T, data string, trace pinfold.TraceID, calls int) {
	t.Helper()
	var out, complaint bytes.Buffer
	if code := cli.Main(t.Context(), []string{"trace", trace.String(), "--data", data}, strings.NewReader(""), &out, &complaint); code != 0 {
		t.Fatalf("pinfold trace ends with %d: %s", code, &complaint)
	}
	text := out.String()
	for what, times := range map[string]int{
		"orders-dev-order": 1, "lambda.Invoke": calls, "orders-dev-stock": calls, "throttled": 2 * (calls - 2), "error: RangeError": 1,
		fmt.Sprintf("%d invocations, %d calls", 1+calls, calls): 1, "▒": -1, "█": -1,
	} {
		if got := strings.Count(text, what); got != times && (times >= 0 || got == 0) {
			t.Errorf("%q is drawn %d times, want %d:\n%s", what, got, times, text)
		}
	}
	t.Logf("\n%s", text)
}
