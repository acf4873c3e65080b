package protocol

import (
	"context"

	"pinfold.dev/pinfold"
)

// Caller is what the listener knows about a request before its service reads it.
type Caller struct {
	RequestID string // a UUID; goes back as x-amzn-RequestId
	Principal pinfold.Principal
	// Endpoint is the base URL by which the client has reached the listener, and Path
	// what follows it.
	Endpoint, Path string
	// TraceID and TraceState are those that an invocation by this caller has: what
	// the client's trace headers say.
	TraceID, TraceState string
}

type callerKey struct{}

// WithCaller returns a context that carries who calls. A listener fills in what it
// learns later, up to when the service is called.
func WithCaller(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns who calls. Without one it is an anonymous principal, who
// may do nothing.
func CallerFrom(ctx context.Context) Caller {
	if c, ok := ctx.Value(callerKey{}).(*Caller); ok {
		return *c
	}
	return Caller{Principal: pinfold.Principal{Kind: pinfold.Anonymous}}
}
