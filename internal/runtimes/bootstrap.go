package runtimes

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"pinfold.dev/pinfold"
)

// bootstraps are the programs that run inside the sandboxes of Node.js and
// Python functions.
//
//go:embed bootstrap/node/*.js bootstrap/python/*.py bootstrap/python/pinfold_bootstrap/*.py
var bootstraps embed.FS

// unpackBootstraps writes the bootstraps into a folder below dir that is named
// after their content, unless it is there already, and returns that folder.
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
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	if err := unpack(content, dir, target); err != nil {
		return "", pinfold.Errorf(pinfold.Internal, "writing the bootstraps: %w", err)
	}
	return target, nil
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
