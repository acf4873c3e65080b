package lambda

import (
	"context"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// Provisioning is how far instances that are to be kept ready have come.
type Provisioning struct {
	Requested int    // what is asked for at this time
	Allocated int    // started, or about to
	Available int    // ready to take invocations
	Status    string // IN_PROGRESS, READY or FAILED
	Reason    string // why Status is FAILED
}

func (a *adapter) PutFunctionConcurrency(ctx context.Context, in *PutFunctionConcurrencyRequest) (*Concurrency, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	reserved := int(*in.ReservedConcurrentExecutions)
	if err := a.Registry.SetConcurrency(ctx, ref, &reserved); err != nil {
		return nil, err
	}
	return &Concurrency{ReservedConcurrentExecutions: in.ReservedConcurrentExecutions}, nil
}

func (a *adapter) GetFunctionConcurrency(ctx context.Context, in *GetFunctionConcurrencyRequest) (*GetFunctionConcurrencyResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	reserved, err := a.Registry.Concurrency(ctx, ref)
	out := &GetFunctionConcurrencyResponse{}
	if reserved != nil {
		out.ReservedConcurrentExecutions = new(int64(*reserved))
	}
	return out, err
}

func (a *adapter) DeleteFunctionConcurrency(ctx context.Context, in *DeleteFunctionConcurrencyRequest) (*protocol.Empty, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Registry.SetConcurrency(ctx, ref, nil)
}

func (a *adapter) PutFunctionRecursionConfig(ctx context.Context, in *PutFunctionRecursionConfigRequest) (*PutFunctionRecursionConfigResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	if err := a.Registry.SetRecursive(ctx, ref, *in.RecursiveLoop == "Allow"); err != nil {
		return nil, err
	}
	return &PutFunctionRecursionConfigResponse{RecursiveLoop: in.RecursiveLoop}, nil
}

func (a *adapter) GetFunctionRecursionConfig(ctx context.Context, in *GetFunctionRecursionConfigRequest) (*GetFunctionRecursionConfigResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	may, err := a.Registry.Recursive(ctx, ref)
	if err != nil {
		return nil, err
	}
	loop := "Terminate"
	if may {
		loop = "Allow"
	}
	return &GetFunctionRecursionConfigResponse{RecursiveLoop: &loop}, nil
}

func (a *adapter) PutProvisionedConcurrencyConfig(ctx context.Context, in *PutProvisionedConcurrencyConfigRequest) (*PutProvisionedConcurrencyConfigResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, *in.Qualifier)
	if err != nil {
		return nil, err
	}
	p, err := a.Registry.PutProvisioned(ctx, ref, int(*in.ProvisionedConcurrentExecutions), nil)
	if err != nil {
		return nil, err
	}
	// Nothing can have started yet.
	out := provisioned(p, Provisioning{Status: inProgress})
	return new(PutProvisionedConcurrencyConfigResponse(out)), nil
}

func (a *adapter) GetProvisionedConcurrencyConfig(ctx context.Context, in *GetProvisionedConcurrencyConfigRequest) (*GetProvisionedConcurrencyConfigResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, *in.Qualifier)
	if err != nil {
		return nil, err
	}
	p, err := a.Registry.GetProvisioned(ctx, ref)
	if err != nil {
		return nil, err
	}
	return new(provisioned(p, a.provisioning(p))), nil
}

func (a *adapter) ListProvisionedConcurrencyConfigs(ctx context.Context, in *ListProvisionedConcurrencyConfigsRequest) (*ListProvisionedConcurrencyConfigsResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	configs, next, err := a.Registry.ListProvisioned(ctx, ref.With(""), page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	return &ListProvisionedConcurrencyConfigsResponse{NextMarker: present(next), ProvisionedConcurrencyConfigs: each(configs, func(p *pinfold.Provisioned) ProvisionedConcurrencyConfigListItem {
		out := provisioned(p, a.provisioning(p))
		return ProvisionedConcurrencyConfigListItem{
			FunctionArn: new(p.Ref.ARN()), LastModified: out.LastModified, Status: out.Status, StatusReason: out.StatusReason,
			RequestedProvisionedConcurrentExecutions: out.RequestedProvisionedConcurrentExecutions,
			AllocatedProvisionedConcurrentExecutions: out.AllocatedProvisionedConcurrentExecutions,
			AvailableProvisionedConcurrentExecutions: out.AvailableProvisionedConcurrentExecutions,
		}
	})}, nil
}

func (a *adapter) DeleteProvisionedConcurrencyConfig(ctx context.Context, in *DeleteProvisionedConcurrencyConfigRequest) (*protocol.Empty, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, *in.Qualifier)
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Registry.DeleteProvisioned(ctx, ref)
}

const inProgress = "IN_PROGRESS"

// provisioning asks how far instances have come.
func (a *adapter) provisioning(p *pinfold.Provisioned) Provisioning {
	if a.Provisioning == nil {
		return Provisioning{Status: inProgress}
	}
	return a.Provisioning(p.Ref)
}

// provisionedLayout is how Lambda writes times of provisioned concurrency.
// Source: the examples of PutProvisionedConcurrencyConfig.
const provisionedLayout = "2006-01-02T15:04:05-0700"

// provisioned writes what is asked for and what there is of it. A schedule asks
// for another number than the configuration's.
func provisioned(p *pinfold.Provisioned, now Provisioning) GetProvisionedConcurrencyConfigResponse {
	requested := p.Count
	if len(p.Schedule) > 0 {
		requested = now.Requested
	}
	return GetProvisionedConcurrencyConfigResponse{
		RequestedProvisionedConcurrentExecutions: new(int64(requested)),
		AllocatedProvisionedConcurrentExecutions: new(int64(now.Allocated)),
		AvailableProvisionedConcurrentExecutions: new(int64(now.Available)),
		Status:                                   &now.Status, StatusReason: present(now.Reason),
		LastModified: new(p.Modified.UTC().Format(provisionedLayout)),
	}
}
