package gateway

import (
	"context"
	"errors"
	"time"

	"pinfold.dev/pinfold"
)

// invoke runs the function and answers with what it says.
func (x *exchange) invoke() {
	e := &x.event
	if x.g.o.HeaderNames != nil {
		e.names = x.g.o.HeaderNames(x.r)
	}
	payload := e.append(make([]byte, 0, e.size(x.r)), x.r, x.trace)
	if len(payload) > pinfold.MaxPayload {
		x.fail(x.door.failures().tooLarge, "the event is larger than a function can take")
		return
	}
	// The client may go away, the function runs on: see Options.Invoker.
	deadline := time.Now().Add(e.route.timeout)
	ctx, cancel := context.WithDeadline(context.WithoutCancel(x.r.Context()), deadline)
	defer cancel()
	result, err := x.g.o.Invoker.Invoke(ctx, &pinfold.Invocation{
		ID:        e.request,
		Principal: x.principal(),
		Function:  e.route.target,
		Trigger:   pinfold.Trigger{Kind: x.door.trigger(), Source: e.route.source},
		Payload:   payload,
		TraceID:   x.trace,
		Deadline:  deadline,
	})
	if err != nil {
		x.notInvoked(ctx, err)
		return
	}
	if p := result.Phases; p.Cold {
		x.access.Cold = p.Fetch + p.Sandbox + p.Boot + p.Init
	}
	if result.FunctionError != "" {
		x.fail(x.door.failures().function, "the function failed")
		return
	}
	x.respond(result.Payload)
}

// trigger is the door's word in [pinfold.Trigger].
func (d *door) trigger() string {
	switch d.kind {
	case restDoor:
		return "api"
	case urlDoor:
		return "url"
	}
	return "http"
}

// notInvoked answers when there is no result. What a client could have caused
// is in the access log only; what the owner must look at is logged.
func (x *exchange) notInvoked(ctx context.Context, err error) {
	f := x.door.failures()
	code := pinfold.CodeOf(err)
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		code = pinfold.Timeout
	}
	answer := f.internal
	switch code {
	case pinfold.Timeout:
		x.fail(f.timeout, "the function took longer than "+x.event.route.timeout.String())
		return
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
	x.fail(answer, err.Error())
}
