package function

import (
	"context"
	"math/rand/v2"
	"sync"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// Resolve returns the version that an invocation of ref runs: $LATEST for an
// unqualified reference, the version of an alias, or by the alias's weight its
// second one. Once read it is served from memory, without locks. The version
// is shared: it must not be changed.
func (r *Registry) Resolve(ctx context.Context, ref pinfold.FunctionRef) (*pinfold.Version, error) {
	qualifier := ref.Qualifier
	if qualifier == "" {
		qualifier = pinfold.LatestVersion
	}
	if r.joined { // may see what is not committed, and nobody else must
		way, err := r.load(ctx, ref, qualifier)
		if err != nil {
			return nil, err
		}
		return way.pick(), nil
	}
	known := r.shared.routes.of(ref.With(""))
	if way, ok := known.Load(qualifier); ok {
		return way.(*route).pick(), nil
	}
	way, err := r.load(ctx, ref, qualifier)
	if err != nil {
		r.shared.routes.release(ref.With(""), known)
		return nil, err
	}
	known.Store(qualifier, way)
	return way.pick(), nil
}

func (r *Registry) load(ctx context.Context, ref pinfold.FunctionRef, qualifier string) (way *route, err error) {
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		way, err = follow(tx, ref.With(qualifier))
		return orMissing(err, functionNotFound(ref))
	})
	return way, err
}

// follow reads where a qualified reference leads.
func follow(tx store.Tx, ref pinfold.FunctionRef) (way *route, err error) {
	way = &route{}
	if !isAlias(ref.Qualifier) {
		way.main, err = getVersion(tx, ref, ref.Qualifier)
		return way, err
	}
	alias, err := tx.Aliases().Get(qualifiedKey(ref, ref.Qualifier))
	if err != nil {
		return nil, orMissing(err, functionNotFound(ref))
	}
	if way.main, err = getVersion(tx, ref, alias.Version); err != nil || alias.Additional == "" {
		return way, err
	}
	way.weight = alias.Weight
	way.other, err = getVersion(tx, ref, alias.Additional)
	return way, err
}

// getVersion reads a version that must be there.
func getVersion(tx store.Tx, ref pinfold.FunctionRef, version string) (*pinfold.Version, error) {
	v, err := tx.Versions().Get(versionKey(ref, version))
	if err != nil {
		return nil, orMissing(err, functionNotFound(ref.With(version)))
	}
	return &v, nil
}

// route is where a qualifier leads. It never changes.
type route struct {
	main, other *pinfold.Version
	weight      float64 // the share of invocations that other gets
}

func (w *route) pick() *pinfold.Version {
	if w.other != nil && rand.Float64() < w.weight {
		return w.other
	}
	return w.main
}

// routes holds what was resolved: for each function a map of qualifiers to
// *route. To forget a function is to drop its whole map: a Resolve that read
// the store before the change keeps its answer in a map that nobody looks at
// any more, so an old answer cannot come back.
type routes struct {
	functions sync.Map // pinfold.FunctionRef (unqualified) -> *sync.Map
}

// of returns a function's map, an empty one if there is none. It must be taken
// before the store is read.
func (s *routes) of(ref pinfold.FunctionRef) *sync.Map {
	if known, ok := s.functions.Load(ref); ok {
		return known.(*sync.Map)
	}
	known, _ := s.functions.LoadOrStore(ref, &sync.Map{})
	return known.(*sync.Map)
}

// release drops a map that stayed empty, so that names which do not exist take
// no memory.
func (s *routes) release(ref pinfold.FunctionRef, known *sync.Map) {
	empty := true
	known.Range(func(any, any) bool { empty = false; return false })
	if empty {
		s.functions.CompareAndDelete(ref, known)
	}
}

func (s *routes) forget(ref pinfold.FunctionRef) { s.functions.Delete(ref) }
