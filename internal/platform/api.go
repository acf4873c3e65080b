package platform

import (
	"net/http"

	"pinfold.dev/pinfold/internal/runtimes"
	"pinfold.dev/pinfold/internal/wire/mux"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// apiHandler is the visible list of what answers on the API listener.
func (p *Platform) apiHandler() (http.Handler, error) {
	services := []*protocol.Server{}
	return mux.New(mux.Options{
		Authenticator: p.auth,
		Services:      services,
		Routes:        []mux.Route{p.controlRoutes()},
		Log:           p.log,
	}), nil
}

// RuntimeNote returns what a person who deploys a function with this runtime
// should know, or "".
func RuntimeNote(id string) string { return runtimes.Warning(id) }
