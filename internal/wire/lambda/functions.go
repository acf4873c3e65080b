package lambda

import (
	"bytes"
	"context"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
)

func (a *adapter) CreateFunction(ctx context.Context, in *CreateFunctionRequest) (*FunctionConfiguration, error) {
	if err := refuse(in); err != nil {
		return nil, err
	}
	ref, err := a.Registry.Ref(*in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	pkg, err := a.store(ctx, in.Code.ZipFile)
	if err != nil {
		return nil, err
	}
	v, err := a.Registry.Create(ctx, function.NewFunction{
		Ref: ref, Config: newConfig(in), Code: pkg, Tags: in.Tags, Publish: value(in.Publish),
	})
	if err != nil {
		return nil, err
	}
	return configuration(v, published(v)), nil
}

// store keeps an uploaded zip file.
func (a *adapter) store(ctx context.Context, zip []byte) (pinfold.Package, error) {
	if zip == nil {
		return pinfold.Package{}, pinfold.Errorf(pinfold.Invalid, "Please provide a source for function code.")
	}
	return a.Packages.Add(ctx, bytes.NewReader(zip), 0)
}

// published names a version by its number, and $LATEST by the function alone.
func published(v *pinfold.Version) pinfold.FunctionRef {
	if v.Ref.Qualifier == pinfold.LatestVersion {
		return v.Ref.With("")
	}
	return v.Ref
}

func (a *adapter) GetFunction(ctx context.Context, in *GetFunctionRequest) (*GetFunctionResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	d, err := a.Registry.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	out := &GetFunctionResponse{
		Configuration: configuration(d.Version, ref),
		Code:          &FunctionCodeLocation{RepositoryType: new("S3"), Location: new(a.Links.URL(d.Version.Code))},
	}
	if len(d.Tags) > 0 {
		out.Tags = d.Tags
	}
	if d.ReservedConcurrency != nil {
		out.Concurrency = &Concurrency{ReservedConcurrentExecutions: new(int64(*d.ReservedConcurrency))}
	}
	return out, nil
}

func (a *adapter) GetFunctionConfiguration(ctx context.Context, in *GetFunctionConfigurationRequest) (*FunctionConfiguration, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	d, err := a.Registry.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	return configuration(d.Version, ref), nil
}

func (a *adapter) ListFunctions(ctx context.Context, in *ListFunctionsRequest) (*ListFunctionsResponse, error) {
	all := value(in.FunctionVersion) == "ALL"
	versions, next, err := a.Registry.List(ctx, all, page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	return &ListFunctionsResponse{NextMarker: present(next), Functions: each(versions, func(v *pinfold.Version) FunctionConfiguration {
		if all {
			return listed(v, v.Ref)
		}
		return listed(v, v.Ref.With(""))
	})}, nil
}

func (a *adapter) UpdateFunctionCode(ctx context.Context, in *UpdateFunctionCodeRequest) (*FunctionConfiguration, error) {
	if err := refuse(in); err != nil {
		return nil, err
	}
	ref, err := a.Registry.Ref(*in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	update := function.CodeUpdate{Publish: value(in.Publish), DryRun: value(in.DryRun), RevisionID: value(in.RevisionId)}
	if len(in.Architectures) > 0 {
		update.Architecture = in.Architectures[0]
	}
	if update.Code, err = a.store(ctx, in.ZipFile); err != nil {
		return nil, err
	}
	v, err := a.Registry.UpdateCode(ctx, ref, update)
	if err != nil {
		return nil, err
	}
	return configuration(v, published(v)), nil
}

func (a *adapter) UpdateFunctionConfiguration(ctx context.Context, in *UpdateFunctionConfigurationRequest) (*FunctionConfiguration, error) {
	if err := refuse(in); err != nil {
		return nil, err
	}
	ref, err := a.Registry.Ref(*in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	v, err := a.Registry.UpdateConfig(ctx, ref, configPatch(in), value(in.RevisionId))
	if err != nil {
		return nil, err
	}
	return configuration(v, v.Ref.With("")), nil
}

func (a *adapter) DeleteFunction(ctx context.Context, in *DeleteFunctionRequest) (*DeleteFunctionResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return &DeleteFunctionResponse{StatusCode: new(int64(204))}, a.Registry.Delete(ctx, ref)
}

func (a *adapter) PublishVersion(ctx context.Context, in *PublishVersionRequest) (*FunctionConfiguration, error) {
	if err := refuse(in); err != nil {
		return nil, err
	}
	ref, err := a.Registry.Ref(*in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	p := function.Publication{Description: in.Description, RevisionID: value(in.RevisionId)}
	if in.CodeSha256 != nil {
		p.CodeSHA256 = hexHash(*in.CodeSha256)
	}
	v, err := a.Registry.PublishVersion(ctx, ref, p)
	if err != nil {
		return nil, err
	}
	return configuration(v, v.Ref), nil
}

func (a *adapter) ListVersionsByFunction(ctx context.Context, in *ListVersionsByFunctionRequest) (*ListVersionsByFunctionResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	versions, next, err := a.Registry.ListVersions(ctx, ref, page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	return &ListVersionsByFunctionResponse{NextMarker: present(next), Versions: each(versions, func(v *pinfold.Version) FunctionConfiguration {
		return listed(v, v.Ref)
	})}, nil
}

func (a *adapter) GetAccountSettings(ctx context.Context, _ *GetAccountSettingsRequest) (*GetAccountSettingsResponse, error) {
	s, err := a.Registry.AccountSettings(ctx)
	if err != nil {
		return nil, err
	}
	return &GetAccountSettingsResponse{
		AccountLimit: &AccountLimit{
			CodeSizeUnzipped: &s.Unzipped, CodeSizeZipped: &s.Zipped, TotalCodeSize: &s.CodeStorage,
			ConcurrentExecutions: new(int64(s.Concurrency)), UnreservedConcurrentExecutions: new(int64(s.UnreservedConcurrency)),
		},
		AccountUsage: &AccountUsage{FunctionCount: new(int64(s.Functions)), TotalCodeSize: &s.CodeSize},
	}, nil
}
