package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/platformtest"
)

// lines are the texts of the log that begin with "line".
func (s *server) lines() (texts []string) {
	s.t.Helper()
	for line, err := range s.client.Logs(s.t.Context(), client.LogQuery{Functions: []string{"app-dev-chatty"}}) {
		if err != nil {
			s.t.Fatal(err)
		}
		if i := strings.Index(line.Text, "line "); i >= 0 {
			texts = append(texts, strings.TrimSpace(line.Text[i:]))
		}
	}
	return texts
}

// What has been read from the log can be read after a kill. What came after it
// may be lost, but from one point on and not in pieces, and half a line does
// not harm the others.
func TestLogsAfterAKill(t *testing.T) {
	for range times(t, 1) {
		logsAfterAKill(t)
	}
}

func logsAfterAKill(t *testing.T) {
	s := newServer(t)
	defer s.kill()
	s.start()
	s.mustDeploy(platformtest.Files(t, map[string]string{
		"serverless.yml": "service: app\nprovider: {name: aws, runtime: nodejs22.x}\nfunctions:\n  chatty: {handler: index.handler, timeout: 30}\n",
		"index.js": `exports.handler = async ({ from, to }) => {
  for (let i = from; i < to; i++) {
    console.log("line " + i + " " + "x".repeat(i % 200));
    if (i % 500 === 0) await new Promise(setImmediate);
  }
};`,
	}))
	const many = 5_000
	first := 0
	for i := range 5 {
		before := s.lines()
		payload := fmt.Appendf(nil, `{"from": %d, "to": %d}`, first, first+10)
		if _, err := s.client.Invoke(t.Context(), "app-dev-chatty", payload, false); err != nil {
			t.Fatal(err)
		}
		for len(before) < first+10 { // until these have been read
			before = s.lines()
		}
		first += 10
		began := time.Now()
		killed := s.killSoon(100 * time.Millisecond)
		_, err := s.client.Invoke(t.Context(), "app-dev-chatty", fmt.Appendf(nil, `{"from": %d, "to": %d}`, first, first+many), false)
		killed()
		t.Logf("round %d: killed after %v: %v", i, time.Since(began), err)
		if i%2 == 0 {
			s.tear()
		}
		s.start()
		after := s.lines()
		if len(after) < first {
			t.Fatalf("round %d: %d lines are there, and %d had been read", i, len(after), first)
		}
		for n, text := range after {
			if want := strings.TrimSpace(fmt.Sprintf("line %d %s", n, strings.Repeat("x", n%200))); text != want {
				t.Fatalf("round %d: line %d of %d is %.40q, want %.40q", i, n, len(after), text, want)
			}
		}
		first = len(after)
	}
}

// tear leaves half a line at the end of the log, as a crash can.
func (s *server) tear() {
	s.t.Helper()
	// What is not in a block yet is in the tail, if there is any.
	for _, kind := range []string{"*.tail", "*.seg"} {
		files, err := filepath.Glob(filepath.Join(s.data, "logs", "*%2fapp-dev-chatty", kind))
		if err != nil {
			s.t.Fatal(err)
		}
		if len(files) == 0 {
			continue
		}
		file, err := os.OpenFile(files[len(files)-1], os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = file.WriteString("half a line")
		}
		if err != nil {
			s.t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	s.t.Fatal("no log on the disk")
}
