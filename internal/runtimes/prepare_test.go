package runtimes

import (
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"pinfold.dev/pinfold/internal/sandbox"
)

// stocker is a driver that only notes what is to be made ahead.
type stocker struct {
	sandbox.Driver
	mu    sync.Mutex
	specs []sandbox.Spec
}

func (s *stocker) Stock(spec sandbox.Spec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.specs = append(s.specs, spec)
}

// TestPrepare: what is made ahead is what launches ask for, and bootstraps
// are compiled.
func TestPrepare(t *testing.T) {
	ahead := &stocker{Driver: none(t)}
	l, err := NewLauncher(Options{Driver: ahead, RunDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"python3", "python3.12", "nodejs22.x", "provided.al2023", "java21"} {
		runtime, known := parse(id)
		_, want, err := l.prepare("an-instance", runtime)
		ahead.specs = nil
		l.Prepare(id)
		if !known || err != nil { // it is not served, or not installed here
			if len(ahead.specs) > 0 {
				t.Errorf("%s: made ahead is %v", id, ahead.specs)
			}
			continue
		}
		if len(ahead.specs) != 1 || ahead.specs[0].Runtime != want.Runtime || !slices.Equal(ahead.specs[0].ReadOnly, want.ReadOnly) {
			t.Errorf("%s: made ahead is %+v, and a launch asks for %+v", id, ahead.specs, want)
		}
	}
	l.preparing.Wait()
	l.Close()
	for family, file := range map[Family]string{Python: filepath.Join(modules, "__pycache__", "life.*.pyc"), Node: filepath.Join("node", "compiled", "*.code")} {
		if _, err := l.find.find(identifier{family: family}); err != nil {
			t.Log(err)
			continue
		}
		if compiled, _ := filepath.Glob(filepath.Join(l.onHost, file)); len(compiled) == 0 {
			t.Errorf("the bootstrap of %s is not compiled", display(family))
		}
	}
}
