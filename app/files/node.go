package files

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// DevDependencies tells which folders below node_modules are there for
// development only. It reads npm's lock files and, where there are none, the
// package.json of each package; it does not run npm. The zero value is not
// ready, see [NewDevDependencies].
type DevDependencies struct {
	root  string
	known map[string]map[string]bool // package folder -> folders below it that are for development
}

// NewDevDependencies returns the development dependencies of everything below root.
func NewDevDependencies(root string) *DevDependencies {
	return &DevDependencies{root: root, known: map[string]map[string]bool{}}
}

// Is reports whether the folder (or a file in one) belongs to a package that
// is needed for development only.
func (d *DevDependencies) Is(name string) bool {
	var owner, below string
	switch {
	case strings.HasPrefix(name, "node_modules/"):
		below = name
	default:
		i := strings.Index(name, "/node_modules/")
		if i < 0 {
			return false
		}
		owner, below = name[:i], name[i+1:]
	}
	dev, ok := d.known[owner]
	if !ok {
		dev = d.read(filepath.Join(d.root, filepath.FromSlash(owner)))
		d.known[owner] = dev
	}
	if len(dev) == 0 {
		return false
	}
	for at := below; at != "."; at = path.Dir(at) {
		if dev[at] {
			return true
		}
	}
	return false
}

type lockFile struct {
	Packages     map[string]struct{ Dev bool }
	Dependencies map[string]lockDependency
}

type lockDependency struct {
	Dev          bool
	Dependencies map[string]lockDependency
}

type manifest struct {
	Dependencies, DevDependencies, OptionalDependencies, PeerDependencies map[string]string
}

func (d *DevDependencies) read(dir string) map[string]bool {
	dev := map[string]bool{}
	for _, name := range []string{"node_modules/.package-lock.json", "package-lock.json", "npm-shrinkwrap.json"} {
		var lock lockFile
		if !readJSON(filepath.Join(dir, name), &lock) {
			continue
		}
		for name, p := range lock.Packages {
			if p.Dev {
				dev[name] = true
			}
		}
		if len(lock.Packages) == 0 {
			lockVersion1(dev, "", lock.Dependencies)
		}
		return dev
	}
	var own manifest
	if !readJSON(filepath.Join(dir, "package.json"), &own) || len(own.DevDependencies) == 0 {
		return dev
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".pnpm")); err == nil {
		return dev // as npm, we see through a flat node_modules only
	}
	needed, found := map[string]bool{}, map[string]bool{}
	reach(dir, "", own, needed)
	for name := range own.DevDependencies {
		reach(dir, "", manifest{Dependencies: map[string]string{name: ""}}, found)
	}
	for name := range found {
		if !needed[name] {
			dev[name] = true
		}
	}
	return dev
}

// lockVersion1 reads the nested form that npm 6 and earlier wrote.
func lockVersion1(dev map[string]bool, at string, dependencies map[string]lockDependency) {
	for name, p := range dependencies {
		below := at + "node_modules/" + name
		if p.Dev {
			dev[below] = true
		}
		lockVersion1(dev, below+"/", p.Dependencies)
	}
}

// reach adds the folders of all packages that one at the folder at needs.
func reach(dir, at string, m manifest, seen map[string]bool) {
	for _, set := range []map[string]string{m.Dependencies, m.OptionalDependencies, m.PeerDependencies} {
		for name := range set {
			found, ok := locate(dir, at, name)
			if !ok || seen[found] {
				continue
			}
			seen[found] = true
			var next manifest
			readJSON(filepath.Join(dir, filepath.FromSlash(found), "package.json"), &next)
			reach(dir, found, next, seen)
		}
	}
}

// locate finds a package as Node.js does: in the nearest node_modules upwards.
func locate(dir, at, name string) (string, bool) {
	for {
		found := path.Join(at, "node_modules", name)
		if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(found))); err == nil && info.IsDir() {
			return found, true
		}
		if at == "" || at == "." {
			return "", false
		}
		at = path.Dir(at)
		if path.Base(at) == "node_modules" {
			at = path.Dir(at)
		}
		if at == "." {
			at = ""
		}
	}
}

func readJSON(name string, into any) bool {
	b, err := os.ReadFile(name)
	return err == nil && json.Unmarshal(b, into) == nil
}
