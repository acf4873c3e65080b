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

func TestEventsCell(t *testing.T) {
	for want, e := range map[string]*pinfold.AsyncStatus{
		"-":                      nil,
		"3 wait, 1 run, paused":  {Waiting: 2, Delayed: 1, Running: 1, Paused: &pinfold.EventPause{}},
		"2 not sent, 100 failed": {Sending: 2, Failed: 100},
	} {
		if got := eventsCell(client.FunctionStatus{Events: e}); got != want {
			t.Errorf("%+v is %q, want %q", e, got, want)
		}
	}
}

// TestWhatIsPaused is in the overview once, with everything about it.
func TestWhatIsPaused(t *testing.T) {
	out := new(bytes.Buffer)
	sh := &shell{out: newScreen(out)}
	pause := &pinfold.EventPause{Since: time.Now().Add(-90 * time.Second), Error: "Rate Exceeded."}
	mapping := func(id, queue string, p *pinfold.EventPause) pinfold.MappingStatus {
		return pinfold.MappingStatus{UUID: id, Source: "arn:aws:sqs:us-east-1:000000000000:" + queue, Function: "hello:live", State: "Enabled", Paused: p}
	}
	mappings := []pinfold.MappingStatus{mapping("1", "jobs", pause), mapping("2", "bare", pause), mapping("3", "good", nil)}
	left := pinfold.MappingStatus{UUID: "4", Source: "arn:aws:sqs:us-east-1:000000000000:left", Function: "gone", State: "Enabled"}
	sh.printOverview([]app.Deployed{{App: "a", Stage: "dev", Mappings: []app.DeployedMapping{{UUID: "1", Source: ":jobs", Function: "hello:live", State: "Enabled"}}}}, []client.FunctionStatus{
		{Name: "hello", Events: &pinfold.AsyncStatus{Waiting: 1, Paused: pause}, Mappings: mappings},
	}, append(mappings, left))
	const why = "paused since 1 min ago, being tried again: Rate Exceeded.\n"
	for _, want := range []string{
		"  mapping  jobs -> hello:live  Enabled, " + why, "1 wait, paused, jobs paused, bare paused\n",
		"\n\nevents -> hello  " + why + "bare -> hello:live  Enabled, " + why + "good -> hello:live  Enabled\nleft -> gone  Enabled\n",
	} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if n := strings.Count(out.String(), "jobs -> hello"); n != 1 {
		t.Errorf("the mapping of the application is shown %d times\n%s", n, out)
	}
}

func TestPrintEvents(t *testing.T) {
	out := new(bytes.Buffer)
	sh := &shell{out: newScreen(out)}
	now := time.Now()
	sh.printEvents(&pinfold.AsyncEvents{
		AsyncStatus: pinfold.AsyncStatus{
			Function: "hello", Waiting: 7, Delayed: 1, Failed: 1,
			Paused: &pinfold.EventPause{Since: now.Add(-90 * time.Second), Next: now.Add(32 * time.Second), Error: "Rate Exceeded."},
		},
		Events: []pinfold.AsyncEvent{
			{ID: "one", State: pinfold.AsyncDelayed, Sent: now.Add(-time.Hour), Attempts: 1, Next: now.Add(90 * time.Second), Error: "no\x1b[31m\nno", Bytes: 2},
			{ID: "two", Qualifier: "live", State: pinfold.AsyncFailed, Sent: now.Add(-time.Minute), Attempts: 3, Condition: "RetriesExhausted", Error: "boom", Bytes: 1500},
		},
	})
	for _, want := range []string{
		"hello 7 waiting, 0 running, 1 delayed, 0 sending, 1 failed\n", "paused since 1 min ago, tried again in 31 s: Rate Exceeded.\n",
		"1 h ago", "in 1 min", "1.5 kB", "RetriesExhausted: boom",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out.String(), "\x1b") || strings.Count(out.String(), "\n") != 5 {
		t.Errorf("a function's error draws on the screen:\n%q", out)
	}
}
