package runtimes

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// watcher keeps what it is told.
type watcher struct {
	mu   sync.Mutex
	got  []pinfold.Execution
	lost int // how often it is told that nothing came of it
}

func (w *watcher) Executed(e *pinfold.Execution) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e == nil {
		w.lost++
		return
	}
	w.got = append(w.got, *e)
}

// Who observes an invocation is told what its REPORT says, once.
func TestExecutions(t *testing.T) {
	behind(t, func(t *testing.T, w walls) {
		l := newLab(t, w)
		v := l.version("nodejs20.x", "index.handler", map[string]string{"index.js": `
			exports.handler = async e => {
				const until = Date.now() + (e.burn || 0); while (Date.now() < until);
				if (e.die) process.exit(1);
				if (e.fail) throw new TypeError("no");
				if (e.hang) await new Promise(() => setInterval(() => {}, 1000));
				return "x".repeat(98);
			}`})
		v.Config.Timeout = 1
		in := l.launch(v)
		var seen watcher
		run := func(in *Instance, event string) (*pinfold.Result, pinfold.Execution) {
			t.Helper()
			seen.got = nil
			inv := &pinfold.Invocation{ID: testID, Payload: []byte(event), WantLogTail: true, Observer: &seen}
			if !in.used {
				inv.Placed.Cold = pinfold.ColdFirst
			}
			res, err := invoke(in, t.Context(), inv)
			if err != nil || len(seen.got) != 1 {
				t.Fatalf("%s: %v, told %d times", event, err, len(seen.got))
			}
			return res, seen.got[0]
		}
		res, e := run(in, `{"burn": 100}`)
		if e.Instance != in.ID() || e.Version != v || !e.Phases.Cold || e.Phases.Init <= 0 || e.Phases.Handler < 90*time.Millisecond || e.Cold != pinfold.ColdFirst {
			t.Errorf("the first: %+v", e)
		}
		if billed := e.Phases.Handler + e.Phases.Init; e.Billed < billed || e.Billed-billed >= time.Millisecond || e.Billed%time.Millisecond != 0 {
			t.Errorf("%v are billed of %v", e.Billed, billed)
		}
		if e.CPU < time.Millisecond || e.CPU > 500*time.Millisecond || e.PeakMB < 5 || e.BytesOut != 100 || e.Status != "" {
			t.Errorf("what the first used: %+v", e)
		}
		report := func(res *pinfold.Result, e pinfold.Execution) {
			t.Helper()
			if want := fmt.Sprintf("Billed Duration: %d ms", e.Billed.Milliseconds()); !strings.Contains(string(res.LogTail), want) {
				t.Errorf("the log has no %q:\n%s", want, res.LogTail)
			}
		}
		report(res, e)
		if res, e = run(in, `{}`); e.Phases.Cold || e.Phases.Init != 0 || e.Billed > time.Second {
			t.Errorf("the second: %+v", e)
		}
		report(res, e)
		if _, e = run(in, `{"fail": true}`); e.Failure != "TypeError" || !strings.Contains(string(e.Envelope), `"no"`) || e.BytesOut != int64(len(e.Envelope)) || e.Status != "" {
			t.Errorf("an error: %+v", e)
		}
		if res, e = run(in, `{"hang": true}`); e.Status != "timeout" || e.Phases.Handler != time.Second || e.Failure != "Sandbox.Timedout" {
			t.Errorf("a timeout: %+v", e)
		}
		report(res, e)
		if res, e = run(l.launch(v), `{"die": true}`); e.Status != "error" || e.Failure != "Runtime.ExitError" || !e.Phases.Cold {
			t.Errorf("a crash: %+v", e)
		}
		report(res, e)
	})
}

// No processor time is counted twice, and none is lost but what is not shared out
// yet.
func TestProcessorTimeIsSharedOut(t *testing.T) {
	u := usage{}
	var given, measured time.Duration
	for i := range 1000 {
		took := time.Duration(1+i%7) * time.Millisecond
		u.worked += took
		if i%10 == 9 {
			more := time.Duration(i%13) * time.Millisecond
			measured += more
			u.share(measured)
		}
		given += u.take(took)
	}
	if given > measured || measured-given > 100*time.Millisecond || given+u.left != measured {
		t.Errorf("%v of %v were given out, %v are left", given, measured, u.left)
	}
}

// TestToldBeforeTheAnswer: who observes an invocation is told before the caller has
// the answer, though the process that is killed for it takes its time.
func TestToldBeforeTheAnswer(t *testing.T) {
	p := newPuppet(t)
	p.limit = time.Millisecond
	late, end := make(chan struct{}), p.box.end
	p.box.end = func(e sandbox.Exit) { <-late; end(e) }
	var seen watcher
	one := p.invoke(&pinfold.Invocation{ID: "one", Observer: &seen})
	p.hears(frameInvoke)
	<-one.done
	seen.mu.Lock()
	if len(seen.got) != 1 || seen.got[0].Status != "timeout" || seen.got[0].Billed != time.Millisecond {
		t.Errorf("with the answer there is %+v", seen.got)
	}
	seen.mu.Unlock()
	close(late)
	p.quit(sandbox.Exit{})
	<-p.Done()
	if len(seen.got) != 1 || seen.lost != 0 {
		t.Errorf("in the end there is %+v, and %d lost", seen.got, seen.lost)
	}
}

// TestLeftInVain: who observes an invocation is told that nothing came of it, where
// its caller has left and the process ends before its turn.
func TestLeftInVain(t *testing.T) {
	p := newPuppet(t)
	var seen, stays watcher
	one := p.invoke(&pinfold.Invocation{ID: "one"})
	p.hears(frameInvoke)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	inv := &pinfold.Invocation{ID: "two", Observer: &seen}
	over := make(chan struct{})
	if _, err := p.Invoke(ctx, inv, func() { close(over) }); err == nil || !inv.Left {
		t.Errorf("who leaves gets %v, left: %t", err, inv.Left)
	}
	p.hears(frameInvoke)
	three := p.invoke(&pinfold.Invocation{ID: "three", Observer: &stays})
	p.hears(frameInvoke)
	p.quit(sandbox.Exit{Code: 3})
	one.answer()
	if three.answer(); pinfold.ReasonOf(three.err) != "InstanceGone" || stays.lost != 0 || len(stays.got) != 0 {
		t.Errorf("who stays gets %v, and is observed: %+v", three.err, stays.got)
	}
	<-over
	if seen.lost != 1 || len(seen.got) != 0 {
		t.Errorf("told %d times that nothing came of it, and of %+v", seen.lost, seen.got)
	}
}

// What a launch took is, in its order, what was waited for; who comes late has
// waited for the rest alone.
func TestWithoutTheFirstPart(t *testing.T) {
	const ms = time.Millisecond
	launch := pinfold.Phases{Fetch: 10 * ms, Sandbox: 20 * ms, Boot: 30 * ms, Init: 40 * ms}
	for first, want := range map[time.Duration]pinfold.Phases{
		0:         launch,
		5 * ms:    {Fetch: 5 * ms, Sandbox: 20 * ms, Boot: 30 * ms, Init: 40 * ms},
		10 * ms:   {Sandbox: 20 * ms, Boot: 30 * ms, Init: 40 * ms},
		70 * ms:   {Init: 30 * ms},
		100 * ms:  {},
		time.Hour: {},
	} {
		if got := without(launch, first); got != want {
			t.Errorf("without %v it is %+v, want %+v", first, got, want)
		}
	}
}

// The phases of a launch do not overlap, whatever is launched and however that
// ends, and a second attempt to load a function is a part of its invocation.
func TestPhasesOfALaunch(t *testing.T) {
	behind(t, func(t *testing.T, w walls) {
		l := newLab(t, w)
		for name, v := range map[string]*pinfold.Version{
			"Node.js":    l.version("nodejs20.x", "index.handler", map[string]string{"index.js": `exports.handler = async () => 1`}),
			"Python":     l.version("python3.12", "index.handler", map[string]string{"index.py": "def handler(*_): return 1"}),
			"a program":  goVersion(l, "provided.al2023", "bootstrap", "bootstrap"),
			"no program": l.version("provided.al2023", "bootstrap", map[string]string{"other": ""}),
			"fails once": l.version("nodejs20.x", "index.handler", map[string]string{"index.js": `
				const fs = require("fs"); const until = Date.now() + 50; while (Date.now() < until);
				throw new Error("no")`}),
			"its options": l.version("nodejs20.x", "index.handler", map[string]string{"index.js": ``}, func(c *pinfold.Config) {
				c.Environment = map[string]string{"NODE_OPTIONS": "--nonsense"}
			}),
		} {
			began := time.Now()
			in := l.launch(v)
			took := time.Since(began)
			p := in.Phases()
			if sum := p.Fetch + p.Sandbox + p.Boot + p.Init; sum > took || p.Fetch <= 0 || p.Sandbox <= 0 || p.Boot+p.Init <= 0 {
				t.Errorf("%s: %v have become %+v", name, took, p)
			}
			var seen watcher
			_, _ = invoke(in, t.Context(), &pinfold.Invocation{
				ID: testID, Payload: []byte(`{}`), Observer: &seen, Placed: pinfold.Placement{Cold: pinfold.ColdFirst, Boot: time.Hour},
			})
			p.Cold, p.Boot = true, p.Boot+time.Hour
			if len(seen.got) != 1 {
				t.Fatalf("%s: told %d times", name, len(seen.got))
			}
			got := seen.got[0].Phases
			if p.Handler = got.Handler; got != p {
				t.Errorf("%s: its first invocation has waited for %+v, want %+v", name, got, p)
			}
		}
	})
}
