package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dev deploys a folder, deploys again what is edited, shows mistakes while what
// ran before still answers, shows logs, and leaves nothing behind.
func TestDev(t *testing.T) {
	t.Parallel()
	p := newPlace(t).with("PINFOLD_DATA", "")
	dir := greeter(t, "one")
	s := p.dev(dir)
	data := s.until(s.out, `data +(\S+) \(removed at the end\)`)[1]
	s.until(s.out, `credentials +any are accepted`)
	line := s.until(s.out, `Try it:\n +(curl .*)\n`)[1]
	p.sh(line).ok().says("one")
	s.until(s.out, `greeter-dev-hello.*saying one\n`)
	s.until(s.out, `greeter-dev-hello.*REPORT`)

	// Whoever asks is the owner, whatever the key.
	stranger := p.with("PINFOLD_API", s.api, "PINFOLD_ROOT_ACCESS_KEY_ID", "AKIASTRANGER", "PINFOLD_ROOT_SECRET_ACCESS_KEY", "x")
	stranger.run("ls").ok().says("greeter-dev-hello")
	p.with("PINFOLD_API", s.api).run("ls").ok().says("greeter-dev-hello")

	write(t, dir, map[string]string{"hello.js": helloJS("two")})
	s.until(s.out, `changed: hello\.js\n`)
	s.until(s.out, `~ function +greeter-dev-hello +code`)
	s.until(s.out, `deployed in \d+ ms`)
	s.answers("/hello", "two")
	s.until(s.out, `saying two`)

	// A mistake: shown with its place, and the old code answers.
	write(t, dir, map[string]string{"serverless.yml": strings.Replace(greeterManifest, "hello.handler", "gone.handler", 1), "hello.js": helloJS("three")})
	s.until(s.err, `error: serverless\.yml:\d+:\d+: .*gone`)
	s.until(s.err, `what ran before still runs; waiting for a change`)
	s.answers("/hello", "two")
	write(t, dir, map[string]string{"serverless.yml": "service: greeter\nfunctions: [oops\n"})
	s.until(s.err, `error: serverless\.yml:\d`)
	s.answers("/hello", "two")
	write(t, dir, map[string]string{"serverless.yml": greeterManifest})
	s.until(s.out, `deployed in \d+ ms`)
	s.answers("/hello", "three")

	// An edit that changes nothing of the application says so.
	write(t, dir, map[string]string{"README.md": "notes"})
	s.until(s.err, `nothing to deploy`)

	if strings.Contains(s.out.String()+s.err.String(), "\x1b[") {
		t.Error("there are colours although nobody looks")
	}
	s.signal(syscall.SIGTERM)
	if code := s.end(); code != 0 {
		t.Errorf("dev ended with %d", code)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("the throwaway data is still there: %v", err)
	}
}

// A mistake at the start is waited for, too.
func TestDevStartsWithMistake(t *testing.T) {
	t.Parallel()
	dir := greeter(t, "one")
	write(t, dir, map[string]string{"serverless.yml": "service: [\n"})
	s := newPlace(t).dev(dir)
	s.until(s.err, `error: serverless\.yml`)
	s.until(s.err, `nothing runs yet; waiting for a change`)
	write(t, dir, map[string]string{"serverless.yml": greeterManifest})
	s.until(s.out, `Try it`)
	s.answers("/hello", "one")
	s.stop()
}

var coloured = regexp.MustCompile(`\x1b\[([\d;]+)m(greeter-dev-\w+) *\x1b\[`)

// On a terminal each function has a colour of its own; NO_COLOR takes them away.
func TestDevColours(t *testing.T) {
	t.Parallel()
	s := ready(newPlace(t).terminal(120, append([]string{"dev", greeter(t, "one")}, anyPort...)...))
	s.until(s.out, `Try it`)
	s.answers("/hello", "one")
	s.until(s.out, `greeter-dev-hello.*saying one`)
	s.get("/fail")
	s.until(s.out, `greeter-dev-fail[^\n]*Invoke Error\r\n  TypeError: on purpose\r\n +at `)
	colours := map[string]string{}
	for _, m := range coloured.FindAllStringSubmatch(s.out.String(), -1) {
		if before, seen := colours[m[2]]; seen && before != m[1] {
			t.Errorf("%s has the colours %s and %s", m[2], before, m[1])
		}
		colours[m[2]] = m[1]
	}
	if len(colours) != 2 || colours["greeter-dev-hello"] == colours["greeter-dev-fail"] {
		t.Errorf("the functions' colours are %v, want one each", colours)
	}
	_, _ = s.in.Write([]byte("\x03"))
	if code := s.end(); code != 0 {
		t.Errorf("Ctrl-C ends dev with %d", code)
	}

	s = ready(newPlace(t).with("NO_COLOR", "1").terminal(120, append([]string{"dev", greeter(t, "one")}, anyPort...)...))
	s.until(s.out, `Try it`)
	s.answers("/hello", "one")
	s.until(s.out, `saying one`)
	if strings.Contains(s.out.String(), "\x1b[") {
		t.Errorf("NO_COLOR is set, and still there are colours: %q", s.out)
	}
}

// Stage and parameters reach the application; a data folder that is named stays.
func TestDevStageAndData(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.dev("--stage", "test", "--param", "place=a,b=c", greeter(t, "one"))
	s.until(s.out, `Try it`)
	s.answers("/hello", `"stage":"test","place":"a,b=c"`)
	s.stop()
	if _, err := os.Stat(filepath.Join(p.data, "state.db")); err != nil {
		t.Errorf("the data in PINFOLD_DATA is gone: %v", err)
	}
	config := filepath.Join(write(t, t.TempDir(), map[string]string{"c.yml": "data: " + p.data + "\n"}), "c.yml")
	s = p.with("PINFOLD_DATA", "").dev("--config", config, greeter(t, "one"))
	s.until(s.out, `data +`+p.data+`\n`)
	s.stop()
}

// A folder without an application is refused before anything starts.
func TestDevWithoutManifest(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.run("dev", t.TempDir()).exits(1).complains("holds no application", "serverless.yml")
	if r.out != "" {
		t.Errorf("something was started: %s", r.out)
	}
	p.run("dev", "/nowhere").exits(1).complains("there is no folder /nowhere")
	p.run("dev", "a", "b").exits(2).complains("Usage: pinfold dev [DIR]")
}

// Edits are seen deep in a folder of many files, in folders made later, in
// files that the manifest reads from elsewhere, and through a link.
func TestDevSeesEdits(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	files := map[string]string{
		"shared.yml":         "word: one\n",
		"app/serverless.yml": "service: many\nprovider: {name: aws, runtime: nodejs, environment: {WORD: '${file(../shared.yml):word}'}}\nfunctions:\n  f:\n    handler: f.handler\n    events: [{httpApi: GET /f}]\n",
		"app/f.js":           `exports.handler = async () => process.env.WORD + " " + require("./lib/d7/deep/deep.js") + " " + (() => { try { return require("./new/new.js") } catch { return "none" } })();`,
	}
	for i := range 40 {
		files[fmt.Sprintf("app/lib/d%d/deep/deep.js", i)] = `module.exports = "deep";`
		for j := range 25 {
			files[fmt.Sprintf("app/lib/d%d/file%d.js", i, j)] = "module.exports = 1;"
		}
	}
	write(t, root, files)
	link := filepath.Join(root, "link")
	if err := os.Symlink(filepath.Join(root, "app"), link); err != nil {
		t.Fatal(err)
	}
	s := newPlace(t).dev(link)
	s.until(s.out, `Try it`)
	s.answers("/f", "one deep none")
	for _, step := range []struct{ file, content, want string }{
		{"app/lib/d7/deep/deep.js", `module.exports = "deeper";`, "one deeper none"},
		{"shared.yml", "word: two\n", "two deeper none"},
		{"app/new/new.js", `module.exports = "new";`, "two deeper new"},
		{"app/new/new.js", `module.exports = "newer";`, "two deeper newer"},
	} {
		write(t, root, map[string]string{step.file: step.content})
		s.until(s.out, `deployed in \d+ ms`)
		s.answers("/f", step.want)
	}
	s.stop()
}

// With --json everything is JSON: what started, what was deployed, logs, changes.
func TestDevJSON(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	dir := greeter(t, "one")
	proc := p.start(append([]string{"dev", dir, "--json"}, anyPort...)...)
	s := &server{process: proc, http: proc.until(proc.out, `"http": "(http://[^"]+)"`)[1]}
	s.until(s.out, `"deployedAt"`)
	s.answers("/hello", "one")
	s.until(s.out, `\{"log":.*saying one`)
	write(t, dir, map[string]string{"serverless.yml": "service: [\n"})
	s.until(s.out, `\{"changed":"serverless.yml"\}`)
	s.until(s.err, `\{"error":.*"problems":\[\{.*"line":\d+.*\}\]`)
	s.stop()
	for _, output := range []*stream{s.out, s.err} {
		for dec := json.NewDecoder(strings.NewReader(output.String())); dec.More(); {
			var v map[string]any
			if err := dec.Decode(&v); err != nil {
				t.Fatalf("%v in:\n%s", err, output)
			}
		}
	}
}

// A killed dev cannot clear up; the next one does, and leaves others' alone.
func TestDevClearsUpAfterKilled(t *testing.T) {
	t.Parallel()
	p := newPlace(t).with("PINFOLD_DATA", "")
	dir := greeter(t, "one")
	var folders []string
	var servers []*server
	for range 2 {
		s := p.dev(dir)
		folders = append(folders, s.until(s.out, `data +(\S+) \(removed`)[1])
		s.until(s.out, `Try it`)
		servers = append(servers, s)
	}
	servers[0].signal(syscall.SIGKILL)
	servers[0].end()
	long := time.Now().Add(-time.Hour)
	for _, folder := range folders {
		if err := os.Chtimes(folder, long, long); err != nil {
			t.Fatal(err)
		}
	}
	p.dev(dir).stop()
	if _, err := os.Stat(folders[0]); !os.IsNotExist(err) {
		t.Errorf("what the killed one left is still there: %v", err)
	}
	if _, err := os.Stat(folders[1]); err != nil {
		t.Errorf("the data of one that runs is gone: %v", err)
	}
	servers[1].answers("/hello", "one")
	servers[1].stop()
}
