package apps_test

import (
	"os"
	"strings"
	"testing"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
	"pinfold.dev/pinfold/platformtest"
)

// deployed is an application that was read and deployed.
type deployed struct {
	*app.Deployed
	p    *platformtest.Platform
	read *app.Application
}

// cache keeps the packages of all tests, so that none is built twice.
var cache string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "pinfold-apps-")
	if err != nil {
		panic(err)
	}
	cache = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// deploy deploys an application with options of the command line, as
// `pinfold deploy --allow-unserved` does.
func deploy(t testing.TB, p *platformtest.Platform, dir string, opts serverless.Options) *deployed {
	t.Helper()
	opts.Target, opts.Env = p.Target, os.LookupEnv
	a, err := serverless.Read(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	built, err := app.Build(t.Context(), a, app.BuildOptions{Cache: cache, Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := p.Client.Plan(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range plan.Missing {
		file, err := os.Open(built[pkg.SHA256])
		if err != nil {
			t.Fatal(err)
		}
		err = p.Client.PutPackage(t.Context(), pkg, file)
		_ = file.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	d, err := p.Client.Deploy(t.Context(), a, plan.Base)
	if err != nil {
		t.Fatal(err)
	}
	return &deployed{Deployed: d, p: p, read: a}
}

// at returns the URL of a route: "GET /users/{id}" without what follows a "{".
func (d *deployed) at(t testing.TB, route string) string {
	t.Helper()
	method, path, _ := strings.Cut(route, " ")
	return urlOf(t, d.Deployed, method, path)
}

// unserved checks what the application asks for in vain, by kind and name.
func (d *deployed) unserved(t testing.TB, want ...string) {
	t.Helper()
	var got []string
	for _, u := range d.read.Unserved {
		got = append(got, u.What)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("unserved are %q, want %q", got, want)
	}
}

// warns checks that a person who deploys reads this.
func (d *deployed) warns(t testing.TB, text string) {
	t.Helper()
	for _, w := range d.read.Warnings {
		if strings.Contains(w.Message, text) {
			return
		}
	}
	t.Errorf("no warning says %q: %+v", text, d.read.Warnings)
}
