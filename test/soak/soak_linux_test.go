package soak

import (
	"os"
	"os/exec"
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
	binary := filepath.Join(dir, "pinfold")
	build := exec.Command("go", "build", "-o", binary, "pinfold.dev/pinfold/cmd/pinfold")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
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
