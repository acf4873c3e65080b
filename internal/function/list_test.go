package function_test

import (
	"fmt"
	"slices"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
)

func TestList(t *testing.T) {
	f := newRegistry(t)
	names := []string{"alpha", "beta", "beta-2", "gamma"}
	for _, name := range slices.Backward(names) {
		f.create(name)
	}
	f.publish("beta")
	f.publish("beta")
	// Another account's function is in the same store and in no list.
	other := function.New(function.Options{Store: f.store, Code: known, Scope: pinfold.Scope{Account: "222222222222", Region: scope.Region}})
	f.must(second(other.Create(t.Context(), function.NewFunction{Ref: pinfold.FunctionRef{Account: "222222222222", Region: scope.Region, Name: "aaa"}, Config: config, Code: codeA})))

	wantPages(t, "functions", []string{"alpha:$LATEST", "beta:$LATEST", "beta-2:$LATEST", "gamma:$LATEST"}, func(p function.Page) ([]*pinfold.Version, string, error) {
		return f.List(t.Context(), false, p)
	}, versionName)
	wantPages(t, "all versions", []string{"alpha:$LATEST", "beta:$LATEST", "beta:1", "beta:2", "beta-2:$LATEST", "gamma:$LATEST"}, func(p function.Page) ([]*pinfold.Version, string, error) {
		return f.List(t.Context(), true, p)
	}, versionName)
	wantPages(t, "versions of beta", []string{"beta:$LATEST", "beta:1", "beta:2"}, func(p function.Page) ([]*pinfold.Version, string, error) {
		return f.ListVersions(t.Context(), ref("beta"), p)
	}, versionName)
	for _, marker := range []string{"x", "!", "bnVsbA", "WyJhIl0"} {
		if _, _, err := f.List(t.Context(), false, function.Page{Marker: marker}); pinfold.ReasonOf(err) != invalidParameter {
			t.Errorf("List with the marker %q = %v", marker, err)
		}
	}
}

func versionName(v *pinfold.Version) string { return v.Ref.Name + ":" + v.Ref.Qualifier }

// wantPages reads a list in pages of every size.
func wantPages[T any](t *testing.T, what string, want []string, list func(function.Page) ([]T, string, error), name func(T) string) {
	t.Helper()
	for size := 0; size <= len(want)+1; size++ {
		var got []string
		p := function.Page{Max: size}
		for pages := 0; ; pages++ {
			items, next, err := list(p)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if size > 0 && len(items) > size || next != "" && len(items) == 0 || pages > len(want) {
				t.Fatalf("%s: a page of %d with %d items, next %q", what, size, len(items), next)
			}
			for _, item := range items {
				got = append(got, name(item))
			}
			if p.Marker = next; next == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s in pages of %d:\n got %q\nwant %q", what, size, got, want)
		}
	}
}

// A page stays right when what it ended with is deleted.
func TestListWhileDeleting(t *testing.T) {
	f := newRegistry(t)
	for _, name := range []string{"a", "b", "c"} {
		f.create(name)
	}
	_, next, err := f.List(t.Context(), false, function.Page{Max: 2})
	f.must(err)
	f.must(f.Delete(t.Context(), ref("b")))
	rest, _, err := f.List(t.Context(), false, function.Page{Marker: next})
	f.must(err)
	if len(rest) != 1 || rest[0].Ref.Name != "c" {
		t.Errorf("the next page: %v", rest)
	}
}

func TestPageHasFifty(t *testing.T) {
	f := newRegistry(t)
	for i := range 51 {
		f.create(fmt.Sprintf("f%02d", i))
	}
	for _, size := range []int{0, 50, 51, 10000} {
		page, next, err := f.List(t.Context(), false, function.Page{Max: size})
		if err != nil || len(page) != 50 || next == "" {
			t.Errorf("Max %d: %d functions, next %q, %v; want 50 and a marker", size, len(page), next, err)
		}
	}
}
