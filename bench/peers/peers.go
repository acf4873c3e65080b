//go:build linux

// Package peers runs the function that Pinfold is measured with in what else
// there is to run functions: fetched from the Go module proxy and npm at
// versions that stand here, built, and started with nothing but the settings
// that each needs to serve it.
package peers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"pinfold.dev/pinfold/bench/host"
	"pinfold.dev/pinfold/bench/load"
)

// Peer is one of them.
type Peer struct {
	Name string
	How  string // what runs the function, for people
	// Limit says that it is no rival but what could be had without processes.
	Limit bool
	// Lazy reports that it starts the function with the first request, so that
	// its cold start is that; the others' counts from exec.
	Lazy bool

	fetch  func(context.Context, *Shelf) (program string, err error)
	start  func(ctx context.Context, s *Shelf, program string, port int) (*exec.Cmd, error)
	target func(url string) (load.Target, error)

	program string
}

// Shelf is where things are.
type Shelf struct {
	App   string // folder with the function
	Cache string // folder for what is fetched
	Dir   string // folder for settings, of this run
	First func(what string)
}

// All lists the peers.
func All() []*Peer {
	return []*Peer{
		{Name: "of-watchdog (OpenFaaS)", How: "Go proxy before a Node.js server, mode http", fetch: watchdog, start: startWatchdog, target: hello},
		{Name: "AWS Lambda runtime interface emulator", How: "Go server of the Runtime API, a loop in Node.js (`bench/app/rapi.js`)", Lazy: true, fetch: emulator, start: startEmulator, target: invoke},
		{Name: "serverless-offline", How: "Node.js server, the handler in worker threads", Lazy: true, fetch: offline, start: startOffline, target: hello},
		{Name: "workerd", How: "C++ server with V8 isolates in its process: no process, no Node.js", Limit: true, fetch: workerd, start: startWorkerd, target: hello},
	}
}

// Queues is the peer that has queues and no functions here: what to send it is none
// of its business.
func Queues() *Peer {
	return &Peer{Name: "Gopherstack", How: "emulator of AWS in Go, everything in memory", fetch: gopherstack, start: startGopherstack,
		target: func(string) (load.Target, error) { return load.Target{}, nil }}
}

// Fetch gets the peer from the cache or from where it comes from. Its error
// says why it cannot be had.
func (p *Peer) Fetch(ctx context.Context, s *Shelf) (err error) {
	p.program, err = p.fetch(ctx, s)
	return err
}

// Start starts a peer that has been fetched, and returns what to send it.
func (p *Peer) Start(ctx context.Context, s *Shelf) (*host.Server, load.Target, error) {
	port, err := host.FreePort()
	if err != nil {
		return nil, load.Target{}, err
	}
	cmd, err := p.start(ctx, s, p.program, port)
	if err != nil {
		return nil, load.Target{}, err
	}
	server, err := host.StartOn(ctx, port, cmd)
	if err != nil {
		return nil, load.Target{}, err
	}
	target, err := p.target(server.URL)
	return server, target, err
}

const greeting = "Hello, Ada!"

func hello(url string) (load.Target, error) { return load.Get(url+"/hello?name=Ada", greeting) }

// goBuild builds a program of a module, in a module of its own below the cache.
func goBuild(ctx context.Context, s *Shelf, name, pkg, mod string) (string, error) {
	dir := filepath.Join(s.Cache, name)
	program := filepath.Join(dir, name)
	mod = fmt.Sprintf("module bench/peers/%s\n\ngo 1.26\n\n%s\n", name, mod)
	wanted := filepath.Join(dir, "wanted.mod")
	if had, err := os.ReadFile(wanted); err == nil && string(had) == mod {
		if _, err := os.Stat(program); err == nil {
			return program, nil
		}
	}
	s.First("go build " + pkg)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, file := range []string{filepath.Join(dir, "go.mod"), wanted} {
		if err := os.WriteFile(file, []byte(mod), 0o644); err != nil {
			return "", err
		}
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=mod", "-trimpath", "-o", program, pkg)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot be built here: %s", why(string(out)))
	}
	return program, nil
}

var address = regexp.MustCompile(`https?://[^\s:]+`)

// why is the end of what a tool said, without the addresses in it.
func why(said string) string {
	words := strings.Fields(address.ReplaceAllString(said, "…"))
	return strings.Join(words[max(0, len(words)-25):], " ")
}

func watchdog(ctx context.Context, s *Shelf) (string, error) {
	const pkg = "github.com/openfaas/of-watchdog"
	return goBuild(ctx, s, "of-watchdog", pkg, "require "+pkg+" 0.10.11")
}

func startWatchdog(ctx context.Context, s *Shelf, program string, port int) (*exec.Cmd, error) {
	upstream, err := host.FreePort()
	if err != nil {
		return nil, err
	}
	cmd := host.Command(ctx, program)
	cmd.Env = host.Environ("mode=http", "fprocess=node "+filepath.Join(s.App, "raw.js"), "http_buffer_req_body=false",
		fmt.Sprintf("port=%d", port), fmt.Sprintf("upstream_url=http://127.0.0.1:%d", upstream), fmt.Sprintf("PORT=%d", upstream))
	return cmd, nil
}

func gopherstack(ctx context.Context, s *Shelf) (string, error) {
	const pkg = "github.com/blackbirdworks/gopherstack"
	return goBuild(ctx, s, "gopherstack", pkg, "require "+pkg+" v1.9.0")
}

func startGopherstack(ctx context.Context, s *Shelf, program string, port int) (*exec.Cmd, error) {
	cmd := host.Command(ctx, program)
	cmd.Env = host.Environ(fmt.Sprintf("PORT=%d", port), "LOG_LEVEL=error", "GOPHERSTACK_DATA_DIR="+filepath.Join(s.Dir, "gopherstack"))
	return cmd, nil
}

func emulator(ctx context.Context, s *Shelf) (string, error) {
	return goBuild(ctx, s, "aws-lambda-rie", "go.amzn.com/cmd/aws-lambda-rie", "require go.amzn.com v0.0.0\n\n"+
		"replace go.amzn.com => github.com/aws/aws-lambda-runtime-interface-emulator v0.0.0-20250423173140-3a0772eae98d")
}

func startEmulator(ctx context.Context, s *Shelf, program string, port int) (*exec.Cmd, error) {
	api, err := host.FreePort()
	if err != nil {
		return nil, err
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, err
	}
	return host.Command(ctx, program, "--log-level", "error", "--runtime-interface-emulator-address", fmt.Sprintf("127.0.0.1:%d", port),
		"--runtime-api-address", fmt.Sprintf("127.0.0.1:%d", api), node, filepath.Join(s.App, "rapi.js")), nil
}

func invoke(url string) (load.Target, error) {
	t := load.Target{Addr: strings.TrimPrefix(url, "http://"), Want: greeting}
	body := `{"queryStringParameters":{"name":"Ada"}}`
	t.Requests = [][]byte{[]byte(fmt.Sprintf("POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nHost: %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", t.Addr, len(body), body))}
	return t, nil
}

// npm installs what bench/peers/npm names.
func npm(ctx context.Context, s *Shelf) (dir string, err error) {
	dir, err = host.NPM(ctx, filepath.Join("bench", "peers", "npm"), filepath.Join(s.Cache, "npm"), func() { s.First("npm ci for the peers") })
	if err != nil {
		return "", fmt.Errorf("cannot be fetched here: %s", why(err.Error()))
	}
	return dir, nil
}

func offline(ctx context.Context, s *Shelf) (string, error) {
	dir, err := npm(ctx, s)
	if err != nil {
		return "", err
	}
	const manifest = `service: hello
frameworkVersion: "3"
provider: {name: aws, runtime: nodejs20.x}
plugins: [serverless-offline]
functions:
  hello: {handler: hello.handler, events: [{httpApi: GET /hello}]}
`
	code, err := os.ReadFile(filepath.Join(s.App, "hello.js"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "hello.js"), code, 0o644)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "serverless.yml"), []byte(manifest), 0o644)
	}
	return filepath.Join(dir, "node_modules", "serverless", "bin", "serverless.js"), err
}

func startOffline(ctx context.Context, _ *Shelf, program string, port int) (*exec.Cmd, error) {
	lambda, err := host.FreePort()
	if err != nil {
		return nil, err
	}
	cmd := host.Command(ctx, "node", program, "offline", "start", "--host", "127.0.0.1", "--httpPort", fmt.Sprint(port), "--lambdaPort", fmt.Sprint(lambda), "--noPrependStageInUrl", "--noTimeout")
	cmd.Dir = filepath.Join(filepath.Dir(program), "..", "..", "..")
	cmd.Env = host.Environ("SLS_TELEMETRY_DISABLED=1", "SLS_NOTIFICATIONS_MODE=off", "SLS_INTERACTIVE_SETUP_ENABLE=0", "CI=1")
	return cmd, nil
}

func workerd(ctx context.Context, s *Shelf) (string, error) {
	dir, err := npm(ctx, s)
	if err != nil {
		return "", err
	}
	machine := map[string]string{"amd64": "64", "arm64": "arm64"}[runtime.GOARCH]
	program := filepath.Join(dir, "node_modules", "@cloudflare", "workerd-linux-"+machine, "bin", "workerd")
	_, err = os.Stat(program)
	return program, err
}

func startWorkerd(ctx context.Context, s *Shelf, program string, port int) (*exec.Cmd, error) {
	const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = .hello)], sockets = [(name = "http", address = "127.0.0.1:%d", http = (), service = "main")]);
const hello :Workerd.Worker = (modules = [(name = "worker.js", esModule = embed "worker.js")], compatibilityDate = "2025-01-01");
`
	code, err := os.ReadFile(filepath.Join(s.App, "worker.js"))
	if err == nil {
		err = os.WriteFile(filepath.Join(s.Dir, "worker.js"), code, 0o644)
	}
	file := filepath.Join(s.Dir, "config.capnp")
	if err == nil {
		err = os.WriteFile(file, fmt.Appendf(nil, config, port), 0o644)
	}
	return host.Command(ctx, program, "serve", file), err
}
