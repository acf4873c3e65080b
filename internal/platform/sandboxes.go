package platform

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/namespace"
	"pinfold.dev/pinfold/internal/sandbox/process"
)

// openSandboxes begins to open the sandbox driver that the configuration asks for:
// that is half of a start, and most of it is to wait for other processes. walls
// returns it when it is there.
func (p *Platform) openSandboxes(ctx context.Context) error {
	p.driver = sync.OnceValues(func() (sandbox.Driver, error) {
		driver, err := p.newDriver(ctx)
		if err != nil {
			return nil, err
		}
		if err := driver.Sweep(ctx); err != nil {
			return nil, errors.Join(err, driver.Close())
		}
		return driver, nil
	})
	go p.driver()
	p.closing(func() error {
		driver, err := p.driver()
		if err != nil {
			return nil // whoever needed it was told
		}
		return driver.Close()
	})
	return nil
}

// walls returns the driver. What is weaker about it than it could be is among the
// facts from then on, for everyone to see.
func (p *Platform) walls() (sandbox.Driver, error) {
	driver, err := p.driver()
	if err != nil {
		return nil, err
	}
	can := driver.Capabilities()
	p.facts.Sandbox, p.facts.Contained = driver.Name(), contained(can)
	p.facts.Weak = append(p.facts.Weak, can.Weak...)
	return driver, nil
}

// Forget removes what a server that was killed left in the kernel, if nobody is
// going to start one on its data folder again: the next one would do it.
func Forget(ctx context.Context, data string) error {
	return namespace.Clear(ctx, filepath.Join(data, runFolder))
}

// runFolder is the name of the driver's folder in the data folder.
const runFolder = "run"

func contained(can sandbox.Capabilities) bool { return can.Filesystem && can.Processes && can.Network }

// newDriver is the visible list of sandbox drivers, strongest first. Only "auto"
// goes on to a weaker one.
func (p *Platform) newDriver(ctx context.Context) (sandbox.Driver, error) {
	run, err := p.folder.sub(runFolder)
	if err != nil {
		return nil, err
	}
	switch p.config.Sandbox {
	case "auto", "namespace":
		driver, err := namespace.New(ctx, namespace.Options{Dir: run, Hide: []string{p.folder.path}, Inside: p.inside(), Log: p.log})
		if err == nil || p.config.Sandbox == "namespace" {
			return driver, err
		}
		p.log.Warn("functions are NOT isolated from this machine or each other: run only code that you trust", "why", err)
		p.facts.Weak = append(p.facts.Weak, err.Error())
		fallthrough
	case "process":
		return process.New(run)
	}
	return nil, pinfold.Errorf(pinfold.Invalid, "there is no sandbox driver %q", p.config.Sandbox)
}

// inside is what functions find on their own loopback: the same doors at the
// same ports, so that one URL is good inside and outside. Sandboxes may be there
// before the doors are open, for instances that are kept ready: who comes to them
// until then waits.
func (p *Platform) inside() []namespace.Service {
	var services []namespace.Service
	for i, s := range p.listeners[:doorCount] {
		port := s.Addr().(*net.TCPAddr).Port
		if len(services) > 0 && services[0].Port == port {
			continue // on another address of the host
		}
		services = append(services, namespace.Service{Port: port, Serve: func(l net.Listener) error {
			select {
			case <-p.opened:
			case <-p.stopping.Done():
				return nil
			}
			err := p.listeners[i].server.Serve(p.dressed(i, l))
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return err
		}})
	}
	return services
}

// endpointFor is where functions reach the API.
func (p *Platform) endpointFor(driver sandbox.Driver) string {
	if !driver.Capabilities().Network {
		return p.facts.Endpoints.API
	}
	return "http://127.0.0.1:" + strconv.Itoa(p.listeners[0].Addr().(*net.TCPAddr).Port)
}
