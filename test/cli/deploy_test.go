package cli_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A deployment shows its plan, wants to be told to go ahead, and changes what
// it said; plan changes nothing.
func TestDeploy(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up()
	dir := greeter(t, "one")

	p.run("plan", dir).ok().says("greeter (dev) 4 to add", "+ function  greeter-dev-hello", "+ route     GET /hello")
	p.run("deploy", dir).exits(1).complains("nobody is there to ask: give --yes")
	p.run("ls").ok().says("Nothing is deployed")

	p.run("deploy", dir, "--yes").ok().says("deployed greeter (dev)", "GET  "+s.http+"/hello").
		complains("uploaded 2 code packages")
	s.answers("/hello", `"said":"one","stage":"dev","place":"here"`)
	p.run("deploy", dir).ok().says("nothing to change", "unchanged greeter (dev)").never("uploaded")

	// Only code that changed travels.
	write(t, dir, map[string]string{"hello.js": helloJS("two")})
	p.run("plan", dir).ok().says("1 to change", "~ function  greeter-dev-hello  code").never("greeter-dev-fail")
	s.answers("/hello", "one")
	p.run("deploy", dir, "-y").ok().complains("uploaded 1 code package")
	s.answers("/hello", "two")

	// A manifest that has less removes the rest.
	write(t, dir, map[string]string{"serverless.yml": strings.Split(greeterManifest, "  fail:")[0]})
	p.run("deploy", dir, "-y").ok().says("2 to remove", "- function  greeter-dev-fail", "- route     GET /fail").never("uploaded")
	if status, _ := s.get("/fail"); status != 404 {
		t.Errorf("a removed route answers %d", status)
	}
	s.answers("/hello", "two")
	s.stop()
}

// A deployment that fails, wherever it does, leaves what ran before untouched.
func TestDeployFails(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up()
	dir := greeter(t, "one")
	p.run("deploy", dir, "-y").ok()
	for _, c := range []struct{ manifest, want string }{
		{"service: [", "serverless.yml:1"},
		{strings.Replace(greeterManifest, "hello.handler", "gone.handler", 1), "gone"},
		{strings.Replace(greeterManifest, "GET /fail", "GET /hello", 1), "GET /hello"},
		{strings.Replace(greeterManifest, "runtime: nodejs", "runtime: cobol1", 1), "cobol1"},
		{greeterManifest + "    timeout: 100000\n", "timeout"},
	} {
		write(t, dir, map[string]string{"serverless.yml": c.manifest, "hello.js": helloJS("two")})
		p.run("deploy", dir, "-y").exits(1).complains("error:", c.want)
		s.answers("/hello", "one")
	}
	p.run("deploy", filepath.Join(dir, "nowhere")).exits(1).complains("there is no folder")
	p.run("deploy", t.TempDir()).exits(1).complains("holds no application")
	s.stop()
}

// On a terminal a person is asked, sees colours, and may say no.
func TestDeployAsks(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up()
	dir := greeter(t, "one")
	for _, c := range []struct {
		answer string
		code   int
		says   string
	}{{"n\r", 1, "nothing was changed"}, {"\r", 1, "nothing was changed"}, {"\x04", 1, "nothing was changed"}, {"\x03", -1, ""}, {"y\r", 0, `deployed.* greeter`}} {
		proc := p.terminal(100, "deploy", dir)
		proc.until(proc.out, `\x1b\[32m  \+ function +greeter-dev-hello`)
		proc.until(proc.out, `Deploy these changes\? \[y/N\]`)
		_, _ = io.WriteString(proc.in, c.answer)
		if c.says != "" {
			proc.until(proc.out, c.says)
		}
		if code := proc.end(); code != c.code {
			t.Errorf("after %q it ends with %d, want %d", c.answer, code, c.code)
		}
		if status, _ := s.get("/hello"); (status == 200) != (c.code == 0) {
			t.Errorf("after %q the route answers %d", c.answer, status)
		}
	}
	proc := p.terminal(100, "rm", "greeter")
	proc.until(proc.out, `greeter \(dev\): 2 functions, 2 routes`)
	proc.until(proc.out, `Remove it\? \[y/N\]`)
	_, _ = io.WriteString(proc.in, "yes\r")
	proc.until(proc.out, `removed`)
	p.run("ls").ok().says("Nothing is deployed")
	s.stop()
}

// Stages live beside each other; parameters reach the manifest; rm takes one away.
func TestStagesAndRemove(t *testing.T) {
	t.Parallel()
	p := newPlace(t).with("PINFOLD_FREEZE_AFTER", "-1s") // so that what is ready stays so
	s := p.up()
	dir := greeter(t, "one")
	p.run("deploy", dir, "-y").ok()
	p.run("deploy", filepath.Join(dir, "serverless.yml"), "-y", "--stage", "prod", "--param", "place=a,b=c").ok().
		says("deployed greeter (prod)", ".execute-api.localhost:")
	p.run("invoke", "greeter-prod-hello").ok().says(`"stage":"prod","place":"a,b=c"`)
	p.run("ls").ok().says("greeter (dev)", "greeter (prod)", "greeter/prod", "1 ready")
	p.run("deploy", dir, "--param", "place").exits(2).complains("write key=value")

	p.run("rm", "greeter").exits(1).complains("stages dev, prod", "--stage")
	p.run("rm", "greeter", "--stage", "prod").exits(1).complains("give --yes")
	p.run("rm", "greeter", "--stage", "prod", "--yes").ok().says("removed greeter (prod)")
	p.run("invoke", "greeter-prod-hello").exits(1).complains("Function not found")
	p.run("rm", "greeter/dev", "-y").ok()
	p.run("rm", "greeter", "-y").exits(1).complains("no application greeter is deployed", "pinfold ls")
	if status, _ := s.get("/hello"); status != 404 {
		t.Errorf("a removed application answers %d", status)
	}
	s.stop()
}

// What is not served yet is in the plan with its place, stops a deployment, and
// is left out when that is asked for.
func TestUnserved(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up()
	dir := write(t, t.TempDir(), map[string]string{
		"users/register.js": `exports.handler = async () => ({statusCode: 201, body: process.env.TABLE});`,
		"serverless.yml": `service: users
provider:
  name: aws
  runtime: nodejs4.3
  environment:
    TABLE: ${self:service}-${opt:stage, self:provider.stage}
functions:
  create:
    handler: users/register.handler
    events:
      - http: POST /users
resources:
  Resources:
    UsersTable:
      Type: 'AWS::DynamoDB::Table'
      Properties: {TableName: "${self:provider.environment.TABLE}"}
`})
	const unserved = "AWS::DynamoDB::Table UsersTable (serverless.yml:14)"
	p.run("plan", dir).ok().says("not served yet: " + unserved).
		complains("warning: serverless.yml:4: runtime nodejs4.3 is retired: the function runs on the server's Node.js ")
	p.run("deploy", dir, "-y").exits(1).complains(unserved, "--allow-unserved")
	p.run("ls").ok().says("Nothing is deployed")
	r := p.run("deploy", dir, "-y", "--allow-unserved").ok()
	url := regexp.MustCompile(`POST +(http://\S+)`).FindStringSubmatch(r.out)
	if url == nil {
		t.Fatalf("no URL in:\n%s", r.out)
	}
	p.sh("curl -s -X POST -w ' %{http_code}' " + url[1]).ok().says("users-dev 201")
	s.stop()
}

// No note about a runtime that is there as asked, and one that names the
// version for another.
func TestRuntimeNotes(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up()
	major, _, _ := strings.Cut(strings.TrimSpace(p.sh("node -p process.versions.node").ok().out), ".")
	dir := greeter(t, "one")
	manifest := func(runtime string) {
		write(t, dir, map[string]string{"serverless.yml": strings.Replace(greeterManifest, "runtime: nodejs", "runtime: "+runtime, 1)})
	}
	manifest("nodejs" + major + ".x")
	p.run("plan", dir).ok().never("warning")
	manifest("nodejs98.x")
	p.run("plan", dir).ok().complains("runtime nodejs98.x is not on the server: the function runs on the server's Node.js " + major + ".")
	p.run("plan", dir, "--json").ok().complains(`{"warning":{`, `"file":"serverless.yml"`, `"line":4`)
	s.stop()
}

// A function may ask for more memory than the server's machine has: it is
// deployed, and whoever deploys it is told.
func TestMoreMemoryThanTheMachineHas(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up()
	dir := greeter(t, "one")
	info := p.sh(`eval $(pinfold env) && curl -s --aws-sigv4 "aws:amz:$AWS_REGION:pinfold" -u "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$AWS_ENDPOINT_URL/_pinfold/v1/info"`).ok()
	machine := decode[struct{ MachineMB int }](info).MachineMB
	if machine <= 0 {
		t.Fatalf("the server does not know its machine's memory: %s", info.out)
	}
	write(t, dir, map[string]string{"serverless.yml": greeterManifest + "    memorySize: 10240\n"})
	note := fmt.Sprintf("warning: serverless.yml:%d: memorySize is 10240 MB, and the server has %d MB: the function is held to what the server has", strings.Count(greeterManifest, "\n")+1, machine)
	for _, command := range []string{"plan", "deploy"} {
		args := []string{command, dir, "--yes"}
		if command == "plan" {
			args = args[:2]
		}
		if r := p.run(args...).ok(); machine < 10240 {
			r.complains(note)
		} else {
			r.never("memorySize")
		}
	}
	s.answers("/hello", "one")
	s.stop()
}

// The programs' side of it all.
func TestDeployJSON(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up()
	dir := greeter(t, "one")
	plan := decode[struct {
		App, Stage string
		Changes    []struct{ Op, Kind, Name string }
		Missing    []struct{ SHA256 string }
	}](p.run("plan", dir, "--json").ok())
	if plan.App != "greeter" || len(plan.Changes) != 4 || plan.Changes[0].Op != "+" || len(plan.Missing) != 2 {
		t.Errorf("the plan is %+v", plan)
	}
	p.run("deploy", dir, "--json").exits(1).complains(`{"error":{"code":"Invalid"`, "--yes")
	type deployed struct {
		App    string
		Routes []struct{ Method, URL string }
	}
	if d := decode[deployed](p.run("deploy", dir, "--json", "--yes").ok()); d.App != "greeter" || len(d.Routes) != 2 || d.Routes[0].URL != s.http+"/hello" {
		t.Errorf("deployed is %+v", d)
	}
	again := decode[map[string]any](p.run("plan", dir, "--json").ok())
	if changes, ok := again["changes"].([]any); !ok || len(changes) != 0 {
		t.Errorf("the changes of an unchanged application are %v, want an empty list", again["changes"])
	}
	overview := decode[struct {
		Apps      []deployed
		Functions []struct{ Name, Runtime, App string }
	}](p.run("ls", "--json").ok())
	if len(overview.Apps) != 1 || len(overview.Functions) != 2 || overview.Functions[0].App != "greeter/dev" {
		t.Errorf("ls is %+v", overview)
	}
	write(t, dir, map[string]string{"serverless.yml": strings.Replace(greeterManifest, "hello.handler", "gone.handler", 1)})
	p.run("deploy", dir, "--json", "--yes").exits(1).complains(`"code":"Invalid"`, `"problems":[{`, `"file":"serverless.yml"`, `"line":`)
	if d := decode[deployed](p.run("rm", "greeter", "--json", "--yes").ok()); d.App != "greeter" {
		t.Errorf("removed is %+v", d)
	}
	empty := p.run("ls", "--json").ok()
	empty.says(`"apps": []`, `"functions": []`)
	s.stop()
}

// A narrow terminal gets fewer columns, not broken lines.
func TestNarrowTerminal(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up("--deploy", greeter(t, "one"))
	s.until(s.out, `Try it`)
	wide := p.terminal(200, "ls")
	wide.until(wide.out, `FUNCTION +RUNTIME +INSTANCES +APPLICATION +CHANGED +MEMORY`)
	wide.end()
	narrow := p.terminal(45, "ls")
	narrow.until(narrow.out, `FUNCTION +RUNTIME +INSTANCES`)
	narrow.end()
	_, rows, _ := strings.Cut(narrow.out.String(), "FUNCTION")
	for line := range strings.SplitSeq(rows, "\r\n") {
		if len(strings.ReplaceAll(line, "\x1b[22m", "")) > 45 {
			t.Errorf("%q is wider than the terminal", line)
		}
	}
	s.stop()
}

// Packages are kept between deployments below the user's cache folder.
func TestPackageCache(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up()
	p.run("deploy", greeter(t, "one"), "-y").ok()
	if entries, err := os.ReadDir(filepath.Join(p.home, ".cache", "pinfold", "packages")); err != nil || len(entries) == 0 {
		t.Errorf("the cache of packages holds %v, %v", entries, err)
	}
	s.stop()
}
