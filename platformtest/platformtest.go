// Package platformtest starts whole platforms inside tests: the same that
// production starts, on ports of the machine's choice, in a temporary folder.
package platformtest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/serverless"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
)

// Platform is a platform that runs as long as its test.
type Platform struct {
	platform.Facts
	Client *client.Client // signs with the root key
}

// Option changes a platform's configuration before it starts.
type Option func(*platform.Config)

// Start starts a platform and stops it when the test ends; a platform that
// does not stop cleanly fails the test. What it logs goes to the test's log.
func Start(t testing.TB, options ...Option) *Platform {
	t.Helper()
	cfg := platform.Defaults()
	cfg.Data = DataFolder(t)
	cfg.API, cfg.HTTP = "127.0.0.1:0", "127.0.0.1:0"
	cfg.DrainTimeout = 10 * time.Second
	for _, option := range options {
		option(&cfg)
	}
	p, err := platform.New(t.Context(), cfg, slog.New(slog.NewTextHandler(testLog{t}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the platform did not stop cleanly: %v", err)
		}
	})
	facts := p.Facts()
	return &Platform{Facts: facts, Client: client.New(facts.Endpoints.API, facts.Region, facts.RootKey)}
}

// DataFolder returns a folder for a platform's data that goes with the test,
// although the code in it is read-only.
func DataFolder(t testing.TB) string {
	dir, err := os.MkdirTemp("", "pinfold-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				_ = os.Chmod(path, 0o700)
			}
			return nil
		})
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// testLog writes to a test's log.
type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	return l.t.Output().Write(b)
}

// Deploy deploys the application in a folder, whether all of it is served or
// not, and returns what is there then.
func (p *Platform) Deploy(t testing.TB, dir string) *app.Deployed {
	t.Helper()
	deployed, err := p.TryDeploy(t.Context(), t.TempDir(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return deployed
}

// TryDeploy is Deploy for tests that expect it to fail. Packages are built in
// the folder cache.
func (p *Platform) TryDeploy(ctx context.Context, cache, dir string) (*app.Deployed, error) {
	a, err := serverless.Read(ctx, dir, serverless.Options{Target: p.Target, Env: os.LookupEnv})
	if err != nil {
		return nil, err
	}
	built, err := app.Build(ctx, a, app.BuildOptions{Cache: cache, Fast: true})
	if err != nil {
		return nil, err
	}
	plan, err := p.Client.Plan(ctx, a)
	if err != nil {
		return nil, err
	}
	for _, pkg := range plan.Missing {
		file, err := os.Open(built[pkg.SHA256])
		if err != nil {
			return nil, err
		}
		err = p.Client.PutPackage(ctx, pkg, file)
		file.Close()
		if err != nil {
			return nil, a.Blame(pkg, err)
		}
	}
	return p.Client.Deploy(ctx, a, plan.Base)
}

// Files writes an application: a map of names to contents. It returns its folder.
func Files(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
