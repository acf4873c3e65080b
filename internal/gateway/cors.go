package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"pinfold.dev/pinfold"
)

// cors is a compiled cross-origin policy.
type cors struct {
	any         bool
	origins     []string // as configured
	methods     string
	headers     string
	expose      string
	maxAge      string
	credentials bool
}

// defaultCORSHeaders are what Serverless lets browsers send to a REST API
// unless told otherwise. Source: serverless, http event schema, "cors".
const defaultCORSHeaders = "Content-Type,X-Amz-Date,Authorization,X-Api-Key,X-Amz-Security-Token,X-Amz-User-Agent,X-Amzn-Trace-Id"

// everyMethod is what ANY stands for in a REST API's preflight answer.
const everyMethod = "DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT"

func compileCORS(p *pinfold.CORS) *cors {
	if p == nil {
		return nil
	}
	c := &cors{
		any:         slices.Contains(p.AllowOrigins, "*"),
		origins:     p.AllowOrigins,
		methods:     strings.Join(p.AllowMethods, ","),
		headers:     strings.Join(p.AllowHeaders, ","),
		expose:      strings.Join(p.ExposeHeaders, ","),
		credentials: p.AllowCredentials,
	}
	if p.MaxAge != 0 {
		c.maxAge = strconv.Itoa(p.MaxAge)
	}
	return c
}

// allows reports whether an origin is among the configured ones. "https://*"
// and "http://*" stand for every origin of that scheme. Source: "Configure
// CORS for HTTP APIs in API Gateway".
func (c *cors) allows(origin string) bool {
	if origin == "" {
		return false
	}
	return c.any || slices.ContainsFunc(c.origins, func(o string) bool {
		scheme, wild := strings.CutSuffix(o, "*")
		return o == origin || (wild && strings.HasSuffix(scheme, "://") && strings.HasPrefix(origin, scheme))
	})
}

// isPreflight reports whether a browser asks what it may send. Source: Fetch
// standard, "CORS-preflight request".
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// preflight sets the headers of the answer to a preflight request.
func (c *cors) preflight(h http.Header, origin string) {
	set := func(name, value string) {
		if value != "" {
			h.Set(name, value)
		}
	}
	set("Access-Control-Allow-Origin", origin)
	set("Access-Control-Allow-Methods", c.methods)
	set("Access-Control-Allow-Headers", c.headers)
	set("Access-Control-Max-Age", c.maxAge)
	if c.credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}

// actual sets the headers of the answer to a request that is not a preflight.
func (c *cors) actual(h http.Header, origin string) {
	h.Add("Access-Control-Allow-Origin", origin)
	if c.credentials {
		h.Add("Access-Control-Allow-Credentials", "true")
	}
	if c.expose != "" {
		h.Add("Access-Control-Expose-Headers", c.expose)
	}
}

// corsHeaders are those that an HTTP API with a policy ignores in a function's
// response. Source: "Configure CORS for HTTP APIs in API Gateway", note.
var corsHeaders = []string{
	"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers",
	"Access-Control-Allow-Methods", "Access-Control-Expose-Headers", "Access-Control-Max-Age",
}

// applyCORS gives a response the headers of the door's policy.
//
// An HTTP API puts its own in the place of the function's, with * for every
// origin. A function URL adds its own to the function's, even where a browser
// then sees two, and repeats the request's origin. A REST API leaves it to the
// function. Sources: as above; aws-powertools/powertools-lambda-python issue
// 4163 for function URLs.
func (x *exchange) applyCORS(h http.Header) {
	c := x.door.cors
	if c == nil || x.door.kind == restDoor {
		return
	}
	if x.door.kind == httpDoor {
		for _, name := range corsHeaders {
			h.Del(name)
		}
	}
	if origin := x.r.Header.Get("Origin"); c.allows(origin) {
		c.actual(h, x.door.allowOrigin(origin))
	}
}

// allowOrigin returns what to say to an origin that is allowed.
func (d *door) allowOrigin(origin string) string {
	if d.cors.any && d.kind == httpDoor {
		return "*"
	}
	return origin
}

// answerPreflight answers a preflight request by the door's policy and reports
// whether it did. An HTTP API answers 204 and a function URL 200, whatever
// routes there are; an origin that is not allowed gets no headers.
func (x *exchange) answerPreflight() bool {
	c := x.door.cors
	if c == nil || x.door.kind == restDoor || !isPreflight(x.r) {
		return false
	}
	h := x.w.Header()
	x.ownHeaders(h)
	if origin := x.r.Header.Get("Origin"); c.allows(origin) {
		c.preflight(h, x.door.allowOrigin(origin))
	}
	if x.door.kind == httpDoor {
		x.send(http.StatusNoContent, nil)
	} else {
		x.send(http.StatusOK, nil)
	}
	return true
}

// answerMock answers an OPTIONS request to a REST API's path that has a
// policy, as the mock integration does that Serverless makes: 200, with the
// request's origin if it is one of the configured ones, else with the first of
// them. Source: serverless lib/plugins/aws/package/compile/events/apiGateway/lib/cors.js.
func (x *exchange) answerMock(c *cors) {
	origin := x.r.Header.Get("Origin")
	switch {
	case c.any:
		origin = "*"
	case !c.allows(origin) && len(c.origins) > 0:
		origin = c.origins[0]
	}
	h := x.w.Header()
	x.ownHeaders(h)
	c.preflight(h, origin)
	h.Set("Content-Type", "application/json")
	x.send(http.StatusOK, nil)
}
