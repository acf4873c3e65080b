package code

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"pinfold.dev/pinfold"
)

// write puts the archive's files into an empty folder and makes all of it
// read-only. It never follows a link out of dir, and never writes more bytes
// than were declared.
func (a *archive) write(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	folders := map[string]bool{".": true}
	for _, e := range a.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		parent := path.Dir(e.name)
		if e.kind == aFolder {
			parent = e.name
		}
		if !folders[parent] {
			if err := root.MkdirAll(parent, 0o755); err != nil {
				return err
			}
			for d := parent; !folders[d]; d = path.Dir(d) {
				folders[d] = true
			}
		}
		switch e.kind {
		case aFile:
			err = e.writeFile(ctx, root)
		case aLink:
			err = root.Symlink(e.link, e.name)
		}
		if err != nil {
			return err
		}
	}
	for folder := range folders {
		if err := root.Chmod(folder, 0o555); err != nil {
			return err
		}
	}
	return nil
}

func (e entry) writeFile(ctx context.Context, root *os.Root) error {
	content, err := e.file.Open()
	if err != nil {
		return damaged(e.name, err)
	}
	defer content.Close()
	f, err := root.OpenFile(e.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	declared := int64(e.file.UncompressedSize64)
	n, err := io.Copy(f, reader{ctx, io.LimitReader(content, declared+1)})
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
	if e.time.IsZero() || e.time.Unix() <= 0 {
		return nil
	}
	return root.Chtimes(e.name, e.time, e.time) // Python compares it with what its .pyc files say
}

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
