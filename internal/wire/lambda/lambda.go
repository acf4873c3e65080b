// Package lambda is the adapter of AWS Lambda: its requests, answers and errors
// on the wire, over the function registry and the invoker.
//
// It is a room of the wire layer, over shapes generated from AWS's description
// (api_gen.go). It knows no rules of the service: what a name means, what may
// be changed and when, is for internal/function to say; what happens in an
// invocation for internal/invoke. What it does know is which settings of a
// request Pinfold cannot honour yet (settings.go), so that none is dropped in
// silence.
package lambda

import (
	"context"
	"io"
	"log/slog"
	"reflect"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/mapping"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// Invoker runs functions, or only checks that it could; internal/invoke has one.
type Invoker interface {
	pinfold.Invoker
	// DryRun does everything that Invoke does but running the function.
	DryRun(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Version, error)
}

// Packages stores code packages; internal/code has it.
type Packages interface {
	// Add stores a zip file of at most limit bytes (0: AWS's limit).
	Add(ctx context.Context, r io.Reader, limit int64) (pinfold.Package, error)
}

// Options is what the adapter needs of the platform.
type Options struct {
	Registry   *function.Registry
	Invoker    Invoker
	Packages   Packages
	Authorizer pinfold.Authorizer
	Mappings   *mapping.Registry
	Async      Async // nil: asynchronous invocation is not served
	// Endpoints tells where the platform can be reached, once it can.
	Endpoints func() pinfold.Endpoints
	// Links makes the URLs under which clients fetch code.
	Links *Links
	// Provisioning tells how far the instances have come that are to be kept ready
	// of a version or alias; if it is nil none has.
	Provisioning func(ref pinfold.FunctionRef) Provisioning
	Log          *slog.Logger
}

// New returns the server of the service.
func New(o Options) (*protocol.Server, error) {
	a := &adapter{o}
	return protocol.NewServer(&Model, a, protocol.Options{
		Authorize: a.authorize,
		Errors: map[pinfold.Code]string{
			pinfold.NotFound:  "ResourceNotFoundException",
			pinfold.Conflict:  "ResourceConflictException",
			pinfold.Invalid:   "InvalidParameterValueException",
			pinfold.Denied:    "AccessDeniedException",
			pinfold.Throttled: "TooManyRequestsException",
			pinfold.TooLarge:  "RequestTooLargeException",
			pinfold.Internal:  "ServiceException",
		},
		Malformed: "InvalidRequestContentException",
		MaxBody:   maxBody,
		TooLarge:  tooLarge,
		Log:       o.Log,
	})
}

// Limits on the bytes of a request. Source: the texts of Lambda's own errors,
// "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
// "... 69905067 bytes for the UpdateFunctionCode operation", "... 70167211 bytes
// for the CreateFunction operation": 50 MB in base64, and 256 KB more.
const (
	maxInvoke = 6291456
	maxUpdate = 69905067
	maxCreate = 70167211
	maxOther  = 1 << 20
)

func maxBody(operation string) int64 {
	switch operation {
	case "Invoke", "InvokeAsync", "InvokeWithResponseStream":
		return maxInvoke
	case "UpdateFunctionCode":
		return maxUpdate
	case "CreateFunction", "PublishLayerVersion":
		return maxCreate
	}
	return maxOther
}

func tooLarge(operation string, limit int64) error {
	reason := "RequestEntityTooLargeException"
	if actions[operation] == "InvokeFunction" {
		operation, reason = "InvokeFunction", "RequestTooLargeException"
	}
	return pinfold.Errorf(pinfold.TooLarge, "Request must be smaller than %d bytes for the %s operation", limit, operation).WithReason(reason)
}

// adapter implements API.
type adapter struct{ Options }

var _ API = (*adapter)(nil)

// actions are the operations whose IAM action has another name. Source:
// "Actions, resources, and condition keys for AWS Lambda", service
// authorization reference.
var actions = map[string]string{
	"Invoke":                   "InvokeFunction",
	"InvokeAsync":              "InvokeFunction",
	"InvokeWithResponseStream": "InvokeFunction",
	"GetLayerVersionByArn":     "GetLayerVersion",
}

// authorize asks whether the caller may have an operation done: the one place
// through which all of them go.
func (a *adapter) authorize(ctx context.Context, operation string, in any) error {
	if a.Async == nil && needsAsync(operation) {
		return unservedAsync(operation)
	}
	resource, err := a.resource(in)
	if err != nil {
		return err
	}
	if name, ok := actions[operation]; ok {
		operation = name
	}
	return a.Authorizer.Authorize(ctx, protocol.CallerFrom(ctx).Principal, pinfold.Action{Name: "lambda:" + operation, Resource: resource})
}

// resource returns the ARN of what an operation is about, "*" for one that is
// about no single thing.
func (a *adapter) resource(in any) (string, error) {
	if invocation, ok := in.(*InvocationRequest); ok { // the hot path needs no reflection
		ref, err := a.Registry.Ref(*invocation.FunctionName, value(invocation.Qualifier))
		return ref.ARN(), err
	}
	v := reflect.ValueOf(in).Elem()
	text := func(name string) string {
		if f := v.FieldByName(name); f.IsValid() && !f.IsNil() && f.Elem().Kind() == reflect.String {
			return f.Elem().String()
		}
		return ""
	}
	if id := text("UUID"); id != "" { // of an event source mapping, whose function may change
		return a.Mappings.ARN(id), nil
	}
	switch name := text("FunctionName"); {
	case name != "":
		ref, err := a.Registry.Ref(name, text("Qualifier"))
		return ref.ARN(), err
	case text("LayerName") != "":
		layer, err := a.Registry.Layer(text("LayerName"))
		if f := v.FieldByName("VersionNumber"); err == nil && f.IsValid() {
			layer.Version = int(f.Elem().Int())
		}
		return layer.ARN(), err
	case text("Arn") != "":
		return text("Arn"), nil
	case text("Resource") != "":
		return text("Resource"), nil
	}
	return "*", nil
}

// value returns what p points to, or a zero.
func value[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// present returns nil for an empty string.
func present(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// page reads what a request says about paging.
func page(marker *string, maxItems *int64) function.Page {
	return function.Page{Marker: value(marker), Max: int(value(maxItems))}
}

// each converts the items of a list; the result is never nil, as AWS answers
// with an empty list.
func each[T, U any](items []T, convert func(T) U) []U {
	all := make([]U, len(items))
	for i, item := range items {
		all[i] = convert(item)
	}
	return all
}

// unserved is the error for what a request asks for and Pinfold does not serve.
func unserved(what, instead string) error {
	return pinfold.Errorf(pinfold.Unserved, "%s", strings.TrimSpace(what+" is not served by Pinfold yet: "+instead)).
		WithReason("InvalidParameterValueException")
}
