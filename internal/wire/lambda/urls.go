package lambda

import (
	"context"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// urlLayout is how Lambda writes times of function URLs.
const urlLayout = "2006-01-02T15:04:05.000000Z"

func cors(in *Cors) *pinfold.CORS {
	if in == nil {
		return nil
	}
	return &pinfold.CORS{
		AllowOrigins: in.AllowOrigins, AllowMethods: in.AllowMethods, AllowHeaders: in.AllowHeaders, ExposeHeaders: in.ExposeHeaders,
		AllowCredentials: value(in.AllowCredentials), MaxAge: int(value(in.MaxAge)),
	}
}

// urlConfig writes a function URL; the answers of the other operations are
// parts of it.
func (a *adapter) urlConfig(u *pinfold.URL) FunctionUrlConfig {
	out := FunctionUrlConfig{
		FunctionUrl: new(a.Endpoints().FunctionURL(u.ID)), FunctionArn: new(u.Ref.ARN()), AuthType: &u.AuthType, InvokeMode: &u.InvokeMode,
		CreationTime: new(u.Created.UTC().Format(urlLayout)), LastModifiedTime: new(u.Modified.UTC().Format(urlLayout)),
	}
	if c := u.CORS; c != nil {
		out.Cors = &Cors{
			AllowOrigins: c.AllowOrigins, AllowMethods: c.AllowMethods, AllowHeaders: c.AllowHeaders, ExposeHeaders: c.ExposeHeaders,
		}
		if c.AllowCredentials {
			out.Cors.AllowCredentials = &c.AllowCredentials
		}
		if c.MaxAge > 0 {
			out.Cors.MaxAge = new(int64(c.MaxAge))
		}
	}
	return out
}

func (a *adapter) CreateFunctionUrlConfig(ctx context.Context, in *CreateFunctionUrlConfigRequest) (*CreateFunctionUrlConfigResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	u, err := a.Registry.CreateURL(ctx, ref, *in.AuthType, value(in.InvokeMode), cors(in.Cors))
	if err != nil {
		return nil, err
	}
	c := a.urlConfig(u)
	return &CreateFunctionUrlConfigResponse{
		FunctionUrl: c.FunctionUrl, FunctionArn: c.FunctionArn, AuthType: c.AuthType, InvokeMode: c.InvokeMode, Cors: c.Cors, CreationTime: c.CreationTime,
	}, nil
}

func (a *adapter) GetFunctionUrlConfig(ctx context.Context, in *GetFunctionUrlConfigRequest) (*GetFunctionUrlConfigResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	u, err := a.Registry.GetURL(ctx, ref)
	if err != nil {
		return nil, err
	}
	return new(GetFunctionUrlConfigResponse(a.urlConfig(u))), nil
}

func (a *adapter) UpdateFunctionUrlConfig(ctx context.Context, in *UpdateFunctionUrlConfigRequest) (*UpdateFunctionUrlConfigResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	change := function.URLChange{AuthType: in.AuthType, InvokeMode: in.InvokeMode}
	if in.Cors != nil {
		change.CORS = new(cors(in.Cors))
	}
	u, err := a.Registry.UpdateURL(ctx, ref, change)
	if err != nil {
		return nil, err
	}
	return new(UpdateFunctionUrlConfigResponse(a.urlConfig(u))), nil
}

func (a *adapter) DeleteFunctionUrlConfig(ctx context.Context, in *DeleteFunctionUrlConfigRequest) (*protocol.Empty, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Registry.DeleteURL(ctx, ref)
}

func (a *adapter) ListFunctionUrlConfigs(ctx context.Context, in *ListFunctionUrlConfigsRequest) (*ListFunctionUrlConfigsResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	urls, next, err := a.Registry.ListURLs(ctx, ref, page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	return &ListFunctionUrlConfigsResponse{FunctionUrlConfigs: each(urls, a.urlConfig), NextMarker: present(next)}, nil
}
