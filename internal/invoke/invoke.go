// Package invoke is the service that leads one invocation from its caller to
// its result: authorize, resolve, check, deliver. Everything that wants a
// function run comes through an [Invoker], and what must happen to every
// invocation (tracing, metering) wraps it.
//
// It knows the registry and the pool by the two small ports [Resolver] and
// [Runner]. On its way it holds no lock, writes nothing to disk, and decodes no
// payload.
package invoke

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"pinfold.dev/pinfold"
)

// MaxClientContext is how many bytes a client context may have in base64.
// Source: "ClientContext", Invoke, Lambda API reference.
const MaxClientContext = 3583

// Resolver finds the version that a reference runs: of an alias with two, one
// of them by its weight.
type Resolver interface {
	Resolve(ctx context.Context, ref pinfold.FunctionRef) (*pinfold.Version, error)
}

// Loops is what a [Resolver] may have besides: it knows which functions are
// meant to cause their own invocation without end. Where there is none, none is.
type Loops interface {
	Recursive(ctx context.Context, ref pinfold.FunctionRef) (bool, error)
}

// Runner runs a version once, in an instance that it finds or makes.
type Runner interface {
	Invoke(ctx context.Context, v *pinfold.Version, inv *pinfold.Invocation) (*pinfold.Result, error)
}

// Invoker implements [pinfold.Invoker].
type Invoker struct {
	authorizer pinfold.Authorizer
	resolver   Resolver
	runner     Runner
}

// New returns an invoker over the platform's parts.
func New(a pinfold.Authorizer, r Resolver, run Runner) *Invoker {
	return &Invoker{authorizer: a, resolver: r, runner: run}
}

// Invoke runs inv and waits for the result. It sets Version, completes TraceID,
// and fills in what inv leaves empty: ID and Payload ({}). The payload must stay as
// it is even after Invoke has returned.
func (i *Invoker) Invoke(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
	v, err := i.prepare(ctx, inv)
	if err != nil {
		return nil, err
	}
	inv.Version = v.Ref.Qualifier
	if inv.ID == "" {
		inv.ID = uuid.NewString()
	}
	now := time.Now()
	trace := parseTrace(inv.TraceID)
	if trace.lineage.visit(inv.Function) > maxVisits {
		if err := i.mayLoop(ctx, inv.Function); err != nil {
			return nil, err
		}
	}
	inv.TraceID = trace.header(now)
	res, err := i.runner.Invoke(ctx, v, inv)
	if err != nil {
		return nil, err
	}
	if res.ExecutedVersion == "" {
		res.ExecutedVersion = v.Ref.Qualifier
	}
	return res, nil
}

// mayLoop refuses to go on with a chain of invocations unless the function is
// meant to. The text begins as that of RecursiveInvocationException does in the
// Lambda API reference.
func (i *Invoker) mayLoop(ctx context.Context, ref pinfold.FunctionRef) error {
	if l, ok := i.resolver.(Loops); ok {
		if may, err := l.Recursive(ctx, ref); may || err != nil {
			return err
		}
	}
	return pinfold.Errorf(pinfold.Invalid, "Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your function's invocation: "+
		"%s was invoked more than %d times in one chain of requests. If that is meant, set its RecursiveLoop to Allow.", ref.Name, maxVisits).
		WithReason("RecursiveInvocationException")
}

// DryRun does everything that Invoke does but running the function, and returns
// the version that would have run. Source: InvocationType, Invoke, Lambda API
// reference: "Validate parameter values and verify that the user or role has
// permission to invoke the function."
func (i *Invoker) DryRun(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Version, error) {
	return i.prepare(ctx, inv)
}

func (i *Invoker) prepare(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Version, error) {
	action := pinfold.Action{Name: "lambda:InvokeFunction", Resource: inv.Function.ARN()}
	if err := i.authorizer.Authorize(ctx, inv.Principal, action); err != nil {
		return nil, err
	}
	if len(inv.Payload) > pinfold.MaxPayload {
		return nil, pinfold.Errorf(pinfold.TooLarge, "Request must be smaller than %d bytes for the InvokeFunction operation", pinfold.MaxPayload).
			WithReason("RequestTooLargeException")
	}
	v, err := i.resolver.Resolve(ctx, inv.Function)
	if err != nil {
		return nil, err
	}
	if len(inv.Payload) == 0 {
		inv.Payload = []byte("{}")
	}
	// What the platform's own parts send has just been written as JSON.
	if inv.Principal.Kind != pinfold.Service {
		if err := checkJSON(inv.Payload); err != nil {
			return nil, err
		}
	}
	return v, checkClientContext(inv.ClientContext)
}

// checkJSON refuses what is not JSON in UTF-8. It costs 1 to 2.5 us per kilobyte,
// a fifth of encoding/json's Valid, and allocates nothing. The beginning of its text is Lambda's, which goes on with
// what its parser says, as ours does: see
// github.com/awsdocs/aws-lambda-developer-guide/issues/382.
func checkJSON(payload []byte) error {
	valid := utf8.Valid(payload)
	if valid && jsontext.Value(payload).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
		return nil
	}
	what := "invalid UTF-8"
	at := invalidUTF8(payload)
	if valid {
		var raw json.RawMessage
		if err := json.Unmarshal(payload, &raw); err != nil {
			what = err.Error()
			at = len(payload)
			if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
				at = max(0, int(syntax.Offset)-1)
			}
		}
	}
	line := 1 + bytes.Count(payload[:at], []byte("\n"))
	column := at - bytes.LastIndexByte(payload[:at], '\n')
	return pinfold.Errorf(pinfold.Invalid, "Could not parse request body into json: Could not parse payload into json: %s at line: %d, column: %d", what, line, column).
		WithReason("InvalidRequestContentException")
}

func invalidUTF8(p []byte) int {
	for i := 0; i < len(p); {
		r, size := utf8.DecodeRune(p[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(p)
}

// checkClientContext holds a client context to its size and form. The text on
// its form is Lambda's (github.com/aws/aws-sdk-js/issues/1388).
func checkClientContext(c string) error {
	if c == "" {
		return nil
	}
	if n := base64.StdEncoding.EncodedLen(len(c)); n > MaxClientContext {
		return pinfold.Errorf(pinfold.Invalid, "Client context must be no more than %d bytes in base64, this one has %d", MaxClientContext, n).
			WithReason("InvalidRequestContentException")
	}
	if !json.Valid([]byte(c)) || !strings.HasPrefix(strings.TrimLeft(c, " \t\r\n"), "{") {
		return pinfold.Errorf(pinfold.Invalid, "Client context must be a valid Base64-encoded JSON object.").
			WithReason("InvalidRequestContentException")
	}
	return nil
}
