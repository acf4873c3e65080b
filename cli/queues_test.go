package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

func TestPrintQueues(t *testing.T) {
	out := new(bytes.Buffer)
	sh := &shell{out: newScreen(out)}
	now := time.Now()
	sh.printQueues(nil, now)
	sh.printQueues([]pinfold.QueueStatus{
		{Name: "jobs", Visible: 7, InFlight: 2, Delayed: 1, Oldest: now.Add(-time.Hour), DeadLetter: "dead"},
		{Name: "dead", Sources: []string{"jobs", "more"}, Move: &pinfold.MoveTask{Status: "FAILED", Moved: 3, ToMove: 5, Failure: "CouldNotDetermineMessageSource"}},
	}, now)
	sh.printMessages([]pinfold.QueueMessage{{ID: "one", Body: "a\x1b[31m\nb", Group: "g", Sent: now.Add(-time.Minute), Receives: 2, State: "in flight", Due: now.Add(90 * time.Second)}}, now)
	for _, want := range []string{
		"There are no queues.\n", "1 h ago  dead", "of jobs, more", "failed, 3 of 5: CouldNotDetermineMessageSource", "in flight, visible in 1 min", "1 min ago",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out.String(), "\x1b") || strings.Count(out.String(), "\n") != 6 {
		t.Errorf("a message draws on the screen:\n%q", out)
	}
}
