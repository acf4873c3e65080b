package platform

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/gateway"
	"pinfold.dev/pinfold/internal/sandbox/namespace/egress"
)

// openListeners takes the two addresses before anything else is opened, so that
// one that is in use is found out at once.
func (p *Platform) openListeners(ctx context.Context) error {
	listen := func(what, addr, flag string) (string, error) {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			return "", pinfold.Errorf(pinfold.Unavailable, "the address %s for %s is in use: another Pinfold may be running; choose another with %s", addr, what, flag)
		}
		if err != nil {
			return "", pinfold.Errorf(pinfold.Unavailable, "listening for %s: %w", what, err)
		}
		p.closing(func() error {
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				return err
			}
			return nil
		})
		p.listeners = append(p.listeners, served{Listener: l})
		return "http://" + reachable(l.Addr()), nil
	}
	var err error
	if p.facts.Endpoints.API, err = listen("the API", p.config.API, "--api"); err != nil {
		return err
	}
	p.facts.Endpoints.HTTP, err = listen("the public door", p.config.HTTP, "--http")
	p.facts.Account, p.facts.Region = p.config.Account, p.config.Region
	if err != nil || p.config.Metrics == "" {
		return err
	}
	p.facts.Metrics, err = listen("metrics", p.config.Metrics, "metrics in the configuration")
	return err
}

// reachable is the address under which this machine reaches a listener.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

const maxHeaderBytes = 64 << 10

// openDoors puts handlers behind the listeners.
func (p *Platform) openDoors(ctx context.Context) error {
	p.access = gateway.NewAccessLog(1024, gateway.SlogAccess(p.log))
	p.closing(func() error { p.access.Close(); return nil })
	p.gateway = gateway.New(gateway.Options{
		Invoker: p.invoker, Authenticate: p.auth.For("lambda"), Access: p.recordAccess, Log: p.log, Endpoints: p.facts.Endpoints,
		HeaderNames: headerNames, TrustForwarded: p.config.TrustForwarded, Inside: egress.Inside().String(),
	})
	p.apis.OnChange(func() { p.logged("routes", p.loadAPIs(p.stopping)) })
	p.functions.OnChange(func(pinfold.FunctionRef) { p.logged("function URLs", p.loadURLs(p.stopping)) })
	if err := errors.Join(p.loadAPIs(ctx), p.loadURLs(ctx)); err != nil {
		return err
	}
	api, err := p.apiHandler()
	if err != nil {
		return err
	}
	if p.config.Dev {
		api = refuseBrowsers(p.config.API, api)
	}
	p.departure = newDeparture()
	p.closing(func() error { p.departure.close(); return nil })
	for i, handler := range []http.Handler{api, p.gateway} {
		p.listeners[i].Listener = p.dressed(i, p.listeners[i].Listener)
		p.listeners[i].server = &http.Server{
			Handler:           boundBody(handler),
			ReadHeaderTimeout: 10 * time.Second,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		}
	}
	keepNames(p.listeners[publicDoor].server)
	close(p.opened)
	return nil
}

// publicDoor is the place of the public door among the listeners.
const publicDoor = 1

// doorCount is how many of the listeners are doors; metrics may have another.
const doorCount = 2

// dressed gives a listener what the server behind it expects of connections.
func (p *Platform) dressed(i int, l net.Listener) net.Listener {
	if i == publicDoor { // a function that was called runs on: nobody asks whether its caller has left
		return naming{patient{l, nil}}
	}
	return patient{l, p.departure}
}

// recordAccess has a request written to the log, if that is asked for or it
// failed: to wake up who writes it costs more than much of the request.
func (p *Platform) recordAccess(a gateway.Access) {
	if a.Status >= 500 || p.log.Enabled(context.Background(), slog.LevelDebug) {
		p.access.Record(a)
	}
}

func (p *Platform) logged(what string, err error) {
	if err != nil && p.stopping.Err() == nil {
		p.log.Error("could not reload "+what+": the door serves the old ones", "error", err)
	}
}

func (p *Platform) loadAPIs(ctx context.Context) error {
	p.doors.Lock()
	defer p.doors.Unlock()
	apis, err := p.apis.List(ctx, p.scope())
	if err != nil {
		return err
	}
	p.doors.apis = apis
	p.gateway.Update(apis, p.doors.urls)
	return nil
}

func (p *Platform) loadURLs(ctx context.Context) error {
	p.doors.Lock()
	defer p.doors.Unlock()
	urls, err := p.functions.URLs(ctx)
	if err != nil {
		return err
	}
	// Every change of a function comes here, and few are about its URL.
	if reflect.DeepEqual(urls, p.doors.urls) {
		return nil
	}
	p.doors.urls = urls
	p.gateway.Update(p.doors.apis, urls)
	return nil
}

// Run serves until ctx ends, then stops taking requests, lets what runs finish
// for Config.DrainTimeout, and closes everything. It is called once.
func (p *Platform) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	doors, others := p.listeners[:doorCount], p.listeners[doorCount:]
	for _, s := range others {
		group.Go(func() error { return p.serveMetrics(ctx, s.Listener) })
	}
	for _, s := range doors {
		group.Go(func() error {
			if err := s.server.Serve(s.Listener); !errors.Is(err, http.ErrServerClosed) {
				return pinfold.Errorf(pinfold.Unavailable, "serving on %s: %w", s.Addr(), err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			p.stop() // what has no end by itself, such as a followed log, ends now
			drain, cancel := context.WithDeadline(context.WithoutCancel(ctx), p.drained())
			defer cancel()
			if err := s.server.Shutdown(drain); err != nil {
				return s.server.Close() // the time is up
			}
			return nil
		})
	}
	group.Go(func() error { return p.keepLog(ctx) })
	group.Go(func() error { return notStopped(p.queues.Run(ctx)) })
	group.Go(func() error { return notStopped(p.schedules.Run(ctx)) })
	group.Go(func() error { p.pollers.Run(ctx); return nil })
	group.Go(func() error { p.keepHouse(ctx); return nil })
	group.Go(func() error { p.giveBack(ctx); return nil })
	group.Go(func() error { p.stock(ctx); return nil })
	group.Go(func() error { p.timetable.Run(ctx); return nil })
	err := group.Wait()
	p.stop()
	return errors.Join(err, p.close())
}

// packageGrace is how long a code package may be without anything that refers
// to it. Every edit under `pinfold dev` makes one.
func (p *Platform) packageGrace() time.Duration {
	if p.config.Dev {
		return 2 * time.Minute
	}
	return time.Hour
}

// keepHouse drops, now and then, the code packages that nothing refers to any
// more, until ctx ends.
func (p *Platform) keepHouse(ctx context.Context) {
	tick, trim := time.NewTicker(p.packageGrace()), time.NewTicker(time.Hour)
	defer tick.Stop()
	defer trim.Stop()
	p.trimRecords(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-trim.C:
			p.trimRecords(ctx)
			continue
		case <-tick.C:
		}
		inUse, err := p.functions.Packages(ctx)
		if err == nil {
			var dropped int
			if dropped, err = p.packages.Collect(ctx, inUse); dropped > 0 {
				p.log.Info("dropped code packages that nothing uses", "packages", dropped)
			}
		}
		if err != nil && ctx.Err() == nil {
			p.log.Error("could not look for unused code packages", "error", err)
		}
	}
}
