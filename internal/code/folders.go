package code

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"pinfold.dev/pinfold"
)

// Dir returns the folder with a package's files, read-only. The first caller
// unpacks it; others wait for that.
func (p *Packages) Dir(ctx context.Context, pkg pinfold.Package) (string, error) {
	if !hashPattern.MatchString(pkg.SHA256) {
		return "", missing(pkg)
	}
	dir := filepath.Join(p.dir, pkg.SHA256)
	there := func() bool { // somebody may have removed it
		_, err := os.Lstat(dir)
		return err == nil
	}
	if p.ready(pkg.SHA256) && there() {
		return dir, nil
	}
	err := p.alone(ctx, pkg.SHA256, func() error {
		if there() { // another caller unpacked it, or an earlier process of this boot
			p.built(pkg.SHA256, -1)
			return nil
		}
		b, err := p.open(ctx, pkg)
		if err != nil {
			return err
		}
		defer b.Close()
		a, err := p.stored(pkg, b)
		if err != nil {
			return err
		}
		return p.build(ctx, pkg.SHA256, func(dir string) error { return a.write(ctx, dir, p.shared) }, a.unpacked)
	})
	return dir, failed(err, "unpack the code package %s", pkg.SHA256)
}

// Layers returns the read-only folder with the files of several packages on
// top of each other, where later ones override earlier ones. Of no packages it
// is "".
func (p *Packages) Layers(ctx context.Context, packages []pinfold.Package) (string, error) {
	var dirs, hashes []string
	for _, pkg := range packages {
		dir, err := p.Dir(ctx, pkg)
		if err != nil {
			return "", err
		}
		dirs, hashes = append(dirs, dir), append(hashes, pkg.SHA256)
	}
	switch len(dirs) {
	case 0:
		return "", nil
	case 1:
		return dirs[0], nil
	}
	list := strings.Join(hashes, "\n")
	sum := sha256.Sum256([]byte(list))
	name := layersPrefix + hex.EncodeToString(sum[:])
	err := p.alone(ctx, name, func() error {
		if _, err := os.Lstat(filepath.Join(p.dir, name)); err == nil {
			return nil
		}
		return p.build(ctx, name, func(dir string) error {
			if err := os.WriteFile(filepath.Join(dir, listFile), []byte(list), 0o444); err != nil {
				return err
			}
			if err := os.Mkdir(filepath.Join(dir, mergedDir), 0o755); err != nil {
				return err
			}
			return merge(ctx, dirs, filepath.Join(dir, mergedDir))
		}, -1)
	})
	return filepath.Join(p.dir, name, mergedDir), failed(err, "merge %d layers", len(dirs))
}

// Names in the folder of a list of layers: the merged files, and which
// packages they are from, one a line.
const (
	mergedDir = "opt"
	listFile  = "packages"
)

// build makes a folder: whole, or not at all.
func (p *Packages) build(ctx context.Context, name string, fill func(dir string) error, unpacked int64) error {
	dir, err := os.MkdirTemp(p.dir, unfinishedPrefix)
	if err != nil {
		return err
	}
	if err = fill(dir); err == nil {
		err = os.Chmod(dir, 0o555)
	}
	if err == nil {
		// Beside its place, so that a read-only folder can be renamed.
		err = os.Rename(dir, filepath.Join(p.dir, name))
		if errors.Is(err, fs.ErrExist) { // from an earlier process of this boot
			err = removeAll(dir)
		}
	}
	if err != nil {
		removeAll(dir)
		collectFiles(context.WithoutCancel(ctx), p.shared) // what only this one shared; what stays is for Collect
		return err
	}
	p.built(name, unpacked)
	return nil
}

func (p *Packages) built(name string, unpacked int64) {
	if strings.HasPrefix(name, layersPrefix) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.remember(name)
	k.ready = true
	k.unpacked = max(k.unpacked, unpacked)
}
