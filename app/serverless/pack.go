package serverless

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/files"
)

// defaultExcludes are never packed unless a pattern asks for them. Source:
// defaultExcludes in lib/plugins/package/lib/package-service.js; the last is
// Pinfold's own.
var defaultExcludes = []string{
	".git/**", ".gitignore", ".DS_Store", "npm-debug.log", "yarn-*.log", ".serverless/**", ".serverless_plugins/**", ".pinfold/**",
}

// packaging is a "package" section: of the service, a function or a layer.
type packaging struct {
	section
	include, exclude []string // the deprecated lists
	patterns         []string
	artifact         string
	individually     bool
	excludeDev       bool
	localPlugins     string
}

func (r *reader) packaging(s section) packaging {
	p := packaging{
		section: s, include: s.texts("include"), exclude: s.texts("exclude"), patterns: s.texts("patterns"), artifact: s.text("artifact"),
		individually: s.flag("individually", false), excludeDev: s.flag("excludeDevDependencies", true),
	}
	for _, key := range []string{"include", "exclude"} {
		if s.m.Get(key) != nil {
			r.warn(s.m.KeyAt(key), "%s is deprecated: write patterns in its place, with ! before what is left out", s.label(key))
		}
	}
	for _, key := range []string{"include", "exclude", "patterns"} {
		for _, pattern := range s.texts(key) {
			if why := badPattern(pattern); why != "" {
				r.problem(s.m.Get(key).At, "the pattern %q in %s %s", pattern, s.label(key), why)
			}
		}
	}
	return p
}

func badPattern(pattern string) string {
	pattern = strings.TrimPrefix(strings.TrimPrefix(pattern, "!"), "./")
	switch {
	case strings.HasPrefix(pattern, "../") || strings.Contains(pattern, "/../") || path.IsAbs(pattern):
		return "reaches out of the application's folder: copy what is needed into it"
	case strings.ContainsAny(pattern, "(") && extglob(pattern):
		return "uses !(...), +(...) or their like, which are not understood: use *, **, ?, [...] and {a,b}"
	case !doublestar.ValidatePattern(pattern):
		return "is not a pattern: use *, **, ?, [...] and {a,b}"
	}
	return ""
}

func extglob(pattern string) bool {
	for i := 1; i < len(pattern); i++ {
		if pattern[i] == '(' && strings.IndexByte("!?*+@", pattern[i-1]) >= 0 {
			return true
		}
	}
	return false
}

// readPackage reads the service's package section.
func (r *reader) readPackage() {
	local := r.service.localPlugins
	r.service = r.packaging(r.root.sub("package"))
	r.service.localPlugins = local
	r.service.known("patterns", "individually", "artifact", "include", "exclude", "excludeDevDependencies", "path")
	r.packer = &packer{r: r, trees: map[string]*scanned{}, dev: files.NewDevDependencies(r.dir), made: map[string]*app.Source{}}
}

// patterns returns the rules for what to pack, in their order: the last that
// matches a file decides. Source: getExcludes, getIncludes and
// resolveFilePathsFromPatterns in package-service.js.
func (r *reader) rules(own packaging, excludeLayers bool) rules {
	excludes := append(slices.Clone(defaultExcludes), r.file)
	if r.service.localPlugins != "" {
		excludes = append(excludes, path.Clean(filepath.ToSlash(r.service.localPlugins))+"/**")
	}
	excludes = append(excludes, r.service.exclude...)
	if excludeLayers {
		for _, l := range r.layers {
			if p := l.text("path"); p != "" {
				excludes = append(excludes, path.Clean(filepath.ToSlash(p))+"/**")
			}
		}
	}
	if r.root.flag("useDotenv", false) {
		excludes = append(excludes, ".env*")
	}
	excludes = append(excludes, own.exclude...)
	var all rules
	for _, e := range excludes {
		all = append(all, newRule(e, true))
	}
	for _, list := range [][]string{r.service.include, r.service.patterns, own.include, own.patterns} {
		for _, pattern := range list {
			all = append(all, newRule(pattern, false))
		}
	}
	return all
}

func (r *reader) layerPatterns(own packaging) rules { return r.rules(own, false) }

// source returns where the code of a function comes from.
func (r *reader) source(f *function) *app.Source {
	own := r.packaging(f.sub("package"))
	own.known("patterns", "individually", "artifact", "include", "exclude", "excludeDevDependencies", "disable")
	switch {
	case own.artifact != "":
		return r.artifact(own, "function "+f.key)
	case r.service.artifact != "" && !own.individually:
		return r.artifact(r.service, "service")
	case own.individually || r.service.individually:
		return r.folderSource(r.dir, "function "+f.key, r.rules(own, true), f.keyAt)
	}
	if len(own.patterns)+len(own.include)+len(own.exclude) > 0 {
		r.warn(own.at, "%s has no effect: patterns of a function count with \"individually: true\" there or in the package section of the file", f.label("package"))
	}
	at := r.root.at
	if r.service.m != nil {
		at = r.root.m.KeyAt("package")
	}
	return r.folderSource(r.dir, "service", r.rules(packaging{section: section{r: r}}, true), at)
}

// artifact returns a zip file that somebody else made.
func (r *reader) artifact(p packaging, name string) *app.Source {
	at := p.m.Get("artifact").At
	if strings.HasPrefix(p.artifact, "s3://") || strings.HasPrefix(p.artifact, "https://") {
		r.problem(at, "%s is in S3, which Pinfold cannot read: download it and name the file", p.artifact)
		return nil
	}
	full := p.artifact
	if !filepath.IsAbs(full) {
		full = filepath.Join(r.dir, filepath.FromSlash(full))
	}
	return r.packer.artifact(full, name, at)
}

func (r *reader) folderSource(root, name string, rules rules, at app.Position) *app.Source {
	s, err := r.packer.source(r.ctx, root, name, rules)
	if err != nil {
		if !errors.Is(err, r.ctx.Err()) || r.ctx.Err() == nil {
			r.fail(at, err)
		}
		return nil
	}
	return s
}

// packer picks the files of packages and shares what is the same.
type packer struct {
	r     *reader
	trees map[string]*scanned
	dev   *files.DevDependencies
	made  map[string]*app.Source
}

type scanned struct {
	tree  *files.Tree
	rules string // the only rules that it is good for; "" if for all
}

func (p *packer) source(ctx context.Context, root, name string, rules rules) (*app.Source, error) {
	key := root + "\x00" + rules.key()
	if s, ok := p.made[key]; ok {
		return s, nil
	}
	tree, err := p.scan(ctx, root, rules)
	if err != nil {
		return nil, err
	}
	dev := p.devAt(root)
	picked, outside, err := tree.Select(ctx, rules.keep, dev)
	if err != nil {
		return nil, err
	}
	if len(outside) > 0 {
		more := ""
		if n := len(outside) - 1; n > 0 {
			more = fmt.Sprintf(" (and %d more links)", n)
		}
		first := outside[0].Name
		return nil, app.Problem{Message: "the link " + first + " leads out of the folder, to " + outside[0].Target + more +
			": put a copy in its place, or leave it out with package.patterns: ['!" + first + "']"}
	}
	if len(picked) == 0 {
		hint := ""
		if strings.HasPrefix(name, "layer ") {
			hint = ": the patterns of the service count for layers too, those of the layer come after them"
		}
		return nil, app.Problem{Message: "the package of " + name + " is empty: no file of " + root + " is left after package.patterns and what is always left out" + hint}
	}
	for _, dir := range tree.VirtualEnvs {
		if s := (&app.Source{Files: picked}); s.Holds(dir) {
			p.r.warn(app.Position{File: p.r.file}, "the Python virtual environment %s is packed with the code, which no function uses: leave it out with package.patterns: ['!%s/**']", dir, dir)
		}
	}
	s := &app.Source{Name: name, Root: tree.Root, Files: picked}
	p.made[key] = s
	return s, nil
}

// devAt reports development dependencies below a root of the application.
func (p *packer) devAt(root string) func(string) bool {
	if !p.r.service.excludeDev {
		return func(string) bool { return false }
	}
	prefix, err := filepath.Rel(p.r.dir, root)
	if err != nil || prefix == "." {
		return p.dev.Is
	}
	return func(name string) bool { return p.dev.Is(path.Join(filepath.ToSlash(prefix), name)) }
}

// scan lists a folder. For the first rules it does not look into what they
// leave out; when others come, it looks at everything, once.
func (p *packer) scan(ctx context.Context, root string, rules rules) (*files.Tree, error) {
	known := p.trees[root]
	if known != nil && (known.rules == "" || known.rules == rules.key()) {
		return known.tree, nil
	}
	dev := p.devAt(root)
	made := &scanned{rules: rules.key()}
	skip := func(dir string) bool { return dev(dir) || rules.leaveOut(dir) }
	if known != nil {
		made.rules, skip = "", dev
	}
	tree, err := files.Scan(ctx, root, skip)
	if err != nil {
		return nil, err
	}
	made.tree = tree
	p.trees[root] = made
	return tree, nil
}
