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
	"path"
	"path/filepath"
	"strings"

	"pinfold.dev/pinfold"
)

// Language runtimes compile what they load, and may keep that for the next
// instance. It is a function's own code that makes it, so it is as good as the
// function: no other function gets it, whatever package they share.

// Bounds of what is kept.
const (
	maxCompiled      = 64 << 20  // bytes for one version of a function
	maxCompiledFiles = 4096      // likewise
	maxCompiledName  = 255       // bytes
	maxCompiledDepth = 4         // names in a path
	maxCompiledAll   = 512 << 20 // bytes for all functions that share a package
)

// compiledPrefix is before a package's hash in the name of the folder, in
// Packages.dir, with what was compiled of it: a folder for each function.
const compiledPrefix = "compiled-"

func (p *Packages) compiled(hash string) string { return filepath.Join(p.dir, compiledPrefix+hash) }

// compiledDir is where compiled code of a version is, or would be. It is good for
// one function, one package, one list of layers and one version of a language
// runtime, such as "python-3.11.7".
func (p *Packages) compiledDir(v *pinfold.Version, runtime string) string {
	name := sha256.New()
	fmt.Fprintf(name, "%s\n%s\n", v.Ref.With("").ARN(), runtime)
	for _, layer := range v.Config.Layers {
		fmt.Fprintln(name, layer.Code.SHA256)
	}
	return filepath.Join(p.compiled(v.Code.SHA256), hex.EncodeToString(name.Sum(nil)))
}

// Compiled returns the read-only folder with what KeepCompiled has kept of a
// version for this version of a language runtime, or "".
func (p *Packages) Compiled(v *pinfold.Version, runtime string) string {
	dir := p.compiledDir(v, runtime)
	if _, err := os.Lstat(dir); err != nil {
		return ""
	}
	return dir
}

// KeepCompiled keeps the compiled code of a version for as long as its package:
// whole, or not at all, and only what comes first. next returns a file after the
// other, then io.EOF; after another error, which is returned, nothing is kept.
// Too much of it, and names that are none, are errors with code Invalid.
func (p *Packages) KeepCompiled(v *pinfold.Version, runtime string, next func() (name string, content []byte, err error)) error {
	dir, err := os.MkdirTemp(p.dir, unfinishedPrefix)
	if err != nil {
		return failed(err, "keep compiled code")
	}
	defer removeAll(dir) // unless it has moved
	size, err := writeCompiled(dir, next)
	if err == nil && size > 0 {
		err = p.alone(context.Background(), v.Code.SHA256, func() error { return p.placeCompiled(v, runtime, dir, size) })
	}
	return failed(err, "keep compiled code")
}

// writeCompiled writes files into an empty folder and returns how many bytes they
// have. All but the folder itself, which is to be moved, is read-only then.
func writeCompiled(dir string, next func() (string, []byte, error)) (size int64, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	for files := 0; ; files++ {
		name, content, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		size += int64(len(content))
		switch {
		case !isCompiledName(name):
			return 0, pinfold.Errorf(pinfold.Invalid, "compiled code is not kept: %.*q is no name for a file of it", maxCompiledName, name)
		case size > maxCompiled || files == maxCompiledFiles:
			return 0, pinfold.Errorf(pinfold.Invalid, "compiled code is not kept: it is larger than %d MB or has more than %d files", maxCompiled>>20, maxCompiledFiles)
		}
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return 0, err
		}
		if err := root.WriteFile(name, content, 0o444); err != nil {
			return 0, err
		}
	}
	return size, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		mode := fs.FileMode(0o444)
		if path == dir {
			mode = 0o755
		} else if err == nil && entry.IsDir() {
			mode = 0o555
		}
		return errors.Join(err, os.Chmod(path, mode))
	})
}

func isCompiledName(name string) bool {
	return len(name) <= maxCompiledName && fs.ValidPath(name) && filepath.IsLocal(name) && name != "." &&
		strings.Count(name, "/") < maxCompiledDepth && !strings.ContainsRune(name, 0)
}

// placeCompiled moves a folder to where Compiled finds it, if there is none yet
// and the package is still there. The caller is alone with the package.
func (p *Packages) placeCompiled(v *pinfold.Version, runtime, dir string, size int64) error {
	if _, err := os.Lstat(filepath.Join(p.dir, v.Code.SHA256)); err != nil {
		return missing(v.Code)
	}
	all := p.compiled(v.Code.SHA256)
	err := filepath.WalkDir(all, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case size > maxCompiledAll:
		return pinfold.Errorf(pinfold.Invalid, "compiled code is not kept: with it, functions would have more than %d MB for the package %s", maxCompiledAll>>20, v.Code.SHA256)
	}
	if err := os.MkdirAll(all, 0o755); err != nil {
		return err
	}
	err = os.Rename(dir, p.compiledDir(v, runtime))
	if errors.Is(err, fs.ErrExist) {
		return nil // another was first
	}
	return err
}
