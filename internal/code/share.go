package code

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Most files of a package are in the one before it, too: node_modules does not
// change when a handler does. So packages share their files: each is a hard
// link to a file in one folder, named by all that it is.
//
// Sharing is a help, not a need: where the disk has no hard links, or no more
// for one file, a package has files of its own.

// identity names a file by its content, mode and time. The content is named by
// how it is packed, which spares unpacking it: the same bytes always unpack to
// the same. What the entry declares belongs to it, so that a name stands for a
// file that was unpacked and found to be as declared.
func (e entry) identity(ctx context.Context, buffer []byte) (string, error) {
	packed, err := e.file.OpenRaw()
	if err != nil {
		return "", damaged(e.name, err)
	}
	hash := sha256.New()
	fmt.Fprintln(hash, e.mode, e.time, e.file.Method, e.file.UncompressedSize64, e.file.CRC32)
	if _, err := io.CopyBuffer(hash, reader{ctx, packed}, buffer); err != nil {
		return "", damaged(e.name, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// file links a file from the shared folder, or unpacks it and shares it. It is
// shared as a whole: with its mode and time, and closed.
func (w *writer) file(ctx context.Context, e entry, buffer []byte) error {
	id, err := e.identity(ctx, buffer)
	if err != nil {
		return err
	}
	own, shared := filepath.Join(w.dir, filepath.FromSlash(e.name)), filepath.Join(w.shared, id)
	if os.Link(shared, own) == nil {
		if e.untouched(own) {
			return nil
		}
		_ = os.Remove(own) // if it stays, create fails
		_ = os.Remove(shared)
	}
	if err := w.create(ctx, e, buffer); err != nil {
		return err
	}
	_ = os.Link(own, shared)
	return nil
}

// untouched reports whether a file is as it was unpacked. Read-only means little
// to root: a function that runs as root without walls may write into its own
// code by mistake, and must not spoil packages that are yet to come.
func (e entry) untouched(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode() == e.mode && info.Size() == int64(e.file.UncompressedSize64) && info.ModTime().Unix() == e.time
}

// collectFiles removes the shared files that are in no folder any more. One
// that comes to be in a folder meanwhile stays there.
func collectFiles(ctx context.Context, shared string) error {
	files, err := os.ReadDir(shared)
	for _, f := range files {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		var info fs.FileInfo
		if info, err = f.Info(); err == nil && info.Sys().(*syscall.Stat_t).Nlink == 1 {
			err = os.Remove(filepath.Join(shared, f.Name()))
		}
		if errors.Is(err, fs.ErrNotExist) { // another Collect
			err = nil
		}
	}
	return err
}
