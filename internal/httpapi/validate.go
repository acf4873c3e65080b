package httpapi

import (
	"fmt"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
)

// DefaultStage is the stage of an HTTP API that has no stage in its URLs.
const DefaultStage = "$default"

// DefaultRoute is the path of the route that takes what no other route takes.
const DefaultRoute = "$default"

// methods are those that an API can have routes for. Source: Amazon API
// Gateway, "Create routes for HTTP APIs" and "PutMethod".
var methods = []string{"ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

// MaxTimeoutMS is the longest integration timeout of each kind of API, in
// milliseconds, and MinTimeoutMS the shortest. Source: Amazon API Gateway quotas.
const (
	MinTimeoutMS     = 50
	MaxTimeoutMSHTTP = 30_000
	MaxTimeoutMSREST = 29_000
)

// WithDefaults returns the API with what it left open: the stage "$default" of
// an HTTP API, the payload format of its kind, and ANY as the method of a
// $default route.
func WithDefaults(api pinfold.API) pinfold.API {
	payload := "1.0"
	if api.Kind == pinfold.HTTPAPI {
		payload = "2.0"
		if api.Stage == "" {
			api.Stage = DefaultStage
		}
	}
	api.Routes = slices.Clone(api.Routes)
	for i := range api.Routes {
		if api.Routes[i].Payload == "" {
			api.Routes[i].Payload = payload
		}
		if api.Routes[i].Path == DefaultRoute && api.Routes[i].Method == "" {
			api.Routes[i].Method = "ANY"
		}
	}
	return api
}

// Validate reports everything that is wrong with an API as one error with code
// Invalid, a line for each, or nil. It looks at nothing but its argument, so a
// manifest can be checked before there is a server.
func Validate(api pinfold.API) error {
	c := &check{api: WithDefaults(api)}
	c.head()
	c.cors("the API", api.CORS)
	for _, route := range c.api.Routes {
		c.route(route)
	}
	c.duplicates()
	if len(c.wrong) == 0 {
		return nil
	}
	return pinfold.Errorf(pinfold.Invalid, "%s", strings.Join(c.wrong, "\n"))
}

type check struct {
	api   pinfold.API
	wrong []string
}

func (c *check) that(ok bool, format string, args ...any) {
	if !ok {
		c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
	}
}

func (c *check) rest() bool { return c.api.Kind == pinfold.RESTAPI }

func (c *check) head() {
	a := c.api
	c.that(a.Kind == pinfold.HTTPAPI || a.Kind == pinfold.RESTAPI, "API %q: kind %q is neither %q nor %q", a.Name, a.Kind, pinfold.HTTPAPI, pinfold.RESTAPI)
	c.that(a.Account != "" && a.Region != "", "API %q: it needs an account and a region", a.Name)
	c.that(a.ID != "" && only(a.ID, isLowerAlnum), "API %q: ID %q must be lower-case letters and digits, because it is part of a host name", a.Name, a.ID)
	// Source: "Amazon API Gateway important notes": stage names are
	// alphanumeric characters, hyphens and underscores, 128 at most.
	named := a.Stage != "" && len(a.Stage) <= 128 && only(a.Stage, func(b byte) bool { return isAlnum(b) || b == '-' || b == '_' })
	c.that(named || (!c.rest() && a.Stage == DefaultStage), "API %q: stage %q must be 1 to 128 letters, digits, hyphens and underscores", a.Name, a.Stage)
	for _, t := range a.BinaryMediaTypes {
		c.that(strings.Count(t, "/") == 1, "API %q: binary media type %q must look like image/png, image/* or */*", a.Name, t)
	}
	c.that(c.rest() || len(a.APIKeys) == 0, "API %q: only a REST API (http events) can have API keys", a.Name)
	for i, k := range a.APIKeys {
		c.that(k.Value != "", "API key %q has no value", k.Name)
		c.that(!slices.ContainsFunc(a.APIKeys[:i], func(o pinfold.APIKey) bool { return o.Name == k.Name }), "there are two API keys named %q", k.Name)
	}
}

func (c *check) route(r pinfold.Route) {
	name := Name(r)
	c.that(slices.Contains(methods, r.Method), "route %s: %q is not a method: use one of %s", name, r.Method, strings.Join(methods, ", "))
	if r.Path == DefaultRoute {
		c.that(!c.rest(), "route %s: only an HTTP API (httpApi events) has a $default route; a REST API takes everything with ANY /{proxy+}", name)
		c.that(r.Method == "ANY", "route %s: a $default route takes every method, so leave the method out", name)
	} else {
		for _, problem := range checkPath(r.Path) {
			c.that(false, "route %s: %s", name, problem)
		}
	}
	c.that(r.Target.Name != "", "route %s leads to no function", name)
	switch {
	case c.rest():
		c.that(r.Payload == "1.0", "route %s: a REST API hands over payload 1.0, not %q", name, r.Payload)
	default:
		c.that(r.Payload == "1.0" || r.Payload == "2.0", "route %s: payload %q must be 1.0 or 2.0", name, r.Payload)
		c.that(!r.APIKeyRequired, "route %s: only a REST API (http events) can ask for an API key", name)
		c.that(r.CORS == nil, "route %s: an HTTP API has one CORS policy for all its routes; set it on the API", name)
	}
	most := MaxTimeoutMSHTTP
	if c.rest() {
		most = MaxTimeoutMSREST
	}
	c.that(r.TimeoutMS == 0 || (r.TimeoutMS >= MinTimeoutMS && r.TimeoutMS <= most), "route %s: a timeout of %d ms is outside of %d to %d", name, r.TimeoutMS, MinTimeoutMS, most)
	c.cors("route "+name, r.CORS)
}

// cors checks a policy. An HTTP API refuses credentials for every origin, with
// the words of CreateApi; a REST API sends what it is told to.
func (c *check) cors(of string, p *pinfold.CORS) {
	if p == nil {
		return
	}
	c.that(c.rest() || !p.AllowCredentials || !slices.Contains(p.AllowOrigins, "*"),
		"CORS of %s: allow-credentials is not supported if 'allow-origin' is *: name the origins, such as https://www.example.com", of)
	for _, m := range p.AllowMethods {
		c.that(m == "*" || slices.Contains(methods, m), "CORS of %s: %q is not a method: use * or some of %s", of, m, strings.Join(methods[1:], ", "))
	}
	c.that(p.MaxAge >= -1 && p.MaxAge <= 86400, "CORS of %s: a maximum age of %d s is outside of 0 to 86400", of, p.MaxAge)
}

// duplicates names both functions where two routes take the same requests.
// Routes that differ in a variable's name alone are the same.
func (c *check) duplicates() {
	seen := map[string]pinfold.Route{}
	for _, r := range c.api.Routes {
		k := r.Method + " " + shape(r.Path)
		first, there := seen[k]
		if !there {
			seen[k] = r
			continue
		}
		c.that(false, "two routes take the same requests: %s leads to function %s, and %s to function %s; keep one of them",
			Name(first), first.Target.Name, Name(r), r.Target.Name)
	}
}

// Name returns what a person calls a route, which is API Gateway's route key:
// "GET /users/{id}" or "$default".
func Name(r pinfold.Route) string {
	if r.Path == DefaultRoute {
		return DefaultRoute
	}
	return r.Method + " " + r.Path
}

// shape is a path without the names of its variables.
func shape(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if name, greedy, ok := Variable(s); ok && name != "" {
			segments[i] = "{}"
			if greedy {
				segments[i] = "{+}"
			}
		}
	}
	return strings.Join(segments, "/")
}

// Variable takes apart a segment of a path that is a variable: {name}, or
// {name+} for a greedy one.
func Variable(segment string) (name string, greedy, ok bool) {
	name, ok = strings.CutPrefix(segment, "{")
	if !ok {
		return "", false, false
	}
	if name, ok = strings.CutSuffix(name, "}"); !ok {
		return "", false, false
	}
	name, greedy = strings.CutSuffix(name, "+")
	return name, greedy, true
}

// checkPath says what is wrong with a route's path. Source: the messages of
// CreateResource ("Resource's path part only allow a-zA-Z0-9._-: or a valid
// greedy path variable and curly braces at the beginning and the end") and
// "Create routes for HTTP APIs"; we allow a few more characters in literals.
func checkPath(path string) (wrong []string) {
	if path == "/" {
		return nil
	}
	if !strings.HasPrefix(path, "/") {
		return []string{fmt.Sprintf("path %q must start with /", path)}
	}
	if strings.HasSuffix(path, "/") {
		return []string{fmt.Sprintf("path %q ends in /: leave the last slash out", path)}
	}
	var names []string
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		name, greedy, variable := Variable(s)
		switch {
		case s == "":
			wrong = append(wrong, "two slashes follow each other")
		case !variable && strings.ContainsAny(s, "{}"):
			wrong = append(wrong, fmt.Sprintf("%q mixes a variable with text: a variable takes a whole segment, as in /%s", s, "{name}"))
		case !variable && !only(s, isLiteral):
			wrong = append(wrong, fmt.Sprintf("%q has a character that a path cannot have", s))
		case variable && (name == "" || !only(name, isName)):
			wrong = append(wrong, fmt.Sprintf("%q is not a variable: names are letters, digits and ._:-", s))
		case variable && slices.Contains(names, name):
			wrong = append(wrong, fmt.Sprintf("there are two variables named %q", name))
		case greedy && i < len(segments)-1:
			wrong = append(wrong, fmt.Sprintf("%s takes the whole rest of the path, so nothing can follow it", s))
		}
		names = append(names, name)
		if !variable {
			names = names[:len(names)-1]
		}
	}
	return wrong
}

func only(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func isLowerAlnum(b byte) bool { return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' }
func isAlnum(b byte) bool      { return isLowerAlnum(b) || b >= 'A' && b <= 'Z' }
func isName(b byte) bool       { return isAlnum(b) || strings.IndexByte("._:-", b) >= 0 }
func isLiteral(b byte) bool    { return isAlnum(b) || strings.IndexByte("._:-~!$&'()*+,;=@", b) >= 0 }
