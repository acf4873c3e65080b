package platform_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

func config(t *testing.T) platform.Config {
	c := platform.Defaults()
	c.Data, c.API, c.HTTP = platformtest.DataFolder(t), "127.0.0.1:0", "127.0.0.1:0"
	return c
}

func TestSecondServerIsKeptOut(t *testing.T) {
	first := platformtest.Start(t)
	c := config(t)
	c.Data = first.Data
	_, err := platform.New(t.Context(), c, slog.New(slog.DiscardHandler))
	if pinfold.CodeOf(err) != pinfold.Conflict || !strings.Contains(err.Error(), first.Endpoints.API) {
		t.Errorf("got %v, want a conflict that names the server that is there", err)
	}
	running, err := platform.ReadRunning(first.Data)
	if err != nil || running.PID != os.Getpid() || running.Endpoints != first.Endpoints {
		t.Errorf("the refused server has changed who runs there: %+v, %v", running, err)
	}
}

// A start that fails leaves nothing open: the next one can have it all.
func TestFailedStartLeavesNothing(t *testing.T) {
	c := config(t)
	key := filepath.Join(c.Data, platform.RootKeyFile)
	if err := os.WriteFile(key, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := platform.New(t.Context(), c, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("a damaged root key is accepted")
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	platformtest.Start(t, func(cfg *platform.Config) { cfg.Data = c.Data })
}

func TestAddressInUse(t *testing.T) {
	first := platformtest.Start(t)
	c := config(t)
	c.HTTP = strings.TrimPrefix(first.Endpoints.HTTP, "http://")
	_, err := platform.New(t.Context(), c, slog.New(slog.DiscardHandler))
	if pinfold.CodeOf(err) != pinfold.Unavailable || !strings.Contains(err.Error(), "--http") {
		t.Errorf("got %v, want what is in use and which flag helps", err)
	}
}

// A server that is gone leaves no trace of running, and its data serves the next.
func TestRestart(t *testing.T) {
	data := platformtest.DataFolder(t)
	dir := platformtest.Files(t, map[string]string{
		"serverless.yml": "service: s\nprovider: {name: aws}\nfunctions: {f: {handler: i.h, runtime: nodejs20.x}}\n",
		"i.js":           "exports.h = async () => 'here'\n",
	})
	use := func(cfg *platform.Config) { cfg.Data = data }
	t.Run("first", func(t *testing.T) {
		platformtest.Start(t, use).Deploy(t, dir)
	})
	if running, err := platform.ReadRunning(data); err != nil || running.PID != 0 {
		t.Errorf("after the stop: %+v, %v", running, err)
	}
	t.Run("second", func(t *testing.T) {
		result, err := platformtest.Start(t, use).Client.Invoke(t.Context(), "s-dev-f", []byte("{}"), false)
		if err != nil || string(result.Payload) != `"here"` {
			t.Errorf("after a restart the function says %+v, %v", result, err)
		}
	})
}

// A stop waits for what runs as long as it is told to, once: not for requests
// first, and then as long again for their functions.
func TestDrainTimeoutIsTheWholeWait(t *testing.T) {
	const wait = 2 * time.Second
	c := config(t)
	c.DrainTimeout = wait
	p, err := platform.New(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	facts := p.Facts()
	outside := &platformtest.Platform{Facts: facts, Client: client.New(facts.Endpoints.API, facts.Region, facts.RootKey)}
	outside.Deploy(t, platformtest.Files(t, map[string]string{
		"serverless.yml": "service: s\nprovider: {name: aws, runtime: nodejs20.x, timeout: 60}\nfunctions: {f: {handler: i.h}}\n",
		"i.js":           "exports.h = () => new Promise((done) => setTimeout(done, 60000))\n",
	}))
	answered := make(chan error, 1)
	go func() {
		_, err := outside.Client.Invoke(context.Background(), "s-dev-f", []byte("{}"), false)
		answered <- err
	}()
	for deadline := time.Now().Add(10 * time.Second); len(p.Instances()) == 0 || p.Instances()[0].Busy == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the function does not run")
		}
	}
	began := time.Now()
	stop()
	if err := <-ended; pinfold.CodeOf(err) != pinfold.Timeout {
		t.Errorf("the platform ends with %v, want that an invocation was cut off", err)
	}
	if took := time.Since(began); took < wait || took > wait+wait/2 {
		t.Errorf("it took %v to stop, want %v", took, wait)
	}
	if err := <-answered; err == nil {
		t.Error("an invocation that was cut off has an answer")
	}
}
