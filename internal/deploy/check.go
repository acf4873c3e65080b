package deploy

import (
	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/internal/httpapi"
)

// check holds an application as a whole to what no single service can see.
// Readers make none that fails; who else sends one is told.
func check(a *app.Application) error {
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
