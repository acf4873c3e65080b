package sandboxtest

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pinfold.dev/pinfold/platformtest"
)

// One function that is kept, one that runs and one that idles; the runtimes that
// wait are of both languages.
const lives = `service: lives
provider: {name: aws, timeout: 60}
functions:
  kept: {runtime: nodejs22.x, handler: index.handler, provisionedConcurrency: 2}
  runs: {runtime: nodejs22.x, handler: index.handler}
  idles: {runtime: python3.12, handler: index.handler}
`

// TestNoLifeSurvivesTheServer kills a server with instances in every state that
// lasts: waiting for a function, kept, at work, and frozen, which no signal but the
// kernel's own can end.
func TestNoLifeSurvivesTheServer(t *testing.T) {
	const driver = "namespace"
	can := capabilities(t, driver)
	if !(can.Filesystem && can.Processes && can.Memory && can.CPU) {
		t.Skipf("no walls or no limits are there: %+v", can)
	}
	binary, data, before := program(t), platformtest.DataFolder(t), look(t)
	dir := platformtest.Files(t, map[string]string{
		"serverless.yml": lives,
		"index.js":       `exports.handler = async (event) => { if (event.runs) { console.log("at work"); await new Promise((r) => setTimeout(r, 3600e3)); } return "ok"; };`,
		"index.py":       "def handler(event, context): return 'ok'\n",
	})
	s := launch(t, binary, data, driver)
	host := &traces{root: s.process.Process.Pid}
	defer host.close()
	(&platformtest.Platform{Facts: s.facts, Client: s.client}).Deploy(t, dir)
	calls := func(ctx context.Context, function, payload string) {
		t.Helper()
		if result, err := s.client.Invoke(ctx, "lives-dev-"+function, []byte(payload), false); ctx.Err() == nil && (err != nil || string(result.Payload) != `"ok"`) {
			t.Fatalf("%s: %+v, %v", function, result, err)
		}
	}
	calls(t.Context(), "runs", "{}")
	calls(t.Context(), "idles", "{}")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = s.client.Invoke(ctx, "lives-dev-runs", []byte(`{"runs":true}`), false) // breaks off
	}()
	// The two that are kept and the one that idles are frozen, one is at work, and a
	// cell of each language waits.
	const frozen, all = 3, 6
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		host.note()
		if f, n := host.frozen(), len(host.namespaces); f >= frozen && n >= all {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("of %d sandboxes %d are frozen: nothing is tried", n, f)
		}
	}
	s.kill()
	cancel()
	<-ended
	s = launch(t, binary, data, driver)
	if left := host.processes(); len(left) > 0 {
		t.Errorf("after the next start these processes are left: %v", left)
	}
	calls(t.Context(), "kept", "{}")
	calls(t.Context(), "idles", "{}")
	s.stop(t)
	host.gone(t, s.facts.Data, before)
}

// frozen counts the control groups of the platform that are.
func (tr *traces) frozen() (n int) {
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !tr.groups[groupName.FindString(path)] {
			return nil
		}
		state, _ := os.ReadFile(path)
		switch {
		case d.Name() == "freezer.state" && bytes.HasPrefix(state, []byte("FROZEN")),
			d.Name() == "cgroup.events" && bytes.Contains(state, []byte("frozen 1")):
			n++
		}
		return nil
	})
	return n
}
