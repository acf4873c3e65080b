package serverless

import (
	"regexp"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/doc"
)

// Keys of a function. Source: lib/plugins/aws/provider.js; the last ones are
// those of wide-spread plugins.
var functionKeys = []string{
	"handler", "name", "runtime", "memorySize", "timeout", "ephemeralStorageSize", "environment", "events", "package", "layers", "url", "architecture",
	"reservedConcurrency", "provisionedConcurrency", "description", "tags", "condition", "role", "versionFunction", "httpApi", "logs", "image", "destinations",
	"maximumRetryAttempts", "maximumEventAge", "onError", "vpc", "fileSystemConfig", "kmsKeyArn", "awsKmsKeyArn", "tracing", "snapStart", "runtimeManagement",
	"dependsOn", "disableLogs", "logRetentionInDays", "logDataProtectionPolicy", "recursiveLoop", "build",
	"iamRoleStatements", "iamRoleStatementsInherit", "iamRoleStatementsName", "warmup", "prune", "module", "dotenv", "documentation",
}

// function is one function while it is being read.
type function struct {
	section
	key   string
	keyAt app.Position
	name  string
	app   app.Function
	// left is why the function cannot be deployed; its routes are left out too.
	left string
}

var functionName = regexp.MustCompile(`^[a-zA-Z0-9-_]+$`)

// readFunctions finds the functions and their names, which others refer to.
func (r *reader) readFunctions() {
	all, ok := r.section(r.root.maps("functions"), "functions")
	if !ok {
		if len(r.problems) == 0 {
			r.warn(r.root.at, "the file has no functions: there is nothing that could run")
		}
		return
	}
	names := map[string]*function{}
	for _, k := range all.keys() {
		n, err := r.vars.head(all.m.Get(k.Name))
		if err != nil {
			r.fail(k.At, err)
			continue
		}
		if n.IsNull() {
			if sibling := strayFunctionKey(all.m); sibling != "" {
				r.problem(k.At, "the function %s is empty, and %q stands beside it: indent the settings of the function below its name", k.Name, sibling)
				return
			}
			r.warn(k.At, "the function %s is empty and left out", k.Name)
			continue
		}
		if n.Map() == nil && slices.Contains(functionKeys, k.Name) {
			r.problem(k.At, "%q stands where the functions' names do: write a name above it, and indent the settings of the function below its name", k.Name)
			return
		}
		s, ok := r.section(n, "function "+k.Name)
		if !ok {
			continue
		}
		f := &function{section: s, key: k.Name, keyAt: k.At, name: s.text("name")}
		if f.name == "" {
			f.name = r.app.Name + "-" + r.app.Stage + "-" + k.Name
		}
		switch other := names[f.name]; {
		case other != nil:
			r.problem(k.At, "the functions %s (line %d) and %s (line %d) have the same name %s: give one of them another \"name\"", other.key, other.keyAt.Line, f.key, f.keyAt.Line, f.name)
		case !functionName.MatchString(f.name):
			r.problem(k.At, "the name %q of function %s may hold letters, digits, - and _ only", f.name, f.key)
		case len(f.name) > 64:
			r.problem(k.At, "the name %s of function %s has %d characters, and Lambda allows 64: give the function a shorter \"name\"", f.name, f.key, len(f.name))
		}
		names[f.name] = f
		r.functions = append(r.functions, f)
	}
}

// strayFunctionKey returns a setting of a function that stands where functions
// do: somebody forgot to indent.
func strayFunctionKey(m *doc.Map) string {
	for _, k := range []string{"handler", "events", "runtime"} {
		if m.Get(k) != nil {
			return k
		}
	}
	return ""
}

// configureFunctions reads all settings.
func (r *reader) configureFunctions() {
	kept := r.functions[:0]
	for _, f := range r.functions {
		if f.m.Get("condition") != nil {
			yes, err := r.scope.Condition(f.m.Get("condition"), f.text("condition"))
			if err != nil {
				r.fail(f.keyAt, err)
			}
			if !yes {
				continue
			}
		}
		r.configure(f)
		kept = append(kept, f)
		if f.left == "" {
			r.app.Functions = append(r.app.Functions, f.app)
		}
	}
	r.functions = kept
}

func (r *reader) configure(f *function) {
	p := r.provider()
	f.known(functionKeys...)
	r.checkUnserved(f)
	f.app = app.Function{Key: f.key, Name: f.name, At: f.keyAt}
	c := &f.app.Config
	*c = pinfold.Config{
		Runtime: r.runtime(f), Handler: f.text("handler"), Role: r.role(f), Description: f.text("description"),
		Architecture: either(f.section, p, "architecture").oneOf("architecture", "", "x86_64", "arm64"),
		MemoryMB:     either(f.section, p, "memorySize").whole("memorySize", 128, 10240, 1024),
		Timeout:      pinfold.Seconds(either(f.section, p, "timeout").whole("timeout", 1, 900, 6)),
		EphemeralMB:  f.whole("ephemeralStorageSize", 512, 10240, 512),
		Environment:  r.environment(f),
		TracingMode:  r.tracing(f),
		Network:      r.settingsOf(f).network,
	}
	if c.MemoryMB > r.opts.MachineMB && r.opts.MachineMB > 0 {
		r.warn(either(f.section, p, "memorySize").m.KeyAt("memorySize"), "memorySize is %d MB, and the server has %d MB: the function is held to what the server has", c.MemoryMB, r.opts.MachineMB)
	}
	if len(c.Description) > 256 {
		r.problem(f.m.Get("description").At, "%s has %d characters, and Lambda allows 256", f.label("description"), len(c.Description))
	}
	r.logging(f)
	f.app.Layers = r.layersOf(f)
	f.app.Tags = merge(p.textMap("stackTags"), p.textMap("tags"), f.textMap("tags"))
	f.app.Publish = f.flag("versionFunction", p.flag("versionFunctions", true))
	r.concurrency(f)
	r.deadLetter(f)
	f.app.RoleStatements = r.statements(f.get("iamRoleStatements"))
	f.app.URL = r.url(f)
	if f.left == "" {
		f.app.Source = r.source(f)
		r.checkHandler(f)
	}
}

// either returns the function if it has the setting, or else the provider.
func either(f, p section, key string) section {
	if f.get(key) != nil {
		return f
	}
	return p
}

func merge(all ...map[string]string) map[string]string {
	merged := map[string]string{}
	for _, m := range all {
		for k, v := range m {
			merged[k] = v
		}
	}
	if len(merged) == 0 {
		return nil
	}
	return merged
}

func (r *reader) runtime(f *function) string {
	s := either(f.section, r.provider(), "runtime")
	runtime, at := s.text("runtime"), s.m.KeyAt("runtime")
	if runtime == "" {
		if f.m.Get("image") == nil {
			r.warn(r.provider().at, "no runtime is named: %s is used, as Serverless Framework does; write provider.runtime", DefaultRuntime)
		}
		runtime, at = DefaultRuntime, r.provider().at
	}
	if r.opts.RuntimeNote != nil {
		if note := r.opts.RuntimeNote(runtime); note != "" {
			r.warn(at, "%s", note)
		}
	}
	return runtime
}

// role returns the ARN of a function's role.
func (r *reader) role(f *function) string {
	role := section{r: r, name: f.section.name, m: doc.NewMap()}
	role.m.Set(doc.Key{Name: "role", At: f.keyAt}, r.roleOf(f))
	return role.text("role")
}

// roleOf returns what is evaluated to the ARN of a function's role: its own, the
// provider's, or the one that Serverless Framework would make.
func (r *reader) roleOf(f *function) *doc.Node {
	p := r.provider()
	s, key := f.section, "role"
	if f.get("role") == nil {
		if n := p.sub("iam").get("role"); n != nil && (n.Map() == nil || isCall(n)) {
			s = p.sub("iam")
		} else {
			s = p
		}
	}
	n := s.get(key)
	text, isText := n.Text()
	switch {
	case n == nil:
		text = "IamRoleLambdaExecution"
	case !isText || strings.HasPrefix(text, "arn:"):
		return n
	}
	return call(f.keyAt, "Fn::GetAtt", doc.List{doc.New(f.keyAt, text), doc.New(f.keyAt, "Arn")})
}

// call makes a call of an intrinsic function.
func call(at app.Position, name string, argument any) *doc.Node {
	m := doc.NewMap()
	m.Set(doc.Key{Name: name, At: at}, doc.New(at, argument))
	return doc.New(at, m)
}

// Source: EnvironmentVariableName in Lambda's API.
var environmentName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]+$`)

// execWrapper names a script that is to start the runtime. Source: "Modify the
// runtime environment" in the Lambda developer guide.
const execWrapper = "AWS_LAMBDA_EXEC_WRAPPER"

// environment lays the function's variables over the provider's. A null takes
// a variable away. Source: lib/plugins/aws/package/compile/functions.js and
// deleteNullEnvVars.
func (r *reader) environment(f *function) map[string]string {
	env := map[string]string{}
	for _, s := range []section{r.provider(), f.section} {
		n := s.get("environment")
		if n == nil {
			continue
		}
		label := s.label("environment")
		m, ok := r.section(n, label)
		if !ok {
			continue
		}
		for _, k := range m.keys() {
			if !environmentName.MatchString(k.Name) {
				r.problem(k.At, "%q in %s is no name of an environment variable: a letter, and then letters, digits and _", k.Name, label)
				continue
			}
			if k.Name == execWrapper {
				r.unserved(k.At, "%s of %s", execWrapper, label)
			}
			r.warnLiteral(m.m.Get(k.Name), k.Name, label)
			value := r.evaluate(m.m.Get(k.Name))
			if value.IsNull() {
				delete(env, k.Name)
				continue
			}
			text, ok := value.Text()
			if !ok {
				r.problem(value.At, "%s in %s must be a text, a number or a boolean, not %s", k.Name, label, value.What())
				continue
			}
			if r.isLayer(text) {
				r.problem(value.At, "%s in %s is the ARN of a layer, which is known only after it is deployed", k.Name, label)
				continue
			}
			env[k.Name] = r.ownURLs(text)
		}
	}
	if len(env) == 0 {
		return nil
	}
	return env
}

// warnLiteral tells of what looks like a variable, is none, and so reaches the
// function as it is written.
func (r *reader) warnLiteral(n *doc.Node, name, label string) {
	text, _ := n.Text()
	t, err := parseTemplate(text)
	if err != nil || strings.Contains(text, `\${`) {
		return // told elsewhere, or meant
	}
	for _, p := range t {
		if _, after, found := strings.Cut(p.text, "${"); found {
			hint := "a variable looks like ${self:custom.name}"
			if strings.HasPrefix(after, "AWS::") {
				hint = "write !Sub before the text"
			}
			r.warn(n.At, "%s in %s holds %q, which is passed on as it is: %s", name, label, clip("${"+after), hint)
			return
		}
	}
}

func (r *reader) logging(f *function) {
	f.app.LogRetentionDays = either(f.section, r.provider(), "logRetentionInDays").whole("logRetentionInDays", 1, 3653, 0)
	s := f.sub("logs")
	if s.m == nil {
		s = r.provider().sub("logs").sub("lambda")
	}
	if s.m == nil {
		return
	}
	c := &f.app.Config
	c.LogFormat = s.oneOf("logFormat", "", "Text", "JSON")
	c.ApplicationLevel = s.oneOf("applicationLogLevel", "", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
	c.SystemLevel = s.oneOf("systemLogLevel", "", "DEBUG", "INFO", "WARN")
	c.LogGroup = s.text("logGroup")
}

// checkUnserved tells of a function's settings that are not followed: as
// unserved where that changes what the function does, as a warning elsewhere.
func (r *reader) checkUnserved(f *function) {
	for _, key := range unservedOfFunction {
		if n := f.get(key); n != nil {
			r.unserved(f.m.KeyAt(key), "%s of function %s", key, f.key)
		}
	}
	if f.get("image") != nil {
		r.unserved(f.m.KeyAt("image"), "image of function %s", f.key)
		f.left = "it runs a container image"
		r.warn(f.m.KeyAt("image"), "the function %s is left out: container images are not served yet", f.key)
		if f.get("handler") != nil {
			r.problem(f.m.KeyAt("image"), "the function %s has an image and a handler: it can have one of them", f.key)
		}
	} else if f.get("handler") == nil {
		r.problem(f.keyAt, "the function %s has no handler: write \"handler: FILE.EXPORT\", such as src/hello.handler%s", f.key, f.meant("handler"))
	}
	f.ignored(ignoredOfFunction)
}

// tracing returns the mode of X-Ray tracing, which is kept with the function.
func (r *reader) tracing(f *function) string {
	s := f.section
	if f.get("tracing") == nil {
		s = section{r: r, name: "provider.tracing", m: doc.NewMap()}
		if n := r.provider().sub("tracing").get("lambda"); n != nil {
			s.m.Set(doc.Key{Name: "tracing", At: n.At}, n)
		}
	}
	switch n := s.value("tracing"); {
	case n == nil || n.Value == false:
		return ""
	case n.Value == true:
		return "Active"
	}
	return s.oneOf("tracing", "", "Active", "PassThrough")
}
