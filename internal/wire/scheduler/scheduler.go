// Package scheduler is the adapter of Amazon EventBridge Scheduler: its requests,
// answers and errors on the wire, over the service in internal/schedule.
//
// It is a room of the wire layer, over shapes generated from AWS's description
// (api_gen.go). It knows no rules of the service: what a schedule may be, and what it
// sends to whom, is for internal/schedule to say. What it does know is what parts of a
// request the service has no place for, so that none is dropped in silence.
package scheduler

import (
	"context"
	"log/slog"
	"strings"
	"time"

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
			pinfold.Conflict:  "ConflictException",
			pinfold.Invalid:   "ValidationException",
			pinfold.TooLarge:  "ValidationException",
			pinfold.Throttled: "ThrottlingException",
			pinfold.Internal:  "InternalServerException",
		},
		Constraint: "ValidationException",
		MaxBody:    func(string) int64 { return 2 << 20 }, // an input of 256 KB, of which JSON makes more
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
	return a.Authorizer.Authorize(ctx, who, pinfold.Action{Name: "scheduler:" + operation, Resource: a.resource(in)})
}

// resource returns the ARN of what an operation is about. Source: "Actions, resources,
// and condition keys for Amazon EventBridge Scheduler", service authorization
// reference.
func (a *adapter) resource(in any) string {
	schedule := func(group, name *string) string {
		n := pinfold.Schedule{Account: a.Scope.Account, Region: a.Scope.Region, Group: service.DefaultGroup, Name: value(name)}
		if group != nil {
			n.Group = *group
		}
		return n.ARN()
	}
	switch in := in.(type) {
	case *CreateScheduleInput:
		return schedule(in.GroupName, in.Name)
	case *UpdateScheduleInput:
		return schedule(in.GroupName, in.Name)
	case *GetScheduleInput:
		return schedule(in.GroupName, in.Name)
	case *DeleteScheduleInput:
		return schedule(in.GroupName, in.Name)
	case *CreateScheduleGroupInput:
		return a.group(value(in.Name)).ARN()
	case *GetScheduleGroupInput:
		return a.group(value(in.Name)).ARN()
	case *DeleteScheduleGroupInput:
		return a.group(value(in.Name)).ARN()
	case *TagResourceInput:
		return value(in.ResourceArn)
	case *UntagResourceInput:
		return value(in.ResourceArn)
	case *ListTagsForResourceInput:
		return value(in.ResourceArn)
	}
	return "*"
}

func (a *adapter) group(name string) *pinfold.ScheduleGroup {
	return &pinfold.ScheduleGroup{Account: a.Scope.Account, Region: a.Scope.Region, Name: name}
}

// groupName returns the name of the group that an ARN is of.
func (a *adapter) groupName(arn string) (string, error) {
	_, name, _ := strings.Cut(arn, ":schedule-group/")
	if a.group(name).ARN() != arn {
		return "", pinfold.Errorf(pinfold.NotFound, "Schedule group %s does not exist.", arn)
	}
	return name, nil
}

func (a *adapter) CreateScheduleGroup(ctx context.Context, in *CreateScheduleGroupInput) (*CreateScheduleGroupOutput, error) {
	g, err := a.Service.CreateGroup(ctx, pinfold.ScheduleGroup{Name: *in.Name, Tags: tags(in.Tags), Token: value(in.ClientToken)})
	return &CreateScheduleGroupOutput{ScheduleGroupArn: new(g.ARN())}, err
}

func (a *adapter) GetScheduleGroup(ctx context.Context, in *GetScheduleGroupInput) (*GetScheduleGroupOutput, error) {
	g, err := a.Service.Group(ctx, *in.Name)
	return (*GetScheduleGroupOutput)(describeGroup(g)), err
}

func (a *adapter) DeleteScheduleGroup(ctx context.Context, in *DeleteScheduleGroupInput) (*DeleteScheduleGroupOutput, error) {
	return &DeleteScheduleGroupOutput{}, a.Service.DeleteGroup(ctx, *in.Name)
}

func (a *adapter) ListScheduleGroups(ctx context.Context, in *ListScheduleGroupsInput) (*ListScheduleGroupsOutput, error) {
	groups, next, err := a.Service.Groups(ctx, value(in.NamePrefix), service.Page{Token: value(in.NextToken), Max: int(value(in.MaxResults))})
	return &ListScheduleGroupsOutput{NextToken: optional(next), ScheduleGroups: each(groups, func(g pinfold.ScheduleGroup) ScheduleGroupSummary { return *describeGroup(g) })}, err
}

func describeGroup(g pinfold.ScheduleGroup) *ScheduleGroupSummary {
	return &ScheduleGroupSummary{Arn: new(g.ARN()), Name: &g.Name, State: new("ACTIVE"), CreationDate: moment(g.Created), LastModificationDate: moment(g.Modified)}
}

func (a *adapter) TagResource(ctx context.Context, in *TagResourceInput) (*TagResourceOutput, error) {
	name, err := a.groupName(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &TagResourceOutput{}, a.Service.TagGroup(ctx, name, tags(in.Tags))
}

func (a *adapter) UntagResource(ctx context.Context, in *UntagResourceInput) (*UntagResourceOutput, error) {
	name, err := a.groupName(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &UntagResourceOutput{}, a.Service.UntagGroup(ctx, name, in.TagKeys)
}

func (a *adapter) ListTagsForResource(ctx context.Context, in *ListTagsForResourceInput) (*ListTagsForResourceOutput, error) {
	name, err := a.groupName(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	g, err := a.Service.Group(ctx, name)
	return &ListTagsForResourceOutput{Tags: listTags(g.Tags)}, err
}

// moment returns a time, or nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
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
