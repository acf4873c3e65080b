// Package serverless reads a serverless.yml, as Serverless Framework v3 and its
// open successors read it, into the neutral model of package app.
//
// Variables are resolved and intrinsic functions evaluated; what Pinfold does
// not serve is kept by name in Application.Unserved; everything that is wrong
// is reported at once, with its place. Rules are taken from the framework's
// documentation and sources (github.com/oss-serverless/serverless, lib/), named
// where they are used; the code is our own.
//
// It stands above app, app/doc, app/cfn and app/files, and knows no server.
package serverless

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/cfn"
	"pinfold.dev/pinfold/app/doc"
)

// Options say for what and with what a manifest is read.
type Options struct {
	// Target is the platform that the names and URLs are for.
	Target app.Target
	// Stage is --stage; empty takes the manifest's, or "dev".
	Stage string
	// Params are --param NAME=VALUE, for ${param:NAME}. A name such as
	// "ssm:/path" or "import:EXPORT" stands in for a value that is elsewhere.
	Params map[string]string
	// Opts are further options of the command line, for ${opt:NAME}.
	Opts map[string]string
	// Env looks up an environment variable, for ${env:NAME}; nil knows none.
	Env func(name string) (string, bool)
	// File is the manifest, if it is not the one that app.Find finds. A path
	// that is not absolute is below the folder.
	File string
	// RuntimeNote returns what a person should know about a runtime, such as
	// that another version stands in for it, or "". It may be nil.
	RuntimeNote func(runtime string) string
	// MachineMB is the memory of the machine that the functions are to run on,
	// in MB; 0 is unknown.
	MachineMB int
}

// DefaultRuntime is the runtime of functions that name none. Source: getRuntime
// in Serverless Framework's lib/plugins/aws/provider.js.
const DefaultRuntime = "nodejs20.x"

// Read reads the application in a folder. The error is [app.Problems] if the
// manifest is at fault.
func Read(ctx context.Context, dir string, opts Options) (*app.Application, error) {
	file := opts.File
	if file == "" {
		_, found, err := app.Find(dir)
		if err != nil {
			return nil, err
		}
		file = found
	} else if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	root, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	data, err := readFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, pinfold.Errorf(pinfold.NotFound, "there is no file %s", file)
	}
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "cannot read %s: %w", file, err)
	}
	name := filepath.Base(file)
	var manifest *doc.Node
	if strings.EqualFold(filepath.Ext(name), ".json") {
		manifest, err = doc.ParseJSON(name, data)
	} else {
		manifest, err = doc.ParseYAML(name, data)
	}
	if err != nil {
		return nil, err
	}
	if manifest.Map() == nil {
		return nil, app.Problems{{At: app.Position{File: name, Line: 1}, Message: "the file holds " + manifest.What() + " and no application: begin it with \"service: NAME\""}}
	}
	if at := manifest.Map().KeyAt("Resources"); manifest.Map().Get("service") == nil && at != (app.Position{}) {
		return nil, app.Problems{{At: at, Message: "this is a template of CloudFormation or SAM, which Pinfold does not read yet: write the application as serverless.yml"}}
	}
	r := newReader(ctx, root, name, manifest, opts)
	r.read()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(r.problems) > 0 {
		inOrder(r.problems, func(p app.Problem) app.Position { return p.At })
		return nil, r.problems
	}
	inOrder(r.app.Warnings, func(w app.Warning) app.Position { return w.At })
	inOrder(r.app.Unserved, func(u app.Unserved) app.Position { return u.At })
	r.app.Manifest = append([]string{file}, r.vars.sources.read...)
	return r.app, nil
}

// reader reads one manifest. It goes on after a mistake, to find them all.
type reader struct {
	ctx      context.Context
	dir      string // absolute
	file     string // the manifest's name
	opts     Options
	root     section
	vars     *resolver
	scope    *cfn.Scope
	app      *app.Application
	problems app.Problems
	said     map[string]bool // problems and warnings that were told already

	functions []*function
	layers    []*layer
	events    []event
	compiled  []compiled          // resources made of events and settings
	ours      settings            // of every function
	oursOf    map[string]settings // of one, by its key
	missed    pinfold.MissedPolicy
	plugins   []string
	service   packaging // the service's package section
	packer    *packer
}

func newReader(ctx context.Context, dir, file string, manifest *doc.Node, opts Options) *reader {
	r := &reader{ctx: ctx, dir: dir, file: file, opts: opts, app: &app.Application{}, said: map[string]bool{}}
	r.vars = newResolver(manifest, sources{dir: dir, opts: opts, files: map[string]*doc.Node{}, warn: r.warn})
	r.root = section{r: r, m: manifest.Map(), at: manifest.At}
	return r
}

// read goes through the manifest, the general before the particular: names
// must be known before values can refer to them.
func (r *reader) read() {
	r.loadDotenv()
	r.readService()
	r.readPlugins()
	r.readResources()
	r.readFunctions()
	r.readLayers()
	r.listEvents()
	r.makeScope()
	r.readPinfold()
	r.readPackage()
	r.configureLayers()
	r.configureFunctions()
	r.readEvents()
	r.readRoleStatements()
	r.readOutputs()
	r.settleResources()
	r.checkCustom()
}

// loadDotenv reads .env.STAGE or else .env, where the manifest asks for it.
// Source: lib/cli/load-dotenv.js.
func (r *reader) loadDotenv() {
	if !r.root.flag("useDotenv", false) {
		return
	}
	stage, err := r.vars.sources.stage(r.vars)
	if err != nil {
		return // told again when the stage is read
	}
	for _, name := range []string{".env." + stage, ".env"} {
		data, err := readFile(filepath.Join(r.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		r.vars.sources.dotenv = map[string]string{}
		var values map[string]string
		if err == nil {
			values, err = godotenv.UnmarshalBytes(data)
		}
		if err != nil {
			r.problem(app.Position{File: name}, "cannot be read: %v", err)
			return
		}
		r.vars.sources.dotenv = values
		r.vars.sources.read = append(r.vars.sources.read, filepath.Join(r.dir, name))
		return
	}
}

func (r *reader) problem(at app.Position, format string, args ...any) {
	p := app.Problem{At: at, Message: fmt.Sprintf(format, args...)}
	if key := p.Error(); !r.said[key] {
		r.said[key] = true
		r.problems = append(r.problems, p)
	}
}

// fail takes an error as a problem; one without a place gets the given one.
func (r *reader) fail(at app.Position, err error) {
	if all, ok := errors.AsType[app.Problems](err); ok {
		for _, p := range all {
			r.fail(at, p)
		}
		return
	}
	p, ok := errors.AsType[app.Problem](err)
	if !ok {
		p = app.Problem{Message: err.Error()}
	}
	if p.At == (app.Position{}) {
		p.At = at
	}
	r.problem(p.At, "%s", p.Message)
}

func (r *reader) warn(at app.Position, format string, args ...any) {
	w := app.Warning{At: at, Message: fmt.Sprintf(format, args...)}
	if key := "warning " + at.String() + w.Message; !r.said[key] {
		r.said[key] = true
		r.app.Warnings = append(r.app.Warnings, w)
	}
}

func (r *reader) unserved(at app.Position, format string, args ...any) {
	at.Column = 0 // the line says enough
	u := app.Unserved{At: at, What: fmt.Sprintf(format, args...)}
	if !slices.Contains(r.app.Unserved, u) {
		r.app.Unserved = append(r.app.Unserved, u)
	}
}

// inOrder sorts what is told by the order of the files it is about.
func inOrder[T any](all []T, at func(T) app.Position) {
	slices.SortStableFunc(all, func(a, b T) int {
		return cmp.Or(strings.Compare(at(a).File, at(b).File), cmp.Compare(at(a).Line, at(b).Line), cmp.Compare(at(a).Column, at(b).Column))
	})
}
