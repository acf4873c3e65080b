package deploy

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/httpapi"
	"pinfold.dev/pinfold/internal/logs"
	"pinfold.dev/pinfold/internal/mapping"
	"pinfold.dev/pinfold/internal/queue"
	"pinfold.dev/pinfold/internal/schedule"
	"pinfold.dev/pinfold/internal/store"
)

// session is one comparison of an application with what is there, inside a
// transaction, and the steps that make them the same.
type session struct {
	d         *Deployer
	functions *function.Registry
	apis      *httpapi.Registry
	queues    *queue.Service
	mappings  *mapping.Registry
	schedules *schedule.Service
	want      *app.Application
	have      *app.Application // as last deployed

	layerARNs map[string]string // by key; a layer yet to be published has none
	retention map[logs.GroupRef]int
	changes   []app.Change
	steps     []func(context.Context) error
	removals  []func(context.Context) error // of functions: steps after all others
	lastly    []func(context.Context) error // removals of queues: after those
	unserved  []app.Unserved                // what this server cannot give
	losses    []string                      // what the changes throw away
	force     bool                          // what is thrown away may be
	after     []func() error                // the transaction, if it was committed
	atEnd     []func()                      // of the transaction, whatever became of it
	base      string                        // identifies the state compared with
}

// compare finds what has to change. It changes nothing.
func (d *Deployer) compare(ctx context.Context, tx store.Tx, want *app.Application) (*session, error) {
	have, document, err := d.previous(tx, want.Name, want.Stage)
	if err != nil {
		return nil, err
	}
	s := &session{
		d: d, functions: d.Functions.Within(tx), apis: d.APIs.Within(tx),
		want: want, have: have, layerARNs: map[string]string{}, retention: map[logs.GroupRef]int{},
	}
	if d.Queues != nil {
		s.queues = d.Queues.Within(tx)
	}
	if d.Mappings != nil {
		s.mappings = d.Mappings.Within(tx)
	}
	if d.Schedules != nil {
		s.schedules = d.Schedules.Within(tx)
	}
	state := sha256.New()
	state.Write(document)
	for _, step := range []func(context.Context, func(any)) error{s.compareQueues, s.compareLayers, s.compareFunctions, s.compareEvents, s.compareAPIs} {
		if err := step(ctx, func(v any) { _ = json.NewEncoder(state).Encode(v) }); err != nil {
			return nil, err
		}
	}
	s.base = hex.EncodeToString(state.Sum(nil))[:16]
	return s, nil
}

func (s *session) plan() *app.Plan {
	changes := s.changes
	if changes == nil {
		changes = []app.Change{}
	}
	return &app.Plan{App: s.want.Name, Stage: s.want.Stage, Changes: changes, Unserved: slices.Concat(s.want.Unserved, s.unserved), Losses: s.losses, Base: s.base}
}

// apply takes the steps: first what functions need, then functions, then what
// leads to them, and removals of functions and queues last. What has changed is
// announced in the same order, so that no route leads to a function that is
// forgotten.
func (s *session) apply(ctx context.Context, force bool) error {
	s.force = force
	if len(s.losses) > 0 && !force {
		return losing(s.losses...)
	}
	for _, step := range slices.Concat(s.steps, s.removals, s.lastly) {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func losing(losses ...string) error {
	return pinfold.Errorf(pinfold.Conflict, "nothing was changed, because it would throw away what waits: %s; have it handled, move it, purge the queue or drop the events, or give --force",
		strings.Join(losses, ", "))
}

// end is to be called when the transaction is over.
func (s *session) end() {
	for _, fn := range s.atEnd {
		fn()
	}
}

func (s *session) change(op app.Op, kind, name string, detail ...string) {
	s.changes = append(s.changes, app.Change{Op: op, Kind: kind, Name: name, Detail: detail})
}

func (s *session) step(fn func(context.Context) error) { s.steps = append(s.steps, fn) }

// compareLayers publishes a new version of each layer that is not as the newest
// one, and deletes older versions unless they are to be retained.
func (s *session) compareLayers(ctx context.Context, seen func(any)) error {
	for _, want := range s.want.Layers {
		newest, err := s.newestLayer(ctx, want.Name)
		if err != nil {
			return err
		}
		seen(newest)
		if newest != nil {
			s.layerARNs[want.Key] = function.LayerARN(*newest)
			if newest.Code.SHA256 == want.Code.SHA256 && newest.Description == want.Description && newest.License == want.License &&
				slices.Equal(newest.Runtimes, want.Runtimes) && slices.Equal(newest.Architectures, want.Architectures) {
				continue
			}
			s.change(app.Update, "layer", want.Name)
			delete(s.layerARNs, want.Key)
		} else {
			s.change(app.Add, "layer", want.Name)
		}
		s.step(func(ctx context.Context) error { return s.publishLayer(ctx, want, newest) })
	}
	for _, old := range s.have.Layers {
		if old.Retain || slices.ContainsFunc(s.want.Layers, func(l app.Layer) bool { return l.Name == old.Name }) {
			continue
		}
		s.change(app.Remove, "layer", old.Name)
		s.step(func(ctx context.Context) error { return s.deleteLayer(ctx, old.Name) })
	}
	return nil
}

func (s *session) newestLayer(ctx context.Context, name string) (*pinfold.Layer, error) {
	ln, err := s.functions.Layer(name)
	if err != nil {
		return nil, err
	}
	// Newest first: ListLayerVersions documents that order.
	versions, _, err := s.functions.ListLayerVersions(ctx, ln, function.LayerFilter{}, function.Page{Max: 1})
	if err != nil || len(versions) == 0 {
		return nil, err
	}
	return versions[0], nil
}

func (s *session) publishLayer(ctx context.Context, want app.Layer, old *pinfold.Layer) error {
	layer, err := s.functions.PublishLayer(ctx, function.NewLayer{
		Name: want.Name, Description: want.Description, Runtimes: want.Runtimes, Architectures: want.Architectures, License: want.License, Code: want.Code,
	})
	if err != nil {
		return err
	}
	s.layerARNs[want.Key] = function.LayerARN(*layer)
	if old == nil || want.Retain {
		return nil
	}
	// The functions that use the old version keep its code by hash.
	return s.functions.DeleteLayer(ctx, function.LayerName{Account: old.Account, Region: old.Region, Name: old.Name, Version: old.Version})
}

func (s *session) deleteLayer(ctx context.Context, name string) error {
	for {
		newest, err := s.newestLayer(ctx, name)
		if err != nil || newest == nil {
			return err
		}
		if err := s.functions.DeleteLayer(ctx, function.LayerName{Account: newest.Account, Region: newest.Region, Name: newest.Name, Version: newest.Version}); err != nil {
			return err
		}
	}
}

// localLayer begins the name of a layer of the same application.
const localLayer = "layer:"

// layers turns the layers that a function asks for into ARNs. A layer of the
// application that is yet to be published keeps its "layer:KEY".
func (s *session) layers(f app.Function) ([]pinfold.LayerRef, error) {
	var refs []pinfold.LayerRef
	for _, name := range f.Layers {
		if key, local := strings.CutPrefix(name, localLayer); local {
			if !slices.ContainsFunc(s.want.Layers, func(l app.Layer) bool { return l.Key == key }) {
				return nil, pinfold.Errorf(pinfold.Invalid, "the function %s uses a layer %s that the application does not have", f.Key, key)
			}
			if arn, published := s.layerARNs[key]; published {
				name = arn
			}
		}
		refs = append(refs, pinfold.LayerRef{ARN: name})
	}
	return refs, nil
}

// keepKeys gives API keys that the manifest names without a value the value
// that they have already.
func keepKeys(have *pinfold.API, keys []pinfold.APIKey) []pinfold.APIKey {
	keys = slices.Clone(keys)
	for i, k := range keys {
		if k.Value != "" || have == nil {
			continue
		}
		if j := slices.IndexFunc(have.APIKeys, func(h pinfold.APIKey) bool { return h.Name == k.Name }); j >= 0 {
			keys[i].Value = have.APIKeys[j].Value
		}
	}
	return keys
}

// makeKeys makes up the values of new API keys.
func makeKeys(keys []pinfold.APIKey) {
	for i := range keys {
		if keys[i].Value == "" {
			keys[i].Value = rand.Text() + rand.Text()[:14] // 40 characters, as AWS's have
		}
	}
}

// validate holds an API against the rules for it, as if its keys were made.
func validate(api pinfold.API) error {
	api.APIKeys = slices.Clone(api.APIKeys)
	makeKeys(api.APIKeys)
	return httpapi.Validate(api)
}

// compareAPIs compares the application's front doors route by route.
func (s *session) compareAPIs(ctx context.Context, seen func(any)) error {
	scope := pinfold.Scope{Account: s.d.Target.Account, Region: s.d.Target.Region}
	find := func(id string) (*pinfold.API, error) {
		api, err := s.apis.Get(ctx, scope, id)
		if pinfold.CodeOf(err) == pinfold.NotFound {
			return nil, nil
		}
		seen(api)
		return &api, err
	}
	for _, want := range s.want.APIs {
		want = httpapi.WithDefaults(want)
		want.App = s.want.Name + "/" + s.want.Stage
		have, err := find(want.ID)
		if err != nil {
			return err
		}
		want.APIKeys = keepKeys(have, want.APIKeys)
		if err := validate(want); err != nil {
			return err
		}
		if changes := routeChanges(have, &want); len(changes) > 0 || have == nil {
			s.changes = append(s.changes, changes...)
			s.step(func(ctx context.Context) error {
				makeKeys(want.APIKeys)
				_, err := s.apis.Put(ctx, want)
				return err
			})
		}
	}
	for _, old := range s.have.APIs {
		if slices.ContainsFunc(s.want.APIs, func(a pinfold.API) bool { return a.ID == old.ID }) {
			continue
		}
		have, err := find(old.ID)
		if err != nil {
			return err
		}
		if have != nil {
			s.changes = append(s.changes, routeChanges(have, nil)...)
			s.step(func(ctx context.Context) error { return s.apis.Delete(ctx, scope, old.ID) })
		}
	}
	return nil
}
