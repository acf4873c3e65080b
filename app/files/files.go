// Package files finds what a folder holds and picks from it what goes into a
// code package, with symbolic links treated so that nothing from outside the
// folder gets in. The readers (app/serverless, later SAM) share it; which names
// to pick is theirs to say.
package files

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
)

// Tree is what a folder holds. Names are slash-separated and relative to Root.
type Tree struct {
	Root  string   // absolute, free of links
	Files []string // regular files, sorted
	links []link
	// VirtualEnvs are folders that are Python virtual environments.
	VirtualEnvs []string
	skip        func(dir string) bool
}

type link struct {
	name   string
	text   string // what the link says
	target string // where it leads, below Root; "" if it leads nowhere or outside
	out    bool   // it leads outside
	dir    bool
}

// Scan lists a folder without following links. It does not enter folders that
// skip (which may be nil) reports true for.
func Scan(ctx context.Context, root string, skip func(dir string) bool) (*Tree, error) {
	real, err := filepath.Abs(root)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, pinfold.Errorf(pinfold.NotFound, "there is no folder %s", root)
	}
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "cannot read the folder %s: %w", root, err)
	}
	if skip == nil {
		skip = func(string) bool { return false }
	}
	t := &Tree{Root: real, skip: skip}
	if err := t.walk(ctx, "", func(name string, d fs.DirEntry) error {
		switch {
		case d.Type().IsRegular():
			t.Files = append(t.Files, name)
			if d.Name() == "pyvenv.cfg" {
				t.VirtualEnvs = append(t.VirtualEnvs, path.Dir(name))
			}
		case d.Type()&fs.ModeSymlink != 0:
			l, err := t.readLink(name)
			if err != nil {
				return err
			}
			t.links = append(t.links, l)
		}
		return nil // sockets, devices and the like are no code
	}); err != nil {
		return nil, err
	}
	sort.Strings(t.Files)
	return t, nil
}

// walk calls fn for everything below dir that is not a folder.
func (t *Tree) walk(ctx context.Context, dir string, fn func(name string, d fs.DirEntry) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(t.Root, filepath.FromSlash(dir)))
	if errors.Is(err, fs.ErrNotExist) && dir != "" {
		return nil // it went while we looked
	}
	if err != nil {
		return pinfold.Errorf(pinfold.Invalid, "cannot read the folder %s: %w", filepath.Join(t.Root, dir), err)
	}
	for _, d := range entries {
		name := path.Join(dir, d.Name())
		if d.IsDir() {
			if t.skip(name) {
				continue
			}
			err = t.walk(ctx, name, fn)
		} else {
			err = fn(name, d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *Tree) readLink(name string) (link, error) {
	full := filepath.Join(t.Root, filepath.FromSlash(name))
	text, err := os.Readlink(full)
	if err != nil {
		return link{}, pinfold.Errorf(pinfold.Invalid, "cannot read the link %s: %w", full, err)
	}
	l := link{name: name, text: text}
	real, err := filepath.EvalSymlinks(full)
	if err != nil {
		return l, nil // it leads nowhere
	}
	rel, err := filepath.Rel(t.Root, real)
	if err != nil || !filepath.IsLocal(rel) {
		l.out = true
		return l, nil
	}
	l.target = filepath.ToSlash(rel)
	if info, err := os.Stat(real); err == nil {
		l.dir = info.IsDir()
	}
	return l, nil
}

// Exists reports whether the folder holds a file of that name, picked or not.
func (t *Tree) Exists(name string) bool {
	info, err := os.Stat(filepath.Join(t.Root, filepath.FromSlash(name)))
	return err == nil && !info.IsDir()
}

// Outside is a link that leads out of the folder and was asked for.
type Outside struct{ Name, Target string }

// Select returns the names that keep reports true for, sorted. A link to
// something that is selected too stays a link; one to something else in the
// folder is selected as what it leads to; links that lead outside are returned
// apart, except those of a virtual environment, which are left out. drop (which
// may be nil) reports targets whose links go with them.
func (t *Tree) Select(ctx context.Context, keep, drop func(name string) bool) ([]string, []Outside, error) {
	var selected []string
	for _, name := range t.Files {
		if keep(name) {
			selected = append(selected, name)
		}
	}
	picked := slices.Clone(selected)
	in := app.Source{Files: selected}
	var outside []Outside
	for _, l := range t.links {
		switch {
		case l.target != "" && l.target != "." && keep(l.name) && in.Holds(l.target):
			picked = append(picked, l.name)
		case drop != nil && l.target != "" && drop(l.target):
		case l.out:
			if keep(l.name) && !t.inVirtualEnv(l.name) {
				outside = append(outside, Outside{l.name, l.text})
			}
		case l.target == "" || l.target == "." || strings.HasPrefix(l.name, l.target+"/"):
			// It leads nowhere, or to a folder that it is in itself.
		case !l.dir:
			if keep(l.name) {
				picked = append(picked, l.name)
			}
		default:
			below, err := t.expand(ctx, l, keep)
			if err != nil {
				return nil, nil, err
			}
			picked = append(picked, below...)
		}
	}
	sort.Strings(picked)
	return slices.Compact(picked), outside, nil
}

// expand lists the regular files in the folder that a link leads to, under the
// link's name.
func (t *Tree) expand(ctx context.Context, l link, keep func(string) bool) ([]string, error) {
	var names []string
	err := t.walk(ctx, l.target, func(name string, d fs.DirEntry) error {
		name = l.name + strings.TrimPrefix(name, l.target)
		if d.Type().IsRegular() && keep(name) {
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

func (t *Tree) inVirtualEnv(name string) bool {
	return slices.ContainsFunc(t.VirtualEnvs, func(dir string) bool { return strings.HasPrefix(name, dir+"/") })
}
