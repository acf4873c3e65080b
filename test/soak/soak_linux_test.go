package soak

import (
	"path/filepath"
	"testing"
	"time"

	"pinfold.dev/pinfold/bench/mixed"
	"pinfold.dev/pinfold/platformtest"
)

// TestNothingLeaks is black-box: the server is the program that users have.
func TestNothingLeaks(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	dir := platformtest.DataFolder(t)
	binary, err := platformtest.Program(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := mixed.Run(t.Context(), mixed.Options{
		Binary: binary, Dir: filepath.Join(dir, "soak"), Sandbox: "auto", For: 30 * time.Second, Clients: 4, Rest: time.Minute, Say: t.Logf,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	for kind, done := range r.Done {
		t.Logf("%6d  %s", done, kind)
	}
}
