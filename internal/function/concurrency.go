package function

import (
	"context"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

const ofVersions = "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN."

// SetConcurrency reserves simultaneous invocations for a function; 0 throttles
// all of them, nil gives the reservation back.
func (r *Registry) SetConcurrency(ctx context.Context, ref pinfold.FunctionRef, reserved *int) error {
	if err := r.unqualified(ref, ofVersions); err != nil {
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
		claims, err := r.claims(tx)
		if err != nil {
			return err
		}
		if own := claims.provisioned[f.Ref]; own > *reserved {
			return invalid(" ReservedConcurrentExecutions  %d should not be lower than function's total provisioned concurrency [%d].", *reserved, own)
		}
		if r.o.Limits.Concurrency-claims.but(f.Ref)-*reserved < r.o.Limits.Unreserved {
			return invalid("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", r.o.Limits.Unreserved)
		}
		return nil
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

// Bounds of a queue. They are Pinfold's own.
const (
	maxQueue     = 100_000
	maxQueueWait = 900
)

// SetQueue says how invocations of a function wait where they would be
// throttled; nil is not at all.
func (r *Registry) SetQueue(ctx context.Context, ref pinfold.FunctionRef, q *pinfold.Queue) error {
	if err := r.unqualified(ref, ofVersions); err != nil {
		return err
	}
	if q != nil && (q.Max < 1 || q.Max > maxQueue || q.Wait < 1 || q.Wait > maxQueueWait) {
		return invalid("The queue has %d places and a wait of %d s: it can have 1 to %d places and a wait of 1 to %d s.", q.Max, q.Wait, maxQueue, maxQueueWait)
	}
	return r.changeFunction(ctx, ref, func(_ store.Tx, f *pinfold.Function) error {
		f.Queue = q
		return nil
	})
}

// SetRecursive says whether a function may cause its own invocation without end.
func (r *Registry) SetRecursive(ctx context.Context, ref pinfold.FunctionRef, may bool) error {
	if err := r.unqualified(ref, ofVersions); err != nil {
		return err
	}
	return r.changeFunction(ctx, ref, func(_ store.Tx, f *pinfold.Function) error {
		f.Recursive = may
		return nil
	})
}

// recursive is where routes keep the answer of Recursive.
type recursive struct{}

// Recursive reports whether a function may cause its own invocation without
// end. Once read it is served from memory, as Resolve is.
func (r *Registry) Recursive(ctx context.Context, ref pinfold.FunctionRef) (bool, error) {
	if err := r.mine(ref); err != nil {
		return false, err
	}
	if r.joined {
		f, err := r.function(ctx, ref.With(""))
		return f.Recursive, err
	}
	known := r.shared.routes.of(ref.With(""))
	if may, ok := known.Load(recursive{}); ok {
		return may.(bool), nil
	}
	f, err := r.function(ctx, ref.With(""))
	if err != nil {
		r.shared.routes.release(ref.With(""), known)
		return false, err
	}
	known.Store(recursive{}, f.Recursive)
	return f.Recursive, nil
}

// claims is what functions take of the account's concurrency: what they have
// reserved or, where they have not, what is provisioned for them.
type claims struct {
	functions   int
	reserved    map[pinfold.FunctionRef]int
	provisioned map[pinfold.FunctionRef]int
}

func (r *Registry) claims(tx store.Tx) (*claims, error) {
	c := &claims{reserved: map[pinfold.FunctionRef]int{}, provisioned: map[pinfold.FunctionRef]int{}}
	functions, err := tx.Functions().List(r.scopeKey(), nil, 0)
	if err != nil {
		return nil, err
	}
	c.functions = len(functions)
	for _, f := range functions {
		if n := f.Value.ReservedConcurrency; n != nil {
			c.reserved[f.Value.Ref] = *n
		}
	}
	configs, err := tx.Provisioned().List(r.scopeKey(), nil, 0)
	for _, p := range configs {
		c.provisioned[p.Value.Ref.With("")] += peak(p.Value)
	}
	return c, err
}

// but adds up what all functions but one have claimed.
func (c *claims) but(ref pinfold.FunctionRef) (sum int) {
	for f, n := range c.reserved {
		if f != ref {
			sum += n
		}
	}
	for f, n := range c.provisioned {
		if _, inReservation := c.reserved[f]; f != ref && !inReservation {
			sum += n
		}
	}
	return sum
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
	s := &AccountSettings{Limits: r.o.Limits, UnreservedConcurrency: r.o.Limits.Concurrency}
	err := r.o.Store.View(ctx, func(tx store.Tx) error {
		claims, err := r.claims(tx)
		if err != nil {
			return err
		}
		s.Functions = claims.functions
		for _, n := range claims.reserved {
			s.UnreservedConcurrency -= n
		}
		s.CodeSize, err = r.codeSize(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}
