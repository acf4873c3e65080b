package deploy_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/internal/deploy"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/httpapi"
	"pinfold.dev/pinfold/internal/logs"
	"pinfold.dev/pinfold/internal/store/sql"
)

// packages is a set of stored code packages.
type packages map[string]bool

func (p packages) Has(_ context.Context, pkg pinfold.Package) (bool, error) {
	return p[pkg.SHA256], nil
}
func (p packages) Unpacked(_ context.Context, pkg pinfold.Package) (int64, error) {
	return pkg.Size, nil
}

type house struct {
	*deploy.Deployer
	t         *testing.T
	functions *function.Registry
	apis      *httpapi.Registry
	stored    packages
	logs      *logs.Store
}

var scope = pinfold.Scope{Account: pinfold.DefaultAccount, Region: pinfold.DefaultRegion}

func newHouse(t *testing.T) *house {
	db, err := sql.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	stored := packages{hash("a"): true, hash("b"): true}
	h := &house{
		t: t, stored: stored, apis: httpapi.New(db),
		functions: function.New(function.Options{Store: db, Code: stored, Scope: scope}),
	}
	if h.logs, err = logs.Open(logs.Config{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.logs.Close() })
	h.Deployer = deploy.New(deploy.Options{
		Store: db, Functions: h.functions, APIs: h.apis, Packages: stored, Logs: h.logs,
		Target: app.Target{Account: scope.Account, Region: scope.Region, Endpoints: pinfold.Endpoints{HTTP: "http://127.0.0.1:8080"}},
	})
	return h
}

func hash(s string) string { return strings.Repeat(s, 64) }

func ref(name string) pinfold.FunctionRef {
	return pinfold.FunctionRef{Account: scope.Account, Region: scope.Region, Name: name}
}

// hello is an application with two functions and a route to each.
func hello() *app.Application {
	f := func(key string) app.Function {
		return app.Function{
			Key: key, Name: "hello-dev-" + key, Publish: true, Code: pinfold.Package{SHA256: hash("a"), Size: 100},
			Config: pinfold.Config{Runtime: "nodejs20.x", Handler: "index." + key, Environment: map[string]string{"AA": "1"}},
			At:     app.Position{File: "serverless.yml", Line: 7},
		}
	}
	return &app.Application{
		Name: "hello", Stage: "dev", Functions: []app.Function{f("greet"), f("part")},
		APIs: []pinfold.API{{
			Account: scope.Account, Region: scope.Region, Kind: pinfold.HTTPAPI, Name: "dev-hello",
			ID: pinfold.APIID(scope.Account, scope.Region, "hello", "dev", pinfold.HTTPAPI),
			Routes: []pinfold.Route{
				{Method: "GET", Path: "/greet", Target: ref("hello-dev-greet"), Payload: "2.0"},
				{Method: "GET", Path: "/part", Target: ref("hello-dev-part"), Payload: "2.0"},
			},
		}},
	}
}

func (h *house) apply(a *app.Application) *app.Deployed {
	h.t.Helper()
	deployed, err := h.Apply(h.t.Context(), a, "", false)
	if err != nil {
		h.t.Fatal(err)
	}
	return deployed
}

// lines is a plan as a person sees it.
func (h *house) lines(a *app.Application) []string {
	h.t.Helper()
	plan, err := h.Plan(h.t.Context(), a)
	if err != nil {
		h.t.Fatal(err)
	}
	var lines []string
	for _, c := range plan.Changes {
		lines = append(lines, strings.TrimSpace(string(c.Op)+" "+c.Kind+" "+c.Name+" "+strings.Join(c.Detail, "; ")))
	}
	return lines
}

func (h *house) expect(a *app.Application, want ...string) {
	h.t.Helper()
	if got := h.lines(a); !slices.Equal(got, want) {
		h.t.Errorf("the plan is\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// One route in both kinds of API is two lines that can be told apart.
func TestPlanOfBothKindsOfAPI(t *testing.T) {
	h := newHouse(t)
	both := func() *app.Application {
		a := hello()
		rest := a.APIs[0]
		rest.Kind, rest.Name, rest.Stage, rest.ID = pinfold.RESTAPI, "dev-hello-rest", "dev", pinfold.APIID(scope.Account, scope.Region, "hello", "dev", pinfold.RESTAPI)
		rest.Routes = []pinfold.Route{{Method: "GET", Path: "/greet", Target: ref("hello-dev-greet"), Payload: "1.0"}}
		a.APIs = append(a.APIs, rest)
		return a
	}
	h.expect(both(),
		"+ function hello-dev-greet nodejs20.x", "+ function hello-dev-part nodejs20.x",
		"+ route GET /greet hello-dev-greet", "+ route GET /part hello-dev-part", "+ route GET /greet hello-dev-greet; REST API")
	h.apply(both())
	h.expect(both())
	next := both()
	next.APIs[1].Routes[0].APIKeyRequired = true
	h.expect(next, "~ route GET /greet private; REST API")
	h.expect(hello(), "- route GET /greet REST API")
}

func TestPlanAndApply(t *testing.T) {
	h := newHouse(t)
	h.expect(hello(),
		"+ function hello-dev-greet nodejs20.x", "+ function hello-dev-part nodejs20.x",
		"+ route GET /greet hello-dev-greet", "+ route GET /part hello-dev-part")
	deployed := h.apply(hello())
	if got := deployed.Routes[0].URL; got != "http://127.0.0.1:8080/greet" {
		t.Errorf("the only application's route is at %s, want it at the public door's root", got)
	}
	if got := deployed.Functions[0].Version; got != "1" {
		t.Errorf("the newest version of a published function is %s, want 1", got)
	}
	h.expect(hello()) // nothing is left to do

	next := hello()
	next.Functions = next.Functions[:1]
	next.Functions[0].Code.SHA256 = hash("b")
	next.Functions[0].Config.MemoryMB = 256
	next.Functions[0].Config.Environment = map[string]string{"BB": "2"}
	next.Functions[0].Tags = map[string]string{"team": "sheep"}
	next.Functions[0].URL = &app.FunctionURL{AuthType: "NONE", InvokeMode: "BUFFERED"}
	three := 3
	next.Functions[0].ReservedConcurrency = &three
	next.APIs[0].Routes = next.APIs[0].Routes[:1]
	next.APIs[0].Routes[0].Payload = "1.0"
	next.APIs[0].CORS = &pinfold.CORS{AllowOrigins: []string{"*"}}
	h.expect(next,
		"~ function hello-dev-greet code; memory 128 MB -> 256 MB; environment +BB -AA; tags +team; reserved concurrency (none) -> 3",
		"+ url hello-dev-greet", "- function hello-dev-part",
		"~ route GET /greet payload 2.0 -> 1.0", "- route GET /part", "~ api dev-hello cors")
	deployed = h.apply(next)
	h.expect(next)
	if f := deployed.Functions[0]; f.Version != "2" || f.URL == "" {
		t.Errorf("after a change: %+v, want version 2 and a URL", f)
	}
	if _, err := h.functions.Get(t.Context(), ref("hello-dev-part")); pinfold.CodeOf(err) != pinfold.NotFound {
		t.Errorf("a function that the application no longer has is still there: %v", err)
	}

	if err := h.Remove(t.Context(), "hello", "dev", false); err != nil {
		t.Fatal(err)
	}
	if apps, err := h.List(t.Context()); err != nil || len(apps) != 0 {
		t.Errorf("after removal: %v, %v", apps, err)
	}
	if apis, _ := h.apis.List(t.Context(), scope); len(apis) != 0 {
		t.Errorf("removal left %d APIs", len(apis))
	}
	if versions, _, _ := h.functions.List(t.Context(), true, function.Page{}); len(versions) != 0 {
		t.Errorf("removal left %d versions", len(versions))
	}
}

// What a function may reach is in the plan, comes with the rest in one
// transaction, and is open again when the manifest no longer says otherwise.
func TestNetwork(t *testing.T) {
	h := newHouse(t)
	with := func(n pinfold.Network) *app.Application {
		a := hello()
		a.Functions[0].Config.Network = n
		return a
	}
	open, none := pinfold.Network{Policy: pinfold.NetworkOpen}, pinfold.Network{Policy: pinfold.NetworkNone}
	list := func(allow ...string) pinfold.Network {
		return pinfold.Network{Policy: pinfold.NetworkList, Allow: allow}
	}
	routes := []string{"+ route GET /greet hello-dev-greet", "+ route GET /part hello-dev-part"}
	h.expect(with(open), append([]string{"+ function hello-dev-greet nodejs20.x", "+ function hello-dev-part nodejs20.x"}, routes...)...)
	h.expect(with(list("a.example.com", "10.0.0.0/8")),
		append([]string{"+ function hello-dev-greet nodejs20.x; network a.example.com 10.0.0.0/8", "+ function hello-dev-part nodejs20.x"}, routes...)...)
	h.apply(hello())
	h.expect(with(open)) // the same thing in other words
	revision := ""
	for _, step := range []struct {
		network pinfold.Network
		plan    string
		version string
	}{
		{none, "open -> none", "2"},
		{list("a.example.com", "10.0.0.0/8"), "none -> a.example.com 10.0.0.0/8", "3"},
		{list("10.0.0.0/8", "b.example.com"), "+b.example.com -a.example.com", "4"},
		{none, "10.0.0.0/8 b.example.com -> none", "5"},
		{pinfold.Network{}, "none -> open", "6"}, // dropped from the manifest
	} {
		h.expect(with(step.network), "~ function hello-dev-greet network "+step.plan)
		deployed := h.apply(with(step.network))
		h.expect(with(step.network))
		f, err := h.functions.Get(t.Context(), ref("hello-dev-greet"))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Version.Config.Network; got.String() != step.network.String() {
			t.Errorf("after %q the network is %v", step.plan, got)
		}
		if f.Version.RevisionID == revision {
			t.Errorf("%q has not made a new revision", step.plan)
		}
		revision = f.Version.RevisionID
		if got := deployed.Functions[0].Version; got != step.version {
			t.Errorf("after %q the newest version is %s, want %s", step.plan, got, step.version)
		}
	}
	// What somebody set behind the manifest's back is put back.
	if _, err := h.functions.UpdateConfig(t.Context(), ref("hello-dev-greet"), function.ConfigPatch{Network: &none}, ""); err != nil {
		t.Fatal(err)
	}
	h.expect(hello(), "~ function hello-dev-greet network none -> open")
	// The order of a list means nothing.
	h.apply(with(list("a", "b")))
	h.expect(with(list("b", "a")))
}

// A key that the manifest only names gets a value nobody can guess, and keeps it.
func TestAPIKeys(t *testing.T) {
	h := newHouse(t)
	a := hello()
	a.APIs[0].Kind, a.APIs[0].Stage = pinfold.RESTAPI, "dev"
	for i := range a.APIs[0].Routes {
		a.APIs[0].Routes[i].Payload = "1.0"
	}
	a.APIs[0].APIKeys = []pinfold.APIKey{{Name: "mine"}, {Name: "given", Value: "0123456789abcdefghij"}}
	first := h.apply(a).APIKeys
	if len(first) != 2 || len(first[0].Value) != 40 || first[1].Value != "0123456789abcdefghij" {
		t.Fatalf("keys are %+v", first)
	}
	h.expect(a)
	a.APIs[0].APIKeys = append(a.APIs[0].APIKeys, pinfold.APIKey{Name: "more"})
	h.expect(a, "~ api dev-hello API keys")
	second := h.apply(a).APIKeys
	if second[0] != first[0] || second[2].Value == "" || second[2].Value == first[0].Value {
		t.Errorf("after another key was added: %+v, before: %+v", second, first)
	}
}

// What is wrong anywhere in an application leaves everything as it was.
func TestFailedApplyChangesNothing(t *testing.T) {
	for name, spoil := range map[string]func(*app.Application){
		"a setting out of range": func(a *app.Application) { a.Functions[1].Config.MemoryMB = 5 },
		"a bad network":          func(a *app.Application) { a.Functions[1].Config.Network.Policy = "closed" },
		"a bad destination": func(a *app.Application) {
			a.Functions[1].Config.Network = pinfold.Network{Policy: pinfold.NetworkList, Allow: []string{"a b"}}
		},
		"a bad route":            func(a *app.Application) { a.APIs[0].Routes[1].Path = "no-slash" },
		"two routes alike":       func(a *app.Application) { a.APIs[0].Routes[1].Path = "/greet" },
		"an unknown layer":       func(a *app.Application) { a.Functions[1].Layers = []string{"layer:nope"} },
		"one name twice":         func(a *app.Application) { a.Functions[1].Name = a.Functions[0].Name },
		"a route to nowhere":     func(a *app.Application) { a.APIs[0].Routes[1].Target.Name = "nobody" },
		"a layer's name twice":   func(a *app.Application) { a.Layers = []app.Layer{{Key: "a", Name: "l"}, {Key: "b", Name: "l"}} },
		"no stage":               func(a *app.Application) { a.Stage = "" },
		"a package not uploaded": func(a *app.Application) { a.Functions[1].Code.SHA256 = hash("c") },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.apply(hello())
			before, err := h.functions.Get(t.Context(), ref("hello-dev-greet"))
			if err != nil {
				t.Fatal(err)
			}
			bad := hello()
			bad.Functions[0].Config.MemoryMB = 512 // this much would be fine
			spoil(bad)
			if _, err := h.Apply(t.Context(), bad, "", false); err == nil {
				t.Fatal("it was deployed")
			} else {
				t.Log(err)
			}
			after, err := h.functions.Get(t.Context(), ref("hello-dev-greet"))
			if err != nil || after.Version.RevisionID != before.Version.RevisionID {
				t.Errorf("the good half of a bad deployment happened: %+v, %v", after, err)
			}
			h.expect(hello())
		})
	}
}

// A plan refuses what the deployment would refuse, all of it at once, before
// anything is uploaded.
func TestPlanRefusesWhatCannotBeDeployed(t *testing.T) {
	h := newHouse(t)
	bad := hello()
	bad.Functions[0].Config.Environment = map[string]string{"AWS_REGION": "here"}
	bad.Functions[1].Layers = []string{"arn:aws:lambda:us-east-1:000000000000:layer:nope:1"}
	_, err := h.Plan(t.Context(), bad)
	if pinfold.CodeOf(err) != pinfold.Invalid {
		t.Fatalf("got %v, want it refused", err)
	}
	for _, want := range []string{"serverless.yml:7: function greet", "AWS_REGION", "function part", "nope:1 does not exist"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not said in:\n%v", want, err)
		}
	}
}

func TestApplyRefusesAnOldPlan(t *testing.T) {
	h := newHouse(t)
	plan, err := h.Plan(t.Context(), hello())
	if err != nil {
		t.Fatal(err)
	}
	h.apply(hello())
	if _, err := h.Apply(t.Context(), hello(), plan.Base, false); pinfold.CodeOf(err) != pinfold.Conflict {
		t.Errorf("a plan made before somebody else's deployment is applied: %v", err)
	}
}

func TestApplyRefusesSomebodyElsesFunction(t *testing.T) {
	h := newHouse(t)
	_, err := h.functions.Create(t.Context(), function.NewFunction{
		Ref: ref("hello-dev-part"), Code: pinfold.Package{SHA256: hash("a"), Size: 100},
		Config: pinfold.Config{Runtime: "nodejs20.x", Handler: "index.x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Apply(t.Context(), hello(), "", false); pinfold.CodeOf(err) != pinfold.Conflict || !strings.Contains(err.Error(), "serverless.yml:7") {
		t.Errorf("got %v, want a conflict that names the place in the manifest", err)
	}
}

func TestLayersOfAnApplication(t *testing.T) {
	h := newHouse(t)
	a := hello()
	a.Layers = []app.Layer{{Key: "libs", Name: "hello-dev-libs", Code: pinfold.Package{SHA256: hash("a"), Size: 10}}}
	a.Functions[0].Layers = []string{"layer:libs"}
	h.apply(a)
	h.expect(a)
	layer := func() string {
		f, err := h.functions.Get(t.Context(), ref("hello-dev-greet"))
		if err != nil || len(f.Version.Config.Layers) != 1 {
			t.Fatalf("the function has no layer: %+v, %v", f, err)
		}
		return f.Version.Config.Layers[0].ARN
	}
	if got := layer(); !strings.HasSuffix(got, ":layer:hello-dev-libs:1") {
		t.Errorf("the function uses %s, want version 1 of the layer", got)
	}
	a.Layers[0].Code.SHA256 = hash("b")
	h.expect(a, "~ layer hello-dev-libs", "~ function hello-dev-greet layers")
	h.apply(a)
	if got := layer(); !strings.HasSuffix(got, ":layer:hello-dev-libs:2") {
		t.Errorf("the function uses %s, want version 2 of the layer", got)
	}
	ln, _ := h.functions.Layer("hello-dev-libs")
	if versions, _, _ := h.functions.ListLayerVersions(t.Context(), ln, function.LayerFilter{}, function.Page{}); len(versions) != 1 {
		t.Errorf("%d versions of the layer are left, want only the newest", len(versions))
	}
	h.expect(hello(), "- layer hello-dev-libs", "~ function hello-dev-greet layers")
	h.apply(hello())
	h.expect(hello())
}
