package function_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
)

func layerName(l *pinfold.Layer) string { return fmt.Sprintf("%s:%d", l.Name, l.Version) }

func TestLayers(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	publish := func(name string, runtimes []string, architectures ...string) *pinfold.Layer {
		t.Helper()
		l, err := f.PublishLayer(ctx, function.NewLayer{Name: name, Code: codeA, Runtimes: runtimes, Architectures: architectures, Description: "d", License: "MIT"})
		f.must(err)
		return l
	}
	node, python := []string{"nodejs22.x", "nodejs24.x"}, []string{"python3.13"}
	first := publish("tools", node, "x86_64")
	publish("tools", python, "arm64")
	for range 10 {
		publish("many", nil)
	}
	publish("zeta", node)
	publish(function.LayerName{Account: scope.Account, Region: scope.Region, Name: "by-arn"}.ARN(), nil)
	if first.Version != 1 || first.Code != codeA || first.License != "MIT" || !first.Created.Equal(f.now) {
		t.Errorf("published: %+v", first)
	}
	name, err := f.Layer(function.LayerARN(*first))
	f.must(err)
	if got, err := f.GetLayer(ctx, name); err != nil || fmt.Sprint(got) != fmt.Sprint(first) {
		t.Errorf("GetLayer = %+v, %v; want %+v", got, err, first)
	}
	layers := func(filter function.LayerFilter) func(function.Page) ([]*pinfold.Layer, string, error) {
		return func(p function.Page) ([]*pinfold.Layer, string, error) { return f.ListLayers(ctx, filter, p) }
	}
	wantPages(t, "layers", []string{"by-arn:1", "many:10", "tools:2", "zeta:1"}, layers(function.LayerFilter{}), layerName)
	wantPages(t, "layers for nodejs24.x", []string{"tools:1", "zeta:1"}, layers(function.LayerFilter{Runtime: "nodejs24.x"}), layerName)
	wantPages(t, "layers for arm64", []string{"tools:2"}, layers(function.LayerFilter{Architecture: "arm64"}), layerName)
	versions := func(name string, filter function.LayerFilter) func(function.Page) ([]*pinfold.Layer, string, error) {
		return func(p function.Page) ([]*pinfold.Layer, string, error) {
			n, err := f.Layer(name)
			f.must(err)
			return f.ListLayerVersions(ctx, n, filter, p)
		}
	}
	wantPages(t, "versions, newest first", []string{"many:10", "many:9", "many:8", "many:7", "many:6", "many:5", "many:4", "many:3", "many:2", "many:1"}, versions("many", function.LayerFilter{}), layerName)
	wantPages(t, "versions for python3.13", []string{"tools:2"}, versions("tools", function.LayerFilter{Runtime: "python3.13"}), layerName)
	wantPages(t, "versions of nothing", nil, versions("none", function.LayerFilter{}), layerName)
}

func TestDeleteLayer(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	layer := f.layer("tools", codeB)
	c := config
	c.Layers = []pinfold.LayerRef{{ARN: function.LayerARN(*layer)}}
	f.must(second(f.Create(ctx, function.NewFunction{Ref: ref("hello"), Config: c, Code: codeA})))
	name, err := f.Layer(function.LayerARN(*layer))
	f.must(err)
	for range 2 { // one that is not there is no error
		f.must(f.DeleteLayer(ctx, name))
	}
	_, err = f.GetLayer(ctx, name)
	wantError(t, "a deleted layer", err, pinfold.NotFound, notFound, "The resource you requested does not exist.")
	// Functions that use it go on, and can be changed in other things.
	v, err := f.UpdateConfig(ctx, ref("hello"), function.ConfigPatch{MemoryMB: new(256)}, "")
	if err != nil || len(v.Config.Layers) != 1 || v.Config.Layers[0].Code != codeB {
		t.Errorf("a function with a deleted layer: %+v, %v", v, err)
	}
	packages, err := f.Packages(ctx)
	if err != nil || len(packages) != 2 || !slices.Contains(packages, codeB) {
		t.Errorf("Packages = %v, %v; want the layer's code among them", packages, err)
	}
	if again := f.layer("tools", codeB); again.Version != 2 {
		t.Errorf("the next version is %d; numbers are not used again", again.Version)
	}
}

func TestLayersRefuse(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	publish := func(change func(*function.NewLayer)) error {
		n := function.NewLayer{Name: "tools", Code: codeA}
		change(&n)
		return second(f.PublishLayer(ctx, n))
	}
	for name, test := range map[string]struct {
		change          func(*function.NewLayer)
		code            pinfold.Code
		reason, message string
	}{
		"a bad name":      {func(n *function.NewLayer) { n.Name = "a b" }, pinfold.Invalid, validationError, "1 validation error detected: Value 'a b' at 'layerName'"},
		"a version":       {func(n *function.NewLayer) { n.Name = "arn:aws:lambda:us-east-1:111111111111:layer:tools:1" }, pinfold.Invalid, invalidParameter, "arn:aws:lambda:us-east-1:111111111111:layer:tools:1 names a version"},
		"another account": {func(n *function.NewLayer) { n.Name = "arn:aws:lambda:us-east-1:222222222222:layer:tools" }, pinfold.Denied, "AccessDeniedException", ""},
		"a function":      {func(n *function.NewLayer) { n.Name = arn("hello") }, pinfold.Invalid, validationError, "1 validation error detected"},
		"16 runtimes":     {func(n *function.NewLayer) { n.Runtimes = slices.Repeat([]string{"nodejs24.x"}, 16) }, pinfold.Invalid, validationError, "1 validation error detected: Value '[nodejs24.x, "},
		"an architecture": {func(n *function.NewLayer) { n.Architectures = []string{"vax"} }, pinfold.Invalid, validationError, "1 validation error detected: Value 'vax' at 'compatibleArchitectures'"},
		"a description":   {func(n *function.NewLayer) { n.Description = strings.Repeat("d", 257) }, pinfold.Invalid, validationError, "1 validation error detected"},
		"unknown code":    {func(n *function.NewLayer) { n.Code = unknown }, pinfold.Invalid, invalidParameter, "The code package " + unknown.SHA256 + " is not stored"},
		"too large":       {func(n *function.NewLayer) { n.Code = tooBig }, pinfold.Invalid, invalidParameter, "Unzipped size must be smaller than 262144000 bytes"},
	} {
		wantError(t, name, publish(test.change), test.code, test.reason, test.message)
	}
	none := function.LayerName{Account: scope.Account, Region: scope.Region, Name: "tools"}
	wantError(t, "version 0", second(f.GetLayer(ctx, none)), pinfold.Invalid, invalidParameter, "Layer Version Cannot be less than 1")
	wantError(t, "delete version 0", f.DeleteLayer(ctx, none), pinfold.Invalid, invalidParameter, "Layer Version Cannot be less than 1")
	wantError(t, "version 0 in an ARN", second(f.Layer("arn:aws:lambda:us-east-1:111111111111:layer:tools:0")), pinfold.Invalid, invalidParameter, "Layer Version Cannot be less than 1")
}
