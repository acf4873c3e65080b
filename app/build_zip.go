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
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"

	"pinfold.dev/pinfold"
)

// packed is one entry, ready to be written.
type packed struct {
	header zip.FileHeader
	data   io.Reader
	err    error
}

// pack writes the package of a source: sorted, without times, with the modes
// that matter. Files that have not changed are taken as they are from the
// package before, so that changing one file of many costs one file.
func pack(ctx context.Context, s *Source, files []file, c *cache, opts BuildOptions) (pinfold.Package, string, error) {
	out, err := os.CreateTemp(c.dir, "*.tmp")
	if err != nil {
		return pinfold.Package{}, "", err
	}
	defer func() { _ = os.Remove(out.Name()) }()
	pkg, err := write(ctx, out, s, files, c, opts)
	if err = errors.Join(err, out.Close()); err != nil {
		return pinfold.Package{}, "", err
	}
	final := filepath.Join(c.dir, pkg.SHA256+".zip")
	if err := os.Rename(out.Name(), final); err != nil {
		return pinfold.Package{}, "", err
	}
	return pkg, final, c.save(pkg, files)
}

func write(ctx context.Context, out io.Writer, s *Source, files []file, c *cache, opts BuildOptions) (pinfold.Package, error) {
	root, err := os.OpenRoot(s.Root)
	if err != nil {
		return pinfold.Package{}, err
	}
	defer func() { _ = root.Close() }()
	hash, size := sha256.New(), counter(0)
	buffered := bufio.NewWriterSize(io.MultiWriter(out, hash, &size), 1<<20)
	z := zip.NewWriter(buffered)
	p := packer{source: s, root: root, level: flate.DefaultCompression}
	if opts.Fast {
		p.level = flate.BestSpeed
	}
	done, step, scratch := 0, max(1, len(files)/100), make([]byte, 256<<10)
	err = p.each(ctx, files, c, func(e packed) error {
		w, err := z.CreateRaw(&e.header)
		if err == nil {
			_, err = io.CopyBuffer(w, e.data, scratch)
		}
		if done++; opts.Progress != nil && (done%step == 0 || done == len(files)) {
			opts.Progress(s.Name, done, len(files))
		}
		return err
	})
	if err == nil {
		err = errors.Join(z.Close(), buffered.Flush())
	}
	return pinfold.Package{SHA256: hex.EncodeToString(hash.Sum(nil)), Size: int64(size)}, err
}

type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

type packer struct {
	source *Source
	root   *os.Root
	level  int
}

// each packs the files by as many workers as there are processors and hands
// the entries over in order. The workers are gone when it returns.
func (p packer) each(ctx context.Context, files []file, c *cache, emit func(packed) error) error {
	ctx, cancel := context.WithCancel(ctx)
	workers := runtime.GOMAXPROCS(0)
	type job struct {
		file file
		done chan packed
	}
	jobs, order := make(chan job), make(chan job, 4*workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			var scratch bytes.Buffer
			deflate, _ := flate.NewWriter(nil, p.level)
			for j := range jobs {
				j.done <- p.one(j.file, &scratch, deflate)
			}
		})
	}
	wg.Go(func() {
		defer close(order)
		defer close(jobs)
		for _, f := range files {
			j := job{f, make(chan packed, 1)}
			select {
			case order <- j:
			case <-ctx.Done():
				return
			}
			if e := c.entry(f); e != nil {
				j.done <- reuse(f, e)
				continue
			}
			select {
			case jobs <- j:
			case <-ctx.Done():
				j.done <- packed{err: ctx.Err()}
				return
			}
		}
	})
	defer wg.Wait()
	defer cancel()
	for j := range order {
		e := <-j.done
		if e.err == nil {
			e.err = emit(e)
		}
		if e.err != nil {
			return e.err
		}
	}
	return ctx.Err()
}

// header returns an entry's head: what is not said here is the same everywhere.
func header(f file) zip.FileHeader {
	//lint:ignore SA1019 CreateRaw writes this field as it is, and does not look at Modified
	h := zip.FileHeader{Name: f.name, ReaderVersion: 20, ModifiedDate: 1<<5 | 1} // 1 January 1980, the first that zip knows
	for i := range len(f.name) {
		if f.name[i] >= 0x80 {
			h.Flags |= 0x800 // the name is UTF-8
			break
		}
	}
	switch {
	case f.mode&fs.ModeSymlink != 0:
		h.SetMode(fs.ModeSymlink | 0o777)
	case f.mode&0o100 != 0:
		h.SetMode(0o755)
	default:
		h.SetMode(0o644)
	}
	return h
}

// reuse takes an entry from the package before.
func reuse(f file, e *zip.File) packed {
	h := header(f)
	h.Method, h.CRC32, h.CompressedSize64, h.UncompressedSize64 = e.Method, e.CRC32, e.CompressedSize64, e.UncompressedSize64
	data, err := e.OpenRaw()
	return packed{header: h, data: data, err: err}
}

// one reads and compresses a file. It goes through an [os.Root], which does
// not follow links out of the folder.
func (p packer) one(f file, scratch *bytes.Buffer, deflate *flate.Writer) packed {
	content, f, err := p.read(f)
	if err != nil {
		return packed{err: vanished(f.name, err)}
	}
	h := header(f)
	h.CRC32 = crc32.ChecksumIEEE(content)
	h.UncompressedSize64 = uint64(len(content))
	if h.Mode().IsRegular() && len(content) > 64 && !compressed[strings.ToLower(path.Ext(f.name))] {
		scratch.Reset()
		deflate.Reset(scratch)
		_, err := deflate.Write(content)
		if err = errors.Join(err, deflate.Close()); err != nil {
			return packed{err: err}
		}
		if scratch.Len() < len(content) {
			h.Method = zip.Deflate
			content = bytes.Clone(scratch.Bytes())
		}
	}
	h.CompressedSize64 = uint64(len(content))
	return packed{header: h, data: bytes.NewReader(content)}
}

// compressed are the endings of files that do not get smaller.
var compressed = map[string]bool{
	".zip": true, ".gz": true, ".tgz": true, ".br": true, ".zst": true, ".xz": true, ".bz2": true, ".jar": true, ".whl": true,
	".png": true, ".jpg": true, ".jpeg": true, ".gif": true, ".webp": true, ".avif": true, ".woff": true, ".woff2": true,
	".mp3": true, ".mp4": true, ".webm": true, ".ogg": true,
}

// read returns what goes into the package for a file, and the file with the
// mode that it goes in with.
func (p packer) read(f file) ([]byte, file, error) {
	name := filepath.FromSlash(f.name)
	if f.mode&fs.ModeSymlink != 0 {
		target, err := p.resolve(f.name)
		if err != nil {
			return nil, f, err
		}
		if target != "." && p.source.Holds(target) {
			text, err := filepath.Rel(filepath.Dir(name), filepath.FromSlash(target))
			return []byte(filepath.ToSlash(text)), f, err
		}
		name = filepath.FromSlash(target)
	}
	in, err := p.root.Open(name)
	if err != nil {
		return nil, f, err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return nil, f, err
	}
	if !info.Mode().IsRegular() {
		return nil, f, fmt.Errorf("%s is no longer a file: try again when the folder is at rest", f.name)
	}
	f.mode = info.Mode()
	var b bytes.Buffer
	b.Grow(int(info.Size()) + 1)
	_, err = b.ReadFrom(in)
	return b.Bytes(), f, err
}

// resolve returns what a link below the root leads to, relative to the root.
func (p packer) resolve(name string) (string, error) {
	root, err := filepath.EvalSymlinks(p.source.Root)
	if err != nil {
		return "", err
	}
	target, err := filepath.EvalSymlinks(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(root, target)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("the link %s leads out of the folder, to %s: leave it out, or put a copy in its place", name, target)
	}
	return filepath.ToSlash(rel), nil
}
