package serverless

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/doc"
)

// servedEvents are the events that are served.
var servedEvents = []string{"httpApi", "http", "sqs", "schedule"}

// eventKinds are the other events that Serverless Framework knows. Source:
// lib/plugins/aws/package/compile/events; the last ones are those of plugins. None
// of them is served yet.
var eventKinds = []string{
	"sns", "stream", "s3", "websocket", "eventBridge", "cloudwatchEvent", "cloudwatchLog", "alexaSkill", "alexaSmartHome", "iot",
	"iotFleetProvisioning", "cognitoUserPool", "alb", "cloudFront", "activemq", "rabbitmq", "kafka", "msk",
	"existingS3", "documentdb", "preExistingCloudFront",
}

// draft is a route before it is known whether it can be.
type draft struct {
	f     *function
	at    app.Position
	route pinfold.Route
	// left is why the route is left out: it must not be opened to everybody.
	left string
}

func (d draft) String() string { return d.route.Method + " " + d.route.Path }

// event is what invokes a function.
type event struct {
	f     *function
	kind  string
	at    app.Position
	value *doc.Node
}

// listEvents finds the events of the functions. What the framework makes resources
// of becomes resources here: others can refer to them.
func (r *reader) listEvents() {
	for _, f := range r.functions {
		r.asyncSettings(f)
		n := f.get("events")
		if n == nil {
			continue
		}
		if n.List() == nil {
			r.problem(n.At, "%s must be a list: begin each event with \"- \"", f.label("events"))
			continue
		}
		schedules := 0
		for _, item := range n.List() {
			e, ok := r.event(f, item)
			switch {
			case !ok:
			case e.kind == "sqs":
				r.sqsEvent(e)
			case e.kind == "schedule":
				r.scheduleEvent(e, &schedules)
			default:
				r.events = append(r.events, e)
			}
		}
	}
}

// readEvents makes the APIs of the HTTP events.
func (r *reader) readEvents() {
	var http, rest []draft
	for _, e := range r.events {
		switch {
		case !slices.Contains(r.functions, e.f): // its condition does not hold
		case e.kind == "httpApi":
			http = append(http, r.httpEvent(e.f, e.at, e.value)...)
		case e.kind == "http":
			rest = append(rest, r.restEvent(e.f, e.at, e.value)...)
		default:
			r.unserved(e.at, "event %s of function %s", e.kind, e.f.key)
		}
	}
	r.httpAPI(r.settle(http))
	r.restAPI(r.settle(rest))
}

// event returns an event of a function.
func (r *reader) event(f *function, item *doc.Node) (e event, ok bool) {
	item, err := r.vars.head(item)
	if err != nil {
		r.fail(f.keyAt, err)
		return e, false
	}
	if item.IsNull() {
		return e, false
	}
	m := item.Map()
	if m == nil || len(m.Keys) == 0 {
		kind, isText := item.Text()
		if !isText {
			r.problem(item.At, "an event of function %s must be \"KIND: settings\", not %s", f.key, item.What())
			return e, false
		}
		return event{f, kind, item.At, nil}, r.knownEvent(f, kind, item.At)
	}
	e = event{f, m.Keys[0].Name, m.Keys[0].At, m.Get(m.Keys[0].Name)}
	if len(m.Keys) > 1 {
		if e.value.IsNull() {
			r.problem(e.at, "the event %s of function %s is empty, and %q stands beside it: indent the settings of the event below %s", e.kind, f.key, m.Keys[1].Name, e.kind)
		} else {
			r.problem(e.at, "an event of function %s has %s and %s: begin each event with a \"- \" of its own", f.key, e.kind, m.Keys[1].Name)
		}
		return e, false
	}
	return e, r.knownEvent(f, e.kind, e.at)
}

func (r *reader) knownEvent(f *function, kind string, at app.Position) bool {
	known := slices.Concat(servedEvents, eventKinds)
	if slices.Contains(known, kind) {
		return true
	}
	if hint := doc.DidYouMean(kind, known); hint != "" {
		r.problem(at, "the function %s has an event %q, which there is not%s", f.key, kind, hint)
		return false
	}
	return true // a plugin's, perhaps
}

// settle takes the routes that can be, and tells of those that cannot.
func (r *reader) settle(drafts []draft) []draft {
	taken := map[string]draft{}
	var kept []draft
	for _, d := range drafts {
		key := d.route.Method + " " + pathParameter.ReplaceAllString(d.route.Path, "{$1}")
		other, twice := taken[key]
		switch {
		case twice && other.f == d.f:
			r.warn(d.at, "%s is listed twice for function %s, once is enough", d, d.f.key)
			continue
		case twice:
			r.problem(d.at, "two functions on one route: %s leads to %s (line %d) and %s to %s (line %d); give one of them another method or path",
				other, other.f.key, other.at.Line, d, d.f.key, d.at.Line)
			continue
		}
		taken[key] = d
		switch {
		case d.f.left != "":
			r.warn(d.at, "the route %s is left out: its function %s is", d, d.f.key)
		case d.left != "":
			r.warn(d.at, "the route %s is left out: %s", d, d.left)
		default:
			kept = append(kept, d)
		}
	}
	return kept
}

// pathParameter matches {name} and {name+}; $1 tells the two apart.
var pathParameter = regexp.MustCompile(`\{[^{}+]*(\+?)\}`)

var methods = []string{"ANY", "GET", "POST", "PUT", "PATCH", "OPTIONS", "HEAD", "DELETE"}

// endpoint is the method and the path of an HTTP event, in every notation.
type endpoint struct{ method, path string }

// parseEndpoint reads "GET /x", "*" and, where a method is given apart, "/x".
func parseEndpoint(method, path string) (endpoint, string) {
	words := strings.Fields(path)
	switch {
	case len(words) == 1 && words[0] == "*" && (method == "" || method == "*"):
		return endpoint{"ANY", "$default"}, ""
	case len(words) == 2 && (method == "" || strings.EqualFold(method, words[0])):
		method, path = words[0], words[1]
	case len(words) == 2:
		return endpoint{}, "names a method twice, " + method + " and " + words[0]
	case len(words) == 0 && method == "":
		return endpoint{}, "has neither method nor path: write GET /path"
	case len(words) == 0:
		path = "" // the root of a REST API
	case len(words) > 2:
		return endpoint{}, "has too many words: write GET /path"
	case method == "":
		for _, m := range methods {
			if strings.EqualFold(m, words[0]) {
				return endpoint{}, "has no path: write " + m + " /path"
			}
		}
		return endpoint{}, "has no method: write GET " + words[0] + ", or ANY for all methods"
	default:
		path = words[0]
	}
	if method = strings.ToUpper(method); method == "*" {
		method = "ANY"
	}
	if !slices.Contains(methods, method) {
		return endpoint{}, "has the method " + method + ", which must be one of " + strings.Join(methods, ", ") + doc.DidYouMean(method, methods)
	}
	return endpoint{method, path}, ""
}

var pathSegment = regexp.MustCompile(`^(\{[^{}/+]+\+?\}|[^{}]*)$`)

// checkPath returns what is wrong with a path, or "".
func checkPath(path string) string {
	if path == "$default" {
		return ""
	}
	if !strings.HasPrefix(path, "/") {
		return "must have a path that begins with /: write /" + path
	}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		switch {
		case !pathSegment.MatchString(s):
			return "has the part " + s + " in its path: a parameter takes a whole part, as in /users/{id}"
		case strings.HasSuffix(s, "+}") && i < len(segments)-1:
			return "has " + s + " in the middle of its path, and it takes all the rest: let it be the last part"
		case s == "*":
			return "has * in its path: write {proxy+} for all the rest"
		}
	}
	return ""
}

// warnPath tells of paths that are allowed and probably not meant.
func (r *reader) warnPath(d draft) {
	for s := range strings.SplitSeq(d.route.Path, "/") {
		if strings.HasPrefix(s, ":") && len(s) > 1 {
			r.warn(d.at, "the path %s has %s, which is text here: a parameter is written {%s}", d.route.Path, s, s[1:])
		}
	}
}

// authorizer reports whether an event asks for one, and tells that it is not
// served: the route must not be opened without it.
func (r *reader) authorizer(d *draft, s section) {
	n := s.get("authorizer")
	if n == nil || n.Value == false {
		return
	}
	name, _ := n.Text()
	if m := n.Map(); m != nil {
		for _, key := range []string{"name", "arn", "type", "id"} {
			if name == "" && m.Get(key) != nil {
				a, _ := r.section(n, "authorizer")
				name, _ = a.get(key).Text()
			}
		}
	}
	r.unserved(s.m.KeyAt("authorizer"), "authorizer %s of %s (function %s)", cmp.Or(name, "without a name"), d, d.f.key)
	d.left = "it asks for an authorizer, which is not served yet, and must not be open to everybody"
}
