package function_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/store"
)

// counting is a store that counts Views.
type counting struct {
	store.Control
	views atomic.Int64
}

func (c *counting) View(ctx context.Context, fn func(store.Tx) error) error {
	c.views.Add(1)
	return c.Control.View(ctx, fn)
}

func TestResolve(t *testing.T) {
	f := newRegistry(t)
	f.create("hello")
	f.publish("hello")
	f.publish("hello")
	f.must(second(f.CreateAlias(t.Context(), ref("hello:one"), "1", "", nil)))
	f.must(second(f.CreateAlias(t.Context(), ref("hello:latest"), "$LATEST", "", nil)))
	counted := &counting{Control: f.store}
	r := function.New(function.Options{Store: counted, Code: known, Scope: scope})
	for range 3 {
		for name, want := range map[string]string{"hello": "$LATEST", "hello:$LATEST": "$LATEST", "hello:1": "1", "hello:2": "2", "hello:one": "1", "hello:latest": "$LATEST"} {
			if v, err := r.Resolve(t.Context(), ref(name)); err != nil || v.Ref != ref("hello").With(want) {
				t.Errorf("Resolve(%s) = %v, %v; want %s", name, v, err, want)
			}
		}
	}
	if n := counted.views.Load(); n != 5 { // unqualified and $LATEST are one
		t.Errorf("the store was asked %d times; want once for each of 5 qualifiers", n)
	}
}

func TestResolveByWeight(t *testing.T) {
	f := newRegistry(t)
	f.create("hello")
	f.publish("hello")
	f.publish("hello")
	for weight, want := range map[float64][2]int{0: {0, 0}, 0.3: {2500, 3500}, 1: {10000, 10000}} {
		f.must(f.DeleteAlias(t.Context(), ref("hello:live")))
		f.must(second(f.CreateAlias(t.Context(), ref("hello:live"), "1", "", map[string]float64{"2": weight})))
		second := 0
		for range 10000 {
			v, err := f.Resolve(t.Context(), ref("hello:live"))
			f.must(err)
			if v.Ref.Qualifier == "2" {
				second++
			}
		}
		if second < want[0] || second > want[1] {
			t.Errorf("weight %v: the second version got %d of 10000; want %v", weight, second, want)
		}
	}
}

func TestChangesAreAnnounced(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	var announced []pinfold.FunctionRef
	f.OnChange(func(ref pinfold.FunctionRef) { announced = append(announced, ref) })
	hello := ref("hello")
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"Create", func() error {
			return second(f.Create(ctx, function.NewFunction{Ref: hello, Config: config, Code: codeA}))
		}},
		{"UpdateCode", func() error { return second(f.UpdateCode(ctx, hello, function.CodeUpdate{Code: codeB})) }},
		{"UpdateConfig", func() error {
			return second(f.UpdateConfig(ctx, hello, function.ConfigPatch{MemoryMB: new(256)}, ""))
		}},
		{"PublishVersion", func() error { return second(f.PublishVersion(ctx, hello, function.Publication{})) }},
		{"CreateAlias", func() error { return second(f.CreateAlias(ctx, ref("hello:live"), "1", "", nil)) }},
		{"UpdateAlias", func() error {
			return second(f.UpdateAlias(ctx, ref("hello:live"), function.AliasChange{Version: new("$LATEST")}))
		}},
		{"CreateURL", func() error { return second(f.CreateURL(ctx, ref("hello:live"), "NONE", "", nil)) }},
		{"UpdateURL", func() error {
			return second(f.UpdateURL(ctx, ref("hello:live"), function.URLChange{AuthType: new("AWS_IAM")}))
		}},
		{"DeleteURL", func() error { return f.DeleteURL(ctx, ref("hello:live")) }},
		{"SetConcurrency", func() error { return f.SetConcurrency(ctx, hello, new(5)) }},
		{"SetQueue", func() error { return f.SetQueue(ctx, hello, &pinfold.Queue{Max: 1, Wait: 1}) }},
		{"SetRecursive", func() error { return f.SetRecursive(ctx, hello, true) }},
		{"PutProvisioned", func() error { return second(f.PutProvisioned(ctx, ref("hello:1"), 5, nil)) }},
		{"DeleteProvisioned", func() error { return f.DeleteProvisioned(ctx, ref("hello:1")) }},
		{"Tag", func() error { return f.Tag(ctx, hello, map[string]string{"a": "b"}) }},
		{"AddPermission", func() error { return second(f.AddPermission(ctx, hello, permission("s"))) }},
		{"DeleteAlias", func() error { return f.DeleteAlias(ctx, ref("hello:live")) }},
		{"Delete version", func() error { return f.Delete(ctx, ref("hello:1")) }},
		{"Delete", func() error { return f.Delete(ctx, hello) }},
	} {
		announced = nil
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if !slices.Equal(announced, []pinfold.FunctionRef{hello}) {
			t.Errorf("%s announced %v; want %v once", step.name, announced, hello)
		}
	}
	announced = nil
	if err := f.Delete(ctx, hello); err == nil || len(announced) > 0 {
		t.Errorf("a change that failed (%v) announced %v", err, announced)
	}
}

// What Resolve gives is at no time older than what a change returned before.
func TestResolveIsNeverStale(t *testing.T) {
	f := newRegistry(t)
	f.create("hello")
	var newest atomic.Int64
	newest.Store(128)
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				least := newest.Load()
				if v, err := f.Resolve(t.Context(), ref("hello")); err != nil || int64(v.Config.MemoryMB) < least {
					t.Errorf("Resolve = %+v, %v; want at least %d MB", v, err, least)
					return
				}
			}
		})
	}
	for memory := 129; memory < 229; memory++ {
		f.must(second(f.UpdateConfig(t.Context(), ref("hello"), function.ConfigPatch{MemoryMB: &memory}, "")))
		newest.Store(int64(memory))
	}
	stop()
	readers.Wait()
}

func TestWithin(t *testing.T) {
	f := newRegistry(t)
	ctx := t.Context()
	f.create("old")
	before, err := f.Resolve(ctx, ref("old"))
	f.must(err)
	var announced []string
	f.OnChange(func(ref pinfold.FunctionRef) { announced = append(announced, ref.Name) })
	errNo := errors.New("no")
	deploy := func(result error) error {
		return f.store.Update(ctx, func(tx store.Tx) error {
			r := f.Within(tx)
			f.must(second(r.Create(ctx, function.NewFunction{Ref: ref("new"), Config: config, Code: codeB, Publish: true})))
			f.must(second(r.UpdateConfig(ctx, ref("old"), function.ConfigPatch{MemoryMB: new(512)}, "")))
			f.must(second(r.CreateAlias(ctx, ref("new:live"), "1", "", nil)))
			f.must(second(r.CreateURL(ctx, ref("new"), "NONE", "", nil)))
			// It sees its own changes, and nobody else does.
			if v, err := r.Resolve(ctx, ref("new:live")); err != nil || v.Ref != ref("new:1") {
				t.Errorf("within the transaction: %v, %v", v, err)
			}
			if v, err := r.Resolve(ctx, ref("old")); err != nil || v.Config.MemoryMB != 512 {
				t.Errorf("within the transaction: %v, %v", v, err)
			}
			if v, err := f.Resolve(ctx, ref("old")); err != nil || v.Key() != before.Key() {
				t.Errorf("outside of the transaction: %v, %v", v, err)
			}
			if _, err := f.Resolve(ctx, ref("new")); pinfold.CodeOf(err) != pinfold.NotFound {
				t.Errorf("outside of the transaction: %v", err)
			}
			if len(announced) > 0 {
				t.Errorf("announced before the commit: %v", announced)
			}
			return result
		})
	}
	if err := deploy(errNo); !errors.Is(err, errNo) || len(announced) > 0 {
		t.Errorf("rolled back: %v, announced %v", err, announced)
	}
	if v, err := f.Resolve(ctx, ref("old")); err != nil || v.Key() != before.Key() {
		t.Errorf("after the rollback: %v, %v", v, err)
	}
	if _, err := f.Get(ctx, ref("new")); pinfold.CodeOf(err) != pinfold.NotFound {
		t.Errorf("after the rollback: %v", err)
	}
	if err := deploy(nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(announced, "new") || !slices.Contains(announced, "old") {
		t.Errorf("announced %v", announced)
	}
	if v, err := f.Resolve(ctx, ref("old")); err != nil || v.Config.MemoryMB != 512 {
		t.Errorf("after the commit: %v, %v", v, err)
	}
}

// Two changes at the same time are one after the other, or the later one is
// told to try again; none is lost.
func TestConcurrentUpdates(t *testing.T) {
	f := newRegistry(t)
	f.create("hello")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			description := time.Duration(i).String()
			if _, err := f.UpdateConfig(t.Context(), ref("hello"), function.ConfigPatch{Description: &description}, ""); err != nil {
				t.Error(err)
			}
			if _, err := f.PublishVersion(t.Context(), ref("hello"), function.Publication{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	versions, _, err := f.ListVersions(t.Context(), ref("hello"), function.Page{})
	f.must(err)
	seen := map[string]bool{}
	for _, v := range versions[1:] {
		if seen[v.Config.Description] {
			t.Errorf("%q was published twice", v.Config.Description)
		}
		seen[v.Config.Description] = true
	}
}

func BenchmarkResolve(b *testing.B) {
	for name, target := range map[string]pinfold.FunctionRef{"latest": ref("hello"), "weighted": ref("hello:live")} {
		b.Run(name, func(b *testing.B) {
			f := newRegistry(b)
			f.create("hello")
			f.publish("hello")
			f.publish("hello")
			f.must(second(f.CreateAlias(b.Context(), ref("hello:live"), "1", "", map[string]float64{"2": 0.5})))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Resolve(context.Background(), target); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
