package serverless_test

import (
	"slices"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
)

// example reads an application that people meet, which must be free of problems
// and warnings.
func example(t *testing.T, name string) *app.Application {
	t.Helper()
	a, err := serverless.Read(t.Context(), "../../examples/"+name, serverless.Options{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Warnings) > 0 || len(a.Unserved) > 0 {
		t.Errorf("warnings:\n%s unserved: %v", warnings(a), a.Unserved)
	}
	return a
}

func TestExampleHello(t *testing.T) {
	a := example(t, "hello")
	if got := routes(a, pinfold.HTTPAPI); !slices.Equal(got, []string{"GET /hello", "GET /hello-py/{name}"}) {
		t.Errorf("routes %q", got)
	}
	paths, err := app.Build(t.Context(), a, app.BuildOptions{Cache: t.TempDir()})
	if err != nil || len(paths) != 2 {
		t.Errorf("built %v %v", paths, err)
	}
	if f := a.Functions[0].Source.Files; !slices.Equal(f, []string{"node/hello.js"}) {
		t.Errorf("packed %q", f)
	}
}

func TestExampleOrders(t *testing.T) {
	a := example(t, "orders")
	if len(a.Queues) != 2 || a.Queues[0].Key != "Refused" || len(a.Mappings) != 1 || len(a.Rules) != 1 || len(a.EventInvokes) != 1 || len(a.Outputs) != 2 {
		t.Errorf("%+v", a.Events)
	}
	if _, err := app.Build(t.Context(), a, app.BuildOptions{Cache: t.TempDir()}); err != nil {
		t.Error(err)
	}
}
