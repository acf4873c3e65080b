// Package events is the adapter of Amazon EventBridge: its requests, answers and
// errors on the wire, over the rules that internal/schedule keeps.
//
// It is a room of the wire layer, over shapes generated from AWS's description
// (api_gen.go). What it serves are rules with a schedule, on the default bus, which is
// the only one. It knows no rules of the service; what it does know is which parts of a
// request that has no place for, so that none is dropped in silence.
package events

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	service "pinfold.dev/pinfold/internal/schedule"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// Options is what the adapter needs of the platform.
type Options struct {
	Service    *service.Service
	Scope      pinfold.Scope
	Authorizer pinfold.Authorizer
	Log        *slog.Logger
}

// New returns the server of the service.
func New(o Options) (*protocol.Server, error) {
	a := &adapter{o}
	return protocol.NewServer(&Model, a, protocol.Options{
		Authorize: a.authorize,
		Errors: map[pinfold.Code]string{
			pinfold.NotFound:  "ResourceNotFoundException",
			pinfold.Conflict:  "ConcurrentModificationException",
			pinfold.Invalid:   "ValidationException",
			pinfold.TooLarge:  "ValidationException",
			pinfold.Throttled: "ThrottlingException",
			pinfold.Internal:  "InternalException",
		},
		Constraint: "ValidationException",
		Log:        o.Log,
	})
}

// adapter implements API.
type adapter struct{ Options }

var _ API = (*adapter)(nil)

// authorize asks whether the caller may have an operation done: the one place through
// which all of them go.
func (a *adapter) authorize(ctx context.Context, operation string, in any) error {
	who := protocol.CallerFrom(ctx).Principal
	return a.Authorizer.Authorize(ctx, who, pinfold.Action{Name: "events:" + operation, Resource: a.resource(in)})
}

// resource returns the ARN of what an operation is about. Source: "Actions, resources,
// and condition keys for Amazon EventBridge", service authorization reference.
func (a *adapter) resource(in any) string {
	switch in := in.(type) {
	case *PutRuleRequest:
		return a.rule(in.EventBusName, in.Name)
	case *DeleteRuleRequest:
		return a.rule(in.EventBusName, in.Name)
	case *DescribeRuleRequest:
		return a.rule(in.EventBusName, in.Name)
	case *EnableRuleRequest:
		return a.rule(in.EventBusName, in.Name)
	case *DisableRuleRequest:
		return a.rule(in.EventBusName, in.Name)
	case *PutTargetsRequest:
		return a.rule(in.EventBusName, in.Rule)
	case *RemoveTargetsRequest:
		return a.rule(in.EventBusName, in.Rule)
	case *ListTargetsByRuleRequest:
		return a.rule(in.EventBusName, in.Rule)
	case *DescribeEventBusRequest:
		return a.busARN(bus(in.Name))
	case *TagResourceRequest:
		return *in.ResourceARN
	case *UntagResourceRequest:
		return *in.ResourceARN
	case *ListTagsForResourceRequest:
		return *in.ResourceARN
	}
	return "*"
}

func (a *adapter) rule(of, name *string) string {
	r := pinfold.Rule{Account: a.Scope.Account, Region: a.Scope.Region, Bus: bus(of), Name: value(name)}
	return r.ARN()
}

// bus returns the name of the bus that a request names by name or ARN, the default one
// if it names none.
func bus(text *string) string {
	if text == nil {
		return service.DefaultBus
	}
	if _, name, ok := strings.Cut(*text, ":event-bus/"); ok {
		return name
	}
	return *text
}

func (a *adapter) busARN(name string) string {
	return pinfold.ARN{Partition: "aws", Service: "events", Region: a.Scope.Region, Account: a.Scope.Account, Resource: "event-bus/" + name}.String()
}

func (a *adapter) DescribeEventBus(_ context.Context, in *DescribeEventBusRequest) (*DescribeEventBusResponse, error) {
	name := bus(in.Name)
	return &DescribeEventBusResponse{Name: &name, Arn: new(a.busARN(name))}, service.CheckBus(name)
}

// ListEventBuses lists the default bus.
func (a *adapter) ListEventBuses(_ context.Context, in *ListEventBusesRequest) (*ListEventBusesResponse, error) {
	out := &ListEventBusesResponse{EventBuses: []EventBus{}}
	if strings.HasPrefix(service.DefaultBus, value(in.NamePrefix)) {
		out.EventBuses = append(out.EventBuses, EventBus{Name: new(service.DefaultBus), Arn: new(a.busARN(service.DefaultBus))})
	}
	return out, nil
}

func (a *adapter) TestEventPattern(_ context.Context, in *TestEventPatternRequest) (*TestEventPatternResponse, error) {
	result, err := service.TestPattern(*in.EventPattern, *in.Event)
	return &TestEventPatternResponse{Result: &result}, err
}

func (a *adapter) TagResource(ctx context.Context, in *TagResourceRequest) (*TagResourceResponse, error) {
	name, err := a.ruleName(*in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return &TagResourceResponse{}, a.Service.TagRule(ctx, "", name, tags(in.Tags))
}

func (a *adapter) UntagResource(ctx context.Context, in *UntagResourceRequest) (*UntagResourceResponse, error) {
	name, err := a.ruleName(*in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return &UntagResourceResponse{}, a.Service.UntagRule(ctx, "", name, in.TagKeys)
}

func (a *adapter) ListTagsForResource(ctx context.Context, in *ListTagsForResourceRequest) (*ListTagsForResourceResponse, error) {
	name, err := a.ruleName(*in.ResourceARN)
	if err != nil {
		return nil, err
	}
	r, err := a.Service.Rule(ctx, "", name)
	return &ListTagsForResourceResponse{Tags: each(slices.Sorted(maps.Keys(r.Tags)), func(key string) Tag { return Tag{Key: &key, Value: new(r.Tags[key])} })}, err
}

// ruleName returns the name of the rule that an ARN is of. Nothing else has tags here.
func (a *adapter) ruleName(arn string) (string, error) {
	_, name, _ := strings.Cut(arn, ":rule/")
	if a.rule(nil, &name) == arn {
		return name, nil
	}
	if strings.Contains(arn, ":event-bus/") {
		return "", pinfold.Errorf(pinfold.Unserved, "Tags of event buses are not served by Pinfold (%s): rules have tags", arn).WithReason("ValidationException")
	}
	return "", pinfold.Errorf(pinfold.NotFound, "Rule %s does not exist on EventBus default.", strings.TrimPrefix(name, "default/"))
}

func tags(list []Tag) map[string]string {
	all := map[string]string{}
	for _, t := range list {
		all[*t.Key] = *t.Value
	}
	return all
}

// optional returns a text, or nil for none.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// value returns what p points to, or a zero.
func value[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// each converts the items of a list; the result is never nil, as AWS answers with an
// empty list.
func each[T, U any](items []T, convert func(T) U) []U {
	all := make([]U, len(items))
	for i, item := range items {
		all[i] = convert(item)
	}
	return all
}
