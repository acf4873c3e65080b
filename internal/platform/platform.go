// Package platform is the composition root: the only place that names
// implementations and plugs them into each other. Production, `pinfold dev` and
// tests start this same thing: New opens everything, Run serves until its
// context ends.
package platform

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/code"
	"pinfold.dev/pinfold/internal/deploy"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/gateway"
	"pinfold.dev/pinfold/internal/httpapi"
	"pinfold.dev/pinfold/internal/iam"
	"pinfold.dev/pinfold/internal/invoke"
	"pinfold.dev/pinfold/internal/logs"
	"pinfold.dev/pinfold/internal/pool"
	"pinfold.dev/pinfold/internal/provision"
	"pinfold.dev/pinfold/internal/runtimes"
	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/store/blob"
	"pinfold.dev/pinfold/internal/store/sql"
	"pinfold.dev/pinfold/internal/wire/sigv4"
)

// Platform is a running Pinfold.
type Platform struct {
	config Config
	log    *slog.Logger
	facts  Facts
	clock  *steadyClock

	folder    *folder
	db        *sql.DB
	packages  *code.Packages
	functions *function.Registry
	apis      *httpapi.Registry
	identity  *iam.Service
	logs      *logs.Store
	pool      *pool.Pool
	timetable *provision.Timetable
	driver    func() (sandbox.Driver, error) // waits until it is open
	launcher  *runtimes.Launcher
	settling  sync.Mutex // of one function's settings after the other
	kinds     []string   // of cells; guarded by settling
	prepared  []string   // runtimes; likewise
	invoker   recorded
	accounts
	events
	deployer *deploy.Deployer
	gateway  *gateway.Gateway
	access   *gateway.AccessLog
	auth     *sigv4.Authenticator

	listeners []served
	departure *departure      // of the clients of all of them
	opened    chan struct{}   // closed when there are handlers behind the doors
	stopping  context.Context // done as soon as the platform is asked to stop
	stop      context.CancelFunc
	drained   func() time.Time // when what runs must have ended: Config.DrainTimeout after this was first asked

	doors struct { // what the gateway's table was last made of
		sync.Mutex
		apis []pinfold.API
		urls []pinfold.URL
	}
	closers []func() error // in the order of opening
}

// served is a listener and what answers on it.
type served struct {
	net.Listener
	server *http.Server
}

// Facts is what a platform that has started can say about itself.
type Facts struct {
	app.Target
	Ready       time.Duration      `json:"readyNs"`           // from New to ready
	Metrics     string             `json:"metrics,omitempty"` // base URL of the metrics, if they have an address
	Data        string             `json:"data"`
	RootKeyFile string             `json:"rootKeyFile,omitempty"` // "" if the key came with the configuration
	RootKeyMade bool               `json:"rootKeyMade,omitempty"` // this start made it
	RootKey     client.Credentials `json:"-"`
	Sandbox     string             `json:"sandbox"`        // name of the driver
	Contained   bool               `json:"contained"`      // functions are isolated
	Weak        []string           `json:"weak,omitempty"` // what of the isolation is weaker than it could be, and what to do
	Dev         bool               `json:"dev,omitempty"`
}

// New opens a platform: data folder, stores, services and listeners. Nothing is
// left open if it fails. The platform answers once Run is called.
func New(ctx context.Context, cfg Config, log *slog.Logger) (_ *Platform, err error) {
	started := time.Now()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Platform{config: cfg, log: log, clock: newSteadyClock(), opened: make(chan struct{})}
	p.drained = sync.OnceValue(func() time.Time { return time.Now().Add(cfg.DrainTimeout) })
	p.stopping, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			p.stop()
			_ = p.close()
		}
	}()
	for _, open := range []func(context.Context) error{
		p.openFolder, p.openMetrics, p.openLog, p.openListeners, p.openSandboxes, p.openState, p.openIdentity, p.openEvents, p.openServices, p.openAccounts, p.openInstances, p.openSources, p.openDoors,
	} {
		if err := open(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.folder.announce(Running{PID: os.Getpid(), Region: cfg.Region, Endpoints: p.facts.Endpoints}); err != nil {
		return nil, err
	}
	p.facts.Ready = time.Since(started)
	return p, nil
}

// Facts returns what the platform can say about itself.
func (p *Platform) Facts() Facts { return p.facts }

// closing has fn called when the platform closes, before what was opened earlier.
func (p *Platform) closing(fn func() error) { p.closers = append(p.closers, fn) }

func (p *Platform) close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i]())
	}
	p.closers = nil
	return errors.Join(errs...)
}

func (p *Platform) openFolder(context.Context) (err error) {
	if p.folder, err = openFolder(p.config.Data); err != nil {
		return err
	}
	p.closing(p.folder.close)
	p.facts.Data, p.facts.Dev = p.folder.path, p.config.Dev
	return nil
}

func (p *Platform) openState(ctx context.Context) (err error) {
	if p.db, err = sql.Open(ctx, filepath.Join(p.folder.path, "state.db")); err != nil {
		return err
	}
	p.closing(p.db.Close)
	packagesDir, err := p.folder.sub("packages")
	if err != nil {
		return err
	}
	codeDir, err := p.folder.sub("code")
	if err != nil {
		return err
	}
	blobs, err := blob.NewFolder(packagesDir)
	if err != nil {
		return err
	}
	if p.packages, err = code.New(code.Options{Store: blobs, Dir: codeDir, Grace: p.packageGrace()}); err != nil {
		return err
	}
	p.closing(p.packages.Close)
	logsDir, err := p.folder.sub("logs")
	if err != nil {
		return err
	}
	if p.logs, err = logs.Open(logs.Config{
		Dir: logsDir, KeepBytes: megabytes(p.config.LogMB), KeepAllBytes: megabytes(p.config.LogAllMB), Wrote: p.wroteLogs,
		Now: p.clock.Now, Log: p.log,
	}); err != nil {
		return err
	}
	p.closing(p.logs.Close)
	return nil
}

func (p *Platform) openIdentity(context.Context) error {
	key := iam.Credentials{AccessKeyID: p.config.RootAccessKeyID, SecretAccessKey: p.config.RootSecretAccessKey}
	if key.AccessKeyID == "" {
		var err error
		if key, p.facts.RootKeyFile, p.facts.RootKeyMade, err = iam.LoadRootKey(p.folder.path); err != nil {
			return err
		}
	}
	p.facts.RootKey = client.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}
	p.identity = iam.New(p.config.Account, key)
	p.auth = sigv4.NewAuthenticator(p.identity)
	if p.config.Dev {
		p.auth = sigv4.NewOpenAuthenticator(p.identity)
	}
	return nil
}

func (p *Platform) scope() pinfold.Scope {
	return pinfold.Scope{Account: p.config.Account, Region: p.config.Region}
}

func (p *Platform) openServices(context.Context) error {
	p.functions = function.New(function.Options{
		Store: timed{p.db, p}, Code: p.packages, Scope: p.scope(), SupportedRuntime: runtimes.Supported,
		Limits: function.Limits{Concurrency: p.config.Concurrency},
	})
	p.apis = httpapi.New(timed{p.db, p})
	p.openMappings()
	p.deployer = deploy.New(deploy.Options{
		Store: timed{p.db, p}, Functions: p.functions, APIs: p.apis, Packages: p.packages, Logs: p.logs, Target: p.facts.Target,
		Queues: p.queues, Mappings: p.mappings, Schedules: p.schedules, Events: func(function string) int { return p.async.Waiting(function) },
	})
	return nil
}

func (p *Platform) openInstances(ctx context.Context) error {
	driver, err := p.walls()
	if err != nil {
		return err
	}
	bootstraps, err := p.folder.sub("bootstraps")
	if err != nil {
		return err
	}
	launch, err := runtimes.NewLauncher(runtimes.Options{
		Driver: driver, Code: p.packages, Logs: p.logs, RunDir: bootstraps, Endpoint: p.endpointFor(driver),
		Env:   func(v *pinfold.Version) map[string]string { return p.identity.CredentialsFor(v).Env() },
		Cache: codeCache{p.packages, p.log},
	})
	if err != nil {
		return err
	}
	p.launcher = launch
	p.closing(func() error { launch.Close(); return nil })
	p.pool = pool.New(launcher{launch, p}, p.config.pool(p.log))
	p.closing(func() error {
		ctx, cancel := context.WithDeadline(context.Background(), p.drained())
		defer cancel()
		return p.pool.Close(ctx)
	})
	p.timetable = provision.NewTimetable(p.settle)
	p.functions.OnChange(p.changed)
	p.invoker = p.recording(invoke.New(p.identity, p.functions, p.pool))
	return p.settleAll(ctx)
}
