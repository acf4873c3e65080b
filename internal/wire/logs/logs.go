// Package logs is the adapter of Amazon CloudWatch Logs: its requests, answers
// and errors on the wire, over the service in internal/logs.
//
// It is a room of the wire layer, over shapes generated from AWS's description
// (api_gen.go). It knows no rules of the service: what a name may be, how much a
// batch may hold and what a filter pattern means is for internal/logs to say. What
// it does know is which settings of a request Pinfold does not follow, so that
// none is dropped in silence.
package logs

import (
	"context"
	"encoding/base64"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
	service "pinfold.dev/pinfold/internal/logs"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// Options is what the adapter needs of the platform.
type Options struct {
	Store      *service.Store
	Scope      pinfold.Scope
	Authorizer pinfold.Authorizer
	// Stopping is done when live tails have to end, because the platform does.
	Stopping context.Context
	Log      *slog.Logger
}

// New returns the server of the service.
func New(o Options) (*protocol.Server, error) {
	a := &adapter{Options: o}
	return protocol.NewServer(&Model, a, protocol.Options{
		Authorize: a.authorize,
		Errors: map[pinfold.Code]string{
			pinfold.NotFound:    "ResourceNotFoundException",
			pinfold.Conflict:    "ResourceAlreadyExistsException",
			pinfold.Invalid:     "InvalidParameterException",
			pinfold.TooLarge:    "InvalidParameterException",
			pinfold.Unavailable: "ServiceUnavailableException",
		},
		Constraint: "InvalidParameterException",
		MaxBody:    maxBody,
		TooLarge: func(_ string, limit int64) error {
			return pinfold.Errorf(pinfold.TooLarge, "Upload too large: the request has more than %d bytes", limit)
		},
		Log: o.Log,
	})
}

// maxBatch is the most bytes that a batch of log events has on the wire: a
// megabyte of text, of which JSON may make six bytes of one, and 64 bytes more
// for each of 10,000 events.
const maxBatch = 6<<20 + 10_000*64

func maxBody(operation string) int64 {
	if operation == "PutLogEvents" {
		return maxBatch
	}
	return 1 << 20
}

// adapter implements API.
type adapter struct {
	Options
	sessions atomic.Int32 // live tails that are open
}

var _ API = (*adapter)(nil)

// authorize asks whether the caller may have an operation done: the one place
// through which all of them go.
func (a *adapter) authorize(ctx context.Context, operation string, in any) error {
	resources, err := a.resources(in)
	if err != nil {
		return err
	}
	who := protocol.CallerFrom(ctx).Principal
	for _, resource := range resources {
		if err := a.Authorizer.Authorize(ctx, who, pinfold.Action{Name: "logs:" + operation, Resource: resource}); err != nil {
			return err
		}
	}
	return nil
}

// resources returns the ARNs of what an operation is about. A group's ends with
// :* but where it is tagged by its ARN. Source: "CloudWatch Logs resources and
// operations", CloudWatch Logs user guide.
func (a *adapter) resources(in any) ([]string, error) {
	v := reflect.ValueOf(in).Elem()
	text := func(name string) *string {
		if f := v.FieldByName(name); f.IsValid() {
			return f.Interface().(*string)
		}
		return nil
	}
	identifiers := []*string{text("LogGroupIdentifier")}
	switch in := in.(type) {
	case *DescribeLogGroupsRequest:
		return []string{a.ref("*").ARN()}, nil
	case *StartLiveTailRequest:
		identifiers = each(in.LogGroupIdentifiers, func(id string) *string { return &id })
	}
	if arn := text("ResourceArn"); arn != nil {
		ref, err := parseARN(*arn)
		return []string{ref.ARN()}, err
	}
	suffix := ":*"
	if stream := text("LogStreamName"); stream != nil {
		suffix = ":log-stream:" + *stream
	}
	var all []string
	for _, id := range identifiers {
		ref, err := a.group(text("LogGroupName"), id)
		if err != nil {
			return nil, err
		}
		all = append(all, ref.ARN()+suffix)
	}
	return all, nil
}

// ref names a group of the platform's own account.
func (a *adapter) ref(name string) service.GroupRef {
	return service.GroupRef{Account: a.Scope.Account, Region: a.Scope.Region, Name: name}
}

// group returns the group that a request names by its name, or by an identifier,
// which is its name or ARN.
func (a *adapter) group(name, identifier *string) (service.GroupRef, error) {
	switch {
	case name != nil && identifier != nil:
		return service.GroupRef{}, pinfold.Errorf(pinfold.Invalid, "LogGroup name and LogGroup ARN are mutually exclusive parameters.").WithReason("ValidationException")
	case name != nil:
		return a.ref(*name), nil
	case identifier == nil:
		return service.GroupRef{}, pinfold.Errorf(pinfold.Invalid, "Either logGroupName or logGroupIdentifier must be given.").WithReason("ValidationException")
	case strings.HasPrefix(*identifier, "arn:"):
		return parseARN(*identifier)
	}
	return a.ref(*identifier), nil
}

func parseARN(text string) (service.GroupRef, error) {
	arn, ok := pinfold.ParseARN(text)
	name, group := strings.CutPrefix(arn.Resource, "log-group:")
	if !ok || !group || arn.Service != "logs" || strings.Contains(name, ":") {
		return service.GroupRef{}, pinfold.Errorf(pinfold.Invalid,
			"%q is not the ARN of a log group: it looks like arn:aws:logs:REGION:ACCOUNT:log-group:NAME", text)
	}
	return service.GroupRef{Account: arn.Account, Region: arn.Region, Name: name}, nil
}

// token is what a page's last name looks like to clients, which shall not read it.
func token(name string) *string {
	if name == "" {
		return nil
	}
	return new(base64.RawURLEncoding.EncodeToString([]byte(name)))
}

// untoken is the way back from token.
func untoken(token *string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(value(token))
	if err != nil {
		return "", pinfold.Errorf(pinfold.Invalid, "The specified nextToken is invalid.")
	}
	return string(name), nil
}

// unserved is the error for what a request asks for and Pinfold does not do.
func unserved(what, instead string) error {
	return pinfold.Errorf(pinfold.Unserved, "%s is not served by Pinfold: %s", what, instead).WithReason("InvalidParameterException")
}

// moment reads a time in milliseconds since 1970; nil is the zero time.
func moment(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return time.UnixMilli(*ms)
}

// millis is the way back from moment.
func millis(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return new(t.UnixMilli())
}

// value returns what p points to, or a zero.
func value[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
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
