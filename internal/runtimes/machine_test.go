package runtimes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The machine has Node.js 20 and, under its own name, 22; and Python 3.11
// behind a version manager, which also has a name for a 3.12 that is not there.
func TestMachineNote(t *testing.T) {
	bin := t.TempDir()
	real := filepath.Join(bin, "real", "python3")
	for name, content := range map[string]string{
		"node":       "#!/bin/sh\ncase $2 in *execPath*) echo " + filepath.Join(bin, "real", "node") + ";; esac\n",
		"node22":     "\x7fELF, and never run: its name says enough",
		"python3":    "#!/bin/sh\necho " + real + "\n",
		"python3.11": "#!/bin/sh\necho " + real + "\n",
		"python3.12": "#!/bin/sh\nexit 127\n",
		"real/node":  "#!/bin/sh\necho 20.20.2\n", "real/python3": "#!/bin/sh\necho 3.11.7\n",
	} {
		path := filepath.Join(bin, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	var machine Machine
	for id, want := range map[string]string{
		"nodejs20.x": "", "nodejs22.x": "", "nodejs": "", "python3.11": "", "provided.al2023": "", "go1.x": "", "ruby3.3": "",
		"nodejs4.3":  "runtime nodejs4.3 is retired: the function runs on the server's Node.js 20.20.2",
		"nodejs2":    "runtime nodejs2 is retired: the function runs on the server's Node.js 20.20.2",
		"nodejs18.x": "runtime nodejs18.x is not on the server: the function runs on the server's Node.js 20.20.2",
		"python2.7":  "runtime python2.7 is retired: the function runs on the server's Python 3.11.7",
		"python3.1":  "runtime python3.1 is retired: the function runs on the server's Python 3.11.7",
		"python3.12": "runtime python3.12 is not on the server: the function runs on the server's Python 3.11.7",
	} {
		if got := machine.Note(t.Context(), id); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if got := new(Machine).Note(t.Context(), "python3.12"); !strings.Contains(got, "the server has no Python") || !strings.Contains(got, "install Python") {
		t.Errorf("without Python: %q", got)
	}
}
