package cli_test

import (
	"os/exec"
	"strings"
	"testing"
)

var commands = []string{"up", "dev", "deploy", "plan", "rm", "ls", "invoke", "logs", "map", "network", "env", "doctor", "version"}

// Each command's help says what it does at length, and shows it.
func TestHelpTeaches(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	overview := p.run("--help").ok()
	for _, name := range commands {
		overview.says("  " + name + " ")
		r := p.run(name, "--help").ok().says("Usage:\n  pinfold "+name, "Flags:", "--json")
		if name != "version" {
			r.says("Examples:\n  ", "pinfold "+name)
			if long, _, _ := strings.Cut(r.out, "\n\nUsage:"); strings.Count(long, "\n") == 0 {
				t.Errorf("the help of %s is one line: %s", name, long)
			}
		}
		for line := range strings.SplitSeq(r.out, "\n") {
			if len(line) > 100 {
				t.Errorf("the help of %s is wide: %s", name, line)
			}
		}
		r.never("(default [])", " string ")
	}
	p.run().ok().says("Start here:")
}

// What is not understood ends with 2, says why, and how to go on.
func TestMisunderstood(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.run("ls", "--wat", "--json").exits(2).complains(`{"error":`) // wherever it stands
	for _, c := range []struct {
		line string
		want []string
	}{
		{"wat", []string{`there is no command "wat"`, "Usage: pinfold COMMAND", "pinfold --help"}},
		{"depoly", []string{"did you mean deploy?"}},
		{"completion wat", []string{`there is no command "wat"`}},
		{"ls --wat", []string{"unknown flag: --wat", "Usage: pinfold ls", "pinfold ls --help"}},
		{"--wat", []string{"unknown flag: --wat"}},
		{"ls now", []string{`ls does not know what to do with "now"`}},
		{"rm", []string{"which APP", "pinfold ls"}},
		{"network", []string{"which FUNCTION", "pinfold ls", "[open|none|DESTINATION...]"}},
		{"map a b", []string{`"b"`, "Usage: pinfold map [FUNCTION]"}},
		{"logs --wat", []string{"unknown flag: --wat", "Usage: pinfold logs [FUNCTION...]"}},
		{"up --http", []string{"--http"}},
	} {
		p.run(strings.Fields(c.line)...).exits(2).complains(append(c.want, "error: ", "Usage: ")...)
		r := p.run(append([]string{"--json"}, strings.Fields(c.line)...)...).exits(2)
		if !strings.HasPrefix(r.err, `{"error":{"code":"Invalid"`) {
			t.Errorf("%s for programs: %s", c.line, r.err)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.run("version").ok().says("pinfold ", "go1.")
	v := decode[map[string]string](p.run("version", "--json").ok())
	if v["version"] == "" || v["os"] == "" || v["arch"] == "" {
		t.Errorf("the version is %v", v)
	}
}

// The scripts are ones that their shells can read, and names come from the server.
func TestCompletion(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := p.run("completion", shell).ok()
		if _, err := exec.LookPath(shell); err == nil {
			p.exec(script.out, shell, "-n").ok()
		} else if !strings.Contains(script.out, "__complete") {
			t.Errorf("the script for %s does not ask for completions", shell)
		}
	}
	s := p.up("--deploy", greeter(t, "one"))
	s.until(s.out, `Try it`)
	for _, c := range []struct{ line, want, never string }{
		{"invoke ", "greeter-dev-hello\tnodejs", ""},
		{"invoke greeter-dev-f", "greeter-dev-fail", "greeter-dev-hello"},
		{"invoke greeter-dev-fail ", ":4", "greeter"},
		{"logs ", "greeter-dev-fail", ""},
		{"logs greeter-dev-fail ", "greeter-dev-hello", "greeter-dev-fail"},
		{"logs --level ", "warn", "greeter"},
		{"map greeter-dev-fail ", ":4", "greeter"},
		{"map --format m", "mermaid", ""},
		{"network greeter-dev-f", "greeter-dev-fail", "greeter-dev-hello"},
		{"network greeter-dev-fail ", "none\tnothing outside", "greeter"},
		{"network greeter-dev-fail none ", ":4", "open"},
		{"rm ", "greeter\tdeployed as dev", ""},
		{"in", "invoke", "logs"},
		{"up --sandbox ", "process", ""},
		{"deploy ", ":16", ""},
		{"ls ", ":4", "greeter"},
	} {
		words := strings.Split(c.line, " ")
		r := p.run(append([]string{"__complete"}, words...)...).ok().says(c.want)
		if c.never != "" {
			r.never(c.never)
		}
	}
	s.stop()
	// Without a server there is nothing to offer, and nothing to say.
	if r := p.run("__complete", "invoke", "").ok(); strings.TrimSpace(r.out) != ":4" {
		t.Errorf("without a server completion says %q", r.out)
	}
	if _, err := exec.LookPath("bash"); err == nil {
		p.exec("", "bash", "-c", "source <("+binary+" completion bash) && complete -p pinfold").ok().says("pinfold")
	}
}
