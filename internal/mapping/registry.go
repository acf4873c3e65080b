package mapping

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// Options are what a Registry needs.
type Options struct {
	Store store.Control
	Scope pinfold.Scope // the account and region that it serves
	// Function returns the version that a reference runs, as a transaction sees it,
	// or an error with code NotFound.
	Function func(ctx context.Context, tx store.Tx, ref pinfold.FunctionRef) (*pinfold.Version, error)
	// Queue returns the queue with an ARN, as a transaction sees it, or an error with
	// code NotFound.
	Queue func(ctx context.Context, tx store.Tx, arn string) (*pinfold.MessageQueue, error)
}

// Registry keeps event source mappings and their rules. It may be used
// concurrently.
type Registry struct {
	o      Options
	shared *shared
}

// shared is what a registry and those made of it by Within have in common.
type shared struct {
	mu        sync.Mutex
	listeners []func(uuid string)
	live      map[string]*live // by UUID
}

// Description is a mapping and what has become of it.
type Description struct {
	pinfold.EventSourceMapping
	State  State
	Reason string // of the last change of the state: StateTransitionReason
	// Result is what came of the last batch: LastProcessingResult. It is "" before
	// the first one since the platform was started.
	Result string
	// Changed is when the mapping or its state last changed: LastModified.
	Changed time.Time
}

// New returns a registry over a store.
func New(o Options) *Registry {
	return &Registry{o, &shared{live: map[string]*live{}}}
}

// Within returns the registry bound to a transaction: its changes become part of
// it, are seen by its own reads, and are announced after the commit. It must not be
// used after the transaction has ended.
func (r *Registry) Within(tx store.Tx) *Registry {
	joined := *r
	joined.o.Store = store.Within(tx)
	return &joined
}

// OnChange has fn called after every commit that created, changed or deleted a
// mapping. fn runs on the goroutine that made the change, so it must be quick.
func (r *Registry) OnChange(fn func(uuid string)) {
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	r.shared.listeners = append(slices.Clip(r.shared.listeners), fn)
}

// update runs fn in a transaction. After the commit the mapping that it returns
// has the state that it returns, until that is settled, and the change is announced.
// What update returns is as that moment is, whoever settles it meanwhile.
func (r *Registry) update(ctx context.Context, fn func(tx store.Tx) (pinfold.EventSourceMapping, State, error)) (*Description, error) {
	var d *Description
	err := r.o.Store.Update(ctx, func(tx store.Tx) error {
		m, state, err := fn(tx)
		if err != nil {
			return err
		}
		d = r.describe(m)
		d.State, d.Changed = state, m.Modified
		tx.AfterCommit(func() {
			r.shared.mu.Lock()
			r.shared.begin(&m, state)
			listeners := r.shared.listeners
			r.shared.mu.Unlock()
			for _, tell := range listeners {
				tell(m.UUID)
			}
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Create makes a mapping of m, whose times do not matter. One without a UUID gets
// one: only deployments know it before. A BatchSize of 0 is AWS's default.
func (r *Registry) Create(ctx context.Context, m pinfold.EventSourceMapping) (*Description, error) {
	m.Account, m.Region = r.o.Scope.Account, r.o.Scope.Region
	if m.UUID == "" {
		m.UUID = uuid.NewString()
	}
	if m.BatchSize == 0 {
		m.BatchSize = defaultBatch
	}
	if err := Check(&m); err != nil {
		return nil, err
	}
	return r.update(ctx, func(tx store.Tx) (pinfold.EventSourceMapping, State, error) {
		if err := r.checkEnds(ctx, tx, &m); err != nil {
			return m, "", err
		}
		if err := r.checkUnique(tx, &m); err != nil {
			return m, "", err
		}
		m.Modified = now()
		return m, Creating, tx.Mappings().Put(r.key(m.UUID), m)
	})
}

// Get returns a mapping, also one that is being deleted.
func (r *Registry) Get(ctx context.Context, id string) (*Description, error) {
	var m pinfold.EventSourceMapping
	err := r.o.Store.View(ctx, func(tx store.Tx) (err error) {
		m, err = tx.Mappings().Get(r.key(id))
		return err
	})
	if err == nil {
		return r.describe(m), nil
	}
	if leaving := r.shared.leaving(id); leaving != nil && pinfold.CodeOf(err) == pinfold.NotFound {
		return r.describe(*leaving), nil
	}
	return nil, orMissing(err)
}

// Update changes a mapping. change may set everything but UUID, account, region,
// source and tags.
func (r *Registry) Update(ctx context.Context, id string, change func(m *pinfold.EventSourceMapping)) (*Description, error) {
	return r.update(ctx, func(tx store.Tx) (pinfold.EventSourceMapping, State, error) {
		m, err := r.stored(tx, id, "update")
		if err != nil {
			return m, "", err
		}
		before := m
		change(&m)
		m.UUID, m.Account, m.Region, m.Source, m.Tags = before.UUID, before.Account, before.Region, before.Source, before.Tags
		if err := Check(&m); err != nil {
			return m, "", err
		}
		if err := r.checkEnds(ctx, tx, &m); err != nil {
			return m, "", err
		}
		if m.Function != before.Function {
			if err := r.checkUnique(tx, &m); err != nil {
				return m, "", err
			}
		}
		state := Updating
		switch {
		case m.Enabled && !before.Enabled:
			state = Enabling
		case !m.Enabled && before.Enabled:
			state = Disabling
		}
		m.Modified = now()
		return m, state, tx.Mappings().Put(r.key(id), m)
	})
}

// Delete removes a mapping. It is shown as Deleting until its last batch is over.
func (r *Registry) Delete(ctx context.Context, id string) (*Description, error) {
	return r.update(ctx, func(tx store.Tx) (pinfold.EventSourceMapping, State, error) {
		m, err := r.stored(tx, id, "delete")
		if err != nil {
			return m, "", err
		}
		m.Modified = now()
		return m, Deleting, tx.Mappings().Delete(r.key(id))
	})
}

// stored reads a mapping that somebody wants to change.
func (r *Registry) stored(tx store.Tx, id, what string) (pinfold.EventSourceMapping, error) {
	m, err := tx.Mappings().Get(r.key(id))
	if pinfold.CodeOf(err) == pinfold.NotFound && r.shared.leaving(id) != nil {
		return m, pinfold.Errorf(pinfold.Conflict, "Cannot %s the event source mapping because it is in use.", what).WithReason(resourceInUse)
	}
	return m, orMissing(err)
}

// All returns every mapping, in order of UUIDs.
func (r *Registry) All(ctx context.Context) (all []pinfold.EventSourceMapping, err error) {
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		records, err := tx.Mappings().List(r.key(), nil, 0)
		for _, record := range records {
			all = append(all, record.Value)
		}
		return err
	})
	return all, err
}

// ARN returns that of the mapping with a UUID, whether there is one or not.
func (r *Registry) ARN(id string) string {
	m := pinfold.EventSourceMapping{UUID: id, Account: r.o.Scope.Account, Region: r.o.Scope.Region}
	return m.ARN()
}

// key is that of a mapping, or of all.
func (r *Registry) key(id ...string) store.Key {
	return append(store.Key{r.o.Scope.Account, r.o.Scope.Region}, id...)
}

// now returns the time in the precision that records are shown with.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
