package runtimes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

func TestSupported(t *testing.T) {
	for _, id := range []string{
		"nodejs", "nodejs4.3", "nodejs6.10", "nodejs8.10", "nodejs12.x", "nodejs18.x", "nodejs22.x", "nodejs26.x",
		"python2.7", "python3.6", "python3.9", "python3.14", "provided", "provided.al2", "provided.al2023", "go1.x",
	} {
		if err := Supported(id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range []string{"", "node20", "nodejsx", "python", "python3", "python4.0", "ruby3.3", "java21", "dotnet8", "provided.al1", "nodejs20.x.y"} {
		err := Supported(id)
		if pinfold.CodeOf(err) != pinfold.Unserved || !strings.Contains(err.Error(), "python3.*") {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// fakes puts programs onto an otherwise empty PATH.
func fakes(t *testing.T, programs map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return dir
}

func TestFindInterpreter(t *testing.T) {
	real := "\x7fELF"
	dir := fakes(t, map[string]string{
		"node": real, "node22": real, "python3.9": "#!/bin/sh\nexit 1\n", "python3": "#!/bin/sh\necho /opt/real/python3.12\n",
	})
	for id, want := range map[string]string{
		"nodejs22.x": dir + "/node22", "nodejs20.x": dir + "/node", "nodejs4.3": dir + "/node", "nodejs": dir + "/node",
		"python3.12": "/opt/real/python3.12", // what the version manager's script says
		"python3.9":  "/opt/real/python3.12", // whose script for 3.9 has nothing behind it
		"python2.7":  "/opt/real/python3.12",
	} {
		parsed, _ := parse(id)
		if got, err := new(finder).find(parsed); err != nil || got != want {
			t.Errorf("%s runs on %q, %v; want %q", id, got, err, want)
		}
	}
	fakes(t, nil)
	if _, err := new(finder).find(identifier{family: Python}); pinfold.CodeOf(err) != pinfold.Unavailable || !strings.Contains(err.Error(), "install Python") {
		t.Errorf("without any: %v", err)
	}
}

// An upgrade of the machine moves interpreters.
func TestInterpreterThatMoved(t *testing.T) {
	var f finder
	old := fakes(t, map[string]string{"node": "\x7fELF"})
	if got, err := f.find(identifier{family: Node}); err != nil || got != old+"/node" {
		t.Fatal(got, err)
	}
	if err := os.Remove(old + "/node"); err != nil {
		t.Fatal(err)
	}
	moved := fakes(t, map[string]string{"node": "\x7fELF"})
	if got, err := f.find(identifier{family: Node}); err != nil || got != moved+"/node" {
		t.Errorf("after the move: %q, %v", got, err)
	}
}

// An interpreter that is not there is not looked for at each glance, but found soon
// after it was installed, and at once by who looks.
func TestInterpreterThatIsInstalledLater(t *testing.T) {
	dir := fakes(t, nil)
	synctest.Test(t, func(t *testing.T) {
		var f, g finder
		if got, err := g.find(identifier{family: Node}); err == nil {
			t.Errorf("found %s", got)
		}
		for _, step := range []struct {
			later time.Duration
			want  string
		}{{0, ""}, {missingFor - 1, ""}, {1, dir + "/node"}} {
			time.Sleep(step.later)
			if got, err := f.glance(identifier{family: Node}); got != step.want || (err == nil) != (got != "") {
				t.Errorf("%v later: %q, %v; want %q", step.later, got, err, step.want)
			}
			if err := os.WriteFile(dir+"/node", []byte("\x7fELF"), 0o755); err != nil {
				t.Fatal(err)
			}
			if got, err := g.find(identifier{family: Node}); got == "" {
				t.Error(err)
			}
		}
	})
}

func TestNote(t *testing.T) {
	fakes(t, map[string]string{
		"node": "#!/bin/sh\necho $0\n", "python3.12": "\x7fELF",
	})
	m := new(Machine)
	for id, want := range map[string]string{
		"nodejs4.3":       "runtime nodejs4.3 is retired: the function runs on the server's Node.js",
		"nodejs22.x":      "runtime nodejs22.x is not on the server: the function runs on the server's Node.js",
		"python3.11":      "the server has no Python, so functions with runtime python3.11 cannot start: install Python",
		"python3.12":      "",
		"provided.al2023": "",
		"ruby3.3":         "",
	} {
		if got := m.Note(t.Context(), id); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q", id, got)
		}
	}
}

func TestDetect(t *testing.T) {
	found := Detect(t.Context())
	if len(found) != 2 || found[0].Family != Node || found[1].Family != Python {
		t.Fatalf("%+v", found)
	}
	for _, d := range found {
		if !filepath.IsAbs(d.Path) || !strings.Contains(d.Version, ".") || d.Name == "" {
			t.Errorf("%+v", d)
		}
	}
	fakes(t, nil)
	for _, d := range Detect(t.Context()) {
		if d.Path != "" || !strings.HasPrefix(d.Advice, "install "+d.Name) {
			t.Errorf("without interpreters: %+v", d)
		}
	}
}
