//go:build linux

package rootfs

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
)

// Empty is a folder inside that nothing is ever in.
const Empty = "/.pinfold/empty"

// hidden is the folder with the empty folders that are laid over what must not
// be seen.
const hidden = "/.pinfold/hidden"

// Options is what a root is planned with.
type Options struct {
	// ReadOnly lists host folders to be seen at the same path. Of one that has a
	// bin folder, only what belongs to its programs is shown.
	ReadOnly []string
	// Hide lists host folders that are never seen, except for what ReadOnly
	// names inside of them. Homes are hidden anyway.
	Hide []string
	// ResolvConf is the content of /etc/resolv.conf.
	ResolvConf string
}

// Root is a planned root.
type Root struct {
	host    *host
	entries []entry // parents before what is in them
}

// kind says what an entry is.
type kind string

const (
	folder kind = "folder" // empty
	link   kind = "link"
	file   kind = "file"
	bind   kind = "bind"   // a folder or file of the host, read-only
	device kind = "device" // of the host
	proc   kind = "proc"   // that of the host, untouched
	cover  kind = "cover"  // an empty folder over one of the host's
)

// entry is one thing that a sandbox sees.
type entry struct {
	path string // inside
	kind kind
	text string // of a link its target, of a file its content, of a bind its path on the host
	mode uint32 // of a file
}

// Plan decides what a sandbox sees. The error has the code Unavailable if a
// folder that must be seen is not there, and Invalid if it must not be seen.
func Plan(o Options) (*Root, error) {
	return plan(&host{seen: map[string]stamp{}}, o)
}

// Current reports whether all that was found on the host is still the same. If
// not, a runtime was upgraded or removed, say, and it is time for another plan.
func (r *Root) Current() bool { return r.host.same() }

// planner collects what is to be seen, in any order.
type planner struct {
	host  *host
	hide  []string // real paths
	fixed map[string]entry
	want  map[string]entry
	asked map[string]bool // what of it is shown even inside of something hidden
}

func plan(h *host, o Options) (*Root, error) {
	p := &planner{host: h, want: map[string]entry{}, asked: map[string]bool{}}
	for _, path := range slices.Concat(homes, o.Hide) {
		real, _, err := h.resolve(path, func(string, string) {})
		if real == "/" || !filepath.IsAbs(path) {
			return nil, pinfold.Errorf(pinfold.Invalid, "the folder %q cannot be hidden from sandboxes: name one by its absolute path that is not all there is", path)
		}
		if err == nil {
			p.hide = append(p.hide, real)
		}
	}
	p.fixed = fixed(o.ResolvConf)
	p.system()
	for _, path := range o.ReadOnly {
		if err := p.ask(path); err != nil {
			return nil, err
		}
	}
	maps.Copy(p.want, p.fixed)
	return &Root{h, p.settle()}, nil
}

// fixed is what every sandbox sees on every host.
func fixed(resolvConf string) map[string]entry {
	f := map[string]entry{
		"/etc/resolv.conf": {kind: file, text: resolvConf, mode: 0o444},
		"/proc":            {kind: proc, text: "/proc"},
	}
	for path, content := range generated {
		f[path] = entry{kind: file, text: content, mode: 0o444}
	}
	for path, target := range links {
		f[path] = entry{kind: link, text: target}
	}
	for _, path := range points {
		f[path] = entry{kind: folder}
	}
	for _, name := range devices {
		f["/dev/"+name] = entry{kind: device, text: "/dev/" + name}
	}
	for path, e := range f {
		e.path = path
		f[path] = e
	}
	return f
}

// system shows what every sandbox sees of the host. What the host does not have
// is left out.
func (p *planner) system() {
	for _, path := range folders {
		p.show(path)
	}
	for _, name := range shared {
		p.show("/usr/share/" + name)
	}
	p.prefix("/usr/local")
	for _, name := range settings {
		paths, _ := filepath.Glob(p.host.path("/etc/" + name)) // fails on bad patterns only
		for _, path := range paths {
			p.show(strings.TrimPrefix(path, p.host.root))
		}
	}
}

// prefix shows what belongs to programs in a folder that things are installed in.
func (p *planner) prefix(dir string) {
	names := prefix
	if p.host.lstat(filepath.Join(dir, "Cellar")) != nil {
		names = slices.Concat(prefix, homebrew)
	}
	for _, name := range names {
		p.show(filepath.Join(dir, name))
	}
	for _, name := range shared {
		p.show(filepath.Join(dir, "share", name))
	}
}

// ask shows a folder that the caller wants to be seen.
func (p *planner) ask(path string) error {
	if !filepath.IsAbs(path) {
		return pinfold.Errorf(pinfold.Invalid, "a sandbox cannot be shown the folder %q: the path must be absolute", path)
	}
	asked := &planner{host: p.host, fixed: p.fixed, want: map[string]entry{}}
	real, info, err := p.host.resolve(path, asked.link)
	if err == nil && !info.IsDir() {
		err = errors.New("it is not a folder")
	}
	if err != nil {
		return pinfold.Errorf(pinfold.Unavailable, "a sandbox must be shown the folder %s: %w; if a runtime was in it, install that again", path, err)
	}
	switch {
	case real == "/" || real == "/usr": // shown as far as they ever are
	case p.host.lstat(filepath.Join(real, "bin")) != nil:
		asked.prefix(real)
	case p.refused(real):
		return pinfold.Errorf(pinfold.Invalid, "a sandbox cannot be shown the folder %s: it is a home, a system folder or the platform's data folder; put what it must see into a folder of its own", path)
	default:
		asked.put(entry{path: real, kind: bind, text: real})
	}
	for at, e := range asked.want {
		p.want[at] = e
		p.asked[at] = true
	}
	return nil
}

// refused reports whether a folder must not be shown as a whole.
func (p *planner) refused(dir string) bool {
	for path := range p.fixed {
		if within(path, dir) {
			return true
		}
	}
	return within(dir, "/dev") || within(dir, "/proc") || within(dir, "/sys") || slices.Contains(p.hide, dir)
}

// maxCopy bounds the files that are copied: a mount for each would slow down the
// making of every sandbox.
const maxCopy = 1 << 20

// show shows a folder or a file as it is on the host: links on the way to it stay
// links, and what they lead to is shown where it is. What is not there, or is not
// for everybody's eyes, is left out.
func (p *planner) show(path string) {
	via := &planner{want: map[string]entry{}, fixed: p.fixed}
	real, info, err := p.host.resolve(path, via.link)
	if err != nil {
		return
	}
	e := entry{path: real, kind: bind, text: real}
	if info.Mode().IsRegular() && info.Size() <= maxCopy {
		content, err := os.ReadFile(p.host.path(real))
		if err != nil || info.Mode()&0o004 == 0 {
			return
		}
		e = entry{path: real, kind: file, text: string(content), mode: 0o444}
	}
	maps.Copy(p.want, via.want)
	p.put(e)
}

// link shows a symbolic link.
func (p *planner) link(path, target string) {
	p.put(entry{path: path, kind: link, text: target})
}

// put adds an entry unless it would take the place of a fixed one, or be below a
// fixed link: what makes the root would follow that to the host's own folder.
func (p *planner) put(e entry) {
	for path, fixed := range p.fixed {
		if within(path, e.path) || fixed.kind == link && within(e.path, path) {
			return
		}
	}
	p.want[e.path] = e
}

// settle puts what is wanted in order and leaves out what is visible already, or
// must not be.
func (p *planner) settle() []entry {
	for _, path := range p.hide {
		if _, taken := p.want[path]; !taken {
			p.want[path] = entry{path: path, kind: cover}
		}
	}
	var entries []entry
	placed := map[string]kind{}
	for _, path := range slices.Sorted(maps.Keys(p.want)) {
		e := p.want[path]
		below := nearest(placed, path)
		switch {
		case below == bind && e.kind != cover: // seen already
		case below != bind && e.kind == cover: // not seen anyway
		case p.concealed(path) && e.kind != cover && !p.asked[path]:
		default:
			entries = append(entries, e)
			placed[path] = e.kind
		}
	}
	return entries
}

// nearest returns the kind of the closest bind or cover above path, or "".
func nearest(placed map[string]kind, path string) kind {
	for path != "/" {
		path = filepath.Dir(path)
		if k := placed[path]; k == bind || k == cover {
			return k
		}
	}
	return ""
}

// concealed reports whether path is hidden or inside of something hidden.
func (p *planner) concealed(path string) bool {
	return slices.ContainsFunc(p.hide, func(h string) bool { return within(path, h) })
}

// within reports whether path is dir or inside of it.
func within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}
