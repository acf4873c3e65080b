package platform

import (
	"context"
	"net/http"

	"pinfold.dev/pinfold"
	eventbridge "pinfold.dev/pinfold/internal/wire/events"
	"pinfold.dev/pinfold/internal/wire/lambda"
	"pinfold.dev/pinfold/internal/wire/logs"
	"pinfold.dev/pinfold/internal/wire/mux"
	"pinfold.dev/pinfold/internal/wire/protocol"
	"pinfold.dev/pinfold/internal/wire/scheduler"
	"pinfold.dev/pinfold/internal/wire/sqs"
	"pinfold.dev/pinfold/internal/wire/sts"
)

// apiHandler is the visible list of what answers on the API listener.
func (p *Platform) apiHandler() (http.Handler, error) {
	endpoints := func() pinfold.Endpoints { return p.facts.Endpoints }
	links := lambda.NewLinks(func(ctx context.Context, pkg pinfold.Package) (lambda.Zip, error) {
		return p.packages.Open(ctx, pkg)
	}, endpoints)
	var services []*protocol.Server
	for _, open := range []func() (*protocol.Server, error){
		func() (*protocol.Server, error) {
			return lambda.New(lambda.Options{
				Registry: p.functions, Invoker: p.invoker, Packages: p.packages, Authorizer: p.identity,
				Endpoints: endpoints, Links: links, Provisioning: p.provisioning, Mappings: p.mappings, Async: p.async, Log: p.log,
			})
		},
		func() (*protocol.Server, error) {
			return sqs.New(sqs.Options{Queues: p.queues, Authorizer: p.identity, Stopping: p.stopping, Log: p.log})
		},
		func() (*protocol.Server, error) {
			return scheduler.New(scheduler.Options{Service: p.schedules, Scope: p.scope(), Authorizer: p.identity, Log: p.log})
		},
		func() (*protocol.Server, error) {
			return eventbridge.New(eventbridge.Options{Service: p.schedules, Scope: p.scope(), Authorizer: p.identity, Log: p.log})
		},
		func() (*protocol.Server, error) {
			return logs.New(logs.Options{Store: p.logs, Scope: p.scope(), Authorizer: p.identity, Stopping: p.stopping, Log: p.log})
		},
		func() (*protocol.Server, error) { return sts.New(sts.Options{Authorizer: p.identity, Log: p.log}) },
	} {
		server, err := open()
		if err != nil {
			return nil, err
		}
		services = append(services, server)
	}
	return mux.New(mux.Options{
		Authenticator: p.auth,
		Services:      services,
		Routes: []mux.Route{
			p.controlRoutes(),
			{Prefix: lambda.CodePath, Handler: links, Open: true},
		},
		Traced: p.traced,
		Log:    p.log,
	}), nil
}
