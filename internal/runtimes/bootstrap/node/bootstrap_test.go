// Package node tests the Node.js bootstrap alone, frame by frame; with the
// platform's side it is tested in package runtimes.
package node

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	hello = 1 + iota
	initialise
	ready
	initError
	invoke
	response
	failed
	fatal
	stream
	chunk
	end
	logged
	credit
	cache
)

var names = []string{"", "HELLO", "INIT", "READY", "INIT_ERROR", "INVOKE", "RESPONSE", "ERROR", "FATAL", "STREAM", "CHUNK", "END", "LOG", "CREDIT", "CACHE"}

type frame struct {
	kind    byte
	id      uint32
	payload string
}

func (f frame) String() string { return fmt.Sprintf("%s %d %s", names[f.kind], f.id, f.payload) }

// process is a bootstrap that runs.
type process struct {
	testing.TB
	dir     string
	version string // of Node.js
	cmd     *exec.Cmd
	in      *os.File
	out     *bufio.Reader
}

// start starts the bootstrap and waits for its HELLO.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no Node.js")
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	main, err := filepath.Abs("main.js")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{TB: t, dir: t.TempDir(), cmd: exec.CommandContext(t.Context(), node, append([]string{main}, args...)...), in: in, out: bufio.NewReader(out)}
	p.cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	p.cmd.Stdout, p.cmd.Stderr = os.Stderr, os.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = theirIn.Close(), theirOut.Close()
	t.Cleanup(func() {
		_ = in.Close()
		_ = p.cmd.Wait()
		_ = out.Close()
	})
	f := p.next()
	if p.version = f.payload; f.kind != hello || !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(f.payload) {
		t.Fatalf("the first frame is %v", f)
	}
	return p
}

func (p *process) send(kind byte, id uint32, payload string) {
	p.Helper()
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))
	b = binary.BigEndian.AppendUint32(b, id)
	if _, err := p.in.Write(append(append(b, kind), payload...)); err != nil {
		p.Error(err)
	}
}

// next returns the next frame; its kind is 0 at the end.
func (p *process) next() frame {
	p.Helper()
	var header [9]byte
	if _, err := io.ReadFull(p.out, header[:]); err != nil {
		return frame{}
	}
	payload := make([]byte, binary.BigEndian.Uint32(header[:]))
	if _, err := io.ReadFull(p.out, payload); err != nil {
		p.Fatal(err)
	}
	return frame{header[8], binary.BigEndian.Uint32(header[4:]), string(payload)}
}

// frames returns what comes until a frame of one of these kinds, that included, or
// the end.
func (p *process) frames(last ...byte) (all []frame) {
	p.Helper()
	for {
		f := p.next()
		all = append(all, f)
		if f.kind == 0 || strings.IndexByte(string(last), f.kind) >= 0 {
			return all
		}
	}
}

// settings are those fields of INIT that a test changes.
type settings map[string]any

// load gives the process a function and returns the frames until it is ready or
// says why it is not.
func (p *process) load(files map[string]string, changes settings) []frame {
	p.Helper()
	p.write(files)
	p.init(changes)
	return p.frames(ready, initError)
}

func (p *process) write(files map[string]string) {
	p.Helper()
	for name, text := range files {
		path := filepath.Join(p.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			p.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			p.Fatal(err)
		}
	}
}

func (p *process) init(changes settings) {
	p.Helper()
	init := settings{"task": p.dir, "opt": "", "handler": "index.handler", "concurrency": 1, "cache": "", "env": map[string]string{
		"AWS_LAMBDA_FUNCTION_NAME": "under-test", "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs20.x", "AWS_LAMBDA_LOG_FORMAT": "Text",
	}}
	maps.Copy(init, changes)
	b, err := json.Marshal(init)
	if err != nil {
		p.Fatal(err)
	}
	p.send(initialise, 0, string(b))
}

// head returns an INVOKE's payload.
func head(id uint32, event string) string {
	lines := fmt.Sprintf("request-%d\n60000\narn:%d\nRoot=%d\n", id, id, id)
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(lines)))) + lines + event
}

// told puts frames on a line each, with what changes from run to run left out:
// times, stacks and all but the type and message of an error.
func told(all []frame) string {
	var b strings.Builder
	for _, f := range all {
		text := regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z\t`).ReplaceAllString(f.payload, "")
		text = regexp.MustCompile(`,"(trace|stack)":\[.*\]`).ReplaceAllString(text, "")
		switch {
		case f.kind == 0:
			b.WriteString("(end)\n")
			continue
		case len(text) > 200:
			text = fmt.Sprintf("%.10s... %d", text, len(text))
		}
		fmt.Fprintf(&b, "%s %d %s\n", names[f.kind], f.id, strings.ReplaceAll(strings.ReplaceAll(text, "\n", `\n`), "\x00", "."))
	}
	return b.String()
}

// deadline ends a test that hangs with what it hangs on.
func deadline(p *process) {
	timer := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() })
	p.Cleanup(func() { timer.Stop() })
}

// match compares lines; ... stands for anything in a line.
func match(t *testing.T, got, want string) {
	t.Helper()
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), `\.\.\.`, ".*")
	if !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}
