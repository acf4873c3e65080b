// Package httpapi is the registry of HTTP front doors: APIs and their routes.
// It owns the rules about them (which routes may stand beside each other, what
// a path may look like) and keeps them in the control store. How requests are
// matched and answered is internal/gateway, which is told of changes through
// OnChange.
package httpapi

import (
	"context"
	"sync"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// Registry keeps the APIs of all accounts. It is safe for concurrent use.
type Registry struct {
	control   store.Control
	listeners *listeners
}

// listeners is shared between a registry and those made of it with Within.
type listeners struct {
	mu  sync.Mutex
	all []func()
}

func (l *listeners) add(fn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fn)
}

func (l *listeners) call() {
	l.mu.Lock()
	all := l.all[:len(l.all):len(l.all)]
	l.mu.Unlock()
	for _, fn := range all {
		fn()
	}
}

// New returns a registry that keeps its APIs in control.
func New(control store.Control) *Registry {
	return &Registry{control: control, listeners: &listeners{}}
}

// Within returns a registry whose changes are part of tx. Those who asked to
// be told of changes are told once tx is committed.
func (r *Registry) Within(tx store.Tx) *Registry {
	return &Registry{control: store.Within(tx), listeners: r.listeners}
}

// OnChange has fn called after every committed change, by the goroutine that
// made it. It says that something changed, not what: read it with List.
func (r *Registry) OnChange(fn func()) { r.listeners.add(fn) }

// Put creates an API or replaces the one with the same account, region and ID,
// and returns it as it was stored: with its defaults filled in. An API that
// breaks a rule is an error with code Invalid that names all that is wrong; see
// [Validate].
func (r *Registry) Put(ctx context.Context, api pinfold.API) (pinfold.API, error) {
	api = WithDefaults(api)
	if err := Validate(api); err != nil {
		return pinfold.API{}, err
	}
	return api, r.control.Update(ctx, func(tx store.Tx) error {
		tx.AfterCommit(r.listeners.call)
		return tx.APIs().Put(key(scopeOf(api), api.ID), api)
	})
}

// Get returns an API, or an error with code NotFound.
func (r *Registry) Get(ctx context.Context, in pinfold.Scope, id string) (pinfold.API, error) {
	var api pinfold.API
	err := r.control.View(ctx, func(tx store.Tx) (err error) {
		api, err = tx.APIs().Get(key(in, id))
		return err
	})
	return api, notFound(err, in, id)
}

// List returns the APIs of an account in a region, ordered by ID. The zero
// Scope is everywhere.
func (r *Registry) List(ctx context.Context, in pinfold.Scope) ([]pinfold.API, error) {
	var prefix store.Key
	if in.Account != "" {
		prefix = store.Key{in.Account, in.Region}
	}
	var apis []pinfold.API
	err := r.control.View(ctx, func(tx store.Tx) error {
		records, err := tx.APIs().List(prefix, nil, 0)
		for _, record := range records {
			apis = append(apis, record.Value)
		}
		return err
	})
	return apis, err
}

// Delete removes an API. One that is not there is an error with code NotFound.
func (r *Registry) Delete(ctx context.Context, in pinfold.Scope, id string) error {
	return r.control.Update(ctx, func(tx store.Tx) error {
		if _, err := tx.APIs().Get(key(in, id)); err != nil {
			return notFound(err, in, id)
		}
		tx.AfterCommit(r.listeners.call)
		return tx.APIs().Delete(key(in, id))
	})
}

func scopeOf(api pinfold.API) pinfold.Scope {
	return pinfold.Scope{Account: api.Account, Region: api.Region}
}

func key(in pinfold.Scope, id string) store.Key { return store.Key{in.Account, in.Region, id} }

// notFound gives the store's NotFound, which speaks of keys, words of ours.
func notFound(err error, in pinfold.Scope, id string) error {
	if pinfold.CodeOf(err) != pinfold.NotFound {
		return err
	}
	return pinfold.Errorf(pinfold.NotFound, "there is no API %q in account %s, region %s", id, in.Account, in.Region)
}
