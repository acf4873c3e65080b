package runtimes

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Machine knows the interpreters of this machine. Each is looked for and run
// for a moment when it is first asked about. The zero Machine is ready for use
// by several goroutines.
type Machine struct {
	find     finder
	mu       sync.Mutex
	versions map[string]string // by path
}

// Note returns what a person who deploys a function with this runtime should
// know: that it will run on another version than it asks for, or cannot run.
// "" means that all is as asked.
func (m *Machine) Note(ctx context.Context, id string) string {
	p, ok := parse(id)
	if !ok || p.family == Custom {
		return ""
	}
	path, err := m.find.find(p)
	if err != nil {
		return "the server has no " + display(p.family) + ", so functions with runtime " + id + " cannot start: " + advice(p.family)
	}
	if p.version == "" || slices.Contains(exactNames(p), filepath.Base(path)) {
		return ""
	}
	version := m.version(ctx, p.family, path)
	if strings.HasPrefix(version+".", p.version+".") {
		return ""
	}
	what := "runtime " + id + " is not on the server"
	if p.retired {
		what = "runtime " + id + " is retired"
	}
	return what + ": the function runs on the server's " + strings.TrimSpace(display(p.family)+" "+version)
}

// version returns the version of an interpreter, or "" if it does not tell.
func (m *Machine) version(ctx context.Context, family Family, path string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.versions[path]; ok {
		return v
	}
	v, err := askVersion(ctx, family, path)
	if err != nil {
		return ""
	}
	if m.versions == nil {
		m.versions = map[string]string{}
	}
	m.versions[path] = v
	return v
}
