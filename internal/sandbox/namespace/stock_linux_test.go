package namespace

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/sandboxtest"
)

// stocked is a driver whose sandboxes all are spares.
type stocked struct {
	*Driver
	t *testing.T
}

func (s stocked) Create(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	if !spec.Background {
		s.Stock(spec)
		spare(s.t, s.Driver, spec)
	}
	return s.Driver.Create(ctx, spec)
}

// spare waits until there is a spare, and returns the one that is next.
func spare(t *testing.T, d *Driver, spec sandbox.Spec) *box {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		d.stock.begin()
		d.stock.mu.Lock()
		if boxes := d.stock.find(spec).boxes; len(boxes) == spares {
			d.stock.mu.Unlock()
			return boxes[spares-1]
		}
		d.stock.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatal("nothing is made ahead")
		}
	}
}

// TestConformanceOfSpares: a sandbox that was made ahead is as good as any.
func TestConformanceOfSpares(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) sandbox.Driver { return stocked{newDriver(t).(*Driver), t} })
}

// dropStock closes what watched would take for left behind.
func dropStock(t *testing.T, d *Driver) { t.Cleanup(d.stock.close) }

func TestSparesAreGivenOut(t *testing.T) {
	driver := watched(t)
	dropStock(t, driver)
	spec := sandbox.Spec{ID: "given", ReadOnly: []string{t.TempDir()}}
	driver.Stock(spec)
	made := spare(t, driver, spec)
	other, err := driver.Create(t.Context(), sandbox.Spec{ID: "other"})
	if err != nil {
		t.Fatal(err)
	}
	defer closeBox(t, other)
	given, err := driver.Create(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer closeBox(t, given)
	if other == sandbox.Sandbox(made) || given != sandbox.Sandbox(made) || given.ID() != "given" {
		t.Errorf("%s is given out as a sandbox of another kind, or not as its own: %v, %v", made.id, other.ID(), given.ID())
	}
	if _, err := driver.Create(t.Context(), spec); err == nil {
		t.Error("an id was given to two sandboxes")
	}
}

// TestNoStaleSpares: neither a spare whose init was killed is given out nor one
// from before the host's files have changed.
func TestNoStaleSpares(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, b *box, dir string){
		"killed": func(t *testing.T, b *box, _ string) {
			if err := unix.Kill(b.pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-b.done
		},
		"upgraded": func(t *testing.T, _ *box, dir string) {
			if err := os.Rename(dir, dir+"-old"); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			driver := watched(t)
			dropStock(t, driver)
			dir := filepath.Join(t.TempDir(), "interpreter")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			spec := sandbox.Spec{ID: "fresh", ReadOnly: []string{dir}}
			driver.Stock(spec)
			made := spare(t, driver, spec)
			spoil(t, made, dir)
			given, err := driver.Create(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			defer closeBox(t, given)
			if given == sandbox.Sandbox(made) {
				t.Error("a stale sandbox is given out")
			}
		})
	}
}

// TestKindsOfSpares: there are spares of the kinds that were asked for last, and
// closing them while some are made and taken leaves nothing behind.
func TestKindsOfSpares(t *testing.T) {
	driver := watched(t)
	dropStock(t, driver)
	var group sync.WaitGroup
	for n := range 2 * maxKinds {
		spec := sandbox.Spec{ID: fmt.Sprint("kind-", n), ReadOnly: []string{t.TempDir()}}
		driver.Stock(spec)
		driver.stock.begin()
		group.Go(func() {
			b, err := driver.Create(t.Context(), spec)
			if err != nil {
				t.Error(err)
				return
			}
			closeBox(t, b)
		})
	}
	if n := len(driver.stock.shelves); n != maxKinds {
		t.Errorf("there are %d kinds", n)
	}
	group.Wait()
	driver.stock.close()
	driver.Stock(sandbox.Spec{})
	if n := len(driver.stock.shelves); n > 0 {
		t.Errorf("%d kinds are in a stock that is closed", n)
	}
}
