package runtimes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

func TestTimeout(t *testing.T) { behind(t, testTimeout) }

func testTimeout(t *testing.T, w walls) {
	for runtime, files := range map[string]map[string]string{
		"nodejs20.x": {"app.js": `exports.handler = async () => { console.log("begun"); for (;;); }`},
		"python3.11": {"app.py": "import time\ndef handler(e, c):\n    print('begun')\n    time.sleep(60)"},
	} {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, w)
			in := l.launch(l.version(runtime, "app.handler", files, func(c *pinfold.Config) { c.Timeout = 1 }))
			res := l.call(in, "{}")
			want := `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ` + testID + ` Error: Task timed out after 1.00 seconds"}`
			if string(res.Payload) != want || res.FunctionError != "Unhandled" || in.Reusable() {
				t.Errorf("answer: %s %s, reusable %v", res.FunctionError, res.Payload, in.Reusable())
			}
			<-in.Done()
			tail := string(res.LogTail)
			for _, part := range []string{"begun\n", " " + testID + " Task timed out after 1.00 seconds\n", "\nEND RequestId: " + testID,
				"\tDuration: 1000.00 ms\t", "\tStatus: timeout\n"} {
				if !strings.Contains(tail, part) {
					t.Errorf("the log does not hold %q:\n%s", part, tail)
				}
			}
			if strings.Contains(tail, "Max Memory Used: 0 MB") {
				t.Errorf("no memory used:\n%s", tail)
			}
			if res.Phases.Handler != time.Second {
				t.Errorf("handler ran for %v", res.Phases.Handler)
			}
		})
	}
}

// TestEventLoopNeverEmpty is the classic: a callback with an open connection.
func TestEventLoopNeverEmpty(t *testing.T) { behind(t, testEventLoopNeverEmpty) }

func testEventLoopNeverEmpty(t *testing.T, w walls) {
	l := newLab(t, w)
	res := l.once(l.version("nodejs20.x", "index.handler", map[string]string{
		"index.js": `exports.handler = (e, c, cb) => { setInterval(() => {}, 1000); cb(null, "answer") }`,
	}, func(c *pinfold.Config) { c.Timeout = 1 }), "{}")
	if e := l.errorOf(res); e.ErrorType != "Sandbox.Timedout" {
		t.Errorf("answer: %s", res.Payload)
	}
}

func TestSlowInit(t *testing.T) { behind(t, testSlowInit) }

func testSlowInit(t *testing.T, w walls) {
	l := newLab(t, w)
	l.launcher.initLimit = 400 * time.Millisecond
	slow := func(ms int) map[string]string {
		return map[string]string{"index.mjs": fmt.Sprintf(`await new Promise((r) => setTimeout(r, %d)); export const handler = async () => "loaded"`, ms)}
	}
	in := l.launch(l.version("nodejs20.x", "index.handler", slow(1000)))
	res := l.call(in, "{}")
	if string(res.Payload) != `"loaded"` || !in.Reusable() {
		t.Errorf("a function that loads inside its first invocation answers %s", res.Payload)
	}
	if !strings.Contains(string(res.LogTail), "REPORT") || strings.Contains(string(res.LogTail), "Phase: invoke") {
		t.Errorf("log:\n%s", res.LogTail)
	}
	if _, err := l.logs.find("\tPhase: init\tStatus: timeout"); err != nil {
		t.Error(err)
	}
	if res := l.call(in, "{}"); string(res.Payload) != `"loaded"` {
		t.Errorf("after that it answers %s", res.Payload)
	}
	res = l.once(l.version("nodejs20.x", "index.handler", slow(60000), func(c *pinfold.Config) { c.Timeout = 1 }), "{}")
	if e := l.errorOf(res); e.ErrorType != "Sandbox.Timedout" {
		t.Errorf("a function that never loads: %s", res.Payload)
	}
	res = l.once(l.version("nodejs20.x", "index.handler", map[string]string{
		"index.mjs": `await new Promise((r) => setTimeout(r, 700)); throw new Error("late")`,
	}), "{}")
	if e := l.errorOf(res); e.ErrorMessage != "late" {
		t.Errorf("a function that fails to load, late: %s", res.Payload)
	}
}

// TestCallerGoesAway: a function runs to its end whether its caller waits or not.
func TestCallerGoesAway(t *testing.T) { behind(t, testCallerGoesAway) }

func testCallerGoesAway(t *testing.T, w walls) {
	l := newLab(t, w)
	in := l.launch(l.version("python3.11", "app.handler", map[string]string{
		"app.py": "import time\ndef handler(e, c):\n    print('begun')\n    time.sleep(.3)\n    return 'done'",
	}))
	ctx, cancel := context.WithCancel(t.Context())
	left, over := make(chan error), make(chan struct{})
	go func() {
		_, err := in.Invoke(ctx, &pinfold.Invocation{ID: "one", Payload: []byte("{}")}, func() { close(over) })
		left <- err
	}()
	for {
		if _, err := l.logs.find("begun"); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) || pinfold.CodeOf(err) != pinfold.Unavailable {
		t.Errorf("the caller who goes away: %v", err)
	}
	<-over
	if _, err := l.logs.find("REPORT RequestId: one"); err != nil {
		t.Error(err)
	}
	if res := l.call(in, "{}"); string(res.Payload) != `"done"` {
		t.Errorf("answer: %s", res.Payload)
	}
}

// TestOneAtATime hands an instance the next invocation while one is under way,
// as the pool does with those that are quick.
func TestOneAtATime(t *testing.T) { behind(t, testOneAtATime) }

func testOneAtATime(t *testing.T, w walls) {
	for runtime, files := range map[string]map[string]string{
		"nodejs20.x": {"app.js": `let busy = false; exports.handler = async (e) => { if (busy) throw new Error("two at a time"); busy = true; await new Promise(setImmediate); console.log("line of", e); busy = false; return e }`},
		"python3.11": {"app.py": "def handler(e, c):\n    print('line of', e)\n    return e"},
	} {
		t.Run(runtime, func(t *testing.T) {
			l := newLab(t, w)
			in := l.launch(l.version(runtime, "app.handler", files))
			places := make(chan struct{}, 2)
			var wg sync.WaitGroup
			for i := range 200 {
				wg.Go(func() {
					places <- struct{}{}
					want := fmt.Sprint(i)
					res, err := in.Invoke(t.Context(), &pinfold.Invocation{ID: want, Payload: []byte(want)}, func() { <-places })
					if err != nil || string(res.Payload) != want {
						t.Errorf("invocation %d: %+v, %v", i, res, err)
					}
				})
			}
			wg.Wait()
			for _, line := range l.logs.all() {
				if _, of, ok := strings.Cut(line.Text, "line of "); ok && of != line.RequestID {
					t.Errorf("%q is taken for a line of %s", line.Text, line.RequestID)
				}
			}
		})
	}
}

func TestCloseUnderAnInvocation(t *testing.T) { behind(t, testCloseUnderAnInvocation) }

func testCloseUnderAnInvocation(t *testing.T, w walls) {
	l := newLab(t, w)
	in := l.launch(l.version("python3.11", "app.handler", map[string]string{
		"app.py": "import time, subprocess\ndef handler(e, c):\n    subprocess.Popen(['sleep', '60'])\n    print('begun')\n    time.sleep(60)",
	}))
	failed := make(chan error)
	go func() {
		_, err := invoke(in, t.Context(), &pinfold.Invocation{ID: testID, Payload: []byte("{}")})
		failed <- err
	}()
	for {
		if _, err := l.logs.find("begun"); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; pinfold.CodeOf(err) != pinfold.Unavailable || pinfold.ReasonOf(err) == "InstanceGone" {
		t.Errorf("the invocation that was cut off: %v", err)
	}
	<-in.Done()
	if err := in.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if _, err := invoke(in, t.Context(), &pinfold.Invocation{ID: "x"}); pinfold.ReasonOf(err) != "InstanceGone" {
		t.Errorf("an invocation after Close: %v", err)
	}
}

// TestDiesWhileIdle: a crash between invocations is noticed.
func TestDiesWhileIdle(t *testing.T) { behind(t, testDiesWhileIdle) }

func testDiesWhileIdle(t *testing.T, w walls) {
	l := newLab(t, w)
	in := l.launch(l.version("nodejs20.x", "index.handler", map[string]string{
		"index.js": `exports.handler = async () => { setTimeout(() => { throw new Error("afterwards") }, 20); return 1 }`,
	}))
	if res := l.call(in, "{}"); string(res.Payload) != "1" {
		t.Errorf("answer: %s", res.Payload)
	}
	<-in.Done()
	if in.Reusable() {
		t.Error("a dead instance is called reusable")
	}
	if _, err := l.logs.find("afterwards"); err != nil {
		t.Error(err)
	}
}

func TestNothingIsLeft(t *testing.T) { behind(t, testNothingIsLeft) }

func testNothingIsLeft(t *testing.T, w walls) {
	l := newLab(t, w)
	in := l.launch(l.version("nodejs20.x", "index.handler", map[string]string{
		"index.js": `require("fs").writeFileSync(require("os").tmpdir() + "/x", "x"); exports.handler = async () => 1`,
	}))
	l.call(in, "{}")
	if found, _ := filepath.Glob(w.dir + "/*/tmp/x"); len(found) != 1 && !w.Capabilities().Filesystem {
		t.Errorf("what the function wrote: %v", found)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if found, _ := filepath.Glob(w.dir + "/*"); len(found) != 0 {
		t.Errorf("left: %v", found)
	}
}

func TestBootstrapsAreWrittenOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := unpackBootstraps(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	found, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(found) != 1 {
		t.Errorf("bootstraps: %v", found)
	}
	if _, err := os.Stat(filepath.Join(found[0], "python", "pinfold_bootstrap", "__init__.py")); err != nil {
		t.Error(err)
	}
}
