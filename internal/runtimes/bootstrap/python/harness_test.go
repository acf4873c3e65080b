// Package python tests the Python bootstrap alone, frame by frame, with every
// version of Python that PATH has; with the platform's side it is tested in
// package runtimes.
package python

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

var names = []string{"EOF", "HELLO", "INIT", "READY", "INIT_ERROR", "INVOKE", "RESPONSE", "ERROR", "FATAL", "STREAM", "CHUNK", "END", "LOG", "CREDIT", "CACHE"}

type frame struct {
	kind    byte
	id      uint32
	payload string
}

func (f frame) String() string { return fmt.Sprintf("%s %d %s", names[f.kind], f.id, f.payload) }

// everywhere runs a test with each version of Python that the machine has.
func everywhere(t *testing.T, test func(t *testing.T, python string)) {
	found := false
	for minor := 8; minor <= 20; minor++ {
		name := fmt.Sprintf("python3.%d", minor)
		python, err := exec.LookPath(name)
		if err != nil || exec.CommandContext(t.Context(), python, "-c", "0").Run() != nil { // version managers put scripts there
			continue
		}
		found = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, python)
		})
	}
	if !found {
		t.Skip("no python3.* on PATH")
	}
}

// process is a bootstrap that runs.
type process struct {
	testing.TB
	dir    string
	cmd    *exec.Cmd
	in     *os.File
	out    *bufio.Reader
	stdout strings.Builder // what came past the frames
}

// start starts the bootstrap and waits for its HELLO.
func start(t testing.TB, python string, args ...string) *process {
	t.Helper()
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	main, err := filepath.Abs("main.py")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{TB: t, dir: t.TempDir(), in: in, out: bufio.NewReader(out)}
	p.cmd = exec.CommandContext(t.Context(), python, append([]string{"-s", "-B", main}, args...)...)
	p.cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stdout
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = theirIn.Close(), theirOut.Close()
	t.Cleanup(func() {
		_ = in.Close()
		_ = out.Close()
		_ = p.cmd.Wait()
	})
	if f := p.next(); f.kind != hello || !regexp.MustCompile(`^3\.\d+\.\d+$`).MatchString(f.payload) {
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

// frames returns what comes until the last of so many answers, or the end.
func (p *process) frames(answers int) (all []frame) {
	p.Helper()
	for answers > 0 {
		f := p.next()
		all = append(all, f)
		switch f.kind {
		case 0:
			return all
		case ready, initError, response, failed, end:
			answers--
		}
	}
	return all
}

// load gives the process a function and returns the frames until it is ready or
// says why it is not.
func (p *process) load(files map[string]string, changes map[string]any) []frame {
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
	in := map[string]any{"task": p.dir, "opt": "", "handler": "app.handler", "env": map[string]string{}, "concurrency": 1, "cache": ""}
	maps.Copy(in, changes)
	payload, err := json.Marshal(in)
	if err != nil {
		p.Fatal(err)
	}
	p.send(initialise, 0, string(payload))
	return p.frames(1)
}

// call sends an invocation; its request is called req-<id>, its trace trace-<id>.
func (p *process) call(id uint32, event, clientContext string) {
	p.Helper()
	head := fmt.Sprintf("req-%d\n30000\narn:f\ntrace-%d\n%s", id, id, clientContext)
	p.send(invoke, id, string(binary.BigEndian.AppendUint32(nil, uint32(len(head))))+head+event)
}

// match fails unless the frames are as the expressions say, one each.
func match(t testing.TB, got []frame, want ...string) {
	t.Helper()
	var text strings.Builder
	for i, f := range got {
		text.WriteString(f.String() + "\n")
		if i < len(want) && !regexp.MustCompile(`(?s)^`+want[i]+`$`).MatchString(f.String()) {
			t.Errorf("frame %d: %.300q\nwant: %s", i, f.String(), want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d frames, want %d:\n%.1000s", len(got), len(want), text.String())
	}
}
