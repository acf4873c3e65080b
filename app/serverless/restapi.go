package serverless

import (
	"cmp"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/doc"
)

// restEvent reads an http event. Source:
// lib/plugins/aws/package/compile/events/api-gateway/lib/validate.js.
func (r *reader) restEvent(f *function, at app.Position, n *doc.Node) []draft {
	n, err := r.vars.head(n)
	if err != nil {
		r.fail(at, err)
		return nil
	}
	s := section{r: r}
	var method, path string
	if n.Map() != nil {
		s, _ = r.section(n, "http of function "+f.key)
		s.known("method", "path", "cors", "private", "async", "authorizer", "integration", "request", "response", "connectionId", "connectionType", "operationId",
			"timeoutInMillis", "documentation", "summary", "description", "tags", "caching")
		method, path = s.text("method"), s.text("path")
	} else if text, ok := n.Text(); ok {
		path = text
	} else {
		r.problem(at, "http of function %s must be \"GET path\" or a map with method and path, not %s", f.key, n.What())
		return nil
	}
	e, wrong := parseEndpoint(method, path)
	if e.path == "$default" {
		wrong = "has * as its path, which a REST API cannot: write {proxy+} for all paths"
	}
	e.path = "/" + strings.Trim(e.path, "/")
	if wrong == "" {
		wrong = checkPath(e.path)
	}
	if wrong != "" {
		r.problem(at, "http of function %s %s", f.key, wrong)
		return nil
	}
	d := draft{f: f, at: at, route: pinfold.Route{
		Method: e.method, Path: e.path, Target: f.app.Invoked(r.ref(f.name)), Payload: "1.0",
		TimeoutMS: r.restTimeout(s),
	}}
	r.warnPath(d)
	if s.m != nil {
		r.restSettings(&d, s)
	}
	if d.route.TimeoutMS == 0 {
		r.warnTimeout(f, 29, "a REST API")
	}
	return []draft{d}
}

// restTimeout returns the milliseconds that a route may take, or 0 for the
// API's own. AWS grants more than 29 s to those who ask for it; the gateway does not.
func (r *reader) restTimeout(s section) int {
	const longest = 29_000
	s = either(s, r.provider().sub("apiGateway"), "timeoutInMillis")
	timeout := s.whole("timeoutInMillis", 50, 300_000, 0)
	if timeout > longest {
		r.warn(s.m.KeyAt("timeoutInMillis"), "timeoutInMillis is %d, but a REST API answers after 29 s here", timeout)
		return longest
	}
	return timeout
}

// restSettings reads what an http event says besides method and path.
func (r *reader) restSettings(d *draft, s section) {
	d.route.APIKeyRequired = s.flag("private", false)
	d.route.CORS = r.restCORS(d.route.Method, s)
	integration := strings.ToUpper(strings.ReplaceAll(s.text("integration"), "-", "_"))
	if integration != "" && integration != "LAMBDA_PROXY" && integration != "AWS_PROXY" {
		r.unserved(s.m.KeyAt("integration"), "integration %s of %s (function %s)", s.text("integration"), d, d.f.key)
		d.left = "its integration is not served yet: use lambda-proxy, which is the default"
	} else if s.flag("async", false) {
		r.unserved(s.m.KeyAt("async"), "async of %s (function %s)", d, d.f.key)
		d.left = "asynchronous routes are not served yet"
	}
	if validates(s.sub("request")) {
		r.unserved(s.m.KeyAt("request"), "validation of the request of %s (function %s)", d, d.f.key)
	}
	if strings.EqualFold(s.sub("response").text("transferMode"), "STREAM") {
		r.unserved(s.m.KeyAt("response"), "streamed response of %s (function %s)", d, d.f.key)
	}
	r.authorizer(d, s)
}

// validates reports whether API Gateway would refuse some requests by itself.
func validates(request section) bool {
	parameters := request.sub("parameters")
	for _, kind := range []string{"querystrings", "headers"} {
		for _, k := range parameters.sub(kind).keys() {
			if n := parameters.sub(kind).value(k.Name); n != nil && (n.Value == true || n.Map().Get("required") != nil && n.Map().Get("required").Value == true) {
				return true
			}
		}
	}
	return request.get("schemas") != nil || request.get("schema") != nil
}

// restCORS reads the CORS setting of one event. Source: getCors in validate.js.
func (r *reader) restCORS(method string, s section) *pinfold.CORS {
	if !s.has("cors") {
		return nil
	}
	c := s.sub2("cors")
	c.known("origin", "origins", "headers", "methods", "allowCredentials", "maxAge", "cacheControl")
	origins := c.texts("origins")
	if len(origins) == 0 {
		for o := range strings.SplitSeq(cmp.Or(c.text("origin"), "*"), ",") {
			origins = append(origins, strings.TrimSpace(o))
		}
	}
	headers := c.texts("headers")
	if len(headers) == 0 {
		headers = corsHeaders
	}
	allowed := c.texts("methods")
	for _, m := range []string{"OPTIONS", method} {
		if !slices.Contains(allowed, m) {
			allowed = append(allowed, m)
		}
	}
	return &pinfold.CORS{
		AllowOrigins: origins, AllowHeaders: headers, AllowMethods: allowed,
		AllowCredentials: c.flag("allowCredentials", false), MaxAge: c.whole("maxAge", 0, 86400, 0),
	}
}

// mergeCORS gives all routes of a path the same policy: what any of them
// allows. Source: validate in validate.js and compileCors in cors.js.
func mergeCORS(drafts []draft) {
	paths := map[string]*pinfold.CORS{}
	for _, d := range drafts {
		c, all := d.route.CORS, paths[d.route.Path]
		switch {
		case c == nil:
			continue
		case all == nil:
			paths[d.route.Path] = c
			continue
		}
		all.AllowOrigins = union(all.AllowOrigins, c.AllowOrigins)
		all.AllowHeaders = union(all.AllowHeaders, c.AllowHeaders)
		all.AllowMethods = union(all.AllowMethods, c.AllowMethods)
		all.AllowCredentials = all.AllowCredentials || c.AllowCredentials
		if c.MaxAge > 0 {
			all.MaxAge = c.MaxAge
		}
	}
	for _, c := range paths {
		if i := slices.Index(c.AllowMethods, "ANY"); i >= 0 {
			rest := slices.Delete(slices.Clone(c.AllowMethods), i, i+1)
			c.AllowMethods = union(rest, []string{"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"})
		}
	}
	for i, d := range drafts {
		if d.route.CORS != nil {
			drafts[i].route.CORS = paths[d.route.Path]
		}
	}
}

func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// restAPI makes the REST API of the routes.
func (r *reader) restAPI(drafts []draft) {
	p := r.provider()
	s := p.sub("apiGateway")
	s.known("apiKeys", "apiKeySourceType", "binaryMediaTypes", "description", "disableDefaultEndpoint", "metrics", "minimumCompressionSize", "resourcePolicy",
		"restApiId", "restApiResources", "restApiRootResourceId", "request", "shouldStartNameWithService", "stage", "timeoutInMillis", "usagePlan", "websocketApiId",
		"websocketApiStage")
	if len(drafts) == 0 {
		return
	}
	s.unservedKeys([][2]string{
		{"restApiId", "the existing REST API of apiGateway.restApiId"}, {"disableDefaultEndpoint", "disableDefaultEndpoint of apiGateway"},
	})
	either(s, p, "usagePlan").unservedKeys([][2]string{{"usagePlan", "usagePlan of apiGateway (quotas and rates)"}})
	policy := either(s, p, "resourcePolicy")
	policy.unservedKeys([][2]string{{"resourcePolicy", "resourcePolicy of apiGateway"}})
	if s.has("minimumCompressionSize") {
		r.warn(s.m.KeyAt("minimumCompressionSize"), "minimumCompressionSize is ignored: responses are passed on as functions give them")
	}
	if private := strings.EqualFold(p.text("endpointType"), "PRIVATE"); private || policy.has("resourcePolicy") {
		at, why := policy.m.KeyAt("resourcePolicy"), "a resourcePolicy"
		if private {
			at, why = p.m.KeyAt("endpointType"), "endpointType PRIVATE"
			r.unserved(at, "endpointType PRIVATE")
		}
		r.warn(at, "the REST API is left out with all its routes: %s restricts who may call it, which is not served yet, and it must not be open to everybody", why)
		return
	}
	mergeCORS(drafts)
	api := r.api(pinfold.RESTAPI, r.restStage(), s)
	if name := p.text("apiName"); name != "" {
		api.Name = name
	}
	api.BinaryMediaTypes = s.texts("binaryMediaTypes")
	api.APIKeys = r.apiKeys(either(s, p, "apiKeys"))
	for _, d := range drafts {
		if d.route.APIKeyRequired && len(api.APIKeys) == 0 {
			r.warn(d.at, "the route %s is private, and nobody can call it: provider.apiGateway.apiKeys names no key", d)
		}
		api.Routes = append(api.Routes, d.route)
	}
	r.app.APIs = append(r.app.APIs, api)
}

// apiKeys reads names, maps with a name and a value, and groups of these by
// usage plan. A key without a value gets one from the deployer. Source:
// lib/plugins/aws/package/compile/events/api-gateway/lib/api-keys.js.
func (r *reader) apiKeys(s section) []pinfold.APIKey {
	var keys []pinfold.APIKey
	var add func(n *doc.Node)
	add = func(n *doc.Node) {
		if name, ok := n.Text(); ok {
			keys = append(keys, pinfold.APIKey{Name: name})
			return
		}
		m := n.Map()
		if m != nil && len(m.Keys) == 1 && m.Get(m.Keys[0].Name).List() != nil {
			for _, item := range m.Get(m.Keys[0].Name).List() {
				add(item)
			}
			return
		}
		k, ok := r.section(n, "apiKeys")
		if !ok || !k.flag("enabled", true) {
			return
		}
		k.known("name", "value", "description", "customerId", "enabled")
		key := pinfold.APIKey{Name: k.text("name"), Value: k.text("value")}
		if key.Name == "" && key.Value == "" {
			r.problem(n.At, "an API key needs a name or a value")
		}
		keys = append(keys, key)
	}
	n := s.value("apiKeys")
	if n != nil && n.List() == nil {
		r.problem(n.At, "%s must be a list of keys, not %s", s.label("apiKeys"), n.What())
	}
	for _, item := range n.List() {
		add(item)
	}
	return keys
}
