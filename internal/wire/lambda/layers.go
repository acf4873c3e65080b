package lambda

import (
	"bytes"
	"context"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

func (a *adapter) PublishLayerVersion(ctx context.Context, in *PublishLayerVersionRequest) (*PublishLayerVersionResponse, error) {
	if err := refuse(in); err != nil {
		return nil, err
	}
	if in.Content.ZipFile == nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "Please provide a source for the layer's content: a zip file in ZipFile.")
	}
	pkg, err := a.Packages.Add(ctx, bytes.NewReader(in.Content.ZipFile), 0)
	if err != nil {
		return nil, err
	}
	layer, err := a.Registry.PublishLayer(ctx, function.NewLayer{
		Name: *in.LayerName, Description: value(in.Description), Runtimes: in.CompatibleRuntimes,
		Architectures: in.CompatibleArchitectures, License: value(in.LicenseInfo), Code: pkg,
	})
	if err != nil {
		return nil, err
	}
	return new(PublishLayerVersionResponse(*a.layerVersion(layer))), nil
}

// layerVersion writes a layer version with its content.
func (a *adapter) layerVersion(layer *pinfold.Layer) *GetLayerVersionResponse {
	item := layerItem(layer)
	return &GetLayerVersionResponse{
		LayerArn: new(layerName(layer).ARN()), LayerVersionArn: item.LayerVersionArn, Version: item.Version,
		Description: &layer.Description, CreatedDate: item.CreatedDate, LicenseInfo: item.LicenseInfo,
		CompatibleRuntimes: item.CompatibleRuntimes, CompatibleArchitectures: item.CompatibleArchitectures,
		Content: &LayerVersionContentOutput{
			Location: new(a.Links.URL(layer.Code)), CodeSha256: new(base64Hash(layer.Code.SHA256)), CodeSize: &layer.Code.Size,
		},
	}
}

func layerName(layer *pinfold.Layer) function.LayerName {
	return function.LayerName{Account: layer.Account, Region: layer.Region, Name: layer.Name}
}

func layerItem(layer *pinfold.Layer) LayerVersionsListItem {
	return LayerVersionsListItem{
		LayerVersionArn: new(function.LayerARN(*layer)), Version: new(int64(layer.Version)),
		Description: present(layer.Description), CreatedDate: new(layer.Created.UTC().Format(modifiedLayout)),
		LicenseInfo: present(layer.License), CompatibleRuntimes: layer.Runtimes, CompatibleArchitectures: layer.Architectures,
	}
}

// layer reads the name of a layer version.
func (a *adapter) layer(name *string, version *int64) (function.LayerName, error) {
	layer, err := a.Registry.Layer(*name)
	layer.Version = int(*version)
	return layer, err
}

func (a *adapter) GetLayerVersion(ctx context.Context, in *GetLayerVersionRequest) (*GetLayerVersionResponse, error) {
	name, err := a.layer(in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	layer, err := a.Registry.GetLayer(ctx, name)
	if err != nil {
		return nil, err
	}
	return a.layerVersion(layer), nil
}

func (a *adapter) GetLayerVersionByArn(ctx context.Context, in *GetLayerVersionByArnRequest) (*GetLayerVersionResponse, error) {
	name, err := a.Registry.Layer(*in.Arn)
	if err != nil {
		return nil, err
	}
	layer, err := a.Registry.GetLayer(ctx, name)
	if err != nil {
		return nil, err
	}
	return a.layerVersion(layer), nil
}

func (a *adapter) ListLayers(ctx context.Context, in *ListLayersRequest) (*ListLayersResponse, error) {
	filter := function.LayerFilter{Runtime: value(in.CompatibleRuntime), Architecture: value(in.CompatibleArchitecture)}
	layers, next, err := a.Registry.ListLayers(ctx, filter, page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	return &ListLayersResponse{NextMarker: present(next), Layers: each(layers, func(layer *pinfold.Layer) LayersListItem {
		return LayersListItem{LayerName: &layer.Name, LayerArn: new(layerName(layer).ARN()), LatestMatchingVersion: new(layerItem(layer))}
	})}, nil
}

func (a *adapter) ListLayerVersions(ctx context.Context, in *ListLayerVersionsRequest) (*ListLayerVersionsResponse, error) {
	name, err := a.Registry.Layer(*in.LayerName)
	if err != nil {
		return nil, err
	}
	filter := function.LayerFilter{Runtime: value(in.CompatibleRuntime), Architecture: value(in.CompatibleArchitecture)}
	layers, next, err := a.Registry.ListLayerVersions(ctx, name, filter, page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	return &ListLayerVersionsResponse{LayerVersions: each(layers, layerItem), NextMarker: present(next)}, nil
}

func (a *adapter) DeleteLayerVersion(ctx context.Context, in *DeleteLayerVersionRequest) (*protocol.Empty, error) {
	name, err := a.layer(in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Registry.DeleteLayer(ctx, name)
}

func (a *adapter) AddLayerVersionPermission(ctx context.Context, in *AddLayerVersionPermissionRequest) (*AddLayerVersionPermissionResponse, error) {
	name, err := a.layer(in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	statement, revision, err := a.Registry.AddLayerPermission(ctx, name, function.LayerPermission{
		StatementID: *in.StatementId, Action: *in.Action, Principal: *in.Principal,
		OrganizationID: value(in.OrganizationId), RevisionID: value(in.RevisionId),
	})
	if err != nil {
		return nil, err
	}
	return &AddLayerVersionPermissionResponse{Statement: &statement, RevisionId: &revision}, nil
}

func (a *adapter) RemoveLayerVersionPermission(ctx context.Context, in *RemoveLayerVersionPermissionRequest) (*protocol.Empty, error) {
	name, err := a.layer(in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Registry.RemoveLayerPermission(ctx, name, *in.StatementId, value(in.RevisionId))
}

func (a *adapter) GetLayerVersionPolicy(ctx context.Context, in *GetLayerVersionPolicyRequest) (*GetLayerVersionPolicyResponse, error) {
	name, err := a.layer(in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	policy, err := a.Registry.LayerPolicy(ctx, name)
	if err != nil {
		return nil, err
	}
	return &GetLayerVersionPolicyResponse{Policy: &policy.Document, RevisionId: &policy.RevisionID}, nil
}
