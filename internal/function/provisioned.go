package function

import (
	"context"
	"math"
	"slices"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/cron"
	"pinfold.dev/pinfold/internal/store"
)

// maxSchedule bounds the entries of a schedule. It is Pinfold's own.
const maxSchedule = 100

// PutProvisioned asks for instances to be kept ready of the version or alias
// that ref's Qualifier names, in place of all that was asked for it before. A
// schedule may come beside count, which may be 0 then.
//
// Texts and order of the rules: put_provisioned_concurrency_config in
// localstack/localstack, services/lambda_/provider.py, recorded from AWS.
func (r *Registry) PutProvisioned(ctx context.Context, ref pinfold.FunctionRef, count int, schedule []pinfold.ScheduledCount) (*pinfold.Provisioned, error) {
	if err := r.mine(ref); err != nil {
		return nil, err
	}
	p := &pinfold.Provisioned{Ref: ref, Count: count, Schedule: slices.Clone(schedule), Modified: r.now()}
	if err := checkProvisioned(*p); err != nil {
		return nil, err
	}
	if ref.Qualifier == "" || ref.Qualifier == pinfold.LatestVersion {
		return nil, unpublished()
	}
	err := r.update(ctx, ref, func(tx store.Tx) error {
		if err := provisionedOwner(tx, ref); err != nil {
			return err
		}
		if err := r.checkProvisionedLimits(tx, *p); err != nil {
			return err
		}
		if err := checkProvisionedTwice(tx, ref); err != nil {
			return err
		}
		return tx.Provisioned().Put(versionKey(ref, ref.Qualifier), *p)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// GetProvisioned returns what is asked for of a version or alias.
func (r *Registry) GetProvisioned(ctx context.Context, ref pinfold.FunctionRef) (*pinfold.Provisioned, error) {
	if err := r.checkProvisionedRef(ref); err != nil {
		return nil, err
	}
	var p pinfold.Provisioned
	err := r.o.Store.View(ctx, func(tx store.Tx) (err error) {
		if err := provisionedOwner(tx, ref); err != nil {
			return err
		}
		p, err = tx.Provisioned().Get(versionKey(ref, ref.Qualifier))
		return orMissing(err, pinfold.Errorf(pinfold.NotFound, "No Provisioned Concurrency Config found for this function").WithReason(noProvisioned))
	})
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// ListProvisioned returns what is asked for of a function's versions and
// aliases, versions first, and the marker of the next page or "".
func (r *Registry) ListProvisioned(ctx context.Context, ref pinfold.FunctionRef, p Page) (configs []*pinfold.Provisioned, next string, err error) {
	return listOf(ctx, r, ref, p, store.Tx.Provisioned, nil)
}

// DeleteProvisioned asks for no more instances of a version or alias. Nothing
// that was asked for is not an error.
func (r *Registry) DeleteProvisioned(ctx context.Context, ref pinfold.FunctionRef) error {
	if err := r.checkProvisionedRef(ref); err != nil {
		return err
	}
	return r.update(ctx, ref, func(tx store.Tx) error {
		if err := provisionedOwner(tx, ref); err != nil {
			return err
		}
		return tx.Provisioned().Delete(versionKey(ref, ref.Qualifier))
	})
}

func unpublished() error {
	return invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
}

func (r *Registry) checkProvisionedRef(ref pinfold.FunctionRef) error {
	if ref.Qualifier == "" || ref.Qualifier == pinfold.LatestVersion {
		return invalid("The function resource provided must be an alias or a published version.")
	}
	return r.mine(ref)
}

func checkProvisioned(p pinfold.Provisioned) error {
	least := 1
	if len(p.Schedule) > 0 {
		least = 0
	}
	if err := checkRange(p.Count, "provisionedConcurrentExecutions", least, math.MaxInt32); err != nil {
		return err
	}
	if len(p.Schedule) > maxSchedule {
		return invalid("The schedule has %d entries: it can have %d.", len(p.Schedule), maxSchedule)
	}
	for _, entry := range p.Schedule {
		if err := checkRange(entry.Count, "schedule.count", 0, math.MaxInt32); err != nil {
			return err
		}
		if _, err := cron.Parse(entry.Cron, entry.Timezone); err != nil {
			return invalid("%w", err)
		}
	}
	return nil
}

// peak is the most that p ever asks for at a time.
func peak(p pinfold.Provisioned) int {
	most := p.Count
	for _, entry := range p.Schedule {
		most = max(most, entry.Count)
	}
	return most
}

// provisionedOwner makes sure that what ref names is there.
func provisionedOwner(tx store.Tx, ref pinfold.FunctionRef) error {
	if isAlias(ref.Qualifier) {
		_, err := getAlias(tx, ref)
		return err
	}
	_, err := getVersion(tx, ref, ref.Qualifier)
	return err
}

// checkProvisionedLimits holds what p asks for against the function's
// reservation or, where it has none, against what all functions share.
func (r *Registry) checkProvisionedLimits(tx store.Tx, p pinfold.Provisioned) error {
	function, wanted := p.Ref.With(""), peak(p)
	claims, err := r.claims(tx)
	if err != nil {
		return err
	}
	total := claims.provisioned[function] + wanted
	if before, err := tx.Provisioned().Get(versionKey(p.Ref, p.Ref.Qualifier)); err == nil {
		total -= peak(before)
	} else if pinfold.CodeOf(err) != pinfold.NotFound {
		return err
	}
	reserved, has := claims.reserved[function]
	switch limit := r.o.Limits; {
	case has && total > reserved:
		return invalid("Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
	case has:
	case wanted > limit.Concurrency:
		return invalid("Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [%d].", limit.Concurrency)
	case limit.Concurrency-claims.but(function)-total < limit.Unreserved:
		return invalid("Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", limit.Unreserved)
	}
	return nil
}

// checkProvisionedTwice refuses to provision a version in its own name and in
// that of an alias.
func checkProvisionedTwice(tx store.Tx, ref pinfold.FunctionRef) error {
	if isAlias(ref.Qualifier) {
		alias, err := getAlias(tx, ref)
		if err != nil {
			return err
		}
		return provisionable(tx, alias)
	}
	configs, err := tx.Provisioned().List(functionKey(ref), nil, 0)
	if err != nil {
		return err
	}
	for _, p := range configs {
		if !isAlias(p.Value.Ref.Qualifier) {
			continue
		}
		alias, err := getAlias(tx, p.Value.Ref)
		if err != nil {
			return err
		}
		if alias.Version == ref.Qualifier || alias.Additional == ref.Qualifier {
			return conflict("Version is pointed by a Provisioned Concurrency alias")
		}
	}
	return nil
}

// provisionable makes sure that instances can be provisioned in the name of an alias.
func provisionable(tx store.Tx, alias *pinfold.Alias) error {
	if alias.Version == pinfold.LatestVersion {
		return unpublished()
	}
	for _, version := range []string{alias.Version, alias.Additional} {
		if version == "" {
			continue
		}
		if _, err := tx.Provisioned().Get(versionKey(alias.Ref, version)); err == nil {
			return conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
		} else if pinfold.CodeOf(err) != pinfold.NotFound {
			return err
		}
	}
	return nil
}
