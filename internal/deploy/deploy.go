// Package deploy puts applications onto the platform: it compares what an
// [app.Application] asks for with what is there, and makes the difference
// happen in one transaction, through the same services that the AWS wire uses.
// See docs/adr/0005-how-is-a-deployment-one-transaction.md.
package deploy

import (
	"context"
	"encoding/json"
	"strings"
	"time"

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

// Packages knows which code packages are stored.
type Packages interface {
	Has(ctx context.Context, pkg pinfold.Package) (bool, error)
}

// Options are what a Deployer needs.
type Options struct {
	Store     store.Control
	Functions *function.Registry
	APIs      *httpapi.Registry
	Packages  Packages
	Logs      *logs.Store
	// Queues, Mappings and Schedules may be nil: a plan says then that what an
	// application asks of them is not served.
	Queues    *queue.Service
	Mappings  *mapping.Registry
	Schedules *schedule.Service
	// Events, if it is not nil, tells how many events wait for a function, by its name.
	Events func(function string) int
	Target app.Target // the platform that applications are deployed to
	Now    func() time.Time
}

// Deployer deploys applications.
type Deployer struct{ Options }

// New returns a deployer.
func New(o Options) *Deployer {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Deployer{o}
}

// Plan says what deploying an application would change, and which code
// packages have to be uploaded before.
func (d *Deployer) Plan(ctx context.Context, a *app.Application) (*app.Plan, error) {
	if err := d.check(a); err != nil {
		return nil, err
	}
	missing, err := d.missing(ctx, a)
	if err != nil {
		return nil, err
	}
	var plan *app.Plan
	err = d.Store.View(ctx, func(tx store.Tx) error {
		s, err := d.compare(ctx, tx, a)
		if err != nil {
			return err
		}
		plan = s.plan()
		plan.Missing = missing
		return nil
	})
	return plan, err
}

// Apply deploys an application: all of it, or nothing. If base is not "", it is
// the Base of the plan that was agreed to; a state that has changed since is an
// error with code Conflict. So is what would lose messages, unless force says that
// they may be.
func (d *Deployer) Apply(ctx context.Context, a *app.Application, base string, force bool) (*app.Deployed, error) {
	if err := d.check(a); err != nil {
		return nil, err
	}
	missing, err := d.missing(ctx, a)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, pinfold.Errorf(pinfold.Invalid, "the code package %s is not on the server: upload it first", missing[0].SHA256)
	}
	var deployed *app.Deployed
	var s *session
	err = d.Store.Update(ctx, func(tx store.Tx) (err error) {
		if s, err = d.compare(ctx, tx, a); err != nil {
			return err
		}
		if base != "" && base != s.base {
			return pinfold.Errorf(pinfold.Conflict, "%s (%s) has been changed by somebody else since the plan was made: look at a new plan", a.Name, a.Stage)
		}
		if err := s.apply(ctx, force); err != nil {
			return err
		}
		record, err := d.record(a)
		if err != nil {
			return err
		}
		if err := tx.Apps().Put(d.key(a.Name, a.Stage), record); err != nil {
			return err
		}
		deployed, err = d.describe(ctx, tx, record)
		return err
	})
	if s != nil {
		s.end()
	}
	if err == nil {
		err = s.settle()
	}
	return deployed, err
}

// Remove removes an application with everything that it made. If that would lose
// messages, it is an error with code Conflict, unless force says that they may be.
func (d *Deployer) Remove(ctx context.Context, name, stage string, force bool) error {
	var s *session
	defer func() {
		if s != nil {
			s.end()
		}
	}()
	return d.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := tx.Apps().Get(d.key(name, stage)); err != nil {
			if pinfold.CodeOf(err) == pinfold.NotFound {
				return pinfold.Errorf(pinfold.NotFound, "no application %s is deployed in stage %s", name, stage)
			}
			return err
		}
		var err error
		if s, err = d.compare(ctx, tx, &app.Application{Name: name, Stage: stage}); err != nil {
			return err
		}
		if err := s.apply(ctx, force); err != nil {
			return err
		}
		return tx.Apps().Delete(d.key(name, stage))
	})
}

// List returns the deployed applications by name and stage.
func (d *Deployer) List(ctx context.Context) ([]app.Deployed, error) {
	all := []app.Deployed{}
	return all, d.Store.View(ctx, func(tx store.Tx) error {
		records, err := tx.Apps().List(store.Key{d.Target.Account, d.Target.Region}, nil, 0)
		if err != nil {
			return err
		}
		for _, r := range records {
			deployed, err := d.describe(ctx, tx, r.Value)
			if err != nil {
				return err
			}
			all = append(all, *deployed)
		}
		return nil
	})
}

// missing returns the packages of an application that are not stored, each once.
func (d *Deployer) missing(ctx context.Context, a *app.Application) ([]pinfold.Package, error) {
	var missing []pinfold.Package
	seen := map[string]bool{}
	check := func(what string, pkg pinfold.Package) error {
		if pkg.SHA256 == "" {
			return pinfold.Errorf(pinfold.Invalid, "%s has no code package", what)
		}
		if seen[pkg.SHA256] {
			return nil
		}
		seen[pkg.SHA256] = true
		has, err := d.Packages.Has(ctx, pkg)
		if err == nil && !has {
			missing = append(missing, pkg)
		}
		return err
	}
	for _, l := range a.Layers {
		if err := check("the layer "+l.Key, l.Code); err != nil {
			return nil, err
		}
	}
	for _, f := range a.Functions {
		if err := check("the function "+f.Key, f.Code); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

func (d *Deployer) key(name, stage string) store.Key {
	return store.Key{d.Target.Account, d.Target.Region, name, stage}
}

func (d *Deployer) record(a *app.Application) (store.App, error) {
	document, err := json.Marshal(a)
	return store.App{Name: a.Name, Stage: a.Stage, Document: document, DeployedAt: d.Now().UnixMilli()}, err
}

// previous returns the application as it was last deployed, or an empty one.
func (d *Deployer) previous(tx store.Tx, name, stage string) (*app.Application, []byte, error) {
	record, err := tx.Apps().Get(d.key(name, stage))
	if pinfold.CodeOf(err) == pinfold.NotFound {
		return &app.Application{Name: name, Stage: stage}, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	a := new(app.Application)
	if err := json.Unmarshal(record.Document, a); err != nil {
		return nil, nil, pinfold.Errorf(pinfold.Internal, "reading the record of %s (%s): %w", name, stage, err)
	}
	return a, record.Document, nil
}

// describe tells an application as it stands.
func (d *Deployer) describe(ctx context.Context, tx store.Tx, record store.App) (*app.Deployed, error) {
	a := new(app.Application)
	if err := json.Unmarshal(record.Document, a); err != nil {
		return nil, pinfold.Errorf(pinfold.Internal, "reading the record of %s (%s): %w", record.Name, record.Stage, err)
	}
	deployed := &app.Deployed{App: a.Name, Stage: a.Stage, Outputs: a.Outputs, DeployedAt: record.DeployedAt}
	functions := d.Functions.Within(tx)
	for _, f := range a.Functions {
		ref := d.ref(f.Name)
		df := app.DeployedFunction{Name: f.Name, ARN: ref.ARN(), Runtime: f.Config.Runtime, Version: pinfold.LatestVersion}
		newest, err := newestVersion(ctx, functions, ref)
		if pinfold.CodeOf(err) == pinfold.NotFound {
			continue // removed behind our back; the next plan shows it
		}
		if err != nil {
			return nil, err
		}
		df.Version = newest
		if f.URL != nil {
			df.URL = d.Target.Endpoints.FunctionURL(pinfold.URLID(d.invoked(f)))
		}
		deployed.Functions = append(deployed.Functions, df)
	}
	if err := d.describeEvents(ctx, tx, a, deployed); err != nil {
		return nil, err
	}
	for _, api := range a.APIs {
		base := d.Target.Endpoints.APIURL(api.Kind, api.ID, api.Stage)
		for _, r := range api.Routes {
			url := base + r.Path
			if r.Path == "$default" {
				url = base
			}
			deployed.Routes = append(deployed.Routes, app.DeployedRoute{
				Method: r.Method, Path: r.Path, URL: url, Function: r.Target.Name, Private: r.APIKeyRequired,
			})
		}
		if len(api.APIKeys) == 0 {
			continue
		}
		// Values that the manifest does not give are known to the registry only.
		there, err := d.APIs.Within(tx).Get(ctx, pinfold.Scope{Account: d.Target.Account, Region: d.Target.Region}, api.ID)
		if err != nil {
			return nil, err
		}
		deployed.APIKeys = append(deployed.APIKeys, there.APIKeys...)
	}
	return deployed, d.shortURLs(tx, deployed)
}

// shortURLs replaces host names by the public door's own address while one
// application alone is deployed: the gateway then serves its API at "/".
func (d *Deployer) shortURLs(tx store.Tx, deployed *app.Deployed) error {
	apis, err := tx.APIs().List(store.Key{d.Target.Account, d.Target.Region}, nil, 0)
	if err != nil {
		return err
	}
	for _, r := range apis {
		if r.Value.App != deployed.App+"/"+deployed.Stage {
			return nil
		}
	}
	for i, r := range deployed.Routes {
		for _, api := range apis {
			long := d.Target.Endpoints.APIURL(pinfold.HTTPAPI, api.Value.ID, "")
			if rest, ok := strings.CutPrefix(r.URL, long); ok {
				deployed.Routes[i].URL = d.Target.Endpoints.HTTP + rest
			}
		}
	}
	return nil
}

func (d *Deployer) ref(name string) pinfold.FunctionRef {
	return pinfold.FunctionRef{Account: d.Target.Account, Region: d.Target.Region, Name: name}
}

// newestVersion returns the number of a function's newest published version,
// or $LATEST if it has none.
func newestVersion(ctx context.Context, functions *function.Registry, ref pinfold.FunctionRef) (string, error) {
	newest := pinfold.LatestVersion
	for page := (function.Page{}); ; {
		versions, next, err := functions.ListVersions(ctx, ref, page)
		if err != nil {
			return "", err
		}
		if len(versions) > 0 {
			newest = versions[len(versions)-1].Ref.Qualifier
		}
		if next == "" {
			return newest, nil
		}
		page.Marker = next
	}
}
