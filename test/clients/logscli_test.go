package clients

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func logsByCommand(t *testing.T, l *logsSDK) {
	c := &cli{p: l.p, dir: t.TempDir(), env: environ(t, l.p)}
	l.create(t, "by-command", "s")
	var events []string
	for i := range 5 {
		events = append(events, fmt.Sprintf(`{"timestamp":%d,"message":"{\"n\":%d}"}`, time.Now().UnixMilli(), i))
	}
	c.does(t, nil, "logs", "put-log-events", "--log-group-name", "by-command", "--log-stream-name", "s", "--log-events", "["+strings.Join(events, ",")+"]")
	var got struct {
		Events    []struct{ Message string }
		NextToken string
	}
	// The command follows pages of two by itself, and stops after three.
	c.does(t, &got, "logs", "filter-log-events", "--log-group-name", "by-command", "--filter-pattern", "{ $.n > 0 }", "--page-size", "2", "--max-items", "3")
	if len(got.Events) != 3 || got.Events[2].Message != `{"n":3}` || got.NextToken == "" {
		t.Errorf("%+v", got)
	}
	c.does(t, &got, "logs", "filter-log-events", "--log-group-name", "by-command", "--filter-pattern", "{ $.n > 0 }", "--page-size", "2", "--starting-token", got.NextToken)
	if len(got.Events) != 1 || got.Events[0].Message != `{"n":4}` {
		t.Errorf("%+v", got)
	}
	c.refuses(t, "InvalidParameterException", "Invalid filter pattern", "logs", "filter-log-events", "--log-group-name", "by-command", "--filter-pattern", "[a, b")
}

// follow runs a command that goes on, and returns a way to wait for a line of it
// that has a text in it; meanwhile is done again and again until then.
func follow(t *testing.T, c *cli, args ...string) (wait func(text string, meanwhile func())) {
	cmd := c.command(t.Context(), args...)
	cmd.Env = append(cmd.Env, "AWS_DISABLE_HOST_PREFIX_INJECTION=true", "PYTHONUNBUFFERED=1")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range lines {
		}
		_ = cmd.Wait()
	})
	return func(text string, meanwhile func()) {
		t.Helper()
		again := time.NewTicker(300 * time.Millisecond)
		defer again.Stop()
		for {
			select {
			case line, ok := <-lines:
				if !ok {
					_ = cmd.Wait()
					t.Fatalf("aws %s has ended: %s", strings.Join(args, " "), errs.String())
				}
				if strings.Contains(line, text) {
					return
				}
			case <-again.C:
				meanwhile()
			}
		}
	}
}

func liveTailByCommand(t *testing.T, l *logsSDK) {
	c := &cli{p: l.p, dir: t.TempDir(), env: environ(t, l.p)}
	if _, errs, _ := c.run(t, "logs", "start-live-tail"); strings.Contains(errs, "nvalid choice") {
		t.Skip("this version of aws has no logs start-live-tail")
	}
	l.create(t, "live-by-command", "s")
	wait := follow(t, c, "logs", "start-live-tail", "--log-group-identifiers", "arn:aws:logs:us-east-1:000000000000:log-group:live-by-command", "--log-event-filter-pattern", "wanted")
	wait("wanted", func() { l.put(t, "live-by-command", "s", "other", "wanted") }) // it does not say when it has begun
}

// tailByCommand is `aws logs tail`, which only version 2 has.
func tailByCommand(t *testing.T, l *logsSDK) {
	c := &cli{p: l.p, dir: t.TempDir(), env: environ(t, l.p)}
	if _, errs, _ := c.run(t, "logs", "tail"); strings.Contains(errs, "nvalid choice") {
		c.program = "/usr/bin/aws" // test/setup.sh installs it
		if _, err := os.Stat(c.program); err != nil {
			t.Skip("this version of aws has no logs tail, and there is no other")
		}
	}
	l.create(t, "tail-by-command", "a", "b")
	l.put(t, "tail-by-command", "a", "wanted 1")
	l.put(t, "tail-by-command", "b", "other", "wanted 2")
	out, errs, ok := c.run(t, "logs", "tail", "tail-by-command", "--since", "1h", "--filter-pattern", "wanted", "--format", "short")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); !ok || len(lines) != 2 || !strings.HasSuffix(lines[0], "wanted 1") || !strings.HasSuffix(lines[1], "wanted 2") {
		t.Errorf("%s%s", out, errs)
	}
	wait := follow(t, c, "logs", "tail", "tail-by-command", "--follow", "--since", "5m")
	wait("wanted 2", func() {})
	l.put(t, "tail-by-command", "a", "wanted 3")
	wait("wanted 3", func() {})
}
