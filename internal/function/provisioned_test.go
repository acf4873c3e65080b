package function_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
)

const noProvisioned = "ProvisionedConcurrencyConfigNotFoundException"

// provision asks for instances, which must be given.
func (f *fixture) provision(name string, count int, schedule ...pinfold.ScheduledCount) *pinfold.Provisioned {
	f.t.Helper()
	p, err := f.PutProvisioned(f.t.Context(), ref(name), count, schedule)
	f.must(err)
	return p
}

// versioned makes a function with three versions, and an alias "live" of the first.
func (f *fixture) versioned(name string) {
	f.t.Helper()
	f.create(name)
	for range 3 {
		f.publish(name)
	}
	f.must(second(f.CreateAlias(f.t.Context(), ref(name+":live"), "1", "", nil)))
}

func provisionedNames(p *pinfold.Provisioned) string { return p.Ref.Qualifier }

func TestProvisioned(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.versioned("hello")
	f.versioned("other")
	want := pinfold.Provisioned{Ref: ref("hello:live"), Count: 5, Modified: f.now}
	if p := f.provision("hello:live", 5); !cmp.Equal(*p, want) {
		t.Errorf("put %+v", p)
	}
	if p, err := f.GetProvisioned(ctx, ref("hello:live")); err != nil || !cmp.Equal(*p, want) {
		t.Errorf("got %+v, %v", p, err)
	}
	f.provision("hello:3", 1)
	f.provision("hello:2", 2)
	f.provision("other:1", 9)
	f.now = f.now.Add(time.Minute)
	schedule := []pinfold.ScheduledCount{{Cron: "0 8 * * 1-5", Timezone: "Europe/Berlin", Count: 10}, {Cron: "0 20 * * *"}}
	if p := f.provision("hello:live", 0, schedule...); p.Count != 0 || !slices.Equal(p.Schedule, schedule) || !p.Modified.Equal(f.now) {
		t.Errorf("put again %+v", p)
	}
	if p := f.provision("hello:live", 4); p.Schedule != nil {
		t.Errorf("a number alone leaves the schedule %v", p.Schedule)
	}
	list := func(p function.Page) ([]*pinfold.Provisioned, string, error) {
		return f.ListProvisioned(ctx, ref("hello"), p)
	}
	wantPages(t, "configurations", []string{"2", "3", "live"}, list, provisionedNames)

	f.must(f.DeleteProvisioned(ctx, ref("hello:2")))
	f.must(f.DeleteProvisioned(ctx, ref("hello:2")))
	f.must(f.Delete(ctx, ref("hello:3")))
	f.must(f.DeleteAlias(ctx, ref("hello:live")))
	wantPages(t, "what is left", nil, list, provisionedNames)
	f.must(second(f.CreateAlias(ctx, ref("hello:live"), "1", "", nil)))
	_, err := f.GetProvisioned(ctx, ref("hello:live"))
	wantError(t, "a new alias of the same name", err, pinfold.NotFound, noProvisioned, "No Provisioned Concurrency Config found for this function")

	f.must(f.Delete(ctx, ref("other")))
	f.versioned("other")
	_, err = f.GetProvisioned(ctx, ref("other:1"))
	wantError(t, "a new function of the same name", err, pinfold.NotFound, noProvisioned, "No Provisioned Concurrency Config found")
}

// Texts: localstack/localstack, services/lambda_/provider.py, recorded from AWS.
func TestProvisionedRefuses(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.versioned("hello")
	f.must(second(f.CreateAlias(ctx, ref("hello:newest"), "$LATEST", "", nil)))
	f.must(second(f.CreateAlias(ctx, ref("hello:split"), "2", "", map[string]float64{"3": 0.5})))
	f.provision("hello:live", 5)
	f.provision("hello:3", 5)
	entry := func(cron, zone string, count int) []pinfold.ScheduledCount {
		return []pinfold.ScheduledCount{{Cron: cron, Timezone: zone, Count: count}}
	}
	const (
		unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
		twice       = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
	)
	for name, test := range map[string]struct {
		on              string
		count           int
		schedule        []pinfold.ScheduledCount
		code            pinfold.Code
		reason, message string
	}{
		"$LATEST":               {"hello:$LATEST", 1, nil, pinfold.Invalid, invalidParameter, unpublished},
		"no version":            {"hello", 1, nil, pinfold.Invalid, invalidParameter, unpublished},
		"an alias of $LATEST":   {"hello:newest", 1, nil, pinfold.Invalid, invalidParameter, unpublished},
		"no such version":       {"hello:9", 1, nil, pinfold.NotFound, notFound, "Function not found: " + arn("hello:9")},
		"no such alias":         {"hello:none", 1, nil, pinfold.NotFound, notFound, "Cannot find alias arn: " + arn("hello:none")},
		"no such function":      {"none:1", 1, nil, pinfold.NotFound, notFound, "Function not found: " + arn("none:1")},
		"none":                  {"hello:2", 0, nil, pinfold.Invalid, validationError, "1 validation error detected: Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		"an alias's version":    {"hello:1", 1, nil, pinfold.Conflict, conflict, "Version is pointed by a Provisioned Concurrency alias"},
		"a version's alias":     {"hello:split", 1, nil, pinfold.Conflict, conflict, twice},
		"more than there is":    {"hello:2", 1001, nil, pinfold.Invalid, invalidParameter, "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000]."},
		"more than may be":      {"hello:2", 891, nil, pinfold.Invalid, invalidParameter, "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."},
		"at one time of day":    {"hello:2", 1, entry("0 8 * * *", "", 891), pinfold.Invalid, invalidParameter, "Specified ConcurrentExecutions for function decreases"},
		"a time that is none":   {"hello:2", 1, entry("0 8 * *", "", 1), pinfold.Invalid, invalidParameter, `"0 8 * *" is no cron expression`},
		"a zone that is none":   {"hello:2", 1, entry("0 8 * * *", "Berlin", 1), pinfold.Invalid, invalidParameter, `"Berlin" is no time zone`},
		"fewer than none":       {"hello:2", 1, entry("0 8 * * *", "", -1), pinfold.Invalid, validationError, "1 validation error detected: Value '-1' at 'schedule.count'"},
		"a timetable of trains": {"hello:2", 1, slices.Repeat(entry("0 8 * * *", "", 1), 101), pinfold.Invalid, invalidParameter, "The schedule has 101 entries"},
	} {
		_, err := f.PutProvisioned(ctx, ref(test.on), test.count, test.schedule)
		wantError(t, name, err, test.code, test.reason, test.message)
	}
	const qualified = "The function resource provided must be an alias or a published version."
	for _, on := range []string{"hello", "hello:$LATEST"} {
		wantError(t, "get "+on, second(f.GetProvisioned(ctx, ref(on))), pinfold.Invalid, invalidParameter, qualified)
		wantError(t, "delete "+on, f.DeleteProvisioned(ctx, ref(on)), pinfold.Invalid, invalidParameter, qualified)
	}
	wantError(t, "get nothing", second(f.GetProvisioned(ctx, ref("hello:2"))), pinfold.NotFound, noProvisioned, "No Provisioned Concurrency Config found for this function")
	wantError(t, "get of no version", second(f.GetProvisioned(ctx, ref("hello:9"))), pinfold.NotFound, notFound, "Function not found: "+arn("hello:9"))
	wantError(t, "delete of no alias", f.DeleteProvisioned(ctx, ref("hello:none")), pinfold.NotFound, notFound, "Cannot find alias arn: "+arn("hello:none"))
	_, _, err := f.ListProvisioned(ctx, ref("none"), function.Page{})
	wantError(t, "list of no function", err, pinfold.NotFound, notFound, "Function not found: "+arn("none"))

	move := func(to string, routing map[string]float64) error {
		return second(f.UpdateAlias(ctx, ref("hello:live"), function.AliasChange{Version: &to, Routing: &routing}))
	}
	wantError(t, "the alias moves to a version", move("3", nil), pinfold.Conflict, conflict, twice)
	wantError(t, "the alias shares with a version", move("1", map[string]float64{"3": 0.1}), pinfold.Conflict, conflict, twice)
	wantError(t, "the alias moves to $LATEST", move("$LATEST", nil), pinfold.Invalid, invalidParameter, unpublished)
	f.must(move("2", nil))
}

func TestProvisionedAndReserved(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.versioned("hello")
	f.versioned("other")
	f.must(f.SetConcurrency(ctx, ref("hello"), new(10)))
	f.provision("hello:live", 6)
	f.provision("hello:2", 4)
	f.provision("hello:2", 4) // what it had itself does not count
	_, err := f.PutProvisioned(ctx, ref("hello:2"), 5, nil)
	wantError(t, "over the reservation", err, pinfold.Invalid, invalidParameter, "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
	wantError(t, "under what is provisioned", f.SetConcurrency(ctx, ref("hello"), new(9)), pinfold.Invalid, invalidParameter,
		" ReservedConcurrentExecutions  9 should not be lower than function's total provisioned concurrency [10].")
	// The reservation holds what is provisioned of it; elsewhere both count.
	f.provision("other:1", 890)
	_, err = f.PutProvisioned(ctx, ref("other:2"), 1, nil)
	wantError(t, "over what is shared", err, pinfold.Invalid, invalidParameter, "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].")
	wantError(t, "a reservation over it", f.SetConcurrency(ctx, ref("hello"), new(11)), pinfold.Invalid, invalidParameter, "Specified ReservedConcurrentExecutions for function decreases")
	f.must(f.SetConcurrency(ctx, ref("other"), new(890)))
	f.must(f.SetConcurrency(ctx, ref("hello"), nil))
	if s, err := f.AccountSettings(ctx); err != nil || s.UnreservedConcurrency != 110 {
		t.Errorf("account settings %+v, %v", s, err)
	}
}

// A small machine keeps a tenth of its concurrency for all.
func TestUnreservedOfASmallAccount(t *testing.T) {
	f := newRegistry(t, function.Limits{Concurrency: 50})
	f.create("hello")
	f.must(f.SetConcurrency(t.Context(), ref("hello"), new(45)))
	wantError(t, "one more", f.SetConcurrency(t.Context(), ref("hello"), new(46)), pinfold.Invalid, invalidParameter,
		"Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [5].")
}

func TestQueue(t *testing.T) {
	f := newRegistry(t)
	f.create("hello")
	for _, q := range []*pinfold.Queue{{Max: 1, Wait: 1}, {Max: 100_000, Wait: 900}, nil} {
		f.must(f.SetQueue(t.Context(), ref("hello"), q))
		if d, err := f.Get(t.Context(), ref("hello")); err != nil || !cmp.Equal(d.Queue, q) {
			t.Errorf("the queue is %v, %v; want %v", d.Queue, err, q)
		}
	}
	for _, q := range []pinfold.Queue{{}, {Max: 1}, {Wait: 1}, {Max: -1, Wait: 1}, {Max: 100_001, Wait: 1}, {Max: 1, Wait: 901}} {
		wantError(t, "a queue", f.SetQueue(t.Context(), ref("hello"), &q), pinfold.Invalid, invalidParameter, "The queue has ")
	}
}

func TestRecursive(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.create("hello")
	for _, may := range []bool{false, true, false} {
		f.must(f.SetRecursive(ctx, ref("hello"), may))
		for range 2 { // read, and from memory
			if got, err := f.Recursive(ctx, ref("hello:$LATEST")); err != nil || got != may {
				t.Errorf("Recursive = %v, %v; want %v", got, err, may)
			}
		}
	}
	wantError(t, "no function", second(f.Recursive(ctx, ref("none"))), pinfold.NotFound, notFound, "Function not found: "+arn("none"))
	wantError(t, "a version", f.SetRecursive(ctx, ref("hello:$LATEST"), true), pinfold.Invalid, invalidParameter, "This operation is permitted on Lambda functions only.")
}

func TestInstanceConcurrency(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.create("hello")
	const provider = "arn:aws:lambda:us-east-1:111111111111:capacity-provider:mine"
	v, err := f.UpdateConfig(ctx, ref("hello"), function.ConfigPatch{MaxConcurrency: new(64), CapacityProvider: new(provider)}, "")
	f.must(err)
	if v.Config.MaxConcurrency != 64 || v.Config.CapacityProvider != provider {
		t.Errorf("the configuration is %+v", v.Config)
	}
	for _, n := range []int{-1, 1601} {
		_, err := f.UpdateConfig(ctx, ref("hello"), function.ConfigPatch{MaxConcurrency: &n}, "")
		if pinfold.ReasonOf(err) != validationError || !strings.Contains(err.Error(), "perExecutionEnvironmentMaxConcurrency") {
			t.Errorf("%d at a time: %v", n, err)
		}
	}
}

func TestSettings(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	for _, name := range []string{"plain", "limited", "queued", "ready"} {
		f.versioned(name)
	}
	f.must(f.SetConcurrency(ctx, ref("limited"), new(5)))
	f.must(f.SetQueue(ctx, ref("queued"), &pinfold.Queue{Max: 10, Wait: 30}))
	f.provision("ready:3", 2)
	f.provision("ready:live", 10)
	all, err := f.AllSettings(ctx)
	f.must(err)
	if len(all) != 3 || *all[0].Reserved != 5 || all[1].Queue.Max != 10 || len(all[2].Provisioned) != 2 {
		t.Fatalf("all settings: %+v", all)
	}
	for _, s := range all {
		if one, err := f.Settings(ctx, s.Ref); err != nil || !cmp.Equal(one, s) {
			t.Errorf("settings of %s alone: %+v, %v", s.Ref.Name, one, err)
		}
	}
	if s, err := f.Settings(ctx, ref("plain")); err != nil || !cmp.Equal(s, function.Settings{Ref: ref("plain")}) {
		t.Errorf("settings of a plain function: %+v, %v", s, err)
	}
	wantError(t, "no function", second(f.Settings(ctx, ref("none"))), pinfold.NotFound, notFound, "Function not found: "+arn("none"))

	if v := all[2].Provisioned[0]; v.Ref != ref("ready:3") || v.Count != 2 || v.Version.Ref != ref("ready:3") || v.Other != nil {
		t.Errorf("a version's target: %+v", v)
	}
	f.must(second(f.UpdateAlias(ctx, ref("ready:live"), function.AliasChange{Version: new("2"), Routing: &map[string]float64{"1": 0.25}})))
	s, err := f.Settings(ctx, ref("ready"))
	f.must(err)
	if a := s.Provisioned[1]; a.Ref != ref("ready:live") || a.Version.Ref != ref("ready:2") || a.Other.Ref != ref("ready:1") || a.Weight != 0.25 {
		t.Errorf("an alias's target: %+v", a)
	}
}

func TestShares(t *testing.T) {
	one, two := &pinfold.Version{Ref: ref("f:1")}, &pinfold.Version{Ref: ref("f:2")}
	for _, c := range []struct {
		weight             float64
		count, main, other int
	}{
		{0, 10, 10, 0}, {1, 10, 0, 10}, {0.25, 10, 7, 3}, {0.01, 10, 9, 1}, {0.99, 10, 1, 9}, {0.01, 2, 1, 1},
		{0.5, 1, 0, 1}, {0.4, 1, 1, 0}, {0.5, 2, 1, 1},
	} {
		want := []function.Share{{Version: one, Count: c.main}, {Version: two, Count: c.other}}
		if got := (function.Target{Version: one, Other: two, Weight: c.weight}).Shares(c.count); !slices.Equal(got, want) {
			t.Errorf("%d instances, %v for the other: %d and %d, want %d and %d", c.count, c.weight, got[0].Count, got[1].Count, c.main, c.other)
		}
	}
	for _, target := range []function.Target{{Version: one}, {Version: one, Other: two, Weight: 0.5}} {
		if got := target.Shares(0); !slices.Equal(got, []function.Share{{Version: one}}) {
			t.Errorf("no instances: %v", got)
		}
	}
}
