package serverless

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/doc"
)

// question is what a variable asks a source.
type question struct {
	node     *doc.Node // where the variable stands
	params   []*doc.Node
	address  string
	hasColon bool
	last     bool // there is no source to ask after this one
}

// sources are the places that variables take their values from.
type sources struct {
	dir      string
	opts     Options
	dotenv   map[string]string
	files    map[string]*doc.Node
	read     []string // the files, in the order they were read
	instance string
	warn     func(at app.Position, format string, args ...any)
}

// unserved are kinds that ask something that is not there on Pinfold.
var unserved = map[string]string{
	"ssm": "AWS Systems Manager", "cf": "CloudFormation outputs of other stacks", "s3": "a file in S3", "secretsManager": "AWS Secrets Manager",
	"vault": "HashiCorp Vault", "doppler": "Doppler", "terraform": "Terraform's state", "tfstate": "Terraform's state",
	"git": "git (a plugin)", "output": "Serverless Dashboard", "state": "Serverless Dashboard", "secrets": "Serverless Dashboard",
}

var served = []string{"self", "opt", "env", "file", "sls", "aws", "param", "strToBool"}

// ask returns the value of a source, or nil and the reason why there is none.
// It returns an error where no default can help.
func (s *sources) ask(v *resolver, kind string, q question) (*doc.Node, string, error) {
	name := kind + ":" + q.address
	if value, ok := s.opts.Params[name]; ok && !slices.Contains(served, kind) {
		return doc.New(q.node.At, value), "", nil
	}
	base, _, _ := strings.Cut(kind, ".") // cf.us-east-1:...
	if what, ok := unserved[base]; ok {
		if q.last {
			return nil, "", fmt.Errorf("it reads from %s, which Pinfold cannot: give its value with --param '%s=VALUE', or a default after a comma", what, name)
		}
		s.warn(q.node.At, "${%s:%s} reads from %s, which Pinfold cannot: its default is used", kind, q.address, what)
		return nil, "", nil
	}
	text := func(value string, ok bool, why string) (*doc.Node, string, error) {
		if !ok {
			return nil, why, nil
		}
		return doc.New(q.node.At, value), "", nil
	}
	switch kind {
	case "self":
		return s.self(v, q)
	case "opt":
		value, ok := s.option(q.address)
		how := "give it"
		if q.address != "stage" {
			how = fmt.Sprintf("give its value with --param '%s=VALUE'", name)
		}
		return text(value, ok, fmt.Sprintf("the option --%s was not given: %s", q.address, how))
	case "env":
		value, ok := s.env(q.address)
		return text(value, ok, fmt.Sprintf("the environment variable %s is not set%s", q.address, s.dotenvHint(v)))
	case "file":
		return s.file(v, q)
	case "sls":
		return s.sls(v, q)
	case "aws":
		value, ok := map[string]string{"region": s.opts.Target.Region, "accountId": s.opts.Target.Account}[q.address]
		if !ok {
			return nil, "", fmt.Errorf("there are aws:region and aws:accountId only")
		}
		return text(value, true, "")
	case "param":
		return s.param(v, q)
	case "strToBool":
		return s.strToBool(q)
	}
	return nil, "", fmt.Errorf("there is no kind of variable called %q%s; the kinds are %s; if a plugin knows it, give its value with --param '%s=VALUE'",
		kind, doc.DidYouMean(kind, served), strings.Join(served, ", "), name)
}

func (s *sources) self(v *resolver, q question) (*doc.Node, string, error) {
	value, err := v.lookup(v.root, q.address)
	if err != nil {
		return nil, "", err
	}
	if value.IsNull() {
		// What Serverless Framework and its target say where the file does not.
		switch q.address {
		case "provider.stage":
			return doc.New(q.node.At, "dev"), "", nil
		case "provider.region":
			return doc.New(q.node.At, s.opts.Target.Region), "", nil
		}
		why, err := v.missing(q.address)
		return nil, why, err
	}
	return value, "", nil
}

// missing names the first part of an address that the manifest does not have.
func (v *resolver) missing(address string) (string, error) {
	parent, path := v.root, ""
	for key := range strings.SplitSeq(address, ".") {
		path += key
		next, err := v.lookup(parent, key)
		if err != nil {
			return "", err
		}
		if next.IsNull() {
			return fmt.Sprintf("there is no %s in the file%s", path, doc.DidYouMean(key, parent.Map().Names())), nil
		}
		parent, path = next, path+"."
	}
	return "there is no " + address + " in the file", nil
}

func (s *sources) option(name string) (string, bool) {
	if (name == "stage" || name == "s") && s.opts.Stage != "" {
		return s.opts.Stage, true
	}
	if value, ok := s.opts.Opts[name]; ok {
		return value, true
	}
	value, ok := s.opts.Params["opt:"+name]
	return value, ok
}

// env returns an environment variable. An empty one is none, as in Serverless
// Framework's lib/configuration/variables/sources/env.js.
func (s *sources) env(name string) (string, bool) {
	if s.opts.Env != nil {
		if value, ok := s.opts.Env(name); ok {
			return value, value != ""
		}
	}
	value := s.dotenv[name]
	return value, value != ""
}

func (s *sources) dotenvHint(v *resolver) string {
	if s.dotenv != nil {
		return " and no .env file sets it"
	}
	if _, err := os.Stat(filepath.Join(s.dir, ".env")); err == nil {
		return " (a file .env is there: it is read with \"useDotenv: true\")"
	}
	return ""
}

func (s *sources) sls(v *resolver, q question) (*doc.Node, string, error) {
	switch q.address {
	case "stage":
		stage, err := s.stage(v)
		if err != nil {
			return nil, "", err
		}
		return doc.New(q.node.At, stage), "", nil
	case "instanceId":
		if s.instance == "" {
			s.instance = strings.ToLower(rand.Text()[:12])
		}
		return doc.New(q.node.At, s.instance), "", nil
	}
	return nil, "", errors.New("there are sls:stage and sls:instanceId only")
}

// stage is what ${sls:stage} is: ${opt:stage, self:provider.stage, "dev"}.
func (s *sources) stage(v *resolver) (string, error) {
	if s.opts.Stage != "" {
		return s.opts.Stage, nil
	}
	value, err := v.lookup(v.root, "provider.stage")
	if err != nil || value.IsNull() {
		return "dev", err
	}
	stage, ok := value.Text()
	if !ok {
		return "", value.Problem("provider.stage must be a name, not " + value.What())
	}
	return stage, nil
}

func (s *sources) param(v *resolver, q question) (*doc.Node, string, error) {
	if value, ok := s.opts.Params[q.address]; ok {
		return doc.New(q.node.At, value), "", nil
	}
	stage, err := s.stage(v)
	if err != nil {
		return nil, "", err
	}
	var known []string
	for _, path := range [][]string{{"params", stage}, {"stages", stage, "params"}, {"params", "default"}, {"stages", "default", "params"}} {
		at := v.root
		for _, key := range path {
			if at, err = v.head(at.Map().Get(key)); err != nil {
				return nil, "", err
			}
		}
		known = append(known, at.Map().Names()...)
		value, err := v.head(at.Map().Get(q.address))
		if err != nil || !value.IsNull() {
			return value, "", err
		}
	}
	return nil, fmt.Sprintf("there is no parameter %s for the stage %s%s: give it with --param %s=VALUE or under params", q.address, stage, doc.DidYouMean(q.address, known), q.address), nil
}

func (s *sources) strToBool(q question) (*doc.Node, string, error) {
	if len(q.params) == 0 {
		return nil, "", errors.New("strToBool needs a value in parentheses: ${strToBool(${env:FLAG, 'false'})}")
	}
	text, _ := q.params[0].Text()
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "1":
		return doc.New(q.node.At, true), "", nil
	case "false", "0":
		return doc.New(q.node.At, false), "", nil
	}
	return nil, "", fmt.Errorf("strToBool takes true, false, 1 or 0, not %s", q.params[0].What())
}

// file reads another file: YAML and JSON as values, anything else as text.
func (s *sources) file(v *resolver, q question) (*doc.Node, string, error) {
	if len(q.params) == 0 {
		return nil, "", errors.New("file needs a path in parentheses: ${file(config.yml):key}")
	}
	name, ok := q.params[0].Text()
	if !ok || name == "" {
		return nil, "", fmt.Errorf("file needs a path, not %s", q.params[0].What())
	}
	root, err := s.load(name)
	if err != nil {
		return nil, "", err
	}
	if root == nil {
		return nil, fmt.Sprintf("there is no file %s in the application's folder", name), nil
	}
	value, err := v.lookup(root, q.address)
	if err != nil {
		return nil, "", err
	}
	if value.IsNull() {
		return nil, fmt.Sprintf("there is no %s in the file %s", cmp.Or(q.address, "value"), name), nil
	}
	return value, "", nil
}

// load reads a file once. It returns nil if there is none.
func (s *sources) load(name string) (*doc.Node, error) {
	full := name
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		full = filepath.Join(home, rest)
	}
	if !filepath.IsAbs(full) {
		full = filepath.Join(s.dir, filepath.FromSlash(full))
	}
	if n, ok := s.files[full]; ok {
		return n, nil
	}
	data, err := readFile(full)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the file %s: %w", name, err)
	}
	shown := name
	if rel, err := filepath.Rel(s.dir, full); err == nil {
		shown = filepath.ToSlash(rel)
	}
	var n *doc.Node
	switch strings.ToLower(filepath.Ext(full)) {
	case ".yml", ".yaml":
		n, err = doc.ParseYAML(shown, data)
	case ".json", ".tfstate":
		n, err = doc.ParseJSON(shown, data)
	case ".js", ".cjs", ".mjs", ".ts", ".mts", ".cts":
		return nil, fmt.Errorf("%s is a program, which Pinfold does not run: write its value as %s", name, strings.TrimSuffix(name, filepath.Ext(name))+".yml")
	default:
		n = doc.New(app.Position{File: shown, Line: 1}, string(bytes.ToValidUTF8(data, []byte("\uFFFD"))))
	}
	if problems, ok := errors.AsType[app.Problems](err); ok {
		return nil, problems[0]
	}
	if err != nil {
		return nil, err
	}
	s.files[full] = n
	if !slices.Contains(s.read, full) {
		s.read = append(s.read, full)
	}
	return n, nil
}

// readFile reads a regular file of a reasonable size.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, doc.MaxBytes+1))
}
