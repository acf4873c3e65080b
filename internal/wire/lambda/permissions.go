package lambda

import (
	"context"

	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/mapping"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

func (a *adapter) AddPermission(ctx context.Context, in *AddPermissionRequest) (*AddPermissionResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	statement, err := a.Registry.AddPermission(ctx, ref, function.Permission{
		StatementID: *in.StatementId, Action: *in.Action, Principal: *in.Principal,
		SourceARN: value(in.SourceArn), SourceAccount: value(in.SourceAccount), OrganizationID: value(in.PrincipalOrgID),
		EventSourceToken: value(in.EventSourceToken), URLAuthType: value(in.FunctionUrlAuthType),
		ViaURL: in.InvokedViaFunctionUrl, RevisionID: value(in.RevisionId),
	})
	if err != nil {
		return nil, err
	}
	return &AddPermissionResponse{Statement: &statement}, nil
}

func (a *adapter) RemovePermission(ctx context.Context, in *RemovePermissionRequest) (*protocol.Empty, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Registry.RemovePermission(ctx, ref, *in.StatementId, value(in.RevisionId))
}

func (a *adapter) GetPolicy(ctx context.Context, in *GetPolicyRequest) (*GetPolicyResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	policy, err := a.Registry.Policy(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &GetPolicyResponse{Policy: &policy.Document, RevisionId: &policy.RevisionID}, nil
}

// Tags are of functions and of event source mappings.

func (a *adapter) ListTags(ctx context.Context, in *ListTagsRequest) (*ListTagsResponse, error) {
	var tags map[string]string
	if id, ok := mapping.IDOf(*in.Resource); ok {
		var err error
		if tags, err = a.Mappings.Tags(ctx, id); err != nil {
			return nil, err
		}
	} else {
		ref, err := a.Registry.Ref(*in.Resource, "")
		if err != nil {
			return nil, err
		}
		if tags, err = a.Registry.Tags(ctx, ref); err != nil {
			return nil, err
		}
	}
	if tags == nil {
		tags = map[string]string{}
	}
	return &ListTagsResponse{Tags: tags}, nil
}

func (a *adapter) TagResource(ctx context.Context, in *TagResourceRequest) (*protocol.Empty, error) {
	if id, ok := mapping.IDOf(*in.Resource); ok {
		return &protocol.Empty{}, a.Mappings.Tag(ctx, id, in.Tags)
	}
	ref, err := a.Registry.Ref(*in.Resource, "")
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Registry.Tag(ctx, ref, in.Tags)
}

func (a *adapter) UntagResource(ctx context.Context, in *UntagResourceRequest) (*protocol.Empty, error) {
	if id, ok := mapping.IDOf(*in.Resource); ok {
		return &protocol.Empty{}, a.Mappings.Untag(ctx, id, in.TagKeys)
	}
	ref, err := a.Registry.Ref(*in.Resource, "")
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Registry.Untag(ctx, ref, in.TagKeys)
}
