package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

func pages(t *testing.T, c store.Control) {
	want := []string{"a/r/1", "a/r/2", "a/s/1", "b/r/1", "b/r/2", "b/s/1", "c/r/1"}
	fill(t, c, want...)
	for limit := 1; limit <= len(want)+1; limit++ {
		view(t, c, func(tx store.Tx) {
			var all []string
			var after store.Key
			for {
				page := list(t, tx, nil, after, limit)
				if len(page) > limit {
					t.Errorf("a page of %d keys, limit %d", len(page), limit)
				}
				if len(page) == 0 {
					break
				}
				all = append(all, page...)
				after = strings.SplitN(page[len(page)-1], "/", 3)
			}
			wantKeys(t, "all pages", all, want...)
		})
	}
	view(t, c, func(tx store.Tx) {
		wantKeys(t, "second page below b", list(t, tx, store.Key{"b"}, store.Key{"b", "r", "1"}, 1), "b/r/2")
		wantKeys(t, "a limit below zero is none", list(t, tx, nil, nil, -1), want...)
	})
}

func startsAnywhere(t *testing.T, c store.Control) {
	fill(t, c, "b/m/1", "b/m/2", "b/n/1")
	for _, test := range []struct {
		prefix, after store.Key
		want          []string
	}{
		{store.Key{"b"}, store.Key{"b", "m", "15"}, []string{"b/m/2", "b/n/1"}},         // between two records
		{store.Key{"b"}, store.Key{"a", "z", "z"}, []string{"b/m/1", "b/m/2", "b/n/1"}}, // before the prefix
		{store.Key{"b"}, store.Key{"c", "a", "a"}, nil},                                 // behind the prefix
		{store.Key{"b"}, store.Key{"b"}, []string{"b/m/1", "b/m/2", "b/n/1"}},           // a short key comes before what it is a prefix of
		{store.Key{"b"}, store.Key{"b", "n"}, []string{"b/n/1"}},                        // the same, one deeper
		{nil, store.Key{"b", "m"}, []string{"b/m/1", "b/m/2", "b/n/1"}},                 //
		{store.Key{"b", "m", "1"}, store.Key{"b", "m", "1"}, nil},                       // itself
		{store.Key{"b", "m"}, store.Key{"b", "l", "9"}, []string{"b/m/1", "b/m/2"}},     //
		{store.Key{"b", "m"}, store.Key{"b", "n", "0"}, nil},                            //
		{store.Key{"b", "m"}, store.Key{"a"}, []string{"b/m/1", "b/m/2"}},               // short and before
		{store.Key{"b", "m"}, store.Key{"c"}, nil},                                      // short and behind
		{store.Key{"b"}, store.Key{"b", "m", "2\U0001F98A"}, []string{"b/n/1"}},         //
		{store.Key{"b", "m", "2"}, store.Key{"b", "m", "1"}, []string{"b/m/2"}},         //
		{store.Key{"b", "m", "2"}, store.Key{"b", "m"}, []string{"b/m/2"}},              //
		{store.Key{}, store.Key{}, []string{"b/m/1", "b/m/2", "b/n/1"}},                 //
	} {
		view(t, c, func(tx store.Tx) {
			wantKeys(t, strings.Join(test.prefix, "/")+" after "+strings.Join(test.after, "/"), list(t, tx, test.prefix, test.after, 0), test.want...)
		})
	}
}

func refusesKeys(t *testing.T, c store.Control) {
	update(t, c, func(tx store.Tx) {
		for _, key := range []store.Key{nil, {"a"}, {"a", "b"}, {"a", "b", "c", "d"}} {
			if err := tx.Sequences().Put(key, 1); err == nil {
				t.Errorf("Put(%q) of a table with three columns went well", key)
			}
			if _, err := tx.Sequences().Get(key); err == nil || pinfold.CodeOf(err) == pinfold.NotFound {
				t.Errorf("Get(%q) of a table with three columns: %v", key, err)
			}
		}
		if err := tx.Sequences().Delete(nil); err == nil {
			t.Error("Delete of everything went well")
		}
	})
}

var errNo = errors.New("no")

func rollsBack(t *testing.T, c store.Control) {
	fill(t, c, "a/r/old")
	called := false
	err := c.Update(ctx, func(tx store.Tx) error {
		tx.AfterCommit(func() { called = true })
		must(t, tx.Sequences().Put(store.Key{"a", "r", "new"}, 1))
		must(t, tx.Sequences().Delete(store.Key{"a", "r", "old"}))
		return errNo
	})
	if !errors.Is(err, errNo) {
		t.Errorf("Update = %v; want the error of its function", err)
	}
	if called {
		t.Error("AfterCommit was called after a rollback")
	}
	view(t, c, func(tx store.Tx) { wantKeys(t, "after the rollback", list(t, tx, nil, nil, 0), "a/r/old") })
}

func rollsBackOnPanic(t *testing.T, c store.Control) {
	func() {
		defer func() {
			if recover() != errNo {
				t.Error("the panic did not come through")
			}
		}()
		c.Update(ctx, func(tx store.Tx) error {
			must(t, tx.Sequences().Put(store.Key{"a", "r", "k"}, 1))
			panic(errNo)
		})
	}()
	fill(t, c, "a/r/next") // the store is still usable
	view(t, c, func(tx store.Tx) { wantKeys(t, "after the panic", list(t, tx, nil, nil, 0), "a/r/next") })
}

func rollsBackOnCancel(t *testing.T, c store.Control) {
	ctx, cancel := context.WithCancel(ctx)
	err := c.Update(ctx, func(tx store.Tx) error {
		must(t, tx.Sequences().Put(store.Key{"a", "r", "k"}, 1))
		cancel()
		return nil
	})
	if err == nil || pinfold.CodeOf(err) != pinfold.Timeout {
		t.Errorf("Update with a cancelled context = %v; want an error with code Timeout", err)
	}
	view(t, c, func(tx store.Tx) { wantKeys(t, "after the cancelled update", list(t, tx, nil, nil, 0)) })
}

func afterCommit(t *testing.T, c store.Control) {
	var calls []string
	update(t, c, func(tx store.Tx) {
		must(t, tx.Sequences().Put(store.Key{"a", "r", "k"}, 1))
		tx.AfterCommit(func() {
			calls = append(calls, "first")
			// The change is there, and the store is free for another one.
			view(t, c, func(tx store.Tx) { wantNumber(t, tx, store.Key{"a", "r", "k"}, 1) })
			fill(t, c, "a/r/from-after-commit")
		})
		tx.AfterCommit(func() { calls = append(calls, "second") })
		if len(calls) > 0 {
			t.Error("AfterCommit was called before the commit")
		}
	})
	wantKeys(t, "calls when Update has returned", calls, "first", "second")
}

func viewsAreSnapshots(t *testing.T, c store.Control) {
	key := store.Key{"a", "r", "k"}
	fill(t, c, "a/r/k")
	view(t, c, func(tx store.Tx) {
		wantNumber(t, tx, key, 0)
		update(t, c, func(tx store.Tx) {
			must(t, tx.Sequences().Put(key, 1))
			must(t, tx.Sequences().Put(store.Key{"a", "r", "l"}, 1))
		})
		wantNumber(t, tx, key, 0)
		wantKeys(t, "in the view", list(t, tx, nil, nil, 0), "a/r/k")
	})
	view(t, c, func(tx store.Tx) { wantNumber(t, tx, key, 1) })
}

func viewsAreReadOnly(t *testing.T, c store.Control) {
	err := c.View(ctx, func(tx store.Tx) error { return tx.Sequences().Put(store.Key{"a", "r", "k"}, 1) })
	if err == nil {
		t.Error("a View could write")
	}
	view(t, c, func(tx store.Tx) { wantKeys(t, "after it", list(t, tx, nil, nil, 0)) })
	if err := c.View(ctx, func(store.Tx) error { return errNo }); !errors.Is(err, errNo) {
		t.Errorf("View = %v; want the error of its function", err)
	}
}

func viewsDuringUpdate(t *testing.T, c store.Control) {
	fill(t, c, "a/r/k")
	update(t, c, func(tx store.Tx) {
		must(t, tx.Sequences().Put(store.Key{"a", "r", "k"}, 5))
		var views sync.WaitGroup
		for range 16 {
			views.Go(func() {
				must(t, c.View(ctx, func(tx store.Tx) error {
					wantNumber(t, tx, store.Key{"a", "r", "k"}, 0) // what is not committed is not seen
					return nil
				}))
			})
		}
		views.Wait() // while the update is open
	})
}

func updatesQueue(t *testing.T, c store.Control) {
	const writers, rounds = 8, 10
	fill(t, c, "a/r/counter")
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range rounds {
				must(t, c.Update(ctx, func(tx store.Tx) error {
					n, err := tx.Sequences().Get(store.Key{"a", "r", "counter"})
					must(t, err)
					return tx.Sequences().Put(store.Key{"a", "r", "counter"}, n+1)
				}))
			}
		})
	}
	all.Wait()
	view(t, c, func(tx store.Tx) { wantNumber(t, tx, store.Key{"a", "r", "counter"}, writers*rounds) })
}

func joins(t *testing.T, c store.Control) {
	called := 0
	change := func(c store.Control, name string) error {
		return c.Update(ctx, func(tx store.Tx) error {
			tx.AfterCommit(func() { called++ })
			return tx.Sequences().Put(store.Key{"a", "r", name}, 1)
		})
	}
	update(t, c, func(tx store.Tx) {
		both := store.Within(tx)
		must(t, change(both, "one"))
		must(t, change(store.Within(tx), "two"))
		must(t, both.View(ctx, func(tx store.Tx) error {
			wantKeys(t, "within", list(t, tx, nil, nil, 0), "a/r/one", "a/r/two")
			return nil
		}))
		if called > 0 {
			t.Error("AfterCommit of a joined transaction was called before the outer commit")
		}
	})
	if called != 2 {
		t.Errorf("AfterCommit was called %d times; want 2", called)
	}
	err := c.Update(ctx, func(tx store.Tx) error {
		must(t, change(store.Within(tx), "three"))
		return errNo
	})
	if !errors.Is(err, errNo) || called != 2 {
		t.Errorf("the outer rollback: %v, %d calls", err, called)
	}
	view(t, c, func(tx store.Tx) { wantKeys(t, "in the end", list(t, tx, nil, nil, 0), "a/r/one", "a/r/two") })
}

func copies(t *testing.T, c store.Control) {
	key, layers := store.Key{"a", "r", "f", "$LATEST"}, []pinfold.LayerRef{{ARN: "one"}}
	update(t, c, func(tx store.Tx) {
		must(t, tx.Versions().Put(key, pinfold.Version{Config: pinfold.Config{Layers: layers}}))
		layers[0].ARN = "changed after Put"
		got, err := tx.Versions().Get(key)
		must(t, err)
		got.Config.Layers[0].ARN = "changed after Get"
	})
	view(t, c, func(tx store.Tx) {
		records, err := tx.Versions().List(key[:3], nil, 0)
		must(t, err)
		if len(records) != 1 || records[0].Value.Config.Layers[0].ARN != "one" || !slices.Equal(records[0].Key, key) {
			t.Errorf("the store shares memory with its callers: %+v", records)
		}
	})
}
