// Package node tests the Node.js bootstrap alone, frame by frame; with the
// platform's side it is tested in package runtimes.
package node

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/runtimes/bootstrap/bootstraptest"
)

// process is a bootstrap that runs.
type process struct{ *bootstraptest.Process }

// start starts the bootstrap and waits for its HELLO.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no Node.js")
	}
	main, err := filepath.Abs("index.js")
	if err != nil {
		t.Fatal(err)
	}
	return &process{bootstraptest.Start(t, node, append([]string{main}, args...)...)}
}

// settings are fields of INIT.
type settings = map[string]any

// usual are those of a function about which a test says nothing else.
var usual = settings{"handler": "index.handler", "env": map[string]string{
	"AWS_LAMBDA_FUNCTION_NAME": "under-test", "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs20.x", "AWS_LAMBDA_LOG_FORMAT": "Text",
}}

// load gives the process a function and returns the frames until it is ready or
// says why it is not.
func (p *process) load(files map[string]string, changes settings) []bootstraptest.Frame {
	p.Helper()
	p.Write(files)
	p.Init(usual, changes)
	return p.Frames(1)
}

// told puts frames on a line each, with what changes from run to run left out:
// times, stacks and all but the type and message of an error.
func told(all []bootstraptest.Frame) string {
	var b strings.Builder
	for _, f := range all {
		text := regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z\t`).ReplaceAllString(f.Payload, "")
		text = regexp.MustCompile(`,"(trace|stack)":\[.*\]`).ReplaceAllString(text, "")
		switch {
		case f.Kind == bootstraptest.EOF:
			b.WriteString("(end)\n")
			continue
		case len(text) > 200:
			text = fmt.Sprintf("%.10s... %d", text, len(text))
		}
		fmt.Fprintf(&b, "%v %d %s\n", f.Kind, f.ID, strings.ReplaceAll(strings.ReplaceAll(text, "\n", `\n`), "\x00", "."))
	}
	return b.String()
}

// match compares lines; ... stands for anything in a line.
func match(t *testing.T, got, want string) {
	t.Helper()
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), `\.\.\.`, ".*")
	if !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}
