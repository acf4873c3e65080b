package runtimes

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/namespace"
	"pinfold.dev/pinfold/internal/sandbox/process"
)

// lab is a launcher with everything that it needs, for functions that a test
// writes down as files.
type lab struct {
	testing.TB
	launcher *Launcher
	logs     *logbook
	packages map[string]string // folder by package hash
	layers   string
}

// walls is a driver and the folder that it keeps its sandboxes in.
type walls struct {
	sandbox.Driver
	dir string
}

// behind runs a test behind every kind of walls: what a function sees of the
// runtime is the same.
func behind(t *testing.T, test func(*testing.T, walls)) {
	inTurn(t, func(t *testing.T, w walls) {
		t.Parallel()
		test(t, w)
	})
}

// inTurn is behind for a test that changes this process's environment.
func inTurn(t *testing.T, test func(*testing.T, walls)) {
	t.Run("process", func(t *testing.T) { test(t, none(t)) })
	t.Run("namespace", func(t *testing.T) { test(t, namespaces(t)) })
}

// none returns the driver without walls.
func none(t testing.TB) walls {
	t.Helper()
	dir := t.TempDir()
	driver, err := process.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return walls{driver, dir}
}

// namespaces returns the driver with the walls that Linux has, or skips the test
// where they cannot be built.
func namespaces(t testing.TB) walls {
	t.Helper()
	dir := t.TempDir()
	driver, err := namespace.New(t.Context(), namespace.Options{Dir: dir})
	if err != nil && (os.Geteuid() != 0 || goruntime.GOOS != "linux") {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := driver.Close(); err != nil {
			t.Error(err)
		}
	})
	return walls{driver, dir}
}

func newLab(t testing.TB, w walls, change ...func(*Options)) *lab {
	t.Helper()
	l := &lab{TB: t, logs: &logbook{}, packages: map[string]string{}}
	o := Options{
		Driver: w, Code: l, Logs: l.logs, RunDir: t.TempDir(), Endpoint: "http://127.0.0.1:4566",
		Env: func(*pinfold.Version) map[string]string { return map[string]string{"AWS_ACCESS_KEY_ID": "ASIATEST"} },
	}
	for _, c := range change {
		c(&o)
	}
	var err error
	if l.launcher, err = NewLauncher(o); err != nil {
		t.Fatal(err)
	}
	return l
}

// Dir makes lab the Code of its launcher.
func (l *lab) Dir(_ context.Context, p pinfold.Package) (string, error) {
	dir, ok := l.packages[p.SHA256]
	if !ok {
		return "", pinfold.Errorf(pinfold.NotFound, "no package %s", p.SHA256)
	}
	return dir, nil
}

func (l *lab) Layers(context.Context, []pinfold.Package) (string, error) { return l.layers, nil }

// files writes a folder; a name that ends in + is executable.
func (l *lab) files(content map[string]string) string {
	l.Helper()
	dir := l.TempDir()
	for name, text := range content {
		mode := os.FileMode(0o644)
		if trimmed, ok := strings.CutSuffix(name, "+"); ok {
			name, mode = trimmed, 0o755
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			l.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			l.Fatal(err)
		}
	}
	return dir
}

// version makes a version of a function out of files.
func (l *lab) version(runtime, handler string, files map[string]string, change ...func(*pinfold.Config)) *pinfold.Version {
	l.Helper()
	dir := l.files(files)
	l.packages[dir] = dir
	v := &pinfold.Version{
		Ref:    pinfold.FunctionRef{Account: "123456789012", Region: "eu-west-1", Name: "under-test", Qualifier: "$LATEST"},
		Config: pinfold.Config{Runtime: runtime, Handler: handler, MemoryMB: 128, Timeout: 30},
		Code:   pinfold.Package{SHA256: dir},
	}
	for _, c := range change {
		c(&v.Config)
	}
	return v
}

// launch launches an instance that the test closes.
func (l *lab) launch(v *pinfold.Version) *Instance {
	l.Helper()
	in, err := l.launcher.Launch(l.Context(), v, How{})
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		if err := in.Close(); err != nil {
			l.Error(err)
		}
	})
	return in
}

// invoke runs one invocation and waits until the instance has done with it, or
// the caller with waiting.
func invoke(in *Instance, ctx context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
	over := make(chan struct{})
	res, err := in.Invoke(ctx, inv, func() { close(over) })
	select {
	case <-over:
	case <-ctx.Done():
	}
	return res, err
}

const testID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"

// call invokes an instance and fails the test if the platform fails.
func (l *lab) call(in *Instance, event string) *pinfold.Result {
	l.Helper()
	res, err := invoke(in, l.Context(), &pinfold.Invocation{
		ID: testID, Payload: []byte(event), WantLogTail: true, TraceID: "Root=1-5759e988-bd862e3fe1be46a994272793",
		Function: in.version.Ref.With("live"),
	})
	if err != nil {
		l.Fatal(err)
	}
	return res
}

// once launches a function and calls it.
func (l *lab) once(v *pinfold.Version, event string) *pinfold.Result {
	l.Helper()
	return l.call(l.launch(v), event)
}

// errorOf decodes an error envelope.
func (l *lab) errorOf(res *pinfold.Result) (e struct {
	ErrorType, ErrorMessage string
	Trace                   []string
	StackTrace              json.RawMessage // Go's has objects in it
	RequestID               *string
}) {
	l.Helper()
	if res.FunctionError != "Unhandled" {
		l.Fatalf("the function did not fail; it answered %s", res.Payload)
	}
	if err := json.Unmarshal(res.Payload, &e); err != nil {
		l.Fatalf("the error envelope is %q: %v", res.Payload, err)
	}
	return e
}

// fault is a function that fails, and how the caller, the log and the next caller
// hear of it.
type fault struct {
	code     string
	handler  string
	kind     string
	message  string // a regular expression for all of it
	log      string // part of the log; "" asks for nothing
	reusable bool   // the instance works on
}

// faults calls functions that fail, with {} or with what is no JSON.
func faults(t *testing.T, w walls, runtime, file string, tests map[string]fault) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, w)
			in := l.launch(l.version(runtime, test.handler, map[string]string{file: test.code}))
			event := `{}`
			if name == "unmarshal" {
				event = `{`
			}
			res := l.call(in, event)
			e := l.errorOf(res)
			if e.ErrorType != test.kind || !regexp.MustCompile("^(?:"+test.message+")$").MatchString(e.ErrorMessage) {
				t.Errorf("%s: %q, want %s: %s\n%s", e.ErrorType, e.ErrorMessage, test.kind, test.message, res.LogTail)
			}
			if !strings.Contains(string(res.LogTail), test.log) {
				t.Errorf("the log does not hold %q:\n%s", test.log, res.LogTail)
			}
			if in.Reusable() != test.reusable {
				t.Errorf("reusable: %v", in.Reusable())
			}
			if !test.reusable {
				<-in.Done()
				if _, err := invoke(in, t.Context(), &pinfold.Invocation{ID: "x", Payload: []byte("{}")}); pinfold.ReasonOf(err) != "InstanceGone" {
					t.Errorf("a second invocation: %v", err)
				}
			}
		})
	}
}

// logbook keeps log lines.
type logbook struct {
	mu    sync.Mutex
	lines []pinfold.LogLine
}

func (b *logbook) Source(common pinfold.LogLine) pinfold.LogSource { return page{b, common} }

// page is what one instance writes into a logbook.
type page struct {
	book   *logbook
	common pinfold.LogLine
}

func (p page) Write(at time.Time, requestID string, system bool, text []byte) {
	line := p.common
	line.Time, line.RequestID, line.System, line.Text = at, requestID, system, string(text)
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	p.book.lines = append(p.book.lines, line)
}

func (b *logbook) all() []pinfold.LogLine {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.lines)
}

// find returns the first line that holds text.
func (b *logbook) find(text string) (pinfold.LogLine, error) {
	all := b.all()
	for _, line := range all {
		if strings.Contains(line.Text, text) {
			return line, nil
		}
	}
	return pinfold.LogLine{}, fmt.Errorf("no line holds %q; the log is:\n%v", text, texts(all))
}

func texts(lines []pinfold.LogLine) string {
	var b strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&b, "%q\n", line.Text)
	}
	return b.String()
}
