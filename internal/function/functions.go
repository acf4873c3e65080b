package function

import (
	"context"
	"maps"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// NewFunction is a function to create.
type NewFunction struct {
	Ref pinfold.FunctionRef // unqualified
	// Config with zero values for what AWS has a default for. Of its layers
	// only the ARNs count.
	Config  pinfold.Config
	Code    pinfold.Package
	Tags    map[string]string
	Publish bool // make version 1 of it at once
}

// Description is a function with one of its versions.
type Description struct {
	pinfold.Function
	Version *pinfold.Version
}

// Check holds a function against every rule that needs neither its code nor the
// other functions, and returns its complete configuration: with defaults, and
// with its layers found.
func (r *Registry) Check(ctx context.Context, f NewFunction) (config pinfold.Config, err error) {
	if err := r.mine(f.Ref); err != nil {
		return config, err
	}
	if f.Ref.Qualifier != "" {
		return config, invalid("%s names a version: a function is created by its name alone", f.Ref.ARN())
	}
	if err := checkTags(f.Tags); err != nil {
		return config, err
	}
	config = Defaults(f.Ref.Name, f.Config)
	config.Environment = maps.Clone(config.Environment)
	if err := r.check(config); err != nil {
		return config, err
	}
	layers := make([]string, len(config.Layers))
	for i, l := range config.Layers {
		layers[i] = l.ARN
	}
	config.Layers, err = r.resolveLayers(ctx, layers)
	return config, err
}

// Create makes a function and returns its $LATEST, or the published version.
func (r *Registry) Create(ctx context.Context, f NewFunction) (*pinfold.Version, error) {
	config, err := r.Check(ctx, f)
	if err != nil {
		return nil, err
	}
	if err := r.checkUnzipped(ctx, f.Code, config.Layers); err != nil {
		return nil, err
	}
	version := &pinfold.Version{
		Ref: f.Ref.With(pinfold.LatestVersion), Config: config, Code: f.Code,
		RevisionID: newRevision(), LastModified: r.now(),
	}
	err = r.update(ctx, f.Ref, func(tx store.Tx) error {
		if _, err := tx.Functions().Get(functionKey(f.Ref)); err == nil {
			return conflict("Function already exist: %s", f.Ref.Name)
		} else if pinfold.CodeOf(err) != pinfold.NotFound {
			return err
		}
		if err := r.checkStorage(tx, f.Code.Size); err != nil {
			return err
		}
		if err := tx.Functions().Put(functionKey(f.Ref), pinfold.Function{Ref: f.Ref, Tags: f.Tags}); err != nil {
			return err
		}
		if err := tx.Versions().Put(versionKey(f.Ref, pinfold.LatestVersion), *version); err != nil {
			return err
		}
		if f.Publish {
			version, err = r.publish(tx, version, nil)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return version, nil
}

// Get returns a function with the version that ref names: $LATEST for an
// unqualified reference, the first version of an alias.
func (r *Registry) Get(ctx context.Context, ref pinfold.FunctionRef) (*Description, error) {
	if err := r.mine(ref); err != nil {
		return nil, err
	}
	var d Description
	err := r.o.Store.View(ctx, func(tx store.Tx) (err error) {
		if d.Function, err = tx.Functions().Get(functionKey(ref)); err != nil {
			return orMissing(err, functionNotFound(ref))
		}
		d.Version, err = r.version(tx, ref)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &d, nil
}

// version reads the version that ref names.
func (r *Registry) version(tx store.Tx, ref pinfold.FunctionRef) (*pinfold.Version, error) {
	version := ref.Qualifier
	switch {
	case version == "":
		version = pinfold.LatestVersion
	case isAlias(version):
		alias, err := tx.Aliases().Get(qualifiedKey(ref, version))
		if err != nil {
			return nil, orMissing(err, functionNotFound(ref))
		}
		version = alias.Version
	}
	v, err := tx.Versions().Get(versionKey(ref, version))
	if err != nil {
		return nil, orMissing(err, functionNotFound(ref))
	}
	return &v, nil
}

// latest reads $LATEST and checks a caller's precondition.
func (r *Registry) latest(tx store.Tx, ref pinfold.FunctionRef, revision string) (*pinfold.Version, error) {
	v, err := r.version(tx, ref.With(""))
	if err != nil {
		return nil, err
	}
	return v, revised(revision, v.RevisionID)
}

// List returns the $LATEST of every function by name, or with all set every
// version, and the marker of the next page or "".
func (r *Registry) List(ctx context.Context, all bool, p Page) (versions []*pinfold.Version, next string, err error) {
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		if all {
			var found []pinfold.Version
			found, next, err = list(tx.Versions(), r.scopeKey(), p, nil)
			versions = pointers(found)
			return err
		}
		var functions []pinfold.Function
		if functions, next, err = list(tx.Functions(), r.scopeKey(), p, nil); err != nil {
			return err
		}
		for _, f := range functions {
			v, err := r.version(tx, f.Ref)
			if err != nil {
				return err
			}
			versions = append(versions, v)
		}
		return nil
	})
	return versions, next, err
}

func pointers[T any](values []T) []*T {
	p := make([]*T, len(values))
	for i := range values {
		p[i] = &values[i]
	}
	return p
}

// CodeUpdate is new code for a function.
type CodeUpdate struct {
	Code         pinfold.Package
	Architecture string      // "" leaves it
	Config       ConfigPatch // settings to change together with the code
	Publish      bool        // make a version of it at once
	DryRun       bool        // check only
	RevisionID   string      // of $LATEST, if not ""
}

// UpdateCode replaces the code of $LATEST, and settings with it. It returns
// $LATEST, or the published version.
func (r *Registry) UpdateCode(ctx context.Context, ref pinfold.FunctionRef, u CodeUpdate) (*pinfold.Version, error) {
	configure, err := r.configure(ctx, ref, u.Config)
	if err != nil {
		return nil, err
	}
	return r.modify(ctx, ref, u.RevisionID, u.DryRun, u.Publish, func(v *pinfold.Version) error {
		v.Code = u.Code
		if u.Architecture != "" {
			v.Config.Architecture = u.Architecture
		}
		return configure(v)
	})
}

// UpdateConfig changes settings of $LATEST and returns it. revision, if not
// "", is what $LATEST must have.
func (r *Registry) UpdateConfig(ctx context.Context, ref pinfold.FunctionRef, patch ConfigPatch, revision string) (*pinfold.Version, error) {
	configure, err := r.configure(ctx, ref, patch)
	if err != nil {
		return nil, err
	}
	return r.modify(ctx, ref, revision, false, false, configure)
}

// configure returns the change that a patch makes, its layers found already.
func (r *Registry) configure(ctx context.Context, ref pinfold.FunctionRef, patch ConfigPatch) (func(*pinfold.Version) error, error) {
	var layers []pinfold.LayerRef
	if patch.Layers != nil {
		var err error
		if layers, err = r.resolveLayers(ctx, *patch.Layers); err != nil {
			return nil, err
		}
	}
	return func(v *pinfold.Version) error {
		v.Config = Defaults(ref.Name, patch.apply(v.Config, layers))
		return r.check(v.Config)
	}, nil
}

// modify changes $LATEST. The change is tried on a copy first, so that the
// sizes of packages are asked for outside of the transaction.
func (r *Registry) modify(ctx context.Context, ref pinfold.FunctionRef, revision string, dryRun, publish bool, change func(*pinfold.Version) error) (*pinfold.Version, error) {
	if err := r.mine(ref); err != nil {
		return nil, err
	}
	ref = ref.With("")
	var tried *pinfold.Version
	if err := r.o.Store.View(ctx, func(tx store.Tx) (err error) {
		if tried, err = r.latest(tx, ref, revision); err != nil {
			return err
		}
		return change(tried)
	}); err != nil {
		return nil, err
	}
	if err := r.checkUnzipped(ctx, tried.Code, tried.Config.Layers); err != nil || dryRun {
		return tried, err
	}
	var changed *pinfold.Version
	err := r.update(ctx, ref, func(tx store.Tx) error {
		v, err := r.latest(tx, ref, revision)
		if err != nil {
			return err
		}
		before := v.Code
		if err := change(v); err != nil {
			return err
		}
		if v.Code != tried.Code || !slices.Equal(v.Config.Layers, tried.Config.Layers) {
			return conflict("The operation cannot be performed at this time. An update is in progress for resource: %s", ref.ARN())
		}
		if v.Code != before {
			if err := r.checkStorage(tx, v.Code.Size-before.Size); err != nil {
				return err
			}
		}
		v.RevisionID, v.LastModified = newRevision(), r.now()
		if err := tx.Versions().Put(versionKey(ref, pinfold.LatestVersion), *v); err != nil {
			return err
		}
		changed = v
		if publish {
			changed, err = r.publish(tx, v, nil)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// Delete removes a function with all that belongs to it or, for a reference
// with a number, that version alone; a version that is not there is not an
// error. Source: DeleteFunction, and what floci-io/floci pull request 2824
// measured of the real service.
func (r *Registry) Delete(ctx context.Context, ref pinfold.FunctionRef) error {
	if err := r.mine(ref); err != nil {
		return err
	}
	switch {
	case ref.Qualifier == pinfold.LatestVersion:
		return invalid("$LATEST version cannot be deleted without deleting the function.")
	case isAlias(ref.Qualifier):
		return invalid("Deletion of aliases is not currently supported.")
	}
	return r.update(ctx, ref, func(tx store.Tx) error {
		if _, err := tx.Functions().Get(functionKey(ref)); err != nil {
			return orMissing(err, functionNotFound(ref.With("")))
		}
		if ref.Qualifier == "" {
			return r.deleteFunction(tx, ref)
		}
		return r.deleteVersion(tx, ref)
	})
}

func (r *Registry) deleteFunction(tx store.Tx, ref pinfold.FunctionRef) error {
	key := functionKey(ref)
	versions, err := tx.Versions().List(key, nil, 0)
	if err != nil {
		return err
	}
	aliases, err := tx.Aliases().List(key, nil, 0)
	if err != nil {
		return err
	}
	owners := []pinfold.FunctionRef{ref} // of policies
	for _, v := range versions {
		owners = append(owners, v.Value.Ref)
	}
	for _, a := range aliases {
		owners = append(owners, a.Value.Ref)
	}
	for _, owner := range owners {
		if err := tx.Policies().Delete(policyKey(ref.Account, ref.Region, owner.ARN())); err != nil {
			return err
		}
	}
	return first(
		func() error { return tx.URLs().Delete(key) },
		func() error { return tx.Provisioned().Delete(key) },
		func() error { return tx.EventInvokes().Delete(key) },
		func() error { return tx.Aliases().Delete(key) },
		func() error { return tx.Versions().Delete(key) },
		func() error { return tx.Sequences().Delete(versionSequence(ref)) },
		func() error { return tx.Functions().Delete(key) },
	)
}

// first runs steps up to the first error.
func first(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Registry) deleteVersion(tx store.Tx, ref pinfold.FunctionRef) error {
	aliases, err := tx.Aliases().List(functionKey(ref), nil, 0)
	if err != nil {
		return err
	}
	var names []string
	for _, a := range aliases {
		if a.Value.Version == ref.Qualifier || a.Value.Additional == ref.Qualifier {
			names = append(names, a.Value.Ref.Qualifier)
		}
	}
	if len(names) > 0 {
		return conflict("Unable to delete version because the following aliases reference it: [%s]", strings.Join(names, ", "))
	}
	key := versionKey(ref, ref.Qualifier)
	return first(
		func() error { return tx.Policies().Delete(policyKey(ref.Account, ref.Region, ref.ARN())) },
		func() error { return tx.Provisioned().Delete(key) },
		func() error { return tx.EventInvokes().Delete(key) },
		func() error { return tx.Versions().Delete(key) },
	)
}
