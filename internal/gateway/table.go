package gateway

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/httpapi"
)

// doorKind is what stands behind a host name. Doors of different kinds differ
// in nearly everything that a client or a function sees.
type doorKind uint8

const (
	httpDoor doorKind = iota // HTTP API (API Gateway v2)
	restDoor                 // REST API (API Gateway v1)
	urlDoor                  // function URL
)

// door is one compiled API or function URL. It is never changed.
type door struct {
	kind    doorKind
	id      string
	account string
	stage   string // first segment of the path, or "$default" for none
	routes  tree
	cors    *cors
	binary  []string // REST: binary media types
	keys    []pinfold.APIKey
	iam     bool // function URL: AuthType AWS_IAM
	stream  bool // function URL: InvokeMode RESPONSE_STREAM
	bodyMax int64
}

// Limits of the doors. Sources: Amazon API Gateway quotas (payload 10 MB;
// integration timeout 30 s and 29 s). A function URL waits for as long as its
// function may take.
const (
	maxBody     = 10 << 20
	httpTimeout = 30 * time.Second
	restTimeout = 29 * time.Second
)

// table is everything that can be reached, for one state of the registries. It
// is never changed; Update makes a new one.
type table struct {
	apis map[string]*door
	urls map[string]*door
	// The only application, if there is exactly one: what answers on hosts
	// that name nothing.
	rootHTTP, rootREST *door
	listing            string
}

func compile(apis []pinfold.API, urls []pinfold.URL, at pinfold.Endpoints) *table {
	t := &table{apis: map[string]*door{}, urls: map[string]*door{}}
	for _, api := range apis {
		t.apis[strings.ToLower(api.ID)] = compileAPI(httpapi.WithDefaults(api))
	}
	for _, u := range urls {
		t.urls[strings.ToLower(u.ID)] = compileURL(u)
	}
	t.findRoot(apis)
	t.listing = list(apis, urls, at)
	return t
}

// findRoot chooses what answers at the root of other hosts: the APIs of the
// application, if it is the only one and has at most one of each kind.
func (t *table) findRoot(apis []pinfold.API) {
	for _, api := range apis {
		d := t.apis[strings.ToLower(api.ID)]
		root := &t.rootHTTP
		if d.kind == restDoor {
			root = &t.rootREST
		}
		if api.App != apis[0].App || *root != nil {
			t.rootHTTP, t.rootREST = nil, nil
			return
		}
		*root = d
	}
}

func compileAPI(api pinfold.API) *door {
	d := &door{id: api.ID, account: api.Account, stage: api.Stage, cors: compileCORS(api.CORS),
		binary: api.BinaryMediaTypes, keys: api.APIKeys, bodyMax: maxBody}
	timeout := httpTimeout
	if api.Kind == pinfold.RESTAPI {
		d.kind, d.routes.rest, timeout = restDoor, true, restTimeout
	}
	for _, r := range api.Routes {
		c := &route{key: httpapi.Name(r), resource: r.Path, target: r.Target, payload1: r.Payload == "1.0",
			timeout: timeout, keyRequired: r.APIKeyRequired}
		if limit := time.Duration(r.TimeoutMS) * time.Millisecond; limit > 0 && limit < timeout {
			c.timeout = limit
		}
		c.source = "arn:aws:execute-api:" + api.Region + ":" + api.Account + ":" + api.ID + "/" + api.Stage + "/" + r.Method + r.Path
		d.routes.add(r.Method, r.Path, c)
	}
	if d.kind == restDoor {
		d.addPreflights(api)
	}
	return d
}

// addPreflights gives each path of a REST API that has a policy an OPTIONS
// route, unless the application has one of its own. Routes on one path share
// what their policies allow, as in Serverless.
func (d *door) addPreflights(api pinfold.API) {
	policies := map[string]*pinfold.CORS{}
	for _, r := range api.Routes {
		if r.CORS != nil {
			policies[r.Path] = merge(policies[r.Path], r.CORS)
		}
	}
	for _, r := range api.Routes {
		policy := cmp.Or(policies[r.Path], api.CORS)
		if policy == nil {
			continue
		}
		c := compileCORS(policy)
		c.headers = cmp.Or(c.headers, defaultCORSHeaders)
		c.methods = cmp.Or(c.methods, methodsOf(api.Routes, r.Path))
		d.routes.add("OPTIONS", r.Path, &route{key: "OPTIONS " + r.Path, resource: r.Path, preflight: c})
	}
}

// merge returns a policy that allows what either of two allows; one may be nil.
func merge(a, b *pinfold.CORS) *pinfold.CORS {
	if a == nil {
		return b
	}
	union := func(a, b []string) []string {
		all := slices.Clone(a)
		for _, s := range b {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
		return all
	}
	return &pinfold.CORS{
		AllowOrigins:     union(a.AllowOrigins, b.AllowOrigins),
		AllowMethods:     union(a.AllowMethods, b.AllowMethods),
		AllowHeaders:     union(a.AllowHeaders, b.AllowHeaders),
		ExposeHeaders:    union(a.ExposeHeaders, b.ExposeHeaders),
		AllowCredentials: a.AllowCredentials || b.AllowCredentials,
		MaxAge:           max(a.MaxAge, b.MaxAge),
	}
}

// methodsOf lists the methods of a path, with the OPTIONS that answers for them.
func methodsOf(routes []pinfold.Route, path string) string {
	methods := []string{"OPTIONS"}
	for _, r := range routes {
		switch {
		case r.Path != path:
		case r.Method == "ANY":
			return everyMethod
		default:
			methods = append(methods, r.Method)
		}
	}
	slices.Sort(methods)
	return strings.Join(slices.Compact(methods), ",")
}

func compileURL(u pinfold.URL) *door {
	d := &door{kind: urlDoor, id: u.ID, account: u.Ref.Account, stage: httpapi.DefaultStage, cors: compileCORS(u.CORS),
		iam: u.AuthType == "AWS_IAM", stream: u.InvokeMode == "RESPONSE_STREAM", bodyMax: pinfold.MaxPayload}
	d.routes.add("ANY", httpapi.DefaultRoute, &route{key: httpapi.DefaultRoute, resource: httpapi.DefaultRoute,
		target: u.Ref, source: u.Ref.ARN()})
	return d
}

// target is where a request goes.
type target struct {
	door   *door
	path   string // without the stage, with percent escapes
	domain string // domainName of the event
	prefix string // domainPrefix of the event
}

// find returns the door that a request is for. It has no door if there is
// none, and a failure if the door has no such stage.
//
// An API is reached by host, ID.execute-api.ANYTHING; by path,
// /_aws/execute-api/ID/STAGE/...; and, if it belongs to the only application
// that is deployed, on every other host. There, a path that begins with the
// stage of the application's REST API goes to that, and everything else to its
// HTTP API. A function URL is reached by host, ID.lambda-url.ANYTHING, and by
// path, /_aws/lambda-url/ID/...
func (t *table) find(r *http.Request) (to target, wrong *failure) {
	path := r.URL.EscapedPath()
	if path == "" || path[0] != '/' {
		path = "/" + path
	}
	host := hostname(r.Host)
	label, rest, _ := strings.Cut(host, ".")
	service, _, _ := strings.Cut(rest, ".")
	switch {
	case service == "execute-api":
		to = target{t.apis[label], path, host, label}
	case service == "lambda-url":
		to = target{t.urls[label], path, host, label}
	case strings.HasPrefix(path, pinfold.APIPath):
		id, rest := cut(path[len(pinfold.APIPath)-1:])
		to = target{t.apis[strings.ToLower(id)], rest, id + ".execute-api.localhost", id}
		if to.door != nil && to.door.stage == httpapi.DefaultStage {
			// $ may come escaped; the stage may be left out.
			if stage, rest := cut(cmp.Or(to.path, "/")); unescape(stage, false) == httpapi.DefaultStage {
				to.path = rest
			}
		}
	case strings.HasPrefix(path, pinfold.FunctionURLPath):
		id, rest := cut(path[len(pinfold.FunctionURLPath)-1:])
		to = target{t.urls[strings.ToLower(id)], rest, id + ".lambda-url.localhost", id}
	default:
		to = t.atRoot(path, host, label)
	}
	if to.door == nil {
		return to, nil
	}
	if to.door.stage != httpapi.DefaultStage {
		stage, rest := cut(cmp.Or(to.path, "/"))
		if stage != to.door.stage {
			return to, to.door.failures().stage
		}
		to.path = rest
	}
	if to.path == "" {
		to.path = "/"
	}
	return to, nil
}

// atRoot finds the only application's door.
func (t *table) atRoot(path, host, label string) target {
	d := t.rootHTTP
	if t.rootREST != nil {
		if stage, _ := cut(path); d == nil || stage == t.rootREST.stage {
			d = t.rootREST
		}
	}
	if d == nil {
		return target{}
	}
	if host == "" || host == "localhost" || net.ParseIP(host) != nil {
		host, label = d.id+".execute-api.localhost", d.id
	}
	return target{d, path, host, label}
}

// hostname returns a request's host in lower case and without its port.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	return strings.ToLower(host)
}

// list says what is there and how to reach it, for people who came to a host
// that names nothing.
func list(apis []pinfold.API, urls []pinfold.URL, at pinfold.Endpoints) string {
	if len(apis)+len(urls) == 0 {
		return "Nothing is deployed here yet. Deploy an application with: pinfold deploy\n"
	}
	var lines []string
	for _, a := range apis {
		stage := a.Stage
		if a.Kind == pinfold.HTTPAPI {
			stage = cmp.Or(a.Stage, httpapi.DefaultStage)
		}
		lines = append(lines, fmt.Sprintf("  %s API %s\n      %s\n      %s/%s\n", a.Kind, cmp.Or(a.Name, a.App, a.ID),
			at.APIURL(a.Kind, a.ID, a.Stage), at.APIByPath(a.ID), stage))
	}
	for _, u := range urls {
		lines = append(lines, fmt.Sprintf("  function URL of %s\n      %s\n      %s\n", u.Ref.Name, at.FunctionURL(u.ID), at.FunctionURLByPath(u.ID)))
	}
	slices.Sort(lines)
	return noDoor + " These are here:\n\n" + strings.Join(lines, "")
}

// noDoor begins the answer to a request for an address that nothing answers at.
const noDoor = "No API or function URL answers at this address."

// shortID derives an ID that looks like those of API Gateway's resources and
// deployments, and stays the same.
func shortID(parts ...string) string {
	h := fnv.New64a()
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
		_, _ = h.Write([]byte{0})
	}
	s := strconv.FormatUint(h.Sum64()|1<<60, 36)
	return s[len(s)-6:]
}
