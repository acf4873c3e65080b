package function_test

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
)

// AWS's exception names, with the codes that they belong to.
const (
	invalidParameter = "InvalidParameterValueException"
	validationError  = "ValidationException"
	conflict         = "ResourceConflictException"
	notFound         = "ResourceNotFoundException"
	precondition     = "PreconditionFailedException"

	revisionText = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
)

func TestRef(t *testing.T) {
	f := newRegistry(t)
	for _, test := range []struct{ name, qualifier, want string }{
		{"hello", "", arn("hello")},
		{"hello", "live", arn("hello:live")},
		{"hello:1", "", arn("hello:1")},
		{"hello:1", "1", arn("hello:1")},
		{"111111111111:function:hello", "$LATEST", arn("hello:$LATEST")},
		{arn("hello"), "", arn("hello")},
		{arn("hello:live"), "", arn("hello:live")},
		{arn("hello:live"), "live", arn("hello:live")},
	} {
		if got, err := f.Ref(test.name, test.qualifier); err != nil || got.ARN() != test.want {
			t.Errorf("Ref(%q, %q) = %s, %v; want %s", test.name, test.qualifier, got.ARN(), err, test.want)
		}
	}
	for _, test := range []struct {
		name, qualifier string
		code            pinfold.Code
		reason, message string
	}{
		// Texts: localstack/localstack, services/lambda_/api_utils.py, recorded from AWS.
		{"hello:1", "2", pinfold.Invalid, invalidParameter, "The derived qualifier from the function name does not match the specified qualifier."},
		{"arn:aws:lambda:eu-west-1:111111111111:function:hello", "", pinfold.NotFound, notFound, "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"},
		{"arn:aws:lambda:us-east-1:222222222222:function:hello", "", pinfold.Denied, "AccessDeniedException", "arn:aws:lambda:us-east-1:222222222222:function:hello belongs to account"},
		{"a b", "", pinfold.Invalid, validationError, "1 validation error detected: Value 'a b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern"},
		{strings.Repeat("n", 65), "", pinfold.Invalid, invalidParameter, "1 validation error detected: Value '" + strings.Repeat("n", 65) + "' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"", "", pinfold.Invalid, invalidParameter, ""},
		{"arn:aws:sqs:us-east-1:111111111111:hello", "", pinfold.Invalid, invalidParameter, ""},
	} {
		_, err := f.Ref(test.name, test.qualifier)
		wantError(t, test.name, err, test.code, test.reason, test.message)
	}
}

func TestCreateRefuses(t *testing.T) {
	f := newRegistry(t)
	f.create("taken")
	f.layer("one", codeA)
	f.layer("one", codeA)
	f.layer("huge", big)
	layerARN := func(name string) pinfold.LayerRef {
		return pinfold.LayerRef{ARN: "arn:aws:lambda:us-east-1:111111111111:layer:" + name}
	}
	set := func(change func(*pinfold.Config)) function.NewFunction {
		c := config
		change(&c)
		return function.NewFunction{Ref: ref("new"), Config: c, Code: codeA}
	}
	env := func(variables map[string]string) function.NewFunction {
		return set(func(c *pinfold.Config) { c.Environment = variables })
	}
	network := func(policy pinfold.NetworkPolicy, allow ...string) function.NewFunction {
		return set(func(c *pinfold.Config) { c.Network = pinfold.Network{Policy: policy, Allow: allow} })
	}
	layers := func(names ...string) function.NewFunction {
		return set(func(c *pinfold.Config) {
			for _, name := range names {
				c.Layers = append(c.Layers, layerARN(name))
			}
		})
	}
	tooLong := map[string]string{"BIG": strings.Repeat("x", 4096-len(`{"BIG":""}`)+1)}
	for name, test := range map[string]struct {
		f               function.NewFunction
		reason, message string
	}{
		// Texts: localstack/localstack, services/lambda_/provider.py and its snapshot tests.
		"the name is taken":    {function.NewFunction{Ref: ref("taken"), Config: config, Code: codeA}, conflict, "Function already exist: taken"},
		"qualified":            {function.NewFunction{Ref: ref("new:1"), Config: config, Code: codeA}, invalidParameter, arn("new:1") + " names a version"},
		"no runtime":           {set(func(c *pinfold.Config) { c.Runtime = "" }), invalidParameter, "Runtime and Handler are mandatory parameters for functions created with deployment packages."},
		"no handler":           {set(func(c *pinfold.Config) { c.Handler = "" }), invalidParameter, "Runtime and Handler are mandatory parameters for functions created with deployment packages."},
		"unknown runtime":      {set(func(c *pinfold.Config) { c.Runtime = "cobol" }), invalidParameter, `runtime "cobol" cannot run here`},
		"little memory":        {set(func(c *pinfold.Config) { c.MemoryMB = 127 }), validationError, "1 validation error detected: Value '127' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"},
		"much memory":          {set(func(c *pinfold.Config) { c.MemoryMB = 10241 }), validationError, "1 validation error detected: Value '10241' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240"},
		"negative timeout":     {set(func(c *pinfold.Config) { c.Timeout = -1 }), validationError, "1 validation error detected: Value '-1' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		"long timeout":         {set(func(c *pinfold.Config) { c.Timeout = 901 }), validationError, "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"},
		"negative memory":      {set(func(c *pinfold.Config) { c.MemoryMB = -1 }), validationError, "1 validation error detected: Value '-1' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"},
		"negative tmp":         {set(func(c *pinfold.Config) { c.EphemeralMB = -512 }), validationError, "1 validation error detected: Value '-512' at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value greater than or equal to 512"},
		"small tmp":            {set(func(c *pinfold.Config) { c.EphemeralMB = 511 }), validationError, "1 validation error detected: Value '511' at 'ephemeralStorage.size'"},
		"large tmp":            {set(func(c *pinfold.Config) { c.EphemeralMB = 10241 }), validationError, "1 validation error detected: Value '10241' at 'ephemeralStorage.size'"},
		"bad role":             {set(func(c *pinfold.Config) { c.Role = "admin" }), validationError, "1 validation error detected: Value 'admin' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::"},
		"handler with a space": {set(func(c *pinfold.Config) { c.Handler = "a b" }), validationError, "1 validation error detected: Value 'a b' at 'handler'"},
		"bad architecture":     {set(func(c *pinfold.Config) { c.Architecture = "vax" }), validationError, "1 validation error detected: Value 'vax' at 'architectures' failed to satisfy constraint: Member must satisfy enum value set: [x86_64, arm64]"},
		"bad log format":       {set(func(c *pinfold.Config) { c.LogFormat = "XML" }), validationError, "1 validation error detected: Value 'XML' at 'loggingConfig.logFormat'"},
		"levels of text":       {set(func(c *pinfold.Config) { c.ApplicationLevel = "DEBUG" }), invalidParameter, "To configure log levels, set the LogFormat to JSON"},
		"long description":     {set(func(c *pinfold.Config) { c.Description = strings.Repeat("d", 257) }), validationError, "1 validation error detected: Value 'ddd"},
		"reserved variables":   {env(map[string]string{"OK": "1", "AWS_REGION": "x", "AWS_ACCESS_KEY_ID": "y"}), invalidParameter, "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_ACCESS_KEY_ID, AWS_REGION"},
		"4 KB of variables":    {env(tooLong), invalidParameter, "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {\"BIG\":\"xxx"},
		"a variable's name":    {env(map[string]string{"1A": "secret"}), validationError, "1 validation error detected: Value '{1A=...}' at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+"},
		"a policy of nobody":   {set(func(c *pinfold.Config) { c.Network.Policy = "closed" }), invalidParameter, `network "closed" is none of`},
		"a bad destination":    {network(pinfold.NetworkList, "a b"), invalidParameter, `"a b" is no destination`},
		"an empty list":        {network(pinfold.NetworkList), invalidParameter, "the list of destinations is empty"},
		"an open list":         {network(pinfold.NetworkOpen, "a.example.com"), invalidParameter, "a network that is open has no list of destinations"},
		"a zero byte":          {env(map[string]string{"AB": "a\x00b"}), invalidParameter, "The value of the environment variable AB has a zero byte"},
		"six layers":           {layers("one:1", "one:1", "one:1", "one:1", "one:1", "one:1"), invalidParameter, "Cannot reference more than 5 layers."},
		"two versions of one":  {layers("one:1", "one:2"), invalidParameter, "Two different versions of the same layer are not allowed to be referenced in the same function. " + layerARN("one:1").ARN + " and " + layerARN("one:2").ARN + " are versions of the same layer."},
		"no such layer":        {layers("one:3"), invalidParameter, "Layer version " + layerARN("one:3").ARN + " does not exist."},
		"a layer's whole ARN":  {layers("one"), validationError, "1 validation error detected: Value '[" + layerARN("one").ARN + "]' at 'layers' failed to satisfy constraint"},
		"a layer of elsewhere": {set(func(c *pinfold.Config) {
			c.Layers = []pinfold.LayerRef{{ARN: "arn:aws:lambda:eu-west-1:111111111111:layer:one:1"}}
		}), invalidParameter, "Layers are not in the same region as the function. Layers are expected to be in region us-east-1."},
		"too large code":        {function.NewFunction{Ref: ref("new"), Config: config, Code: tooBig}, invalidParameter, "Unzipped size must be smaller than 262144000 bytes"},
		"too large with layers": {func() function.NewFunction { n := layers("huge:1"); n.Code = big; return n }(), invalidParameter, "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 419430400 bytes."},
		"unknown code":          {function.NewFunction{Ref: ref("new"), Config: config, Code: unknown}, invalidParameter, "The code package " + unknown.SHA256 + " is not stored"},
		"51 tags":               {function.NewFunction{Ref: ref("new"), Config: config, Code: codeA, Tags: tags(51)}, invalidParameter, "Number of tags exceeds resource tag limit."},
		"a tag of the platform": {function.NewFunction{Ref: ref("new"), Config: config, Code: codeA, Tags: map[string]string{"AWS:x": "y"}}, invalidParameter, "The tag key AWS:x cannot be used"},
		"a tag's bad key":       {function.NewFunction{Ref: ref("new"), Config: config, Code: codeA, Tags: map[string]string{"a*": "y"}}, validationError, "1 validation error detected: Value 'a*' at 'tags'"},
	} {
		code := pinfold.Invalid
		if test.reason == conflict {
			code = pinfold.Conflict
		}
		_, err := f.Create(t.Context(), test.f)
		wantError(t, name, err, code, test.reason, test.message)
	}
	if versions, _, err := f.List(t.Context(), true, function.Page{}); err != nil || len(versions) != 1 {
		t.Errorf("something was created: %v, %v", versions, err)
	}
	fits := map[string]string{"BIG": tooLong["BIG"][1:]}
	if _, err := f.Create(t.Context(), env(fits)); err != nil {
		t.Errorf("exactly 4 KB of variables: %v", err)
	}
}

func tags(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprint("key", i)] = "v"
	}
	return m
}

func (f *fixture) layer(name string, code pinfold.Package) *pinfold.Layer {
	f.t.Helper()
	l, err := f.PublishLayer(f.t.Context(), function.NewLayer{Name: name, Code: code, Runtimes: []string{"nodejs24.x"}})
	f.must(err)
	return l
}

func TestNotFound(t *testing.T) {
	f := newRegistry(t)
	f.create("there")
	for _, name := range []string{"missing", "missing:1", "missing:live", "there:1", "there:live", "there:01"} {
		_, get := f.Get(t.Context(), ref(name))
		wantError(t, "Get", get, pinfold.NotFound, notFound, "Function not found: "+arn(name))
		_, resolve := f.Resolve(t.Context(), ref(name))
		wantError(t, "Resolve", resolve, pinfold.NotFound, notFound, "Function not found: "+arn(name))
	}
	ctx, missing := t.Context(), ref("missing")
	for what, err := range map[string]error{
		"UpdateCode":     second(f.UpdateCode(ctx, missing, function.CodeUpdate{Code: codeA})),
		"UpdateConfig":   second(f.UpdateConfig(ctx, missing, function.ConfigPatch{}, "")),
		"PublishVersion": second(f.PublishVersion(ctx, missing, function.Publication{})),
		"Delete":         f.Delete(ctx, missing),
		"CreateAlias":    second(f.CreateAlias(ctx, ref("missing:live"), "1", "", nil)),
		"Tag":            f.Tag(ctx, missing, map[string]string{"a": "b"}),
		"Tags":           second(f.Tags(ctx, missing)),
		"SetConcurrency": f.SetConcurrency(ctx, missing, new(int)),
		"Concurrency":    second(f.Concurrency(ctx, missing)),
		"AddPermission":  second(f.AddPermission(ctx, missing, function.Permission{StatementID: "s", Action: "lambda:*", Principal: "*"})),
		"Policy":         second(f.Policy(ctx, missing)),
	} {
		wantError(t, what, err, pinfold.NotFound, notFound, "Function not found: "+arn("missing"))
	}
	if _, _, err := f.ListVersions(ctx, missing, function.Page{}); pinfold.CodeOf(err) != pinfold.NotFound {
		t.Errorf("ListVersions = %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestUpdateCode(t *testing.T) {
	f := newRegistry(t)
	created := f.create("hello")
	f.now = f.now.Add(time.Minute)
	dry, err := f.UpdateCode(t.Context(), ref("hello"), function.CodeUpdate{Code: codeB, DryRun: true})
	f.must(err)
	if dry.Code != codeB {
		t.Errorf("a dry run shows %v; want the new code", dry.Code)
	}
	if got, _ := f.Resolve(t.Context(), ref("hello")); got.Code != codeA || got.RevisionID != created.RevisionID {
		t.Errorf("a dry run changed the function to %+v", got)
	}
	updated, err := f.UpdateCode(t.Context(), ref("hello"), function.CodeUpdate{Code: codeB, Architecture: "arm64", RevisionID: created.RevisionID})
	f.must(err)
	if updated.Code != codeB || updated.Config.Architecture != "arm64" || updated.RevisionID == created.RevisionID || !updated.LastModified.Equal(f.now) {
		t.Errorf("updated: %+v", updated)
	}
	if got, _ := f.Resolve(t.Context(), ref("hello")); got.Key() != updated.Key() {
		t.Errorf("Resolve still gives %s", got.Key())
	}
	_, err = f.UpdateCode(t.Context(), ref("hello"), function.CodeUpdate{Code: codeA, RevisionID: created.RevisionID})
	wantError(t, "an old revision", err, pinfold.Conflict, precondition, revisionText)
	_, err = f.UpdateCode(t.Context(), ref("hello"), function.CodeUpdate{Code: tooBig})
	wantError(t, "too large", err, pinfold.Invalid, invalidParameter, "Unzipped size must be smaller than 262144000 bytes")
	published, err := f.UpdateCode(t.Context(), ref("hello"), function.CodeUpdate{Code: codeA, Publish: true})
	f.must(err)
	if published.Ref != ref("hello:1") || published.Code != codeA {
		t.Errorf("published: %+v", published)
	}
}

// A large function whose code moves into a layer is too large in between.
func TestUpdateCodeAndConfigAtOnce(t *testing.T) {
	f := newRegistry(t)
	f.layer("huge", big)
	layers := []string{"arn:aws:lambda:us-east-1:111111111111:layer:huge:1"}
	f.must(second(f.Create(t.Context(), function.NewFunction{Ref: ref("hello"), Config: config, Code: big})))
	_, err := f.UpdateConfig(t.Context(), ref("hello"), function.ConfigPatch{Layers: &layers}, "")
	wantError(t, "the layer first", err, pinfold.Invalid, invalidParameter, "Function code combined with layers exceeds")
	v, err := f.UpdateCode(t.Context(), ref("hello"), function.CodeUpdate{Code: codeA, Config: function.ConfigPatch{Layers: &layers, MemoryMB: new(1024)}})
	f.must(err)
	if v.Code != codeA || len(v.Config.Layers) != 1 || v.Config.MemoryMB != 1024 || v.Config.Handler != "index.handler" {
		t.Errorf("updated: %+v", v)
	}
}

func TestUpdateConfig(t *testing.T) {
	f := newRegistry(t)
	f.layer("one", codeB)
	layer := f.layer("one", codeB)
	c := config
	c.Environment = map[string]string{"A1": "1", "B1": "2"}
	c.Description = "before"
	c.Layers = []pinfold.LayerRef{{ARN: function.LayerARN(*layer)}}
	_, err := f.Create(t.Context(), function.NewFunction{Ref: ref("hello"), Config: c, Code: codeA})
	f.must(err)
	update := func(p function.ConfigPatch) pinfold.Config {
		t.Helper()
		v, err := f.UpdateConfig(t.Context(), ref("hello"), p, "")
		f.must(err)
		return v.Config
	}
	before := update(function.ConfigPatch{})
	if before.Description != "before" || len(before.Layers) != 1 || before.Layers[0].Code != codeB || len(before.Environment) != 2 {
		t.Errorf("an empty patch changed the configuration to %+v", before)
	}
	if got := update(function.ConfigPatch{MemoryMB: new(256), Description: new("")}); got.MemoryMB != 256 || got.Description != "" || got.Handler != "index.handler" {
		t.Errorf("a small patch: %+v", got)
	}
	if got := update(function.ConfigPatch{Environment: &map[string]string{"C1": "3"}, Layers: &[]string{}}); len(got.Layers) != 0 || !maps.Equal(got.Environment, map[string]string{"C1": "3"}) {
		t.Errorf("environment and layers are replaced as a whole: %+v", got)
	}
	if got := update(function.ConfigPatch{LogFormat: new("JSON")}); got.ApplicationLevel != "INFO" || got.SystemLevel != "INFO" {
		t.Errorf("JSON's levels: %+v", got)
	}
	if got := update(function.ConfigPatch{ApplicationLevel: new("DEBUG")}); got.ApplicationLevel != "DEBUG" || got.SystemLevel != "INFO" {
		t.Errorf("one level: %+v", got)
	}
	if got := update(function.ConfigPatch{LogFormat: new("Text")}); got.ApplicationLevel != "" || got.SystemLevel != "" {
		t.Errorf("Text has no levels: %+v", got)
	}
	whole := function.Defaults("hello", config)
	if got := update(function.Replace(whole)); got.MemoryMB != 128 || got.Environment != nil {
		t.Errorf("replaced: %+v", got)
	}
	_, err = f.UpdateConfig(t.Context(), ref("hello"), function.ConfigPatch{MemoryMB: new(100)}, "")
	wantError(t, "little memory", err, pinfold.Invalid, validationError, "1 validation error detected: Value '100' at 'memorySize'")
	_, err = f.UpdateConfig(t.Context(), ref("hello"), function.ConfigPatch{}, "not-the-revision")
	wantError(t, "a wrong revision", err, pinfold.Conflict, precondition, revisionText)
	f.layer("huge", big)
	f.must(second(f.UpdateCode(t.Context(), ref("hello"), function.CodeUpdate{Code: big})))
	_, err = f.UpdateConfig(t.Context(), ref("hello"), function.ConfigPatch{Layers: &[]string{"arn:aws:lambda:us-east-1:111111111111:layer:huge:1"}}, "")
	wantError(t, "too large with layers", err, pinfold.Invalid, invalidParameter, "Function code combined with layers exceeds the maximum allowed size")
}

// The network is kept by every change that does not name it, makes a new
// revision when it changes, and belongs to a version.
func TestNetwork(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	c := config
	c.Network = pinfold.Network{Policy: pinfold.NetworkOpen}
	before, err := f.Create(ctx, function.NewFunction{Ref: ref("hello"), Config: c, Code: codeA})
	f.must(err)
	if !reflect.ValueOf(before.Config.Network).IsZero() {
		t.Errorf("an open network is kept as %+v, want the zero one", before.Config.Network)
	}
	one, err := f.PublishVersion(ctx, ref("hello"), function.Publication{})
	f.must(err)
	var announced []pinfold.FunctionRef
	f.OnChange(func(ref pinfold.FunctionRef) { announced = append(announced, ref) })
	want := pinfold.Network{Policy: pinfold.NetworkList, Allow: []string{"a.example.com", "10.0.0.0/8"}}
	changed, err := f.UpdateConfig(ctx, ref("hello"), function.ConfigPatch{Network: &want}, "")
	f.must(err)
	if resolved, err := f.Resolve(ctx, ref("hello")); err != nil || resolved.Key() != changed.Key() || changed.Key() == before.Key() || len(announced) != 1 {
		t.Errorf("a changed network is no new revision: %v, %v, announced %v", resolved, err, announced)
	}
	f.must(second(f.UpdateConfig(ctx, ref("hello"), function.ConfigPatch{MemoryMB: new(256), Environment: &map[string]string{"AA": "1"}}, "")))
	f.must(second(f.UpdateCode(ctx, ref("hello"), function.CodeUpdate{Code: codeB})))
	two, err := f.PublishVersion(ctx, ref("hello"), function.Publication{})
	f.must(err)
	f.must(second(f.UpdateConfig(ctx, ref("hello"), function.ConfigPatch{Network: &pinfold.Network{}}, "")))
	for name, want := range map[string]pinfold.Network{one.Ref.ARN(): {}, two.Ref.ARN(): want, arn("hello"): {}} {
		ref, _ := f.Ref(name, "")
		got, err := f.Get(ctx, ref)
		f.must(err)
		if !reflect.DeepEqual(got.Version.Config.Network, want) {
			t.Errorf("the network of %s is %+v, want %+v", name, got.Version.Config.Network, want)
		}
	}
	_, err = f.UpdateConfig(ctx, ref("hello"), function.ConfigPatch{Network: &pinfold.Network{Policy: pinfold.NetworkList, Allow: []string{"https://x"}}}, "")
	wantError(t, "a bad destination", err, pinfold.Invalid, invalidParameter, `"https://x" is no destination`)
}

func TestDelete(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.create("hello")
	for range 3 {
		f.publish("hello")
	}
	f.must(second(f.CreateAlias(ctx, ref("hello:live"), "1", "", map[string]float64{"2": 0.5})))
	f.must(second(f.AddPermission(ctx, ref("hello"), permission("all"))))
	f.must(second(f.AddPermission(ctx, ref("hello:live"), permission("alias"))))
	f.must(second(f.AddPermission(ctx, ref("hello:3"), permission("version"))))
	f.must(second(f.CreateURL(ctx, ref("hello:live"), "NONE", "", nil)))
	// Texts: localstack/localstack, and floci-io/floci pull request 2824, which
	// measured each case; that of aliases from the log in
	// karl-cardenas-coding/go-lambda-cleanup issue 45.
	wantError(t, "$LATEST", f.Delete(ctx, ref("hello:$LATEST")), pinfold.Invalid, invalidParameter, "$LATEST version cannot be deleted without deleting the function.")
	wantError(t, "an alias", f.Delete(ctx, ref("hello:live")), pinfold.Invalid, invalidParameter, "Deletion of aliases is not currently supported.")
	wantError(t, "an alias's version", f.Delete(ctx, ref("hello:1")), pinfold.Conflict, conflict, "Unable to delete version because the following aliases reference it: [live]")
	wantError(t, "an alias's second version", f.Delete(ctx, ref("hello:2")), pinfold.Conflict, conflict, "Unable to delete version because the following aliases reference it: [live]")
	f.must(f.Delete(ctx, ref("hello:99")))
	f.must(f.Delete(ctx, ref("hello:3")))
	_, err := f.Get(ctx, ref("hello:3"))
	wantError(t, "a deleted version", err, pinfold.NotFound, notFound, "Function not found: "+arn("hello:3"))
	if v := f.publish("hello"); v.Ref.Qualifier != "4" {
		t.Errorf("after 3 was deleted, %s was published; numbers are not used again", v.Ref.Qualifier)
	}

	f.must(f.Delete(ctx, ref("hello")))
	for _, name := range []string{"hello", "hello:1", "hello:live"} {
		_, err := f.Resolve(ctx, ref(name))
		wantError(t, "Resolve after Delete", err, pinfold.NotFound, notFound, "Function not found: "+arn(name))
	}
	wantError(t, "Delete again", f.Delete(ctx, ref("hello")), pinfold.NotFound, notFound, "Function not found: "+arn("hello"))
	f.create("hello") // nothing of the old one is left
	f.must(second(f.PublishVersion(ctx, ref("hello"), function.Publication{})))
	for _, name := range []string{"hello", "hello:1"} {
		_, err := f.Policy(ctx, ref(name))
		wantError(t, "policy of the new function", err, pinfold.NotFound, notFound, "The resource you requested does not exist.")
	}
	if urls, _, err := f.ListURLs(ctx, ref("hello"), function.Page{}); err != nil || len(urls) > 0 {
		t.Errorf("URLs of the new function: %v, %v", urls, err)
	}
	if aliases, _, err := f.ListAliases(ctx, ref("hello"), "", function.Page{}); err != nil || len(aliases) > 0 {
		t.Errorf("aliases of the new function: %v, %v", aliases, err)
	}
	if _, err := f.Get(ctx, ref("hello:1")); err != nil {
		t.Errorf("the new function's versions count from 1: %v", err)
	}
}

func permission(id string) function.Permission {
	return function.Permission{StatementID: id, Action: "lambda:InvokeFunction", Principal: "s3.amazonaws.com"}
}
