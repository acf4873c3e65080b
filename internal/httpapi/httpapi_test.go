package httpapi_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/httpapi"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/store/sql"
)

var here = pinfold.Scope{Account: "000000000000", Region: "us-east-1"}

func api(id string, routes ...pinfold.Route) pinfold.API {
	return pinfold.API{Account: here.Account, Region: here.Region, ID: id, Name: id, Kind: pinfold.HTTPAPI, Routes: routes}
}

func route(method, path, function string) pinfold.Route {
	return pinfold.Route{Method: method, Path: path, Target: pinfold.FunctionRef{Account: here.Account, Region: here.Region, Name: function}}
}

func open(t *testing.T) store.Control {
	db, err := sql.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestRegistry(t *testing.T) {
	ctx := t.Context()
	r := httpapi.New(open(t))
	changes := 0
	r.OnChange(func() { changes++ })

	if _, err := r.Get(ctx, here, "aaaa"); pinfold.CodeOf(err) != pinfold.NotFound {
		t.Fatalf("Get of nothing = %v, want NotFound", err)
	}
	put, err := r.Put(ctx, api("aaaa", route("GET", "/hello", "hello"), route("", "$default", "rest")))
	if err != nil {
		t.Fatal(err)
	}
	want := api("aaaa", route("GET", "/hello", "hello"), route("ANY", "$default", "rest"))
	want.Stage, want.Routes[0].Payload, want.Routes[1].Payload = "$default", "2.0", "2.0"
	if diff := cmp.Diff(want, put); diff != "" {
		t.Errorf("Put returned (-want +got):\n%s", diff)
	}
	got, err := r.Get(ctx, here, "aaaa")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Get: %v (-want +got):\n%s", err, diff)
	}

	want.Routes = want.Routes[:1]
	if _, err := r.Put(ctx, want); err != nil {
		t.Fatal(err)
	}
	other := api("bbbb", route("GET", "/", "home"))
	other.Account = "111111111111"
	if _, err := r.Put(ctx, other); err != nil {
		t.Fatal(err)
	}
	for scope, n := range map[pinfold.Scope]int{here: 1, {}: 2, {Account: "222222222222", Region: "us-east-1"}: 0} {
		if list, err := r.List(ctx, scope); err != nil || len(list) != n {
			t.Errorf("List(%v) = %d APIs, %v; want %d", scope, len(list), err, n)
		}
	}
	if changes != 3 {
		t.Errorf("%d changes were told, want 3", changes)
	}

	if err := r.Delete(ctx, here, "aaaa"); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(ctx, here, "aaaa"); pinfold.CodeOf(err) != pinfold.NotFound {
		t.Errorf("second Delete = %v, want NotFound", err)
	}
	if _, err := r.Put(ctx, api("cccc", route("GET", "nowhere", "f"))); pinfold.CodeOf(err) != pinfold.Invalid {
		t.Errorf("Put of a bad path = %v, want Invalid", err)
	}
	if changes != 4 {
		t.Errorf("%d changes were told, want 4: failures change nothing", changes)
	}
}

func TestRegistryWithinTransaction(t *testing.T) {
	ctx := t.Context()
	control := open(t)
	r := httpapi.New(control)
	changes := 0
	r.OnChange(func() { changes++ })

	boom := errors.New("boom")
	err := control.Update(ctx, func(tx store.Tx) error {
		if _, err := r.Within(tx).Put(ctx, api("aaaa", route("GET", "/", "f"))); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if list, _ := r.List(ctx, here); len(list) != 0 || changes != 0 {
		t.Fatalf("a transaction that was rolled back left %d APIs and told %d changes", len(list), changes)
	}

	err = control.Update(ctx, func(tx store.Tx) error {
		w := r.Within(tx)
		if _, err := w.Put(ctx, api("aaaa", route("GET", "/", "f"))); err != nil {
			return err
		}
		if changes != 0 {
			t.Error("a change was told before it was committed")
		}
		_, err := w.Get(context.Background(), here, "aaaa")
		return err
	})
	if list, _ := r.List(ctx, here); err != nil || len(list) != 1 || changes != 1 {
		t.Fatalf("after the commit: %v, %d APIs, %d changes; want 1 and 1", err, len(list), changes)
	}
}
