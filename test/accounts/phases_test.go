package accounts

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// TestPhasesAreWhatWasWaited has invocations wait for everything that there is to
// be waited for, many at a time: none of them has phases for more than its caller
// has waited, or for less than nothing.
func TestPhasesAreWhatWasWaited(t *testing.T) {
	t.Parallel()
	p := platformtest.Start(t, func(c *platform.Config) { c.Dev, c.FreezeAfter, c.Cells = true, 0, 2 })
	p.Deploy(t, platformtest.Files(t, map[string]string{
		"serverless.yml": `service: wait
provider: {name: aws, runtime: nodejs22.x, timeout: 30, memorySize: 128}
functions:
  warm: {handler: index.handler}
  python: {handler: snake.handler, runtime: python3.12}
  several: {handler: index.handler}
  one: {handler: index.handler, reservedConcurrency: 1}
  ready: {handler: index.handler, provisionedConcurrency: 1}
  none: {handler: index.handler, reservedConcurrency: 0}
  late: {handler: index.never, timeout: 1}
  broken: {handler: broken.handler}
custom: {pinfold: {functions: {several: {concurrency: 4}, one: {queue: {max: 50, wait: 60}}}}}
`,
		"index.js": `exports.handler = () => new Promise((resolve) => setTimeout(resolve, 20));
exports.never = () => new Promise((resolve) => setTimeout(resolve, 3600e3));`,
		"snake.py":  `def handler(event, context): return 1`,
		"broken.js": `throw new TypeError("on purpose");`,
	}))
	took := map[string]time.Duration{} // by request
	var mu sync.Mutex
	var all sync.WaitGroup
	for name, callers := range map[string]int{"warm": 10, "python": 8, "several": 12, "one": 5, "ready": 4, "none": 1, "late": 1, "broken": 3} {
		for range callers {
			all.Go(func() {
				for range 4 {
					id, waited := timed(t, p, name)
					mu.Lock()
					took[id] = waited
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	cold := 0
	for _, r := range records(t, p, pinfold.RecordQuery{}, len(took)) {
		waited, known := took[r.RequestID]
		if whole := r.Whole(); !known || whole > waited {
			t.Errorf("who has waited for %v is told of %v: %+v", waited, whole, r)
		}
		if r.Cold != pinfold.Warm {
			cold++
		}
		for _, phase := range []time.Duration{r.Queue, r.Place, r.Fetch, r.Sandbox, r.Boot, r.Init, r.Handler, r.Response} {
			if phase < 0 {
				t.Errorf("less than nothing was waited for: %+v", r)
			}
		}
	}
	if cold < 8 {
		t.Errorf("%d were cold", cold)
	}
}

// timed invokes a function and returns the request's id, and how long that took.
func timed(t *testing.T, p *platformtest.Platform, function string) (id string, took time.Duration) {
	url := p.Endpoints.API + "/2015-03-31/functions/wait-dev-" + function + "/invocations"
	if function == "ready" {
		url += "?Qualifier=provisioned"
	}
	began := time.Now()
	resp, err := http.Post(url, "", strings.NewReader("{}"))
	if err != nil {
		t.Error(err)
		return "", 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("%s answers %s", function, resp.Status)
	}
	return resp.Header.Get("X-Amzn-Requestid"), time.Since(began)
}
