package cli

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"pinfold.dev/pinfold"
)

// unwatched are folders whose changes are no edits: version control, installed
// dependencies (thousands of folders), and what tools write.
var unwatched = map[string]bool{
	".git": true, "node_modules": true, ".serverless": true, ".pinfold": true, "__pycache__": true, ".venv": true, "venv": true,
}

// watch reports changes below dir: one path for each burst of them, sent once
// nothing has changed for the settling time. The channel closes when ctx ends.
func watch(ctx context.Context, dir string, settle time.Duration) (<-chan string, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "watching for changes: %w", err)
	}
	if err := addTree(w, dir); err != nil {
		w.Close()
		return nil, pinfold.Errorf(pinfold.Unavailable, "watching %s for changes: %w", dir, err)
	}
	changes := make(chan string)
	go func() {
		defer close(changes)
		defer w.Close()
		watchLoop(ctx, w, dir, settle, changes)
	}()
	return changes, nil
}

func watchLoop(ctx context.Context, w *fsnotify.Watcher, dir string, settle time.Duration, changes chan<- string) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	var pending string
	var out chan<- string // changes while something is settled and unsent
	for {
		select {
		case <-ctx.Done():
			return
		case event, ok := <-w.Events:
			if !ok {
				return
			}
			if event.Op == fsnotify.Chmod || ignored(dir, event.Name) {
				continue
			}
			if event.Has(fsnotify.Create) {
				if info, err := os.Lstat(event.Name); err == nil && info.IsDir() {
					_ = addTree(w, event.Name)
				}
			}
			if pending == "" {
				pending = event.Name
			}
			timer.Reset(settle)
		case <-w.Errors:
			// An overflow lost events: something changed, we do not know what.
			pending = dir
			timer.Reset(settle)
		case <-timer.C:
			out = changes
		case out <- relative(dir, pending):
			out, pending = nil, ""
		}
	}
}

func addTree(w *fsnotify.Watcher, dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if path != dir && unwatched[d.Name()] {
			return filepath.SkipDir
		}
		return w.Add(path)
	})
}

// ignored tells editors' scratch files from work.
func ignored(dir, path string) bool {
	for part := range strings.SplitSeq(filepath.ToSlash(relative(dir, path)), "/") {
		if unwatched[part] {
			return true
		}
	}
	name := filepath.Base(path)
	return strings.HasSuffix(name, "~") || strings.HasSuffix(name, ".swp") || strings.HasSuffix(name, ".swx") ||
		strings.HasPrefix(name, ".#") || name == "4913"
}

func relative(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil {
		return rel
	}
	return path
}
