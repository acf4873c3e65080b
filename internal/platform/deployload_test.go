package platform_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// service is a name that no other test on this machine has.
var service = fmt.Sprint("load", os.Getpid())

// Deployments under load fail no request: not where code changes, and not where
// a route moves to a function of another name and the old one goes.
func TestDeployUnderLoad(t *testing.T) {
	const deployments, clients = 20, 4
	for _, tc := range []struct {
		name     string
		function func(n int) string
	}{
		{"code", func(int) string { return "f" }},
		{"functions", func(n int) string { return fmt.Sprint("f", n) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := platformtest.Start(t)
			cache := t.TempDir()
			dir := platformtest.Files(t, nil)
			deploy := func(n int) string {
				for name, content := range map[string]string{
					"serverless.yml": "service: " + service + "\nprovider: {name: aws, runtime: nodejs20.x, environment: {NODE_OPTIONS: --no-warnings}}\nfunctions:\n  " + tc.function(n) + // platformtest.Processes needs it
						":\n    handler: i.h\n    events: [{httpApi: 'GET /f'}, {httpApi: 'POST /f'}]\n",
					"i.js": fmt.Sprintf("exports.h = async () => %d\n", n),
				} {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				deployed, err := p.TryDeploy(t.Context(), cache, dir)
				if err != nil {
					t.Fatalf("deployment %d: %v", n, err)
				}
				return deployed.Routes[0].URL
			}
			url := deploy(0)

			ctx, stop := context.WithCancel(t.Context())
			var load sync.WaitGroup
			var mu sync.Mutex
			answers := map[string]int{}
			for i := range clients {
				load.Go(func() {
					for ctx.Err() == nil {
						answer := call(url, i%2 == 1)
						mu.Lock()
						answers[answer]++
						mu.Unlock()
					}
				})
			}
			for n := 1; n <= deployments; n++ {
				deploy(n)
			}
			stop()
			load.Wait()
			if got, want := call(url, false), fmt.Sprint("200 ", deployments); got != want {
				t.Errorf("after the last deployment: %q, want %q", got, want)
			}
			total := 0
			for answer, n := range answers {
				total += n
				var which int
				if _, err := fmt.Sscanf(answer, "200 %d", &which); err != nil {
					t.Errorf("%d requests were answered %q", n, answer)
				}
			}
			t.Logf("%d requests during %d deployments", total, deployments)
			onlyNewest(t, p, tc.function(deployments))
		})
	}
}

// An invocation that found its version just before that was replaced is served
// by it, but leaves no instance of it behind.
func TestLateInvocationOfOldCode(t *testing.T) {
	p, err := platform.New(t.Context(), config(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	facts := p.Facts()
	outside := &platformtest.Platform{Facts: facts, Client: client.New(facts.Endpoints.API, facts.Region, facts.RootKey)}
	deploy := func(answer string) {
		outside.Deploy(t, platformtest.Files(t, map[string]string{
			"serverless.yml": "service: s\nprovider: {name: aws, runtime: nodejs20.x}\nfunctions: {f: {handler: i.h}}\n",
			"i.js":           "exports.h = async () => '" + answer + "'\n",
		}))
	}
	ref := pinfold.FunctionRef{Account: facts.Account, Region: facts.Region, Name: "s-dev-f"}

	deploy("old")
	old, err := p.Resolve(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	deploy("new")
	result, err := p.InvokeVersion(t.Context(), old, &pinfold.Invocation{ID: "late", Function: ref, Payload: []byte("{}")})
	if err != nil || string(result.Payload) != `"old"` {
		t.Fatalf("the late invocation: %+v, %v", result, err)
	}
	for deadline := time.Now().Add(5 * time.Second); len(p.Instances()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("an instance of code that was replaced stays: %+v", p.Instances())
		}
	}
}

// call returns status and body. One that is slow sends its request's body in
// pieces, so that a deployment may come between its route and its function.
func call(url string, slow bool) string {
	method, body := http.MethodGet, io.Reader(nil)
	if slow {
		r, w := io.Pipe()
		method, body = http.MethodPost, r
		go func() {
			for range 5 {
				_, _ = io.WriteString(w, "{} ")
				time.Sleep(10 * time.Millisecond)
			}
			_ = w.Close()
		}()
	}
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, answer)
}

// onlyNewest waits until no instance of older code is left.
func onlyNewest(t *testing.T, p *platformtest.Platform, function string) {
	t.Helper()
	full := service + "-dev-" + function
	var pids []int
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		functions, err := p.Client.Functions(t.Context())
		if err != nil || len(functions) != 1 || functions[0].Name != full {
			t.Fatalf("functions: %+v, %v", functions, err)
		}
		instances := 0
		for _, n := range functions[0].Instances {
			instances += n
		}
		pids = platformtest.Processes(t, service)
		if runtime.GOOS != "linux" || len(pids) == instances && !slices.ContainsFunc(pids, usesOld) {
			return
		}
	}
	t.Errorf("instances of older code are left, or not shown: %v", pids)
}

// usesOld reports whether a process works in a folder that is not the newest code's.
func usesOld(pid int) bool {
	code, err := os.ReadFile(fmt.Sprintf("/proc/%d/cwd/i.js", pid))
	return err != nil || string(code) != "exports.h = async () => 20\n"
}
