package sandboxtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// server is a process of the real program.
type server struct {
	process *exec.Cmd
	drained chan struct{}
	facts   platform.Facts
	client  *client.Client
}

// program builds the real program.
func program(t *testing.T) string {
	t.Helper()
	path, err := platformtest.Program(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func launch(t *testing.T, program, data, driver string) *server {
	t.Helper()
	s := &server{process: exec.Command(program, "up", "--json", "--data", data, "--api", "127.0.0.1:0", "--http", "127.0.0.1:0"), drained: make(chan struct{})}
	s.process.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "PINFOLD_SANDBOX=" + driver}
	s.process.Stderr = os.Stderr
	out, err := s.process.StdoutPipe()
	if err == nil {
		err = s.process.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop(t) })
	err = json.NewDecoder(out).Decode(&s.facts)
	go func() { defer close(s.drained); _, _ = io.Copy(io.Discard, out) }()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(data, platform.RootKeyFile))
	var key client.Credentials
	if err == nil {
		err = json.Unmarshal(content, &key)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.client = client.New(s.facts.Endpoints.API, s.facts.Region, key)
	return s
}

// kill ends the server as a power cut would: without asking.
func (s *server) kill() {
	_ = s.process.Process.Kill()
	<-s.drained
	_ = s.process.Wait()
	s.process = nil
}

// stop ends the server in peace.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if s.process == nil {
		return
	}
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.drained
	if err := s.process.Wait(); err != nil {
		t.Errorf("the server does not stop cleanly: %v", err)
	}
	s.process = nil
}

// TestNothingSurvivesTheServer kills a server while hostile instances run: one
// bombs, one floods the log, one is deaf, one has left daemons behind. After the
// next start nothing of them is left on the host, and functions work.
func TestNothingSurvivesTheServer(t *testing.T) {
	for _, driver := range platform.Sandboxes {
		if driver == "auto" {
			continue
		}
		t.Run(driver, func(t *testing.T) {
			can := capabilities(t, driver)
			if !(can.Filesystem && can.Processes && can.Network) {
				t.Skipf("the driver %s claims no walls", driver)
			}
			program := program(t)
			data, b, before := platformtest.DataFolder(t), lay(t), look(t)
			s := launch(t, program, data, driver)
			h := settle(t, s.facts, s.client, b)
			h.host, h.limits = &traces{root: s.process.Process.Pid}, can.Memory && can.CPU
			defer h.host.close()
			warm(t, h)
			h.host.note()
			h.token = rand.Text()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{}, 4)
			for key, o := range map[string]order{
				"node":      {"run": "daemons", "size": 5, "token": h.token},
				"nodeBrief": {"run": "deaf"},
				"python":    {"run": "fork_bomb", "size": 3000},
				"go":        {"run": "logFlood", "size": 500},
			} {
				go func() {
					_, _, _ = h.call(ctx, key, o) // breaks off
					ended <- struct{}{}
				}()
			}
			for deadline := time.Now().Add(30 * time.Second); len(runs(h.token)) == 0; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the daemons do not run: nothing is tried")
				}
			}
			h.host.note()
			s.kill()
			cancel()
			for range 4 {
				<-ended
			}
			s = launch(t, program, data, driver)
			if len(h.host.namespaces) < len(h.urls) || len(h.host.groups) != 1 && h.limits {
				t.Errorf("the sandboxes were not seen: %v, %v", h.host.namespaces, h.host.groups)
			}
			if left := append(h.host.processes(), runs(h.token)...); len(left) > 0 {
				t.Errorf("after the next start these processes run on: %v", left)
			}
			warm(t, settle(t, s.facts, s.client, b))
			s.stop(t)
			h.host.gone(t, data, before)
		})
	}
}
