package function

import (
	"context"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// AliasChange is a change of an alias: nil leaves a field as it is.
type AliasChange struct {
	Version     *string
	Description *string
	Routing     *map[string]float64 // version -> share; empty: none
	RevisionID  string              // what the alias must have, if not ""
}

// CreateAlias makes an alias. ref's Qualifier is its name; routing gives the
// share of invocations that goes to a second version, nil for none.
func (r *Registry) CreateAlias(ctx context.Context, ref pinfold.FunctionRef, version, description string, routing map[string]float64) (*pinfold.Alias, error) {
	if err := r.checkAlias(ref); err != nil {
		return nil, err
	}
	alias := &pinfold.Alias{Ref: ref, RevisionID: newRevision()}
	err := r.update(ctx, ref, func(tx store.Tx) error {
		if _, err := tx.Functions().Get(functionKey(ref)); err != nil {
			return orMissing(err, functionNotFound(ref.With("")))
		}
		if _, err := tx.Aliases().Get(qualifiedKey(ref, ref.Qualifier)); err == nil {
			return conflict("Alias already exists: %s", ref.ARN())
		} else if pinfold.CodeOf(err) != pinfold.NotFound {
			return err
		}
		return putAlias(tx, alias, version, description, routing)
	})
	if err != nil {
		return nil, err
	}
	return alias, nil
}

// UpdateAlias changes an alias. Its revision changes in any case.
func (r *Registry) UpdateAlias(ctx context.Context, ref pinfold.FunctionRef, c AliasChange) (alias *pinfold.Alias, err error) {
	if err := r.checkAlias(ref); err != nil {
		return nil, err
	}
	err = r.update(ctx, ref, func(tx store.Tx) error {
		if alias, err = getAlias(tx, ref); err != nil {
			return err
		}
		if err := revised(c.RevisionID, alias.RevisionID); err != nil {
			return err
		}
		version, description, routing := alias.Version, alias.Description, map[string]float64(nil)
		if alias.Additional != "" {
			routing = map[string]float64{alias.Additional: alias.Weight}
		}
		set(&version, c.Version)
		set(&description, c.Description)
		set(&routing, c.Routing)
		alias.RevisionID = newRevision()
		return putAlias(tx, alias, version, description, routing)
	})
	if err != nil {
		return nil, err
	}
	return alias, nil
}

// GetAlias returns the alias that ref's Qualifier names.
func (r *Registry) GetAlias(ctx context.Context, ref pinfold.FunctionRef) (alias *pinfold.Alias, err error) {
	if err := r.mine(ref); err != nil {
		return nil, err
	}
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		if _, err := tx.Functions().Get(functionKey(ref)); err != nil {
			return orMissing(err, functionNotFound(ref.With("")))
		}
		alias, err = getAlias(tx, ref)
		return err
	})
	return alias, err
}

// ListAliases returns a function's aliases by name, with version set only those
// that point to it, and the marker of the next page or "".
func (r *Registry) ListAliases(ctx context.Context, ref pinfold.FunctionRef, version string, p Page) (aliases []*pinfold.Alias, next string, err error) {
	return listOf(ctx, r, ref, p, store.Tx.Aliases, func(a pinfold.Alias) bool {
		return version == "" || a.Version == version || a.Additional == version
	})
}

// DeleteAlias removes an alias with its policy, URL, provisioned instances and
// event invoke configuration.
// One that is not there is not an error.
func (r *Registry) DeleteAlias(ctx context.Context, ref pinfold.FunctionRef) error {
	if err := r.checkAlias(ref); err != nil {
		return err
	}
	return r.update(ctx, ref, func(tx store.Tx) error {
		if _, err := tx.Functions().Get(functionKey(ref)); err != nil {
			return orMissing(err, functionNotFound(ref.With("")))
		}
		key := qualifiedKey(ref, ref.Qualifier)
		return first(
			func() error { return tx.Policies().Delete(policyKey(ref.Account, ref.Region, ref.ARN())) },
			func() error { return tx.URLs().Delete(key) },
			func() error { return tx.Provisioned().Delete(key) },
			func() error { return tx.EventInvokes().Delete(key) },
			func() error { return tx.Aliases().Delete(key) },
		)
	})
}

func (r *Registry) checkAlias(ref pinfold.FunctionRef) error {
	if err := r.mine(ref); err != nil {
		return err
	}
	if !isAlias(ref.Qualifier) || !isName(ref.Qualifier) {
		return constraint(ref.Qualifier, "name", "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)")
	}
	return checkLength(ref.Qualifier, "name", 128)
}

func getAlias(tx store.Tx, ref pinfold.FunctionRef) (*pinfold.Alias, error) {
	alias, err := tx.Aliases().Get(qualifiedKey(ref, ref.Qualifier))
	if err != nil {
		return nil, orMissing(err, notFound("Cannot find alias arn: %s", ref.ARN()))
	}
	return &alias, nil
}

// putAlias completes an alias, holds it against the rules, and stores it.
func putAlias(tx store.Tx, alias *pinfold.Alias, version, description string, routing map[string]float64) error {
	if err := checkLength(description, "description", maxDescription); err != nil {
		return err
	}
	if version != pinfold.LatestVersion && !isNumber(version) {
		return constraint(version, "functionVersion", `Member must satisfy regular expression pattern: (\$LATEST|[0-9]+)`)
	}
	if _, err := getVersion(tx, alias.Ref, version); err != nil {
		return err
	}
	alias.Version, alias.Description, alias.Additional, alias.Weight = version, description, "", 0
	if len(routing) > 1 {
		return invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
	}
	for second, weight := range routing {
		if err := checkRouting(tx, alias, second, weight); err != nil {
			return err
		}
		alias.Additional, alias.Weight = second, weight
	}
	if _, err := tx.Provisioned().Get(versionKey(alias.Ref, alias.Ref.Qualifier)); err == nil {
		if err := provisionable(tx, alias); err != nil {
			return err
		}
	} else if pinfold.CodeOf(err) != pinfold.NotFound {
		return err
	}
	return tx.Aliases().Put(qualifiedKey(alias.Ref, alias.Ref.Qualifier), *alias)
}

func checkRouting(tx store.Tx, alias *pinfold.Alias, second string, weight float64) error {
	const member = "routingConfig.additionalVersionWeights"
	switch {
	case !(weight >= 0 && weight <= 1): // NaN is refused too
		return constraint(routingText(second, weight), member, "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]")
	case !isNumber(second):
		return constraint(routingText(second, weight), member, "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+, Member must not be null]")
	case alias.Version == second:
		return invalid("Invalid function version %s. Function version %s is already included in routing configuration.", second, second)
	case alias.Version == pinfold.LatestVersion:
		return invalid("$LATEST is not supported for an alias pointing to more than 1 version")
	}
	_, err := getVersion(tx, alias.Ref, second)
	return err
}
