package python

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pinfold.dev/pinfold/internal/runtimes/bootstrap/bootstraptest"
)

// TestSeveral runs invocations that wait for each other, so that they can only end
// if all of them run at once. Logs, context variables and trace headers stay apart.
func TestSeveral(t *testing.T) {
	const shared = "import asyncio, contextvars, logging, os, sys, threading\nv = contextvars.ContextVar('v')\n"
	const after = "\n    return [v.get(), c.aws_request_id, os.environ['_X_AMZN_TRACE_ID'], threading.current_thread() is threading.main_thread()]\n"
	const before = "    print('begin', e); v.set(e); logging.warning('w%s', e); sys.stdout.write('part')\n"
	everywhere(t, func(t *testing.T, python string) {
		for name, test := range map[string]struct{ py, main string }{
			"threads": {shared + "all = threading.Barrier(4)\ndef handler(e, c):\n" + before + "    all.wait()" + after, "false"},
			"loop":    {shared + "seen = []\nasync def handler(e, c):\n" + before + "    seen.append(e)\n    while len(seen) < 4: await asyncio.sleep(.001)" + after, "true"},
		} {
			t.Run(name, func(t *testing.T) {
				p := start(t, python)
				match(t, p.load(map[string]string{"app.py": test.py}, map[string]any{"concurrency": 4}), `READY 0 `)
				for id := range uint32(4) {
					p.Invoke(id+1, fmt.Sprint(id+1), "")
				}
				of := map[uint32][]bootstraptest.Frame{}
				for _, f := range p.Frames(4) {
					of[f.ID] = append(of[f.ID], f)
				}
				for id := range uint32(4) {
					id++
					match(t, of[id], fmt.Sprintf(`LOG %d begin %[1]d`, id), fmt.Sprintf(`LOG %d \[WARNING\].*\trequest-%[1]d\tw%[1]d`, id), fmt.Sprintf(`LOG %d part`, id),
						fmt.Sprintf(`RESPONSE %d \[%[1]d, "request-%[1]d", "Root=%[1]d", %s\]`, id, test.main))
				}
			})
		}
	})
}

func TestSeveralFail(t *testing.T) {
	tests := map[string]struct {
		py   string
		want []string
		exit int
	}{
		"raise":         {"raise ValueError('x')", failure("ValueError", "x"), 0},
		"exit":          {"import sys; print('p', end=''); sys.exit(6)", []string{`LOG 1 p`, `EOF 0 `}, 6},
		"BaseException": {"class B(BaseException): pass\nraise B()", nil, 1},
		"environment":   {"import os; os.environ = {}", []string{`RESPONSE 1 null`}, 0},
	}
	everywhere(t, func(t *testing.T, python string) {
		for name, test := range tests {
			for _, def := range []string{"", "async "} {
				t.Run(def+name, func(t *testing.T) {
					p := start(t, python)
					match(t, p.load(map[string]string{"app.py": def + body(test.py)}, map[string]any{"concurrency": 2}), `READY 0 `)
					p.Invoke(1, `{}`, "")
					if got := p.Frames(1); test.want != nil {
						match(t, got, test.want...)
					}
					_ = p.In.Close()
					_ = p.Cmd.Wait()
					if p.Cmd.ProcessState.ExitCode() != test.exit {
						t.Errorf("the process ends with %v", p.Cmd.ProcessState)
					}
				})
			}
		}
	})
}

func TestTaskThatGoesOnAfterTheAnswer(t *testing.T) {
	everywhere(t, func(t *testing.T, python string) {
		p := start(t, python)
		match(t, p.load(map[string]string{"app.py": "import asyncio\nasync def late():\n    await asyncio.sleep(.01); print('late')\nasync " + body("asyncio.ensure_future(late())")},
			map[string]any{"concurrency": 2}), `READY 0 `)
		p.Invoke(1, `{}`, "")
		match(t, append(p.Frames(1), p.Next()), `RESPONSE 1 null`, `LOG 0 late`)
	})
}

// TestCompiledCode keeps what one process has compiled for the next one, which
// then has no use for the source, unless what was kept is spoiled.
func TestCompiledCode(t *testing.T) {
	files := map[string]string{"app.py": "import lib.m\n" + body("import late\nreturn lib.m.x"), "lib/m.py": "x = 5", "late.py": "y = 1"}
	everywhere(t, func(t *testing.T, python string) {
		first := start(t, python)
		match(t, first.load(files, map[string]any{"wantCache": true}), `READY 0 `)
		first.Invoke(1, `{}`, "")
		got := append(first.Frames(1), first.Next())
		match(t, got, `RESPONSE 1 5`, `CACHE 0 .*`)
		folder := t.TempDir()
		keep := func(data string) {
			if err := os.WriteFile(filepath.Join(folder, "code"), []byte(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		changed := map[string]string{"lib/m.py": "x = 99"}
		for _, test := range []struct{ kept, want string }{
			{got[1].Payload, `RESPONSE 1 5`},
			{got[1].Payload[:50], `RESPONSE 1 99`},
			{"no such thing", `RESPONSE 1 99`},
			{"", `RESPONSE 1 99`},
		} {
			keep(test.kept)
			p := start(t, python)
			p.Dir = first.Dir
			match(t, p.load(changed, map[string]any{"cache": folder}), `READY 0 `)
			p.Invoke(1, `{}`, "")
			match(t, p.Frames(1), test.want)
		}
	})
}
