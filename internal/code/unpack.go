package code

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"pinfold.dev/pinfold"
)

// batch is how many entries a worker takes at a time: neighbours, which are
// mostly of one folder.
const batch = 64

// write puts the archive's files into an empty folder and makes all of it
// read-only. A file that is in the shared folder too is one with it. It never
// writes more bytes than were declared.
//
// Links come last: there is none that anything could be written through.
func (a *archive) write(ctx context.Context, dir, shared string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	w := &writer{dir: dir, root: root, shared: shared, folders: map[string]bool{".": true}}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(min(4, runtime.GOMAXPROCS(0)))
	for entries := range slices.Chunk(a.entries, batch) {
		group.Go(func() error {
			buffer := make([]byte, 64<<10)
			for _, e := range entries {
				if err := w.entry(ctx, e, buffer); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, e := range a.entries {
		if e.kind == aLink {
			if err := root.Symlink(e.link, e.name); err != nil {
				return err
			}
		}
	}
	for folder := range w.folders {
		if err := root.Chmod(folder, 0o555); err != nil {
			return err
		}
	}
	return nil
}

// writer writes entries into a folder. It may be used concurrently.
type writer struct {
	dir    string
	root   *os.Root // dir
	shared string

	mu      sync.Mutex
	folders map[string]bool // that are there
}

// entry writes a folder, a file, or the folder of a link.
func (w *writer) entry(ctx context.Context, e entry, buffer []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.kind == aFolder {
		return w.folder(e.name)
	}
	if err := w.folder(path.Dir(e.name)); err != nil || e.kind == aLink {
		return err
	}
	return w.file(ctx, e, buffer)
}

func (w *writer) folder(name string) error {
	w.mu.Lock()
	there := w.folders[name]
	w.mu.Unlock()
	if there {
		return nil
	}
	if err := w.root.MkdirAll(name, 0o755); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for ; !w.folders[name]; name = path.Dir(name) {
		w.folders[name] = true
	}
	return nil
}

// create unpacks a file to where nothing is yet.
func (w *writer) create(ctx context.Context, e entry, buffer []byte) error {
	content, err := e.file.Open()
	if err != nil {
		return damaged(e.name, err)
	}
	defer content.Close()
	f, err := w.root.OpenFile(e.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	declared := int64(e.file.UncompressedSize64)
	n, err := io.CopyBuffer(onlyWriter{f}, reader{ctx, io.LimitReader(content, declared+1)}, buffer)
	switch {
	case err != nil:
		return damaged(e.name, err)
	case n != declared:
		return broken("The entry %q is larger than the %d bytes that it declares.", e.name, declared)
	}
	if err := f.Chmod(e.mode); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	modified := time.Unix(e.time, 0)
	return w.root.Chtimes(e.name, modified, modified) // Python compares it with what its .pyc files say
}

// onlyWriter hides the ReadFrom of a file, which would not use the buffer.
type onlyWriter struct{ io.Writer }

// removeAll removes a tree whose folders may be read-only.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// merge puts the folders of layers on top of each other into an empty folder
// and makes all of it read-only: where two have the same name, the later one
// counts, but folders are joined. Files are hard links where the disk allows it.
func merge(ctx context.Context, layers []string, into string) error {
	for _, layer := range layers {
		err := filepath.WalkDir(layer, func(from string, entry fs.DirEntry, err error) error {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil || from == layer {
				return err
			}
			to := filepath.Join(into, strings.TrimPrefix(from, layer))
			there, err := os.Lstat(to)
			if err == nil && !(entry.IsDir() && there.IsDir()) {
				err = os.RemoveAll(to) // folders are still writable here
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return put(from, to, entry)
		})
		if err != nil {
			return err
		}
	}
	var folders []string
	err := filepath.WalkDir(into, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return err
	})
	for _, folder := range slices.Backward(folders) {
		if err == nil {
			err = os.Chmod(folder, 0o555)
		}
	}
	return err
}

func put(from, to string, entry fs.DirEntry) error {
	switch entry.Type() {
	case fs.ModeDir:
		if err := os.Mkdir(to, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case fs.ModeSymlink:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	if err := os.Link(from, to); err == nil || errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return copyFile(from, to)
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer target.Close()
	if _, err := io.Copy(target, source); err != nil {
		return err
	}
	if err := target.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if err := target.Close(); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// reader ends when its context does.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// failed wraps an error with what was being done; one that has a code keeps
// its message as it is. It returns nil for nil.
func failed(err error, doing string, args ...any) error {
	if err == nil {
		return nil
	}
	if _, coded := errors.AsType[*pinfold.Error](err); coded {
		return err
	}
	doing = pinfold.Errorf(pinfold.Internal, doing, args...).Message
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return pinfold.Errorf(pinfold.Timeout, "could not %s in time: %w", doing, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return pinfold.Errorf(pinfold.Unavailable, "could not %s: the disk is full; nothing was kept of it, free some space and try again: %w", doing, err)
	}
	return pinfold.Errorf(pinfold.Internal, "could not %s: %w", doing, err)
}
