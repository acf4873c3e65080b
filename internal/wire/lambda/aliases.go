package lambda

import (
	"context"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// alias reads the name of an alias, which stands beside the function's.
func (a *adapter) alias(functionName, name *string) (pinfold.FunctionRef, error) {
	ref, err := a.Registry.Ref(*functionName, "")
	return ref.With(*name), err
}

func aliasConfiguration(alias *pinfold.Alias) AliasConfiguration {
	out := AliasConfiguration{
		AliasArn: new(alias.Ref.ARN()), Name: &alias.Ref.Qualifier, FunctionVersion: &alias.Version,
		Description: &alias.Description, RevisionId: &alias.RevisionID,
	}
	if alias.Additional != "" {
		out.RoutingConfig = &AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{alias.Additional: alias.Weight}}
	}
	return out
}

func (a *adapter) CreateAlias(ctx context.Context, in *CreateAliasRequest) (*AliasConfiguration, error) {
	ref, err := a.alias(in.FunctionName, in.Name)
	if err != nil {
		return nil, err
	}
	var routing map[string]float64
	if in.RoutingConfig != nil {
		routing = in.RoutingConfig.AdditionalVersionWeights
	}
	alias, err := a.Registry.CreateAlias(ctx, ref, *in.FunctionVersion, value(in.Description), routing)
	if err != nil {
		return nil, err
	}
	return new(aliasConfiguration(alias)), nil
}

func (a *adapter) GetAlias(ctx context.Context, in *GetAliasRequest) (*AliasConfiguration, error) {
	ref, err := a.alias(in.FunctionName, in.Name)
	if err != nil {
		return nil, err
	}
	alias, err := a.Registry.GetAlias(ctx, ref)
	if err != nil {
		return nil, err
	}
	return new(aliasConfiguration(alias)), nil
}

func (a *adapter) ListAliases(ctx context.Context, in *ListAliasesRequest) (*ListAliasesResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	aliases, next, err := a.Registry.ListAliases(ctx, ref, value(in.FunctionVersion), page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	return &ListAliasesResponse{Aliases: each(aliases, aliasConfiguration), NextMarker: present(next)}, nil
}

func (a *adapter) UpdateAlias(ctx context.Context, in *UpdateAliasRequest) (*AliasConfiguration, error) {
	ref, err := a.alias(in.FunctionName, in.Name)
	if err != nil {
		return nil, err
	}
	change := function.AliasChange{Version: in.FunctionVersion, Description: in.Description, RevisionID: value(in.RevisionId)}
	if in.RoutingConfig != nil {
		change.Routing = &in.RoutingConfig.AdditionalVersionWeights
	}
	alias, err := a.Registry.UpdateAlias(ctx, ref, change)
	if err != nil {
		return nil, err
	}
	return new(aliasConfiguration(alias)), nil
}

func (a *adapter) DeleteAlias(ctx context.Context, in *DeleteAliasRequest) (*protocol.Empty, error) {
	ref, err := a.alias(in.FunctionName, in.Name)
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Registry.DeleteAlias(ctx, ref)
}
