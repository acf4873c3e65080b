package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"

	"pinfold.dev/pinfold"
)

// invoke runs the function and answers with what it says. Where the function is
// gone, a deployment may have put another one in its place since the route was
// found, and the request goes there.
func (x *exchange) invoke() {
	e := &x.event
	if x.g.o.HeaderNames != nil {
		e.names = x.g.o.HeaderNames(x.r)
	}
	// The client may go away, the function runs on: see Options.Invoker.
	var ctx context.Context
	var deadline time.Time
	if e.route.timeout > 0 {
		deadline = time.Now().Add(e.route.timeout)
		l := &limit{Context: x.r.Context(), at: deadline}
		defer l.end(context.Canceled)
		ctx = l
	} else {
		ctx = context.WithoutCancel(x.r.Context())
	}
	result, err := x.call(ctx, deadline)
	for pinfold.CodeOf(err) == pinfold.NotFound && !x.stream.begun && x.reroute() {
		result, err = x.call(ctx, deadline)
	}
	if err != nil {
		f, why := x.notInvoked(ctx, err)
		x.finish(nil, f, why)
		return
	}
	if p := result.Phases; p.Cold {
		x.access.Cold = p.Fetch + p.Sandbox + p.Boot + p.Init
	}
	if result.FunctionError != "" {
		x.finish(nil, x.door.failures().function, whatFailed(result.Payload))
		return
	}
	x.finish(result.Payload, nil, "")
}

// finish answers with what the function said, or with a failure if there is a
// reason why.
func (x *exchange) finish(payload []byte, f *failure, why string) {
	switch {
	case x.stream.begun:
		x.stream.end(f, why)
	case why != "":
		x.fail(f, why)
	case x.door.stream:
		x.respondWhole(payload)
	default:
		x.respond(payload)
	}
}

// whatFailed says for the access log how a function failed: its error's type
// tells a timeout, a crash and an exception apart, which all answer alike.
func whatFailed(envelope []byte) string {
	var e struct {
		Type string `json:"errorType"`
	}
	if json.Unmarshal(envelope, &e) != nil || e.Type == "" {
		return "the function failed"
	}
	const most = 128 // bytes: the log is the owner's, and the type the function's
	return "the function failed: " + strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, e.Type[:min(len(e.Type), most)])
}

var errEventTooLarge = errors.New("the event is larger than a function can take")

// call has the route's function run.
func (x *exchange) call(ctx context.Context, deadline time.Time) (*pinfold.Result, error) {
	e := &x.event
	payload := e.append(make([]byte, 0, e.size(x.r)), x.r, x.trace)
	if len(payload) > pinfold.MaxPayload {
		return nil, errEventTooLarge
	}
	inv := &pinfold.Invocation{
		ID:         e.request,
		Principal:  x.principal(),
		Function:   e.route.target,
		Trigger:    pinfold.Trigger{Kind: x.door.trigger(), Source: e.route.source},
		Payload:    payload,
		TraceID:    x.trace,
		TraceState: x.state,
		Deadline:   deadline,
	}
	if x.door.stream {
		x.stream.x = x
		inv.Stream = &x.stream
	}
	return x.g.o.Invoker.Invoke(ctx, inv)
}

// reroute finds the request's route anew if what can be reached has changed
// since it was found. It reports whether that leads to another function, and to
// one that the request may have.
func (x *exchange) reroute() bool {
	t := x.g.table.Load()
	if t == x.table {
		return false
	}
	x.table = t
	to, wrong := t.find(x.r)
	if to.door == nil || wrong != nil || to.door.kind != x.door.kind || to.door.id != x.door.id || to.door.iam {
		return false
	}
	e := &x.event
	route, values := to.door.routes.match(x.r.Method, to.path, e.values[:0])
	if route == nil || route.preflight != nil || route.target == e.route.target {
		return false
	}
	x.door = to.door
	*e = event{
		door: to.door, route: route, path: to.path, values: values, domain: to.domain, prefix: to.prefix,
		source: e.source, proto: e.proto, forwarded: e.forwarded, request: e.request, extended: e.extended, time: e.time,
		body: e.body, names: e.names, headers: e.headers[:0], query: e.query[:0], cookies: e.cookies[:0],
	}
	e.base64 = x.isBinary(e.body)
	x.access.Route, x.access.Function = route.key, route.target.Name
	return x.checkKey()
}

// trigger is the door's word in [pinfold.Trigger].
func (d *door) trigger() string {
	switch d.kind {
	case restDoor:
		return "rest"
	case urlDoor:
		return "url"
	}
	return "http"
}

// notInvoked says what to answer when there is no result, and why. What a
// client could have caused is in the access log only; what the owner must look
// at is logged.
func (x *exchange) notInvoked(ctx context.Context, err error) (*failure, string) {
	f := x.door.failures()
	if errors.Is(err, errEventTooLarge) {
		return f.tooLarge, err.Error()
	}
	if ctx.Err() != nil {
		return f.timeout, "the function took longer than " + x.event.route.timeout.String()
	}
	code := pinfold.CodeOf(err)
	if errors.Is(err, context.DeadlineExceeded) {
		code = pinfold.Timeout
	}
	answer := f.internal
	switch code {
	case pinfold.Timeout:
		answer = f.timeout
	case pinfold.Throttled:
		answer = f.throttled
	case pinfold.TooLarge:
		answer = f.tooLarge
	case pinfold.NotFound:
		answer = f.missing
	case pinfold.Denied:
		answer = f.internal
		if x.door.iam {
			answer = f.forbidden
		}
	case pinfold.Unavailable:
		answer = f.down
	default:
		x.g.o.Log.Error("a function could not be invoked", "function", x.event.route.target.ARN(), "requestId", x.event.request, "error", err)
	}
	return answer, err.Error()
}
