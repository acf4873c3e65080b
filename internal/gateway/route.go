package gateway

import (
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/httpapi"
)

// route is one compiled route.
type route struct {
	key         string   // "GET /users/{id}"
	resource    string   // "/users/{id}"
	names       []string // of its variables, in the order of the path
	target      pinfold.FunctionRef
	source      string        // ARN of the route, as the invocation's trigger
	payload1    bool          // payload 1.0 instead of 2.0
	timeout     time.Duration // 0: the function's own
	keyRequired bool
	preflight   *cors // REST: this OPTIONS route answers by itself
}

// tree finds the route for a method and a path. It is built once and then only
// read, by any number of goroutines.
//
// The most specific path that has the method wins; a path that lacks it does
// not hide less specific ones that have it:
//
//  1. a path that matches as a whole, where from the left a literal segment is
//     preferred to a {variable};
//  2. a path with a greedy {variable+}: the one with more literal segments
//     first, then the one with more segments before the greedy one;
//  3. $default, in an HTTP API.
//
// Within one path, the method itself is preferred to ANY. Sources: "Create
// routes for HTTP APIs" ("Routing API requests"); for ties the order that
// aws/aws-lambda-dotnet LambdaTestTool-v2 (ApiGatewayRouteConfigService) uses;
// for REST APIs, what was measured on API Gateway in ministackorg/ministack pull
// request 1423 and floci-io/floci pull request 3399.
type tree struct {
	root     node
	fallback *route // $default
	rest     bool
}

type node struct {
	literal map[string]*node
	param   *node
	end     *methods // routes whose path ends here
	greedy  *methods // routes whose path goes on with a {variable+}
}

// methods holds a path's routes by method; index 0 is ANY.
type methods [8]*route

func (m *methods) find(method int) *route {
	if m == nil {
		return nil
	}
	if r := m[method]; r != nil {
		return r
	}
	return m[0]
}

// methodIndex returns a method's place in [methods]: 0 for one that only ANY takes.
func methodIndex(method string) int {
	switch method {
	case "GET":
		return 1
	case "POST":
		return 2
	case "PUT":
		return 3
	case "DELETE":
		return 4
	case "PATCH":
		return 5
	case "HEAD":
		return 6
	case "OPTIONS":
		return 7
	}
	return 0
}

// add puts a route into the tree. A place that is taken stays as it is, and
// add reports false.
func (t *tree) add(method, path string, r *route) bool {
	if path == httpapi.DefaultRoute {
		if t.fallback != nil {
			return false
		}
		t.fallback = r
		return true
	}
	n, place := &t.root, (**methods)(nil)
	for rest := strings.Trim(path, "/"); rest != "" && place == nil; {
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		name, greedy, variable := httpapi.Variable(segment)
		switch {
		case greedy:
			r.names = append(r.names, name)
			place = &n.greedy
		case variable:
			r.names = append(r.names, name)
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
		default:
			if n.literal == nil {
				n.literal = map[string]*node{}
			}
			if n.literal[segment] == nil {
				n.literal[segment] = &node{}
			}
			n = n.literal[segment]
		}
	}
	if place == nil {
		place = &n.end
	}
	if *place == nil {
		*place = &methods{}
	}
	i := methodIndex(method)
	if (*place)[i] != nil {
		return false
	}
	(*place)[i] = r
	return true
}

// match finds the route for a request and appends the values of its variables
// to values. The path is as it came, still with its percent escapes, so that
// an escaped slash is part of a segment; literals are compared unescaped, and
// values are returned as they came. Case matters.
//
// A REST API ignores a slash at the end, and its {proxy+} takes one segment at
// least; in an HTTP API that slash is an empty last segment, which only a
// greedy variable takes: /a/{proxy+} takes /a/ but not /a, and /{proxy+} takes
// /. Sources: LocalStack tests/aws/services/apigateway/test_apigateway_lambda
// (recorded on AWS) for REST; aws/aws-lambda-dotnet LambdaTestTool-v2 for HTTP.
func (t *tree) match(method, path string, values []string) (*route, []string) {
	m := finder{method: methodIndex(method), values: values, from: len(values), rest: t.rest}
	if t.rest {
		path = strings.TrimRight(path, "/")
	}
	whole := path
	if path == "/" {
		whole = ""
	}
	if r := m.whole(&t.root, whole); r != nil {
		return r, m.values
	}
	m.values = m.values[:m.from]
	m.open(&t.root, path, 0, 0)
	if m.best != nil {
		return m.best, append(m.values[:m.from], m.bestValues...)
	}
	return t.fallback, values
}

// finder is the state of one match. Each node is visited at most twice, since
// it can be reached in one way only, so a match costs no more than the tree
// has nodes, however long the path is.
type finder struct {
	method int
	rest   bool
	values []string
	from   int // where our values begin

	best           *route
	bestValues     []string
	literals, deep int // of best
}

// whole finds a route whose path matches all of path, which is empty or begins
// with a slash.
func (m *finder) whole(n *node, path string) *route {
	if path == "" {
		return n.end.find(m.method)
	}
	segment, rest := cut(path)
	if child := n.literal[unescape(segment, false)]; child != nil && segment != "" {
		if r := m.whole(child, rest); r != nil {
			return r
		}
	}
	if n.param == nil || segment == "" {
		return nil
	}
	at := len(m.values)
	m.values = append(m.values, segment)
	if r := m.whole(n.param, rest); r != nil {
		return r
	}
	m.values = m.values[:at]
	return nil
}

// open looks through all greedy routes that match and keeps the best one.
func (m *finder) open(n *node, path string, literals, deep int) {
	enough := len(path) > 1 || (path == "/" && !m.rest)
	if r := n.greedy.find(m.method); r != nil && enough {
		if m.best == nil || literals > m.literals || (literals == m.literals && deep > m.deep) {
			m.best, m.literals, m.deep = r, literals, deep
			m.bestValues = append(append(m.bestValues[:0], m.values[m.from:]...), path[1:])
		}
	}
	if path == "" {
		return
	}
	segment, rest := cut(path)
	if segment == "" {
		return
	}
	if child := n.literal[unescape(segment, false)]; child != nil {
		m.open(child, rest, literals+1, deep+1)
	}
	if n.param != nil {
		at := len(m.values)
		m.values = append(m.values, segment)
		m.open(n.param, rest, literals, deep+1)
		m.values = m.values[:at]
	}
}

// cut splits "/a/b" into "a" and "/b".
func cut(path string) (segment, rest string) {
	path = path[1:]
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}
