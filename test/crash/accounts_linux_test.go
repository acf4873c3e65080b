package crash

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/platformtest"
)

// kept are the records of a function by their request ids, and what of it is
// metered.
func (s *server) kept(function string) (map[string]pinfold.Record, client.UsageRow) {
	s.t.Helper()
	byID := map[string]pinfold.Record{}
	for r, err := range s.client.Records(s.t.Context(), pinfold.RecordQuery{Function: function}) {
		if err != nil {
			s.t.Fatal(err)
		}
		if _, again := byID[r.RequestID]; again {
			s.t.Errorf("two records of one invocation: %+v", r)
		}
		byID[r.RequestID] = r
	}
	usage, err := s.client.Usage(s.t.Context(), client.UsageQuery{By: "function"})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, row := range usage.Rows {
		if row.Name == function {
			return byID, row
		}
	}
	return byID, client.UsageRow{}
}

// What was answered is metered, however soon after its answer the server is
// killed, and its record is there if a second has passed.
func TestAccountsAfterAKill(t *testing.T) {
	for range times(t, 1) {
		accountsAfterAKill(t)
	}
}

func accountsAfterAKill(t *testing.T) {
	s := newServer(t)
	defer s.kill()
	s.start()
	s.mustDeploy(platformtest.Files(t, map[string]string{
		"serverless.yml": "service: app\nprovider: {name: aws, runtime: nodejs22.x, timeout: 1, versionFunctions: false}\nfunctions:\n  all: {handler: index.handler}\n",
		"index.js": `exports.handler = async (event) => {
  switch (event) {
    case "fail": throw new TypeError("on purpose");
    case "exit": process.exit(1);
    case "never": return new Promise((resolve) => setTimeout(resolve, 3600e3));
  }
  return event;
};`,
	}))
	const function, callers = "app-dev-all", 4
	var answered, sent uint64
	for round, does := range []string{"ok", "fail", "exit", "never", "ok", "fail"} {
		// Those that have their answer for a second: their records are there.
		var ids []string
		for range 5 {
			res, err := s.client.Invoke(t.Context(), function, []byte(`"ok"`), true)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, requestID(t, res))
		}
		sent, answered = sent+5, answered+5
		time.Sleep(time.Second) // this is what is promised

		// Others have it now.
		var all sync.WaitGroup
		var mu sync.Mutex
		killed := make(chan struct{})
		var once sync.Once
		process := s.process.Process
		for range callers {
			all.Go(func() {
				_, err := s.client.Invoke(t.Context(), function, fmt.Appendf(nil, "%q", does), false)
				once.Do(func() { _ = process.Kill(); close(killed) })
				mu.Lock()
				defer mu.Unlock()
				if sent++; err == nil {
					answered++
				}
			})
		}
		<-killed
		all.Wait()
		s.kill()
		s.start()
		records, usage := s.kept(function)
		for _, id := range ids {
			if r, ok := records[id]; !ok || r.Status != "ok" {
				t.Errorf("round %d: no record of %s: %+v", round, id, r)
			}
		}
		if usage.Requests < answered || usage.Requests > sent {
			t.Errorf("round %d, %s: %d requests are metered, %d were answered of %d", round, does, usage.Requests, answered, sent)
		}
		var billed uint64
		for _, r := range records {
			billed += uint64(r.Billed.Milliseconds())
		}
		if usage.BilledMS < billed {
			t.Errorf("round %d: %d ms are metered, the records have %d ms", round, usage.BilledMS, billed)
		}
		answered, sent = usage.Requests, usage.Requests // what was not answered may have run
	}
}

// requestID reads it from the log of an invocation.
func requestID(t *testing.T, res *pinfold.Result) (id string) {
	t.Helper()
	for _, line := range strings.Split(string(res.LogTail), "\n") {
		if n, _ := fmt.Sscanf(line, "REPORT RequestId: %s", &id); n == 1 {
			return id
		}
	}
	t.Fatalf("no REPORT in %s", res.LogTail)
	return ""
}
