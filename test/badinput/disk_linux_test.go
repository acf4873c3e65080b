package badinput

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// small mounts a disk of a few megabytes for a platform's data.
func small(t *testing.T, size string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	dir, err := os.MkdirTemp("", "pinfold-disk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(dir) })
	if err := syscall.Mount("pinfold-test", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("no disk can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting the disk: %v", err)
		}
	})
	return dir
}

// fill takes all the room that a disk has left.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, block := range []int{1 << 20, 4096, 1} {
		for data := make([]byte, block); err == nil; {
			_, err = f.Write(data)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

// A deployment to a disk that is full says so and changes nothing; what runs
// goes on; and when there is room again the same deployment works.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	data := small(t, "24m")
	h := start(t, func(c *platform.Config) { c.Data = data })
	noise := make([]byte, 256<<10)
	rand.Read(noise)
	next := map[string]string{
		"serverless.yml": strings.Replace(goodManifest, "service: good", "service: next", 1), "hello.js": `exports.handler = async () => "next";`,
		"noise": string(noise), // does not compress
	}
	nextDir := platformtest.Files(t, next)

	empty := fill(t, data)
	t.Run("a package", func(t *testing.T) {
		_, err := h.TryDeploy(t.Context(), t.TempDir(), nextDir)
		wantError(t, err, pinfold.Unavailable, "", "the disk is full", "free some space and try again")
	})
	t.Run("an application", func(t *testing.T) {
		a, plan, _, err := h.plan(t.Context(), h.dir)
		if err != nil {
			t.Fatal(err)
		}
		// Settings large enough that no page of the database has room for them.
		second := a.Functions[0]
		for i := range 60 {
			f := second
			f.Key += strings.Repeat("x", i+1)
			f.Name = "good-dev-" + f.Key[:min(len(f.Key), 50)] + string(rune('a'+i%26)) + string(rune('a'+i/26))
			f.Config.Environment = map[string]string{"LARGE": strings.Repeat("a", 3000)}
			a.Functions = append(a.Functions, f)
		}
		_, err = h.Client.Deploy(t.Context(), a, plan.Base)
		wantError(t, err, pinfold.Unavailable, "", "the disk is full", "free some space and try again")
	})
	h.unharmed(t)
	empty()
	h.unharmed(t)

	deployed, err := h.TryDeploy(t.Context(), t.TempDir(), nextDir)
	if err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if result, err := h.Client.Invoke(t.Context(), deployed.Functions[0].Name, nil, false); err != nil || string(result.Payload) != `"next"` {
		t.Errorf("with room again: %s, %v", result.Payload, err)
	}
	if err := h.Client.Remove(t.Context(), "next", "dev"); err != nil {
		t.Error(err)
	}
	h.unharmed(t)
}

// What runs for the first time on a full disk cannot run, and says why; it does
// run when there is room.
func TestColdStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	data := small(t, "24m")
	h := start(t, func(c *platform.Config) { c.Data = data })
	deployed, err := h.TryDeploy(t.Context(), t.TempDir(), files(t, "cold", `exports.handler = async () => "ran";`))
	if err != nil {
		t.Fatal(err)
	}
	name := deployed.Functions[0].Name
	empty := fill(t, data)
	// A folder takes no room on this kind of disk, but a file does.
	_, err = h.Client.Invoke(t.Context(), name, nil, false)
	if err != nil {
		wantError(t, err, pinfold.Internal, "ServiceException", "no space left on device")
	}
	empty()
	if result, err := h.Client.Invoke(t.Context(), name, nil, false); err != nil || string(result.Payload) != `"ran"` {
		t.Errorf("with room again: %+v, %v", result, err)
	}
	if err := h.Client.Remove(t.Context(), "cold", "dev"); err != nil {
		t.Error(err)
	}
	h.unharmed(t)
}

// A server that finds no room for its data says so when it starts, and leaves
// nothing that keeps the next from starting.
func TestStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	data := small(t, "4m")
	empty := fill(t, data)
	refusesToStart(t, data)
	empty()
	platformtest.Start(t, func(c *platform.Config) { c.Data = data })
}

// refusesToStart fails unless a server says that there is no space for its data.
func refusesToStart(t *testing.T, data string) {
	t.Helper()
	cfg := platform.Defaults()
	cfg.Data, cfg.API, cfg.HTTP = data, "127.0.0.1:0", "127.0.0.1:0"
	p, err := platform.New(t.Context(), cfg, nil)
	if err == nil {
		t.Fatalf("%+v started on a full disk", p.Facts())
	}
	wantError(t, err, pinfold.Unavailable, "", "space", data)
}
