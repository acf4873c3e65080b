package function_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/store/sql"
)

var scope = pinfold.Scope{Account: "111111111111", Region: "us-east-1"}

// packages are the code packages of tests: a hash and its unpacked size.
type packages map[string]int64

func (p packages) Unpacked(_ context.Context, pkg pinfold.Package) (int64, error) {
	size, ok := p[pkg.SHA256]
	if !ok {
		return 0, pinfold.Errorf(pinfold.NotFound, "there is no package %s", pkg.SHA256)
	}
	return size, nil
}

var (
	codeA   = pinfold.Package{SHA256: strings.Repeat("aa", 32), Size: 1000}
	codeB   = pinfold.Package{SHA256: strings.Repeat("bb", 32), Size: 2000}
	big     = pinfold.Package{SHA256: strings.Repeat("cc", 32), Size: 3000} // 200 MB unpacked
	tooBig  = pinfold.Package{SHA256: strings.Repeat("dd", 32), Size: 4000} // 250 MB unpacked
	unknown = pinfold.Package{SHA256: strings.Repeat("ee", 32), Size: 5000}
	known   = packages{codeA.SHA256: 5000, codeB.SHA256: 6000, big.SHA256: 200 << 20, tooBig.SHA256: 250 << 20}
)

// fixture is a registry over a new store, with a clock that a test moves.
type fixture struct {
	*function.Registry
	t     testing.TB
	store store.Control
	now   time.Time
}

func newRegistry(t testing.TB, limits ...function.Limits) *fixture {
	t.Helper()
	db, err := sql.Open(t.Context(), filepath.Join(t.TempDir(), "pinfold.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f := &fixture{t: t, store: db, now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	f.Registry = function.New(function.Options{
		Store: db, Code: known, Scope: scope, Now: func() time.Time { return f.now },
		SupportedRuntime: func(id string) error {
			if strings.HasPrefix(id, "nodejs") {
				return nil
			}
			return pinfold.Errorf(pinfold.Invalid, "runtime %q cannot run here", id)
		},
		Limits: append(limits, function.Limits{})[0],
	})
	return f
}

func ref(name string) pinfold.FunctionRef {
	name, qualifier, _ := strings.Cut(name, ":")
	return pinfold.FunctionRef{Account: scope.Account, Region: scope.Region, Name: name, Qualifier: qualifier}
}

func arn(name string) string { return ref(name).ARN() }

var config = pinfold.Config{Runtime: "nodejs24.x", Handler: "index.handler"}

// create makes a function with codeA.
func (f *fixture) create(name string) *pinfold.Version {
	f.t.Helper()
	v, err := f.Create(f.t.Context(), function.NewFunction{Ref: ref(name), Config: config, Code: codeA})
	f.must(err)
	return v
}

// publish makes a version that differs from the one before.
func (f *fixture) publish(name string) *pinfold.Version {
	f.t.Helper()
	f.now = f.now.Add(time.Second)
	description := "published at " + f.now.String()
	_, err := f.UpdateConfig(f.t.Context(), ref(name), function.ConfigPatch{Description: &description}, "")
	f.must(err)
	v, err := f.PublishVersion(f.t.Context(), ref(name), function.Publication{})
	f.must(err)
	return v
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// wantError checks an error's code, reason and the beginning of its message.
func wantError(t *testing.T, what string, err error, code pinfold.Code, reason, message string) {
	t.Helper()
	if pinfold.CodeOf(err) != code || pinfold.ReasonOf(err) != reason || err == nil || !strings.HasPrefix(err.Error(), message) {
		t.Errorf("%s:\n got %s %s %v\nwant %s %s %s", what, pinfold.CodeOf(err), pinfold.ReasonOf(err), err, code, reason, message)
	}
}

func TestCreateAndGet(t *testing.T) {
	f := newRegistry(t)
	created := f.create("hello")
	got, err := f.Get(t.Context(), ref("hello"))
	f.must(err)
	if got.Ref != ref("hello") || got.Version.Ref != ref("hello:$LATEST") || got.Version.Key() != created.Key() {
		t.Errorf("Get = %+v, created %+v", got, created)
	}
	c := got.Version.Config
	if c.MemoryMB != 128 || c.Timeout != 3 || c.EphemeralMB != 512 || c.Architecture != "x86_64" || c.TracingMode != "PassThrough" || c.LogFormat != "Text" || c.LogGroup != "/aws/lambda/hello" {
		t.Errorf("AWS's defaults are missing: %+v", c)
	}
	if !got.Version.LastModified.Equal(f.now) || got.Version.Code != codeA || got.Version.RevisionID == "" {
		t.Errorf("version: %+v", got.Version)
	}
	resolved, err := f.Resolve(t.Context(), ref("hello"))
	f.must(err)
	if resolved.Key() != created.Key() {
		t.Errorf("Resolve = %v; want %v", resolved.Key(), created.Key())
	}
}
