package serverless

import (
	"archive/zip"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/doc"
)

// artifact returns a ready zip file as a source. That it is there and holds
// what the functions need is checked.
func (p *packer) artifact(full, name string, at app.Position) *app.Source {
	if s, ok := p.made[full]; ok {
		return s
	}
	s := &app.Source{Name: name, Artifact: full}
	p.made[full] = s
	z, err := zip.OpenReader(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.r.problem(at, "there is no file %s: build it first, or correct its path", p.r.shown(full))
		return s
	case err != nil:
		p.r.problem(at, "cannot read the package %s (%v): build it again", p.r.shown(full), err)
		return s
	}
	defer func() { _ = z.Close() }()
	for _, f := range z.File {
		s.Files = append(s.Files, strings.TrimPrefix(f.Name, "./"))
	}
	slices.Sort(s.Files)
	return s
}

// shown returns a path as it would be written in the manifest.
func (r *reader) shown(full string) string {
	if rel, err := filepath.Rel(r.dir, full); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return full
}

// language is how a runtime finds the file of a handler.
type language struct {
	endings []string // of files that can be loaded
	sources []string // of files that must be built to become one of those
}

var (
	node   = language{[]string{".js", ".mjs", ".cjs"}, []string{".ts", ".tsx", ".mts", ".cts", ".jsx"}}
	python = language{[]string{".py", "/__init__.py", ".so"}, nil}
)

// checkHandler checks that the file of a function's handler is in its package.
func (r *reader) checkHandler(f *function) {
	handler, s := f.app.Config.Handler, f.app.Source
	if handler == "" || s == nil || len(s.Files) == 0 || path.IsAbs(handler) {
		return // told before, or it is in a layer
	}
	at := f.m.Get("handler").At
	runtime := f.app.Config.Runtime
	switch {
	case strings.HasPrefix(runtime, "nodejs"):
		r.checkFile(f, node, at, "src/hello.handler", nodeModule)
	case strings.HasPrefix(runtime, "python"):
		r.checkFile(f, python, at, "src/hello.handler", pythonModule)
	case strings.HasPrefix(runtime, "provided"):
		r.missing(f, at, []string{"bootstrap"}, "the program of the runtime "+runtime, "; build it before you deploy, such as: "+goBuild+" -o bootstrap")
	case runtime == "go1.x":
		r.missing(f, at, []string{"bootstrap", path.Clean(handler)}, "the program of the runtime go1.x", "; build it before you deploy, such as: "+goBuild+" -o "+path.Clean(handler))
	}
}

// nodeModule splits a handler of Node.js: the file is up to the first dot of
// the last part. Source: _splitHandlerString in AWS's Node.js runtime interface client.
func nodeModule(handler string) (module, export string) {
	dir, last := path.Split(handler)
	file, export, _ := strings.Cut(last, ".")
	return path.Clean(dir + file), export
}

// pythonModule splits a handler of Python: the module is up to the last dot,
// and dots in it are folders. Source: _get_handler in AWS's Python runtime
// interface client.
func pythonModule(handler string) (module, export string) {
	i := strings.LastIndexByte(handler, '.')
	if i < 0 {
		return handler, ""
	}
	return path.Clean(strings.ReplaceAll(handler[:i], ".", "/")), handler[i+1:]
}

func (r *reader) checkFile(f *function, l language, at app.Position, example string, split func(string) (string, string)) {
	handler, s := f.app.Config.Handler, f.app.Source
	module, export := split(handler)
	if strings.HasPrefix(handler, "./") {
		module, export = split(handler[2:])
	}
	if export == "" || module == "" || module == "." {
		r.problem(at, "the handler %q of function %s does not name a file and an export: write FILE.EXPORT, such as %s", handler, f.key, example)
		return
	}
	if !filepath.IsLocal(filepath.FromSlash(module)) {
		r.problem(at, "the handler %q of function %s is outside of the application's folder", handler, f.key)
		return
	}
	var wanted []string
	for _, ending := range l.endings {
		wanted = append(wanted, module+ending)
	}
	for _, ending := range l.sources {
		if r.holdsFile(s, wanted...) {
			break
		}
		if s.Artifact == "" && r.exists(s, module+ending) {
			why := ""
			if plugin := r.buildPlugin(); plugin != "" {
				why = " (" + plugin + " does that in Serverless Framework)"
			}
			r.problem(at, "the handler %q of function %s is written in %s, which must be built first%s: %s", handler, f.key, module+ending, why, builds)
			return
		}
	}
	for _, ending := range append(slices.Clone(l.endings), l.sources...) {
		if first, _, _ := strings.Cut(export, "."); "."+first == ending {
			r.warn(at, "the handler %q of function %s names the export %s of %s: write FILE.EXPORT without the file's ending, such as %s", handler, f.key, export, module+ending, example)
		}
	}
	hint := r.elsewhere(s, l, handler, wanted[0])
	if plugin := r.makerOf(module); plugin != "" {
		hint = "; the plugin " + plugin + " would make it, and Pinfold runs no plugins: " + plugins[plugin]
	}
	r.missing(f, at, wanted, "the file of the handler "+handler, hint)
}

// elsewhere suggests a file in place of one that is missing: one of almost that
// name, or of that name in another folder.
func (r *reader) elsewhere(s *app.Source, l language, handler, wanted string) string {
	meant := doc.Closest(wanted, s.Files)
	if i := strings.LastIndexByte(handler, '.'); i > 0 {
		folders := strings.ReplaceAll(handler[:i], ".", "/") // src.hello.handler, as in Python
		for _, ending := range l.endings {
			if r.holdsFile(s, folders+ending) {
				return "; write " + folders + handler[i:]
			}
		}
	}
	for _, name := range s.Files {
		if meant == "" && path.Base(name) == path.Base(wanted) && !strings.Contains(name, "node_modules/") {
			meant = name
		}
	}
	if meant == "" {
		return ""
	}
	return "; did you mean " + meant + "?"
}

// goBuild builds a program that runs on any Linux.
const goBuild = "GOOS=linux CGO_ENABLED=0 go build"

func (r *reader) holdsFile(s *app.Source, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, found := slices.BinarySearch(s.Files, name)
		return found || r.behindLink(s, name)
	})
}

// behindLink reports whether a folder on the way to a name is a link in the package.
func (r *reader) behindLink(s *app.Source, name string) bool {
	for dir := path.Dir(name); dir != "." && dir != "/"; dir = path.Dir(dir) {
		if _, found := slices.BinarySearch(s.Files, dir); found && s.Artifact == "" {
			return r.exists(s, name)
		}
	}
	return false
}

func (r *reader) exists(s *app.Source, name string) bool {
	for _, t := range r.packer.trees {
		if t.tree.Root == s.Root {
			return t.tree.Exists(name)
		}
	}
	return false
}

// missing tells that none of some files is in the package, and what may be the
// reason; hint is what to do about it if nothing else is found.
func (r *reader) missing(f *function, at app.Position, wanted []string, what, hint string) {
	s := f.app.Source
	if r.holdsFile(s, wanted...) {
		return
	}
	if len(f.app.Layers) > 0 {
		r.warn(at, "%s of function %s is not in its package (%s): it must be in one of its layers", what, f.key, wanted[0])
		return
	}
	names := strings.Join(wanted[:len(wanted)-1], ", ")
	if names != "" {
		names += " or "
	}
	names += wanted[len(wanted)-1]
	if s.Artifact != "" {
		r.problem(at, "%s of function %s is missing: there is no %s in %s", what, f.key, names, r.shown(s.Artifact))
		return
	}
	for _, name := range wanted {
		if r.exists(s, name) {
			r.problem(at, "%s of function %s is left out of its package: %s is there, add it to package.patterns", what, f.key, name)
			return
		}
	}
	r.problem(at, "%s of function %s is missing: there is no %s%s", what, f.key, names, hint)
}
