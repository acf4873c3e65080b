package sql_test

import (
	"bufio"
	"context"
	gosql "database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/store/sql"
	"pinfold.dev/pinfold/internal/store/storetest"
)

// crashVariable names the data file of a child process that writes until it is killed.
const crashVariable = "PINFOLD_TEST_CRASH_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashVariable); path != "" {
		writeForever(path)
	}
	os.Exit(m.Run())
}

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Control {
		return open(t, filepath.Join(t.TempDir(), "pinfold.db"))
	})
}

var key = store.Key{"a", "r", "k"}

func put(db *sql.DB, n int64) error {
	return db.Update(context.Background(), func(tx store.Tx) error { return tx.Sequences().Put(key, n) })
}

func get(t *testing.T, db *sql.DB) (n int64) {
	t.Helper()
	if err := db.View(t.Context(), func(tx store.Tx) (err error) { n, err = tx.Sequences().Get(key); return err }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder", "which ? is # new % 41", "pinfold.db")
	first, err := sql.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(first, 42); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the data file has mode %v (%v); want 0600", info.Mode(), err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := put(first, 43); pinfold.CodeOf(err) != pinfold.Unavailable {
		t.Errorf("an Update after Close: %v; want Unavailable", err)
	}
	if n := get(t, open(t, path)); n != 42 {
		t.Errorf("after reopening: %d; want 42", n)
	}
}

// writeForever counts up and says each number when its Update has returned.
func writeForever(path string) {
	db, err := sql.Open(context.Background(), path)
	for n := int64(1); err == nil; n++ {
		if err = put(db, n); err == nil {
			fmt.Println(n)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestAcknowledgedUpdateSurvivesKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pinfold.db")
	var acknowledged int64
	for round := range 3 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), crashVariable+"="+path)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err == nil {
			err = child.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if _, err := fmt.Sscan(lines.Text(), &acknowledged); err != nil {
				t.Fatalf("the child said %q", lines.Text())
			}
			if n == 50 {
				child.Process.Kill() // SIGKILL; the rest of the pipe is still read
			}
		}
		child.Wait()
		db, err := sql.Open(t.Context(), path)
		if err != nil {
			t.Fatalf("after kill -9: %v", err)
		}
		n := get(t, db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		// The last line may have been cut off on the way: one more is right.
		if acknowledged == 0 || n < acknowledged || n > acknowledged+1 {
			t.Fatalf("round %d: the store has %d, acknowledged was %d", round, n, acknowledged)
		}
	}
}

// A crash right after the file was made leaves one with our mark and no tables.
func TestOpenHalfMadeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pinfold.db")
	execute(t, path, fmt.Sprintf("PRAGMA application_id = %d", 0x50696e46))
	if err := put(open(t, path), 1); err != nil {
		t.Error(err)
	}
}

// A crash a moment earlier leaves our mark with a journal that takes it back:
// here, to a file of no pages. See https://www.sqlite.org/fileformat.html#the_rollback_journal.
func TestOpenUnmadeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pinfold.db")
	execute(t, path, fmt.Sprintf("PRAGMA application_id = %d", 0x50696e46))
	journal := make([]byte, 512)
	copy(journal, "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
	binary.BigEndian.PutUint32(journal[20:], 512)  // sector size
	binary.BigEndian.PutUint32(journal[24:], 4096) // page size
	if err := os.WriteFile(path+"-journal", journal, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // once to take it back, and once to find it well
		db, err := sql.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := put(db, 1); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"a newer Pinfold's file", func(t *testing.T, path string) {
			open(t, path)
			execute(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9000, 1)")
		}, "written by a newer Pinfold (its data has version 9000, this one knows 3)"},
		{"another program's database", func(t *testing.T, path string) {
			execute(t, path, "CREATE TABLE theirs (x)")
		}, "the database of another program"},
		{"something else", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("not a database\n", 100)), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "is not a database"},
		{"a short file", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "is not a database"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pinfold.db")
			test.make(t, path)
			before, _ := os.ReadFile(path)
			db, err := sql.Open(t.Context(), path)
			if err == nil {
				db.Close()
			}
			if pinfold.CodeOf(err) != pinfold.Invalid || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Open: %v; want Invalid with %q", err, test.want)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
}

// execute runs a statement on a file behind the engine's back.
func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := gosql.Open("sqlite", "file:"+path)
	if err == nil {
		_, err = db.Exec(statement)
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
