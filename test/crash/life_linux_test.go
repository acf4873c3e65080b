package crash

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// Instances die with the server, and the next one ends even what they left
// behind on purpose.
func TestNothingRunsOn(t *testing.T) {
	s := newServer(t)
	s.start()
	service := fmt.Sprint("app", os.Getpid())
	// The functions start with an environment of their own, and not from cells, so
	// that it says whose a process is.
	running := func() []int { return platformtest.Processes(t, service) }
	dir := platformtest.Files(t, map[string]string{
		"serverless.yml": "service: " + service + "\nprovider: {name: aws}\nfunctions:\n" +
			"  node: {runtime: nodejs22.x, handler: index.handler, environment: {NODE_OPTIONS: --no-deprecation}}\n  python: {runtime: python3.12, handler: main.handler, environment: {PYTHONUTF8: 1}}\n  own: {runtime: provided.al2023, handler: x}\n",
		"index.js": `const child = require("child_process").spawn("sleep", ["3600"], { detached: true, stdio: "ignore" });
exports.handler = async () => [process.pid, child.pid];`,
		"main.py": `import os, subprocess
child = subprocess.Popen(["sleep", "3600"], start_new_session=True)
def handler(event, context): return [os.getpid(), child.pid]`,
		"bootstrap": `#!/bin/sh
setsid sleep 3600 &
child=$!
while :; do
  id=$(curl -sS -D - -o /dev/null "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next" | tr -d '\r' | sed -n 's/^Lambda-Runtime-Aws-Request-Id: //Ip')
  curl -sS -d "[$$, $child]" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response"
done
`,
	})
	if err := os.Chmod(filepath.Join(dir, "bootstrap"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.mustDeploy(dir)
	for range times(t, 3) {
		for _, name := range []string{service + "-dev-node", service + "-dev-python", service + "-dev-own"} {
			result, err := s.client.Invoke(t.Context(), name, nil, false)
			if err != nil {
				t.Fatal(err)
			}
			var pids []int
			if err := json.Unmarshal(result.Payload, &pids); err != nil || len(pids) != 2 {
				t.Fatalf("%s: %s", name, result.Payload)
			}
		}
		if n := len(running()); n < 6 {
			t.Fatalf("%d instances and their children run, want at least 6", n)
		}
		s.kill()
		s.start()
		if left := running(); len(left) > 0 {
			t.Errorf("after the next start these still run: %v", left)
		}
		if left, err := os.ReadDir(filepath.Join(s.data, "run")); err != nil || len(left) > 0 {
			t.Errorf("after the next start these files are left: %v, %v", left, err)
		}
	}
}

// One server to a data folder: the kernel holds the lock, and lets go of it
// when it must.
func TestLock(t *testing.T) {
	first := newServer(t)
	for range times(t, 3) {
		first.start()
		second := newServer(t)
		second.data = first.data
		if second.tryStart() {
			t.Fatal("two servers run on one data folder")
		}
		var answer struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal(second.said.Bytes(), &answer); err != nil {
			t.Fatalf("%v: %s", err, second.said)
		}
		for _, want := range []string{fmt.Sprintf("process %d", first.process.Process.Pid), first.facts.Endpoints.API, first.data, "--data"} {
			if !strings.Contains(answer.Error.Message, want) {
				t.Errorf("%q is not said in: %s", want, answer.Error.Message)
			}
		}
		if _, err := first.client.Info(t.Context()); err != nil {
			t.Errorf("the first server suffers: %v", err)
		}
		if running, err := platform.ReadRunning(first.data); err != nil || running.PID != first.process.Process.Pid {
			t.Errorf("the second server changed what the first one says of itself: %+v, %v", running, err)
		}
		first.kill()
	}
}

// However often the first start is cut short, the root key is whole once there
// is one, and it stays the same.
func TestKilledWhileStarting(t *testing.T) {
	s := newServer(t)
	s.start()
	s.kill()
	s = newServer(t)
	began := time.Now() // the program is built now
	s.start()
	took := time.Since(began)
	s.kill()

	var ready, early int
	for range times(t, 8) {
		s := newServer(t)
		var key client.Credentials
		for range 3 {
			out := s.launch()
			killed := s.killSoon(took)
			said, _ := io.ReadAll(out)
			killed()
			if len(said) > 0 { // told that there is a key
				ready++
			} else {
				early++
			}
			if _, err := os.Stat(filepath.Join(s.data, platform.RootKeyFile)); err == nil {
				if key != (client.Credentials{}) && s.key() != key {
					t.Fatal("the root key has changed")
				}
				key = s.key()
			} else if len(said) > 0 {
				t.Fatal("the server was ready without a root key")
			}
		}
		s.start()
		if key != (client.Credentials{}) && s.key() != key {
			t.Fatal("the root key has changed")
		}
		if _, err := s.client.Info(t.Context()); err != nil {
			t.Fatal(err)
		}
		leftovers, err := filepath.Glob(filepath.Join(s.data, platform.RootKeyFile+".*"))
		if err != nil || len(leftovers) > 0 {
			t.Errorf("left behind, with secrets in them: %v %v", leftovers, err)
		}
		s.kill()
	}
	t.Logf("%d times after it was ready, %d times before", ready, early)
}
