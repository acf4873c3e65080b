package badinput

import (
	"context"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/platformtest"
)

// house is a platform on which an application runs that nothing may harm.
type house struct {
	*platformtest.Platform
	dir, cache string // of the application that runs
	url        string // of its route GET /hello
}

// The application that runs, to which tests add what is wrong.
const goodManifest = `service: good
provider:
  name: aws
  runtime: nodejs22.x
functions:
  hello:
    handler: hello.handler
    events:
      - httpApi: 'GET /hello'
      - httpApi: 'POST /hello'
`

const goodHandler = `exports.handler = async () => ({ statusCode: 200, body: "unharmed" });
`

func good() map[string]string {
	return map[string]string{"serverless.yml": goodManifest, "hello.js": goodHandler}
}

// changed is the good application with some of its files replaced; an empty
// one is taken away.
func changed(files map[string]string) map[string]string {
	all := good()
	maps.Copy(all, files)
	maps.DeleteFunc(all, func(_, content string) bool { return content == "" })
	return all
}

func start(t *testing.T, options ...platformtest.Option) *house {
	t.Helper()
	h := &house{Platform: platformtest.Start(t, options...), dir: platformtest.Files(t, good()), cache: t.TempDir()}
	deployed, err := h.TryDeploy(t.Context(), h.cache, h.dir)
	if err != nil {
		t.Fatal(err)
	}
	h.url = deployed.Routes[0].URL
	h.unharmed(t)
	return h
}

// unharmed checks that the application which ran before still answers, that
// nothing about it would have to be deployed again, and that there is no other.
func (h *house) unharmed(t *testing.T) {
	t.Helper()
	if status, body := get(t, h.url); status != http.StatusOK || body != "unharmed" {
		t.Errorf("what ran before now answers %d %q", status, body)
	}
	_, plan, _, err := h.plan(t.Context(), h.dir)
	if err != nil {
		t.Errorf("the application that is deployed can no longer be planned: %v", err)
	} else if len(plan.Changes)+len(plan.Missing) > 0 {
		t.Errorf("half of something was deployed: %+v, missing packages %v", plan.Changes, plan.Missing)
	}
	functions, err := h.Client.Functions(t.Context())
	if err != nil || len(functions) != 1 || functions[0].App != "good/dev" {
		t.Errorf("functions: %+v, %v; want the one that was there before", functions, err)
	}
}

// plan reads, builds and plans an application. built are the paths of its packages.
func (h *house) plan(ctx context.Context, dir string) (a *app.Application, plan *app.Plan, built map[string]string, err error) {
	a, err = serverless.Read(ctx, dir, serverless.Options{Target: h.Target, Env: os.LookupEnv})
	if err != nil {
		return nil, nil, nil, err
	}
	if built, err = app.Build(ctx, a, app.BuildOptions{Cache: h.cache, Fast: true}); err != nil {
		return nil, nil, nil, err
	}
	plan, err = h.Client.Plan(ctx, a)
	return a, plan, built, err
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, resp)
}

func read(t *testing.T, resp *http.Response) (status int, body string) {
	t.Helper()
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(content)
}

// wantError checks an error's code, its name on the wire ("" is any), and that
// its message has all the given texts.
func wantError(t *testing.T, err error, code pinfold.Code, reason string, texts ...string) {
	t.Helper()
	if err == nil {
		t.Error("it was accepted")
		return
	}
	if got := pinfold.CodeOf(err); got != code {
		t.Errorf("code %s, want %s: %v", got, code, err)
	}
	if got := pinfold.ReasonOf(err); reason != "" && got != reason {
		t.Errorf("reason %s, want %s: %v", got, reason, err)
	}
	wantText(t, err.Error(), texts...)
}

func wantText(t *testing.T, got string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(got, text) {
			t.Errorf("%q is not said in: %s", text, got)
		}
	}
}

// withKey is a client that signs with another key than the root key.
func (h *house) withKey(id, secret string) *client.Client {
	return client.New(h.Endpoints.API, h.Region, client.Credentials{AccessKeyID: id, SecretAccessKey: secret})
}

// files writes an application like the good one, but of another name and code.
func files(t *testing.T, name, code string) string {
	t.Helper()
	return platformtest.Files(t, map[string]string{
		"serverless.yml": strings.Replace(goodManifest, "service: good", "service: "+name, 1), "hello.js": code,
	})
}
