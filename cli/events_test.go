package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

func TestEventsCell(t *testing.T) {
	for want, e := range map[string]*pinfold.AsyncStatus{
		"-":                      nil,
		"3 wait, 1 run, paused":  {Waiting: 2, Delayed: 1, Running: 1, Paused: &pinfold.AsyncPause{}},
		"2 not sent, 100 failed": {Sending: 2, Failed: 100},
	} {
		if got := eventsCell(e); got != want {
			t.Errorf("%+v is %q, want %q", e, got, want)
		}
	}
}

func TestPrintEvents(t *testing.T) {
	out := new(bytes.Buffer)
	sh := &shell{out: newScreen(out)}
	now := time.Now()
	sh.printEvents(&pinfold.AsyncEvents{
		AsyncStatus: pinfold.AsyncStatus{
			Function: "hello", Waiting: 7, Delayed: 1, Failed: 1,
			Paused: &pinfold.AsyncPause{Since: now.Add(-90 * time.Second), Next: now.Add(32 * time.Second), Error: "Rate Exceeded."},
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
