package blob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"pinfold.dev/pinfold"
)

// Lister is implemented by stores that can say what they have.
type Lister interface {
	// List calls fn for every blob whose key begins with prefix, in no
	// particular order, with the time it was last put. It stops at fn's error
	// and returns it. fn may delete the blob.
	List(ctx context.Context, prefix string, fn func(key string, put time.Time) error) error
}

// Folder keeps blobs as files of a folder: the engine of a single machine.
//
// A blob is written to a file beside its place, synced, and renamed, so that
// it is there as a whole or not at all, whatever happens in between.
type Folder struct {
	dir string
	// create makes a temporary file; a test makes it fail.
	create func(dir, pattern string) (file, error)
}

var (
	_ Store  = (*Folder)(nil)
	_ Lister = (*Folder)(nil)
)

// file is what Put needs of a file.
type file interface {
	io.WriteCloser
	Name() string
	Sync() error
}

// unfinished is the folder of blobs that are being written. Its name is not
// one that a key can have.
const unfinished = "_unfinished"

// NewFolder returns a store in dir, which it makes if it is missing. What a
// crash left unfinished there is removed. No other Folder may use dir at the
// same time.
func NewFolder(dir string) (*Folder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, failed(err, "find the folder %s", dir)
	}
	if err := os.RemoveAll(filepath.Join(dir, unfinished)); err != nil {
		return nil, failed(err, "remove what was left unfinished in %s", dir)
	}
	if err := os.MkdirAll(filepath.Join(dir, unfinished), 0o700); err != nil {
		return nil, failed(err, "make the folder %s", dir)
	}
	return &Folder{dir, func(dir, pattern string) (file, error) { return os.CreateTemp(dir, pattern) }}, nil
}

// Put implements Store.
func (f *Folder) Put(ctx context.Context, key string, r io.Reader) (err error) {
	path, err := f.path(key)
	if err != nil {
		return err
	}
	temporary, err := f.create(filepath.Join(f.dir, unfinished), "*")
	if err != nil {
		return failed(err, "store %s", key)
	}
	defer func() {
		if err != nil {
			os.Remove(temporary.Name())
		}
	}()
	_, err = io.Copy(temporary, reader{ctx, r})
	if err == nil {
		err = temporary.Sync()
	}
	if closing := temporary.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return failed(err, "store %s", key)
	}
	if err := f.place(temporary.Name(), path); err != nil {
		return failed(err, "store %s", key)
	}
	return nil
}

// place moves a finished file to its path and makes that last.
func (f *Folder) place(temporary, path string) error {
	var made []string // folders that get a new entry, and so must be synced
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		made = append(made, dir)
		if _, err := os.Stat(dir); err == nil || dir == f.dir {
			break
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	for _, dir := range made {
		if err := sync(dir); err != nil {
			return err
		}
	}
	return nil
}

// Open implements Store.
func (f *Folder) Open(ctx context.Context, key string) (Blob, error) {
	path, err := f.path(key)
	if err != nil {
		return nil, err
	}
	missing := pinfold.Errorf(pinfold.NotFound, "there is no blob %s", key)
	opened, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, missing
	}
	if err != nil {
		return nil, failed(err, "open %s", key)
	}
	info, err := opened.Stat()
	if err == nil && info.Mode().IsRegular() {
		return &opening{opened, info.Size()}, nil
	}
	opened.Close()
	if err == nil {
		return nil, missing
	}
	return nil, failed(err, "open %s", key)
}

// opening is an open blob.
type opening struct {
	*os.File
	size int64
}

func (o *opening) Size() int64 { return o.size }

// Delete implements Store.
func (f *Folder) Delete(ctx context.Context, key string) error {
	path, err := f.path(key)
	if err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		return nil // a blob's key continues here, but there is none at it
	}
	switch err := os.Remove(path); {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil
	case err != nil:
		return failed(err, "delete %s", key)
	}
	return failed(sync(filepath.Dir(path)), "delete %s", key)
}

// List implements Lister.
func (f *Folder) List(ctx context.Context, prefix string, fn func(key string, put time.Time) error) error {
	return filepath.WalkDir(f.dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // deleted meanwhile
			return nil
		case err != nil:
			return failed(err, "list the blobs in %s", f.dir)
		case ctx.Err() != nil:
			return failed(ctx.Err(), "list the blobs in %s", f.dir)
		case entry.IsDir() && path == filepath.Join(f.dir, unfinished):
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		name, err := filepath.Rel(f.dir, path)
		if err != nil {
			return failed(err, "list the blobs in %s", f.dir)
		}
		key := filepath.ToSlash(name)
		if !strings.HasPrefix(key, prefix) || !keyPattern.MatchString(key) {
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return failed(err, "list the blobs in %s", f.dir)
		}
		return fn(key, info.ModTime())
	})
}

// keyPattern is the form of a key. An element that is only dots could leave
// the folder, one that begins with a dot would be hidden.
var keyPattern = regexp.MustCompile(`^[a-z0-9-][a-z0-9.-]*(/[a-z0-9-][a-z0-9.-]*)*$`)

func (f *Folder) path(key string) (string, error) {
	if !keyPattern.MatchString(key) || len(key) > 1000 {
		return "", pinfold.Errorf(pinfold.Invalid, "%q is not a key of a blob: use lower-case letters, digits, dots and dashes, with slashes between names", key)
	}
	return filepath.Join(f.dir, filepath.FromSlash(key)), nil
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

// sync makes the entries of a folder last.
func sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// failed wraps an error with what was being done and the code that says who
// can do something about it. An error of the caller's reader that has a code
// keeps it. It returns nil for nil.
func failed(err error, doing string, args ...any) error {
	if err == nil {
		return nil
	}
	doing = pinfold.Errorf(pinfold.Internal, doing, args...).Message
	code := pinfold.Internal
	if e, ok := errors.AsType[*pinfold.Error](err); ok {
		return (&pinfold.Error{Code: e.Code, Message: "could not " + doing, Err: err}).WithReason(e.Reason)
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		code = pinfold.Timeout
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return pinfold.Errorf(pinfold.Unavailable, "could not %s: the disk is full; nothing was kept of it, free some space and try again: %w", doing, err)
	case errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist):
		code = pinfold.Invalid // a key below another, or at one's folder
	}
	return pinfold.Errorf(code, "could not %s: %w", doing, err)
}
