package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/client"
)

func TestCurlLine(t *testing.T) {
	const base = "http://127.0.0.1:8080"
	get := func(path string) app.DeployedRoute {
		return app.DeployedRoute{Method: "GET", Path: path, URL: base + path}
	}
	post := app.DeployedRoute{Method: "POST", Path: "/users/{id}", URL: base + "/users/{id}"}
	private := get("/private")
	private.Private = true
	for _, c := range []struct {
		name string
		d    app.Deployed
		want string
	}{
		{"nothing to call", app.Deployed{}, ""},
		{"the simplest route", app.Deployed{Routes: []app.DeployedRoute{post, get("/a/{b}"), get("/c"), get("/d")}}, "curl " + base + "/c"},
		{"parameters get a value", app.Deployed{Routes: []app.DeployedRoute{get("/a/{b}/{proxy+}")}}, "curl " + base + "/a/b/proxy"},
		{"a body", app.Deployed{Routes: []app.DeployedRoute{post}}, "curl -X POST -H 'content-type: application/json' -d '{}' " + base + "/users/id"},
		{"any method", app.Deployed{Routes: []app.DeployedRoute{{Method: "ANY", Path: "/x", URL: base + "/x"}}}, "curl " + base + "/x"},
		{"the default route", app.Deployed{Routes: []app.DeployedRoute{{Method: "ANY", Path: "$default", URL: base}}}, "curl " + base + "/"},
		{"an API key", app.Deployed{Routes: []app.DeployedRoute{private}, APIKeys: []pinfold.APIKey{{Name: "k", Value: "v"}}}, "curl -H 'x-api-key: v' " + base + "/private"},
		{"a function URL", app.Deployed{Functions: []app.DeployedFunction{{Name: "f", URL: "http://u.lambda-url.localhost/"}}}, "curl http://u.lambda-url.localhost/"},
		{"what a shell would read", app.Deployed{Routes: []app.DeployedRoute{get("/it's/a*b")}}, `curl '` + base + `/it'\''s/a*b'`},
	} {
		if got := curlLine(&c.d); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestConcurrencyCell(t *testing.T) {
	for want, f := range map[string]client.FunctionStatus{
		"-":                             {Concurrency: 1},
		"10 an instance":                {Concurrency: 10},
		"reserved 0, queue 5 for 1m30s": {Reserved: new(0), Queue: &pinfold.Queue{Max: 5, Wait: 90}},
		"provisioned 3 of 5 ready, 7 0 of 1 ready (failed)": {Provisioned: []client.ProvisionedStatus{
			{Qualifier: "provisioned", Requested: 5, Allocated: 5, Available: 3, Status: "IN_PROGRESS"},
			{Qualifier: "7", Requested: 1, Status: "FAILED", Reason: "no such handler"},
		}},
	} {
		if got := concurrencyCell(f); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAlign(t *testing.T) {
	got := align([][]string{{"a", "bb", "c"}, {"äää", "b"}})
	if want := "a    bb  c|äää  b "; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", strings.Join(got, "|"), want)
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "just now", -time.Second: "just now", 59 * time.Second: "59 s ago", time.Minute: "1 min ago", 3 * time.Hour: "3 h ago", 72 * time.Hour: "2026-01-28",
	} {
		if got := ago(now.Add(-d), now); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1500: "1.5 kB", 2_340_000: "2.3 MB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// Up to as many functions as there are colours, no two have the same.
func TestLogColours(t *testing.T) {
	p := (&shell{out: screen{Writer: new(bytes.Buffer)}}).logPrinter(true)
	seen := map[any]string{}
	for _, name := range strings.Fields("a b c d e f g h i j") {
		c := p.color(name)
		if other, taken := seen[c]; taken {
			t.Errorf("%s has the colour of %s", name, other)
		}
		if p.color(name) != c {
			t.Errorf("%s changes its colour", name)
		}
		seen[c] = name
	}
	p.color("one more") // shares one, and must not be without
}

func TestUnfold(t *testing.T) {
	for text, want := range map[string]string{
		"plain":        "plain",
		"a\t{\"n\":1}": "a\t{\"n\":1}",
		"a\t{oops":     "a\t{oops",
		"t\tERROR\tInvoke Error \t{\"errorType\":\"E\",\"stack\":[\"E: x\",\"    at f\"]}": "t\tERROR\tInvoke Error\n  E: x\n      at f",
	} {
		if got := unfold(text); got != want {
			t.Errorf("%q unfolds to %q, want %q", text, got, want)
		}
	}
}

// Colours are a log's own affair; all else that a terminal obeys is shown.
func TestTame(t *testing.T) {
	for text, want := range map[string]string{
		"plain \t text\n  é 日": "plain \t text\n  é 日",
		"\x1b[1;31mred\x1b[0m": "\x1b[1;31mred\x1b[0m",
		"\x1b]52;c;cm0gLXJm\a": `\x1b]52;c;cm0gLXJm\x07`, // the clipboard
		"\x1b]0;title\x1b\\":   `\x1b]0;title\x1b\`,
		"\x1b[2J\x1b[1mgone":   `\x1b[2J` + "\x1b[1mgone",
		"one\rtwo\b\x7f":       `one\x0dtwo\x08\x7f`,
		"\u009b2J":             `\x9b2J`, // the same in one character
		"not UTF-8 \xff":       "not UTF-8 \xff",
	} {
		if got := tame(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"": {}, "5m": now.Add(-5 * time.Minute), "-2h": now.Add(-2 * time.Hour), "2026-01-30T00:00:00Z": time.Date(2026, 1, 30, 0, 0, 0, 0, time.UTC),
	} {
		if got, err := parseSince(s, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
	}
	if _, err := parseSince("yesterday", now); pinfold.CodeOf(err) != pinfold.Invalid {
		t.Errorf("yesterday: %v", err)
	}
}

// A function chooses the types of its errors.
func TestInvocationsWithALongErrorType(t *testing.T) {
	var out bytes.Buffer
	sh := &shell{out: screen{Writer: &out}}
	sh.printRecords([]pinfold.Record{{Function: "f", Status: "error", ErrorType: "E\u202e\n" + strings.Repeat("x", 3000), RequestID: "the-request"}})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || len(lines[1]) > 150 || !strings.Contains(lines[1], "error E??xxx") || !strings.Contains(lines[1], "the-request") {
		t.Errorf("%q", lines)
	}
}

// TestPlanOutput is a plan as a person sees it.
func TestPlanOutput(t *testing.T) {
	var out bytes.Buffer
	sh := &shell{out: screen{Writer: &out}}
	sh.printPlan(&app.Plan{App: "shop", Stage: "dev", Losses: []string{"queue jobs has 2 messages"}, Changes: []app.Change{
		{Op: app.Add, Kind: "queue", Name: "dead"},
		{Op: app.Replace, Kind: "queue", Name: "jobs-2", Detail: []string{"in place of jobs"}},
		{Op: app.Update, Kind: "mapping", Name: "jobs-2 -> shop-dev-worker", Detail: []string{"batch size 10 -> 5", "tag a (none) -> b"}},
		{Op: app.Add, Kind: "schedule", Name: "nights/nightly", Detail: []string{"cron(0 12 * * ? *)", "shop-dev-worker"}},
		{Op: app.Remove, Kind: "rule", Name: "hourly"},
	}, Unserved: []app.Unserved{{What: "EventPattern of rule Pattern", At: app.Position{File: "serverless.yml", Line: 7}}}})
	const want = `shop (dev) 2 to add, 1 to change, 1 to replace, 1 to remove
  + queue     dead
  ± queue     jobs-2                     in place of jobs
  ~ mapping   jobs-2 -> shop-dev-worker  batch size 10 -> 5, tag a (none) -> b
  + schedule  nights/nightly             cron(0 12 * * ? *), shop-dev-worker
  - rule      hourly
  would be lost: queue jobs has 2 messages
  not served yet: EventPattern of rule Pattern (serverless.yml:7)
`
	if got := out.String(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// TestEventsOutput is what an application has, and how it is doing.
func TestEventsOutput(t *testing.T) {
	var out bytes.Buffer
	sh := &shell{out: screen{Writer: &out}}
	sh.printDeployed(&app.Deployed{
		Queues: []app.DeployedQueue{{URL: "http://127.0.0.1:4566/000000000000/jobs", Visible: 1, InFlight: 2, Delayed: 3}, {URL: "http://127.0.0.1:4566/000000000000/dead"}},
		Mappings: []app.DeployedMapping{
			{Source: "arn:aws:sqs:us-east-1:000000000000:jobs", Function: "worker", State: "Enabled", Result: "OK"},
			{Source: "arn:aws:sqs:us-east-1:000000000000:dead", Function: "worker:live", State: "Enabled", Result: "PROBLEM: Function call failed"},
			{UUID: "busy", Source: "arn:aws:sqs:us-east-1:000000000000:fast", Function: "worker", State: "Enabled"},
			{UUID: "paused", Source: "arn:aws:sqs:us-east-1:000000000000:slow", Function: "worker", State: "Enabled"},
		},
		Schedules: []app.DeployedSchedule{
			{Name: "nights/nightly", Expression: "cron(0 12 * * ? *)", Zone: "Europe/Berlin", Enabled: true, Targets: []string{"worker"}},
			{Name: "hourly", Expression: "rate(1 hour)"},
		},
	}, map[string]pinfold.MappingStatus{
		"busy": {Source: "arn:aws:sqs:us-east-1:000000000000:fast", Function: "worker", State: "Enabled", Result: "OK", InFlight: 2},
		"paused": {Source: "arn:aws:sqs:us-east-1:000000000000:slow", Function: "worker", State: "Enabled", Result: "PROBLEM: Function throttled", Phase: pinfold.MappingPaused,
			Paused: &pinfold.EventPause{Since: time.Now().Add(-3 * time.Minute), Next: time.Now().Add(20*time.Second + time.Second/2), Error: "Rate\nExceeded."}},
	})
	const want = `  queue     http://127.0.0.1:4566/000000000000/jobs  1 message, 2 in flight, 3 delayed
  queue     http://127.0.0.1:4566/000000000000/dead  0 messages
  mapping   jobs -> worker                           Enabled
  mapping   dead -> worker:live                      Enabled: PROBLEM: Function call failed
  mapping   fast -> worker                           Enabled, 2 batches in flight
  mapping   slow -> worker                           Enabled, paused since 3 min ago, tried again in 20 s: Rate?Exceeded.
  schedule  nights/nightly                           cron(0 12 * * ? *) Europe/Berlin -> worker
  schedule  hourly                                   rate(1 hour)  (disabled)
`
	if got := out.String(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
