package function

import (
	"context"
	"math"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// Settings are what governs how many invocations of a function run at a time,
// as the pool needs to be told.
type Settings struct {
	Ref         pinfold.FunctionRef // unqualified
	Reserved    *int                // nil: shares what no function has reserved; 0: every invocation is throttled
	Queue       *pinfold.Queue      // nil: nothing waits at the limit
	Provisioned []Target
}

// Target is a version or alias with provisioned instances, and where it leads.
type Target struct {
	pinfold.Provisioned
	Version *pinfold.Version
	Other   *pinfold.Version // an alias's second version, or nil
	Weight  float64          // the share of invocations that Other gets
}

// Share is a part of the instances of a target.
type Share struct {
	Version *pinfold.Version
	Count   int
}

// Shares divides count instances between the versions of a target as its
// invocations are, to whole instances; a version that gets any invocation has
// one if there are two or more.
func (t Target) Shares(count int) []Share {
	if t.Other == nil || count == 0 {
		return []Share{{t.Version, count}}
	}
	other := int(math.Round(float64(count) * t.Weight))
	if count > 1 && t.Weight > 0 && t.Weight < 1 {
		other = min(max(other, 1), count-1)
	}
	return []Share{{t.Version, count - other}, {t.Other, other}}
}

// Settings returns the settings of a function.
func (r *Registry) Settings(ctx context.Context, ref pinfold.FunctionRef) (s Settings, err error) {
	if err := r.mine(ref); err != nil {
		return s, err
	}
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		f, err := tx.Functions().Get(functionKey(ref))
		if err != nil {
			return orMissing(err, functionNotFound(ref.With("")))
		}
		s, err = settingsOf(tx, f)
		return err
	})
	return s, err
}

// AllSettings returns the settings of every function that has any.
func (r *Registry) AllSettings(ctx context.Context) (all []Settings, err error) {
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		provisioned := map[pinfold.FunctionRef]bool{}
		configs, err := tx.Provisioned().List(r.scopeKey(), nil, 0)
		if err != nil {
			return err
		}
		for _, p := range configs {
			provisioned[p.Value.Ref.With("")] = true
		}
		functions, err := tx.Functions().List(r.scopeKey(), nil, 0)
		if err != nil {
			return err
		}
		for _, f := range functions {
			if f.Value.ReservedConcurrency == nil && f.Value.Queue == nil && !provisioned[f.Value.Ref] {
				continue
			}
			s, err := settingsOf(tx, f.Value)
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		return nil
	})
	return all, err
}

func settingsOf(tx store.Tx, f pinfold.Function) (Settings, error) {
	s := Settings{Ref: f.Ref, Reserved: f.ReservedConcurrency, Queue: f.Queue}
	configs, err := tx.Provisioned().List(functionKey(f.Ref), nil, 0)
	if err != nil {
		return s, err
	}
	for _, p := range configs {
		way, err := follow(tx, p.Value.Ref)
		if err != nil {
			return s, err
		}
		s.Provisioned = append(s.Provisioned, Target{Provisioned: p.Value, Version: way.main, Other: way.other, Weight: way.weight})
	}
	return s, nil
}
