//go:build linux

package namespace

import (
	"os"
	"testing"

	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/sandboxtest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(doomedVar); dir != "" {
		doomed(dir)
	}
	sandboxtest.Main(m)
}

func newDriver(t testing.TB) sandbox.Driver {
	driver, err := New(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := driver.Close(); err != nil {
			t.Error(err)
		}
	})
	return driver
}

func TestConformance(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) sandbox.Driver { return newDriver(t) })
}

func BenchmarkCreate(b *testing.B) {
	driver := newDriver(b)
	for b.Loop() {
		box, err := driver.Create(b.Context(), sandbox.Spec{ID: "bench"})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := box.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
