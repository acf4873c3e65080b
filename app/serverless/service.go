package serverless

import (
	"regexp"
	"strings"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/cfn"
	"pinfold.dev/pinfold/app/doc"
)

// Keys that Serverless Framework knows at the top of a manifest. Source:
// lib/config-schema.js; "stages" and "build" are version 4's.
var rootKeys = []string{
	"service", "provider", "functions", "package", "layers", "resources", "custom", "params", "plugins", "useDotenv",
	"frameworkVersion", "configValidationMode", "deprecationNotificationMode", "disabledDeprecations", "stages", "build",
	"app", "org", "tenant", "outputs", "console", "dashboard", "projectDir", "variablesResolutionMode", "licenseKey",
	"enableLocalInstallationFallback", "unresolvedVariablesNotificationMode", "state",
}

// Top-level keys of plugins that make things of their own.
var pluginKeys = map[string]string{
	"constructs": "serverless-lift", "stepFunctions": "serverless-step-functions", "appSync": "serverless-appsync-plugin",
}

// Keys of provider. Source: lib/plugins/aws/provider.js.
var providerKeys = []string{
	"name", "runtime", "stage", "region", "profile", "stackName", "apiName", "memorySize", "timeout", "environment", "architecture", "tags", "stackTags",
	"httpApi", "apiGateway", "layers", "iam", "iamRoleStatements", "iamManagedPolicies", "role", "rolePermissionsBoundary", "cfnRole", "versionFunctions",
	"deploymentBucket", "deploymentPrefix", "deploymentMethod", "disableRollback", "endpointType", "eventBridge", "ecr", "kmsKeyArn", "lambdaHashingVersion",
	"logRetentionInDays", "logDataProtectionPolicy", "logs", "notificationArns", "rollbackConfiguration", "runtimeManagement", "s3", "stackParameters",
	"stackPolicy", "tracing", "vpc", "vpcEndpointIds", "websocket", "websocketsApiName", "websocketsApiRouteSelectionExpression", "websocketsDescription",
	"kinesis", "alb", "cloudFront", "snapStart", "resolver", "resolvers",
	"apiKeys", "usagePlan", "resourcePolicy", // version 2's place for those of apiGateway
}

var (
	serviceName = regexp.MustCompile(`^[a-zA-Z][0-9a-zA-Z-]*$`)
	stageName   = regexp.MustCompile(`^[a-zA-Z0-9-]+$`)
)

// readService reads what the application is called and where it runs.
func (r *reader) readService() {
	for _, k := range r.root.unknown(rootKeys...) {
		if plugin, ok := pluginKeys[k.Name]; ok {
			r.unserved(k.At, "%s of the plugin %s", k.Name, plugin)
			continue
		}
		r.warn(k.At, "%s is not known and has no effect%s", k.Name, doc.DidYouMean(k.Name, rootKeys))
	}
	at := r.root.m.KeyAt("service")
	if n := r.root.get("service"); n.Map() != nil {
		s, _ := r.section(n, "service") // the object notation of version 2
		r.app.Name = s.text("name")
	} else {
		r.app.Name = r.root.text("service")
	}
	switch {
	case r.app.Name == "" && len(r.problems) == 0:
		r.problem(r.root.at, "the application has no name: begin the file with \"service: NAME\"%s", r.root.meant("service"))
	case r.app.Name != "" && !serviceName.MatchString(r.app.Name):
		r.problem(at, "service must be a name of letters, digits and dashes that begins with a letter, not %q", r.app.Name)
	}
	stage, err := r.vars.sources.stage(r.vars)
	if err != nil {
		r.fail(r.root.at, err)
		stage = "dev"
	}
	if !stageName.MatchString(stage) {
		at := r.provider().m.KeyAt("stage")
		if r.opts.Stage != "" {
			at = app.Position{} // the command line's
		}
		r.problem(at, "the stage must be a name of letters, digits and dashes, not %q", stage)
		stage = "dev"
	}
	r.app.Stage = stage
	r.readProvider()
}

// provider returns the provider section; "provider: aws" is an empty one.
func (r *reader) provider() section {
	if n := r.root.get("provider"); n != nil && n.Map() == nil {
		return section{r: r, name: "provider", at: n.At}
	}
	return r.root.sub("provider")
}

func (r *reader) readProvider() {
	p := r.provider()
	name := p.text("name")
	if n := r.root.get("provider"); n != nil && n.Map() == nil {
		var isText bool
		if name, isText = n.Text(); !isText {
			r.problem(n.At, "provider must be a map of settings, not %s", n.What())
			return
		}
	}
	switch {
	case r.root.m.Get("provider") == nil:
		r.problem(r.root.at, "the provider is missing: write \"provider:\" with \"name: aws\" and a runtime below it%s", r.root.meant("provider"))
	case name == "":
		r.warn(p.at, "provider has no name: it is taken as aws")
	case name != "aws":
		at := p.at
		if p.m != nil {
			at = p.m.KeyAt("name")
		}
		r.problem(at, "the provider is %q: Pinfold runs applications that are written for aws", name)
	}
	p.known(providerKeys...)
	if region := p.text("region"); region != "" && region != r.opts.Target.Region {
		r.warn(p.m.KeyAt("region"), "the region is %s, and this Pinfold calls itself %s: ARNs name %s; a Pinfold that is started with PINFOLD_REGION=%s has the other name",
			region, r.opts.Target.Region, r.opts.Target.Region, region)
	}
	p.ignored(ignoredOfProvider)
}

// region and account shorten what is written often.
func (r *reader) scopeARN(service string) string {
	return "arn:aws:" + service + ":" + r.opts.Target.Region + ":" + r.opts.Target.Account + ":"
}

// stackName is what CloudFormation would call the application.
func (r *reader) stackName() string {
	if name := r.provider().text("stackName"); name != "" {
		return name
	}
	return r.app.Name + "-" + r.app.Stage
}

// readPlugins lists the plugins, each of which is ignored for a reason.
func (r *reader) readPlugins() {
	n := r.root.get("plugins")
	if n.Map() != nil {
		s, _ := r.section(n, "plugins")
		n = s.get("modules")
		r.service.localPlugins = s.text("localPath")
	}
	for _, item := range n.List() {
		item = r.evaluate(item)
		name, ok := item.Text()
		if !ok {
			if item != nil {
				r.problem(item.At, "plugins must be a list of names, not of %s", item.What())
			}
			continue
		}
		r.plugins = append(r.plugins, name)
		r.warn(item.At, "the plugin %s is ignored: %s", name, pluginReason(name))
	}
}

// readRoleStatements keeps the IAM statements of the functions' role.
func (r *reader) readRoleStatements() {
	p := r.provider()
	n := p.sub("iam").get("role")
	var statements *doc.Node
	switch {
	case n.Map() != nil && !isCall(n):
		role, _ := r.section(n, "iam.role")
		statements = role.get("statements")
	case p.has("iamRoleStatements"):
		statements = p.get("iamRoleStatements")
	}
	r.app.RoleStatements = r.statements(statements)
}

// statements returns IAM statements as JSON. One that cannot be evaluated is
// kept as it is written: nobody reads them yet.
func (r *reader) statements(n *doc.Node) []byte {
	if n.IsNull() {
		return nil
	}
	value, err := r.vars.deep(n)
	if err != nil {
		r.warn(n.At, "these IAM statements are left out: %v", err)
		return nil
	}
	if evaluated, err := r.scope.Eval(value); err == nil {
		value = evaluated
	} else {
		r.warn(n.At, "these IAM statements are kept as they are written: %v", err)
	}
	b, err := value.MarshalJSON()
	if err != nil {
		r.fail(n.At, err)
	}
	return b
}

// checkCustom resolves what nothing asked for, so that a mistake there is told;
// it stops nothing.
func (r *reader) checkCustom() {
	custom := r.root.sub("custom").m
	for _, k := range custom.Names() {
		if k == "pinfold" {
			continue // read, and its mistakes told
		}
		if _, err := r.vars.deep(custom.Get(k)); err != nil {
			if p, ok := err.(app.Problem); ok {
				r.warn(p.At, "%s; nothing that is deployed needs it", p.Message)
			}
		}
	}
}

// makeScope prepares the evaluation of intrinsic functions: all names are known.
func (r *reader) makeScope() {
	for id, res := range r.scope.Resources {
		if res.Type == "" {
			r.problem(res.At, "the resource %s has no Type: write one, such as \"Type: AWS::DynamoDB::Table\"", id)
		}
	}
	made := r.madeNames()
	for key := range made {
		if id, _, attribute := strings.Cut(key, "."); !attribute {
			r.scope.MadeIDs = append(r.scope.MadeIDs, id)
		}
	}
	r.scope.Made = func(id, attribute string) (string, bool) {
		if attribute != "" {
			id += "." + attribute
		}
		v, ok := made[id]
		return v, ok
	}
}

// readResources reads the logical IDs of the resources section.
func (r *reader) readResources() {
	r.scope = &cfn.Scope{
		Target: r.opts.Target, Stack: r.stackName(), Resources: map[string]cfn.Resource{}, Resolve: r.vars.head,
		Import: func(name string) (string, bool) { value, ok := r.opts.Params["import:"+name]; return value, ok },
		Warn:   func(at app.Position, message string) { r.warn(at, "%s", message) },
	}
	s, ok := r.section(r.root.maps("resources"), "resources")
	if !ok {
		return
	}
	s.known("Resources", "Outputs", "Conditions", "Mappings", "Parameters", "Metadata", "Description", "AWSTemplateFormatVersion", "Transform", "Rules", "extensions")
	r.scope.Parameters, r.scope.Mappings, r.scope.Conditions = s.get("Parameters"), s.get("Mappings"), s.get("Conditions")
	all := s.sub("Resources")
	for _, k := range all.keys() {
		if k.Name == "Fn::Transform" {
			r.unserved(k.At, "Fn::Transform in resources")
			continue
		}
		res, ok := r.section(all.m.Get(k.Name), "resource "+k.Name)
		if !ok {
			continue
		}
		r.scope.Resources[k.Name] = cfn.Resource{
			ID: k.Name, Type: res.text("Type"), Properties: res.get("Properties"), DependsOn: res.texts("DependsOn"), Retain: res.retained(), At: k.At,
		}
	}
	for _, k := range s.sub("extensions").keys() {
		if harmlessExtension.MatchString(k.Name) {
			r.warn(k.At, "the extension of %s is ignored", k.Name)
		} else {
			r.unserved(k.At, "extension of %s", k.Name)
		}
	}
}

// retained reports whether a resource is to be left alone once the manifest no
// longer has it. What one attribute protects, the other does not give away.
func (s section) retained() bool {
	return strings.HasPrefix(s.text("DeletionPolicy"), "Retain") || s.text("UpdateReplacePolicy") == "Retain"
}

var harmlessExtension = regexp.MustCompile(`(LogGroup|LambdaPermission\w*)$|^IamRole`)

func (s section) keys() []doc.Key {
	if s.m == nil {
		return nil
	}
	return s.m.Keys
}

// harmless are resource types that nobody misses: logs are kept anyway, and
// the application may call its own functions.
var harmless = map[string]string{
	"AWS::Logs::LogGroup":                      "logs are kept without it",
	"AWS::Lambda::Permission":                  "the application's own routes may invoke its functions without it",
	"AWS::CDK::Metadata":                       "it says nothing about the application",
	"AWS::CloudFormation::WaitConditionHandle": "it says nothing about the application",
}

// settleResources reads the resources that are served, those that events were made
// into among them, and keeps the others by name.
func (r *reader) settleResources() {
	s, _ := r.section(r.root.maps("resources"), "resources")
	all := s.sub("Resources")
	var ids []string
	for _, k := range all.keys() {
		res, ok := r.scope.Resources[k.Name]
		if !ok || res.Type == "" || !r.wanted(all.m.Get(k.Name), "Condition", "resource "+k.Name) {
			continue
		}
		if cfn.IsEvent(res.Type) {
			ids = append(ids, k.Name)
			continue
		}
		if why, ok := harmless[res.Type]; ok {
			r.warn(k.At, "%s %s is ignored: %s", res.Type, k.Name, why)
			continue
		}
		r.unserved(k.At, "%s %s", res.Type, k.Name)
	}
	r.readEventResources(ids)
}

// wanted reports whether the condition of something holds, if it has one.
func (r *reader) wanted(n *doc.Node, key, name string) bool {
	s, ok := r.section(n, name)
	if !ok {
		return true
	}
	condition := s.text(key)
	if condition == "" {
		return true
	}
	yes, err := r.scope.Condition(s.m.Get(key), condition)
	if err != nil {
		r.fail(s.at, err)
	}
	return yes
}

// readOutputs evaluates the outputs of the resources section.
func (r *reader) readOutputs() {
	s, _ := r.section(r.root.maps("resources"), "resources")
	outputs := s.sub("Outputs")
	for _, k := range outputs.keys() {
		if !r.wanted(outputs.m.Get(k.Name), "Condition", "output "+k.Name) {
			continue
		}
		o, ok := r.section(outputs.m.Get(k.Name), "output "+k.Name)
		if !ok {
			continue
		}
		r.app.Outputs = append(r.app.Outputs, app.Output{Name: k.Name, Value: r.ownURLs(o.text("Value")), Description: o.text("Description")})
	}
}
