package accounts

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// TestWhoLeavesTheQueue: who goes away before his turn has a record that says so,
// and pays nothing.
func TestWhoLeavesTheQueue(t *testing.T) {
	t.Parallel()
	p := platformtest.Start(t, func(c *platform.Config) { c.Metrics = "127.0.0.1:0" })
	gate := p.Deploy(t, platformtest.Files(t, map[string]string{
		"serverless.yml": "service: gate\nprovider: {name: aws, runtime: nodejs22.x, timeout: 60}\nfunctions:\n  gate: {handler: gate.handler, url: true}\ncustom: {pinfold: {concurrency: 10}}\n",
		"gate.js": `let open; const opened = new Promise((resolve) => { open = resolve; });
exports.handler = async ({ rawPath }) => { if (rawPath === "/open") open(); await opened; };`,
	}))
	p.Deploy(t, platformtest.Files(t, map[string]string{
		"serverless.yml": "service: line\nprovider: {name: aws, runtime: nodejs22.x, timeout: 60, environment: {GATE: '" + urlOf(t, p, gate, "gate-dev-gate") + "'}}\n" +
			"functions:\n  one: {handler: index.handler, reservedConcurrency: 1}\ncustom: {pinfold: {queue: {max: 5, wait: 60}}}\n",
		"index.js": `exports.handler = async () => { await fetch(process.env.GATE); };`,
	}))
	invoke := func(ctx context.Context) <-chan error {
		done := make(chan error, 1)
		go func() {
			_, err := p.Client.Invoke(ctx, "line-dev-one", nil, false)
			done <- err
		}()
		return done
	}
	first := invoke(t.Context())
	until(t, p, `pinfold_function_concurrency{function="line-dev-one"} 1`)
	until(t, p, `pinfold_function_concurrency{function="gate-dev-gate"} 1`) // and nobody waits for that
	ctx, leave := context.WithCancel(t.Context())
	second := invoke(ctx)
	until(t, p, "pinfold_pool_waiting 1")
	until(t, p, `pinfold_function_waiting{function="line-dev-one"} 1`)     // at its limit
	until(t, p, `pinfold_function_concurrency{function="line-dev-one"} 1`) // does not run yet
	leave()
	<-second
	if r := records(t, p, pinfold.RecordQuery{Function: "line-dev-one"}, 1)[0]; r.Status != "unavailable" || r.Billed != 0 || r.Instance != "" || r.Cold != pinfold.Warm || r.Queue < r.Place {
		t.Errorf("who left has the record %+v", r)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, urlOf(t, p, gate, "gate-dev-gate")+"open", nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, req)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	records(t, p, pinfold.RecordQuery{Function: "line-dev-one"}, 2)
	u, err := p.Client.Usage(t.Context(), client.UsageQuery{By: "app"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range u.Rows {
		if strings.HasPrefix(r.Name, "line") && r.Requests != 1 {
			t.Errorf("%d requests are metered", r.Requests)
		}
	}
}

// until reads metrics until they have a line.
func until(t *testing.T, p *platformtest.Platform, line string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Metrics+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, text := send(t, req); strings.Contains(text, line+"\n") {
			return
		}
	}
}
