package runtimes

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// versionedName matches the names under which distributions and version
// managers install one version of an interpreter; see exactNames.
var versionedName = map[Family]*regexp.Regexp{
	Node:   regexp.MustCompile(`^node(?:js|-)?\d+$`),
	Python: regexp.MustCompile(`^python3\.\d+$`),
}

// Installed returns every interpreter that functions can run on: of each family
// first the one that runs functions whose own version is missing, as [Detect]
// finds it, then those installed under the name of their version. It runs them
// all for a moment, several at a time.
func Installed(ctx context.Context) []Detected {
	var found []Detected
	for _, d := range Detect(ctx) {
		if d.Path == "" {
			continue
		}
		found = append(found, d)
		for _, other := range versioned(ctx, d) {
			if !slices.ContainsFunc(found, func(f Detected) bool { return f.Family == d.Family && f.Version == other.Version }) {
				found = append(found, other)
			}
		}
	}
	return found
}

// FamilyOf returns the family that people call by this name, or "".
func FamilyOf(name string) Family {
	for _, f := range []Family{Node, Python} {
		if display(f) == name {
			return f
		}
	}
	return ""
}

// versioned returns what runs under names with a version, by version.
func versioned(ctx context.Context, like Detected) []Detected {
	var names []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if versionedName[like.Family].MatchString(e.Name()) && !slices.Contains(names, e.Name()) {
				names = append(names, e.Name())
			}
		}
	}
	var mu sync.Mutex
	var found []Detected
	var wg sync.WaitGroup
	for _, name := range names {
		wg.Go(func() {
			for _, candidate := range allOnPath(name) {
				path, err := program(like.Family, candidate)
				if err != nil {
					continue
				}
				version, err := askVersion(ctx, like.Family, path)
				if err != nil || version == "" {
					continue
				}
				mu.Lock()
				defer mu.Unlock()
				found = append(found, Detected{Name: like.Name, Family: like.Family, Path: path, Version: version})
				return
			}
		})
	}
	wg.Wait()
	slices.SortFunc(found, func(a, b Detected) int { return cmp.Compare(a.Version, b.Version) })
	return found
}

// Note returns what a person who deploys a function with this runtime to a
// machine with these interpreters should know: that it runs on another version
// than it asks for, or cannot run. "" means that all is as asked.
func Note(id string, installed []Detected) string {
	p, ok := parse(id)
	if !ok || p.family == Custom {
		return ""
	}
	first := slices.IndexFunc(installed, func(d Detected) bool { return d.Family == p.family })
	if first < 0 {
		return "the server has no " + display(p.family) + ", so functions with runtime " + id + " cannot start: " + advice(p.family)
	}
	same := func(d Detected) bool { return d.Family == p.family && strings.HasPrefix(d.Version+".", p.version+".") }
	if p.version == "" || slices.ContainsFunc(installed, same) {
		return ""
	}
	what := "runtime " + id + " is not on the server"
	if p.retired {
		what = "runtime " + id + " is retired"
	}
	return what + ": the function runs on the server's " + display(p.family) + " " + installed[first].Version
}
