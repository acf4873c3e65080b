package app

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"pinfold.dev/pinfold"
)

// cacheFormat changes whenever the same files would make another package.
const cacheFormat = "pinfold-package-1"

// settled is how long a file must have been left alone for its stamp to be
// trusted: a file that is written twice within one tick of the file system's
// clock looks the same after both.
const settled = time.Second

// file is one entry of a package to be.
type file struct {
	name  string
	size  int64
	mode  fs.FileMode
	stamp uint64 // changes when the file does; 0 if that cannot be told
}

// statFiles stamps the files of a source.
func statFiles(ctx context.Context, s *Source) ([]file, error) {
	files := make([]file, len(s.Files))
	now := time.Now()
	workers := min(8, runtime.GOMAXPROCS(0)*2)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(files) && errs[w] == nil; i += workers {
				files[i], errs[w] = statFile(s, s.Files[i], now)
				if i%512 < workers && ctx.Err() != nil {
					errs[w] = ctx.Err()
				}
			}
		})
	}
	wg.Wait()
	return files, errors.Join(errs...)
}

func statFile(s *Source, name string, now time.Time) (file, error) {
	full := filepath.Join(s.Root, filepath.FromSlash(name))
	info, err := os.Lstat(full)
	if err != nil {
		return file{}, vanished(name, err)
	}
	f := file{name: name, mode: info.Mode(), size: info.Size()}
	f.stamp = stamp(info, now)
	if f.mode&fs.ModeSymlink == 0 {
		return f, nil
	}
	// What a link leads to can change without the link.
	real, err := filepath.EvalSymlinks(full)
	if err != nil {
		return file{}, vanished(name, err)
	}
	target, err := os.Stat(real)
	if err != nil {
		return file{}, vanished(name, err)
	}
	to := uint64(1)
	if target.Mode().IsRegular() {
		f.size, to = target.Size(), stamp(target, now)
	}
	if f.stamp == 0 || to == 0 {
		f.stamp = 0
		return f, nil
	}
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, f.stamp, to, real)
	f.stamp = h.Sum64() | 1
	return f, nil
}

func stamp(info fs.FileInfo, now time.Time) uint64 {
	changed, inode := changeTime(info)
	if now.Sub(info.ModTime()) < settled || now.Sub(changed) < settled {
		return 0
	}
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, info.Size(), info.ModTime().UnixNano(), info.Mode(), changed.UnixNano(), inode)
	return h.Sum64() | 1
}

func vanished(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s went away while the package was built: try again when the folder is at rest", name)
	}
	return err
}

// cache is the package that was last built of a source, and the stamps of the
// files that went into it.
type cache struct {
	dir, index string
	pkg        pinfold.Package
	stamps     map[string]uint64
	entries    map[string]*zip.File
}

func openCache(s *Source, opts BuildOptions) *cache {
	key := sha256.Sum256([]byte(strings.Join([]string{cacheFormat, strconv.FormatBool(opts.Fast), s.Root, s.Name}, "\x00")))
	c := &cache{dir: opts.Cache, index: filepath.Join(opts.Cache, hex.EncodeToString(key[:16])+".index")}
	f, err := os.Open(c.index)
	if err != nil {
		return c
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		return c
	}
	if n, err := fmt.Sscanf(lines.Text(), "%64s %d", &c.pkg.SHA256, &c.pkg.Size); n != 2 || err != nil {
		return c
	}
	if info, err := os.Stat(c.path()); err != nil || info.Size() != c.pkg.Size {
		return c
	}
	stamps := map[string]uint64{}
	for lines.Scan() {
		stamp, name, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseUint(stamp, 16, 64)
		if err != nil {
			return c
		}
		stamps[name] = n
	}
	if lines.Err() == nil {
		c.stamps = stamps
	}
	return c
}

func (c *cache) path() string { return filepath.Join(c.dir, c.pkg.SHA256+".zip") }

// unchanged returns the package if it holds exactly these files.
func (c *cache) unchanged(files []file) (string, bool) {
	if c.stamps == nil || len(files) != len(c.stamps) {
		return "", false
	}
	for _, f := range files {
		if f.stamp == 0 || c.stamps[f.name] != f.stamp {
			return "", false
		}
	}
	now := time.Now()
	_, _ = os.Chtimes(c.path(), now, now), os.Chtimes(c.index, now, now)
	return c.path(), true
}

// entry returns a file as it was packed before, if it has not changed since.
func (c *cache) entry(f file) *zip.File {
	if c.stamps == nil || f.stamp == 0 || c.stamps[f.name] != f.stamp {
		return nil
	}
	if c.entries == nil {
		c.entries = map[string]*zip.File{}
		// Read as a whole: tens of thousands of small reads would take longer.
		b, err := os.ReadFile(c.path())
		if err != nil {
			return nil
		}
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return nil
		}
		for _, e := range z.File {
			c.entries[e.Name] = e
		}
	}
	return c.entries[f.name]
}

// save remembers a new package in place of the last one.
func (c *cache) save(pkg pinfold.Package, files []file) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d\n", pkg.SHA256, pkg.Size)
	for _, f := range files {
		if strings.ContainsAny(f.name, "\n\r") {
			return nil // not worth remembering
		}
		fmt.Fprintf(&b, "%x %s\n", f.stamp, f.name)
	}
	tmp, err := os.CreateTemp(c.dir, "*.tmp")
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(b.String())
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), c.index)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	if old := c.pkg.SHA256; c.stamps != nil && old != pkg.SHA256 {
		_ = os.Remove(c.path())
	}
	return nil
}
