// Package python tests the Python bootstrap alone, frame by frame, with every
// version of Python that PATH has; with the platform's side it is tested in
// package runtimes.
package python

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/runtimes/bootstrap/bootstraptest"
)

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
type process struct{ *bootstraptest.Process }

// start starts the bootstrap and waits for its HELLO.
func start(t testing.TB, python string, args ...string) *process {
	t.Helper()
	main, err := filepath.Abs("main.py")
	if err != nil {
		t.Fatal(err)
	}
	return &process{bootstraptest.Start(t, python, append([]string{"-s", "-B", main}, args...)...)}
}

// load gives the process a function and returns the frames until it is ready or
// says why it is not.
func (p *process) load(files map[string]string, changes map[string]any) []bootstraptest.Frame {
	p.Helper()
	p.Write(files)
	p.Init(map[string]any{"handler": "app.handler", "env": map[string]string{}}, changes)
	return p.Frames(1)
}

// match fails unless the frames are as the expressions say, one each.
func match(t testing.TB, got []bootstraptest.Frame, want ...string) {
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
