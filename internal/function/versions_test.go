package function_test

import (
	"math"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
)

func TestPublishVersion(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	latest := f.create("hello")
	publish := func(p function.Publication) *pinfold.Version {
		t.Helper()
		v, err := f.PublishVersion(ctx, ref("hello"), p)
		f.must(err)
		return v
	}
	one := publish(function.Publication{Description: new("the first"), CodeSHA256: codeA.SHA256, RevisionID: latest.RevisionID})
	if one.Ref != ref("hello:1") || one.Config.Description != "the first" || one.Code != codeA || one.RevisionID == latest.RevisionID {
		t.Errorf("the first version: %+v", one)
	}
	// Nothing has changed: "Lambda doesn't publish a version if the function's
	// configuration and code haven't changed since the last version" (PublishVersion).
	if again := publish(function.Publication{Description: new("another")}); again.Key() != one.Key() || again.Config.Description != "the first" {
		t.Errorf("published again without a change: %+v", again)
	}
	f.must(second(f.UpdateConfig(ctx, ref("hello"), function.ConfigPatch{MemoryMB: new(256)}, "")))
	two := publish(function.Publication{})
	if two.Ref != ref("hello:2") || two.Config.MemoryMB != 256 || two.Config.Description != "" {
		t.Errorf("the second version: %+v", two)
	}
	f.must(second(f.UpdateConfig(ctx, ref("hello"), function.ConfigPatch{MemoryMB: new(512)}, "")))
	f.must(second(f.UpdateConfig(ctx, ref("hello"), function.ConfigPatch{MemoryMB: new(256)}, "")))
	if same := publish(function.Publication{}); same.Key() != two.Key() {
		t.Errorf("changed there and back: %+v; want version 2", same)
	}
	if got, err := f.Get(ctx, ref("hello:1")); err != nil || got.Version.Key() != one.Key() || got.Version.Config.MemoryMB != 128 {
		t.Errorf("the first version has changed: %+v, %v", got.Version, err)
	}
	// A version whose number was deleted is not the newest any more.
	f.must(f.Delete(ctx, ref("hello:2")))
	if three := publish(function.Publication{}); three.Ref != ref("hello:3") {
		t.Errorf("after 2 was deleted: %v; want 3", three.Ref)
	}
	// Text: localstack/localstack, services/lambda_/provider.py.
	_, err := f.PublishVersion(ctx, ref("hello"), function.Publication{CodeSHA256: codeB.SHA256})
	wantError(t, "another hash", err, pinfold.Invalid, invalidParameter, "CodeSHA256 (u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7s=) is different from current CodeSHA256 in $LATEST (qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo=). Please try again with the CodeSHA256 in $LATEST.")
	_, err = f.PublishVersion(ctx, ref("hello"), function.Publication{RevisionID: "old"})
	wantError(t, "an old revision", err, pinfold.Conflict, precondition, revisionText)
}

func TestCreateAndPublish(t *testing.T) {
	f := newRegistry(t)
	v, err := f.Create(t.Context(), function.NewFunction{Ref: ref("hello"), Config: config, Code: codeA, Publish: true})
	f.must(err)
	if v.Ref != ref("hello:1") {
		t.Errorf("Create with Publish = %v; want version 1", v.Ref)
	}
	if again, err := f.PublishVersion(t.Context(), ref("hello"), function.Publication{}); err != nil || again.Key() != v.Key() {
		t.Errorf("published again: %v, %v", again, err)
	}
}

func TestAliases(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.create("hello")
	f.publish("hello")
	f.publish("hello")
	created, err := f.CreateAlias(ctx, ref("hello:live"), "1", "what is live", map[string]float64{"2": 0.25})
	f.must(err)
	want := pinfold.Alias{Ref: ref("hello:live"), Version: "1", Additional: "2", Weight: 0.25, Description: "what is live", RevisionID: created.RevisionID}
	if got, err := f.GetAlias(ctx, ref("hello:live")); err != nil || *got != want || *created != want {
		t.Errorf("the alias: %+v, %v; want %+v", got, err, want)
	}
	f.must(second(f.CreateAlias(ctx, ref("hello:beta"), "2", "", nil)))
	f.must(second(f.CreateAlias(ctx, ref("hello:zeta"), "$LATEST", "", nil)))
	aliasName := func(a *pinfold.Alias) string { return a.Ref.Qualifier }
	list := func(version string) func(function.Page) ([]*pinfold.Alias, string, error) {
		return func(p function.Page) ([]*pinfold.Alias, string, error) {
			return f.ListAliases(ctx, ref("hello"), version, p)
		}
	}
	wantPages(t, "aliases", []string{"beta", "live", "zeta"}, list(""), aliasName)
	wantPages(t, "aliases of version 2", []string{"beta", "live"}, list("2"), aliasName)

	updated, err := f.UpdateAlias(ctx, ref("hello:live"), function.AliasChange{Description: new("changed"), RevisionID: created.RevisionID})
	f.must(err)
	if updated.Description != "changed" || updated.Additional != "2" || updated.RevisionID == created.RevisionID {
		t.Errorf("a new description: %+v", updated)
	}
	updated, err = f.UpdateAlias(ctx, ref("hello:live"), function.AliasChange{Version: new("2"), Routing: &map[string]float64{}})
	f.must(err)
	if updated.Version != "2" || updated.Additional != "" || updated.Weight != 0 || updated.Description != "changed" {
		t.Errorf("a new version without routing: %+v", updated)
	}
	f.must(f.DeleteAlias(ctx, ref("hello:live")))
	f.must(f.DeleteAlias(ctx, ref("hello:live")))
	_, err = f.GetAlias(ctx, ref("hello:live"))
	wantError(t, "a deleted alias", err, pinfold.NotFound, notFound, "Cannot find alias arn: "+arn("hello:live"))
}

// Texts: localstack/localstack, services/lambda_/provider.py.
func TestAliasesRefuse(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.create("hello")
	f.publish("hello")
	f.publish("hello")
	live, err := f.CreateAlias(ctx, ref("hello:live"), "1", "", nil)
	f.must(err)
	const at = " at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: "
	for name, test := range map[string]struct {
		alias, version  string
		routing         map[string]float64
		code            pinfold.Code
		reason, message string
	}{
		"the name is taken":     {"live", "1", nil, pinfold.Conflict, conflict, "Alias already exists: " + arn("hello:live")},
		"a number as name":      {"123", "1", nil, pinfold.Invalid, validationError, "1 validation error detected: Value '123' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"},
		"$LATEST as name":       {"$LATEST", "1", nil, pinfold.Invalid, validationError, "1 validation error detected: Value '$LATEST' at 'name'"},
		"no name":               {"", "1", nil, pinfold.Invalid, validationError, "1 validation error detected: Value '' at 'name'"},
		"no such version":       {"new", "9", nil, pinfold.NotFound, notFound, "Function not found: " + arn("hello:9")},
		"an alias of an alias":  {"new", "live", nil, pinfold.Invalid, validationError, "1 validation error detected: Value 'live' at 'functionVersion'"},
		"two further versions":  {"new", "1", map[string]float64{"2": 0.1, "3": 0.1}, pinfold.Invalid, invalidParameter, "Number of items in AdditionalVersionWeights cannot be greater than 1"},
		"no such second":        {"new", "1", map[string]float64{"9": 0.1}, pinfold.NotFound, notFound, "Function not found: " + arn("hello:9")},
		"the same twice":        {"new", "1", map[string]float64{"1": 0.1}, pinfold.Invalid, invalidParameter, "Invalid function version 1. Function version 1 is already included in routing configuration."},
		"$LATEST and another":   {"new", "$LATEST", map[string]float64{"1": 0.1}, pinfold.Invalid, invalidParameter, "$LATEST is not supported for an alias pointing to more than 1 version"},
		"another and $LATEST":   {"new", "1", map[string]float64{"$LATEST": 0.1}, pinfold.Invalid, validationError, "1 validation error detected: Value '{$LATEST=0.1}'" + at + "Map keys must satisfy constraint"},
		"a weight above one":    {"new", "1", map[string]float64{"2": 1.1}, pinfold.Invalid, validationError, "1 validation error detected: Value '{2=1.1}'" + at + "Map value must satisfy constraint: [Member must have value less than or equal to 1.0"},
		"a weight below zero":   {"new", "1", map[string]float64{"2": -0.1}, pinfold.Invalid, validationError, "1 validation error detected: Value '{2=-0.1}'" + at},
		"a weight of no number": {"new", "1", map[string]float64{"2": math.NaN()}, pinfold.Invalid, validationError, "1 validation error detected: Value '{2=NaN}'" + at},
	} {
		_, err := f.CreateAlias(ctx, ref("hello").With(test.alias), test.version, "", test.routing)
		wantError(t, name, err, test.code, test.reason, test.message)
	}
	_, err = f.UpdateAlias(ctx, ref("hello:live"), function.AliasChange{Version: new("9")})
	wantError(t, "an update to no version", err, pinfold.NotFound, notFound, "Function not found: "+arn("hello:9"))
	_, err = f.UpdateAlias(ctx, ref("hello:live"), function.AliasChange{RevisionID: "old"})
	wantError(t, "an old revision", err, pinfold.Conflict, precondition, revisionText)
	_, err = f.UpdateAlias(ctx, ref("hello:none"), function.AliasChange{})
	wantError(t, "no such alias", err, pinfold.NotFound, notFound, "Cannot find alias arn: "+arn("hello:none"))
	if got, err := f.GetAlias(ctx, ref("hello:live")); err != nil || *got != *live {
		t.Errorf("a refused update changed the alias to %+v, %v", got, err)
	}
}
