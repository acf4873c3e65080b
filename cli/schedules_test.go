package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

func TestPrintSchedules(t *testing.T) {
	out := new(bytes.Buffer)
	sh := &shell{out: newScreen(out)}
	now := time.Now()
	sh.printSchedules(nil, now)
	sh.printSchedules([]pinfold.ScheduleStatus{
		{Name: "morning", Kind: "schedule", Group: "default", Expression: "cron(0 8 * * ? *)", Zone: "Europe/Berlin", Enabled: true, Next: now.Add(5*time.Hour + time.Minute),
			Targets: []string{"arn:aws:lambda:us-east-1:000000000000:function:work:live"}, Last: &pinfold.ScheduleResult{At: now.Add(-2 * time.Hour)}},
		{Name: "r", Kind: "rule", Group: "default", Expression: "rate(1 minute)", Targets: []string{"arn:aws:sqs:us-east-1:000000000000:line", "x"}, Unsent: 2,
			Last: &pinfold.ScheduleResult{At: now.Add(-time.Minute), Error: "no\x1b[31m\nroom"}},
	}, now)
	for _, want := range []string{
		"There are no schedules.\n", "default/morning", "cron(0 8 * * ? *) Europe/Berlin", "in 5 h", "work:live", "sent 2 h ago",
		"rule r", "line, x", "disabled, 2 unsent", "failed 1 min ago: no",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out.String(), "\x1b") || strings.Count(out.String(), "\n") != 4 {
		t.Errorf("an error draws on the screen:\n%q", out)
	}
}
