package runtimes

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestNote(t *testing.T) {
	machine := []Detected{
		{Name: "Node.js", Family: Node, Version: "20.20.2"}, {Name: "Node.js", Family: Node, Version: "22.1.0"},
		{Name: "Python", Family: Python, Version: "3.11.7"},
	}
	for id, want := range map[string]string{
		"nodejs20.x": "", "nodejs22.x": "", "nodejs": "", "python3.11": "", "provided.al2023": "", "go1.x": "", "ruby3.3": "",
		"nodejs4.3":  "runtime nodejs4.3 is retired: the function runs on the server's Node.js 20.20.2",
		"nodejs2":    "runtime nodejs2 is retired: the function runs on the server's Node.js 20.20.2",
		"nodejs18.x": "runtime nodejs18.x is not on the server: the function runs on the server's Node.js 20.20.2",
		"python2.7":  "runtime python2.7 is retired: the function runs on the server's Python 3.11.7",
		"python3.1":  "runtime python3.1 is retired: the function runs on the server's Python 3.11.7",
		"python3.12": "runtime python3.12 is not on the server: the function runs on the server's Python 3.11.7",
	} {
		if got := Note(id, machine); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	if got := Note("python3.12", machine[:2]); !strings.Contains(got, "the server has no Python") || !strings.Contains(got, "install Python") {
		t.Errorf("without Python: %q", got)
	}
}

// A folder of PATH may hold interpreters under the names of their versions,
// some of which do not run.
func TestInstalled(t *testing.T) {
	bin := t.TempDir()
	answer := func(path, version string) string {
		// A version manager's script is asked for the program behind it, which
		// is then asked for its version.
		return "#!/bin/sh\ncase \"$2\" in *executable*|*execPath*) echo " + path + ";; *) echo " + version + ";; esac\n"
	}
	for name, content := range map[string]string{
		"node": answer(filepath.Join(bin, "node"), "20.20.2"), "node22": answer(filepath.Join(bin, "node22"), "22.1.0"),
		"nodejs20": answer(filepath.Join(bin, "nodejs20"), "20.20.2"), "node18": "#!/bin/sh\nexit 127\n", "node-gyp": answer("/x", "9"),
	} {
		writeProgram(t, filepath.Join(bin, name), content)
	}
	t.Setenv("PATH", bin)
	var versions []string
	for _, d := range Installed(t.Context()) {
		versions = append(versions, d.Name+" "+d.Version)
	}
	if want := []string{"Node.js 20.20.2", "Node.js 22.1.0"}; !slices.Equal(versions, want) {
		t.Errorf("installed are %q, want %q", versions, want)
	}
}

func writeProgram(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}
