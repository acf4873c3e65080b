package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// binary builds the program that is killed, once.
var binary = sync.OnceValues(func() (string, error) {
	return platformtest.Program(scratch)
})

var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "pinfold-crash-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

// times is how often something is killed.
func times(t *testing.T, n int) int {
	factor, err := strconv.Atoi(os.Getenv("PINFOLD_TORTURE"))
	if err != nil {
		factor = 1
	}
	return n * factor
}

// server is a data folder with the process that runs on it, again and again at
// the same addresses.
type server struct {
	t         *testing.T
	data      string
	api, http string // host:port; ":0" before the first start
	process   *exec.Cmd
	said      *bytes.Buffer // on standard error; to be read once the process has ended
	drained   chan struct{}
	client    *client.Client
	facts     platform.Facts
}

func newServer(t *testing.T) *server {
	s := &server{t: t, data: platformtest.DataFolder(t), api: "127.0.0.1:0", http: "127.0.0.1:0"}
	t.Cleanup(func() {
		s.kill()
		s.tidy()
	})
	return s
}

// tidy runs the server once more and ends it in peace: what a killed one leaves,
// such as its control groups, is removed by the next one on its data folder.
func (s *server) tidy() {
	if !s.tryStart() {
		return
	}
	_ = s.process.Process.Signal(os.Interrupt)
	<-s.drained
	_ = s.process.Wait()
}

// launch starts the process, which need not come up.
func (s *server) launch() (out io.Reader) {
	s.t.Helper()
	path, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.process = exec.Command(path, "up", "--json", "--data", s.data, "--api", s.api, "--http", s.http)
	s.process.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + scratch}
	s.said = new(bytes.Buffer)
	s.process.Stderr = s.said
	stdout, err := s.process.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	return stdout
}

// start starts the server and waits until it is ready.
func (s *server) start() {
	s.t.Helper()
	if !s.tryStart() {
		s.t.Fatalf("the server does not start: %s", s.said)
	}
}

// tryStart starts the server and reports whether it got ready before it ended.
func (s *server) tryStart() bool {
	s.t.Helper()
	out := s.launch()
	err := json.NewDecoder(out).Decode(&s.facts)
	if err != nil {
		_ = s.process.Wait()
		s.process = nil
		return false
	}
	s.drained = make(chan struct{})
	go func() { defer close(s.drained); _, _ = io.Copy(io.Discard, out) }()
	s.api, s.http = s.facts.Endpoints.API[len("http://"):], s.facts.Endpoints.HTTP[len("http://"):]
	s.client = client.New(s.facts.Endpoints.API, s.facts.Region, s.key())
	return true
}

// key reads the root key as every client on the machine does.
func (s *server) key() (key client.Credentials) {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join(s.data, platform.RootKeyFile))
	if err == nil {
		err = json.Unmarshal(content, &key)
	}
	if err != nil {
		s.t.Fatalf("the root key: %v", err)
	}
	return key
}

// kill ends the server as a power cut would: without asking.
func (s *server) kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	if s.drained != nil {
		<-s.drained
	}
	_ = s.process.Wait()
	s.process, s.drained = nil, nil
}

// killSoon kills the server at a moment within the next d that nobody chose,
// and returns what waits for that.
func (s *server) killSoon(d time.Duration) (killed func()) {
	done := make(chan struct{})
	after := time.Duration(rand.Int64N(int64(d) + 1))
	process := s.process.Process
	time.AfterFunc(after, func() {
		defer close(done)
		_ = process.Kill()
	})
	return func() { <-done; s.kill() }
}

// application reads and builds the application in a folder for this server.
func (s *server) application(dir string) (a *app.Application, built map[string]string) {
	s.t.Helper()
	a, err := serverless.Read(s.t.Context(), dir, serverless.Options{Target: s.facts.Target})
	if err == nil {
		built, err = app.Build(s.t.Context(), a, app.BuildOptions{Cache: filepath.Join(scratch, "cache"), Fast: true})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return a, built
}

// deploy does what `pinfold deploy` does. upload and apply are called before
// the two things that change the server.
func (s *server) deploy(ctx context.Context, dir string, upload, apply func()) error {
	a, built := s.application(dir)
	plan, err := s.client.Plan(ctx, a)
	if err != nil {
		return err
	}
	upload()
	for _, pkg := range plan.Missing {
		file, err := os.Open(built[pkg.SHA256])
		if err != nil {
			return err
		}
		if err := errors.Join(s.client.PutPackage(ctx, pkg, file), file.Close()); err != nil {
			return err
		}
	}
	apply()
	_, err = s.client.Deploy(ctx, a, plan.Base)
	return err
}

func (s *server) mustDeploy(dir string) {
	s.t.Helper()
	nothing := func() {}
	if err := s.deploy(s.t.Context(), dir, nothing, nothing); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) get(path string) (status int, body string) {
	s.t.Helper()
	resp, err := http.Get(s.facts.Endpoints.HTTP + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(content)
}
