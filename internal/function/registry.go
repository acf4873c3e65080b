package function

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// Code is what the registry asks of the code packages.
type Code interface {
	// Unpacked returns the size in bytes of a package's unpacked files, or an
	// error with code NotFound for a package that is not stored.
	Unpacked(ctx context.Context, pkg pinfold.Package) (int64, error)
}

// Options are what a Registry needs.
type Options struct {
	Store store.Control
	Code  Code
	Scope pinfold.Scope // the account and region that it serves
	// SupportedRuntime returns an error for a runtime that cannot run here.
	SupportedRuntime func(id string) error
	Now              func() time.Time // nil: time.Now
	Limits           Limits           // zero fields: DefaultLimits
}

// Limits are an account's quotas in one region.
type Limits struct {
	CodeStorage int64 // bytes of all zipped code of all versions and layers
	Zipped      int64 // bytes of a zip file that is uploaded directly
	Unzipped    int64 // bytes of a version's code and layers, unpacked
	Concurrency int   // simultaneous invocations
	// Unreserved is how many of Concurrency functions cannot claim for themselves;
	// 0 is a tenth of Concurrency and 100 at most.
	Unreserved int
}

// DefaultLimits are AWS's own. Source: "Lambda quotas" in the Lambda guide.
var DefaultLimits = Limits{
	CodeStorage: 75 << 30,
	Zipped:      50 << 20,
	Unzipped:    250 << 20,
	Concurrency: 1000,
	Unreserved:  maxUnreserved,
}

const maxUnreserved = 100

// Registry keeps functions and their rules. It may be used concurrently.
type Registry struct {
	o      Options
	shared *shared
	joined bool // bound to a transaction by Within
}

// shared is what a registry and those made of it by Within have in common.
type shared struct {
	routes    routes
	tally     tally // of code
	mu        sync.Mutex
	listeners []func(pinfold.FunctionRef)
}

// New returns a registry over a store.
func New(o Options) *Registry {
	if o.Now == nil {
		o.Now = time.Now
	}
	fill(&o.Limits.CodeStorage, DefaultLimits.CodeStorage)
	fill(&o.Limits.Zipped, DefaultLimits.Zipped)
	fill(&o.Limits.Unzipped, DefaultLimits.Unzipped)
	fill(&o.Limits.Concurrency, DefaultLimits.Concurrency)
	fill(&o.Limits.Unreserved, min(o.Limits.Concurrency/10, maxUnreserved))
	return &Registry{o: o, shared: &shared{}}
}

func fill[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

// Within returns the registry bound to a transaction: its changes become part
// of it, are seen by its own reads, and are announced after the commit. It
// must not be used after the transaction has ended.
func (r *Registry) Within(tx store.Tx) *Registry {
	joined := *r
	joined.o.Store, joined.joined = store.Within(tx), true
	return &joined
}

// OnChange has fn called after every commit that changed something about a
// function: its code, settings, versions, aliases, URLs, concurrency,
// provisioned instances, or whether it is there at all. The reference is unqualified. fn runs on the
// goroutine that made the change, before the change's method returns, so it
// must be quick; Resolve already gives the new answer.
func (r *Registry) OnChange(fn func(ref pinfold.FunctionRef)) {
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	r.shared.listeners = append(slices.Clip(r.shared.listeners), fn)
}

func (s *shared) changed(ref pinfold.FunctionRef) {
	s.routes.forget(ref)
	s.mu.Lock()
	listeners := s.listeners
	s.mu.Unlock()
	for _, fn := range listeners {
		fn(ref)
	}
}

// update runs fn in a transaction and announces a change of ref's function if
// it is committed.
func (r *Registry) update(ctx context.Context, ref pinfold.FunctionRef, fn func(tx store.Tx) error) error {
	ref = ref.With("")
	return r.o.Store.Update(ctx, func(tx store.Tx) error {
		tx.AfterCommit(func() { r.shared.changed(ref) })
		return fn(tx)
	})
}

// now returns the time in the precision that records are shown with.
func (r *Registry) now() time.Time { return r.o.Now().UTC().Truncate(time.Millisecond) }

func newRevision() string { return uuid.NewString() }

// Keys of the tables.

func functionKey(ref pinfold.FunctionRef) store.Key {
	return store.Key{ref.Account, ref.Region, ref.Name}
}

func versionKey(ref pinfold.FunctionRef, version string) store.Key {
	return append(functionKey(ref), store.VersionKey(version))
}

func qualifiedKey(ref pinfold.FunctionRef, qualifier string) store.Key {
	return append(functionKey(ref), qualifier)
}

func policyKey(account, region, arn string) store.Key { return store.Key{account, region, arn} }

func (r *Registry) scopeKey() store.Key { return store.Key{r.o.Scope.Account, r.o.Scope.Region} }

// next returns the next number of a sequence, from 1.
func next(tx store.Tx, key store.Key) (int64, error) {
	n, err := tx.Sequences().Get(key)
	if err != nil && pinfold.CodeOf(err) != pinfold.NotFound {
		return 0, err
	}
	return n + 1, tx.Sequences().Put(key, n+1)
}

func versionSequence(ref pinfold.FunctionRef) store.Key {
	return store.Key{ref.Account, ref.Region, "function-version:" + ref.Name}
}
