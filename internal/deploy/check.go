package deploy

import (
	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/internal/httpapi"
)

// check holds an application as a whole to what no single service can see.
// Readers make none that fails; who else sends one is told.
func (d *Deployer) check(a *app.Application) error {
	if a.Name == "" || a.Stage == "" {
		return pinfold.Errorf(pinfold.Invalid, "the application needs a name and a stage: it has %q and %q", a.Name, a.Stage)
	}
	layers, functions := map[string]bool{}, map[string]bool{}
	provisioned := map[string]bool{}
	for _, l := range a.Layers {
		if layers[l.Name] {
			return pinfold.Errorf(pinfold.Invalid, "two layers of the application are named %s: give one of them another name", l.Name)
		}
		layers[l.Name] = true
	}
	for _, f := range a.Functions {
		if functions[f.Name] {
			return inFunction(f, pinfold.Errorf(pinfold.Invalid, "another function of the application is named %s too: give one of them another name", f.Name))
		}
		functions[f.Name], provisioned[f.Name] = true, f.Provisioned != nil
	}
	if err := d.checkEvents(a); err != nil {
		return err
	}
	for _, api := range a.APIs {
		for _, r := range api.Routes {
			if !functions[r.Target.Name] {
				return pinfold.Errorf(pinfold.Invalid, "the route %s leads to a function %q that the application does not have", httpapi.Name(r), r.Target.Name)
			}
			if r.Target.Qualifier == app.ProvisionedAlias && !provisioned[r.Target.Name] {
				return pinfold.Errorf(pinfold.Invalid, "the route %s leads to provisioned instances of the function %s, which has none", httpapi.Name(r), r.Target.Name)
			}
		}
	}
	return nil
}

// checkEvents holds queues against one another and the functions that they lead to.
func (d *Deployer) checkEvents(a *app.Application) error {
	queues := map[string]pinfold.MessageQueue{}
	for _, q := range a.Queues {
		if q.Want.Account != d.Target.Account || q.Want.Region != d.Target.Region {
			return inResource("queue", q, pinfold.Errorf(pinfold.Invalid, "it is of account %q in region %q, and this server is %s in %s", q.Want.Account, q.Want.Region, d.Target.Account, d.Target.Region))
		}
		if _, twice := queues[q.Want.ARN()]; twice {
			return inResource("queue", q, pinfold.Errorf(pinfold.Invalid, "another queue of the application is named %s, too: give one of them another name", q.Want.Name))
		}
		queues[q.Want.ARN()] = q.Want
	}
	for _, m := range a.Mappings {
		if m.Want.UUID == "" {
			return inResource("mapping", m, pinfold.Errorf(pinfold.Invalid, "it has no UUID, by which it could be found again"))
		}
		q, ours := queues[m.Want.Source]
		for _, f := range a.Functions {
			// In the words of CreateEventSourceMapping.
			if timeout := f.Config.Timeout; ours && f.Name == m.Want.Function.Name && timeout > q.VisibilityTimeout {
				return inResource("mapping", m, pinfold.Errorf(pinfold.Invalid, "Queue visibility timeout: %d seconds is less than Function timeout: %d seconds", q.VisibilityTimeout, timeout))
			}
		}
	}
	return nil
}
