package serverless

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"pinfold.dev/pinfold/app"
)

// layer is one layer of the application while it is being read.
type layer struct {
	section
	key   string
	keyAt app.Position
}

// readLayers finds the layers, which functions refer to.
func (r *reader) readLayers() {
	all := r.root.sub("layers")
	for _, k := range all.keys() {
		if s, ok := r.section(all.m.Get(k.Name), "layer "+k.Name); ok {
			r.layers = append(r.layers, &layer{section: s, key: k.Name, keyAt: k.At})
		}
	}
}

func (r *reader) isLayer(text string) bool {
	key, ok := strings.CutPrefix(text, layerPrefix)
	if !ok {
		return false
	}
	for _, l := range r.layers {
		if l.key == key {
			return true
		}
	}
	return false
}

// configureLayers reads the settings of layers. Source:
// lib/plugins/aws/package/compile/layers.js.
func (r *reader) configureLayers() {
	for _, l := range r.layers {
		l.known("path", "name", "description", "compatibleRuntimes", "compatibleArchitectures", "licenseInfo", "allowedAccounts", "retain", "package")
		name := l.text("name")
		if name == "" {
			name = l.key
		}
		if l.has("allowedAccounts") {
			r.warn(l.m.KeyAt("allowedAccounts"), "%s is ignored: the layer is for this application's account", l.label("allowedAccounts"))
		}
		made := app.Layer{
			Key: l.key, Name: name, Description: l.text("description"), Runtimes: l.texts("compatibleRuntimes"),
			Architectures: l.texts("compatibleArchitectures"), License: l.text("licenseInfo"), Retain: l.flag("retain", false), At: l.keyAt,
		}
		made.Source = r.layerSource(l)
		r.app.Layers = append(r.app.Layers, made)
	}
}

func (r *reader) layerSource(l *layer) *app.Source {
	p := r.packaging(l.sub("package"))
	if p.artifact != "" {
		return r.artifact(p, "layer "+l.key)
	}
	path := l.text("path")
	if path == "" {
		r.problem(l.keyAt, "the layer %s has no content: write \"path: FOLDER\" or \"package.artifact: FILE.zip\"", l.key)
		return nil
	}
	root := filepath.Join(r.dir, filepath.FromSlash(path))
	if rel, err := filepath.Rel(r.dir, root); filepath.IsAbs(path) || err != nil || !filepath.IsLocal(rel) {
		r.problem(l.m.Get("path").At, "the folder %s of layer %s is outside of the application's folder", path, l.key)
		return nil
	}
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		r.problem(l.m.Get("path").At, "there is no folder %s for the layer %s: build it first, or correct its path", path, l.key)
		return nil
	}
	return r.folderSource(root, "layer "+l.key, r.layerPatterns(p), l.m.Get("path").At)
}

// layersOf returns the layers of a function: its own, or else the provider's.
func (r *reader) layersOf(f *function) []string {
	s := either(f.section, r.provider(), "layers")
	layers := s.texts("layers")
	if len(layers) > 5 {
		r.problem(s.m.KeyAt("layers"), "%s are %d, and Lambda allows 5", f.label("layers"), len(layers))
	}
	for _, l := range layers {
		if parts := strings.Split(l, ":"); parts[0] == "arn" && len(parts) > 4 && parts[4] != r.opts.Target.Account {
			r.warn(s.m.KeyAt("layers"), "the layer %s is another account's: Pinfold has it only if you publish it here, with `aws lambda publish-layer-version`, and name that ARN", l)
		}
		if !strings.HasPrefix(l, "arn:") && !r.isLayer(l) {
			r.problem(s.m.KeyAt("layers"), "%q in %s is no layer: name one of this file with {Ref: NameLambdaLayer}, or another by its ARN with a version", l, s.label("layers"))
		}
	}
	return layers
}
