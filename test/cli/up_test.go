package cli_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// The first start makes a root key that only its owner can read, and says
// where it is; the command line finds server and key by itself; the next start
// keeps the key.
func TestUp(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up()
	file := s.until(s.out, `root key +(\S+) \(made now`)[1]
	if file != filepath.Join(p.data, "root-key.json") {
		t.Errorf("the root key is in %s, want it in %s", file, p.data)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the root key's file: %v, %v; want mode 0600", info, err)
	}
	walls := s.until(s.out, `sandbox +(namespace\n|process: functions are NOT isolated)`)[1] == "namespace\n"
	p.run("ls").ok().says("Nothing is deployed yet", "pinfold deploy DIR")
	key, _ := os.ReadFile(file)
	s.stop()
	if _, err := os.Stat(filepath.Join(p.data, "running.json")); !os.IsNotExist(err) {
		t.Errorf("a server that has stopped still says that it runs: %v", err)
	}

	s = p.up()
	s.until(s.out, `root key +\S+root-key.json\n`)
	if again, _ := os.ReadFile(file); string(again) != string(key) || len(key) == 0 {
		t.Error("the second start has another root key")
	}
	s.stop()
	if walls && s.err.String() != "" {
		t.Errorf("a server that does nothing complains: %s", s.err)
	}
}

func TestUpRefuses(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() }) // after the parallel tests below
	busy := taken.Addr().String()
	config := func(content string) string {
		return filepath.Join(write(t, t.TempDir(), map[string]string{"pinfold.yml": content}), "pinfold.yml")
	}
	for _, c := range []struct {
		name string
		env  []string
		args []string
		code int
		want []string
	}{
		{"a configuration that is wrong in many ways, all at once",
			[]string{"PINFOLD_REGION", "moon", "PINFOLD_ROOT_ACCESS_KEY_ID", "AKIA", "PINFOLD_CONCURRENCY", "0"},
			[]string{"--config", config("account: '12'\nlogMB: -1\n"), "--http", "8080", "--api", "127.0.0.1:99999"}, 1,
			[]string{"the configuration is not valid", "account", `"moon"`, "give both", "concurrency", "logMB", `"8080" is not an address`, `"127.0.0.1:99999"`}},
		{"an address in use for the API", nil, []string{"--http", "127.0.0.1:0", "--api", busy}, 1, []string{busy + " for the API is in use", "--api"}},
		{"an address in use for the door", nil, []string{"--api", "127.0.0.1:0", "--http", busy}, 1, []string{busy + " for the public door is in use", "--http"}},
		{"a configuration file that is not there", nil, []string{"--config", "/nowhere.yml"}, 1, []string{"there is no configuration file /nowhere.yml"}},
		{"a key that the file must not have", nil, []string{"--config", config("hhtp: 127.0.0.1:1\n")}, 1, []string{"pinfold.yml", "hhtp"}},
		{"a variable of the wrong type", []string{"PINFOLD_IDLE_TIMEOUT", "soon"}, nil, 1, []string{"PINFOLD_IDLE_TIMEOUT", "soon"}},
		{"a data folder that cannot be made", []string{"PINFOLD_DATA", "/dev/null/data"}, anyPort, 1, []string{"data folder", "/dev/null"}},
		{"an argument", nil, []string{"now"}, 2, []string{`up does not know what to do with "now"`, "Usage: pinfold up"}},
		{"an application that is not there", nil, append([]string{"--deploy", "/nowhere"}, anyPort...), 1, []string{"there is no folder /nowhere"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.data = filepath.Join(p.home, "data")
			p = p.with("PINFOLD_DATA", p.data).with(c.env...)
			r := p.run(append([]string{"up"}, c.args...)...).exits(c.code).complains(c.want...)
			if r.out != "" {
				t.Errorf("it says something although it does not start: %s", r.out)
			}
			if _, err := os.Stat(filepath.Join(p.data, "state.db")); !os.IsNotExist(err) {
				t.Errorf("something was opened: %v", err)
			}
		})
	}
}

// Two servers never share a data folder; the second says who the first is.
func TestSecondServerOnOneFolder(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up()
	p.run(append([]string{"up"}, anyPort...)...).exits(1).complains("another Pinfold", s.api, p.data, "--data")
	p.run(append([]string{"up", "--json"}, anyPort...)...).exits(1).complains(`{"error":{"code":"Conflict"`)
	p.run("ls").ok()
	s.signal(syscall.SIGKILL) // a killed server leaves no lock
	s.end()
	p.up().stop()
}

// Flags win over the environment, the environment over the file.
func TestSettings(t *testing.T) {
	t.Parallel()
	p := newPlace(t).with("PINFOLD_REGOIN", "misspelt", "PINFOLD_REGION", "eu-west-1", "PINFOLD_ACCOUNT", "222222222222", "PINFOLD_API", "http://127.0.0.1:0")
	file := filepath.Join(p.home, "c.yml")
	write(t, p.home, map[string]string{"c.yml": "region: eu-central-1\naccount: '111111111111'\nhttp: 127.0.0.1:0\n"})
	s := p.start("up", "--config", file, "--account", "333333333333", "--json")
	s.until(s.out, `"account": "333333333333",\s+"region": "eu-west-1"`)
	s.until(s.err, `"level":"WARN".*PINFOLD_REGOIN`)
	s.stop()
}

func TestRootKeyGiven(t *testing.T) {
	t.Parallel()
	p := newPlace(t).with("PINFOLD_ROOT_ACCESS_KEY_ID", "AKIAGIVEN", "PINFOLD_ROOT_SECRET_ACCESS_KEY", "secret/of+mine")
	s := p.up()
	s.until(s.out, `root key +as configured`)
	if _, err := os.Stat(filepath.Join(p.data, "root-key.json")); !os.IsNotExist(err) {
		t.Errorf("a key was made although one was given: %v", err)
	}
	p.run("ls").ok()
	p.run("env").ok().says("AWS_ACCESS_KEY_ID=AKIAGIVEN;", "AWS_SECRET_ACCESS_KEY=secret/of+mine;")
	p.with("PINFOLD_ROOT_SECRET_ACCESS_KEY", "another").run("ls").exits(1).complains("signature", "signed with PINFOLD_ROOT_ACCESS_KEY_ID")
	p.with("PINFOLD_ROOT_SECRET_ACCESS_KEY", "").run("ls").exits(1).complains("set both or neither")
	p.with("PINFOLD_ROOT_ACCESS_KEY_ID", "", "PINFOLD_ROOT_SECRET_ACCESS_KEY", "").run("ls").exits(1).complains("no root key", "--data")
	s.stop()
}

// A server that is asked to stop lets a running invocation finish, takes no
// new ones, and says what it waits for.
func TestDrain(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*server){
		"SIGINT":             func(s *server) { s.signal(syscall.SIGINT) },
		"SIGTERM":            func(s *server) { s.signal(syscall.SIGTERM) },
		"Ctrl-C, a terminal": func(s *server) { _, _ = io.WriteString(s.in, "\x03") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			function := newWaiter(t)
			args := slices.Concat([]string{"up", "--deploy", function.dir}, anyPort)
			start := p.start
			if strings.HasPrefix(name, "Ctrl") {
				start = func(args ...string) *process { return p.terminal(200, args...) }
			}
			s := ready(start(args...))
			s.until(s.out, `Try it`)
			logs := p.start("logs", "-f")
			answered := make(chan string, 1)
			go func() {
				resp, err := http.Get(s.http + "/wait")
				if err != nil {
					answered <- err.Error()
					return
				}
				body, _ := io.ReadAll(resp.Body)
				answered <- resp.Status + " " + string(body)
			}()
			pid := logs.until(logs.out, `begun as process (\d+)`)[1]
			stop(s)
			s.until(s.err, `stopping: running invocations have 30s to finish; Ctrl-C again`)
			if _, err := http.Get(s.http + "/wait"); err == nil {
				t.Error("a server that is stopping takes another request")
			}
			function.release(t, pid)
			if got := <-answered; got != `200 OK "released"` && got != `200 OK released` {
				t.Errorf("the running invocation answers %s", got)
			}
			if code := s.end(); code != 0 {
				t.Errorf("the server ended with %d", code)
			}
		})
	}
}

// A second signal does not wait.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	function := newWaiter(t)
	s := p.up("--deploy", function.dir)
	s.until(s.out, `Try it`)
	logs := p.start("logs", "-f")
	call := p.start("invoke", function.function)
	logs.until(logs.out, `begun`)
	s.signal(syscall.SIGINT)
	s.until(s.err, `Ctrl-C again ends them now`)
	s.signal(syscall.SIGINT)
	if code := s.end(); code != -1 {
		t.Errorf("the server ended with %d, want the signal to end it", code)
	}
	if code := call.end(); code != 1 || !strings.Contains(call.err.String(), "error:") {
		t.Errorf("the caller ended with %d: %s", code, call.err)
	}
}

// `up --deploy` prints a curl line that works when it is pasted.
func TestUpDeploy(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up("--deploy", "../../examples/hello")
	s.until(s.out, `\+ function +hello-dev-hello\b`)
	line := s.until(s.out, `Try it:\n +(curl .*)\n`)[1]
	s.until(s.out, `Ctrl-C stops the server`)
	p.sh(line).ok().says("Hello, world!")
	s.answers("/hello-py/Ada", "Hello, Ada!")
	s.stop()
}

// A deployment that fails ends a server that was started for it.
func TestUpDeployFails(t *testing.T) {
	t.Parallel()
	dir := write(t, t.TempDir(), map[string]string{"serverless.yml": "service: x\nprovider: {name: aws, runtime: nodejs}\nfunctions:\n  a: {handler: gone.handler}\n", "here.js": ""})
	newPlace(t).run(slices.Concat([]string{"up", "--deploy", dir}, anyPort)...).exits(1).complains("serverless.yml:4", "gone")
}
