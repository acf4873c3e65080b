package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"pinfold.dev/pinfold/platformtest"
)

// patience bounds every wait. It is no measure of anything: what takes that
// long will never happen.
const patience = 3 * time.Minute

// place is where a person sits: a home, a data folder, an environment.
type place struct {
	t    *testing.T
	data string
	home string
	env  map[string]string
	// prelude is a line of shell that runs before the program, in a process with
	// these attributes, to make the machine poorer.
	prelude string
	attr    *syscall.SysProcAttr
}

// newPlace returns a place of its own, with nothing of this machine's user but PATH.
func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, data: platformtest.DataFolder(t), home: platformtest.DataFolder(t)}
	p.env = map[string]string{"PATH": os.Getenv("PATH"), "HOME": p.home, "TMPDIR": p.home, "TERM": "xterm", "PINFOLD_DATA": p.data}
	return p
}

// with returns the same place with other variables; an empty value takes one away.
func (p *place) with(nameValues ...string) *place {
	other := *p
	other.env = maps.Clone(p.env)
	for i := 0; i < len(nameValues); i += 2 {
		if nameValues[i+1] == "" {
			delete(other.env, nameValues[i])
		} else {
			other.env[nameValues[i]] = nameValues[i+1]
		}
	}
	return &other
}

func (p *place) command(name string, args ...string) *exec.Cmd {
	if p.prelude != "" {
		name, args = "/bin/sh", append([]string{"-ec", p.prelude + `; exec "$@"`, "sh", name}, args...)
	}
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = p.attr
	for k, v := range p.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	return cmd
}

// result is what a program that has ended left behind.
type result struct {
	t        *testing.T
	args     []string
	out, err string
	code     int
}

// run runs pinfold to its end, without a terminal.
func (p *place) run(args ...string) result { return p.pipe("", args...) }

// pipe is run with a standard input.
func (p *place) pipe(input string, args ...string) result {
	p.t.Helper()
	return p.exec(input, binary, args...)
}

// sh runs a line of shell with pinfold on PATH.
func (p *place) sh(line string) result {
	p.t.Helper()
	return p.with("PATH", filepath.Dir(binary)+":"+p.env["PATH"]).exec("", "sh", "-c", line)
}

func (p *place) exec(input, name string, args ...string) result {
	p.t.Helper()
	cmd := p.command(name, args...)
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errOut
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		p.t.Fatal(err)
	} else if ok && exit.ExitCode() < 0 {
		p.t.Fatalf("pinfold %q was killed: %v\n%s%s", args, exit, &out, &errOut)
	}
	return result{p.t, args, out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

// ok fails the test unless the program ended well.
func (r result) ok() result {
	r.t.Helper()
	return r.exits(0)
}

func (r result) exits(code int) result {
	r.t.Helper()
	if r.code != code {
		r.t.Fatalf("pinfold %q ended with %d, want %d\n%s%s", r.args, r.code, code, r.out, r.err)
	}
	return r
}

// says fails the test unless the standard output contains every text.
func (r result) says(texts ...string) result {
	r.t.Helper()
	return r.contains("output", r.out, texts)
}

// complains fails the test unless the standard error contains every text.
func (r result) complains(texts ...string) result {
	r.t.Helper()
	return r.contains("standard error", r.err, texts)
}

func (r result) contains(where, have string, texts []string) result {
	r.t.Helper()
	for _, text := range texts {
		if !strings.Contains(have, text) {
			r.t.Errorf("pinfold %q: %q is not in its %s:\n%s", r.args, text, where, have)
		}
	}
	return r
}

// never fails the test if either stream contains one of the texts.
func (r result) never(texts ...string) result {
	r.t.Helper()
	for _, text := range texts {
		if strings.Contains(r.out+r.err, text) {
			r.t.Errorf("pinfold %q says %q:\n%s%s", r.args, text, r.out, r.err)
		}
	}
	return r
}

// decode reads the output as one JSON value.
func decode[T any](r result) T {
	r.t.Helper()
	var v T
	dec := json.NewDecoder(strings.NewReader(r.out))
	if err := dec.Decode(&v); err != nil {
		r.t.Fatalf("the output of pinfold %q is not JSON: %v\n%s", r.args, err, r.out)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		r.t.Fatalf("pinfold %q prints more than one JSON value:\n%s", r.args, r.out)
	}
	return v
}

// stream is what a running program has said so far.
type stream struct {
	mu      sync.Mutex
	buf     []byte
	read    int           // up to where until has looked
	changed chan struct{} // closed at the next change
}

func newStream() *stream { return &stream{changed: make(chan struct{})} }

func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = append(s.buf, b...)
	close(s.changed)
	s.changed = make(chan struct{})
	return len(b), nil
}

func (s *stream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.buf)
}

func (s *stream) find(re *regexp.Regexp) ([]string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := re.FindSubmatchIndex(s.buf[s.read:])
	if m == nil {
		return nil, s.changed
	}
	var groups []string
	for i := 0; i < len(m); i += 2 {
		groups = append(groups, string(s.buf[s.read+m[i]:s.read+m[i+1]]))
	}
	s.read += m[1]
	return groups, nil
}

// process is a running program.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err *stream
	in       io.Writer // of a terminal
	done     chan struct{}
}

// start starts pinfold without a terminal.
func (p *place) start(args ...string) *process {
	p.t.Helper()
	proc := &process{t: p.t, cmd: p.command(binary, args...), out: newStream(), err: newStream(), done: make(chan struct{})}
	proc.cmd.Stdout, proc.cmd.Stderr = proc.out, proc.err
	if err := proc.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	proc.own(func() {})
	return proc
}

// terminal starts pinfold on a terminal of this many columns. Both streams
// come out of it.
func (p *place) terminal(columns int, args ...string) *process {
	p.t.Helper()
	proc := &process{t: p.t, cmd: p.command(binary, args...), out: newStream(), done: make(chan struct{})}
	proc.err = proc.out
	tty, err := pty.StartWithSize(proc.cmd, &pty.Winsize{Rows: 24, Cols: uint16(columns)})
	if err != nil {
		p.t.Fatal(err)
	}
	proc.in = tty
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(proc.out, tty) // ends when the program does
	}()
	proc.own(func() {
		<-copied
		tty.Close()
	})
	return proc
}

// own waits for the program, and at the latest when the test ends kills it.
func (p *process) own(after func()) {
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
		after()
	}()
	p.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if p.t.Failed() {
			p.t.Logf("%q said:\n%s\n%s", p.cmd.Args, p.out, p.err)
		}
	})
}

// until waits until a stream has said something, after what was waited for
// before, and returns what the groups of the pattern matched.
func (p *process) until(s *stream, pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.NewTimer(patience)
	defer late.Stop()
	for ended := false; ; {
		groups, changed := s.find(re)
		if groups != nil {
			return groups
		}
		if ended {
			p.t.Fatalf("%q ended without saying %q", p.cmd.Args, pattern)
		}
		select {
		case <-changed:
		case <-p.done:
			ended = true
		case <-late.C:
			p.t.Fatalf("%q has not said %q", p.cmd.Args, pattern)
		}
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the program's end and returns its exit status, -1 if a signal ended it.
func (p *process) end() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("%q does not end", p.cmd.Args)
		return 0
	}
}

// stop asks the program to end and expects that it does so in good order.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGINT)
	if code := p.end(); code != 0 {
		p.t.Errorf("%q ended with %d after it was asked to stop", p.cmd.Args, code)
	}
}

// anyPort has the machine choose a server's ports.
var anyPort = []string{"--api", "127.0.0.1:0", "--http", "127.0.0.1:0"}

// server is a running `pinfold up` or `pinfold dev`.
type server struct {
	*process
	api, http string
}

// up starts a server and waits until it says that it is ready.
func (p *place) up(args ...string) *server {
	p.t.Helper()
	return ready(p.start(slices.Concat([]string{"up"}, anyPort, args)...))
}

func (p *place) dev(args ...string) *server {
	p.t.Helper()
	return ready(p.start(slices.Concat([]string{"dev"}, anyPort, args)...))
}

func ready(proc *process) *server {
	proc.t.Helper()
	groups := proc.until(proc.out, `(?s)is up in \d+ ms.*?public door +(http://[\d.:]+).*?API +(http://[\d.:]+)`)
	return &server{proc, groups[2], groups[1]}
}

// get asks the public door and returns status and body.
func (s *server) get(path string) (int, string) {
	s.t.Helper()
	resp, err := http.Get(s.http + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// answers fails the test unless a path answers with 200 and this text.
func (s *server) answers(path, want string) {
	s.t.Helper()
	if status, body := s.get(path); status != 200 || !strings.Contains(body, want) {
		s.t.Errorf("%s answers %d %s, want %q", path, status, body, want)
	}
}

// write writes files into a folder, in one step each, as an editor does.
func write(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		temp := path + "~"
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(temp, []byte(content), 0o644), os.Rename(temp, path)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
