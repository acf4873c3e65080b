// Package bootstraptest runs a bootstrap alone and talks to it frame by frame, as
// package runtimes does, for the tests of bootstraps.
package bootstraptest

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Kind is the type of a frame. The documentation of package runtimes says what
// each is for.
type Kind byte

// The types of frames.
const (
	EOF Kind = iota // no frame: the process has closed its pipe
	Hello
	Init
	Ready
	InitError
	Invoke
	Response
	Error
	Fatal
	Stream
	Chunk
	End
	Log
	Credit
	Cache
	Load
)

func (k Kind) String() string {
	return []string{"EOF", "HELLO", "INIT", "READY", "INIT_ERROR", "INVOKE", "RESPONSE", "ERROR", "FATAL", "STREAM", "CHUNK", "END", "LOG", "CREDIT", "CACHE", "LOAD"}[k]
}

// Frame is what is said at a time.
type Frame struct {
	Kind    Kind
	ID      uint32 // of the invocation
	Payload string
}

func (f Frame) String() string { return fmt.Sprintf("%v %d %s", f.Kind, f.ID, f.Payload) }

// Process is a bootstrap that runs. It ends with its test, or after a minute.
type Process struct {
	testing.TB
	Dir     string // with the function's code
	Version string // of the language runtime
	Cmd     *exec.Cmd
	In      *os.File        // what it reads; closed, it is to end
	Past    strings.Builder // what it wrote past the frames; complete when it has ended
	out     *bufio.Reader
}

// Start starts a bootstrap and waits for its HELLO.
func Start(t testing.TB, interpreter string, args ...string) *Process {
	t.Helper()
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{TB: t, Dir: t.TempDir(), Cmd: exec.CommandContext(t.Context(), interpreter, args...), In: in, out: bufio.NewReader(out)}
	p.Cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	p.Cmd.Stdout, p.Cmd.Stderr = &p.Past, &p.Past
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = theirIn.Close(), theirOut.Close()
	hangs := time.AfterFunc(time.Minute, func() { _ = p.Cmd.Process.Kill() })
	t.Cleanup(func() {
		_ = in.Close()
		_ = out.Close()
		_ = p.Cmd.Wait()
		hangs.Stop()
		if t.Failed() && p.Past.Len() > 0 {
			t.Logf("past the frames:\n%s", &p.Past)
		}
	})
	f := p.Next()
	if p.Version = f.Payload; f.Kind != Hello || !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(f.Payload) {
		t.Fatalf("the first frame is %v", f)
	}
	return p
}

// Send sends a frame.
func (p *Process) Send(kind Kind, id uint32, payload string) {
	p.Helper()
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))
	b = binary.BigEndian.AppendUint32(b, id)
	if _, err := p.In.Write(append(append(b, byte(kind)), payload...)); err != nil {
		p.Error(err)
	}
}

// Write writes files of the function.
func (p *Process) Write(files map[string]string) {
	p.Helper()
	for name, text := range files {
		path := filepath.Join(p.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			p.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			p.Fatal(err)
		}
	}
}

// Init has the process load the function. Settings are fields of INIT, later ones
// win.
func (p *Process) Init(settings ...map[string]any) {
	p.Helper()
	in := map[string]any{"task": p.Dir, "opt": "", "concurrency": 1, "cache": ""}
	for _, s := range settings {
		maps.Copy(in, s)
	}
	payload, err := json.Marshal(in)
	if err != nil {
		p.Fatal(err)
	}
	p.Send(Init, 0, string(payload))
	p.Send(Load, 0, "")
}

// Invoke sends an invocation of 30 seconds. Its request is request-ID, its ARN
// arn:ID, its trace Root=ID.
func (p *Process) Invoke(id uint32, event, clientContext string) {
	p.Helper()
	head := fmt.Sprintf("request-%d\n30000\narn:%[1]d\nRoot=%[1]d\n%s", id, clientContext)
	p.Send(Invoke, id, string(binary.BigEndian.AppendUint32(nil, uint32(len(head))))+head+event)
}

// Next returns the next frame.
func (p *Process) Next() Frame {
	p.Helper()
	var header [9]byte
	if _, err := io.ReadFull(p.out, header[:]); err != nil {
		return Frame{}
	}
	payload := make([]byte, binary.BigEndian.Uint32(header[:]))
	if _, err := io.ReadFull(p.out, payload); err != nil {
		p.Fatal(err)
	}
	return Frame{Kind(header[8]), binary.BigEndian.Uint32(header[4:]), string(payload)}
}

// Frames returns what comes until the last of so many answers, to INIT or to
// invocations, or the end.
func (p *Process) Frames(answers int) (all []Frame) {
	p.Helper()
	for answers > 0 {
		f := p.Next()
		all = append(all, f)
		switch f.Kind {
		case EOF:
			return all
		case Ready, InitError, Response, Error, End:
			answers--
		}
	}
	return all
}

// Rest returns what comes until the end.
func (p *Process) Rest() []Frame {
	p.Helper()
	return p.Frames(math.MaxInt)
}
