package cli_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestInvoke(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up("--deploy", greeter(t, "one"))
	s.until(s.out, `Try it`)
	const hello = "greeter-dev-hello"

	p.run("invoke", hello).ok().says(`"event":{}`).never("START")
	p.run("invoke", hello, "--payload", `{"n":1.50}`).ok().says(`"event":{"n":1.5}`)
	write(t, p.home, map[string]string{"event.json": `{"from":"a file"}`})
	p.run("invoke", hello, "-p", "@"+filepath.Join(p.home, "event.json")).ok().says(`{"from":"a file"}`)
	p.pipe(`{"from":"standard input"}`, "invoke", hello, "-p", "-").ok().says(`{"from":"standard input"}`)
	p.run("invoke", hello+":1").ok().says("one")
	p.run("invoke", "arn:aws:lambda:us-east-1:000000000000:function:"+hello).ok().says("one")

	// The log goes to the standard error, so that the answer can be piped.
	p.run("invoke", hello, "--log").ok().complains("START RequestId", "saying one", "REPORT")
	if r := p.run("invoke", hello, "--log"); !json.Valid([]byte(r.out)) {
		t.Errorf("with --log the output is not the answer alone: %s", r.out)
	}

	// A function that fails.
	p.run("invoke", "greeter-dev-fail").exits(1).says(`"errorType":"TypeError"`, "on purpose").complains("error: the function failed (Unhandled)")
	failed := decode[struct {
		FunctionError, ExecutedVersion, Log string
		Payload                             struct{ ErrorMessage string }
	}](p.run("invoke", "greeter-dev-fail", "--json", "--log").exits(1))
	if failed.FunctionError != "Unhandled" || failed.Payload.ErrorMessage != "on purpose" || failed.ExecutedVersion != "$LATEST" || !strings.Contains(failed.Log, "REPORT") {
		t.Errorf("the failure is %+v", failed)
	}

	// Mistakes.
	p.run("invoke", hello, "--payload", "{oops").exits(1).complains("the payload is not JSON", "--payload '{")
	p.run("invoke", hello, "--payload", "@/nowhere.json").exits(1).complains("/nowhere.json")
	p.run("invoke", "nobody").exits(1).complains("Function not found", "nobody", "`pinfold ls`")
	p.run("invoke", "hello").exits(1).complains("did you mean greeter-dev-hello?")
	p.run("invoke", hello+":7").exits(1).complains("7")
	p.run("invoke", "no such name!").exits(1)
	p.run("invoke", "nobody", "--json").exits(1).complains(`{"error":{"code":"NotFound"`, `"reason":"ResourceNotFoundException"`)
	p.run("invoke").exits(2).complains("FUNCTION", "Usage: pinfold invoke FUNCTION")
	big := filepath.Join(write(t, t.TempDir(), map[string]string{"big.json": `"` + strings.Repeat("x", 7<<20) + `"`}), "big.json")
	p.run("invoke", hello, "-p", "@"+big).exits(1).complains("6291456")

	// On a terminal the answer is easier to read.
	tty := p.terminal(100, "invoke", hello)
	tty.until(tty.out, `\{\r\n  "said": "one",\r\n`)
	tty.end()
	s.stop()
}

func TestLogs(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up("--deploy", greeter(t, "one"))
	s.until(s.out, `Try it`)
	const hello = "greeter-dev-hello"
	if r := p.run("logs").ok(); r.out != "" || !strings.Contains(r.err, "no such lines") {
		t.Errorf("without lines it says %q %q", r.out, r.err)
	}
	follow := p.start("logs", "-f", hello)
	all := p.start("logs", "--follow", "--json")
	p.run("invoke", hello).ok()
	follow.until(follow.out, `saying one`)
	follow.until(follow.out, `REPORT RequestId`)
	all.until(all.out, `"text":"[^"]*saying one`)
	p.run("invoke", "greeter-dev-fail").exits(1)
	all.until(all.out, `"function":"greeter-dev-fail"[^\n]*on purpose`)
	if strings.Contains(follow.out.String(), "on purpose") {
		t.Error("the log of one function has another's lines")
	}

	p.run("logs").ok().says(hello+" ", "greeter-dev-fail ", "saying one", "on purpose")
	p.run("logs", hello).ok().says("START", "saying one").never("on purpose", hello+" ")
	p.run("logs", "arn:aws:lambda:us-east-1:000000000000:function:"+hello).ok().says("saying one")
	p.run("logs", "--filter", "purpose").ok().says("on purpose").never("saying one")
	p.run("logs", "--since", "1h", hello).ok().says("saying one")
	p.run("logs", "--since", "2999-01-01T00:00:00Z").ok().never("saying")
	if r := p.run("logs", hello, "--tail", "1").ok().says("REPORT"); strings.Count(r.out, "\n") != 1 {
		t.Errorf("--tail 1 gives\n%s", r.out)
	}
	line := strings.SplitN(p.run("logs", hello, "--json").ok().out, "\n", 2)[0]
	var object struct{ Function, Text string }
	if err := json.Unmarshal([]byte(line), &object); err != nil || object.Function != hello {
		t.Errorf("a line for programs is %s: %v", line, err)
	}

	// Several functions, and what lines say of themselves.
	p.run("logs", hello, "greeter-dev-fail").ok().says(hello+" ", "greeter-dev-fail ", "saying one", "on purpose")
	p.run("logs", "--level", "error").ok().says("on purpose").never("saying one", "START")
	p.run("logs", "--level", "INFO").ok().says("on purpose", "saying one", "START")
	p.run("logs", "--pattern", "saying -purpose").ok().says("saying one").never("on purpose")
	p.run("logs", "--pattern", `?nothing ?"on purpose"`, "--level", "warn").ok().says("on purpose").never("saying one")
	p.run("logs", "--until", "1h").ok().never("saying")
	p.run("logs", "--since", "90000h").ok().says("saying one")
	p.run("logs", "--since", "2015-01-01T00:00:00Z").ok().says("saying one")
	p.run("logs", "--since", "1h", "--until", "2999-01-01T00:00:00Z", hello).ok().says("saying one")
	warned := p.start("logs", "-f", "--level", "error", hello, "greeter-dev-fail")
	warned.until(warned.out, "on purpose")

	p.run("logs", "--level", "loud").exits(1).complains(`"loud" is not a level`, "debug, info")
	p.run("logs", "-f", "--level", "loud").exits(1).complains(`"loud" is not a level`)
	p.run("logs", "--pattern", "{$.level = }").exits(1).complains("Invalid filter pattern: at character 12")
	p.run("logs", "-f", "--pattern", "[").exits(1).complains("Invalid filter pattern: at character 2")
	p.run("logs", "-f", "--until", "1m").exits(1).complains("leave out --follow")
	p.run("logs", "-f", "--trace", strings.Repeat("1", 32)).exits(1).complains("leave out --follow")
	p.run("logs", "--trace", strings.Repeat("1", 32)).exits(1).complains("no record of an invocation in the trace 1111")
	p.run("logs", "--trace", "nonsense").exits(1).complains(`"nonsense" is neither the id of a trace`)
	for _, empty := range []string{"--request", "--trace", "--level"} { // as a script has it whose variable is not set
		p.run("logs", empty, "").exits(1).complains(empty + " is empty")
	}
	p.run("logs", "").exits(2).complains("an argument is empty")
	p.run("logs", "--request", "../../x").ok().complains("no such lines")
	p.run("logs", "--trace", strings.Repeat("0", 32)).exits(1).complains("neither the id of a trace")
	p.run("logs", "--since", "99999999999h").exits(1).complains(`--since "99999999999h"`)
	p.run("logs", "--since", "1h", "--until", "2h").exits(1).complains("--since 1h is not before --until 2h")
	p.run("logs", "--until", "tomorrow").exits(1).complains(`--until "tomorrow"`, "5m")
	p.run("logs", hello, "nobody").exits(1).complains("there is no function nobody", "`pinfold ls`")
	p.run("logs", hello, "fail").exits(1).complains("did you mean greeter-dev-fail?")

	p.run("logs", "nobody").exits(1).complains("there is no function nobody", "`pinfold ls`")
	p.run("logs", "-f", "hello").exits(1).complains("did you mean greeter-dev-hello?")
	p.run("logs", "--since", "yesterday").exits(1).complains(`--since "yesterday"`, "5m")
	p.run("logs", "--tail", "-1").exits(1).complains("--tail -1")
	p.run("logs", "--tail", "x").exits(2).complains("--tail")

	// The log of a function that is gone can still be read.
	p.run("rm", "greeter", "-y").ok()
	p.run("logs", hello).ok().says("saying one")
	s.stop()
	for _, f := range []*process{follow, all, warned} {
		if code := f.end(); code != 0 {
			t.Errorf("following ends with %d when the server stops", code)
		}
	}
}

// eval $(pinfold env) makes a shell's AWS tools talk to the server.
func TestEnv(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.run("env").ok().says("AWS_ENDPOINT_URL=http://127.0.0.1:4566;", "AWS_ACCESS_KEY_ID=pinfold;").complains("good for `pinfold dev` alone")
	s := p.up("--region", "eu-west-3")
	p.run("env").ok().never("pinfold dev")
	const curl = `curl -s --aws-sigv4 "aws:amz:$AWS_REGION:lambda" -u "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$AWS_ENDPOINT_URL/2015-03-31/functions/"`
	p.with("AWS_PROFILE", "work", "AWS_SESSION_TOKEN", "token").sh(`eval $(pinfold env) && echo "[$AWS_PROFILE$AWS_SESSION_TOKEN]" && `+curl).ok().
		says("[]", `"Functions":[]`)
	p.sh(`eval $(pinfold env) && AWS_SECRET_ACCESS_KEY=wrong && ` + curl).ok().says("signature")
	variables := decode[map[string]string](p.run("env", "--json").ok())
	if variables["AWS_ENDPOINT_URL"] != s.api || variables["AWS_REGION"] != "eu-west-3" || variables["AWS_SECRET_ACCESS_KEY"] == "" {
		t.Errorf("the variables are %v", variables)
	}
	if _, err := exec.LookPath("aws"); err != nil {
		t.Log("without the aws command line, that part is not tested")
	} else {
		p.sh(`eval $(pinfold env) && aws sts get-caller-identity`).ok().says(`"Account": "000000000000"`, ":root")
	}
	s.stop()
}

// Where there is no server, the message says what to do.
func TestNoServer(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	door := p.up()
	for _, c := range []struct {
		env  string
		args []string
		want []string
	}{
		{"http://127.0.0.1:1", []string{"ls"}, []string{"no Pinfold answers at http://127.0.0.1:1", "pinfold up", "--server or PINFOLD_API"}},
		{"", []string{"ls", "--server", "127.0.0.1:1"}, []string{"no Pinfold answers at http://127.0.0.1:1"}},
		{"ftp://x", []string{"ls"}, []string{`"ftp://x" is not the URL of a server`}},
		{"http://", []string{"ls"}, []string{"is not the URL of a server"}},
		{door.http, []string{"ls"}, []string{"answers 404", "is it a Pinfold's API?"}},
		{"http://127.0.0.1:1", []string{"deploy", "../../examples/hello"}, []string{"no Pinfold answers"}},
	} {
		p := p.with("PINFOLD_API", c.env)
		p.run(c.args...).exits(1).complains(append(c.want, "error: ")...)
		p.run(append(c.args, "--json")...).exits(1).complains(`{"error":{"code":"`)
	}
	door.stop()
	p.run("ls").exits(1).complains("no Pinfold answers at http://127.0.0.1:4566")
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.run(append([]string{"doctor"}, anyPort...)...).ok().says("Node.js", "Python", "kernel", "API port", "data folder", "isolation")
	type check struct{ Name, Status, Found, Advice string }
	byName := func(r result) map[string]check {
		checks := map[string]check{}
		for _, c := range decode[[]check](r) {
			checks[c.Name] = c
		}
		return checks
	}
	checks := byName(p.run(append([]string{"doctor", "--json"}, anyPort...)...).ok())
	if node := checks["Node.js"]; node.Status != "ok" || !strings.Contains(node.Found, ".") {
		t.Errorf("Node.js: %+v", node)
	}

	s := p.up()
	api, door := strings.TrimPrefix(s.api, "http://"), strings.TrimPrefix(s.http, "http://")
	_, port, _ := strings.Cut(door, ":")
	checks = byName(p.run("doctor", "--json", "--api", api, "--http", "0.0.0.0:"+port).ok())
	for _, name := range []string{"API port", "HTTP port"} {
		if c := checks[name]; c.Status != "ok" || !strings.Contains(c.Found, fmt.Sprint(s.cmd.Process.Pid)) {
			t.Errorf("%s of the server that runs: %+v", name, c)
		}
	}
	if c := checks["accounts"]; c.Status != "ok" || !strings.Contains(c.Found, "nothing was lost") {
		t.Errorf("accounts of the server that runs: %+v", c)
	}
	stranger := newPlace(t)
	stranger.run("doctor", "--api", api, "--http", "127.0.0.1:0").exits(1).says("bad   API port", "in use", "--api")
	s.stop()

	bare := p.with("PATH", t.TempDir())
	checks = byName(bare.run(append([]string{"doctor", "--json"}, anyPort...)...).ok())
	for _, name := range []string{"Node.js", "Python"} {
		if c := checks[name]; c.Status != "weak" || !strings.HasPrefix(c.Advice, "install "+name) {
			t.Errorf("%s that is not there: %+v", name, c)
		}
	}
	p.with("PINFOLD_DATA", "/dev/null/x").run(append([]string{"doctor"}, anyPort...)...).exits(1).says("bad   data folder")
	p.run("doctor", "--region", "moon", "--api", "127.0.0.1:0").exits(1).says("bad   configuration", "moon")
}
