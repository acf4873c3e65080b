package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
)

// rows reads an output that has a JSON value a line.
func rows[T any](r result) (all []T) {
	r.t.Helper()
	for line := range strings.Lines(r.out) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			r.t.Fatalf("a line of pinfold %q is not JSON: %v\n%s", r.args, err, line)
		}
		all = append(all, v)
	}
	return all
}

// recorded waits until there are n records.
func (p *place) recorded(n int) []pinfold.Record {
	p.t.Helper()
	for range 1000 {
		if all := rows[pinfold.Record](p.run("invocations", "--json", "-n", "0").ok()); len(all) >= n {
			return all
		}
	}
	p.t.Fatalf("there are no %d records", n)
	return nil
}

func TestInvocations(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up("--deploy", greeter(t, "one"))
	s.until(s.out, `Try it`)
	const hello, fail = "greeter-dev-hello", "greeter-dev-fail"
	if r := p.run("invocations").ok(); r.out != "" || !strings.Contains(r.err, "no such invocations") {
		t.Errorf("without invocations it says %q %q", r.out, r.err)
	}
	p.run("invoke", hello).ok()
	p.run("invoke", hello).ok()
	p.run("invoke", fail).exits(1)
	s.answers("/hello", "one")
	all := p.recorded(4)

	// What there is, the newest first, and parts of it.
	p.run("invocations").ok().says("TIME", "STATUS", "BILLED", hello, fail, "error TypeError", "first", " MB")
	p.run("invocations", hello).ok().says(hello).never(fail)
	p.run("invocations", "arn:aws:lambda:us-east-1:000000000000:function:"+hello).ok().says(hello).never(fail)
	p.run("invocations", "--errors").ok().says(fail, "TypeError").never(hello)
	p.run("invocations", "--since", "1h").ok().says(hello, fail)
	p.run("invocations", "--since", "2999-01-01T00:00:00Z").ok().complains("no such invocations")
	for _, tc := range []struct {
		args []string
		keep func(r pinfold.Record) bool
	}{
		{nil, func(pinfold.Record) bool { return true }},
		{[]string{hello}, func(r pinfold.Record) bool { return r.Function == hello }},
		{[]string{"--cold"}, func(r pinfold.Record) bool { return r.Cold != pinfold.Warm }},
		{[]string{"--errors"}, func(r pinfold.Record) bool { return r.Status != "ok" }},
		{[]string{"--errors", hello}, func(r pinfold.Record) bool { return false }},
	} {
		var want []string
		for _, r := range all {
			if tc.keep(r) {
				want = append(want, r.RequestID)
			}
		}
		var got []string
		for _, r := range rows[pinfold.Record](p.run(append([]string{"invocations", "--json"}, tc.args...)...).ok()) {
			got = append(got, r.RequestID)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("invocations %q are %q, want %q", tc.args, got, want)
		}
	}
	slowest := rows[pinfold.Record](p.run("invocations", "--slowest", "--json", "-n", "2").ok())
	if len(slowest) != 2 || slowest[0].Whole() < slowest[1].Whole() {
		t.Errorf("the slowest are %+v", slowest)
	}
	for _, r := range all {
		if len(slowest) > 0 && r.Whole() > slowest[0].Whole() {
			t.Errorf("%s is slower than the slowest", r.RequestID)
		}
	}

	// What cannot be written is no success.
	if _, err := os.Stat("/dev/full"); err == nil {
		for _, args := range []string{"invocations", "invocations --json", "logs", "logs --json", "map", "cost", "cost --json"} {
			p.sh("pinfold " + args + " >/dev/full").exits(1).complains("no space left")
		}
	}

	// Mistakes.
	p.run("invocations", "nobody").exits(1).complains("there is no function nobody", "`pinfold ls`")
	p.run("invocations", "hello").exits(1).complains("did you mean " + hello + "?")
	p.run("invocations", "--since", "yesterday").exits(1).complains(`--since "yesterday"`, "5m")
	p.run("invocations", "").exits(2).complains("an argument is empty")
	p.run("invocations", "../x").exits(1).complains("there is no function ../x")
	p.run("invocations", "-n", "-1").exits(1).complains("-n -1")
	p.run("invocations", "-n", "x").exits(2).complains("-n")
	p.run("invocations", hello, fail).exits(2)
	s.stop()
}

func TestInvocationAndTrace(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up("--deploy", greeter(t, "one"))
	s.until(s.out, `Try it`)
	p.run("invoke", "greeter-dev-hello").ok()
	r := p.recorded(1)[0]
	id, trace := r.RequestID, r.Trace.String()

	p.run("invocation", id).ok().says("greeter-dev-hello", "request "+id, "trace "+trace, "cold: first", "handler", "█", "init", "▒", "billed", "memory")
	if got := decode[pinfold.Record](p.run("invocation", id, "--json").ok()); got.RequestID != id || got.Billed != r.Billed || got.Billed == 0 {
		t.Errorf("the record is %+v", got)
	}
	p.run("invocation", "nonsense").exits(1).complains("no record of an invocation nonsense", "`pinfold invocations`")
	p.run("invocation", trace).exits(1).complains("no record of an invocation")
	p.run("invocation").exits(2).complains("`pinfold invocations` lists them")
	p.run("invocation", id, id).exits(2)

	xray := "1-" + trace[:8] + "-" + trace[8:]
	for _, form := range []string{id, trace, xray} {
		p.run("trace", form).ok().says("trace "+trace, "1 invocation, 0 calls", "greeter-dev-hello", "█", "cold start")
		if got := rows[pinfold.Record](p.run("trace", form, "--json").ok()); len(got) != 1 || got[0].RequestID != id {
			t.Errorf("the trace %s has %+v", form, got)
		}
	}
	const none = "00000000000000000000000000000001"
	p.run("trace", none).exits(1).complains("no record of a trace " + none)
	p.run("trace", "1-"+trace[:8]+"-short").exits(1).complains("neither the id of a trace", "32 hexadecimal digits")
	p.run("trace", strings.Repeat("0", 32)).exits(1).complains("neither the id of a trace")
	p.run("trace", "").exits(2).complains("an argument is empty")
	p.run("invocation", "").exits(2).complains("an argument is empty")
	p.run("invocation", "../../x").exits(1).complains("no record of an invocation ../../x")
	p.run("trace", "nonsense").exits(1).complains(`"nonsense" is neither the id of a trace`)
	p.run("trace").exits(2).complains("pinfold invocations --json")
	t.Run("chain", func(t *testing.T) { testChain(t, p) })
	s.stop()
}

// testChain has a function call others with an SDK: that is on the map, and the
// lines of all of them are found by their trace.
func testChain(t *testing.T, p *place) {
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("no boto3 for python3: run test/setup.sh")
	}
	p.run("map", "--since", "2999-01-01T00:00:00Z").ok().complains("nobody has called anything")
	p.run("deploy", "-y", write(t, t.TempDir(), map[string]string{
		"serverless.yml": `service: shop
provider: {name: aws, runtime: python3.12, timeout: 60, memorySize: 1769}
functions:
  order: {handler: shop.order}
  stock: {handler: shop.stock}
`,
		"shop.py": `import boto3

def order(event, context):
    print("an order")
    api = boto3.client("lambda")
    for name in ("shop-dev-stock", "shop-dev-stock", "gone"):
        try: api.invoke(FunctionName=name)
        except api.exceptions.ResourceNotFoundException: pass
    boto3.client("sts").get_caller_identity()

def stock(event, context):
    raise LookupError("not on its shelf")
`,
	})).ok()
	const order, stock = "shop-dev-order", "shop-dev-stock"
	p.run("invoke", order).ok()
	p.recorded(5)

	var got []string
	edges := rows[pinfold.CallEdge](p.run("map", "--json").ok())
	for _, e := range edges {
		got = append(got, fmt.Sprintf("%s %s > %s %s: %d calls, %d errors", e.From.Kind, e.From.Name, e.To.Kind, e.To.Name, e.Calls, e.Errors))
		if e.P50 <= 0 || e.P99 < e.P50 || e.PerMinute <= 0 {
			t.Errorf("the edge is %+v", e)
		}
	}
	want := []string{
		"client root > function greeter-dev-hello: 1 calls, 0 errors",
		"client root > function " + order + ": 1 calls, 0 errors",
		"function " + order + " > function " + stock + ": 2 calls, 2 errors",
		"function " + order + " > function gone: 1 calls, 1 errors",
		"function " + order + " > service sts.GetCallerIdentity: 1 calls, 0 errors",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the map is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	p.run("map").ok().says("CALLER", "client root\n", "└─ "+order, "2 (100%)", "sts.GetCallerIdentity", " ms")
	p.run("map", stock).ok().says(order, stock).never("client root", "sts.")
	p.run("map", stock, "--depth", "2").ok().says("client root", order).never("sts.")
	p.run("map", "gone").ok().says(order, "└─ gone")
	p.run("map", "--format", "mermaid").ok().says("flowchart LR\n", `["`+stock+`"]`, "linkStyle")
	p.run("map", "--format", "dot").ok().says("digraph calls {", `[label="`+stock+`"]`, "color=red")
	if r := p.run("map", "--format", "json").ok(); len(rows[pinfold.CallEdge](r)) != len(want) {
		t.Errorf("--format json gives\n%s", r.out)
	}
	p.run("map", "nobody").exits(1).complains("there is no function nobody", "`pinfold ls`")
	p.run("map", "stock").exits(1).complains("did you mean " + stock + "?")
	p.run("map", "--format", "svg").exits(1).complains(`--format "svg"`, "mermaid")
	p.run("map", "--depth", "0").exits(1).complains("--depth 0")
	p.run("map", "--since", "yesterday").exits(1).complains(`--since "yesterday"`, "5m")

	trace := rows[pinfold.Record](p.run("invocations", order, "--json").ok())[0].Trace.String()
	for _, form := range []string{trace, "1-" + trace[:8] + "-" + trace[8:]} {
		r := p.run("logs", "--trace", form).ok().says(order+" ", stock+" ", "an order", "not on its shelf").never("saying one")
		if n := strings.Count(r.out, "REPORT "); n != 3 {
			t.Errorf("%d invocations have lines in\n%s", n, r.out)
		}
	}
	p.run("logs", "--trace", trace, "--level", "error", stock).ok().says("not on its shelf").never("an order")
}

func TestCost(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up("--deploy", greeter(t, "one"))
	s.until(s.out, `Try it`)
	p.run("invoke", "greeter-dev-hello").ok()
	p.run("invoke", "greeter-dev-hello").ok()
	p.run("invoke", "greeter-dev-fail").exits(1)
	p.recorded(3)

	p.run("cost").ok().says("NAME", "COST USD", "REQUESTS", "greeter-dev-hello", "greeter-dev-fail", " USD\n")
	p.run("cost", "--by", "app").ok().says("greeter/dev")
	p.run("cost", "--by", "version").ok().says("greeter-dev-hello:")
	p.run("cost", "--by", "tag:team").ok().says("-  ")
	p.run("cost", "--month", "2020-02").ok().says("2020-02-01 to 2020-02-29: 0").never("greeter")
	usage := decode[client.Usage](p.run("cost", "--by", "app", "--json").ok())
	if len(usage.Rows) != 1 || usage.Rows[0].Requests != 3 || usage.Rows[0].Errors != 1 || usage.Rows[0].BilledMS < 3 || usage.Currency != "USD" {
		t.Errorf("the usage is %+v", usage)
	}
	p.run("cost", "--by", "moon").exits(1).complains(`"moon"`, "function, version, app, day and tag:KEY")
	p.run("cost", "--by", "tag:").exits(1).complains(`"tag:"`)
	p.run("cost", "--month", "2026-13").exits(1).complains(`--month "2026-13"`, "such as 2026-01")
	p.run("cost", "--month", "0000-01").exits(1).complains("before 1970")
	p.run("cost", "--month", "2999-01").ok().says("2999-01-01 to 2999-01-31: 0")
	p.run("cost", "--month", "november").exits(1).complains(`--month "november"`)
	p.run("cost", "everything").exits(2)

	p.run("cost", "advise").ok().says("FUNCTION", "ADVICE", "SAVING")
	advice := decode[[]client.Advice](p.run("cost", "advise", "--json").ok())
	for _, a := range advice {
		if a.Requests == 0 || a.MemoryMB != 1024 {
			t.Errorf("the advice is %+v", a)
		}
	}
	p.run("cost", "advise", "hello").exits(2)
	s.stop()
}
