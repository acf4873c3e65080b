package deploy_test

import (
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/internal/function"
)

// ready is hello with instances of greet that are kept ready, a route and a URL
// that lead to them.
func ready(count int, schedule ...pinfold.ScheduledCount) *app.Application {
	a := hello()
	a.Functions = a.Functions[:1]
	a.Functions[0].Provisioned = &app.Provisioned{Count: count, Schedule: schedule}
	a.Functions[0].URL = &app.FunctionURL{AuthType: "NONE", InvokeMode: "BUFFERED"}
	a.APIs[0].Routes = a.APIs[0].Routes[:1]
	a.APIs[0].Routes[0].Target = ref("hello-dev-greet").With("provisioned")
	return a
}

// unready is the same without them.
func unready() *app.Application {
	a := ready(0)
	a.Functions[0].Provisioned = nil
	a.APIs[0].Routes[0].Target = ref("hello-dev-greet")
	return a
}

// wantReady checks where the alias leads and what is provisioned of it.
func (h *house) wantReady(version string, count int) {
	h.t.Helper()
	s, err := h.functions.Settings(h.t.Context(), ref("hello-dev-greet"))
	if err != nil {
		h.t.Fatal(err)
	}
	if len(s.Provisioned) != 1 || s.Provisioned[0].Version.Ref.Qualifier != version || s.Provisioned[0].Other != nil || s.Provisioned[0].Count != count {
		h.t.Errorf("provisioned are %+v, want %d of version %s", s.Provisioned, count, version)
	}
}

func TestProvisioned(t *testing.T) {
	h := newHouse(t)
	h.expect(ready(5), "+ function hello-dev-greet nodejs20.x; provisioned 5", "+ url hello-dev-greet:provisioned", "+ route GET /greet hello-dev-greet:provisioned")
	deployed := h.apply(ready(5))
	h.wantReady("1", 5)
	alias := ref("hello-dev-greet").With("provisioned")
	if want := "http://" + pinfold.URLID(alias) + ".lambda-url.localhost:8080/"; deployed.Functions[0].URL != want {
		t.Errorf("the URL is %s, want the alias's, %s", deployed.Functions[0].URL, want)
	}
	h.expect(ready(5))

	// The alias follows what is deployed.
	next := ready(5)
	next.Functions[0].Code.SHA256 = hash("b")
	h.expect(next, "~ function hello-dev-greet code")
	h.apply(next)
	h.wantReady("2", 5)
	h.expect(next)

	day := []pinfold.ScheduledCount{{Cron: "0 8 * * 1-5", Timezone: "Europe/Berlin", Count: 10}, {Cron: "0 20 * * *", Count: 2}}
	next = ready(0, day...)
	next.Functions[0].Code.SHA256 = hash("b")
	h.expect(next, `~ function hello-dev-greet provisioned 5 -> 10 at "0 8 * * 1-5" Europe/Berlin and 2 at "0 20 * * *"`)
	h.apply(next)
	h.expect(next)

	// What somebody does by hand is put back.
	if _, err := h.functions.PutProvisioned(t.Context(), alias, 7, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := h.functions.UpdateAlias(t.Context(), alias, function.AliasChange{Version: new("1"), Routing: &map[string]float64{"2": 0.5}}); err != nil {
		t.Fatal(err)
	}
	h.expect(next, `~ function hello-dev-greet provisioned 7 -> 10 at "0 8 * * 1-5" Europe/Berlin and 2 at "0 20 * * *"; alias provisioned 1 -> 2; alias provisioned -2`)
	h.apply(next)
	h.wantReady("2", 0)
	h.expect(next)

	without := unready()
	without.Functions[0].Code.SHA256 = hash("b")
	h.expect(without, `~ function hello-dev-greet provisioned 10 at "0 8 * * 1-5" Europe/Berlin and 2 at "0 20 * * *" -> (none)`,
		"- url hello-dev-greet:provisioned", "+ url hello-dev-greet", "~ route GET /greet hello-dev-greet:provisioned -> hello-dev-greet")
	h.apply(without)
	h.expect(without)
	if _, err := h.functions.GetAlias(t.Context(), alias); pinfold.CodeOf(err) != pinfold.NotFound {
		t.Errorf("the alias is left: %v", err)
	}
	h.expect(next, `~ function hello-dev-greet provisioned (none) -> 10 at "0 8 * * 1-5" Europe/Berlin and 2 at "0 20 * * *"`,
		"- url hello-dev-greet", "+ url hello-dev-greet:provisioned", "~ route GET /greet hello-dev-greet -> hello-dev-greet:provisioned")
	h.apply(next)
	h.wantReady("2", 0)
	if err := h.Remove(t.Context(), "hello", "dev", false); err != nil {
		t.Fatal(err)
	}
}

// A function that was never published gets a version for its instances.
func TestProvisionedOfAnUnpublishedFunction(t *testing.T) {
	h := newHouse(t)
	plain := unready()
	plain.Functions[0].Publish = false
	h.apply(plain)
	h.apply(ready(1))
	h.wantReady("1", 1)
}

// An alias of that name that was there before is the user's own.
func TestProvisionedLeavesOtherAliases(t *testing.T) {
	h := newHouse(t)
	h.apply(unready())
	alias := ref("hello-dev-greet").With("provisioned")
	if _, err := h.functions.CreateAlias(t.Context(), alias, "1", "by hand", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := h.functions.PutProvisioned(t.Context(), alias, 1, nil); err != nil {
		t.Fatal(err)
	}
	h.expect(unready())
	next := unready()
	next.Functions[0].Config.MemoryMB = 256
	h.apply(next)
	h.wantReady("1", 1)
}

// The reservation and what is provisioned of it grow and shrink together.
func TestProvisionedAndReserved(t *testing.T) {
	h := newHouse(t)
	for _, n := range []int{5, 900, 1} {
		a := ready(n)
		a.Functions[0].ReservedConcurrency = &n
		h.apply(a)
		h.wantReady("1", n)
	}
	two := 2
	a := ready(3)
	a.Functions[0].ReservedConcurrency = &two
	for _, h := range []*house{h, newHouse(t)} { // a new function too
		_, err := h.Apply(t.Context(), a, "", false)
		if pinfold.CodeOf(err) != pinfold.Invalid || err.Error() != "serverless.yml:7: function greet: Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function" {
			t.Errorf("more than is reserved: %v", err)
		}
	}
	h.wantReady("1", 1)
}

func TestQueueAndInstances(t *testing.T) {
	h := newHouse(t)
	with := func(change func(*app.Function)) *app.Application {
		a := unready()
		change(&a.Functions[0])
		return a
	}
	all := with(func(f *app.Function) {
		f.Config.MaxConcurrency, f.Queue, f.Recursive = 10, &pinfold.Queue{Max: 1000, Wait: 30}, true
	})
	h.expect(all, "+ function hello-dev-greet nodejs20.x; concurrency of an instance 10; queue 1000 for 30s; loops allowed", "+ url hello-dev-greet", "+ route GET /greet hello-dev-greet")
	h.apply(all)
	h.expect(all)
	d, err := h.functions.Get(t.Context(), ref("hello-dev-greet"))
	if err != nil || d.Version.Config.MaxConcurrency != 10 || *d.Queue != (pinfold.Queue{Max: 1000, Wait: 30}) || !d.Recursive {
		t.Errorf("the function is %+v with %+v: %v", d.Function, d.Version.Config, err)
	}
	h.expect(with(func(f *app.Function) { f.Config.MaxConcurrency, f.Queue = 20, &pinfold.Queue{Max: 5, Wait: 90} }),
		"~ function hello-dev-greet concurrency of an instance 10 -> 20; queue 1000 for 30s -> 5 for 1m30s; loops allowed -> stopped")
	h.expect(unready(), "~ function hello-dev-greet concurrency of an instance 10 -> 1; queue 1000 for 30s -> (none); loops allowed -> stopped")
	h.apply(unready())
	h.expect(unready())
}

func TestRouteToNoProvisionedInstances(t *testing.T) {
	h := newHouse(t)
	a := ready(1)
	a.Functions[0].Provisioned = nil
	if _, err := h.Plan(t.Context(), a); pinfold.CodeOf(err) != pinfold.Invalid {
		t.Errorf("a route to no instances: %v", err)
	}
}
