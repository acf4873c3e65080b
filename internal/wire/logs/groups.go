package logs

import (
	"context"
	"maps"
	"slices"

	"pinfold.dev/pinfold"
	service "pinfold.dev/pinfold/internal/logs"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

func (a *adapter) CreateLogGroup(_ context.Context, in *CreateLogGroupRequest) (*protocol.Empty, error) {
	switch {
	case in.KmsKeyId != nil:
		return nil, unserved("KmsKeyId", "leave it out; logs are not encrypted with keys of your own.")
	case value(in.DeletionProtectionEnabled):
		return nil, unserved("DeletionProtectionEnabled", "leave it out; a log group can always be deleted.")
	case value(in.LogGroupClass) == "DELIVERY":
		return nil, unserved("LogGroupClass DELIVERY", "use STANDARD or INFREQUENT_ACCESS, which are the same here.")
	}
	return &protocol.Empty{}, a.Store.CreateGroup(a.ref(*in.LogGroupName), value(in.LogGroupClass), in.Tags)
}

func (a *adapter) DeleteLogGroup(_ context.Context, in *DeleteLogGroupRequest) (*protocol.Empty, error) {
	return &protocol.Empty{}, a.Store.DeleteGroup(a.ref(*in.LogGroupName))
}

func (a *adapter) DescribeLogGroups(_ context.Context, in *DescribeLogGroupsRequest) (*DescribeLogGroupsResponse, error) {
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	if len(in.AccountIdentifiers) > 0 && !slices.Contains(in.AccountIdentifiers, a.Scope.Account) {
		return &DescribeLogGroupsResponse{LogGroups: []LogGroup{}}, nil // no other account is linked
	}
	if in.LogGroupIdentifiers != nil {
		return a.describeNamed(in)
	}
	after, err := untoken(in.NextToken)
	if err != nil {
		return nil, err
	}
	groups, after, err := a.Store.Groups(service.GroupQuery{
		Account: a.Scope.Account, Region: a.Scope.Region, Prefix: value(in.LogGroupNamePrefix), Contains: value(in.LogGroupNamePattern),
		Class: value(in.LogGroupClass), After: after, Limit: int(value(in.Limit)),
	})
	if err != nil {
		return nil, err
	}
	return &DescribeLogGroupsResponse{LogGroups: each(groups, describe), NextToken: token(after)}, nil
}

// describeNamed describes those of the groups that a request lists that are there.
func (a *adapter) describeNamed(in *DescribeLogGroupsRequest) (*DescribeLogGroupsResponse, error) {
	if in.LogGroupNamePrefix != nil || in.LogGroupNamePattern != nil || in.LogGroupClass != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "logGroupIdentifiers cannot be given together with another filter of log groups.")
	}
	out := &DescribeLogGroupsResponse{LogGroups: []LogGroup{}}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(in.LogGroupIdentifiers))) {
		ref, err := a.group(nil, &id)
		if err != nil {
			return nil, err
		}
		group, err := a.Store.Group(ref)
		switch {
		case err == nil && ref == a.ref(ref.Name):
			out.LogGroups = append(out.LogGroups, describe(group))
		case err != nil && pinfold.CodeOf(err) != pinfold.NotFound:
			return nil, err
		}
	}
	return out, nil
}

func describe(g service.Group) LogGroup {
	arn := g.ARN()
	out := LogGroup{
		Arn: new(arn + ":*"), LogGroupArn: &arn, LogGroupName: &g.Name, LogGroupClass: &g.Class, CreationTime: millis(g.Created),
		StoredBytes: &g.StoredBytes, MetricFilterCount: new(int64), DeletionProtectionEnabled: new(bool),
	}
	if g.RetentionDays != 0 {
		out.RetentionInDays = new(int64(g.RetentionDays))
	}
	return out
}

func (a *adapter) PutRetentionPolicy(_ context.Context, in *PutRetentionPolicyRequest) (*protocol.Empty, error) {
	days := *in.RetentionInDays
	if days == 0 {
		days = -1 // which the service refuses, as AWS does; its 0 is DeleteRetentionPolicy
	}
	return &protocol.Empty{}, a.Store.SetRetention(a.ref(*in.LogGroupName), int(days))
}

func (a *adapter) DeleteRetentionPolicy(_ context.Context, in *DeleteRetentionPolicyRequest) (*protocol.Empty, error) {
	return &protocol.Empty{}, a.Store.SetRetention(a.ref(*in.LogGroupName), 0)
}

func (a *adapter) TagResource(_ context.Context, in *TagResourceRequest) (*protocol.Empty, error) {
	ref, err := parseARN(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Store.Tag(ref, in.Tags)
}

func (a *adapter) UntagResource(_ context.Context, in *UntagResourceRequest) (*protocol.Empty, error) {
	ref, err := parseARN(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Store.Untag(ref, in.TagKeys)
}

func (a *adapter) ListTagsForResource(_ context.Context, in *ListTagsForResourceRequest) (*ListTagsForResourceResponse, error) {
	ref, err := parseARN(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := a.tags(ref)
	return &ListTagsForResourceResponse{Tags: tags}, err
}

func (a *adapter) TagLogGroup(_ context.Context, in *TagLogGroupRequest) (*protocol.Empty, error) {
	return &protocol.Empty{}, a.Store.Tag(a.ref(*in.LogGroupName), in.Tags)
}

func (a *adapter) UntagLogGroup(_ context.Context, in *UntagLogGroupRequest) (*protocol.Empty, error) {
	return &protocol.Empty{}, a.Store.Untag(a.ref(*in.LogGroupName), in.Tags)
}

func (a *adapter) ListTagsLogGroup(_ context.Context, in *ListTagsLogGroupRequest) (*ListTagsLogGroupResponse, error) {
	tags, err := a.tags(a.ref(*in.LogGroupName))
	return &ListTagsLogGroupResponse{Tags: tags}, err
}

// tags returns a group's tags, which are not nil: AWS answers with an empty map.
func (a *adapter) tags(ref service.GroupRef) (map[string]string, error) {
	group, err := a.Store.Group(ref)
	tags := map[string]string{}
	maps.Copy(tags, group.Tags)
	return tags, err
}
