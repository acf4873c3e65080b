package function

import (
	"context"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

const concurrencyOfVersions = "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN."

// SetConcurrency reserves simultaneous invocations for a function; 0 throttles
// all of them, nil gives the reservation back.
func (r *Registry) SetConcurrency(ctx context.Context, ref pinfold.FunctionRef, reserved *int) error {
	if err := r.unqualified(ref, concurrencyOfVersions); err != nil {
		return err
	}
	if reserved != nil && *reserved < 0 {
		return constraint(*reserved, "reservedConcurrentExecutions", "Member must have value greater than or equal to 0")
	}
	return r.changeFunction(ctx, ref, func(tx store.Tx, f *pinfold.Function) error {
		f.ReservedConcurrency = reserved
		if reserved == nil {
			return nil
		}
		_, others, err := r.reservedConcurrency(tx, f.Ref)
		if err == nil && r.o.Limits.Concurrency-others-*reserved < r.o.Limits.Unreserved {
			return invalid("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", r.o.Limits.Unreserved)
		}
		return err
	})
}

// Concurrency returns what is reserved for a function, nil for nothing.
func (r *Registry) Concurrency(ctx context.Context, ref pinfold.FunctionRef) (*int, error) {
	if err := r.mine(ref); err != nil {
		return nil, err
	}
	f, err := r.function(ctx, ref.With(""))
	return f.ReservedConcurrency, err
}

// reservedConcurrency adds up what functions but one have reserved, and counts
// all of them.
func (r *Registry) reservedConcurrency(tx store.Tx, but pinfold.FunctionRef) (functions, reserved int, err error) {
	all, err := tx.Functions().List(r.scopeKey(), nil, 0)
	for _, f := range all {
		if f.Value.ReservedConcurrency != nil && f.Value.Ref != but {
			reserved += *f.Value.ReservedConcurrency
		}
	}
	return len(all), reserved, err
}

// AccountSettings are an account's limits in one region, and what it uses.
type AccountSettings struct {
	Limits
	UnreservedConcurrency int   // of Limits.Concurrency, what no function has reserved
	CodeSize              int64 // bytes of Limits.CodeStorage in use
	Functions             int
}

// AccountSettings returns the limits and usage of the registry's scope.
func (r *Registry) AccountSettings(ctx context.Context) (*AccountSettings, error) {
	s := &AccountSettings{Limits: r.o.Limits}
	err := r.o.Store.View(ctx, func(tx store.Tx) (err error) {
		var reserved int
		if s.Functions, reserved, err = r.reservedConcurrency(tx, pinfold.FunctionRef{}); err != nil {
			return err
		}
		s.UnreservedConcurrency = s.Limits.Concurrency - reserved
		s.CodeSize, err = r.codeSize(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}
