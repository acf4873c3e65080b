package app

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pinfold.dev/pinfold"
)

// MaxUnpacked is how large a function's code may be unpacked, in bytes.
// Source: AWS Lambda quotas, "262144000 bytes" in Lambda's own error message.
const MaxUnpacked = 262144000

// BuildOptions say how Build makes code packages.
type BuildOptions struct {
	// Cache is the folder for packages, which makes the next Build fast. It is
	// made if need be. Empty means a folder of this user's own.
	Cache string
	// Fast compresses less, for a server on the same machine.
	Fast bool
	// Progress, if set, is called from one goroutine at a time as files of a
	// package are packed. A package that did not change is reported as done once.
	Progress func(pkg string, done, total int)
}

// Build makes the code packages of an application's functions and layers and
// sets their Code. It returns the path of each package by its SHA-256; a path
// is good until the next Build with the same cache. The same files make the
// same package, on any machine. The error is Problems for what the person who
// deploys can mend.
func Build(ctx context.Context, a *Application, opts BuildOptions) (map[string]string, error) {
	if opts.Cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			dir = os.TempDir()
		}
		opts.Cache = filepath.Join(dir, "pinfold", "packages")
	}
	if err := os.MkdirAll(opts.Cache, 0o700); err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "cannot make the folder for code packages: %w", err)
	}
	paths, built := map[string]string{}, map[*Source]pinfold.Package{}
	var problems Problems
	build := func(s *Source, at Position) pinfold.Package {
		if s == nil || ctx.Err() != nil {
			return pinfold.Package{}
		}
		if p, ok := built[s]; ok {
			return p
		}
		p, path, err := buildOne(ctx, s, opts)
		if err != nil {
			problems = append(problems, Problem{at, fmt.Sprintf("cannot build the package of %s: %v", s.Name, err)})
		}
		built[s] = p
		if err == nil {
			paths[p.SHA256] = path
		}
		return p
	}
	for i := range a.Functions {
		a.Functions[i].Code = build(a.Functions[i].Source, a.Functions[i].At)
	}
	for i := range a.Layers {
		a.Layers[i].Code = build(a.Layers[i].Source, a.Layers[i].At)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, problems
	}
	prune(opts.Cache)
	return paths, nil
}

func buildOne(ctx context.Context, s *Source, opts BuildOptions) (pinfold.Package, string, error) {
	if s.Artifact != "" {
		return hashArtifact(s, opts)
	}
	files, err := statFiles(ctx, s)
	if err != nil {
		return pinfold.Package{}, "", err
	}
	if err := checkSize(files); err != nil {
		return pinfold.Package{}, "", err
	}
	cache := openCache(s, opts)
	if path, ok := cache.unchanged(files); ok {
		if opts.Progress != nil {
			opts.Progress(s.Name, len(files), len(files))
		}
		return cache.pkg, path, nil
	}
	return pack(ctx, s, files, cache, opts)
}

// hashArtifact takes a zip file that somebody else made as it is.
func hashArtifact(s *Source, opts BuildOptions) (pinfold.Package, string, error) {
	z, err := zip.OpenReader(s.Artifact)
	if errors.Is(err, fs.ErrNotExist) {
		return pinfold.Package{}, "", fmt.Errorf("there is no file %s: build it first", s.Artifact)
	}
	if err != nil {
		return pinfold.Package{}, "", fmt.Errorf("%s is not a zip file (%w): build it again", s.Artifact, err)
	}
	_ = z.Close()
	f, err := os.Open(s.Artifact)
	if err != nil {
		return pinfold.Package{}, "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return pinfold.Package{}, "", err
	}
	if opts.Progress != nil {
		opts.Progress(s.Name, 1, 1)
	}
	return pinfold.Package{SHA256: hex.EncodeToString(h.Sum(nil)), Size: size}, s.Artifact, nil
}

// checkSize refuses what cannot be run, and names what is large.
func checkSize(files []file) error {
	total, by := int64(0), map[string]int64{}
	for _, f := range files {
		total += f.size
		by[part(f.name)] += f.size
	}
	if total < MaxUnpacked {
		return nil
	}
	parts := make([]string, 0, len(by))
	for name := range by {
		parts = append(parts, name)
	}
	slices.SortFunc(parts, func(a, b string) int { return int(by[b] - by[a]) })
	for i, name := range parts {
		parts[i] = fmt.Sprintf("%s (%d MB)", name, by[name]>>20)
	}
	return fmt.Errorf("its files are %d MB, and Lambda's limit is 250 MB unpacked: leave out what the function does not need, the largest are %s",
		total>>20, strings.Join(parts[:min(5, len(parts))], ", "))
}

// part is the folder that a person would leave out: a package of node_modules,
// or the topmost folder.
func part(name string) string {
	parts := strings.Split(name, "/")
	depth := 1
	if i := slices.Index(parts, "node_modules"); i >= 0 {
		depth = i + 2
		if i+1 < len(parts) && strings.HasPrefix(parts[i+1], "@") {
			depth++
		}
	}
	return strings.Join(parts[:min(depth, len(parts))], "/")
}

// prune forgets packages that were not used for a month.
func prune(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > 30*24*time.Hour {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
