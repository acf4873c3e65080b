package platform

import (
	"cmp"
	"context"
	"iter"
	"os"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/logs"
	"pinfold.dev/pinfold/internal/queue"
	"pinfold.dev/pinfold/internal/runtimes"
	"pinfold.dev/pinfold/internal/wire/control"
	"pinfold.dev/pinfold/internal/wire/mux"
)

// controlRoutes puts the control API onto the listener.
func (p *Platform) controlRoutes() mux.Route {
	handler := control.New(control.Options{
		Deployer: p.deployer, Packages: p.packages, Logs: logReader{p}, Records: finder{p}, Usage: p.usage, Advice: p.advice, Authorizer: p.identity,
		Info: client.Info{
			Target: p.facts.Target, Version: Version(), Sandbox: p.facts.Sandbox, Contained: p.facts.Contained, MachineMB: machineMB(),
			Dev: p.facts.Dev, PID: os.Getpid(), Data: p.facts.Data,
		},
		Health:       func() any { return p.health() },
		RuntimeNote:  new(runtimes.Machine).Note,
		Functions:    func(ctx context.Context) (any, error) { return p.functionStatus(ctx) },
		FunctionName: p.functionName,
		Network: func(ctx context.Context, name string, to *pinfold.Network) (any, error) {
			return p.network(ctx, name, to)
		},
		Events:    p.async,
		Queues:    queue.Desk{Service: p.queues},
		Mappings:  p.mappingStatus,
		Schedules: p.schedules.Statuses,
		Principal: mux.Principal,
		ARN: func(resource string) string {
			return pinfold.ARN{Partition: "aws", Service: "pinfold", Region: p.config.Region, Account: p.config.Account, Resource: resource}.String()
		},
	})
	return mux.Route{Prefix: "/_pinfold/v1/", Handler: handler, MaxBody: control.MaxPackage}
}

// functionName returns the name of the function that a person means, who may
// have written an ARN. It need not exist any more if it has left a log.
func (p *Platform) functionName(ctx context.Context, name string) (string, error) {
	ref, err := pinfold.ParseFunctionRef(name, p.scope())
	if err != nil {
		return "", err
	}
	ref = ref.With("")
	_, err = p.functions.Resolve(ctx, ref)
	if err == nil {
		return ref.Name, nil
	}
	if pinfold.CodeOf(err) != pinfold.NotFound {
		return "", err
	}
	for _, err := range p.logs.Query(ctx, logs.Query{Functions: []pinfold.FunctionRef{ref}, Limit: 1}) {
		return ref.Name, err
	}
	return "", pinfold.Errorf(pinfold.NotFound, "there is no function %s, and none of that name has left a log", ref.Name)
}

// network tells what a function may reach, after changing it if to is not nil.
func (p *Platform) network(ctx context.Context, name string, to *pinfold.Network) (*client.FunctionNetwork, error) {
	ref, err := p.functions.Ref(name, "")
	if err != nil {
		return nil, err
	}
	if to != nil {
		if ref.Qualifier != "" && ref.Qualifier != pinfold.LatestVersion {
			return nil, pinfold.Errorf(pinfold.Invalid, "a published version does not change: set the network of %s, without :%s, and publish another", ref.Name, ref.Qualifier)
		}
		if _, err := p.functions.UpdateConfig(ctx, ref, function.ConfigPatch{Network: to}, ""); err != nil {
			return nil, err
		}
	}
	f, err := p.functions.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	owners, err := p.owners(ctx)
	if err != nil {
		return nil, err
	}
	n := f.Version.Config.Network
	n.Policy = cmp.Or(n.Policy, pinfold.NetworkOpen)
	return &client.FunctionNetwork{Function: ref.Name, Network: n, App: owners[ref.Name], Enforced: p.facts.Contained}, nil
}

// owners returns the applications of functions, "name/stage" by function.
func (p *Platform) owners(ctx context.Context) (map[string]string, error) {
	apps, err := p.deployer.List(ctx)
	owners := map[string]string{}
	for _, a := range apps {
		for _, f := range a.Functions {
			owners[f.Name] = a.App + "/" + a.Stage
		}
	}
	return owners, err
}

// logReader reads the log store in the control API's terms. What follows ends
// when the platform stops.
type logReader struct{ p *Platform }

func (l logReader) Lines(ctx context.Context, q control.LogQuery) iter.Seq2[pinfold.LogLine, error] {
	level, err := logs.ParseLevel(q.Level)
	if err != nil {
		return func(yield func(pinfold.LogLine, error) bool) { yield(pinfold.LogLine{}, err) }
	}
	query := logs.Query{
		Since: q.Since, Until: q.Until, Text: q.Filter, Requests: q.Requests, Pattern: q.Pattern, Level: level, Limit: q.Tail, Tail: q.Tail > 0,
	}
	for _, name := range q.Functions {
		query.Functions = append(query.Functions, pinfold.FunctionRef{Account: l.p.config.Account, Region: l.p.config.Region, Name: name})
	}
	if !q.Follow {
		return l.p.logs.Query(ctx, query)
	}
	return func(yield func(pinfold.LogLine, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(l.p.stopping, cancel)()
		for line, err := range l.p.logs.Follow(ctx, query) {
			if l.p.stopping.Err() != nil || !yield(line, err) {
				return
			}
		}
	}
}

// functionStatus tells every function with its instances, its application, and the
// events that come to it.
func (p *Platform) functionStatus(ctx context.Context) ([]client.FunctionStatus, error) {
	owners, err := p.owners(ctx)
	if err != nil {
		return nil, err
	}
	instances := map[string]map[string]int{}
	for _, s := range p.pool.Stats() {
		m := instances[s.Function.Name]
		if m == nil {
			m = map[string]int{}
			instances[s.Function.Name] = m
		}
		for state, n := range map[string]int{"starting": s.Starting, "ready": s.Ready, "busy": s.Busy, "frozen": s.Frozen, "draining": s.Draining} {
			if n > 0 {
				m[state] += n
			}
		}
	}
	settings, err := p.settings(ctx)
	if err != nil {
		return nil, err
	}
	events := map[string]*pinfold.AsyncStatus{}
	for _, s := range p.async.Statuses() {
		events[s.Function] = &s
	}
	mapped, err := p.mappingStatus(ctx)
	if err != nil {
		return nil, err
	}
	mappings := map[string][]pinfold.MappingStatus{}
	for _, m := range mapped {
		name, _, _ := strings.Cut(m.Function, ":")
		mappings[name] = append(mappings[name], m)
	}
	all := []client.FunctionStatus{}
	for page := (function.Page{}); ; {
		versions, next, err := p.functions.List(ctx, false, page)
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			set := settings[v.Ref.Name]
			all = append(all, client.FunctionStatus{
				Name: v.Ref.Name, Runtime: v.Config.Runtime, MemoryMB: v.Config.MemoryMB, App: owners[v.Ref.Name],
				Modified: v.LastModified, CodeSize: v.Code.Size, Network: v.Config.Network, Instances: instances[v.Ref.Name],
				Concurrency: v.Config.MaxConcurrency, Reserved: set.Reserved, Queue: set.Queue, Provisioned: p.provisioned(set),
				Events: events[v.Ref.Name], Mappings: mappings[v.Ref.Name],
			})
		}
		if next == "" {
			return all, nil
		}
		page.Marker = next
	}
}

// settings returns the settings of every function that has any, by name.
func (p *Platform) settings(ctx context.Context) (map[string]function.Settings, error) {
	all, err := p.functions.AllSettings(ctx)
	byName := make(map[string]function.Settings, len(all))
	for _, s := range all {
		byName[s.Ref.Name] = s
	}
	return byName, err
}

// provisioned tells how far the instances are that are kept ready of a function.
func (p *Platform) provisioned(s function.Settings) (all []client.ProvisionedStatus) {
	for _, t := range s.Provisioned {
		have := p.provisioning(t.Ref)
		all = append(all, client.ProvisionedStatus{
			Qualifier: t.Ref.Qualifier, Requested: have.Requested, Allocated: have.Allocated, Available: have.Available, Status: have.Status, Reason: have.Reason,
		})
	}
	return all
}
