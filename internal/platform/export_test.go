package platform

import (
	"context"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/pool"
)

// Resolve finds the version that a function runs now.
func (p *Platform) Resolve(ctx context.Context, ref pinfold.FunctionRef) (*pinfold.Version, error) {
	return p.functions.Resolve(ctx, ref)
}

// InvokeVersion runs a version that was found before.
func (p *Platform) InvokeVersion(ctx context.Context, v *pinfold.Version, inv *pinfold.Invocation) (*pinfold.Result, error) {
	return p.pool.Invoke(ctx, v, inv)
}

// Instances tells what instances there are.
func (p *Platform) Instances() []pool.Stats { return p.pool.Stats() }
