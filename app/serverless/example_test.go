package serverless_test

import (
	"slices"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
)

// TestExampleHello keeps the first application that people meet free of
// problems and warnings.
func TestExampleHello(t *testing.T) {
	a, err := serverless.Read(t.Context(), "../../examples/hello", serverless.Options{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Warnings) > 0 || len(a.Unserved) > 0 {
		t.Errorf("warnings:\n%s unserved: %v", warnings(a), a.Unserved)
	}
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
