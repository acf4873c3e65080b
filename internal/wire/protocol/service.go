package protocol

import (
	"context"
	"time"
)

// Protocol is one of AWS's wire protocols.
type Protocol string

// The protocols. Their names and rules: https://smithy.io/2.0/aws/protocols/.
const (
	JSON10   Protocol = "json-1.0"
	JSON11   Protocol = "json-1.1"
	RESTJSON Protocol = "rest-json"
	RESTXML  Protocol = "rest-xml"
	Query    Protocol = "query"
)

func (p Protocol) json() bool { return p == JSON10 || p == JSON11 || p == RESTJSON }
func (p Protocol) rest() bool { return p == RESTJSON || p == RESTXML }

// Service describes an AWS service. Generated code fills it in.
type Service struct {
	Name      string // name of its description: "lambda"
	Title     string // "AWS Lambda"
	Protocol  Protocol
	Version   string // of the API: "2015-03-31"
	Signing   string // its name in a credential scope
	Host      string // first label of its host names
	Target    string // prefix of X-Amz-Target; JSON protocols only
	Namespace string // XML namespace
	// QueryCompatible says that the service spoke query before it spoke JSON:
	// errors carry the old code in x-amzn-query-error.
	QueryCompatible bool
	// AlsoQuery says that it still takes requests in the query protocol. There lists
	// and maps are flattened, and are called as a struct tag's form=NAME says.
	AlsoQuery bool
	// BareErrors says that an XML error is an <Error> and not inside an
	// <ErrorResponse>, as S3 has it.
	BareErrors bool

	Shapes     map[string]Shape
	Operations []Operation  // served
	Unserved   []Route      // known, and answered with an error that names them
	Errors     []ErrorShape // errors of the served operations
}

// Route is how a request names its operation.
type Route struct {
	Name   string
	Method string
	// URI is a template: "/2018-10-31/layers/{LayerName}/versions?find=X".
	URI string
	// Needs lists query parameters ("?uploadId") and headers ("x-amz-copy-source")
	// that a request for this operation has, where another operation shares its
	// method and path.
	Needs []string
}

// Operation is an operation that is served. [Op] and [StreamOp] make one.
type Operation struct {
	Route
	Status    int // of success
	newInput  func() any
	newOutput func() any
	call      func(ctx context.Context, impl, in any) (any, error)
	// For an operation whose output is an event stream, instead of call:
	newEvent func() any
	stream   func(ctx context.Context, impl, in any, to *eventWriter) error
}

// Op ties a route to the method of the adapter's interface that serves it.
func Op[A, I, O any](route Route, status int, call func(A, context.Context, *I) (*O, error)) Operation {
	return Operation{
		Route:     route,
		Status:    status,
		newInput:  func() any { return new(I) },
		newOutput: func() any { return new(O) },
		call: func(ctx context.Context, impl, in any) (any, error) {
			return call(impl.(A), ctx, in.(*I))
		},
	}
}

// StreamOp is [Op] for an operation whose output is an event stream.
func StreamOp[A, I, O, E any](route Route, status int, call func(A, context.Context, *I, *Events[O, E]) error) Operation {
	return Operation{
		Route:     route,
		Status:    status,
		newInput:  func() any { return new(I) },
		newOutput: func() any { return new(O) },
		newEvent:  func() any { return new(E) },
		stream: func(ctx context.Context, impl, in any, to *eventWriter) error {
			return call(impl.(A), ctx, in.(*I), &Events[O, E]{to})
		},
	}
}

// Empty is the input or output of an operation that has none.
type Empty struct{}

// Shape is what a description says about a shape beyond its Go type. A struct
// tag refers to it by name.
type Shape struct {
	// Limits is "least..most", either may be missing: characters of a string,
	// bytes of a blob, entries of a list or map, or the value of a number.
	Limits    string
	Pattern   string // a Java regular expression that matches the whole string
	Enum      []string
	Sensitive bool   // must not appear in messages
	Key       string // shape of a map's keys
	Item      string // shape of a list's items or a map's values
	KeyName   string // XML and query: element of a map's keys, "key" if empty
	ItemName  string // element of a list's items or map's values, "member" or "value" if empty
	Time      string // a timestamp's format, the protocol's default if empty
}

// ErrorShape is a modelled error.
type ErrorShape struct {
	Name   string
	Code   string // on the wire; empty is Name
	Status int
	Fault  bool // the server's fault, not the sender's
	// Members are its members: "message" or "Message" and what else it has,
	// such as "Type" or "Reason".
	Members []string
}

// Timestamp formats.
const (
	timeISO8601 = "iso8601"
	timeUnix    = "unixTimestamp"
	timeRFC822  = "rfc822"
)

const rfc822Layout = "Mon, 02 Jan 2006 15:04:05 GMT"

func formatTime(t time.Time, format string) string {
	t = t.UTC()
	switch format {
	case timeRFC822:
		return t.Format(rfc822Layout)
	case timeUnix:
		return formatUnix(t)
	}
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05Z")
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}
