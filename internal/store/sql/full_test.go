package sql

import (
	"path/filepath"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// A file that may not grow is what a full disk looks like to SQLite.
func TestFullDisk(t *testing.T) {
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "pinfold.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var pages int
	if err := db.writer.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if _, err := db.writer.Exec("PRAGMA max_page_count = 30"); err != nil || pages > 30 {
		t.Fatal(pages, err)
	}
	before := func(tx store.Tx) error { return tx.Sequences().Put(store.Key{"a", "r", "before"}, 1) }
	if err := db.Update(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	called := false
	err = db.Update(t.Context(), func(tx store.Tx) error {
		tx.AfterCommit(func() { called = true })
		if err := tx.Sequences().Put(store.Key{"a", "r", "small"}, 1); err != nil {
			return err
		}
		return tx.Apps().Put(store.Key{"a", "r", "n", "s"}, store.App{Document: make([]byte, 1<<20)})
	})
	if pinfold.CodeOf(err) != pinfold.Unavailable || !strings.Contains(err.Error(), "the disk is full") || called {
		t.Errorf("an Update without room = %v (AfterCommit called: %v); want Unavailable", err, called)
	}
	if err := db.View(t.Context(), func(tx store.Tx) error {
		records, err := tx.Sequences().List(nil, nil, 0)
		if len(records) != 1 {
			t.Errorf("half of the transaction stayed: %v", records)
		}
		return err
	}); err != nil {
		t.Errorf("reading from a full disk: %v", err)
	}
	if err := db.Update(t.Context(), before); err != nil {
		t.Errorf("a small Update afterwards: %v", err)
	}
}
