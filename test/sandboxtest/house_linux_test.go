package sandboxtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/namespace"
	"pinfold.dev/pinfold/internal/sandbox/process"
	"pinfold.dev/pinfold/platformtest"
)

// house is a platform with a neighbour and the hostile functions on it.
type house struct {
	facts  platform.Facts
	client *client.Client
	bait   *bait
	urls   map[string]string // of functions, by key
	usual  pulse
	limits bool // on memory, processor and processes
	tunnel bool // sandboxes have a network outside
	host   *traces
	token  string // in the command line of the last attack's daemons
}

// manifest deploys one program several times: with the memory and time that an
// attack is about. 1,769 MB are one processor.
const manifest = `service: walls
provider:
  name: aws
  memorySize: 1769
  timeout: 60
package: {individually: true, patterns: ['!**']}
custom:
  pinfold:
    functions:
      goNone: {network: none}
      # What is denied to all is denied if somebody allows it, too.
      goList: {network: ['${env:ALLOWED}', 169.254.0.0/16, 127.0.0.0/8, '::1', localhost]}
functions:
  neighbour: {runtime: nodejs22.x, handler: neighbour.handler, url: true, environment: {SECRET: '${env:SECRET}'}, package: {patterns: [neighbour.js]}}
  node: &node {runtime: nodejs22.x, handler: index.handler, url: true, package: {patterns: [index.js]}}
  nodeSmall: {<<: *node, memorySize: 256}
  nodeBrief: {<<: *node, timeout: 2}
  python: &python {runtime: python3.12, handler: main.handler, url: true, package: {patterns: [main.py]}}
  pythonSmall: {<<: *python, memorySize: 256}
  pythonBrief: {<<: *python, timeout: 2}
  pythonStream: {<<: *python, url: {invokeMode: response_stream}}
  go: &go {runtime: provided.al2023, handler: bootstrap, url: true, package: {patterns: [bootstrap]}}
  goSmall: {<<: *go, memorySize: 256}
  goBrief: {<<: *go, timeout: 2}
  goNone: {<<: *go}
  goList: {<<: *go}
`

// application reads the application of the hostile functions.
func application(t *testing.T, target app.Target, b *bait) *app.Application {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", filepath.Join(dir, "bootstrap"), "./golang")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, from := range []string{"testdata/node", "testdata/python"} {
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "serverless.yml"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := serverless.Read(t.Context(), dir, serverless.Options{Target: target, Env: func(name string) (string, bool) {
		value, ok := map[string]string{"SECRET": b.secret, "ALLOWED": b.allowed.addr()}[name]
		return value, ok
	}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// settle deploys the functions to a server, and returns the house that this makes.
func settle(t *testing.T, facts platform.Facts, c *client.Client, b *bait) *house {
	t.Helper()
	a := application(t, facts.Target, b)
	built, err := app.Build(t.Context(), a, app.BuildOptions{Cache: t.TempDir(), Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := c.Plan(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range plan.Missing {
		file, err := os.Open(built[pkg.SHA256])
		if err != nil {
			t.Fatal(err)
		}
		err = c.PutPackage(t.Context(), pkg, file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	deployed, err := c.Deploy(t.Context(), a, plan.Base)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{facts: facts, client: c, bait: b, urls: map[string]string{}}
	for _, f := range deployed.Functions {
		h.urls[strings.TrimPrefix(f.Name, prefix)] = f.URL
	}
	return h
}

// order is what a hostile function is sent.
type order map[string]any

// order returns what an attack is sent: its own, and what a spy could know.
func (h *house) order(run string, more order) order {
	o := order{"run": run}
	h.bait.describe(o)
	o["data"] = h.facts.Data
	o["secrets"] = []string{backwards(h.bait.secret), backwards(h.facts.RootKey.SecretAccessKey)}
	o["ports"] = []string{portOf(h.facts.Endpoints.API), portOf(h.facts.Endpoints.HTTP)}
	o["function"] = h.name("neighbour")
	for key, value := range more {
		o[key] = value
	}
	return o
}

// prefix is what the names of functions begin with: service and stage.
const prefix = "walls-dev-"

func (h *house) name(key string) string { return prefix + key }

func portOf(url string) string { return url[strings.LastIndexByte(url, ':')+1:] }

func backwards(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// door calls function URLs as any program does. Names below "localhost" lead to
// this machine, whatever its resolver says.
var door = &http.Client{
	Timeout: 90 * time.Second,
	Transport: &http.Transport{
		MaxIdleConnsPerHost: 8,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	},
}

// request is what calls a function through its URL.
func (h *house) request(ctx context.Context, key string, o order) (*http.Request, error) {
	content, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.urls[key], bytes.NewReader(content))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

// call calls a function through its URL.
func (h *house) call(ctx context.Context, key string, o order) (status int, body []byte, err error) {
	req, err := h.request(ctx, key, o)
	if err != nil {
		return 0, nil, err
	}
	resp, err := door.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// breathes checks that a function answers as if nothing had been.
func (h *house) breathes(ctx context.Context, key string) error {
	status, body, err := h.call(ctx, key, order{"run": "breathe"})
	if err == nil && (status != http.StatusOK || !bytes.Contains(body, []byte("fine"))) {
		err = fmt.Errorf("%d %.300s", status, body)
	}
	if err != nil {
		return fmt.Errorf("after the attack %s does not answer: %w", key, err)
	}
	return nil
}

// neighbour is what the neighbour says about itself.
type neighbour struct {
	Nonce     string   `json:"nonce"`
	Secret    bool     `json:"secret"` // its secrets are unharmed
	Port      int      `json:"port"`
	Addresses []string `json:"addresses"`
}

func (h *house) neighbour(ctx context.Context, hold time.Duration) (n neighbour, err error) {
	nonce := rand.Text()
	status, body, err := h.call(ctx, "neighbour", order{"nonce": nonce, "hold": hold.Milliseconds()})
	if err != nil {
		return n, err
	}
	if err := json.Unmarshal(body, &n); err != nil || status != http.StatusOK || n.Nonce != nonce || !n.Secret {
		return n, fmt.Errorf("the neighbour answers %d %.300s, and should with the nonce %s", status, body, nonce)
	}
	return n, nil
}

// requestIDOf returns the id of an invocation that begins after since.
func (h *house) requestIDOf(ctx context.Context, key string, since time.Time) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for line, err := range h.client.Logs(ctx, client.LogQuery{Functions: []string{h.name(key)}, Since: since, Follow: true}) {
		if err != nil {
			return "", err
		}
		if line.RequestID != "" {
			return line.RequestID, nil
		}
	}
	return "", ctx.Err()
}

// reported waits until the log says how an invocation ended that began after
// since: a text of its REPORT. That of the invocation before may come late.
func (h *house) reported(ctx context.Context, key, text string, since time.Time, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var seen []string
	for line, err := range h.client.Logs(ctx, client.LogQuery{Functions: []string{h.name(key)}, Since: since, Follow: true}) {
		if err != nil && ctx.Err() == nil {
			return err
		}
		if !line.System {
			continue
		}
		if strings.HasPrefix(line.Text, "REPORT ") && strings.Contains(line.Text, text) {
			return nil
		}
		seen = append(seen, line.Text)
	}
	return fmt.Errorf("the log does not say %q: %q", text, seen)
}

// start starts a platform with a driver, or skips the test where it has none
// with walls.
func start(t *testing.T, driver string, b *bait) *house {
	t.Helper()
	can := capabilities(t, driver)
	if !(can.Filesystem && can.Processes && can.Network) && os.Getenv(hostile) != driver {
		t.Skipf("the driver %s claims no walls", driver)
	}
	p := platformtest.Start(t, func(c *platform.Config) { c.Sandbox, c.LogMB = driver, 16 })
	h := settle(t, p.Facts, p.Client, b)
	h.host, h.limits = &traces{root: os.Getpid()}, can.Memory && can.CPU
	device, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if h.tunnel = err == nil || !can.Network; err == nil {
		device.Close()
	} else {
		t.Logf("what is allowed outside is not tried: %v", err)
	}
	warm(t, h)
	return h
}

// capabilities is what a driver claims on this machine. Where an ordinary user
// cannot have it, the test is skipped.
func capabilities(t *testing.T, driver string) sandbox.Capabilities {
	t.Helper()
	var d sandbox.Driver
	var err error
	switch driver {
	case "namespace":
		d, err = namespace.New(t.Context(), namespace.Options{Dir: t.TempDir()})
		if err != nil && os.Geteuid() != 0 {
			t.Skip(err)
		}
	case "process":
		d, err = process.New(t.TempDir())
	default:
		t.Fatalf("what the driver %s claims is not known here", driver)
	}
	if err != nil {
		t.Fatal(err)
	}
	can := d.Capabilities()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return can
}

// warm starts an instance of each function, so that attacks measure themselves.
func warm(t *testing.T, h *house) {
	t.Helper()
	var wg sync.WaitGroup
	for key := range h.urls {
		if key != "neighbour" {
			wg.Go(func() {
				if err := h.breathes(t.Context(), key); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if _, err := h.neighbour(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if t.Failed() {
		t.FailNow()
	}
}
