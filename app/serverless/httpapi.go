package serverless

import (
	"slices"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/doc"
)

var corsHeaders = []string{"Content-Type", "X-Amz-Date", "Authorization", "X-Api-Key", "X-Amz-Security-Token", "X-Amz-User-Agent", "X-Amzn-Trace-Id"}

// httpEvent reads an httpApi event. Source:
// lib/plugins/aws/package/compile/events/http-api.js.
func (r *reader) httpEvent(f *function, at app.Position, n *doc.Node) []draft {
	n, err := r.vars.head(n)
	if err != nil {
		r.fail(at, err)
		return nil
	}
	s := section{r: r}
	var method, path string
	if n.Map() != nil {
		s, _ = r.section(n, "httpApi of function "+f.key)
		s.known("method", "path", "authorizer", "timeout")
		method, path = s.text("method"), s.text("path")
	} else if text, ok := n.Text(); ok {
		path = text
	} else {
		r.problem(at, "httpApi of function %s must be \"GET /path\" or a map with method and path, not %s", f.key, n.What())
		return nil
	}
	e, wrong := parseEndpoint(method, path)
	if wrong == "" {
		wrong = checkPath(e.path)
	}
	if wrong != "" {
		r.problem(at, "httpApi of function %s %s", f.key, wrong)
		return nil
	}
	d := draft{f: f, at: at, route: pinfold.Route{Method: e.method, Path: e.path, Target: f.app.Invoked(r.ref(f.name)), Payload: r.payload(f), TimeoutMS: r.httpTimeout(s)}}
	r.warnPath(d)
	if s.m != nil {
		r.authorizer(&d, s)
	}
	r.warnTimeout(f, 30, "an HTTP API")
	return []draft{d}
}

// payload returns the version of the events that a function gets.
func (r *reader) payload(f *function) string {
	s := f.sub("httpApi")
	if s.get("payload") == nil {
		s = r.provider().sub("httpApi")
	}
	switch payload := s.text("payload"); payload {
	case "", "2", "2.0":
		return "2.0"
	case "1", "1.0":
		return "1.0"
	default:
		r.problem(s.m.Get("payload").At, "%s must be '1.0' or '2.0', not %q", s.label("payload"), payload)
		return "2.0"
	}
}

// httpTimeout returns the milliseconds that a route may take, or 0 for the
// API's own. Serverless Framework 2 had the setting, 3 has not.
func (r *reader) httpTimeout(s section) int {
	if s.get("timeout") == nil {
		s = r.provider().sub("httpApi")
	}
	return s.whole("timeout", 1, 30, 0) * 1000
}

// warnTimeout tells of functions that may run longer than their API waits.
func (r *reader) warnTimeout(f *function, limit int, what string) {
	if t := int(f.app.Config.Timeout); t > limit {
		at := f.keyAt
		if f.m.Get("timeout") != nil {
			at = f.m.KeyAt("timeout")
		}
		r.warn(at, "the function %s may run %d s, but %s answers for it after %d s", f.key, t, what, limit)
	}
}

// httpAPI makes the HTTP API of the routes.
func (r *reader) httpAPI(drafts []draft) {
	p := r.provider()
	s := p.sub("httpApi")
	s.known("id", "name", "description", "payload", "cors", "authorizers", "metrics", "timeout", "useProviderTags", "disableDefaultEndpoint", "shouldStartNameWithService")
	if len(drafts) == 0 {
		return
	}
	s.unservedKeys([][2]string{{"id", "the existing HTTP API of provider.httpApi.id"}, {"disableDefaultEndpoint", "disableDefaultEndpoint of provider.httpApi"}})
	api := r.api(pinfold.HTTPAPI, "$default", s)
	if name := s.text("name"); name != "" {
		api.Name = name
	}
	api.CORS = r.httpCORS(s, drafts)
	for _, d := range drafts {
		api.Routes = append(api.Routes, d.route)
	}
	r.app.APIs = append(r.app.APIs, api)
}

func (r *reader) api(kind pinfold.APIKind, stage string, s section) pinfold.API {
	name := r.app.Stage + "-" + r.app.Name
	if s.flag("shouldStartNameWithService", false) {
		name = r.app.Name + "-" + r.app.Stage
	}
	return pinfold.API{
		Account: r.opts.Target.Account, Region: r.opts.Target.Region, ID: r.apiID(kind), Name: name, Kind: kind, Stage: stage,
		App: r.app.Name + "/" + r.app.Stage,
	}
}

// httpCORS reads provider.httpApi.cors. Methods that are not named are those
// of the routes.
func (r *reader) httpCORS(s section, drafts []draft) *pinfold.CORS {
	if !s.has("cors") {
		return nil
	}
	c := s.sub2("cors")
	c.known("allowCredentials", "allowedHeaders", "allowedMethods", "allowedOrigins", "exposedResponseHeaders", "maxAge")
	cors := &pinfold.CORS{
		AllowOrigins:     c.texts("allowedOrigins"),
		AllowHeaders:     c.texts("allowedHeaders"),
		AllowMethods:     c.texts("allowedMethods"),
		ExposeHeaders:    c.texts("exposedResponseHeaders"),
		AllowCredentials: c.flag("allowCredentials", false),
		MaxAge:           c.whole("maxAge", 0, 86400, 0),
	}
	if len(cors.AllowOrigins) == 0 {
		cors.AllowOrigins = []string{"*"}
	}
	if len(cors.AllowHeaders) == 0 {
		cors.AllowHeaders = corsHeaders
	}
	if len(cors.AllowMethods) == 0 {
		cors.AllowMethods = []string{"OPTIONS"}
		for _, d := range drafts {
			add := []string{d.route.Method}
			if d.route.Method == "ANY" {
				add = methods[1:]
			}
			for _, m := range add {
				if !slices.Contains(cors.AllowMethods, m) {
					cors.AllowMethods = append(cors.AllowMethods, m)
				}
			}
		}
	}
	return cors
}
