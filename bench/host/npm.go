//go:build linux

package host

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// NPM copies a folder with a package-lock.json to the cache and installs what
// that names there, unless this has been done before, and returns the copy. It
// calls first before it does.
func NPM(ctx context.Context, dir, cache string, first func()) (string, error) {
	sum := sha256.New()
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		sum.Write(content)
	}
	to := fmt.Sprintf("%s-%x", cache, sum.Sum(nil)[:6])
	if err := copyFiles(dir, to); err != nil {
		return "", err
	}
	done := filepath.Join(to, "node_modules", ".done")
	if _, err := os.Stat(done); err == nil {
		return to, nil
	}
	first()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = to
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return to, os.WriteFile(done, nil, 0o644)
}

func copyFiles(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, e.Name()), content, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
