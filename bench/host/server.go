//go:build linux

// Package host starts what is measured, as processes of their own, and asks the
// machine about them: how much memory they hold, and what is left of them.
package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"pinfold.dev/pinfold/client"
)

// Server is a process under measurement.
type Server struct {
	URL   string        // of its public door
	Ready time.Duration // from exec until it said that it was ready
	cmd   *exec.Cmd
	said  *words // on standard error
}

// words are what a running process has said so far.
type words struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *words) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(b)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// PID is its process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Stop asks the process to end and waits for it.
func (s *Server) Stop() error {
	_ = s.cmd.Process.Signal(os.Interrupt)
	err := s.cmd.Wait()
	if _, exited := errors.AsType[*exec.ExitError](err); exited {
		return nil
	}
	return err
}

// Start starts a server that prints its port in a line of its own.
func Start(ctx context.Context, name string, args ...string) (*Server, error) {
	s, out, err := launch(Command(ctx, name, args...))
	if err != nil {
		return nil, err
	}
	var port int
	if _, err := fmt.Fscanln(out, &port); err != nil {
		return nil, s.failed("start", err)
	}
	s.URL = fmt.Sprintf("http://127.0.0.1:%d", port)
	return s, nil
}

// StartOn starts a server that has been told its port and says nothing of it:
// it is ready when it can be connected to.
func StartOn(ctx context.Context, port int, cmd *exec.Cmd) (*Server, error) {
	began := time.Now()
	s, out, err := launch(cmd)
	if err != nil {
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			s.URL, s.Ready = "http://"+addr, time.Since(began)
			return s, c.Close()
		}
		if ctx.Err() != nil || time.Since(began) > time.Minute || Gone(s.PID()) {
			_ = s.cmd.Process.Kill()
			return nil, s.failed("listen", errors.Join(err, context.Cause(ctx)))
		}
		time.Sleep(time.Millisecond)
	}
}

// FreePort returns a port that nobody listens on at the moment.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Environ is the environment of all that is measured. Some of what a user may
// have set would slow down one side of a comparison: NODE_EXTRA_CA_CERTS doubles
// the time that Node.js takes to boot, and functions do not see it.
func Environ(more ...string) []string {
	env := []string{}
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(env, more...)
}

// Command is exec.CommandContext for what is measured. It is asked to end before
// it is killed.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = Environ()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 15 * time.Second
	return cmd
}

func launch(cmd *exec.Cmd) (*Server, io.Reader, error) {
	s := &Server{cmd: cmd, said: new(words)}
	cmd.Stderr = s.said
	// Ctrl-C in a terminal is for this program, which then stops the others in good order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	return s, out, cmd.Start()
}

// failed waits for a process that did not get where it should.
func (s *Server) failed(what string, err error) error {
	_ = s.Stop()
	return fmt.Errorf("%s did not %s: %w\n%s", filepath.Base(s.cmd.Path), what, err, s.said)
}

// Options are those of a platform.
type Options struct {
	Binary  string   // pinfold
	Data    string   // its data folder
	Sandbox string   // driver
	Env     []string // settings, such as PINFOLD_CELLS=0
	Profile string   // file for where its processor time goes; "": none
}

// Pinfold is a platform under measurement.
type Pinfold struct {
	*Server
	Options
	API    string // URL
	Region string
	Key    client.Credentials // of the account's owner
}

// StartPinfold starts a platform. Its ports are the machine's choice.
func StartPinfold(ctx context.Context, o Options) (*Pinfold, error) {
	cmd := Command(ctx, o.Binary, "up", "--json", "--sandbox", o.Sandbox, "--data", o.Data, "--api", "127.0.0.1:0", "--http", "127.0.0.1:0", "--cpu-profile", o.Profile)
	cmd.Env = Environ(o.Env...)
	began := time.Now()
	s, out, err := launch(cmd)
	if err != nil {
		return nil, err
	}
	var facts struct {
		Region      string
		RootKeyFile string
		Endpoints   struct{ API, HTTP string }
	}
	if err := json.NewDecoder(out).Decode(&facts); err != nil {
		return nil, s.failed("start", err)
	}
	s.Ready, s.URL = time.Since(began), facts.Endpoints.HTTP
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
	p := &Pinfold{Server: s, Options: o, API: facts.Endpoints.API, Region: facts.Region}
	key, err := os.ReadFile(facts.RootKeyFile)
	if err == nil {
		err = json.Unmarshal(key, &p.Key)
	}
	if err != nil {
		return nil, s.failed("say its key", err)
	}
	return p, nil
}

// Deploy deploys the application in a folder, with more flags if need be.
func (p *Pinfold) Deploy(ctx context.Context, dir string, flags ...string) error {
	return p.run(ctx, append([]string{"deploy", dir, "--yes"}, flags...)...)
}

// Remove removes an application with all that it made.
func (p *Pinfold) Remove(ctx context.Context, application string) error {
	return p.run(ctx, "rm", application, "--yes")
}

func (p *Pinfold) run(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, p.Binary, append(args, "--json", "--data", p.Data, "--server", p.API)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("pinfold %s: %s", args[0], strings.TrimSpace(string(out)))
	}
	return nil
}

// Unknown names the settings in Env that this platform does not know. It has
// warned about them when it started.
func (p *Pinfold) Unknown() (names []string) {
	for _, setting := range p.Env {
		name, _, _ := strings.Cut(setting, "=")
		if strings.Contains(p.said.String(), name) {
			names = append(names, name)
		}
	}
	return names
}
