package runtimes

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"pinfold.dev/pinfold"
)

// bootstraps are the programs that run inside the sandboxes of Node.js and
// Python functions.
//
//go:embed bootstrap/node/*.js bootstrap/python/*.py bootstrap/python/pinfold_bootstrap/*.py
var bootstraps embed.FS

// unpackBootstraps writes the bootstraps into a folder below dir that is named
// after their content, unless it is there already, and returns that folder. One
// that a power cut or a function without walls has spoiled is written anew.
func unpackBootstraps(dir string) (string, error) {
	hash := sha256.New()
	content, err := fs.Sub(bootstraps, "bootstrap")
	if err != nil {
		return "", err
	}
	err = fs.WalkDir(content, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(content, name)
		hash.Write([]byte(name + "\x00"))
		hash.Write(data)
		return err
	})
	if err != nil {
		return "", err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", pinfold.Errorf(pinfold.Internal, "writing the bootstraps: %w", err)
	}
	target := filepath.Join(dir, "bootstrap-"+hex.EncodeToString(hash.Sum(nil))[:16])
	if same(content, target) {
		return target, nil
	}
	err = os.RemoveAll(target)
	if err == nil {
		err = unpack(content, dir, target)
	}
	if err != nil {
		return "", pinfold.Errorf(pinfold.Internal, "writing the bootstraps: %w", err)
	}
	return target, nil
}

// same reports whether a folder has all that content has.
func same(content fs.FS, dir string) bool {
	return nil == fs.WalkDir(content, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		want, err := fs.ReadFile(content, name)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err == nil && !bytes.Equal(got, want) {
			err = errors.New("it is not as it was written")
		}
		return err
	})
}

// unpack makes target appear as a whole.
func unpack(content fs.FS, dir, target string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(dir, "bootstrap-*.new")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	if err := os.CopyFS(fresh, content); err != nil {
		return err
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	err = os.Rename(fresh, target)
	if errors.Is(err, fs.ErrExist) || err != nil && exists(target) {
		return nil // another one was faster
	}
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// compiled is what each interpreter has made once of its bootstrap's code: it
// could not keep it itself, in a folder that instances only read.
type compiled struct {
	dir string // with the bootstraps
	at  string // the same folder, as instances see it
	mu  sync.Mutex
	had map[string]bool // by interpreter
}

// modules is the folder of Python's bootstrap in the folder of bootstraps.
var modules = filepath.Join("python", "pinfold_bootstrap")

// forget removes what there is. A function without walls could have spoiled it.
func (c *compiled) forget() error {
	for _, dir := range []string{filepath.Join(modules, "__pycache__"), filepath.Join("node", "compiled")} {
		if err := os.RemoveAll(filepath.Join(c.dir, dir)); err != nil {
			return pinfold.Errorf(pinfold.Internal, "removing a compiled bootstrap: %w", err)
		}
	}
	return nil
}

// by has an interpreter compile the bootstrap. Where that fails its processes do so
// each time they start.
func (c *compiled) by(ctx context.Context, family Family, interpreter string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.had[interpreter] {
		return
	}
	if c.had == nil {
		c.had = map[string]bool{}
	}
	c.had[interpreter] = true
	args := []string{filepath.Join(c.dir, "node", "compile.js"), filepath.Join(c.at, "node")}
	if family == Python {
		// Checked by nobody: the folder is named after what is compiled.
		args = []string{"-I", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", filepath.Join(c.dir, modules)}
	}
	cmd := exec.CommandContext(ctx, interpreter, args...)
	cmd.Env = []string{} // which could change what it makes
	_ = cmd.Run()
}
