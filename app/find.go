package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"pinfold.dev/pinfold"
)

// Format is a way to write an application down.
type Format string

// The formats. Whoever calls Find picks the reader for the format.
const (
	Serverless Format = "serverless.yml" // read by app/serverless
)

// manifests are the file names of each format, in the order they are looked for.
var manifests = []struct {
	format Format
	name   string
}{
	{Serverless, "serverless.yml"},
	{Serverless, "serverless.yaml"},
	{Serverless, "serverless.json"},
}

const program = "it is a program, which Pinfold does not run: print it with `npx serverless print --format yaml > serverless.yml`, or write it as serverless.yml"
const sam = "AWS SAM templates are not read yet, serverless.yml is"
const compose = "it names several applications: deploy the folder of each by itself"

// elsewhere are manifests that people have and Pinfold does not read, with
// what to do about it.
var elsewhere = []struct{ name, what string }{
	{"serverless.js", program}, {"serverless.cjs", program}, {"serverless.mjs", program}, {"serverless.ts", program},
	{"template.yaml", sam}, {"template.yml", sam}, {"template.json", sam},
	{"serverless-compose.yml", compose}, {"serverless-compose.yaml", compose},
}

// Find looks for the manifest of the application in a folder and returns its
// format and path. If dir is a file, it is the manifest. The error is NotFound
// and says what was looked for.
func Find(dir string) (Format, string, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", pinfold.Errorf(pinfold.NotFound, "there is no folder %s: name the folder of an application", dir)
	}
	if err != nil {
		return "", "", pinfold.Errorf(pinfold.NotFound, "cannot look into %s: %w", dir, err)
	}
	if !info.IsDir() {
		return findFile(dir)
	}
	var looked []string
	for _, m := range manifests {
		looked = append(looked, m.name)
		if info, err := os.Stat(filepath.Join(dir, m.name)); err == nil && !info.IsDir() {
			return m.format, filepath.Join(dir, m.name), nil
		}
	}
	for _, e := range elsewhere {
		if _, err := os.Stat(filepath.Join(dir, e.name)); err == nil {
			return findFile(filepath.Join(dir, e.name))
		}
	}
	shown := dir
	if abs, err := filepath.Abs(dir); err == nil && filepath.Clean(dir) == "." {
		shown = abs
	}
	if below := oneBelow(dir); below != "" {
		return "", "", pinfold.Errorf(pinfold.NotFound, "%s holds no application, but %s does: name the folder that you mean", shown, below)
	}
	return "", "", pinfold.Errorf(pinfold.NotFound, "%s holds no application: looked for %s. Name the folder of one, or write a serverless.yml there (examples/hello shows how)",
		shown, strings.Join(looked, ", "))
}

// oneBelow returns a folder in a folder that holds an application, or "".
func oneBelow(dir string) string {
	for _, m := range manifests {
		if found, _ := filepath.Glob(filepath.Join(dir, "*", m.name)); len(found) > 0 {
			return filepath.Dir(found[0])
		}
	}
	return ""
}

// findFile tells a manifest's format by its name: "serverless.prod.yml" is a
// serverless.yml too.
func findFile(file string) (Format, string, error) {
	base := filepath.Base(file)
	for _, e := range elsewhere {
		if e.name == base {
			return "", "", pinfold.Errorf(pinfold.Unserved, "%s cannot be deployed: %s", file, e.what)
		}
	}
	switch strings.ToLower(filepath.Ext(base)) {
	case ".yml", ".yaml", ".json":
		return Serverless, file, nil
	}
	return "", "", pinfold.Errorf(pinfold.Invalid, "%s is no manifest: name the folder of an application or its serverless.yml", file)
}
