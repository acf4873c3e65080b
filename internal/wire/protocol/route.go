package protocol

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// router finds the operation of a REST request.
type router struct {
	// routes by method and first segment of the path, "" where that is a label.
	routes map[string][]*restRoute
}

// restRoute is a compiled [Route].
type restRoute struct {
	Route
	op       *operation // nil: not served
	segments []segment
	query    url.Values // literal parameters, such as ?acl
}

type segment struct {
	literal string
	label   string
	greedy  bool
}

// label is a decoded part of a request's path.
type label struct{ name, value string }

func (r *router) add(route Route, op *operation) error {
	path, query, _ := strings.Cut(route.URI, "?")
	rr := &restRoute{Route: route, op: op}
	var err error
	if rr.query, err = url.ParseQuery(query); err != nil {
		return fmt.Errorf("%s: %w", route.Name, err)
	}
	for s := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if inner, ok := strings.CutPrefix(s, "{"); ok {
			name, greedy := strings.CutSuffix(strings.TrimSuffix(inner, "}"), "+")
			rr.segments = append(rr.segments, segment{label: name, greedy: greedy})
		} else if s != "" {
			rr.segments = append(rr.segments, segment{literal: s})
		}
	}
	first := ""
	if len(rr.segments) > 0 {
		first = rr.segments[0].literal
	}
	if r.routes == nil {
		r.routes = map[string][]*restRoute{}
	}
	key := route.Method + " " + first
	r.routes[key] = append(r.routes[key], rr)
	return nil
}

// match finds the route of a request: among those whose method and path fit,
// the one with the most literal query parameters, then the one whose required
// parameters are all there.
func (r *router) match(req *http.Request) (*restRoute, []label) {
	path := strings.TrimPrefix(req.URL.EscapedPath(), "/")
	first, _, _ := strings.Cut(path, "/")
	var best *restRoute
	var bestLabels []label
	bestScore := -1
	var query url.Values
	for _, key := range [2]string{req.Method + " " + first, req.Method + " "} {
		for _, rr := range r.routes[key] {
			labels, ok := rr.matchPath(path)
			if !ok {
				continue
			}
			if query == nil {
				query = req.URL.Query()
			}
			if score := rr.score(req, query); score > bestScore {
				best, bestLabels, bestScore = rr, labels, score
			}
		}
		if best != nil || first == "" {
			break
		}
	}
	return best, bestLabels
}

// score is -1 if a literal parameter is missing.
func (rr *restRoute) score(req *http.Request, query url.Values) int {
	score := 100
	for name, values := range rr.query {
		got, ok := query[name]
		if !ok || values[0] != "" && (len(got) == 0 || got[0] != values[0]) {
			return -1
		}
		score += 100
	}
	for _, need := range rr.Needs {
		name, inQuery := strings.CutPrefix(need, "?")
		switch {
		case inQuery && query.Has(name), !inQuery && req.Header.Get(name) != "":
			score++
		default:
			score -= 50
		}
	}
	return max(score, 0)
}

func (rr *restRoute) matchPath(path string) ([]label, bool) {
	var labels []label
	for i, s := range rr.segments {
		if s.greedy && i == len(rr.segments)-1 {
			value, err := url.PathUnescape(path)
			return append(labels, label{s.label, value}), err == nil && path != ""
		}
		part, rest, _ := strings.Cut(path, "/")
		path = rest
		if s.label == "" {
			if part != s.literal {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(part)
		if err != nil || part == "" {
			return nil, false
		}
		labels = append(labels, label{s.label, value})
	}
	return labels, path == "" // one slash at the end is passed over
}
