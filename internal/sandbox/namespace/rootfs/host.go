//go:build linux

package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// host is the file system that a plan is made from. It remembers all that it
// was asked about.
type host struct {
	root string // "" or the folder that stands for /
	seen map[string]stamp
}

// stamp tells whether a path still leads to the same thing. The zero stamp is of
// a path that leads nowhere.
type stamp struct {
	dev, ino uint64
	mode     fs.FileMode
	size     int64 // and the time, not of a folder: it may change, and is seen to change
	changed  int64
}

func newStamp(info fs.FileInfo) stamp {
	sys, _ := info.Sys().(*syscall.Stat_t)
	s := stamp{dev: uint64(sys.Dev), ino: sys.Ino, mode: info.Mode()}
	if !info.IsDir() {
		s.size, s.changed = info.Size(), sys.Ctim.Nano()
	}
	return s
}

func (h *host) path(path string) string { return h.root + path }

// lstat is os.Lstat. Of a path that does not exist, or that may not be seen, it
// returns nil.
func (h *host) lstat(path string) fs.FileInfo {
	info, err := os.Lstat(h.path(path))
	if err != nil {
		h.seen[path] = stamp{}
		return nil
	}
	h.seen[path] = newStamp(info)
	return info
}

// same reports whether nothing of what was seen has changed.
func (h *host) same() bool {
	for path, was := range h.seen {
		var is stamp
		if info, err := os.Lstat(h.path(path)); err == nil {
			is = newStamp(info)
		}
		if is != was {
			return false
		}
	}
	return true
}

// errMissing is of a path that leads nowhere.
var errMissing = errors.New("it is not there")

// maxLinks bounds how many links a path may lead over, as the kernel does.
const maxLinks = 40

// resolve follows a path to what it leads to, and calls link for each symbolic
// link on the way.
func (h *host) resolve(path string, link func(path, target string)) (real string, info fs.FileInfo, err error) {
	real = "/"
	rest := path
	for hops := 0; ; {
		rest = strings.TrimLeft(rest, "/")
		if rest == "" {
			if info = h.lstat(real); info == nil {
				return "", nil, errMissing
			}
			return real, info, nil
		}
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		next := filepath.Join(real, name) // takes care of . and ..
		info := h.lstat(next)
		if info == nil {
			return "", nil, errMissing
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			real = next
			continue
		}
		if hops++; hops > maxLinks {
			return "", nil, fmt.Errorf("too many links: %w", syscall.ELOOP)
		}
		target, err := os.Readlink(h.path(next))
		if err != nil {
			return "", nil, err
		}
		link(next, target)
		if filepath.IsAbs(target) {
			real = "/"
		}
		rest = target + "/" + rest
	}
}
