package code

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/blob"
)

// Collect removes the packages that are not in inUse, with their folders and the
// files that they alone share, and returns how many zip files that were. inUse must have every package that the
// registry refers to or a running instance was made of. One that was stored or
// asked for within Options.Grace is kept in any case: its reference may be on
// its way.
func (p *Packages) Collect(ctx context.Context, inUse []pinfold.Package) (int, error) {
	keep := make(map[string]bool, len(inUse))
	for _, pkg := range inUse {
		keep[pkg.SHA256] = true
	}
	removed, err := p.collectBlobs(ctx, keep)
	if err != nil {
		return removed, failed(err, "remove unused code packages")
	}
	if err := p.collectFolders(ctx, keep); err != nil {
		return removed, failed(err, "remove unused code packages")
	}
	return removed, failed(collectFiles(ctx, p.shared), "remove unused code packages")
}

func (p *Packages) collectBlobs(ctx context.Context, keep map[string]bool) (removed int, err error) {
	stored, ok := p.o.Store.(blob.Lister)
	if !ok {
		return 0, nil // a store that expires by itself
	}
	return removed, stored.List(ctx, "sha256/", func(key string, put time.Time) error {
		hash := strings.TrimSuffix(key[strings.LastIndex(key, "/")+1:], ".zip")
		if keep[hash] || !hashPattern.MatchString(hash) || p.o.Now().Sub(put) < p.o.Grace {
			return nil
		}
		return p.alone(ctx, hash, func() error {
			if !p.forget(hash) {
				return nil
			}
			if err := p.drop(hash); err != nil {
				return err
			}
			removed++
			return p.o.Store.Delete(ctx, key)
		})
	})
}

// collectFolders removes folders whose package is not stored any more, and
// merged layers of which one is not used any more.
func (p *Packages) collectFolders(ctx context.Context, keep map[string]bool) error {
	folders, err := os.ReadDir(p.dir)
	if err != nil {
		return err
	}
	for _, f := range folders {
		name := f.Name()
		unused := false
		if strings.HasPrefix(name, layersPrefix) {
			unused, err = p.mergesUnused(name, keep)
		} else if hashPattern.MatchString(name) && !keep[name] {
			unused = true
		}
		if err == nil && unused {
			err = p.alone(ctx, name, func() error {
				if hashPattern.MatchString(name) && !p.forget(name) {
					return nil
				}
				return p.drop(name)
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Packages) mergesUnused(name string, keep map[string]bool) (bool, error) {
	list, err := os.ReadFile(filepath.Join(p.dir, name, listFile))
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for hash := range strings.SplitSeq(string(list), "\n") {
		if !keep[hash] && !p.fresh(hash) {
			return true, nil
		}
	}
	return false, nil
}

// forget drops what is known of a package, unless it was asked for lately.
func (p *Packages) forget(hash string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fresh(hash) {
		return false
	}
	delete(p.known, hash)
	return true
}

// fresh reports whether a package was asked for lately. The caller holds mu.
func (p *Packages) fresh(hash string) bool {
	k := p.known[hash]
	return k != nil && p.o.Now().Sub(k.touched) < p.o.Grace
}

// drop removes a folder, after what was compiled of it: at once from its place,
// then from the disk.
func (p *Packages) drop(name string) (err error) {
	for _, name := range []string{compiledPrefix + name, name} {
		trash := filepath.Join(p.dir, unfinishedPrefix+rand.Text())
		moved := os.Rename(filepath.Join(p.dir, name), trash)
		if errors.Is(moved, fs.ErrNotExist) {
			continue
		}
		err = errors.Join(err, moved, removeAll(trash))
	}
	return err
}
