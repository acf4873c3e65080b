package callmap

import (
	"cmp"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"pinfold.dev/pinfold"
)

// Bounds on what is held: 10,000 edges of some 2.5 KB, and 2 * 65,536 invocations
// that wait for what caused them.
const (
	maxEdges   = 10_000
	maxWaiting = 1 << 16
)

// Of makes a map of records that come newest first, calls among them, as they are
// until a time. It ends with an error if the records do; what could be read of
// them is in the map all the same.
func Of(records iter.Seq2[pinfold.Record, error], until time.Time) ([]pinfold.CallEdge, error) {
	m := &mapper{edges: make(map[key]*edge), young: make(waiting), oldest: until}
	var failed error
	for r, err := range records {
		if failed = err; err != nil {
			break
		}
		m.add(&r)
	}
	m.giveUp(m.old)
	m.giveUp(m.young)
	return m.result(until), failed
}

// key is what makes an edge another one.
type key struct {
	from, to pinfold.CallNode
	via      string
}

type edge struct {
	calls, errors, throttles, cold uint64
	took                           histogram
}

// span is a part of a trace. Ids come from outside, too: that of a span alone may
// be one in another trace.
type span struct {
	trace pinfold.TraceID
	id    pinfold.SpanID
}

// child is what is known of an invocation whose cause has not come yet.
type child struct {
	function, trigger, source, caller string
	call
}

// call is what an edge counts.
type call struct {
	took            time.Duration
	failed, refused bool
	cold            bool
}

type waiting map[span][]child

type mapper struct {
	edges      map[key]*edge
	young, old waiting // those in old have waited longer
	count      int     // of those in young
	oldest     time.Time
}

func (m *mapper) add(r *pinfold.Record) {
	if r.Time.Before(m.oldest) {
		m.oldest = r.Time
	}
	caused := m.caused(r)
	c := call{r.Whole(), r.Status != "ok", r.Status == "throttled", r.Cold != pinfold.Warm}
	switch {
	case r.Service != "":
		if !caused { // or else those are the edge
			m.edge(function(r.Function), pinfold.CallNode{Kind: pinfold.CallService, Name: r.Service + "." + r.Operation}, "").add(c)
		}
	case r.Parent == (pinfold.SpanID{}):
		m.begin(child{r.Function, r.Trigger, r.Source, r.Caller, c})
	default:
		m.wait(span{r.Trace, r.Parent}, child{r.Function, r.Trigger, r.Source, r.Caller, c})
	}
}

// caused has those wait no longer that a record is the cause of. It reports
// whether there were any.
func (m *mapper) caused(r *pinfold.Record) (any bool) {
	s := span{r.Trace, r.Span}
	for _, all := range []waiting{m.young, m.old} {
		for _, c := range all[s] {
			via := c.trigger
			if r.Service != "" {
				via = r.Service + "." + r.Operation
			}
			m.edge(function(r.Function), function(c.function), via).add(c.call)
			any = true
		}
		delete(all, s)
	}
	return any
}

// wait keeps an invocation until its cause comes. When there are many, those that
// have waited longest are given up.
func (m *mapper) wait(parent span, c child) {
	m.young[parent] = append(m.young[parent], c)
	if m.count++; m.count == maxWaiting {
		m.giveUp(m.old)
		m.old, m.young, m.count = m.young, make(waiting), 0
	}
}

func (m *mapper) giveUp(all waiting) {
	for _, children := range all {
		for _, c := range children {
			m.begin(c)
		}
	}
}

// begin counts an invocation that nothing is known to have caused but what its
// record says itself.
func (m *mapper) begin(c child) {
	from, via := origin(&c)
	m.edge(from, function(c.function), via).add(c.call)
}

// edge returns an edge. Those for which there is no room are one.
func (m *mapper) edge(from, to pinfold.CallNode, via string) *edge {
	k := key{from, to, via}
	e := m.edges[k]
	if e == nil && len(m.edges) >= maxEdges {
		k = key{pinfold.CallNode{Kind: pinfold.CallOther}, pinfold.CallNode{Kind: pinfold.CallOther}, ""}
		e = m.edges[k]
	}
	if e == nil {
		e = new(edge)
		m.edges[k] = e
	}
	return e
}

func (e *edge) add(c call) {
	e.calls++
	if c.failed {
		e.errors++
	}
	if c.refused {
		e.throttles++
	}
	if c.cold {
		e.cold++
	}
	e.took.add(c.took)
}

// result returns the edges: by caller, those that call most often first.
func (m *mapper) result(until time.Time) []pinfold.CallEdge {
	minutes := max(until.Sub(m.oldest).Minutes(), 1)
	all := make([]pinfold.CallEdge, 0, len(m.edges))
	for k, e := range m.edges {
		all = append(all, pinfold.CallEdge{
			From: k.from, To: k.to, Via: k.via, Calls: e.calls, Errors: e.errors, Throttles: e.throttles, Cold: e.cold,
			P50: e.took.quantile(0.5), P99: e.took.quantile(0.99), PerMinute: float64(e.calls) / minutes,
		})
	}
	slices.SortFunc(all, func(a, b pinfold.CallEdge) int {
		return cmp.Or(
			cmp.Compare(order(a.From.Kind), order(b.From.Kind)), cmp.Compare(a.From.Kind, b.From.Kind), cmp.Compare(a.From.Name, b.From.Name),
			cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.To.Name, b.To.Name), cmp.Compare(a.To.Kind, b.To.Kind), cmp.Compare(a.Via, b.Via))
	})
	return all
}

// order has what calls from outside come before functions.
func order(k pinfold.CallKind) int {
	switch k {
	case pinfold.CallFunction:
		return 1
	case pinfold.CallOther:
		return 2
	}
	return 0
}

func function(name string) pinfold.CallNode {
	return pinfold.CallNode{Kind: pinfold.CallFunction, Name: name}
}

// origin says who calls by an invocation's trigger and caller, and how.
func origin(c *child) (from pinfold.CallNode, via string) {
	source, _ := pinfold.ParseARN(c.source)
	switch {
	case c.trigger == "rest":
		return pinfold.CallNode{Kind: pinfold.CallREST, Name: route(source.Resource)}, ""
	case source.Service == "execute-api":
		return pinfold.CallNode{Kind: pinfold.CallHTTP, Name: route(source.Resource)}, ""
	case c.trigger == "url":
		return pinfold.CallNode{Kind: pinfold.CallURL, Name: cmp.Or(strings.TrimPrefix(source.Resource, "function:"), c.function)}, ""
	case c.trigger == "async" && source.Service == "lambda": // the record of a function goes to another one
		return function(strings.TrimPrefix(source.Resource, "function:")), "async"
	case c.trigger != "api" && (c.trigger != "async" || c.source != ""):
		return pinfold.CallNode{Kind: pinfold.CallKind(cmp.Or(c.trigger, string(pinfold.CallOther))), Name: cmp.Or(source.Resource, c.source)}, ""
	}
	caller, ok := pinfold.ParseARN(c.caller)
	if !ok {
		return pinfold.CallNode{Kind: pinfold.CallClient, Name: cmp.Or(c.caller, "anonymous")}, ""
	}
	if strings.HasPrefix(caller.Resource, "assumed-role/") { // a function that does not pass its trace on: its session is named after it
		return function(path.Base(caller.Resource)), "lambda.Invoke"
	}
	return pinfold.CallNode{Kind: pinfold.CallClient, Name: caller.Resource}, ""
}

// route makes "a1b2c3d4e5 GET /orders" of "a1b2c3d4e5/prod/GET/orders".
func route(resource string) string {
	parts := strings.SplitN(resource, "/", 4)
	switch {
	case len(parts) == 4:
		return parts[0] + " " + parts[2] + " /" + parts[3]
	case len(parts) == 3: // ANY$default
		return parts[0] + " " + strings.TrimPrefix(parts[2], "ANY")
	}
	return resource
}

// Around returns those edges that are at most so many calls away from a function,
// up to its callers and down to what it calls.
func Around(edges []pinfold.CallEdge, name string, depth int) []pinfold.CallEdge {
	keep := make([]bool, len(edges))
	walk := func(near, far func(*pinfold.CallEdge) pinfold.CallNode) {
		seen := map[pinfold.CallNode]bool{}
		next := map[pinfold.CallNode]bool{function(name): true}
		for range depth {
			maps.Copy(seen, next)
			reached := map[pinfold.CallNode]bool{}
			for i := range edges {
				if e := &edges[i]; next[near(e)] {
					keep[i] = true
					if !seen[far(e)] {
						reached[far(e)] = true
					}
				}
			}
			if next = reached; len(next) == 0 {
				return
			}
		}
	}
	from := func(e *pinfold.CallEdge) pinfold.CallNode { return e.From }
	to := func(e *pinfold.CallEdge) pinfold.CallNode { return e.To }
	walk(from, to)
	walk(to, from)
	var near []pinfold.CallEdge
	for i, e := range edges {
		if keep[i] {
			near = append(near, e)
		}
	}
	return near
}
