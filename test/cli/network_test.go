package cli_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// policy is what `pinfold network --json` prints.
type policy struct {
	Function, App string
	Enforced      *bool
	Network       struct {
		Policy string
		Allow  []string
	}
}

// What a manifest says of the network is in the plan, holds, and goes with it.
func TestNetworkOfAManifest(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up()
	dir := greeter(t, "one")
	custom := func(text string) {
		write(t, dir, map[string]string{"serverless.yml": greeterManifest + "custom: {pinfold: {" + text + "}}\n"})
	}
	p.run("deploy", dir, "-y").ok()
	p.run("network", "greeter-dev-hello").ok().says("open\n")
	p.run("ls").ok().never("NETWORK")

	custom("network: none, functions: {hello: {network: [api.example.com, '10.0.0.0/8']}}")
	p.run("plan", dir).ok().says("greeter-dev-hello  network open -> api.example.com 10.0.0.0/8", "greeter-dev-fail   network open -> none")
	p.run("network", "greeter-dev-fail").ok().says("open\n") // a plan changes nothing
	p.run("deploy", dir, "-y").ok().says("2 to change")
	p.run("network", "greeter-dev-hello").ok().says("api.example.com\n10.0.0.0/8\n")
	p.run("network", "greeter-dev-fail").ok().says("none\n")
	p.run("ls").ok().says("NETWORK", "2 destinations", "none")
	p.run("ls", "--json").ok().says(`"policy": "list"`)
	p.run("plan", dir).ok().says("nothing to change")
	s.answers("/hello", "one") // the platform still reaches the function

	// Set by hand, it is what the manifest says again after the next deployment.
	p.run("network", "greeter-dev-hello", "none").ok().says("none\n").complains("warning: the next deployment of greeter/dev sets what its manifest says")
	p.run("deploy", dir, "-y").ok().says("greeter-dev-hello  network none -> api.example.com 10.0.0.0/8")

	custom("netwrok: none")
	p.run("deploy", dir, "-y").exits(1).complains(`serverless.yml:`, `did you mean "network"?`)
	p.run("network", "greeter-dev-fail").ok().says("none\n")
	write(t, dir, map[string]string{"serverless.yml": greeterManifest})
	p.run("deploy", dir, "-y").ok().says("network none -> open")
	p.run("network", "greeter-dev-hello").ok().says("open\n")
	s.stop()
}

// A function that came through the Lambda API has no manifest: its network is
// set by hand, and Lambda's own operations leave it alone.
func TestNetworkOfALambdaFunction(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up("--deploy", greeter(t, "one")) // for its code package
	s.until(s.out, `Try it`)
	packages, err := filepath.Glob(filepath.Join(p.home, ".cache", "pinfold", "packages", "*.zip"))
	if err != nil || len(packages) == 0 {
		t.Fatalf("there is no code package: %v", err)
	}
	zipped, err := os.ReadFile(packages[0])
	if err != nil {
		t.Fatal(err)
	}
	code := base64.StdEncoding.EncodeToString(zipped)
	lambda := func(method, path, body string) string {
		t.Helper()
		return p.sh(fmt.Sprintf(`eval $(pinfold env) && curl -sS -X %s --aws-sigv4 "aws:amz:$AWS_REGION:lambda" -u "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H 'content-type: application/json' "$AWS_ENDPOINT_URL/2015-03-31/functions%s" -d '%s'`, method, path, body)).ok().out
	}
	made := lambda("POST", "", fmt.Sprintf(`{"FunctionName":"mine","Runtime":"nodejs20.x","Handler":"hello.handler","Role":"arn:aws:iam::000000000000:role/x","Code":{"ZipFile":%q}}`, code))
	if !strings.Contains(made, `"FunctionName":"mine"`) {
		t.Fatalf("CreateFunction: %s", made)
	}
	is := func(function, policyWant string, allow ...string) {
		t.Helper()
		got := decode[policy](p.run("network", function, "--json").ok())
		if got.Function != "mine" || got.App != "" || got.Enforced == nil || got.Network.Policy != policyWant || !slices.Equal(got.Network.Allow, allow) {
			t.Errorf("the network of %s is %+v, want %s %q", function, got, policyWant, allow)
		}
	}
	is("mine", "open")
	p.run("network", "mine", "api.example.com", "*.example.org", "db.internal:5432").ok().
		says("api.example.com\n*.example.org\ndb.internal:5432\n").never("deployment")
	is("mine", "list", "api.example.com", "*.example.org", "db.internal:5432")
	lambda("POST", "/mine/versions", `{}`)
	if changed := lambda("PUT", "/mine/configuration", `{"MemorySize":256,"Environment":{"Variables":{"AB":"1"}}}`); !strings.Contains(changed, `"MemorySize":256`) {
		t.Fatalf("UpdateFunctionConfiguration: %s", changed)
	}
	lambda("PUT", "/mine/code", fmt.Sprintf(`{"ZipFile":%q}`, code))
	is("mine", "list", "api.example.com", "*.example.org", "db.internal:5432")

	if set := decode[policy](p.run("network", "mine", "none", "--json").ok()); set.Network.Policy != "none" {
		t.Errorf("set is %+v", set)
	}
	is("arn:aws:lambda:us-east-1:000000000000:function:mine", "none")
	is("mine:1", "list", "api.example.com", "*.example.org", "db.internal:5432")
	p.run("network", "mine", "open").ok().says("open\n")
	is("mine", "open")

	// Mistakes.
	p.run("network", "mine", "https://api.example.com").exits(1).complains(`"https://api.example.com" is no destination`, "without https://")
	p.run("network", "mine", "10.0.0.0/8", "a b").exits(1).complains(`"a b" is no destination`)
	p.run("network", "mine:1", "none").exits(1).complains("a published version does not change: set the network of mine, without :1")
	p.run("network", "nobody").exits(1).complains("Function not found", "`pinfold ls`")
	p.run("network", "greeter", "none").exits(1).complains("did you mean greeter-dev-")
	p.run("network", "no such name!", "none").exits(1)
	p.run("network", "mine", "--json", "a b").exits(1).complains(`{"error":{"code":"Invalid"`)
	is("mine", "open")
	s.stop()
}

// Where the walls are missing, whoever counts on them is told.
func TestNetworkWithoutWalls(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up("--sandbox", "process")
	dir := greeter(t, "one")
	const told = "does not hold functions to their network"
	p.run("deploy", dir, "-y").ok().never(told)
	p.run("network", "greeter-dev-hello").ok().never(told)
	write(t, dir, map[string]string{"serverless.yml": greeterManifest + "custom: {pinfold: {functions: {fail: {network: none}}}}\n"})
	p.run("deploy", dir, "-y").ok().complains("warning: serverless.yml:", "function fail has a network policy", told)
	p.run("network", "greeter-dev-fail").ok().says("none\n").complains(told, "pinfold doctor")
	if got := decode[policy](p.run("network", "greeter-dev-fail", "--json").ok()); got.Enforced == nil || *got.Enforced {
		t.Errorf("for programs: %+v", got)
	}
	s.stop()
}
