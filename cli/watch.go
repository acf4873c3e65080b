package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"pinfold.dev/pinfold"
)

// unwatched are folders whose changes are no edits: version control, installed
// dependencies (thousands of folders), and what tools write.
var unwatched = map[string]bool{
	".git": true, "node_modules": true, ".serverless": true, ".pinfold": true, "__pycache__": true, ".venv": true, "venv": true,
}

// settle is how long nothing must have changed for a burst of changes to be over.
const settle = 30 * time.Millisecond

// watcher reports changes of an application.
type watcher struct {
	C   chan string // one path for each burst of changes
	fs  *fsnotify.Watcher
	dir string        // real path
	end chan struct{} // closed when run is over

	mu      sync.Mutex
	outside map[string]bool // files elsewhere that the application is made of
}

// watch reports changes below dir until ctx ends; wait then waits for it.
func watch(ctx context.Context, dir string) (*watcher, error) {
	real, err := filepath.Abs(dir)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "watching for changes: %w", err)
	}
	fsw, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "watching for changes: %w", err)
	}
	w := &watcher{C: make(chan string), fs: fsw, dir: real, end: make(chan struct{}), outside: map[string]bool{}}
	err = w.addTree(real)
	if errors.Is(err, syscall.ENOSPC) {
		err = errors.New("the kernel's limit on watched folders is reached: sysctl fs.inotify.max_user_watches=524288 raises it")
	}
	if err != nil {
		fsw.Close()
		return nil, pinfold.Errorf(pinfold.Unavailable, "watching %s for changes: %w", dir, err)
	}
	go w.run(ctx)
	return w, nil
}

// wait returns once nothing is watched any more.
func (w *watcher) wait() { <-w.end }

// also watches files that may lie outside the folder.
func (w *watcher) also(files []string) {
	for _, file := range files {
		real, err := filepath.Abs(file)
		if err != nil || w.inside(real) {
			continue
		}
		w.mu.Lock()
		w.outside[real] = true
		w.mu.Unlock()
		_ = w.fs.Add(filepath.Dir(real)) // without it the person saves the manifest
	}
}

func (w *watcher) inside(path string) bool {
	rel, err := filepath.Rel(w.dir, path)
	return err == nil && filepath.IsLocal(rel)
}

func (w *watcher) run(ctx context.Context) {
	defer close(w.end)
	defer w.fs.Close()
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	var pending string
	var out chan<- string // w.C while something is settled and unsent
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-w.fs.Events:
			if event.Op == fsnotify.Chmod || w.ignored(event.Name) {
				continue
			}
			if event.Has(fsnotify.Create) {
				if info, err := os.Lstat(event.Name); err == nil && info.IsDir() {
					_ = w.addTree(event.Name)
				}
			}
			if pending == "" {
				pending = event.Name
			}
			out = nil
			timer.Reset(settle)
		case <-w.fs.Errors:
			// An overflow lost events: something changed, we do not know what.
			pending, out = w.dir, nil
			timer.Reset(settle)
		case <-timer.C:
			out = w.C
		case out <- w.relative(pending):
			out, pending = nil, ""
		}
	}
}

func (w *watcher) addTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if path != w.dir && unwatched[d.Name()] {
			return filepath.SkipDir
		}
		if err := w.fs.Add(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil // it is gone already
	})
}

// ignored tells editors' scratch files, and strangers beside files outside, from work.
func (w *watcher) ignored(path string) bool {
	if !w.inside(path) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return !w.outside[path]
	}
	for part := range strings.SplitSeq(filepath.ToSlash(w.relative(path)), "/") {
		if unwatched[part] {
			return true
		}
	}
	name := filepath.Base(path)
	return strings.HasSuffix(name, "~") || strings.HasSuffix(name, ".swp") || strings.HasSuffix(name, ".swx") ||
		strings.HasPrefix(name, ".#") || name == "4913"
}

func (w *watcher) relative(path string) string {
	if rel, err := filepath.Rel(w.dir, path); err == nil {
		return rel
	}
	return path
}
